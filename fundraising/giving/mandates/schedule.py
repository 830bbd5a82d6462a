"""What happens by itself: gifts noted, months announced and asked for, given up, and rests with a letter.

Each step takes a bounded set of mandates, locked in id order past those that others hold, inside its
caller's transaction, and returns how many it moved. All of it may run twice, late, or beside itself.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import Select, select

from config import Settings
from fundraising import clock
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.database import db
from fundraising.giving.mandates import calendar, contracts, letters, service
from fundraising.giving.mandates.models import (
    Mandate,
    MandatePeriod,
    MandateState,
    PeriodState,
    Reason,
    Way,
)
from fundraising.giving.models import Gift, GiftState
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind

AT_ONCE = 100
MOST_UNPAID = 3
OVER = (GiftState.CLOSED, GiftState.FAILED)
NEVER_BEGUN = timedelta(days=35)
is_open_hour = calendar.is_open_hour


def note_paid(gift_id: UUID | None = None) -> int:
    """Note months whose gift has come in, or the month of one gift; the first makes its mandate active."""
    query = (
        select(MandatePeriod.mandate_id, MandatePeriod.period)
        .join(Gift, Gift.id == MandatePeriod.gift_id)
        .where(MandatePeriod.state != PeriodState.PAID, Gift.paid_at.is_not(None))
        .limit(AT_ONCE)
    )
    if gift_id is not None:
        query = query.where(MandatePeriod.gift_id == gift_id)
    found = db.session.execute(query).all()
    mandates = _lock({row.mandate_id for row in found})
    for mandate_id, period in found:
        if mandate_id in mandates:
            _paid(mandates[mandate_id], period)
    db.session.flush()
    return len(mandates)


def rest_where_closed() -> int:
    """Pause mandates whose campaign takes no gifts any more, with a letter, instead of asking."""
    closed = (Campaign.state != CampaignState.OPEN) | (Campaign.ends_on < clock.today())
    query = (
        select(Mandate.id)
        .join(Campaign, Campaign.id == Mandate.campaign_id)
        .where(Mandate.state == MandateState.ACTIVE, closed)
    )
    return _each(query, _rest)


def announce() -> int:
    """Announce what is due within the days of notice: its row, and its letter."""
    until = clock.today() + service.notice()
    query = select(Mandate.id).where(Mandate.state == MandateState.ACTIVE, Mandate.next_on <= until)
    return _each(query, _announce)


def remind() -> int:
    """On the day a month is due, send the link when nothing was given on its notice, or let the card be charged."""
    query = (
        select(Mandate.id)
        .join(MandatePeriod, MandatePeriod.mandate_id == Mandate.id)
        .where(
            Mandate.state == MandateState.ACTIVE,
            MandatePeriod.state == PeriodState.ANNOUNCED,
            MandatePeriod.due_on <= clock.today(),
            MandatePeriod.not_before <= clock.now(),
            contracts.may_be_asked(),
        )
    )
    return _each(query, _remind)


def note_declined() -> int:
    """Close months whose card was not charged; the donor may give them by the link."""
    query = (
        select(Mandate.id)
        .join(MandatePeriod, MandatePeriod.mandate_id == Mandate.id)
        .join(Gift, Gift.id == MandatePeriod.gift_id)
        .where(
            MandatePeriod.charge_way.is_not(None),
            MandatePeriod.state == PeriodState.ASKED,
            Gift.state.in_(OVER),
            Gift.paid_at.is_(None),
        )
    )
    return _each(query, _note_declined)


def give_up() -> int:
    """Close months that nobody gave in time; after three in a row the mandate rests, with a letter."""
    settings: Settings = current_app.extensions["settings"]
    latest = clock.now() - timedelta(days=settings.monthly_link_days)
    query = (
        select(Mandate.id)
        .join(MandatePeriod, MandatePeriod.mandate_id == Mandate.id)
        .where(
            Mandate.state == MandateState.ACTIVE,
            MandatePeriod.state == PeriodState.ASKED,
            MandatePeriod.asked_at < latest,
        )
    )
    return _each(query, lambda mandate: _give_up(mandate, latest))


def end_never_begun() -> int:
    """End mandates whose first gift was never paid; nobody is written to, the address is destroyed."""
    query = select(Mandate.id).where(
        Mandate.state == MandateState.PENDING, Mandate.created_at < clock.now() - NEVER_BEGUN
    )
    return _each(query, _end_unbegun)


ALWAYS: tuple[Callable[[], int], ...] = (note_paid, end_never_begun, contracts.look_due)
BY_DAY: tuple[Callable[[], int], ...] = (
    note_declined,
    rest_where_closed,
    give_up,
    announce,
    remind,
)


# ---------------------------------------------------------------------- inside


def _each(query: Select[UUID], act: Callable[[Mandate], None]) -> int:
    """Lock what a query finds and is free, and act on each; one that cannot be dealt with stops no other."""
    ids = db.session.execute(query.distinct().order_by(Mandate.id).limit(AT_ONCE)).scalars()
    done = 0
    for mandate in _lock(set(ids)).values():
        try:
            with db.session.begin_nested():
                act(mandate)
            done += 1
        except Exception as error:
            detail = {"mandate": mandate.ref, "error": type(error).__name__}
            audit.raise_alarm("giving:mandates", detail)
    return done


def _lock(ids: set[UUID]) -> dict[UUID, Mandate]:
    query = (
        select(Mandate)
        .where(Mandate.id.in_(ids))
        .order_by(Mandate.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return {mandate.id: mandate for mandate in db.session.execute(query).scalars()}


def _months(mandate_id: UUID, *states: PeriodState) -> Sequence[MandatePeriod]:
    query = select(MandatePeriod).where(
        MandatePeriod.mandate_id == mandate_id, MandatePeriod.state.in_(states)
    )
    ordered = query.order_by(MandatePeriod.period).execution_options(populate_existing=True)
    return list(db.session.execute(ordered).scalars())


def _paid(mandate: Mandate, period: str) -> None:
    month = db.session.get(MandatePeriod, (mandate.id, period), populate_existing=True)
    if month is None or month.state == PeriodState.PAID:
        return
    month.state, month.closed_at, mandate.missed = PeriodState.PAID, clock.now(), 0
    if mandate.state == MandateState.PENDING:
        mandate.state = MandateState.ACTIVE
        db.session.flush()
        if (
            mandate.wished_way == mandate.channel == Way.STRIPE
        ):  # the letter follows when the card is read
            payload = {"mandate": str(mandate.id), "gift": str(month.gift_id)}
            outbox.add(Kind.SIGN_MANDATE, f"mandate-sign:{mandate.id}", payload)
        else:
            letters.begun(mandate, campaigns.get_by_id(mandate.campaign_id))


def _rest(mandate: Mandate) -> None:
    if mandate.state == MandateState.ACTIVE:
        service.pause(mandate.id, Reason.CAMPAIGN)


def _end_unbegun(mandate: Mandate) -> None:
    if mandate.state == MandateState.PENDING:
        service.end(mandate.id, Reason.NEVER_BEGUN)


def _announce(mandate: Mandate) -> None:
    """Announce the month that is due; of months missed while nothing ran, only the last."""
    if mandate.state != MandateState.ACTIVE:
        return
    today, now = clock.today(), clock.now()
    if mandate.next_on > today + service.notice():
        return
    due_on = _latest_due(mandate, today)
    not_before = now + service.notice()
    month = MandatePeriod(
        mandate_id=mandate.id,
        period=calendar.period_of(due_on),
        amount_fen=mandate.amount_fen,
        due_on=max(due_on, clock.shanghai_date(not_before)),
        announced_at=now,
        not_before=not_before,
    )
    service.will_be_charged(mandate, month)
    db.session.add(month)
    mandate.next_on = calendar.due_after(mandate.day, due_on, {month.period})
    db.session.flush()
    letters.announced(mandate, month, campaigns.get_by_id(mandate.campaign_id))


def _latest_due(mandate: Mandate, today: date) -> date:
    due_on = mandate.next_on
    while (following := calendar.due_after(mandate.day, due_on)) <= today:
        due_on = following
    return due_on


def _remind(mandate: Mandate) -> None:
    if mandate.state != MandateState.ACTIVE:
        return
    now, today = clock.now(), clock.today()
    for month in _months(mandate.id, PeriodState.ANNOUNCED):
        if month.due_on > today or month.not_before > now or contracts.must_wait(month):
            continue
        month.state, month.asked_at = PeriodState.ASKED, now
        if contracts.is_chargeable(mandate, month):
            key = f"mandate-charge:{mandate.id}:{month.period}:{month.announced_at.timestamp():.0f}"
            payload = {"mandate": str(mandate.id), "period": month.period}
            outbox.add(Kind.CHARGE_MONTH, key, payload)
            continue
        month.charge_way = None
        if not _is_paid(month):
            letters.due(mandate, month, campaigns.get_by_id(mandate.campaign_id))


def _note_declined(mandate: Mandate) -> None:
    for month in _months(mandate.id, PeriodState.ASKED):
        gift = (
            db.session.get(Gift, month.gift_id, populate_existing=True) if month.gift_id else None
        )
        is_charge = month.charge_way is not None
        if gift is None or gift.state not in OVER or gift.is_paid or not is_charge:
            continue
        month.state, month.closed_at = PeriodState.FAILED, clock.now()
        if mandate.state == MandateState.ACTIVE:
            mandate.missed += 1
            letters.declined(mandate, month, campaigns.get_by_id(mandate.campaign_id))
            contracts.look_soon(mandate)
    db.session.flush()
    _rest_if_unpaid(mandate)


def _rest_if_unpaid(mandate: Mandate) -> None:
    if mandate.state == MandateState.ACTIVE and mandate.missed >= MOST_UNPAID:
        service.pause(mandate.id, Reason.UNPAID)


def _give_up(mandate: Mandate, latest: datetime) -> None:
    if mandate.state != MandateState.ACTIVE:
        return
    for month in _months(mandate.id, PeriodState.ASKED):
        if month.asked_at and month.asked_at < latest and not _is_paid(month):
            month.state, month.closed_at = PeriodState.FAILED, clock.now()
            mandate.missed += 1
    db.session.flush()
    _rest_if_unpaid(mandate)


def _is_paid(month: MandatePeriod) -> bool:
    gift = db.session.get(Gift, month.gift_id, populate_existing=True) if month.gift_id else None
    return gift is not None and gift.is_paid
