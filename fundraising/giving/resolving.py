"""Placing money that waited in suspense: as the gift it was meant to be, or as a gift to a campaign.

Money was booked as received when it came. Here a person says what it was; the entry that moves it names
that person, and the review is closed with their words.
"""

from collections import defaultdict
from uuid import UUID

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving import booking, day_totals, foreign, queries, settlement
from fundraising.giving.booking import WholeGift
from fundraising.giving.errors import MoneyWaits, NotByThisRoad
from fundraising.giving.matching import service as matching
from fundraising.giving.matching.models import Road
from fundraising.giving.matching.service import SettledGift
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger_queries
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import adopting, facts, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.models import ProviderFact, Review, ReviewKind

WAITS_IN = {
    ReviewKind.MISMATCH: chart.SUSPENSE,
    ReviewKind.ORPHAN: chart.SUSPENSE,
    ReviewKind.DUPLICATE: chart.UNAPPLIED,
}
"""Where the money of a review lies until somebody has placed it."""


def accept_amount(review_id: UUID, *, note: str, actor_id: UUID) -> Gift:
    """Take money that came in another amount than asked for as what the donor gave.

    Raises:
        NotByThisRoad: the review is about something else, the gift is paid otherwise, money of the
            payment went back already, or foreign money is on no balance yet.
    """
    review, fact = _open(review_id, ReviewKind.MISMATCH)
    if review.attempt_id is None:
        raise NotByThisRoad
    attempt = refunds.lock_attempt(review.attempt_id)
    gift = queries.lock(attempt.order_id)
    if gift.is_paid or attempt.refunded_fen or attempt.refund_reserved_fen:
        raise NotByThisRoad
    held = matching.hold([gift.campaign_id])
    amount = foreign.in_yuan(fact)
    fund_kind = fund_queries.get(gift.fund_id).kind
    income = chart.income(fund_kind)
    entry_id = ledger.post(
        NewEntry(
            f"resolved:{fact.id}",
            EntryKind.SUSPENSE_RESOLVED,
            fact.occurred_at,
            (*foreign.out_of_suspense(fact), credit(income, amount, gift.fund_id)),
            fund_id=gift.fund_id,
            actor=f"staff:{actor_id}",
        )
    )
    funds.add_lots(gift.fund_id, [NewLot(LotSource.GIFT, gift.id, amount, entry_id)])
    gift.amount_fen, gift.state, gift.paid_at = amount.minor, GiftState.PAID, fact.occurred_at
    attempt.state, attempt.paid_at = "paid", fact.occurred_at
    facts.reclassify(fact.id, settlement.SETTLED)
    _count(gift)
    road, at = Road.of(fact.provider), fact.occurred_at
    settled = SettledGift(
        gift.id, gift.campaign_id, gift.fund_id, fund_kind, amount, at, None, road
    )
    matching.match(held, [settled])
    reviews.close(review_id, actor_id, note)
    audit.record("suspense.accepted", f"gift:{gift.ref}", actor_id, {"amount_fen": amount.minor})
    outbox.add(Kind.ISSUE_RECEIPT, f"receipt:{gift.id}", {"gift_id": str(gift.id)})
    return gift


def give_to(review_id: UUID, campaign: Campaign, *, note: str, actor_id: UUID) -> None:
    """Take money of an unknown order, found on our own bill, as an anonymous gift to a campaign.

    Raises:
        NotByThisRoad: the review is about something else, or its money was not booked.
    """
    _review, fact = _open(review_id, ReviewKind.ORPHAN)
    gift = WholeGift(
        channel=fact.provider,
        number=f"{fact.account}:{fact.fact_ref}",
        amount=Money(fact.amount_fen, fact.currency),
        at=fact.occurred_at,
    )
    booking.book_set(
        campaign,
        [gift],
        kind=EntryKind.SUSPENSE_RESOLVED,
        account=chart.SUSPENSE,
        actor=f"staff:{actor_id}",
    )
    facts.reclassify(fact.id, settlement.SETTLED)
    adopting.of_fact(fact, gift.id)
    reviews.close(review_id, actor_id, note)
    audit.record("suspense.given", f"campaign:{campaign.slug}", actor_id, {"fact": str(fact.id)})


def close(review_id: UUID, *, note: str, actor_id: UUID) -> None:
    """Close a review whose money found its place.

    Raises:
        MoneyWaits: the money still lies in suspense or unapplied, and nobody would look for it again.
        NoteMissing: nothing was said.
    """
    review = reviews.lock(review_id)
    fact = db.session.get(ProviderFact, review.fact_id) if review.fact_id else None
    account = WAITS_IN.get(ReviewKind(review.kind))
    if account is not None and fact is not None and fact.outcome in settlement.MONEY[1:]:
        attempt = payments.get(review.attempt_id) if review.attempt_id else None
        is_there = -ledger_queries.balance(account, fact.currency).minor >= fact.amount_fen
        if is_there and (attempt is None or attempt.refundable_fen):
            raise MoneyWaits
    reviews.close(review_id, actor_id, note)


def _open(review_id: UUID, kind: ReviewKind) -> tuple[Review, ProviderFact]:
    review = reviews.lock(review_id)
    fact = db.session.get(ProviderFact, review.fact_id) if review.fact_id else None
    is_waiting = review.closed_at is None and review.kind == kind
    if not is_waiting or fact is None or fact.outcome != settlement.SUSPENSE:
        raise NotByThisRoad
    return review, fact


def _count(gift: Gift) -> None:
    assert gift.paid_at is not None
    day = clock.shanghai_date(gift.paid_at).isoformat()
    days: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    days[gift.campaign_id, day] = [gift.amount_fen, 1, 0, 1]
    day_totals.add(days)
    db.session.flush()
