"""Cash and cheques: two people count, papers have no gaps, nothing is booked while counts differ."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.funds import queries as funds
from fundraising.giving import people, queries
from fundraising.giving.counter import books, cheques, service
from fundraising.giving.counter.errors import (
    BookRefused,
    ChequeOver,
    CountDoesNotAdd,
    CountEmpty,
    CountOver,
    PaperNumberRefused,
    ReasonMissing,
    SameCounter,
)
from fundraising.giving.counter.models import Count, CountState, Method, SlipState
from fundraising.giving.counter.service import CountedGift, NewCount
from fundraising.giving.matching import service as matching
from fundraising.giving.models import Display, Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import bank_booking, statements
from fundraising.payments.statements import NewBankLine, NotWaiting
from tests.factories import Make
from tests.giving.test_matching import promised

Open = Callable[..., FlaskClient]


@dataclass
class Table:
    """A table with a box on it, a book of papers, and two people."""

    campaign: Campaign
    book_id: UUID
    first: UUID
    second: UUID

    def count(self, gifts: list[CountedGift], pieces: dict[int, int]) -> Count:
        """A first count."""
        new = NewCount(self.campaign, self.book_id, "丽正门 3 号箱", pieces, gifts)
        return service.record(new, self.first)

    def box(self, paper: int = 1) -> Count:
        """A box with 123.50 in it."""
        return self.count([CountedGift(Money(12_350), paper)], BOX)

    def cheque(self, fen: int = 500_000, paper: int = 1) -> Count:
        """A booked cheque of a company."""
        gift = CountedGift(Money(fen), paper, Method.CHEQUE, "30901234", "承德某公司", Display.FULL)
        count = self.count([gift], {})
        return service.recount(count.id, {}, Money(fen), self.second)


BOX = {10000: 1, 2000: 1, 100: 3, 50: 1}


@pytest.fixture
def table(make: Make, make_staff: Callable[..., User]) -> Table:
    """Everything that is needed to count."""
    first, second = make_staff("finance"), make_staff("campaign_editor")
    book = books.open_book("A1", 1, 50, first.id)
    return Table(make.campaign(), book.id, first.id, second.id)


def prove(session: Session) -> None:
    """No check of the books finds anything."""
    session.flush()
    assert [f for name in checks.names() for f in checks._checks[name]()] == []


def balance(method: Method) -> int:
    return ledger.balance(chart.clearing(method)).minor


def receipts_asked(session: Session) -> int:
    query = text("SELECT count(*) FROM outbox_work WHERE kind = 'receipts.issue'")
    return int(session.execute(query).scalar_one())


def test_a_box_is_booked_when_two_people_count_the_same(table: Table, session: Session) -> None:
    count = table.box()
    assert (balance(Method.CASH), receipts_asked(session)) == (0, 0)

    booked = service.recount(count.id, BOX, Money(0), table.second)

    assert booked.state == CountState.BOOKED
    assert balance(Method.CASH) == 12_350
    assert funds.totals(table.campaign.fund_id).raised_fen == 12_350
    assert funds.totals(table.campaign.fund_id).gifts_count == 1
    (gift,) = queries.recent_public(table.campaign.id)
    assert (gift.amount_fen, gift.display_name) == (12_350, None)
    assert queries.daily(table.campaign.id)[0].amount_fen == 12_350
    assert receipts_asked(session) == 1
    prove(session)


def test_a_list_is_one_gift_and_one_entry_for_each_line(table: Table, session: Session) -> None:
    count = table.count(
        [
            CountedGift(Money(10_000), 1, name="王小明", display=Display.MASKED),
            CountedGift(Money(5_000), 2),
            CountedGift(Money(80_000), 3, Method.CHEQUE, "30901234", "承德某公司", Display.FULL),
        ],
        {10000: 1, 5000: 1},
    )
    assert service.name_of(service.lines(count.id)[0]) == "王小明"
    service.recount(count.id, {10000: 1, 5000: 1}, Money(80_000), table.second)

    lines = service.lines(count.id)
    names = [g.display_name for g in queries.recent_public(table.campaign.id)]
    assert set(names) == {None, "承德某公司", "王**"}
    assert people.read(lines[0].id).name == "王小明"
    assert lines[0].sealed_name is None
    assert service.name_of(lines[0]) == "王小明"
    assert (balance(Method.CASH), balance(Method.CHEQUE)) == (15_000, 80_000)
    channels = {queries.by_id(line.id).channel for line in lines}
    assert channels == {"cash", "cheque"}
    prove(session)


def test_counts_that_differ_are_shown_and_nothing_is_booked(table: Table, session: Session) -> None:
    count = table.box()
    short = service.recount(count.id, {10000: 1, 2000: 1, 100: 3}, Money(0), table.second)

    assert short.state == CountState.DIFFERS
    assert (short.cash_fen, short.again_cash_fen) == (12_350, 12_300)
    assert balance(Method.CASH) == 0
    assert session.execute(text("SELECT count(*) FROM giving_gift")).scalar_one() == 0
    assert service.recount(count.id, BOX, Money(0), table.second).state == CountState.BOOKED
    prove(session)


@pytest.mark.parametrize(
    ("pieces", "cheque_fen"),
    [({5000: 2, 2000: 1, 100: 3, 50: 1}, 0), (BOX, 100)],
    ids=["the same sum in other notes", "a cheque the first did not see"],
)
def test_counts_agree_piece_by_piece(table: Table, pieces: dict[int, int], cheque_fen: int) -> None:
    count = table.box()

    counted = service.recount(count.id, pieces, Money(cheque_fen), table.second)
    assert counted.state == CountState.DIFFERS


def test_one_person_never_counts_twice(table: Table, session: Session) -> None:
    count = table.box()
    with pytest.raises(SameCounter):
        service.recount(count.id, BOX, Money(0), table.first)

    with pytest.raises(IntegrityError, match="two_people"), session.begin_nested():
        session.execute(text("UPDATE counter_count SET recounted_by = counted_by"))
    with pytest.raises(IntegrityError, match="two_counts_agree"), session.begin_nested():
        session.execute(text("UPDATE counter_count SET state = 'booked'"))


def test_a_booked_count_is_over(table: Table) -> None:
    count = table.box()
    service.recount(count.id, BOX, Money(0), table.second)

    with pytest.raises(CountOver):
        service.recount(count.id, BOX, Money(0), table.second)
    with pytest.raises(CountOver):
        service.withdraw(count.id, "错", table.first)


def test_the_list_and_the_cash_beside_it_are_one_sum(table: Table) -> None:
    with pytest.raises(CountDoesNotAdd):
        table.count([CountedGift(Money(10_000), 1)], {5000: 1})
    with pytest.raises(CountEmpty):
        table.count([], {5000: 1})


def test_papers_leave_in_order_and_are_used_once(table: Table, session: Session) -> None:
    table.box(1)
    for paper in (1, 3, 51, 0):
        with pytest.raises(PaperNumberRefused), session.begin_nested():
            table.box(paper)
    books.void(table.book_id, 2, "写坏", table.first)
    table.box(3)

    with pytest.raises(PaperNumberRefused), session.begin_nested():
        books.void(table.book_id, 1, "已用", table.first)
    with pytest.raises(ReasonMissing):
        books.void(table.book_id, 4, " ", table.first)
    states = [s.state for s in reversed(books.slips(table.book_id))]
    assert states == [SlipState.HELD, SlipState.VOID, SlipState.HELD]
    prove(session)


def test_a_withdrawn_count_gives_its_paper_back(table: Table, session: Session) -> None:
    count = table.count([CountedGift(Money(12_350), 1, name="王小明")], BOX)
    table.box(2)
    with pytest.raises(ReasonMissing):
        service.withdraw(count.id, "", table.first)
    service.withdraw(count.id, "点错", table.first)

    assert service.name_of(service.lines(count.id)[0]) == ""
    again = table.box(1)
    service.recount(again.id, BOX, Money(0), table.second)
    states = [s.state for s in reversed(books.slips(table.book_id))]
    assert states == [SlipState.USED, SlipState.HELD]
    prove(session)


@pytest.mark.parametrize(
    ("code", "first", "last"), [("A1", 1, 9), ("a b", 1, 9), ("B", 5, 4), ("B", 1, 1001)]
)
def test_a_book_has_a_code_of_its_own_and_numbers_in_order(
    table: Table, code: str, first: int, last: int
) -> None:
    with pytest.raises(BookRefused):
        books.open_book(code, first, last, table.first)


def bank_line(fen: int, serial: str) -> Any:
    statements.import_lines(
        "6222", [NewBankLine(serial, clock.now(), Money(fen), "现金存入", "缴存")]
    )
    return statements.find("6222", serial)


def test_cash_that_is_paid_in_closes_against_the_bank_and_never_more(
    table: Table, session: Session
) -> None:
    service.recount(table.box().id, BOX, Money(0), table.second)
    with pytest.raises(NotWaiting):
        bank_booking.match_deposit(bank_line(12_351, "1"), "cash", table.first)
    bank_booking.match_deposit(bank_line(12_000, "2"), "cash", table.first)

    assert balance(Method.CASH) == 350
    assert ledger.balance(chart.BANK).minor == 12_000
    with pytest.raises(NotWaiting):
        bank_booking.match_deposit(bank_line(351, "3"), "cash", table.first)
    prove(session)


def test_a_bounced_cheque_is_reversed_openly_by_two_people(table: Table, session: Session) -> None:
    pledge = matching.write(promised(table.campaign.id, pool=Money(300_000)), table.first)
    matching.approve(pledge.id, table.second)
    count = table.cheque()
    assert pledge.committed_fen == 300_000
    (line,) = service.lines(count.id)
    with pytest.raises(ChequeOver):
        cheques.bounce(line.id, table.second)
    with pytest.raises(ReasonMissing):
        cheques.ask_bounce(line.id, "", table.first)
    cheques.ask_bounce(line.id, "存款不足", table.first)
    with pytest.raises(SameCounter):
        cheques.bounce(line.id, table.first)
    assert [waiting.id for waiting in cheques.bounces_waiting()] == [line.id]
    cheques.bounce(line.id, table.second)

    assert balance(Method.CHEQUE) == 0
    assert funds.totals(table.campaign.fund_id).raised_fen == 0
    assert pledge.committed_fen == 0
    gift = queries.by_id(line.id)
    assert (gift.state, gift.refunded_fen) == ("refunded", 500_000)
    reversal = ledger.entries(kind="reversal")[0]
    assert reversal.reason is not None
    assert "存款不足" in reversal.reason["zh"]
    with pytest.raises(ChequeOver):
        cheques.bounce(line.id, table.second)
    with pytest.raises(ChequeOver):
        cheques.ask_bounce(line.id, "再退", table.first)
    prove(session)


def test_a_cheque_the_bank_takes_back_closes_against_its_line(
    table: Table, session: Session
) -> None:
    (line,) = service.lines(table.cheque().id)
    bank_booking.match_deposit(bank_line(500_000, "1"), "cheque", table.first)
    back = bank_line(-500_000, "2")
    with pytest.raises(NotWaiting):
        bank_booking.match_returned_cheque(back, table.first)
    cheques.ask_bounce(line.id, "退票", table.first)
    cheques.bounce(line.id, table.second)
    bank_booking.match_returned_cheque(back, table.first)

    assert balance(Method.CHEQUE) == 0
    assert ledger.balance(chart.BANK).minor == 0
    with pytest.raises(NotWaiting):
        bank_booking.match_returned_cheque(bank_line(5, "3"), table.first)
    prove(session)


def test_cash_does_not_bounce(table: Table) -> None:
    count = table.box()
    with pytest.raises(ChequeOver):
        cheques.ask_bounce(service.lines(count.id)[0].id, "退票", table.first)


def test_of_two_second_persons_at_one_moment_one_books(own_database: Flask) -> None:
    with transaction():
        make = Make(db.session())
        table_ = Table(
            make.campaign(),
            UUID(int=0),
            accounts.create("a@example.org", "finance").id,
            accounts.create("b@example.org", "finance").id,
        )
        table_.book_id = books.open_book("A1", 1, 50, table_.first).id
        third = accounts.create("c@example.org", "finance").id
        count_id = table_.box().id
        fund_id = table_.campaign.fund_id
    gate, refused = Barrier(6), []

    def again(person: UUID) -> None:
        with own_database.app_context():
            gate.wait()
            try:
                with transaction():
                    service.recount(count_id, BOX, Money(0), person)
            except DomainError as over:
                refused.append(over)

    threads = [Thread(target=again, args=(p,)) for p in (table_.second, third) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 5
    assert funds.totals(fund_id).raised_fen == 12_350
    db.session.rollback()
    assert checks.run_all() == []


def test_one_paper_is_given_to_one_of_many_counts_at_one_moment(own_database: Flask) -> None:
    with transaction():
        make = Make(db.session())
        person = accounts.create("a@example.org", "finance").id
        table_ = Table(make.campaign(), books.open_book("A1", 1, 50, person).id, person, person)
    gate, kept = Barrier(6), []

    def count() -> None:
        with own_database.app_context():
            gate.wait()
            try:
                with transaction():
                    kept.append(table_.box(1).id)
            except PaperNumberRefused:
                pass

    threads = [Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kept) == 1
    db.session.rollback()
    assert checks.run_all() == []


# ---------------------------------------------------------------------- pages


def test_a_list_is_counted_in_the_browser_without_showing_the_first_count(
    table: Table, staff_client: Open, session: Session
) -> None:
    one, two, auditor = map(staff_client, ("finance", "campaign_editor", "auditor"))
    data = {
        "campaign": table.campaign.slug,
        "place": "市红十字会大厅",
        "book": str(table.book_id),
        "p10000": "2",
        "rows-0-amount": "200",
        "rows-0-paper": "1",
        "rows-0-name": "王小明",
        "rows-0-display": "masked",
        **{f"rows-{n}-display": "anonymous" for n in range(1, 5)},
    }
    assert one.get("/staff/counter/new?kind=list").status_code == 200
    more = one.post("/staff/counter/new?kind=list", data=data | {"more": "1"}).get_data(
        as_text=True
    )
    assert "rows-9-amount" in more
    wrong = one.post("/staff/counter/new?kind=list", data=data | {"p10000": "1"})
    assert (wrong.status_code, "¥100.00" in wrong.get_data(as_text=True)) == (422, True)
    missing = data | {"rows-0-paper": ""}
    assert one.post("/staff/counter/new?kind=list", data=missing).status_code == 422
    address = one.post("/staff/counter/new?kind=list", data=data).headers["Location"]

    assert "¥200.00" in one.get(address).get_data(as_text=True)
    blind = two.get(address).get_data(as_text=True)
    assert "王小明" in blind
    assert "¥200.00" not in blind
    assert "¥200.00" not in two.get("/staff/counter/").get_data(as_text=True)
    assert one.post(f"{address}/recount", data={"p10000": "2"}).status_code == 403
    differs = two.post(f"{address}/recount", data={"p10000": "1"})
    assert differs.status_code == 422
    read = [browser.get(address).get_data(as_text=True) for browser in (one, two, auditor)]
    assert ["¥200.00" in page for page in (*read, differs.text)] == [True, False, True, False]
    assert [">¥100.00</td>" in page for page in (*read, differs.text)] == [False, True, True, True]
    assert "¥200.00" not in two.get("/staff/counter/").get_data(as_text=True)
    assert two.post(f"{address}/recount", data={"p10000": "2"}).status_code == 303
    assert "¥200.00" in two.get("/staff/counter/").get_data(as_text=True)
    assert session.execute(text("SELECT channel FROM giving_gift")).scalar_one() == "cash"


def test_a_book_a_box_a_deposit_and_a_cheque_in_the_browser(
    table: Table, staff_client: Open, session: Session
) -> None:
    one, two = staff_client("finance"), staff_client("finance")
    book = {"code": "b2", "first": "1", "last": "9"}
    assert one.post("/staff/counter/books", data=book).status_code == 303
    assert one.post("/staff/counter/books", data=book).status_code == 422
    page = one.get(f"/staff/counter/books/{table.book_id}")
    assert page.status_code == 200
    void = {"number": "1", "reason": "写坏"}
    assert one.post(f"/staff/counter/books/{table.book_id}/void", data=void).status_code == 303
    box = {
        "campaign": table.campaign.slug,
        "place": "3 号箱",
        "book": str(table.book_id),
        "paper": "2",
        "p10000": "1",
    }
    assert one.post("/staff/counter/new", data=box | {"paper": "7"}).status_code == 422
    address = one.post("/staff/counter/new", data=box).headers["Location"]
    assert two.post(f"{address}/recount", data={"p10000": "1"}).status_code == 303
    line = bank_line(10_000, "77")
    assert "现金缴存" in one.get("/staff/finance/bank?lang=zh").get_data(as_text=True)
    one.post(f"/staff/finance/bank/{line.id}", data={"as": "cash"})
    assert balance(Method.CASH) == 0
    (cheque,) = service.lines(table.cheque(paper=3).id)
    session.commit()
    one.post(f"/staff/finance/bank/{bank_line(500_000, '79').id}", data={"as": "cheque"})
    bounce = f"/staff/counter/cheques/{cheque.id}/bounce"
    one.post(bounce, data={"reason": "存款不足"})
    assert "存款不足" in two.get("/staff/counter/").get_data(as_text=True)
    two.post(bounce, data={"decide": "1"})
    assert session.get_one(Gift, cheque.id).refunded_fen == 500_000
    back = bank_line(-500_000, "78")
    one.post(f"/staff/finance/bank/{back.id}", data={"as": "returned"})
    assert (ledger.balance(chart.BANK).minor, balance(Method.CHEQUE)) == (10_000, 0)
