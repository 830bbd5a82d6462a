"""What a donor does with a monthly gift: begin, give a month, change, pause, go on, end.

Every verb locks the mandate's row first, and so does whatever asks for money: what was ended or paused
before is never asked for after. Lock order: mandates by id, their periods, then what giving locks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from config import Settings
from fundraising import clock, references
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import people
from fundraising.giving.errors import AddressNeeded, AmountRefused
from fundraising.giving.mandates import calendar, donors, letters
from fundraising.giving.mandates.errors import (
    DayRefused,
    MandateNotFound,
    MandateOver,
    MonthOver,
)
from fundraising.giving.mandates.models import (
    OPEN,
    ContractState,
    Mandate,
    MandateContract,
    MandatePeriod,
    MandateState,
    PeriodState,
    Reason,
    Way,
)
from fundraising.giving.models import Display, Gift, ReceiptRule
from fundraising.giving.service import StartGift
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import service as payments
from fundraising.payments.providers.base import Product

DAYS = range(1, 32)
TOLD_BEFORE = timedelta(days=3)
"""When a provider tells the donor, before the day of a charge; it may charge two to four days later (4011987402)."""

GIVABLE = (*OPEN, PeriodState.FAILED)


@dataclass(frozen=True)
class Promise:
    """What a donor says beside the first gift: the day, and the words agreed to."""

    day: int
    consent: str
    way: Way = Way.REMINDER


def notice() -> timedelta:
    """Return how long before it is due a gift is announced."""
    settings: Settings = current_app.extensions["settings"]
    return timedelta(days=settings.monthly_notice_days)


def begin(promise: Promise, gift: Gift) -> Mandate:
    """Write a mandate with its first month, in the transaction that begins the first gift.

    It becomes active when that gift is paid. Raises AddressNeeded or DayRefused.
    """
    person = people.read(gift.id)
    if not person.email:
        raise AddressNeeded
    _check_day(promise.day)
    today, now = clock.today(), clock.now()
    this_month = calendar.period_of(today)
    mandate = Mandate(
        id=references.uuid7(),
        ref=references.mandate_reference(),
        token=references.secret_token(),
        campaign_id=gift.campaign_id,
        amount_fen=gift.amount_fen,
        day=promise.day,
        starts_on=today,
        next_on=calendar.due_after(promise.day, today, {this_month}),
        wished_way=promise.way,
        channel=gift.channel,
        display=gift.display,
        receipt_rule=gift.receipt_rule,
        wants_fiscal_receipt=gift.wants_fiscal_receipt,
        locale=gift.locale,
        consent=promise.consent,
        created_at=now,
        sealed=b"",
    )
    donors.keep(mandate, person)
    db.session.add(mandate)
    db.session.flush()
    first = MandatePeriod(
        mandate_id=mandate.id,
        period=this_month,
        amount_fen=gift.amount_fen,
        state=PeriodState.ASKED,
        due_on=today,
        announced_at=now,
        not_before=now,
        asked_at=now,
        gift_id=gift.id,
    )
    db.session.add(first)
    db.session.flush()
    return mandate


# ---------------------------------------------------------------------- a month's gift


def gift_of(mandate: Mandate, month: MandatePeriod, product: Product) -> StartGift:
    """Return the gift of a month: its key is the month's, so that many taps are one order."""
    person = donors.read(mandate)
    campaign = campaigns.get_by_id(mandate.campaign_id)
    return StartGift(
        campaign_slug=campaign.slug,
        amount=Money(month.amount_fen),
        product=product,
        idempotency_key=f"monthly:{mandate.id}:{month.period}",
        display=Display(mandate.display),
        name=person.name,
        email=person.email,
        wants_fiscal_receipt=mandate.wants_fiscal_receipt,
        locale=mandate.locale,
        receipt_rule=ReceiptRule(mandate.receipt_rule),
        payer_name=person.payer_name,
        payer_tax_no=person.payer_tax_no,
    )


def tie(mandate_id: UUID, period: str) -> Callable[[Gift], None]:
    """Return what ties a new gift to its month, in the gift's own transaction.

    It raises MandateOver when the donor paused or ended meanwhile, MonthOver when the month needs no gift:
    then the gift was never begun.
    """

    def tied(gift: Gift) -> None:
        mandate = lock(mandate_id)
        if mandate.state != MandateState.ACTIVE:
            raise MandateOver
        month = lock_month(mandate_id, period)
        if not is_givable(mandate, month) or month.gift_id not in (None, gift.id):
            raise MonthOver
        if month.amount_fen != gift.amount_fen:
            raise MonthOver
        month.gift_id, mandate.channel = gift.id, gift.channel
        db.session.flush()

    return tied


# ---------------------------------------------------------------------- the donor's verbs


def is_givable(mandate: Mandate, month: MandatePeriod) -> bool:
    """Whether the donor may give a month by a tap: not while it is, or is about to be, charged by itself."""
    if mandate.state != MandateState.ACTIVE:
        return False
    return month.state in GIVABLE and (month.charge_way is None or not month.is_open)


def change(mandate_id: UUID, amount: Money, day: int) -> None:
    """Change amount and day from now on; a month announced and not yet begun is announced anew.

    Raises:
        MandateOver: it has ended.
        AmountRefused, DayRefused: outside what the campaign takes, or no day.
    """
    mandate = _lock_standing(mandate_id)
    campaign = campaigns.get_by_id(mandate.campaign_id)
    _check_day(day)
    if not campaign.min_fen <= amount.minor <= campaign.max_fen:
        raise AmountRefused
    if (mandate.amount_fen, mandate.day) == (amount.minor, day):
        return
    mandate.amount_fen, mandate.day = amount.minor, day
    _end_if_outgrown(mandate)
    mandate.next_on = _next_due(mandate)
    for month in _open_months(mandate_id):
        if month.gift_id is None:
            _announce_anew(mandate, month)
    db.session.flush()
    letters.changed(mandate, campaign, next_due(mandate))


def pause(mandate_id: UUID, reason: Reason = Reason.DONOR) -> None:
    """Let it rest: nothing is announced or asked until the donor goes on. Raises MandateOver."""
    mandate = _lock_standing(mandate_id)
    if mandate.state == MandateState.PAUSED:
        return
    mandate.state, mandate.reason = MandateState.PAUSED, reason
    _skip_open(mandate_id)
    letters.paused(mandate, campaigns.get_by_id(mandate.campaign_id))


def resume(mandate_id: UUID) -> None:
    """Go on with the next due day. Raises MandateOver or CampaignNotOpen."""
    mandate = _lock_standing(mandate_id)
    if mandate.state == MandateState.ACTIVE:
        return
    campaign = campaigns.get_by_id(mandate.campaign_id)
    if not campaign.is_open:
        raise CampaignNotOpen
    mandate.state, mandate.reason, mandate.missed = MandateState.ACTIVE, None, 0
    mandate.next_on = _next_due(mandate)
    db.session.flush()
    letters.resumed(mandate, campaign, mandate.next_on)


def end(mandate_id: UUID, reason: Reason = Reason.DONOR) -> None:
    """End it for good; nothing is asked from this moment on. Again, it changes nothing."""
    mandate = lock(mandate_id)
    if mandate.is_over:
        return
    mandate.state, mandate.reason, mandate.ended_at = MandateState.ENDED, reason, clock.now()
    _skip_open(mandate_id)
    if mandate.is_charged:
        outbox.add(Kind.END_CONTRACT, f"contract-ended:{mandate.id}", {"mandate": str(mandate.id)})
    if reason == Reason.NEVER_BEGUN:
        donors.erase(mandate)
    else:
        letters.ended(mandate, campaigns.get_by_id(mandate.campaign_id))


def erase(mandate_id: UUID) -> None:
    """Destroy the donor's name and address. Raises MandateOver while it has not ended: letters need them."""
    mandate = lock(mandate_id)
    if not mandate.is_over:
        raise MandateOver
    donors.erase(mandate)


def next_due(mandate: Mandate) -> date:
    """Return when the next gift is due: an announced month's day, else the next to be announced."""
    waiting = [month.due_on for month in _open_months(mandate.id)]
    return min([*waiting, mandate.next_on])


def get(mandate_id: UUID) -> Mandate:
    """Return a mandate as it is now. Raises MandateNotFound."""
    found = db.session.get(Mandate, mandate_id, populate_existing=True)
    if found is None:
        raise MandateNotFound
    return found


def lock(mandate_id: UUID) -> Mandate:
    """Return a mandate and lock it until the transaction ends. Raises MandateNotFound."""
    query = select(Mandate).where(Mandate.id == mandate_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise MandateNotFound
    return found


# ---------------------------------------------------------------------- inside


def _lock_standing(mandate_id: UUID) -> Mandate:
    mandate = lock(mandate_id)
    if mandate.state not in (MandateState.ACTIVE, MandateState.PAUSED):
        raise MandateOver
    return mandate


def lock_month(mandate_id: UUID, period: str) -> MandatePeriod:
    """Return a month and lock it; its mandate is locked before. Raises MandateNotFound."""
    found = db.session.get(
        MandatePeriod, (mandate_id, period), with_for_update=True, populate_existing=True
    )
    if found is None:
        raise MandateNotFound
    return found


def _open_months(mandate_id: UUID) -> list[MandatePeriod]:
    query = select(MandatePeriod).where(
        MandatePeriod.mandate_id == mandate_id, MandatePeriod.state.in_(OPEN)
    )
    ordered = query.order_by(MandatePeriod.period).execution_options(populate_existing=True)
    return list(db.session.execute(ordered).scalars())


def _skip_open(mandate_id: UUID) -> None:
    for month in _open_months(mandate_id):
        if month.gift_id is not None and is_under_way(month):
            continue  # what was asked for before stands; its own outcome ends it
        month.state, month.closed_at = PeriodState.SKIPPED, clock.now()
    db.session.flush()


def is_under_way(month: MandatePeriod) -> bool:
    """Whether a month was charged by itself and the outcome is not known."""
    attempt = payments.latest(month.gift_id) if month.gift_id else None
    return attempt is not None and Product(attempt.product).is_charged and attempt.is_live


def _next_due(mandate: Mandate) -> date:
    """Return the first due date after today whose month has no row yet."""
    taken = set(
        db.session.execute(
            select(MandatePeriod.period).where(MandatePeriod.mandate_id == mandate.id)
        ).scalars()
    )
    return calendar.due_after(mandate.day, clock.today(), taken)


def _announce_anew(mandate: Mandate, month: MandatePeriod) -> None:
    """Give an announced month the new amount and day, with the whole notice before it again."""
    now = clock.now()
    year, number = (int(part) for part in month.period.split("-"))
    month.amount_fen, month.state, month.asked_at = mandate.amount_fen, PeriodState.ANNOUNCED, None
    month.announced_at, month.not_before = now, now + notice()
    due_on = calendar.due_in(year, number, mandate.day)
    month.due_on = max(due_on, clock.shanghai_date(month.not_before))
    if month.told_at is not None and month.charge_way == Way.WECHATPAY:
        month.charge_way = None  # WeChat told of it as it was, and tells only once
        return
    will_be_charged(mandate, month)


def will_be_charged(mandate: Mandate, month: MandatePeriod) -> None:
    """Note on an announced month how its notice says that it is charged; where it must, the provider tells it too."""
    way, month.told_at = Way(mandate.way), None
    provider = payments.agreements().get(way)
    is_possible = mandate.is_charged and (provider is not None or not way.is_agreed)
    month.charge_way = way if is_possible else None
    if way.is_agreed and provider is not None and provider.wants_notice:
        first = calendar.morning(month.due_on - TOLD_BEFORE)
        stamp = f"{month.announced_at.timestamp():.6f}"
        payload = {"mandate": str(mandate.id), "period": month.period, "announced": stamp}
        key = f"mandate-tell:{mandate.id}:{month.period}:{stamp}"
        outbox.add(Kind.TELL_MONTH, key, payload, max(first, clock.now()))


def _end_if_outgrown(mandate: Mandate) -> None:
    """End an agreement at Alipay whose amount no longer holds the gift's: the donor may sign another."""
    query = select(MandateContract).where(
        MandateContract.mandate_id == mandate.id,
        MandateContract.state == ContractState.STANDING,
        MandateContract.way == Way.ALIPAY,
        MandateContract.amount_fen < mandate.amount_fen,
    )
    for contract in db.session.execute(query.with_for_update()).scalars():
        contract.state, contract.ended_at, contract.look_at = (
            ContractState.ENDED,
            clock.now(),
            None,
        )
        payload = {"mandate": str(mandate.id), "contract": str(contract.id)}
        outbox.add(Kind.END_CONTRACT, f"contract-outgrown:{contract.id}", payload)
        mandate.way, mandate.payer_ref, mandate.means_ref = Way.REMINDER, None, None
    db.session.flush()


def _check_day(day: int) -> None:
    if day not in DAYS:
        raise DayRefused


def is_offered(campaign: Campaign) -> bool:
    """Whether a gift each month may be promised here: turned on, and the campaign lasts longer than a month."""
    settings: Settings = current_app.extensions["settings"]
    return settings.monthly_giving and campaign.ends_on > clock.today() + timedelta(days=31)
