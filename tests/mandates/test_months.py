"""Monthly gifts by themselves: announced in time, asked once, given up, rested, and never after the end."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.audit.models import Alarm
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.database import db, transaction
from fundraising.giving import service as giving
from fundraising.giving import settlement
from fundraising.giving.errors import AmountRefused
from fundraising.giving.mandates import calendar, donors, queries, schedule, service
from fundraising.giving.mandates.errors import DayRefused, MandateOver, MonthOver
from fundraising.giving.mandates.models import (
    Mandate,
    MandatePeriod,
    MandateState,
    PeriodState,
    Reason,
)
from fundraising.giving.models import Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_settlement import paid
from tests.mandates.agreed import tick
from tests.mandates.conftest import Desk, begun, letters

Promise = Callable[..., Mandate]


def month(mandate: Mandate, period: str) -> MandatePeriod:
    return queries.month(mandate.id, period).period


def tap(mandate: Mandate, period: str) -> Gift:
    asked = service.gift_of(mandate, month(mandate, period), Product.WECHATPAY_NATIVE)
    known = giving.find_started(asked)
    if known is not None:
        return known
    with db.session.begin_nested():
        gift = giving.start_gift(asked)
        service.tie(mandate.id, period)(gift)
    return gift


def all_hold() -> None:
    db.session.flush()
    assert checks.run_here() == []


# ---------------------------------------------------------------------- the calendar


@pytest.mark.parametrize(
    ("day", "after", "due"),
    [
        (31, date(2026, 1, 31), date(2026, 2, 28)),
        (31, date(2028, 1, 31), date(2028, 2, 29)),
        (29, date(2026, 2, 1), date(2026, 2, 28)),
        (31, date(2026, 2, 28), date(2026, 3, 31)),
        (30, date(2026, 12, 30), date(2027, 1, 30)),
        (1, date(2026, 3, 1), date(2026, 4, 1)),
    ],
)
def test_atk_054_a_short_month_is_due_on_its_last_day(day: int, after: date, due: date) -> None:
    assert calendar.due_after(day, after) == due


def test_a_year_has_twelve_due_days_whatever_the_day() -> None:
    for day in range(1, 32):
        due_on, seen = date(2027, 12, 31), []
        for _ in range(12):
            due_on = calendar.due_after(day, due_on)
            seen.append(calendar.period_of(due_on))
        assert seen == [f"2028-{number:02d}" for number in range(1, 13)]


def test_the_day_is_chinas_not_the_servers(promise: Promise, at: FrozenClock) -> None:
    mandate = promise(day=1)
    at.at = datetime(2026, 1, 28, 23, 30, tzinfo=UTC)  # 07:30 on the 29th in Shanghai
    tick()
    assert [m.period.period for m in queries.months(mandate.id)] == ["2026-01"]
    at.at = datetime(2026, 1, 29, 0, 30, tzinfo=UTC)
    tick()
    assert month(mandate, "2026-02").due_on == date(2026, 2, 1)


# ---------------------------------------------------------------------- the life of a month


def test_the_first_gift_makes_it_active_and_tells_the_donor(
    campaign: Campaign, at: FrozenClock
) -> None:
    mandate = begun(campaign)
    tick()
    assert (mandate.state, letters()) == (MandateState.PENDING, [])
    gift = queries.months(mandate.id)[0].gift
    assert gift is not None
    settlement.apply_facts([paid(gift)])
    tick()
    tick()

    assert queries.by_ref(mandate.ref).state == MandateState.ACTIVE
    (letter,) = letters("-begun")
    assert letter.startswith("d@example.org\n")
    assert "2026年2月15日" in letter
    assert f"/m/{mandate.token}" in letter
    all_hold()


def test_a_month_is_announced_then_asked_for_then_given(promise: Promise, at: FrozenClock) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 12, 1, tzinfo=UTC)
    tick()
    tick()
    assert month(mandate, "2026-02").state == PeriodState.ANNOUNCED
    (notice,) = letters("-notice")
    assert "¥50" in notice
    assert "2026年2月15日" in notice
    assert f"/m/{mandate.token}/2026-02" in notice
    at.at = datetime(2026, 2, 15, 0, 30, tzinfo=UTC)  # the day, but not yet three times 24 hours
    tick()
    assert letters("-due") == []
    at.move(hours=1)
    tick()
    tick()
    assert month(mandate, "2026-02").state == PeriodState.ASKED
    assert len(letters("-due")) == 1
    gift = tap(mandate, "2026-02")
    settlement.apply_facts([paid(gift)])
    tick()
    assert month(mandate, "2026-02").state == PeriodState.PAID
    assert queries.by_ref(mandate.ref).next_on == date(2026, 3, 15)
    assert gift.amount_fen == 5_000
    assert db.session.execute(select(Alarm)).all() == [], "the database had to refuse nothing"
    all_hold()


def test_what_was_given_on_the_notice_is_not_asked_for_again(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 12, 1, tzinfo=UTC)
    tick()
    settlement.apply_facts([paid(tap(mandate, "2026-02"))])
    at.move(days=4)
    tick()
    assert letters("-due") == []


def test_many_taps_are_one_order_and_a_second_payment_waits_to_go_back(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    tick()
    gift = tap(mandate, "2026-02")
    assert tap(mandate, "2026-02").id == gift.id
    settlement.apply_facts([paid(gift)])
    settlement.apply_facts([paid(gift, fact_ref="T-twice")])

    assert ledger.balance(chart.UNAPPLIED) == Money(-5_000)
    all_hold()


def test_a_check_finds_a_month_that_two_payments_count_for(
    promise: Promise, at: FrozenClock, session: Session
) -> None:
    promise()
    session.execute(
        text(
            "INSERT INTO payment_fact (id, provider, account, kind, fact_ref, merchant_ref, attempt_id, "
            "amount_fen, currency, occurred_at, recorded_at, seen_sources, outcome) "
            "SELECT gen_random_uuid(), provider, account, kind, 'again', merchant_ref, attempt_id, amount_fen, "
            "currency, occurred_at, recorded_at, seen_sources, outcome FROM payment_fact"
        )
    )
    found = [f.check for f in checks.run_here()]
    assert "no month of a monthly gift has two payments that count" in found


def test_nothing_is_written_by_night(promise: Promise, at: FrozenClock) -> None:
    promise()
    at.at = datetime(2026, 2, 15, 18, tzinfo=UTC)
    tick()
    assert letters("-notice") == []


def test_after_a_long_standstill_only_the_last_month_is_asked_for(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = datetime(2026, 5, 20, 4, tzinfo=UTC)
    for _ in range(3):
        tick()
    assert [m.period.period for m in queries.months(mandate.id)] == ["2026-05", "2026-01"]
    assert month(mandate, "2026-05").due_on == date(2026, 5, 23)


def test_three_months_not_given_let_it_rest_with_one_letter(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    for _ in range(32):
        tick()
        at.move(days=5)
    months = queries.months(mandate.id)
    assert [m.period.state for m in months[:3]] == ["failed"] * 3
    assert (mandate.state, mandate.reason) == (MandateState.PAUSED, Reason.UNPAID)
    assert len(letters(":")) == 1
    at.move(days=200)
    tick()
    assert len(queries.months(mandate.id)) == len(months)
    service.resume(mandate.id)
    assert queries.by_ref(mandate.ref).missed == 0


def test_a_late_payment_of_a_month_given_up_still_counts(promise: Promise, at: FrozenClock) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    tick()
    gift = tap(mandate, "2026-02")
    at.move(days=4)
    tick()
    at.move(days=15)
    tick()
    assert month(mandate, "2026-02").state == PeriodState.FAILED
    settlement.apply_facts([paid(gift)])
    tick()
    assert month(mandate, "2026-02").state == PeriodState.PAID
    assert mandate.missed == 0
    all_hold()


def test_one_that_cannot_be_read_stops_no_other(promise: Promise, at: FrozenClock) -> None:
    broken, whole = promise(), promise(email="e@example.org")
    broken.sealed = b"not sealed at all, too short and wrong"
    db.session.flush()
    at.at = datetime(2026, 2, 13, 4, tzinfo=UTC)
    tick()
    assert len(queries.months(broken.id)) == 1
    assert len(queries.months(whole.id)) == 2


# ---------------------------------------------------------------------- campaigns


@pytest.mark.parametrize("is_over", [True, False], ids=["day passed", "taken down"])
def test_a_closed_campaign_lets_it_rest_instead_of_asking(
    promise: Promise, campaign: Campaign, at: FrozenClock, *, is_over: bool
) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 12, 4, tzinfo=UTC)
    tick()
    if is_over:
        campaign.ends_on = date(2026, 2, 13)
    else:
        campaign.state = CampaignState.ENDED
    db.session.flush()
    at.move(days=3)
    tick()
    assert (mandate.state, mandate.reason) == (MandateState.PAUSED, Reason.CAMPAIGN)
    assert month(mandate, "2026-02").state == PeriodState.SKIPPED
    assert letters("-due") == []
    assert len(letters(":")) == 1
    with pytest.raises(CampaignNotOpen):
        service.resume(mandate.id)


# ---------------------------------------------------------------------- the donor's verbs


def test_a_change_announces_the_waiting_month_anew(promise: Promise, at: FrozenClock) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 13, 4, tzinfo=UTC)
    tick()
    at.move(days=1)
    service.change(mandate.id, Money(8_000), 14)

    changed = month(mandate, "2026-02")
    assert (changed.amount_fen, changed.due_on) == (8_000, date(2026, 2, 17))
    assert changed.not_before == at.at + timedelta(days=3)
    assert mandate.next_on == date(2026, 3, 14)
    (letter,) = letters(":")
    assert "¥80" in letter
    assert "2026年2月17日" in letter
    at.move(days=2)
    tick()
    assert letters("-due") == []
    at.move(days=1)
    tick()
    assert len(letters("-due")) == 1
    service.change(mandate.id, Money(8_000), 14)
    assert len(letters(":")) == 1, "nothing changed, nothing said"


def test_a_change_leaves_an_order_that_was_begun_as_it_is(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 13, 4, tzinfo=UTC)
    tick()
    gift = tap(mandate, "2026-02")
    service.change(mandate.id, Money(8_000), 20)
    settlement.apply_facts([paid(gift)])
    tick()
    assert month(mandate, "2026-02").amount_fen == 5_000
    all_hold()


@pytest.mark.parametrize(
    ("fen", "day", "refused"),
    [(1, 5, AmountRefused), (10**9, 5, AmountRefused), (500, 32, DayRefused)],
)
def test_a_change_out_of_bounds_is_refused(
    promise: Promise, fen: int, day: int, refused: type[Exception]
) -> None:
    with pytest.raises(refused):
        service.change(promise().id, Money(fen), day)


def test_a_rest_skips_what_was_announced_and_goes_on_with_the_next_free_month(
    promise: Promise, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 13, 4, tzinfo=UTC)
    tick()
    service.pause(mandate.id)
    service.pause(mandate.id)
    assert month(mandate, "2026-02").state == PeriodState.SKIPPED
    with pytest.raises(MandateOver):
        tap(mandate, "2026-02")
    at.move(days=1)
    service.resume(mandate.id)
    assert mandate.next_on == date(2026, 3, 15)
    assert len(letters(":")) == 2
    with pytest.raises(MonthOver):
        tap(mandate, "2026-02")


def test_nothing_is_asked_after_the_end(promise: Promise, at: FrozenClock) -> None:
    mandate = promise()
    at.at = datetime(2026, 2, 13, 4, tzinfo=UTC)
    tick()
    service.end(mandate.id)
    service.end(mandate.id)
    before = len(letters())
    for _ in range(9):
        at.move(days=10)
        tick()
    assert len(letters()) == before
    assert len(letters("-ended")) == 1
    with pytest.raises(MandateOver):
        tap(mandate, "2026-02")
    for verb in (service.pause, service.resume):
        with pytest.raises(MandateOver):
            verb(mandate.id)
    all_hold()


def test_what_never_began_ends_without_a_letter_and_forgets_the_address(
    campaign: Campaign, at: FrozenClock
) -> None:
    mandate = begun(campaign)
    at.move(days=36)
    tick()
    assert (mandate.state, mandate.reason) == (MandateState.ENDED, Reason.NEVER_BEGUN)
    assert donors.read(mandate).email == ""
    assert letters() == []


def test_only_what_has_ended_can_be_erased(promise: Promise) -> None:
    mandate = promise()
    with pytest.raises(MandateOver):
        service.erase(mandate.id)
    service.end(mandate.id)
    service.erase(mandate.id)
    assert donors.read(mandate).name == ""
    assert mandate.email_key is None


# ---------------------------------------------------------------------- what the database itself refuses


REFUSED = {
    "one month twice": "INSERT INTO mandate_period SELECT * FROM mandate_period",
    "asked before the notice is over": "UPDATE mandate_period SET asked_at = not_before - interval '1 second'",
    "paid without a gift": (
        "INSERT INTO mandate_period (mandate_id, period, amount_fen, state, due_on, announced_at, not_before) "
        "SELECT mandate_id, '2031-01', 1, 'paid', due_on, announced_at, not_before FROM mandate_period"
    ),
    "another gift for a month": "UPDATE mandate_period SET gift_id = NULL",
    "asked after the end": (
        "UPDATE mandate SET state = 'ended', ended_at = now(), reason = 'donor'; "
        "UPDATE mandate_period SET asked_at = now()"
    ),
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_the_database_refuses(promise: Promise, session: Session, statement: str) -> None:
    promise()
    with pytest.raises(IntegrityError):
        session.execute(text(statement))
    session.rollback()


# ---------------------------------------------------------------------- two at once


def _at_once(app: Flask, *acts: Callable[[], None]) -> list[BaseException]:
    """Do several things at one moment, each on its own connection; return what was refused."""
    barrier, refused = Barrier(len(acts)), list[BaseException]()

    def done(act: Callable[[], None]) -> None:
        with app.app_context():
            barrier.wait()
            try:
                with transaction():
                    act()
            except Exception as error:
                refused.append(error)
            finally:
                db.session.remove()

    threads = [Thread(target=done, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_two_workers_announce_once_and_no_tap_wins_against_an_end(
    own_database: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_database.extensions["providers"] = {"wechatpay": desk}
    with transaction():
        campaign = Make(db.session()).campaign()
        campaign.ends_on = clock.today() + timedelta(days=90)
        mandates = [begun(campaign, day=clock.today().day) for _ in range(6)]
        for gift in db.session.execute(select(Gift)).scalars():
            settlement.apply_facts([paid(gift)])
        schedule.note_paid()
        db.session.execute(text("UPDATE mandate_period SET period = '2020-01'"))
        for mandate in mandates:
            mandate.next_on = clock.today() + timedelta(days=1)
    assert _at_once(own_database, *[_announce] * 3) == []
    ids = [mandate.id for mandate in mandates]
    with transaction():
        rows = (
            db.session.execute(select(MandatePeriod).order_by(MandatePeriod.period)).scalars().all()
        )
    assert len(rows) <= 2 * len(ids)
    assert len({(row.mandate_id, row.period) for row in rows}) == len(rows)
    waiting = {row.mandate_id: row.period for row in rows if row.gift_id is None}
    for mandate in mandates[: len(waiting)]:
        _at_once(
            own_database,
            lambda mandate=mandate: _tap(mandate, waiting[mandate.id]),  # type: ignore[misc]
            lambda mandate=mandate: service.end(mandate.id),  # type: ignore[misc]
            lambda mandate=mandate: _tap(mandate, waiting[mandate.id]),  # type: ignore[misc]
        )
    db.session.expire_all()
    assert all(queries.by_ref(mandate.ref).is_over for mandate in mandates)
    assert [f for f in checks.run_here() if "monthly" in f.check] == []
    db.session.rollback()


def _announce() -> None:
    schedule.announce()


def _tap(mandate: Mandate, period: str) -> None:
    tap(mandate, period)
