"""Sending money back to the original payment: reserved first, then asked for under one number.

A reservation on the attempt makes sure that never more goes back than came in, under any concurrency. An
unknown outcome is asked about for as long as it takes; a new number would refund twice.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Queue
from fundraising.payments.errors import (
    RefundMovedOn,
    RefundNotFound,
    RefundNotOpen,
    RefundTooLarge,
    SamePerson,
    TooManyRefunds,
)
from fundraising.payments.models import Attempt, Refund, RefundOrigin, RefundStage
from fundraising.payments.providers.base import (
    Fact,
    Product,
)
from fundraising.references import order_number

MOST_REFUNDS = 50
"""Of one payment, the least that any provider allows (WeChat Pay refund documentation 4012556457)."""

BY_HAND = Product.BANK_TRANSFER.provider
"""Where people send refunds themselves, so that one on its way may still be given up."""

PAUSES = (5, 15, 30, 60, 300, 1800, 3600)


def request(
    attempt_id: UUID,
    amount: Money,
    *,
    origin: RefundOrigin,
    reason: str,
    actor_id: UUID | None,
    is_small: bool = False,
    seen_fen: int | None = None,
) -> Refund:
    """Set money of a payment aside to go back. A small refund needs no second person.

    Raises:
        RefundTooLarge: less is left of the payment, after what went back or is on its way.
        TooManyRefunds: the payment has had as many refunds as a provider allows.
        RefundMovedOn: ``seen_fen``, what was left when the form was opened, is not left any more.
    """
    attempt = lock_attempt(attempt_id)
    if seen_fen is not None and seen_fen != attempt.refundable_fen:
        raise RefundMovedOn
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
    """Give up a refund that was not sent yet, or that a person was to send. Raises RefundNotOpen."""
    attempt = lock_attempt(get(refund_id).attempt_id)
    refund = lock(refund_id)
    by_hand = (RefundStage.SUBMITTED,) if attempt.provider == BY_HAND else ()
    if refund.state not in (RefundStage.PROPOSED, RefundStage.APPROVED, *by_hand):
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


def open_fen(attempt_id: UUID, origin: RefundOrigin) -> int:
    """Return how much of an attempt's payments is asked for to go back from that origin and has not gone yet."""
    query = select(func.coalesce(func.sum(Refund.amount_fen), 0)).where(
        Refund.attempt_id == attempt_id,
        Refund.origin == origin,
        Refund.is_external.is_(False),
        Refund.finished_at.is_(None),
    )
    return int(db.session.execute(query).scalar_one())


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
