"""The journal keeps its rules, whoever tries to break them."""

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
from fundraising.ledger import chart, checks, errors, queries
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from tests.conftest import FrozenClock

CLEARING = chart.clearing("wechatpay")


def gift(key: str = "", fen: int = 1000) -> NewEntry:
    return NewEntry(
        key or f"test:{uuid4()}",
        EntryKind.GIFT_RECEIVED,
        clock.now(),
        (debit(CLEARING, Money(fen)), credit(chart.INCOME_RESTRICTED, Money(fen))),
    )


def test_a_posted_entry_moves_balances(session: Session) -> None:
    before = queries.balance(CLEARING)
    ledger.post(gift(fen=1314))

    assert queries.balance(CLEARING) == before + Money(1314)
    assert sum(row.amount_minor for row in queries.trial_balance()) == 0


def test_the_same_key_and_body_changes_nothing(session: Session) -> None:
    entry = gift()
    first = ledger.post(entry)

    assert ledger.post(entry) == first
    assert queries.balance(CLEARING) == Money(1000)


def test_the_same_key_with_another_body_is_an_alarm(session: Session) -> None:
    entry = gift("once")
    ledger.post(entry)

    with pytest.raises(errors.KeyReused):
        ledger.post(gift("once", fen=1001))


def test_an_unbalanced_entry_is_refused(session: Session) -> None:
    lines = (debit(CLEARING, Money(2)), credit(chart.INCOME_RESTRICTED, Money(1)))

    with pytest.raises(errors.Unbalanced):
        ledger.post(NewEntry("bad", EntryKind.GIFT_RECEIVED, clock.now(), lines))


def test_vouchers_of_a_month_have_no_gaps(session: Session) -> None:
    ids = ledger.post_many([gift() for _ in range(5)]).ids.values()
    numbers = sorted(queries.entry(i).voucher_no for i in ids)

    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_a_reversal_names_its_entry_and_cancels_it(session: Session) -> None:
    entry_id = ledger.post(gift())
    reversal = queries.entry(ledger.reverse(entry_id, {"zh": "录入错误"}, "tester"))

    assert reversal.reverses_id == entry_id
    assert queries.balance(CLEARING) == Money.zero()


def test_nothing_more_is_booked_in_a_closed_month(
    session: Session, frozen_clock: FrozenClock
) -> None:
    then = frozen_clock.at - timedelta(days=62)
    entry = gift()
    late = NewEntry(entry.key, entry.kind, then, entry.lines)
    period = f"{clock.shanghai_date(then):%Y-%m}"
    ledger.close_period(period, "tester")

    booked = queries.entry(ledger.post(late))

    assert booked.period == f"{clock.today():%Y-%m}"
    assert booked.occurred_at == then


def test_a_running_month_cannot_be_closed(session: Session) -> None:
    with pytest.raises(errors.PeriodClosed):
        ledger.close_period(f"{clock.today():%Y-%m}", "tester")


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting", "audit_event"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_application_cannot_change_what_was_written(
    session: Session, table: str, verb: str
) -> None:
    column = {"ledger_entry": "actor", "ledger_posting": "amount_minor", "audit_event": "action"}[
        table
    ]
    with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
        session.execute(text(verb.format(table, column, column)))


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting", "audit_event"])
def test_not_even_the_owner_can_change_what_was_written(postgres: object, table: str) -> None:
    from local.postgres import DATABASE, OWNER, Postgres  # noqa: PLC0415  named for the type only

    assert isinstance(postgres, Postgres)
    with postgres.connect(OWNER, DATABASE) as connection:
        for verb in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(Exception, match="append-only"):
                connection.execute(verb)


def test_lines_cannot_be_slipped_into_an_old_entry(session: Session) -> None:
    entry_id = ledger.post(gift())
    with pytest.raises(IntegrityError, match="not balanced"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO ledger_posting (entry_id, line, account, amount_minor, currency) "
                "VALUES (:id, 3, '1002', 5, 'CNY'), (:id, 4, '1001', -5, 'CNY')"
            ),
            {"id": entry_id},
        )


def test_an_entry_without_lines_is_refused_at_the_end(session: Session) -> None:
    with pytest.raises(IntegrityError, match="no postings"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO ledger_period (period, last_voucher) VALUES ('1999-01', 1); "
                "INSERT INTO ledger_entry (id, key, body_hash, kind, occurred_at, recorded_at, booked_on, "
                "period, voucher_no, posting_count, actor) VALUES (uuidv7(), 'bare', '', 'refund', now(), "
                "now(), '1999-01-01', '1999-01', 1, 2, 'x'); SET CONSTRAINTS ALL IMMEDIATE"
            )
        )


@given(amounts=st.lists(st.integers(1, 10**9), min_size=1, max_size=30), folds=st.integers(0, 2))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_totals_are_exact_folded_or_not(session: Session, amounts: list[int], folds: int) -> None:
    fund_id = uuid4()
    entries = [
        NewEntry(
            f"test:{uuid4()}",
            EntryKind.GIFT_RECEIVED,
            clock.now(),
            (debit(CLEARING, Money(fen)), credit(chart.INCOME_RESTRICTED, Money(fen), fund_id)),
        )
        for fen in amounts
    ]
    ledger.post_many(entries)
    for _ in range(folds):
        ledger.fold_totals()

    (row,) = queries.totals(fund_id)
    assert (row.amount_minor, row.posting_count) == (-sum(amounts), len(amounts))


def test_of_many_threads_posting_one_key_exactly_one_posts(own_database: Flask) -> None:
    barrier, posted = Barrier(6), list[UUID]()
    entry = gift("raced")

    def post() -> None:
        with own_database.app_context():
            barrier.wait()
            with transaction():
                posted.append(ledger.post(entry))
            db.session.remove()

    threads = [Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(posted)) == 1
    assert len(posted) == 6
    assert queries.balance(CLEARING) == Money(1000)
    db.session.rollback()
    assert checks.run_all() == []


def test_the_checks_see_a_total_that_is_wrong(own_database: Flask) -> None:
    with transaction():
        ledger.post(gift())
    with transaction():
        db.session.execute(text("UPDATE ledger_total_delta SET amount_minor = amount_minor + 1"))

    assert {finding.check for finding in checks.run_all()} == {
        "totals shown are the sums of postings"
    }


def test_what_does_not_exist_is_named_as_missing(session: Session) -> None:
    with pytest.raises(errors.EntryNotFound):
        queries.entry(uuid4())
    with pytest.raises(errors.EntryNotFound):
        ledger.reverse(uuid4(), {"zh": "更正"}, "tester")
    assert ledger.post_many([]).ids == {}
    for number in ("", "2024-05", "2024-05-x", "2024-05-1234567890", "２０２４-05-００１"):
        assert queries.find_voucher(number) is None


def test_entries_are_found_by_kind_account_and_fund(session: Session) -> None:
    fund_id = uuid4()
    entry = gift()
    with_fund = NewEntry("f", entry.kind, entry.occurred_at, entry.lines, fund_id=fund_id)
    ledger.post(entry)
    wanted = ledger.post(with_fund)

    (found,) = queries.entries(
        kind=EntryKind.GIFT_RECEIVED, account=chart.INCOME_RESTRICTED, fund_id=fund_id
    )

    assert found.id == wanted
    assert queries.entries(kind=EntryKind.REFUND) == []
    assert queries.entries(account=chart.BANK) == []
    assert queries.balance(chart.INCOME_RESTRICTED, fund_id=fund_id) == Money.zero()


def test_two_folders_never_fold_at_once(own_database: Flask) -> None:
    with transaction():
        ledger.post(gift())
    with db.engine.connect() as other, other.begin():
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ledger.FOLD_LOCK})
        assert ledger.fold_totals() == 0
    db.session.rollback()

    assert ledger.fold_totals() == 2
