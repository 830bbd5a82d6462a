"""A gift by bank transfer: chosen on the form, told with a code, found on the statement, thanked for."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.giving import queries, resolving, service, settlement, transfers
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as books
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments import polling, reviews, statements, transfer_codes
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, BankLine
from fundraising.payments.providers.bank import BankTransfer
from fundraising.payments.providers.base import Product
from fundraising.payments.statement_files import NewBankLine
from tests import wechat
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_pages import post

ACCOUNT = "1305000000000001314"


@pytest.fixture(autouse=True)
def both_ways(app: Flask) -> Iterator[None]:
    bank = BankTransfer(ACCOUNT, "承德市红十字会", "某银行承德分行")
    provider = wechat.provider()
    app.extensions["providers"] = {"wechatpay": provider, "bank": bank}
    yield
    provider.http.close()
    app.extensions["providers"] = {}


def transfer(client: FlaskClient, campaign: Campaign) -> tuple[Gift, Attempt]:
    status, where = post(client, campaign, product="bank.transfer")
    assert status == 303
    gift = queries.by_order_no(where.rsplit("/", 1)[1])
    attempt = payments.latest(gift.id)
    assert attempt is not None
    return gift, attempt


def test_the_form_offers_a_transfer_where_it_is_set_up(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    assert 'value="bank.transfer"' in client.get(f"/c/{campaign.slug}/donate").text

    del app.extensions["providers"]["bank"]

    assert 'name="product"' not in client.get(f"/c/{campaign.slug}/donate").text
    assert post(client, campaign, product="bank.transfer")[0] == 409


def test_a_donor_whose_payment_service_is_away_is_shown_the_other_ways(
    client: FlaskClient, campaign: Campaign
) -> None:
    _, where = post(client, campaign, product="wechatpay")
    page = client.get(where)
    assert page.status_code == 503
    assert 'value="bank.transfer"' in page.text

    again = client.post(f"{where}/again", data={"product": "bank.transfer"})

    assert again.status_code == 303
    assert ACCOUNT[-3:] in client.get(where).text


def test_the_pay_page_tells_account_amount_and_code_as_plain_text(
    client: FlaskClient, campaign: Campaign
) -> None:
    gift, attempt = transfer(client, campaign)
    page = client.get(f"/pay/{gift.order_no}").text

    assert transfer_codes.is_valid(attempt.merchant_ref)
    shown = transfer_codes.shown(attempt.merchant_ref)
    for text in (shown, "1305 0000 0000 0001 314", "100.00"):
        assert text in page
    assert "承德市红十字会" in page
    assert "pay.js" not in page
    assert "refresh" not in page
    assert re.search(r'value="wechatpay"', page)


def test_a_transfer_waits_thirty_days_and_nobody_is_asked(
    client: FlaskClient, campaign: Campaign, session: Session, frozen_clock: FrozenClock
) -> None:
    began = frozen_clock.at
    gift, attempt = transfer(client, campaign)
    client.get(f"/pay/{gift.order_no}")
    client.post(f"/pay/{gift.order_no}/check")

    frozen_clock.move(days=29)
    assert not polling.has_due()
    assert "refresh" not in client.get(f"/pay/{gift.order_no}/result").text

    frozen_clock.move(days=1, seconds=1)
    assert attempt.expires_at == began + timedelta(days=30)
    assert polling.poll_due(settlement.apply_facts) == 1
    session.expire_all()
    assert (attempt.state, gift.state) == ("closed", "closed")
    assert not polling.has_due()


def test_a_donor_may_change_from_one_way_to_the_other(
    client: FlaskClient, campaign: Campaign
) -> None:
    gift, first = transfer(client, campaign)

    client.post(f"/pay/{gift.order_no}/again", data={"product": "wechatpay"})
    second = payments.latest(gift.id)
    client.post(f"/pay/{gift.order_no}/again", data={"product": "bank.transfer"})
    third = payments.latest(gift.id)

    assert second is not None
    assert third is not None
    assert [a.provider for a in (first, second, third)] == ["bank", "wechatpay", "bank"]
    assert first.merchant_ref != third.merchant_ref


# ---------------------------------------------------------------------- statements


def line(serial: str, fen: int, memo: str = "", name: str = "", **more: object) -> NewBankLine:
    return NewBankLine(serial, clock.now(), Money(fen), name, memo, **more)  # type: ignore[arg-type]


def fresh(gift: Gift) -> Gift:
    """The gift as the database has it now: settlement writes without the session."""
    return queries.by_id(gift.id)


def faults() -> list[str]:
    """What the checks of the books find, within the test's own transaction."""
    return [found.check for name in checks.names() for found in checks._checks[name]()]


def open_line(serial: str) -> BankLine:
    return statements.find(ACCOUNT, serial)


def wanted(start: Callable[..., Gift], fen: int = 10_000, **more: object) -> tuple[Gift, Attempt]:
    gift = start(fen, product=Product.BANK_TRANSFER, **more)
    attempt = payments.latest(gift.id)
    assert attempt is not None
    return gift, attempt


def test_a_code_in_the_memo_books_the_gift_at_the_bank_once(start: Callable[..., Gift]) -> None:
    gift, attempt = wanted(start)
    memo = f"捐款码{transfer_codes.shown(attempt.merchant_ref).lower()}"
    lines = [line("S1", 10_000, memo, counterparty_account="6222"), line("S2", 5000, "房租")]

    first = transfers.take_over(ACCOUNT, lines)
    again = transfers.take_over(ACCOUNT, lines)

    assert (first.new_count, first.settled_count) == (2, 1)
    assert (again.new_count, again.known_count, again.settled_count) == (0, 2, 0)
    assert fresh(gift).is_paid
    assert books.balance(chart.BANK) == Money(10_000)
    assert books.balance(chart.INCOME_RESTRICTED) == Money(-10_000)
    entry = books.entry(open_line("S1").entry_id or uuid4())
    assert entry.kind == EntryKind.GIFT_RECEIVED
    assert [waiting.serial for waiting in statements.unmatched()] == ["S2"]
    assert queries.people_count(gift.campaign_id) == 1


def test_another_amount_is_booked_as_received_and_looked_into(start: Callable[..., Gift]) -> None:
    gift, attempt = wanted(start)

    taken = transfers.take_over(ACCOUNT, [line("S1", 9_999, attempt.merchant_ref)])

    assert taken.settled_count == 1
    assert (fresh(gift).state, gift.is_paid) == ("review", False)
    assert books.balance(chart.SUSPENSE) == Money(-9_999)
    assert books.balance(chart.BANK) == Money(9_999)
    assert [review.kind for review in reviews.open_reviews()] == ["mismatch"]
    assert statements.unmatched() == []


def test_a_second_transfer_of_one_gift_is_unapplied_money(start: Callable[..., Gift]) -> None:
    _, attempt = wanted(start)
    code = attempt.merchant_ref

    transfers.take_over(ACCOUNT, [line("S1", 10_000, code), line("S2", 10_000, code)])

    assert books.balance(chart.INCOME_RESTRICTED) == Money(-10_000)
    assert books.balance(chart.UNAPPLIED) == Money(-10_000)
    assert statements.unmatched() == []


def test_money_that_comes_after_the_end_is_still_the_gift(
    start: Callable[..., Gift], session: Session, frozen_clock: FrozenClock
) -> None:
    gift, attempt = wanted(start)
    frozen_clock.move(days=31)
    polling.poll_due(settlement.apply_facts)
    session.expire_all()
    assert gift.state == "closed"

    transfers.take_over(ACCOUNT, [line("S1", 10_000, attempt.merchant_ref)])

    session.expire_all()
    assert gift.state == "paid"


def test_the_same_serial_at_another_account_of_ours_is_another_payment(
    start: Callable[..., Gift],
) -> None:
    _, attempt = wanted(start)
    for account in (ACCOUNT, "999"):
        transfers.take_over(account, [line("S1", 10_000, attempt.merchant_ref)])

    assert books.balance(chart.BANK) == Money(20_000)
    assert books.balance(chart.UNAPPLIED) == Money(-10_000)


def test_reversals_money_out_and_two_codes_are_left_to_a_person(
    start: Callable[..., Gift],
) -> None:
    (_, one), (_, two) = wanted(start), wanted(start)
    both = f"{one.merchant_ref} {two.merchant_ref}"
    lines = [
        line("R", 10_000, one.merchant_ref, is_reversal=True),
        line("OUT", -10_000, one.merchant_ref),
        line("TWO", 10_000, f"{one.merchant_ref}，{two.merchant_ref}"),
    ]

    assert transfers.take_over(ACCOUNT, lines).settled_count == 0
    assert transfer_codes.found_in(both)[0] == one.merchant_ref
    suggested = transfers.suggest(statements.unmatched())
    assert set(suggested) == {open_line("TWO").id}
    assert {s.attempt_id for s in suggested[open_line("TWO").id]} == {one.id, two.id}
    for serial in ("R", "OUT"):
        with pytest.raises(statements.NotWaiting):
            transfers.confirm(open_line(serial).id, one.id, uuid4())


def test_n97_two_donors_of_one_amount_on_one_day_are_never_decided_by_the_machine(
    start: Callable[..., Gift],
) -> None:
    wanted(start, name="王芳")
    second, attempt = wanted(start, name="王芳")
    transfers.take_over(ACCOUNT, [line("S1", 10_000, "捐款", "王芳")])

    (waiting,) = statements.unmatched()
    suggestions = transfers.suggest([waiting])[waiting.id]

    assert books.balance(chart.BANK) == Money.zero()
    assert len(suggestions) == 2
    assert {s.score for s in suggestions} == {transfers.TIED}
    for one in suggestions:  # of two with this amount
        assert any("2" in str(reason) for reason in one.reasons)
    transfers.confirm(waiting.id, attempt.id, uuid4())
    assert fresh(second).is_paid
    with pytest.raises(statements.AlreadyMatched):
        transfers.confirm(waiting.id, attempt.id, uuid4())
    assert books.balance(chart.BANK) == Money(10_000)


def test_suggestions_weigh_code_name_amount_and_days(
    start: Callable[..., Gift], frozen_clock: FrozenClock
) -> None:
    _, old = wanted(start)
    frozen_clock.move(days=5)
    _, named = wanted(start, name="王 芳")
    _, coded = wanted(start, fen=7_000)
    late = line("S1", 10_000, f"捐 {mistyped(coded.merchant_ref)}", "王芳")
    early = NewBankLine("S0", frozen_clock.at - timedelta(days=40), Money(10_000))
    transfers.take_over(ACCOUNT, [late, early])

    suggested = transfers.suggest(statements.unmatched())
    ranked = suggested[open_line("S1").id]

    assert [s.attempt_id for s in ranked] == [named.id, coded.id, old.id]
    assert ranked[0].score > ranked[1].score > ranked[2].score
    assert suggested[open_line("S0").id] == []


def mistyped(code: str) -> str:
    return code[:4] + ("A" if code[4] != "A" else "B") + code[5:]


def test_a_person_names_the_gift_by_code_or_order_number(start: Callable[..., Gift]) -> None:
    gift, attempt = wanted(start)
    by_wechat = start(10_000)

    assert transfers.find_order(transfer_codes.shown(attempt.merchant_ref)) == attempt.id
    assert transfers.find_order(f" {gift.order_no.lower()} ") == attempt.id
    for number in ("", "nothing", by_wechat.order_no, transfer_codes.new()):
        with pytest.raises(transfers.TransferNotFound):
            transfers.find_order(number)


def test_from_the_form_over_the_statement_to_thanks(
    client: FlaskClient, campaign: Campaign, staff_client: Callable[[str], FlaskClient]
) -> None:
    gift, attempt = transfer(client, campaign)
    finance = staff_client("finance")
    text = f"交易时间,交易流水号,贷方发生额,对方户名,附言\n{clock.today()},S1,100.00,王芳,{attempt.merchant_ref}\n"
    values = {"account": ACCOUNT, "file": (io.BytesIO(text.encode("gb18030")), "a.csv")}
    where = finance.post("/staff/finance/bank/files", data=values).headers["Location"]
    assert finance.post(f"{where}/take").status_code == 303

    answer = client.get(f"/pay/{gift.order_no}", follow_redirects=True)

    assert answer.request.path == f"/thanks/{gift.token}"
    assert "¥100.00" in answer.text
    assert client.get(f"/t/{gift.token}").status_code == 200
    assert faults() == []


def test_a_line_without_a_code_is_confirmed_on_the_desk(
    staff_client: Callable[[str], FlaskClient], start: Callable[..., Gift]
) -> None:
    gift, attempt = wanted(start, name="王芳")
    transfers.take_over(ACCOUNT, [line("S1", 10_000, "捐款", "王芳")])
    waiting, finance = open_line("S1"), staff_client("finance")
    address = f"/staff/finance/bank/{waiting.id}"

    page = finance.get("/staff/finance/bank").text
    assert gift.order_no in page
    assert str(attempt.id) in page
    finance.post(address, data={"as": "gift", "number": "nothing"})
    assert not fresh(gift).is_paid
    finance.post(address, data={"as": "gift", "number": attempt.merchant_ref})

    assert queries.by_id(gift.id).is_paid
    assert gift.order_no not in finance.get("/staff/finance/bank").text


def test_two_workers_with_one_file_book_each_line_once(own_database: Flask) -> None:
    own_database.extensions["providers"] = {"bank": BankTransfer(ACCOUNT, "a", "b")}
    with transaction():
        made = Make(db.session()).campaign()
        gifts = [
            service.start_gift(
                StartGift(made.slug, Money(1000 + n), Product.BANK_TRANSFER, uuid4().hex)
            )
            for n in range(20)
        ]
    attempts = [payments.latest(gift.id) for gift in gifts]
    lines = [line(f"S{n}", 1000 + n, a.merchant_ref) for n, a in enumerate(attempts) if a]
    together = threading.Barrier(2)

    def work(mine: list[NewBankLine]) -> int:
        with own_database.app_context():
            together.wait(20)
            with transaction():
                found = transfers.take_over(ACCOUNT, mine).settled_count
            db.session.remove()
            return found

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, (lines, lines[::-1])))

    assert sum(found) == 20
    assert books.balance(chart.BANK) == Money(sum(1000 + n for n in range(20)))
    assert statements.unmatched() == []
    assert faults() == []
    db.session.rollback()


def test_the_checks_see_a_gift_without_its_line_and_a_line_of_another_amount(
    start: Callable[..., Gift], session: Session
) -> None:
    (_, one), (_, two) = wanted(start), wanted(start)
    transfers.take_over(ACCOUNT, [line("S1", 10_000, one.merchant_ref)])
    transfers.take_over(ACCOUNT, [line("S2", 10_000, two.merchant_ref)])
    assert faults() == []

    open_line("S1").entry_id = None
    open_line("S2").amount_fen = 9_000
    session.flush()

    assert set(faults()) == {
        "every gift by transfer has its bank line",
        "every booked bank line moves its amount on the bank account",
    }


def test_another_amount_can_be_accepted_as_what_the_donor_gave(start: Callable[..., Gift]) -> None:
    gift, attempt = wanted(start)
    transfers.take_over(ACCOUNT, [line("S1", 9_999, attempt.merchant_ref)])
    (review,) = reviews.open_reviews()

    resolving.accept_amount(review.id, note="银行扣了手续费", actor_id=uuid4())

    assert (fresh(gift).is_paid, gift.amount_fen) == (True, 9_999)
    assert books.balance(chart.SUSPENSE) == Money.zero()
    assert books.balance(chart.BANK) == Money(9_999)
    assert faults() == []
