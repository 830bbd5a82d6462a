"""Asking providers about attempts whose notice has not come, and closing those that ran out of time.

The pauses grow with the age of an attempt; at its end it is queried, closed, and queried again, so that
a payment in the last second is found. The provider's final word ends the asking, not our clock.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

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
        next_at = now + max(pause, LEASE)
        if now < attempt.expires_at:
            next_at = min(next_at, attempt.expires_at + GRACE)
        attempt.query_due_at = next_at
    db.session.flush()
    return due


def _ask(adapter: Provider, attempt: Attempt) -> list[Fact]:
    result = adapter.query(attempt.merchant_ref)
    if result.facts:
        return result.facts
    is_over = clock.now() >= attempt.expires_at
    if result.state is OrderState.CLOSED or (result.state is OrderState.NOT_EXIST and is_over):
        return [_closed(attempt)]
    if not is_over:
        return []
    if adapter.close(attempt.merchant_ref) is CloseResult.NOT_EXIST:
        return [_closed(attempt)]
    again = adapter.query(attempt.merchant_ref)
    if again.facts:
        return again.facts
    return [_closed(attempt)] if again.state is OrderState.CLOSED else []


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
