"""Charging announced months, by card or agreement: asked for under the mandate's lock, sent after its commit.

Whoever ends or pauses takes the same lock: what they end first is never sent. What was committed before is on
its way, once, under one number; an unknown outcome is asked about by polling like any order's.
"""

from uuid import UUID

from fundraising import clock
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.giving import service as giving
from fundraising.giving import settlement
from fundraising.giving.mandates import calendar, contracts, letters, service
from fundraising.giving.mandates.models import MandateState, PeriodState, Way
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.payments import charging
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, AttemptState
from fundraising.payments.providers.base import Contract, Product

PRODUCTS = {
    Way.STRIPE: Product.STRIPE_SAVED,
    Way.WECHATPAY: Product.WECHATPAY_CONTRACT,
    Way.ALIPAY: Product.ALIPAY_CONTRACT,
}


def sign(work: Claimed) -> None:
    """Read the card that the first gift saved; without one the mandate stays with reminders.

    Raises:
        ProviderUnavailable: no believable answer; the outbox tries again.
    """
    with transaction():
        paid = _paid_with_card(UUID(work.payload["gift"]))
    contract = None
    if paid is not None and paid.provider_ref:
        contract = payments.charging_provider(paid.provider).contract_of(paid.provider_ref)
    with transaction():
        mandate = service.lock(UUID(work.payload["mandate"]))
        if mandate.is_over:
            return
        if contract is not None:
            mandate.payer_ref, mandate.means_ref = contract.payer_ref, contract.means_ref
            mandate.way = Way.STRIPE
        db.session.flush()
        letters.begun(mandate, campaigns.get_by_id(mandate.campaign_id))


def charge(work: Claimed) -> None:
    """Charge a month that was announced long enough before; again, it is the same charge. By night it is put off."""
    with transaction():
        if not calendar.is_open_hour():
            due_at = calendar.next_morning()
            key = (
                f"mandate-charge:{work.payload['mandate']}:{work.payload['period']}:{due_at:%Y%m%d}"
            )
            outbox.add(Kind.CHARGE_MONTH, key, work.payload, due_at)
            return
        begun = _begin(UUID(work.payload["mandate"]), work.payload["period"])
    if begun is None:
        return
    attempt, contract, description = begun
    facts = charging.submit(attempt, contract, description)
    if facts:
        with transaction():
            settlement.apply_facts(facts)


def end_contract(work: Claimed) -> None:
    """Forget the card of a mandate that has ended, or end its agreement. Raises ProviderUnavailable."""
    with transaction():
        mandate = service.lock(UUID(work.payload["mandate"]))
    if Way(mandate.way).is_agreed or "contract" in work.payload:
        contracts.end(work)
    else:
        payments.charging_provider(mandate.way).end_contract(contracts.contract_of(mandate))


# ---------------------------------------------------------------------- inside


def _begin(mandate_id: UUID, period: str) -> tuple[Attempt, Contract, str] | None:
    """Write the month's gift and attempt, or find those that a lost worker wrote; None when nothing is to be sent."""
    mandate = service.lock(mandate_id)
    campaign = campaigns.get_by_id(mandate.campaign_id)
    if mandate.state != MandateState.ACTIVE or not mandate.is_charged or not campaign.is_open:
        return None
    month = service.lock_month(mandate_id, period)
    if month.state != PeriodState.ASKED or month.charge_way != mandate.way:
        return None
    if month.gift_id is None:
        gift = giving.start_gift(service.gift_of(mandate, month, PRODUCTS[Way(mandate.way)]))
        month.gift_id = gift.id
        db.session.flush()
    attempt = payments.latest(month.gift_id)
    if attempt is None or not _is_unsent(attempt):
        return None
    return attempt, contracts.contract_of(mandate), campaign.title["zh"]


def _is_unsent(attempt: Attempt) -> bool:
    if not Product(attempt.product).is_charged:
        return False
    return attempt.is_live and attempt.opened_at is None and attempt.expires_at > clock.now()


def _paid_with_card(gift_id: UUID) -> Attempt | None:
    for attempt in payments.attempts_of(gift_id):
        if attempt.product == Product.STRIPE_KEEP and attempt.state == AttemptState.PAID:
            return attempt
    return None
