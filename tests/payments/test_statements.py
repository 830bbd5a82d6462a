"""Bank lines are kept once, and money reaches the bank only by them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.funds import queries as fund_queries
from fundraising.funds.errors import FundOverspent
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as books
from fundraising.ledger import service as ledger
from fundraising.ledger.errors import KeyReused
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import bank_booking, bank_charges, fees, statement_files, statements
from fundraising.payments.bank_charges import ChargeTooLarge
from fundraising.payments.models import BankLine
from fundraising.payments.statement_files import NewBankLine, UnreadableStatement
from tests.factories import Make

Book = Callable[[BankLine, UUID], UUID]
NOON = datetime(2024, 5, 20, 12, 0, tzinfo=clock.SHANGHAI)
STATEMENT = (
    "账号：13050000,,,,,\r\n"
    "交易时间,交易流水号,借方发生额(元),贷方发生额(元),对方户名,摘要\r\n"
    '2024-05-20 09:00:00,S1,,"391,631.68",公益宝平台,5月善款结算\r\n'
    "2024-05-21,S2,11576.00,,供应商,货款\r\n"
)


def row(serial: str = "S1", fen: int = 1000) -> NewBankLine:
    return NewBankLine(serial, NOON, Money(fen), "平台", "结算")


def fee(fund_id: UUID, fen: int, key: str = "bill:1") -> UUID:
    return fees.book_fee(fund_id, "wechatpay", Money(fen), key, NOON, fees.FEE_TITLE)


def line(serial: str = "S1") -> BankLine:
    return statements.find("bank", serial)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_statement_is_read_in_each_encoding_banks_use(encoding: str) -> None:
    file = statement_files.read(STATEMENT.encode(encoding))

    assert [(r.serial, r.amount, r.counterparty) for r in file.lines] == [
        ("S1", Money(39_163_168), "公益宝平台"),
        ("S2", Money(-1_157_600), "供应商"),
    ]
    assert file.errors == []


def test_a_statement_of_millions_of_columns_is_refused_before_it_is_taken_apart() -> None:
    with pytest.raises(statement_files.UnreadableStatement) as refused:
        statement_files.read(b"a," * 3_000_000)

    assert "1,000 columns" in refused.value.message._args[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2024-05-20,,,1.00,,", "serial number is missing"),
        ("2024-05-20,1.2E+15,,1.00,,", "rounded"),
        ("2024-05-20,S,,1.001,,", "two decimals"),
        ("2024-05-20,S,1.00,1.00,,", "came in and money that went out"),
        ("2024-05-20,S,,0.00,,", "zero"),
        ("20th May,S,,1.00,,", "not written like"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(app: object, text: str, problem: str) -> None:
    heading = "交易时间,交易流水号,借方发生额,贷方发生额,对方户名,摘要\n"
    file = statement_files.read(f"{heading}{text}\n".encode())

    assert file.lines == []
    (error,) = file.errors
    assert error.line == 2
    assert problem in error.problem._args[0]


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\0\0", b"\xff\xfe\x00"])
def test_a_file_that_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableStatement):
        statement_files.read(data)


def test_importing_again_changes_nothing(session: Session) -> None:
    assert statements.import_lines("bank", [row(), row("S2"), row("S2")]).new_count == 2

    again = statements.import_lines("bank", [row(), row("S2"), row("S3")])

    assert (again.new_count, again.known_count) == (1, 2)
    assert len(statements.unmatched()) == 3


def test_a_known_line_with_another_amount_is_an_alarm(session: Session) -> None:
    statements.import_lines("bank", [row()])

    for lines in ([row(fen=1001)], [row("S9"), row("S9", 1)]):
        with pytest.raises(statements.BankLineChanged):
            statements.import_lines("bank", lines)


def test_a_payout_closes_what_waited_at_the_provider(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 600, 500)
    statements.import_lines("bank", [row(fen=1000)])
    fee(fund.id, 100)

    entry = books.entry(bank_booking.match_payout(line(), "wechatpay", None))

    assert entry.kind == EntryKind.PAYOUT_RECEIVED
    assert entry.booked_on == NOON.date()
    assert books.balance(chart.clearing("wechatpay")) == Money.zero()
    assert books.balance(chart.BANK) == Money(1000)
    assert statements.unmatched() == []


def test_a_line_is_booked_once(make: Make) -> None:
    make.money(make.fund().id, 5000)
    statements.import_lines("bank", [row(fen=1000)])
    bank_booking.match_payout(line(), "wechatpay", None)

    with pytest.raises(statements.AlreadyMatched):
        bank_booking.match_payout(line(), "wechatpay", None)
    with pytest.raises(statements.AlreadyMatched):
        bank_booking.book_suspense(line(), None)
    assert books.balance(chart.BANK) == Money(1000)


def test_more_than_waits_at_the_provider_is_no_payout(make: Make) -> None:
    make.money(make.fund().id, 999)
    statements.import_lines("bank", [row(fen=1000)])

    with pytest.raises(statements.NotWaiting):
        bank_booking.match_payout(line(), "wechatpay", None)


def test_money_that_nobody_can_place_waits_in_suspense(session: Session) -> None:
    statements.import_lines("bank", [row(fen=1000), row("OUT", -5)])
    bank_booking.book_suspense(line(), None)

    assert books.balance(chart.SUSPENSE) == Money(-1000)
    with pytest.raises(statements.NotWaiting):
        bank_booking.book_suspense(line("OUT"), None)


def test_a_fee_has_its_own_line_and_draws_from_the_fund_once(make: Make) -> None:
    fund = make.fund()
    (gift,) = make.money(fund.id, 1000)

    assert fee(fund.id, 6) == fee(fund.id, 6)

    totals = fund_queries.totals(fund.id)
    assert (totals.fees_fen, totals.spent_fen, totals.unspent_fen) == (6, 0, 994)
    trace = fund_queries.trace(gift)
    assert trace is not None
    assert [(d.fen, d.kind) for d in trace.draws] == [(6, "fee")]
    with pytest.raises(KeyReused):
        fee(fund.id, 7)
    with pytest.raises(FundOverspent):
        fee(fund.id, 995, "bill:2")


def test_a_payment_out_is_tied_to_its_bank_line_once(session: Session) -> None:
    statements.import_lines("bank", [row("S1", -1000), row("S2", -1000), row("S3", -999)])
    entry_id = ledger.post(
        NewEntry(
            "payment-out:1",
            EntryKind.PAYMENT_OUT,
            NOON,
            (debit(chart.PAYABLE, Money(1000)), credit(chart.BANK, Money(1000))),
        )
    )

    bank_booking.link(line(), entry_id, None)

    assert [open_line.serial for open_line in statements.unmatched()] == ["S2", "S3"]
    for serial in ("S2", "S3"):
        with pytest.raises(statements.NotWaiting):
            bank_booking.link(line(serial), entry_id, None)


def test_a_statement_with_one_bad_line_is_taken_over_not_at_all(session: Session) -> None:
    text = "交易时间,交易流水号,贷方发生额\n2024-05-20,S1,1.00\n2024-05-20,S2,1.001\n"

    with pytest.raises(UnreadableStatement) as refused:
        statements.import_csv("bank", text.encode())

    assert refused.value.extra["errors"][0].startswith("3: ")
    assert statements.unmatched() == []
    assert statements.import_csv("bank", text.replace("1.001", "1.01").encode()).new_count == 2


def test_what_is_too_long_or_torn_is_refused() -> None:
    heading = "交易时间,交易流水号,贷方发生额\n"
    with pytest.raises(UnreadableStatement):
        statement_files.read(b"x" * (statement_files.MAX_BYTES + 1))
    with pytest.raises(UnreadableStatement):
        statement_files.read(heading.encode() + b"\n" * statement_files.MAX_ROWS)
    with pytest.raises(UnreadableStatement):
        statement_files.read(heading.encode() + b'"' + b"x" * 200_000)


def test_empty_lines_between_are_no_errors() -> None:
    text = "交易时间,交易流水号,贷方发生额\n,,\n\n2024-05-20,S1,1.00\n"

    file = statement_files.read(text.encode())

    assert (len(file.lines), file.errors) == (1, [])


def test_a_line_that_does_not_exist_is_named_as_missing(session: Session) -> None:
    with pytest.raises(statements.BankLineNotFound):
        line("nothing")


@pytest.mark.parametrize(
    ("told", "book", "account"),
    [
        (row(fen=-1500), bank_charges.book_charge, chart.BANK_CHARGES),
        (replace(row(), is_reversal=True), bank_charges.book_charge, chart.BANK_CHARGES),
        (row(fen=321), bank_charges.book_interest, chart.BANK_INTEREST),
        (replace(row(fen=-9), is_reversal=True), bank_charges.book_interest, chart.BANK_INTEREST),
    ],
)
def test_charges_and_interest_of_the_bank_explain_their_line(
    session: Session, told: NewBankLine, book: Book, account: str
) -> None:
    statements.import_lines("bank", [told])

    book(line(), UUID(int=1))

    assert books.balance(chart.BANK) == told.amount
    assert books.balance(account) == -told.amount
    assert statements.unmatched() == []
    assert checks.run_here() == []
    with pytest.raises(statements.AlreadyMatched):
        book(line(), UUID(int=1))


def test_what_no_bank_charges_or_pays_is_refused(session: Session) -> None:
    lines = [row("IN"), row("OUT", -1000), row("MUCH", -100_001)]
    statements.import_lines("bank", lines)
    with pytest.raises(statements.NotWaiting):
        bank_charges.book_charge(line("IN"), UUID(int=1))
    with pytest.raises(statements.NotWaiting):
        bank_charges.book_interest(line("OUT"), UUID(int=1))
    with pytest.raises(ChargeTooLarge):
        bank_charges.book_charge(line("MUCH"), UUID(int=1))
