"""Charging somebody who agreed to it, without their being there: our row first, then the provider, once."""

import structlog

from fundraising import clock
from fundraising.database import transaction
from fundraising.money import Money
from fundraising.payments import facts, service
from fundraising.payments.models import Attempt, AttemptState
from fundraising.payments.providers.base import (
    ChargeRequest,
    Contract,
    Fact,
    ProviderRejected,
    ProviderUnavailable,
)

log = structlog.get_logger(__name__)


def submit(attempt: Attempt, contract: Contract, description: str) -> list[Fact]:
    """Charge an attempt that was written and committed before; return what the provider said for certain.

    An empty list means unknown or undecided: the attempt stays as it is and is asked about like any other,
    never charged under another number. No transaction may be open.
    """
    adapter = service.charges(attempt)
    amount = Money(attempt.amount_fen, attempt.currency)
    notify_url = service.contract_url(attempt.provider)
    request = ChargeRequest(attempt.merchant_ref, contract, amount, description, notify_url)
    try:
        told = adapter.charge(request)
    except ProviderUnavailable as unknown:
        log.warning("charge_unknown", attempt=str(attempt.id), error=str(unknown))
        told = []
    except ProviderRejected as refused:
        log.info("charge_refused", attempt=str(attempt.id), code=refused.code)
        told = [facts.closed(attempt)]
    with transaction():
        _opened(attempt)
    return told


def _opened(attempt: Attempt) -> None:
    now = service.lock(attempt.id)
    now.opened_at = now.opened_at or clock.now()
    if now.state == AttemptState.CREATED:
        now.state = AttemptState.PENDING
