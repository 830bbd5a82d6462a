"""Sending money back to the original payment: reserved first, then asked for under one number.

A reservation on the attempt makes sure that never more goes back than came in, under any concurrency. An
unknown outcome is asked about for as long as it takes; a new number would refund twice.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Queue
from fundraising.payments import service
from fundraising.payments.errors import (
    RefundNotFound,
    RefundNotOpen,
    RefundTooLarge,
    SamePerson,
    TooManyRefunds,
)
from fundraising.payments.models import Attempt, Refund, RefundOrigin, RefundStage
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
from fundraising.references import order_number

MOST_REFUNDS = 50
"""Of one payment, the least that any provider allows (WeChat Pay refund documentation 4012556457)."""

PAUSES = (5, 15, 30, 60, 300, 1800, 3600)
APART = timedelta(seconds=60)
"""Between two refunds of one payment (the same documentation)."""

AT_ONCE = 20
log = structlog.get_logger(__name__)


def request(
    attempt_id: UUID,
    amount: Money,
    *,
    origin: RefundOrigin,
    reason: str,
    actor_id: UUID | None,
    is_small: bool = False,
) -> Refund:
    """Set money of a payment aside to go back. A small refund needs no second person.

    Raises:
        RefundTooLarge: less is left of the payment, after what went back or is on its way.
        TooManyRefunds: the payment has had as many refunds as a provider allows.
    """
    attempt = lock_attempt(attempt_id)
    if amount.currency != attempt.currency or not 0 < amount.minor <= attempt.refundable_fen:
        raise RefundTooLarge(left_fen=attempt.refundable_fen)
    count = text(
        "SELECT count(*) FROM payment_refund WHERE attempt_id = :id AND state <> 'cancelled'"
    )
    if db.session.execute(count, {"id": attempt_id}).scalar_one() >= MOST_REFUNDS:
        raise TooManyRefunds
    attempt.refund_reserved_fen += amount.minor
    refund = Refund(
        refund_no=order_number(),
        attempt_id=attempt_id,
        origin=origin,
        amount_fen=amount.minor,
        currency=amount.currency,
        reason=reason,
        is_small=is_small,
        requested_by=actor_id,
    )
    db.session.add(refund)
    db.session.flush()
    _record("refund.requested", refund, actor_id)
    if is_small:
        _approve(refund, actor_id)
    return refund


def alone_today(actor_id: UUID) -> int:
    """Return how much a person lets go today without a second one, in fen; one request of theirs at a time."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"refund-alone:{actor_id}"},
    )
    query = text(
        "SELECT coalesce(sum(amount_fen), 0)::bigint FROM payment_refund WHERE requested_by = :actor "
        "AND is_small AND state <> 'cancelled' AND created_at >= :start"
    )
    start = datetime.combine(clock.today(), time.min, clock.SHANGHAI)
    return int(db.session.execute(query, {"actor": actor_id, "start": start}).scalar_one())


def approve(refund_id: UUID, actor_id: UUID) -> Refund:
    """Let a proposed refund go, by a second person.

    Raises:
        SamePerson: who asked for it may not approve it.
        RefundNotOpen: it is not waiting for that.
    """
    refund = lock(refund_id)
    if refund.state != RefundStage.PROPOSED:
        raise RefundNotOpen
    if refund.requested_by == actor_id:
        raise SamePerson
    _approve(refund, actor_id)
    return refund


def cancel(refund_id: UUID, actor_id: UUID) -> None:
    """Give up a refund that was not sent yet. Raises RefundNotOpen."""
    attempt = lock_attempt(get(refund_id).attempt_id)
    refund = lock(refund_id)
    if refund.state not in (RefundStage.PROPOSED, RefundStage.APPROVED):
        raise RefundNotOpen
    _release(attempt, refund, RefundStage.CANCELLED)
    _record("refund.cancelled", refund, actor_id)


def _approve(refund: Refund, actor_id: UUID | None) -> None:
    refund.state, refund.approved_by = RefundStage.APPROVED, actor_id
    refund.query_due_at = clock.now()
    db.session.flush()
    outbox.ring(Queue.MONEY)
    _record("refund.approved", refund, actor_id)


def _release(attempt: Attempt, refund: Refund, state: RefundStage) -> None:
    back = 0 if refund.is_external else refund.amount_fen
    attempt.refund_reserved_fen = max(0, attempt.refund_reserved_fen - back)
    refund.state, refund.finished_at, refund.query_due_at = state, clock.now(), None
    db.session.flush()


# ---------------------------------------------------------------------- what the provider says


def settle(
    refund_no: str, attempt: Attempt, fact: Fact, origin: RefundOrigin, gone_fen: int
) -> Refund:
    """Note that money went back, in the caller's transaction with the attempt locked.

    A refund nobody here asked for is written down as external. It may take what was set aside for ours:
    the provider will then refuse those. ``gone_fen`` is all that has left of the payment with this fact;
    what exceeds the payment is not counted on it.
    """
    refund = find(refund_no)
    if refund is None:
        refund = Refund(
            refund_no=refund_no,
            attempt_id=attempt.id,
            origin=origin,
            amount_fen=0,
            currency=attempt.currency,
            reason="",
            is_external=True,
        )
        db.session.add(refund)
    if not refund.is_external and refund.finished_at is None:
        attempt.refund_reserved_fen = max(0, attempt.refund_reserved_fen - refund.amount_fen)
    attempt.refunded_fen = max(0, min(attempt.paid_fen, gone_fen))
    left = attempt.paid_fen - attempt.refunded_fen
    attempt.refund_reserved_fen = min(attempt.refund_reserved_fen, left)  # the provider was first
    refund.amount_fen = fact.amount.minor
    refund.state, refund.finished_at, refund.query_due_at = (
        RefundStage.SUCCEEDED,
        fact.occurred_at,
        None,
    )
    db.session.flush()
    return refund


def fail(refund_no: str, attempt: Attempt) -> Refund | None:
    """Note that a refund failed for good: what was set aside is free again. None when it is not open."""
    refund = find(refund_no)
    if refund is None or refund.finished_at is not None:
        return None
    _release(attempt, refund, RefundStage.FAILED)
    return refund


def returned(refund_no: str, attempt: Attempt, gone_fen: int) -> None:
    """Note that money of a finished refund came back: ``gone_fen`` of the payment is still away."""
    attempt.refunded_fen = max(0, min(attempt.paid_fen, gone_fen))
    refund = find(refund_no)
    if refund is not None:
        refund.state = RefundStage.FAILED
    db.session.flush()


def stick(refund_no: str) -> Refund | None:
    """Note that a refund waits for a person at the provider; it is asked about once an hour."""
    refund = find(refund_no)
    if refund is None or refund.finished_at is not None:
        return None
    refund.state = RefundStage.STUCK
    refund.query_due_at = clock.now() + timedelta(seconds=PAUSES[-1])
    db.session.flush()
    return refund


def seen(refund_no: str, attempt: Attempt) -> None:
    """Note that the provider speaks of a refund of that number, and ask about it now."""
    refund = find(refund_no)
    if refund is None:
        refund = Refund(
            refund_no=refund_no,
            attempt_id=attempt.id,
            amount_fen=0,
            currency=attempt.currency,
            reason="",
            is_external=True,
            state=RefundStage.SUBMITTED,
        )
        db.session.add(refund)
    if refund.finished_at is None:
        refund.query_due_at = clock.now()
        db.session.flush()


# ---------------------------------------------------------------------- asking the provider


def has_due() -> bool:
    """Whether refunds wait to be sent or asked about."""
    query = text(
        "SELECT EXISTS (SELECT FROM payment_refund WHERE query_due_at IS NOT NULL AND query_due_at <= :now)"
    )
    return bool(db.session.execute(query, {"now": clock.now()}).scalar_one())


def pursue_due(apply: Callable[[Sequence[Fact]], object], limit: int = AT_ONCE) -> int:
    """Send or ask about due refunds, one provider call each and none inside a transaction."""
    with transaction():
        due = _claim(limit)
    for refund, attempt, is_new in due:
        try:
            result = _speak(service.provider(attempt.provider), refund, attempt, is_new=is_new)
        except ProviderUnavailable as unknown:
            log.info("refund_unknown", refund=str(refund.id), error=str(unknown))
            with transaction():
                _note(refund.id, str(unknown))
            continue
        except ProviderRejected as refused:
            result = _refused(refund, attempt, refused)
        if result.facts:
            with transaction():
                apply(result.facts)
    return len(due)


def _claim(limit: int) -> list[tuple[Refund, Attempt, bool]]:
    """Take due refunds; those to be sent are marked as sent before the call, so it may only be repeated."""
    now = clock.now()
    query = (
        select(Refund)
        .where(Refund.query_due_at <= now)
        .order_by(Refund.query_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    taken: list[tuple[Refund, Attempt, bool]] = []
    busy: set[UUID] = set()
    for refund in db.session.execute(query).scalars():
        is_new = refund.state == RefundStage.APPROVED
        if is_new and (refund.attempt_id in busy or _is_too_soon(refund)):
            refund.query_due_at = now + APART
            continue
        busy.add(refund.attempt_id)
        pause = PAUSES[min(refund.query_count, len(PAUSES) - 1)]
        refund.query_count += 1
        refund.query_due_at = now + timedelta(seconds=pause)
        if is_new:
            refund.state, refund.submitted_at = RefundStage.SUBMITTED, now
        taken.append((refund, service.get(refund.attempt_id), is_new))
    db.session.flush()
    return taken


def _is_too_soon(refund: Refund) -> bool:
    query = text(
        "SELECT EXISTS (SELECT FROM payment_refund WHERE attempt_id = :attempt AND submitted_at > :since)"
    )
    since = clock.now() - APART
    return bool(
        db.session.execute(query, {"attempt": refund.attempt_id, "since": since}).scalar_one()
    )


def _speak(adapter: Provider, refund: Refund, attempt: Attempt, *, is_new: bool) -> RefundResult:
    asked = RefundRequest(
        refund_no=refund.refund_no,
        merchant_ref=attempt.merchant_ref,
        payment_ref=attempt.provider_ref,
        amount=Money(refund.amount_fen, refund.currency),
        total=Money(attempt.paid_fen, attempt.currency),
        reason=refund.reason,
        notify_url=service.notify_url(attempt.provider),
    )
    if is_new:
        return adapter.refund(asked)
    result = adapter.query_refund(asked)
    if result.state is RefundState.NOT_EXIST and not refund.is_external:
        return adapter.refund(asked)  # the first call never arrived: the same number again
    return result


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


# ---------------------------------------------------------------------- reading


def lock_attempt(attempt_id: UUID) -> Attempt:
    """Lock an attempt: refunds of one payment wait for each other."""
    query = select(Attempt).where(Attempt.id == attempt_id).with_for_update()
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one()


def lock(refund_id: UUID) -> Refund:
    """Lock a refund. Raises RefundNotFound."""
    query = select(Refund).where(Refund.id == refund_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise RefundNotFound
    return found


def get(refund_id: UUID) -> Refund:
    """Return a refund. Raises RefundNotFound."""
    found = db.session.get(Refund, refund_id)
    if found is None:
        raise RefundNotFound
    return found


def find(refund_no: str) -> Refund | None:
    """Return and lock the refund of a number, None when nobody here asked for it."""
    query = select(Refund).where(Refund.refund_no == refund_no).with_for_update()
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()


def of_attempts(attempt_ids: Sequence[UUID]) -> list[Refund]:
    """Return the refunds of some attempts, the first one first."""
    query = select(Refund).where(Refund.attempt_id.in_(attempt_ids)).order_by(Refund.id)
    return list(db.session.execute(query).scalars())


def waiting(limit: int = 100) -> list[Refund]:
    """Return refunds that are not over, the oldest first."""
    over = (RefundStage.SUCCEEDED, RefundStage.FAILED, RefundStage.CANCELLED)
    query = select(Refund).where(Refund.state.not_in(over)).order_by(Refund.created_at).limit(limit)
    return list(db.session.execute(query).scalars())


def count_proposed() -> int:
    """Return how many refunds wait for a second person."""
    query = select(func.count()).select_from(Refund).where(Refund.state == RefundStage.PROPOSED)
    return db.session.execute(query).scalar_one()


def finished(limit: int = 50) -> list[Refund]:
    """Return refunds that are over, the latest first."""
    query = select(Refund).where(Refund.finished_at.is_not(None))
    return list(
        db.session.execute(query.order_by(Refund.finished_at.desc()).limit(limit)).scalars()
    )


def _record(action: str, refund: Refund, actor_id: UUID | None) -> None:
    audit.record(action, f"refund:{refund.refund_no}", actor_id, {"amount_fen": refund.amount_fen})
