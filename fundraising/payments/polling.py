"""Asking providers about attempts whose notice has not come, and closing those that ran out of time.

The pauses grow with the age of an attempt; at its end it is queried, closed, and queried again, so that
a payment in the last second is found. The provider's final word ends the asking, not our clock. Where an
order begins only when somebody scans it, "does not exist" means nothing until some time after its end.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text

from fundraising import clock
from fundraising.database import db, transaction
from fundraising.money import Money
from fundraising.payments import service
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import (
    CloseResult,
    Fact,
    FactKind,
    FactSource,
    OrderState,
    Provider,
    ProviderUnavailable,
)

PAUSES = (10, 20, 40, 60, 180, 600, 1800)
LEASE = timedelta(seconds=30)
GRACE = timedelta(seconds=5)
AT_ONCE = 20
log = structlog.get_logger(__name__)


def poll_due(apply: Callable[[Sequence[Fact]], object], limit: int = AT_ONCE) -> int:
    """Ask about due attempts, one provider call each and none inside a transaction; return how many."""
    with transaction():
        due = _claim(limit)
    for attempt in due:
        try:
            facts = _ask(service.provider(attempt.provider), attempt)
        except ProviderUnavailable as unknown:
            log.info("query_unknown", attempt=str(attempt.id), error=str(unknown))
            continue
        if facts:
            with transaction():
                apply(facts)
    return len(due)


def has_due() -> bool:
    """Whether attempts wait to be asked about."""
    query = text(
        "SELECT EXISTS (SELECT FROM payment_attempt WHERE query_due_at IS NOT NULL AND query_due_at <= :now)"
    )
    return bool(db.session.execute(query, {"now": clock.now()}).scalar_one())


def _claim(limit: int) -> list[Attempt]:
    """Take due attempts and set when they are due next; a lost worker delays them, nothing more."""
    now = clock.now()
    query = (
        select(Attempt)
        .where(Attempt.query_due_at <= now)
        .order_by(Attempt.query_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    due = list(db.session.execute(query).scalars())
    for attempt in due:
        attempt.query_count += 1
        pause = timedelta(seconds=PAUSES[min(attempt.query_count, len(PAUSES)) - 1])
        ends = (attempt.expires_at + GRACE, _unborn_until(attempt) + GRACE)
        attempt.query_due_at = min([now + max(pause, LEASE), *(end for end in ends if now < end)])
    db.session.flush()
    return due


def _ask(adapter: Provider, attempt: Attempt) -> list[Fact]:
    result = adapter.query(attempt.merchant_ref)
    if result.facts:
        return result.facts
    now = clock.now()
    if result.state is OrderState.CLOSED:
        return [_closed(attempt)]
    if result.state is OrderState.NOT_EXIST:
        return [_closed(attempt)] if now >= _unborn_until(attempt) else []
    if now < attempt.expires_at:
        return []
    if adapter.close(attempt.merchant_ref) is CloseResult.NOT_EXIST:
        return [_closed(attempt)]
    again = adapter.query(attempt.merchant_ref)
    if again.facts:
        return again.facts
    return [_closed(attempt)] if again.state is OrderState.CLOSED else []


def _unborn_until(attempt: Attempt) -> datetime:
    """Return until when an order that does not exist at its provider may still begin there."""
    adapter = service.providers().get(attempt.provider)
    return attempt.expires_at + (adapter.unborn_for if adapter else timedelta(0))


def _closed(attempt: Attempt) -> Fact:
    return Fact(
        provider=attempt.provider,
        account=attempt.account,
        kind=FactKind.CLOSED,
        fact_ref=attempt.merchant_ref,
        merchant_ref=attempt.merchant_ref,
        amount=Money.zero(attempt.currency),
        occurred_at=clock.now(),
        source=FactSource.QUERY,
    )
