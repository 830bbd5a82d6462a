"""Sending refunds to their providers and asking what became of them, for as long as it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, text, update

from fundraising import clock
from fundraising.database import db, is_cut_off, transaction
from fundraising.money import Money
from fundraising.payments import holding, refunds, service
from fundraising.payments.models import Attempt, Refund, RefundStage
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    Provider,
    ProviderRejected,
    ProviderUnavailable,
    RefundRequest,
    RefundResult,
    RefundState,
)

AT_ONCE = 20
LOOKED_AT = 200
APART = timedelta(seconds=60)
"""Between two refunds of one payment (WeChat Pay refund documentation 4012556457)."""

log = structlog.get_logger(__name__)


def has_due() -> bool:
    """Whether refunds wait to be sent or asked about."""
    query = text(
        "SELECT EXISTS (SELECT FROM payment_refund WHERE query_due_at IS NOT NULL AND query_due_at <= :now)"
    )
    return bool(db.session.execute(query, {"now": clock.now()}).scalar_one())


def pursue_due(apply: Callable[[Sequence[Fact]], object], limit: int = AT_ONCE) -> int:
    """Send or ask about due refunds, one provider call each and none inside a transaction."""
    with holding.hold(_due(), limit) as held:
        return sum(_pursue(refund_id, apply) for refund_id in held)


def _due() -> Sequence[UUID]:
    """Return refunds that are due, the longest waiting first."""
    query = select(Refund.id).where(Refund.query_due_at <= clock.now())
    with transaction():
        return (
            db.session.execute(query.order_by(Refund.query_due_at).limit(LOOKED_AT)).scalars().all()
        )


@dataclass(frozen=True)
class _Turn:
    """A refund whose turn it is, as it stood when the turn began."""

    refund: Refund
    attempt: Attempt
    is_new: bool
    due_at: datetime
    count: int


def _pursue(refund_id: UUID, apply: Callable[[Sequence[Fact]], object]) -> bool:
    """Send or ask about one refund; it stays due until it is known what became of the call."""
    turn = _begin(refund_id)
    if turn is None:
        return False
    try:
        result = _speak(service.provider(turn.attempt.provider), turn)
        with transaction():
            if result.facts:
                apply(result.facts)
            _put_off(turn)
    except ProviderUnavailable as unknown:
        log.info("refund_unknown", refund=str(refund_id), error=str(unknown))
        with transaction():
            _note(refund_id, str(unknown))
            _put_off(turn)
    except Exception as failed:
        if is_cut_off(failed):
            raise  # our own database went away, so it is due as before
        with transaction():
            _put_off(turn)
        raise
    return True


def _begin(refund_id: UUID) -> _Turn | None:
    """Mark a refund as sent before the call, so it may only be repeated; None when it is not due now."""
    with transaction():
        refund, now = refunds.lock(refund_id), clock.now()
        due_at = refund.query_due_at
        if due_at is None or due_at > now:
            return None
        is_new = refund.state == RefundStage.APPROVED
        if is_new and _is_too_soon(refund):
            refund.query_due_at = now + APART
            db.session.flush()
            return None
        refund.query_count += 1
        if is_new:
            refund.state, refund.submitted_at = RefundStage.SUBMITTED, now
        db.session.flush()
        attempt = service.get(refund.attempt_id)
        return _Turn(refund, attempt, is_new, due_at, refund.query_count)


def _put_off(turn: _Turn) -> None:
    """Set when a refund is due next, unless its end or a notice did meanwhile."""
    pause = refunds.PAUSES[min(turn.count, len(refunds.PAUSES)) - 1]
    db.session.execute(
        update(Refund)
        .where(Refund.id == turn.refund.id, Refund.query_due_at == turn.due_at)
        .values(query_due_at=clock.now() + timedelta(seconds=pause))
    )


def _is_too_soon(refund: Refund) -> bool:
    query = text(
        "SELECT EXISTS (SELECT FROM payment_refund WHERE attempt_id = :attempt AND submitted_at > :since)"
    )
    since = clock.now() - APART
    return bool(
        db.session.execute(query, {"attempt": refund.attempt_id, "since": since}).scalar_one()
    )


def _speak(adapter: Provider, turn: _Turn) -> RefundResult:
    refund, attempt = turn.refund, turn.attempt
    asked = RefundRequest(
        refund_no=refund.refund_no,
        merchant_ref=attempt.merchant_ref,
        payment_ref=attempt.provider_ref,
        amount=Money(refund.amount_fen, refund.currency),
        total=Money(attempt.paid_fen, attempt.currency),
        reason=refund.reason,
        notify_url=service.notify_url(attempt.provider),
    )
    try:
        if turn.is_new:
            return adapter.refund(asked)
        result = adapter.query_refund(asked)
        if result.state is RefundState.NOT_EXIST and not refund.is_external:
            return adapter.refund(asked)  # the first call never arrived: the same number again
        return result
    except ProviderRejected as refused:
        return _refused(refund, attempt, refused)


def _refused(refund: Refund, attempt: Attempt, refused: ProviderRejected) -> RefundResult:
    """Turn a refusal for good into the fact that nothing moved under this number."""
    with transaction():
        _note(refund.id, str(refused))
    failed = Fact(
        provider=attempt.provider,
        account=attempt.account,
        kind=FactKind.REFUND_FAILED,
        fact_ref=refund.refund_no,
        merchant_ref=attempt.merchant_ref,
        amount=Money(refund.amount_fen, refund.currency),
        occurred_at=clock.now(),
        source=FactSource.QUERY,
        payment_ref=attempt.provider_ref,
    )
    return RefundResult(RefundState.FAILED, [failed])


def _note(refund_id: UUID, error: str) -> None:
    db.session.execute(
        text("UPDATE payment_refund SET last_error = :error WHERE id = :id"),
        {"error": error[:300], "id": refund_id},
    )
