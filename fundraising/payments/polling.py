"""Asking providers about attempts whose notice has not come, and closing those that ran out of time.

The pauses grow with the age of an attempt; at its end it is queried, closed, and queried again, so that
a payment in the last second is found. The provider's final word ends the asking, not our clock. Where an
order begins only when somebody scans it, "does not exist" means nothing until some time after its end.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, text, update

from fundraising import clock
from fundraising.database import db, is_cut_off, transaction
from fundraising.payments import facts, holding, service
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import (
    CloseResult,
    Fact,
    OrderState,
    ProviderUnavailable,
)

PAUSES = (10, 20, 40, 60, 180, 600, 1800)
SHORTEST = timedelta(seconds=30)
GRACE = timedelta(seconds=5)
AT_ONCE = 20
LOOKED_AT = 200
log = structlog.get_logger(__name__)


def poll_due(apply: Callable[[Sequence[Fact]], object], limit: int = AT_ONCE) -> int:
    """Ask about due attempts, one provider call each and none inside a transaction; return how many."""
    with holding.hold(_due(), limit) as held:
        return sum(_poll(attempt_id, apply) for attempt_id in held)


def has_due() -> bool:
    """Whether attempts wait to be asked about."""
    query = text(
        "SELECT EXISTS (SELECT FROM payment_attempt WHERE query_due_at IS NOT NULL AND query_due_at <= :now)"
    )
    return bool(db.session.execute(query, {"now": clock.now()}).scalar_one())


def _due() -> Sequence[UUID]:
    """Return attempts that are due, the longest waiting first."""
    query = select(Attempt.id).where(Attempt.query_due_at <= clock.now())
    with transaction():
        return (
            db.session.execute(query.order_by(Attempt.query_due_at).limit(LOOKED_AT))
            .scalars()
            .all()
        )


def _poll(attempt_id: UUID, apply: Callable[[Sequence[Fact]], object]) -> bool:
    """Ask about one attempt; it stays due until it is known what became of the question."""
    begun = _begin(attempt_id)
    if begun is None:
        return False
    attempt, was = begun
    try:
        told = _ask(service.asked_about(attempt), attempt)
        with transaction():
            if told:
                apply(told)
            _put_off(attempt, was)
    except ProviderUnavailable as unknown:
        log.info("query_unknown", attempt=str(attempt.id), error=str(unknown))
        with transaction():
            _put_off(attempt, was)
    except Exception as failed:
        if is_cut_off(failed):
            raise  # our own database went away, so it is due as before
        with transaction():
            _put_off(attempt, was)
        raise
    return True


def _begin(attempt_id: UUID) -> tuple[Attempt, datetime] | None:
    """Count a question and return since when it was due, None when the attempt is not due any more."""
    with transaction():
        query = select(Attempt).where(Attempt.id == attempt_id).with_for_update()
        attempt = db.session.execute(
            query.execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if attempt is None or attempt.query_due_at is None or attempt.query_due_at > clock.now():
            return None
        attempt.query_count += 1
        db.session.flush()
        return attempt, attempt.query_due_at


def _put_off(attempt: Attempt, was: datetime) -> None:
    """Set when an attempt is due next, unless somebody did meanwhile."""
    now = clock.now()
    pause = timedelta(seconds=PAUSES[min(attempt.query_count, len(PAUSES)) - 1])
    ends = (attempt.expires_at + GRACE, _unborn_until(attempt) + GRACE)
    due_at = min([now + max(pause, SHORTEST), *(end for end in ends if now < end)])
    db.session.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.query_due_at == was)
        .values(query_due_at=due_at)
    )


def _ask(adapter: service.Asked, attempt: Attempt) -> list[Fact]:
    result = adapter.query(attempt.merchant_ref)
    if result.facts:
        return result.facts
    now = clock.now()
    if result.state is OrderState.CLOSED:
        return [facts.closed(attempt)]
    if result.state is OrderState.NOT_EXIST:
        return [facts.closed(attempt)] if now >= _unborn_until(attempt) else []
    if now < attempt.expires_at:
        return []
    if adapter.close(attempt.merchant_ref) is CloseResult.NOT_EXIST:
        return [facts.closed(attempt)]
    again = adapter.query(attempt.merchant_ref)
    if again.facts:
        return again.facts
    return [facts.closed(attempt)] if again.state is OrderState.CLOSED else []


def _unborn_until(attempt: Attempt) -> datetime:
    """Return until when an order that does not exist at its provider may still begin there."""
    adapter = service.providers().get(attempt.provider)
    return attempt.expires_at + (adapter.unborn_for if adapter else timedelta(0))
