"""The database itself refuses what the books must not hold, also when the code would try."""

from collections import Counter
from datetime import timedelta
from threading import Barrier, Thread
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.database import db, transaction
from fundraising.funds import service as funds
from fundraising.funds.errors import FundOverspent
from fundraising.funds.models import LotSource, SpendingKind
from fundraising.funds.service import NewLot
from fundraising.ledger import chart, checks, errors, queries
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from local.postgres import DATABASE, OWNER, Postgres
from tests.factories import Make

CLEARING = chart.clearing("wechatpay")
LAST_YEAR = clock.now() - timedelta(days=400)
PROTECTED = ("ledger_entry", "ledger_posting", "fund_lot", "fund_lot_refund", "audit_event")
UNDELETABLE = ("ledger_period", "fund_draw")


def gift(key: str = "", fen: int = 1000) -> NewEntry:
    lines = (debit(CLEARING, Money(fen)), credit(chart.INCOME_RESTRICTED, Money(fen)))
    return NewEntry(key or str(uuid4()), EntryKind.GIFT_RECEIVED, clock.now(), lines)


@pytest.mark.parametrize("table", [*PROTECTED, *UNDELETABLE])
@pytest.mark.parametrize("verb", ["DELETE FROM", "TRUNCATE"])
def test_the_application_has_no_right_to_remove_rows(
    session: Session, table: str, verb: str
) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
        session.execute(text(f"{verb} {table}"))


@pytest.mark.parametrize("table", [*PROTECTED, *UNDELETABLE])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_a_trigger_stops_the_owner_too(postgres: Postgres, table: str, verb: str) -> None:
    with (
        postgres.connect(OWNER, DATABASE) as connection,
        pytest.raises(Exception, match="append-only"),
    ):
        connection.execute(verb.format(table))


@pytest.mark.parametrize("table", PROTECTED)
def test_the_application_has_no_right_to_update(session: Session, table: str) -> None:
    found = session.execute(
        text("SELECT has_table_privilege(current_user, :table, 'UPDATE')"), {"table": table}
    )
    assert found.scalar_one() is False


def test_the_application_is_not_the_owner_and_no_superuser(session: Session) -> None:
    role = session.execute(
        text(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
    )
    owned = session.execute(text("SELECT count(*) FROM pg_tables WHERE tableowner = current_user"))

    assert (role.scalar_one(), owned.scalar_one()) == (False, 0)


@pytest.mark.parametrize(
    "change", ["closed_at = NULL", "last_voucher = last_voucher + 1", "period = '1990-01'"]
)
def test_a_closed_month_is_not_opened_again(session: Session, change: str) -> None:
    month = f"{clock.shanghai_date(LAST_YEAR):%Y-%m}"
    ledger.close_period(month, "tester")

    with pytest.raises(IntegrityError, match="not opened again"), session.begin_nested():
        session.execute(text(f"UPDATE ledger_period SET {change} WHERE period = :p"), {"p": month})


def test_vouchers_are_not_numbered_again(session: Session) -> None:
    ledger.post(gift())

    with pytest.raises(IntegrityError, match="not numbered again"), session.begin_nested():
        session.execute(text("UPDATE ledger_period SET last_voucher = 0"))


@pytest.mark.parametrize("month", ["2024-13", "2024-5", "x", ""])
def test_what_is_no_month_is_not_closed(session: Session, month: str) -> None:
    with pytest.raises(errors.PeriodClosed):
        ledger.close_period(month, "tester")


def test_a_month_is_closed_once(session: Session) -> None:
    ledger.close_period("2020-01", "tester")

    with pytest.raises(errors.PeriodClosed):
        ledger.close_period("2020-01", "tester")


def test_two_bodies_under_one_key_in_a_set_are_an_alarm(session: Session) -> None:
    with pytest.raises(errors.KeyReused):
        ledger.post_many([gift("twice"), gift("twice", 1001)])


def test_one_body_twice_in_a_set_is_posted_once(session: Session) -> None:
    entry = gift()

    assert len(ledger.post_many([entry, entry]).ids) == 1
    assert queries.balance(CLEARING) == Money(1000)


def test_a_big_set_takes_a_handful_of_statements(session: Session, statements: list[str]) -> None:
    ledger.post_many([gift() for _ in range(500)])

    written = [s for s in statements if "ledger_" in s]
    assert len(written) <= 8


@pytest.mark.parametrize(("start", "ordinal", "gifts"), [(101, 2, 2), (100, 3, 2), (100, 2, 3)])
def test_a_lot_lies_end_to_end_with_the_one_before(
    session: Session, make: Make, start: int, ordinal: int, gifts: int
) -> None:
    fund = make.fund()
    make.money(fund.id, 100)

    with pytest.raises(IntegrityError, match="does not begin"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO fund_lot (source_id, fund_id, ordinal, gift_ordinal, start_fen, end_fen, source, "
                "entry_id) SELECT uuidv7(), :fund, :ordinal, :gifts, :start, 200, 'gift', id "
                "FROM ledger_entry LIMIT 1"
            ),
            {"fund": fund.id, "ordinal": ordinal, "gifts": gifts, "start": start},
        )


@pytest.mark.parametrize("change", ["start_fen = 1", "unit_id = uuidv7()", "superseded_at = NULL"])
def test_a_draw_is_never_rewritten(session: Session, make: Make, change: str) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    funds.draw(make.line(fund.id, 100).id, Money(100))

    with pytest.raises(IntegrityError, match="written once"), session.begin_nested():
        session.execute(text(f"UPDATE fund_draw SET {change}"))


def test_no_fen_is_drawn_twice(session: Session, make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    funds.draw(make.line(fund.id, 100).id, Money(50))

    with pytest.raises(IntegrityError, match="no_fen_drawn_twice"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO fund_draw (fund_id, spending_line_id, start_fen, end_fen, drawn_at) "
                "SELECT fund_id, spending_line_id, 49, 60, now() FROM fund_draw"
            )
        )


step = st.one_of(
    st.tuples(st.just("post"), st.integers(1, 10**6)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("reverse"), st.integers(0, 20)),
    st.tuples(st.just("fold"), st.just(0)),
)


@given(steps=st.lists(step, min_size=1, max_size=20))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_books_balance_after_any_posting_and_reversing(
    session: Session, steps: list[tuple[str, int]]
) -> None:
    before = queries.balance(CLEARING).minor
    posted: list[tuple[NewEntry, UUID]] = []
    reversed_ids: set[UUID] = set()
    for what, number in steps:
        if what == "post":
            entry = gift(fen=number)
            posted.append((entry, ledger.post(entry)))
        elif what == "fold":
            ledger.fold_totals()
        elif posted:
            entry, entry_id = posted[number % len(posted)]
            if what == "again":
                assert ledger.post(entry) == entry_id
            else:
                ledger.reverse(entry_id, {"zh": "更正"}, "tester")
                reversed_ids.add(entry_id)
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))

    standing = sum(e.lines[0].amount.minor for e, i in posted if i not in reversed_ids)
    assert queries.balance(CLEARING).minor - before == standing
    by_currency: Counter[str] = Counter()
    for row in queries.trial_balance():
        by_currency[row.currency] += row.amount_minor
    assert set(by_currency.values()) <= {0}


def test_threads_that_give_and_spend_at_once_keep_the_lane_whole(own_database: Flask) -> None:
    with transaction():
        fund = funds.create_fund("raced", "restricted", {"zh": "基金"}, {"zh": "用途"})
        line = funds.open_spending_line(
            fund.id, SpendingKind.PURCHASE, {"zh": "设备"}, Money(10**9), uuid4()
        )
    fund_id, line_id = fund.id, line.id
    barrier, failures = Barrier(6), list[BaseException]()

    def give() -> None:
        ids = [uuid4() for _ in range(20)]
        entries = [
            NewEntry(
                f"gift:{i}",
                EntryKind.GRANT_RECEIVED,
                clock.now(),
                (debit(CLEARING, Money(7)), credit(chart.INCOME_RESTRICTED, Money(7), fund_id)),
            )
            for i in ids
        ]
        posted = ledger.post_many(entries).ids
        lots = [NewLot(LotSource.GRANT, i, Money(7), posted[f"gift:{i}"]) for i in ids]
        funds.add_lots(fund_id, lots)

    def spend() -> None:
        funds.draw(line_id, Money(11), unit_id=uuid4())

    def work(step_of_work: object) -> None:
        with own_database.app_context():
            barrier.wait()
            for _ in range(5):
                try:
                    with transaction():
                        assert callable(step_of_work)
                        step_of_work()
                except FundOverspent:
                    continue
                except BaseException as failure:
                    failures.append(failure)
            db.session.remove()

    threads = [Thread(target=work, args=(s,)) for s in (give, give, give, spend, spend, spend)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert queries.balance(CLEARING) == Money(3 * 5 * 20 * 7)
    db.session.rollback()
    assert checks.run_all() == []
