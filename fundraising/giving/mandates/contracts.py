"""Agreements that donors sign at a provider for their monthly gifts: asked for, looked at, ended on either side.

A notice of the provider, the donor's word and our own schedule all do the same: they make us ask the provider,
and its answer alone moves an agreement. Lock order: the mandate, its agreements, its months.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import ColumnElement, or_, select

from config import Settings
from fundraising import clock, references, sealing
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.giving import ways
from fundraising.giving.mandates import calendar, letters, service
from fundraising.giving.mandates.errors import AgreementOff, MandateOver
from fundraising.giving.mandates.models import (
    OPEN,
    ContractState,
    Mandate,
    MandateContract,
    MandatePeriod,
    MandateState,
    PeriodState,
    Way,
)
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.payments import service as payments
from fundraising.payments.providers.agreements import Agreement, AgreementState, SignRequest
from fundraising.payments.providers.base import Contract, ProviderRejected, ProviderUnavailable

AT_ONCE = 100
PAUSES = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 30, 60, 240, 720))
"""Between our questions about an agreement that was asked for; one that stands is asked about each day."""

DAILY = timedelta(days=1)
SIGN_WITHIN = timedelta(days=2)
"""After which an agreement that nobody signed is taken as refused."""

PAGE_STANDS = timedelta(minutes=10)
"""How long the provider's page may be opened (WeChat Pay documentation 4011987295)."""

LAST_DAY = 28
MOST_ASKED = 5
"""Agreements of one mandate that wait to be signed."""

log = structlog.get_logger(__name__)


# ---------------------------------------------------------------------- the donor agrees


def offered(mandate: Mandate, agent: str) -> Way | None:
    """Return by which way a donor may agree to have a mandate charged in this browser, None when by none.

    The way by which they paid last comes first; Alipay has no days after the 28th.
    """
    if mandate.state != MandateState.ACTIVE or mandate.is_charged:
        return None
    found = [way for way in may_offer(agent) if way != Way.ALIPAY or mandate.day <= LAST_DAY]
    return min(found, key=lambda way: way != mandate.channel, default=None)


def may_offer(agent: str) -> list[Way]:
    """Return which agreements work in a browser and are turned on."""
    settings: Settings = current_app.extensions["settings"]
    is_inside, is_phone = ways.is_in_wechat(agent), ways.is_phone(agent)
    is_wechat = settings.wechatpay_monthly and (
        is_inside or (settings.wechatpay_monthly_h5 and is_phone)
    )
    is_alipay = settings.alipay_monthly and not is_inside
    wanted = [(Way.WECHATPAY, is_wechat), (Way.ALIPAY, is_alipay)]
    return [way for way, is_wanted in wanted if is_wanted and way in payments.agreements()]


def ask(mandate_id: UUID, way: Way, consent: str) -> MandateContract:
    """Write an agreement to be signed. Raises MandateOver, or AgreementOff when one stands or too many wait."""
    mandate = service.lock(mandate_id)
    if mandate.state != MandateState.ACTIVE:
        raise MandateOver
    waiting = [c for c in of(mandate_id) if c.state == ContractState.ASKED]
    if mandate.is_charged or len(waiting) >= MOST_ASKED:
        raise AgreementOff
    now = clock.now()
    contract = MandateContract(
        mandate_id=mandate_id,
        way=way,
        code=references.order_number(),
        amount_fen=mandate.amount_fen,
        consent=consent,
        asked_at=now,
        look_at=now + PAUSES[0],
    )
    db.session.add(contract)
    db.session.flush()
    return contract


def open_page(contract: MandateContract, *, return_url: str, client_ip: str, agent: str) -> str:
    """Return the provider's page on which to sign, kept for the donor; no transaction may be open.

    Raises:
        AgreementOff: the provider refused, or did not answer.
    """
    mandate, way = service.get(contract.mandate_id), contract.way
    request = SignRequest(
        code=contract.code,
        shown_as=mandate.ref,
        amount=Money(contract.amount_fen),
        first_on=mandate.next_on,
        notify_url=payments.contract_url(contract.way),
        return_url=return_url,
        client_ip=client_ip,
        is_in_app=ways.is_in_wechat(agent),
        is_phone=ways.is_phone(agent),
    )
    contract_id = contract.id
    db.session.rollback()
    try:
        url = payments.agreement_provider(way).sign_url(request)
    except (ProviderUnavailable, ProviderRejected) as failed:
        log.warning("agreement_not_opened", contract=str(contract_id), error=str(failed))
        raise AgreementOff from failed
    with transaction():
        _lock(contract_id).url = url
    return url


def is_openable(contract: MandateContract) -> bool:
    """Whether the provider's page may still be opened."""
    is_fresh = contract.asked_at > clock.now() - PAGE_STANDS
    return contract.state == ContractState.ASKED and contract.url is not None and is_fresh


# ---------------------------------------------------------------------- looking


def of(mandate_id: UUID) -> list[MandateContract]:
    """Return the agreements of a mandate, the latest first."""
    query = select(MandateContract).where(MandateContract.mandate_id == mandate_id)
    ordered = query.order_by(MandateContract.asked_at.desc(), MandateContract.id.desc())
    return list(db.session.execute(ordered.execution_options(populate_existing=True)).scalars())


def look_soon(mandate: Mandate) -> None:
    """Let the provider be asked as soon as a worker is free."""
    for contract in of(mandate.id):
        if contract.look_at is not None:
            contract.look_at = clock.now()
            _wonder(contract)
    db.session.flush()


def look_due() -> int:
    """Let the provider be asked about agreements whose time has come; returns about how many."""
    query = (
        select(MandateContract)
        .where(MandateContract.look_at <= clock.now())
        .order_by(MandateContract.look_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    found = list(db.session.execute(query).scalars())
    for contract in found:
        _wonder(contract)
    db.session.flush()
    return len(found)


def look(work: Claimed) -> None:
    """Ask the provider about an agreement, and believe it; without an answer the schedule asks again."""
    with transaction():
        contract = _by_code(work.payload["code"])
    if contract is None:
        log.info("agreement_unknown")  # signed with another system of the same merchant
        return
    try:
        told = payments.agreement_provider(contract.way).look(contract.code)
    except ProviderUnavailable as unknown:
        log.info("agreement_not_seen", contract=str(contract.id), error=str(unknown))
        return
    with transaction():
        believe(contract.id, told)


def believe(contract_id: UUID, told: Agreement) -> None:
    """Move an agreement to where its provider says it is; the same answer again changes nothing."""
    seen = db.session.get_one(MandateContract, contract_id)
    mandate = service.lock(seen.mandate_id)
    contract = _lock(contract_id)
    if contract.state == ContractState.STANDING:
        if told.state is not AgreementState.STANDING:
            _ended_there(mandate, contract)
    elif told.state is AgreementState.STANDING and told.contract is not None:
        _stands(mandate, contract, told.contract)
    elif contract.state == ContractState.ASKED and contract.asked_at < clock.now() - SIGN_WITHIN:
        contract.state, contract.look_at, contract.url = ContractState.REFUSED, None, None
    db.session.flush()


def _stands(mandate: Mandate, contract: MandateContract, signed: Contract) -> None:
    """Take an agreement into use; one that nobody wants any more is ended at the provider."""
    contract.number, contract.url = signed.means_ref, None
    is_wanted = contract.state in (ContractState.ASKED, ContractState.REFUSED)
    if mandate.is_over or mandate.is_charged or not is_wanted:
        contract.look_at = clock.now() + DAILY
        payload = {"mandate": str(mandate.id), "contract": str(contract.id)}
        outbox.add(Kind.END_CONTRACT, f"contract-unwanted:{contract.id}:{contract.looks}", payload)
        return
    contract.state, contract.signed_at = ContractState.STANDING, clock.now()
    contract.look_at = clock.now() + DAILY
    mandate.way = contract.way
    mandate.payer_ref = sealing.fingerprint("mandate-payer", signed.payer_ref)
    mandate.means_ref = signed.means_ref
    db.session.flush()
    letters.agreed(mandate, campaigns.get_by_id(mandate.campaign_id), service.next_due(mandate))


def _ended_there(mandate: Mandate, contract: MandateContract) -> None:
    """Note that an agreement stands no more: its gifts go on by letter and tap."""
    note_ended(contract)
    if mandate.is_over or mandate.means_ref != contract.number:
        return
    mandate.way, mandate.payer_ref, mandate.means_ref = Way.REMINDER, None, None
    db.session.flush()
    campaign = campaigns.get_by_id(mandate.campaign_id)
    letters.charged_no_more(mandate, Way(contract.way), campaign)
    for month in _open_months(mandate.id):
        if month.charge_way is None or service.is_under_way(month):
            continue  # what was asked for before stands; its own outcome ends it
        month.charge_way = None
        if month.state == PeriodState.ASKED:
            letters.due(mandate, month, campaign)
    db.session.flush()


def note_ended(contract: MandateContract) -> None:
    """Write that an agreement has ended, on whichever side."""
    contract.state, contract.ended_at = ContractState.ENDED, clock.now()
    contract.look_at, contract.url = None, None
    db.session.flush()


def end(work: Claimed) -> None:
    """End at the provider what a mandate no longer needs. Raises ProviderUnavailable; again, it changes nothing."""
    with transaction():
        found = of(UUID(work.payload["mandate"]))
    chosen = work.payload.get("contract")
    for contract in found:
        is_chosen = str(contract.id) == chosen if chosen else _stands_now(contract)
        if is_chosen:
            payments.agreement_provider(contract.way).end(contract.code)
            with transaction():
                service.lock(contract.mandate_id)
                now = _lock(contract.id)
                if now.state != ContractState.ENDED:
                    note_ended(now)


# ---------------------------------------------------------------------- the provider's own notice


def tell(work: Claimed) -> None:
    """Let the provider tell the donor of a month's charge, by day. Raises ProviderUnavailable."""
    with transaction():
        known = _to_tell(work)
        code = _standing(known[0]).code if known is not None else ""
        if known is not None and not calendar.is_open_hour():
            due_at = calendar.next_morning()
            key = f"mandate-tell:{work.payload['mandate']}:{work.payload['period']}:{due_at:%Y%m%d}"
            outbox.add(Kind.TELL_MONTH, key, work.payload, due_at)
            known = None
    if known is None:
        return
    mandate, month = known
    try:
        payments.agreement_provider(mandate.way).tell(
            code, contract_of(mandate), Money(month.amount_fen), month.due_on
        )
    except ProviderRejected as refused:
        log.info("charge_not_told", mandate=mandate.ref, code=refused.code)
        with transaction():
            look_soon(service.lock(mandate.id))
        return
    with transaction():
        again = _to_tell(work)
        if again is not None:
            again[1].told_at = clock.now()


def _to_tell(work: Claimed) -> tuple[Mandate, MandatePeriod] | None:
    """Return the month to tell of, unless it was changed, left out or is given by a tap now."""
    mandate = service.lock(UUID(work.payload["mandate"]))
    month = service.lock_month(mandate.id, work.payload["period"])
    is_same = f"{month.announced_at.timestamp():.6f}" == work.payload["announced"]
    is_waiting = month.state == PeriodState.ANNOUNCED and month.charge_way == mandate.way
    is_active = mandate.state == MandateState.ACTIVE and Way(mandate.way).is_agreed
    return (mandate, month) if is_same and is_waiting and is_active else None


def may_be_asked() -> ColumnElement[bool]:
    """Return the condition that a month does not wait for the days after the provider's own notice."""
    waiting = [way for way, provider in payments.agreements().items() if provider.waits_days]
    return or_(
        MandatePeriod.told_at.is_(None),
        MandatePeriod.charge_way.not_in(waiting),
        MandatePeriod.told_at < _told_before(),
    )


def must_wait(month: MandatePeriod) -> bool:
    """Whether a month waits for the days after the provider's own notice."""
    provider = payments.agreements().get(month.charge_way or "")
    if month.told_at is None or provider is None or not provider.waits_days:
        return False
    return month.told_at >= _told_before()


def is_chargeable(mandate: Mandate, month: MandatePeriod) -> bool:
    """Whether a month whose day has come is charged: its notice said so, and the provider's rules are kept."""
    if not mandate.is_charged or month.charge_way != mandate.way:
        return False
    if not Way(mandate.way).is_agreed:
        return True
    provider = payments.agreements().get(mandate.way)
    return provider is not None and (not provider.wants_notice or month.told_at is not None)


def contract_of(mandate: Mandate) -> Contract:
    """Return the provider's numbers by which a mandate is charged; call only when it is."""
    assert mandate.payer_ref is not None
    assert mandate.means_ref is not None
    return Contract(mandate.payer_ref, mandate.means_ref)


# ---------------------------------------------------------------------- inside


def _told_before() -> datetime:
    """The day of the notice and the next one are waited for (WeChat Pay documentation 4011987402)."""
    yesterday = clock.today() - timedelta(days=1)
    return calendar.morning(yesterday) - timedelta(hours=calendar.HOURS.start)


def _wonder(contract: MandateContract) -> None:
    """Write the question about an agreement, and when it is asked next."""
    now = clock.now()
    contract.looks += 1
    outbox.add(
        Kind.LOOK_AT_CONTRACT,
        f"contract-look:{contract.id}:{contract.looks}",
        {"code": contract.code},
    )
    is_asked = contract.state == ContractState.ASKED
    contract.look_at = now + (PAUSES[min(contract.looks, len(PAUSES)) - 1] if is_asked else DAILY)


def _standing(mandate: Mandate) -> MandateContract:
    return next(c for c in of(mandate.id) if _stands_now(c))


def _stands_now(contract: MandateContract) -> bool:
    return contract.state == ContractState.STANDING


def _by_code(code: str) -> MandateContract | None:
    query = select(MandateContract).where(MandateContract.code == code)
    return db.session.execute(query).scalar_one_or_none()


def _lock(contract_id: UUID) -> MandateContract:
    return db.session.get_one(
        MandateContract, contract_id, with_for_update=True, populate_existing=True
    )


def _open_months(mandate_id: UUID) -> list[MandatePeriod]:
    query = select(MandatePeriod).where(
        MandatePeriod.mandate_id == mandate_id, MandatePeriod.state.in_(OPEN)
    )
    ordered = query.order_by(MandatePeriod.period).execution_options(populate_existing=True)
    return list(db.session.execute(ordered).scalars())
