"""Asking for a gift's money to go back, and covering what a fund can no longer give.

Rules: to the original payment only, never more than is left of it, two people above a limit (what one person
sends back alone in a day counts together, so that a large sum is not sent in small parts), and not while
something outside forbids it (a fiscal e-receipt that is still out): such reasons register themselves.
"""

from collections.abc import Callable, Set
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from config import Settings
from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import Text2, db
from fundraising.errors import Invalid
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.funds.errors import FundOverspent
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving import queries
from fundraising.giving.errors import NotByThisRoad, PaidInForeignMoney, RefundBlocked
from fundraising.giving.models import Gift
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import facts, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.errors import RefundTooLarge
from fundraising.payments.models import Attempt, ProviderFact, Refund, RefundOrigin, ReviewKind

Gate = Callable[[UUID], str | None]
_gates: list[Gate] = []
COVER_REASON: Text2 = {
    "zh": "项目资金已全部支出，由本会自有资金承担退款",
    "en": "The fund was spent: the chapter's own money covers the refund",
}


class RefundReasonMissing(Invalid):
    """A refund needs words that say why."""

    code = "refund_reason_missing"
    message = _l("Write why the money goes back.")


def register_gate(gate: Gate) -> None:
    """Let another slice forbid refunds of a gift: ``gate(gift_id)`` returns the reason, or None."""
    _gates.append(gate)


def request(
    gift: Gift, amount: Money, *, reason: str, actor_id: UUID, seen_fen: int | None = None
) -> Refund:
    """Ask for a part or all of a gift to go back to the payment it came from.

    Raises:
        RefundReasonMissing, RefundTooLarge, RefundMovedOn, TooManyRefunds: as they say.
        NotByThisRoad: the gift did not come through a payment of ours.
        PaidInForeignMoney: it was not paid in yuan.
        RefundBlocked: something forbids it at the moment; it is named.
        FundOverspent: the fund has spent the money and holds too little to take its place.
    """
    why = reason.strip()
    if not why:
        raise RefundReasonMissing
    attempt = payment_of(gift)
    if attempt is None:
        raise NotByThisRoad
    _require_yuan(attempt)
    _pass_gates(gift.id)
    _require_left(gift, attempt, amount)
    lane = fund_queries.lane(gift.fund_id)
    if lane.unspent_fen - lane.reserved_fen < amount.minor:
        raise FundOverspent
    settings: Settings = current_app.extensions["settings"]
    return refunds.request(
        attempt.id,
        amount,
        origin=RefundOrigin.GIFT,
        reason=why,
        actor_id=actor_id,
        is_small=refunds.alone_today(actor_id) + amount.minor <= settings.refund_alone_fen,
        seen_fen=seen_fen,
    )


def approve(refund_id: UUID, actor_id: UUID) -> Refund:
    """Let a refund go, by a second person; what forbids it is asked again.

    Raises:
        SamePerson, RefundNotOpen, RefundBlocked: as they say.
    """
    refund = refunds.get(refund_id)
    if refund.origin == RefundOrigin.GIFT:
        _pass_gates(payments.get(refund.attempt_id).order_id)
    return refunds.approve(refund_id, actor_id)


def propose_for(review_id: UUID, *, reason: str, actor_id: UUID) -> Refund:
    """Propose to send back money that nobody can place: a second payment, or one that does not fit.

    Raises:
        RefundReasonMissing, RefundTooLarge, TooManyRefunds: as they say.
        NotByThisRoad: no payment of ours stands behind the review.
        PaidInForeignMoney: it was not paid in yuan.
    """
    if not reason.strip():
        raise RefundReasonMissing
    review = reviews.get(review_id)
    if review.attempt_id is None or review.kind not in (ReviewKind.DUPLICATE, ReviewKind.MISMATCH):
        raise NotByThisRoad
    attempt = refunds.lock_attempt(review.attempt_id)
    _require_yuan(attempt)
    is_second = review.kind == ReviewKind.DUPLICATE
    fact = db.session.get(ProviderFact, review.fact_id)
    received_fen = fact.amount_fen if fact else attempt.refundable_fen
    return refunds.request(
        attempt.id,
        Money(min(attempt.refundable_fen, received_fen), attempt.currency),
        origin=RefundOrigin.UNAPPLIED if is_second else RefundOrigin.SUSPENSE,
        reason=reason.strip(),
        actor_id=actor_id,
    )


def cover(review_id: UUID, actor_id: UUID) -> None:
    """Cover a refund that its fund could not give with the chapter's own money, as a named lot.

    Raises:
        NotByThisRoad: the review is about something else.
        FundOverspent: covered before, or the lot has no such money left.
    """
    review = reviews.lock(review_id)
    fact = db.session.get(ProviderFact, review.fact_id)
    if review.kind != ReviewKind.REFUND_UNCOVERED or fact is None:
        raise NotByThisRoad
    if fact.outcome != "uncovered":
        raise FundOverspent
    gift = _gift_of(fact)
    amount, fund_id = Money(fact.amount_fen, fact.currency), gift.fund_id
    income = chart.income(fund_queries.get(fund_id).kind)
    now, actor = clock.now(), f"staff:{actor_id}"
    posted = ledger.post_many(
        [
            NewEntry(
                f"cover:{fact.id}",
                EntryKind.REFUND_COVERED,
                now,
                (debit(chart.UNRESTRICTED, amount), credit(income, amount, fund_id)),
                fund_id=fund_id,
                reason=COVER_REASON,
                actor=actor,
            ),
            NewEntry(
                f"covered:{fact.id}",
                EntryKind.REFUND,
                now,
                (debit(income, amount, fund_id), credit(chart.TO_BE_COVERED, amount)),
                fund_id=fund_id,
                reason=COVER_REASON,
                actor=actor,
            ),
        ]
    )
    lot = NewLot(LotSource.CHAPTER, fact.id, amount, posted.ids[f"cover:{fact.id}"])
    funds.add_lots(fund_id, [lot])
    funds.refund_lot(gift.id, amount)
    facts.reclassify(fact.id, "refunded")
    audit.record("refund.covered", f"gift:{gift.ref}", actor_id, {"amount_fen": amount.minor})


def payment_of(gift: Gift) -> Attempt | None:
    """Return the attempt that paid a gift, None when its money came by another road."""
    attempts = {attempt.id: attempt for attempt in payments.attempts_of(gift.id)}
    outcomes = facts.paid_outcomes(list(attempts))
    return next((attempts[key] for key, value in outcomes.items() if value == "settled"), None)


def of_gift(gift: Gift) -> list[Refund]:
    """Return the refunds of a gift's payments, the first one first."""
    return refunds.of_attempts([attempt.id for attempt in payments.attempts_of(gift.id)])


def gifts_of(found: list[Refund]) -> dict[UUID, Gift]:
    """Return the gift behind each refund, by the refund's id."""
    query = (
        select(Refund.id, Gift)
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Gift, Gift.id == Attempt.order_id)
        .where(Refund.id.in_([refund.id for refund in found]))
    )
    return {row.id: row.Gift for row in db.session.execute(query)}


def gifts_of_attempts(attempt_ids: Set[UUID]) -> dict[UUID, Gift]:
    """Return the gift behind each attempt, by the attempt's id."""
    query = select(Attempt.id, Gift).join(Gift, Gift.id == Attempt.order_id)
    rows = db.session.execute(query.where(Attempt.id.in_(attempt_ids)))
    return {row.id: row.Gift for row in rows}


def _gift_of(fact: ProviderFact) -> Gift:
    """Return the gift a fact is about: by our payment, or by its number at the platform it came from."""
    if fact.attempt_id is not None:
        return queries.by_id(payments.get(fact.attempt_id).order_id)
    return queries.by_number(fact.provider, fact.merchant_ref or "")


def _require_left(gift: Gift, attempt: Attempt, amount: Money) -> None:
    """Require that a gift still holds so much; a second payment under its code is not the gift's."""
    refunds.lock_attempt(attempt.id)
    asked_fen = refunds.open_fen(attempt.id, RefundOrigin.GIFT)
    left_fen = gift.amount_fen - gift.refunded_fen - asked_fen
    if amount.minor > left_fen:
        raise RefundTooLarge(left_fen=left_fen)


def _require_yuan(attempt: Attempt) -> None:
    if not attempt.refundable_fen and facts.foreign_payment(attempt.id):
        raise PaidInForeignMoney


def _pass_gates(gift_id: UUID) -> None:
    reasons = [reason for gate in _gates if (reason := gate(gift_id))]
    if reasons:
        raise RefundBlocked(reasons=reasons)
