"""Money in another currency that became a gift and went back: a person takes the gift back by what the balance says.

The refund was booked as received news, in its own currency, against suspense, for its payment holds no yuan.
What the balance says it cost in yuan ends that; where the rate moved in between, the difference is the chapter's.
"""

from uuid import UUID

from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.giving import foreign, outgoing, queries
from fundraising.giving.errors import NotByThisRoad
from fundraising.giving.matching import service as matching
from fundraising.giving.models import Gift
from fundraising.giving.outgoing import Given
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import Line, NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import facts, refunds, reviews
from fundraising.payments.models import ProviderFact, ReviewKind


def take_back(review_id: UUID, *, note: str, actor_id: UUID) -> Gift:
    """Take a gift back whose foreign payment went back: its fund lets the fen go, match and receipts follow. Once.

    Raises:
        NotByThisRoad: the review is about something else or over, or no balance says the yuan yet.
        FundOverspent: the fund has spent the money and holds too little to take its place.
        NoteMissing: nothing was said.
    """
    review = reviews.lock(review_id)
    fact = db.session.get(ProviderFact, review.fact_id)
    is_open = review.closed_at is None and review.kind == ReviewKind.REFUND_EXCESS
    if not is_open or fact is None or fact.attempt_id is None or fact.currency == foreign.OURS:
        raise NotByThisRoad
    attempt = refunds.lock_attempt(fact.attempt_id)
    gift = queries.lock(attempt.order_id)
    payment = facts.foreign_payment(attempt.id)
    if not gift.is_paid or not gift.kept_fen or payment is None:
        raise NotByThisRoad
    yuan = foreign.in_yuan(fact)
    is_whole = facts.gone_fen(attempt.id) >= payment[1].minor
    amount = Money(gift.kept_fen if is_whole else min(yuan.minor, gift.kept_fen))
    matching.hold([gift.campaign_id])
    _book(fact, gift, amount, actor_id)
    facts.reclassify(fact.id, "refunded")
    reviews.close(review_id, actor_id, note)
    audit.record("suspense.taken_back", f"gift:{gift.ref}", actor_id, {"amount_fen": amount.minor})
    return gift


def _book(fact: ProviderFact, gift: Gift, amount: Money, actor_id: UUID) -> None:
    kind = fund_queries.get(gift.fund_id).kind
    ledger.hold_months([fact.occurred_at])
    funds.refund_lot(gift.id, amount)
    ledger.post(
        NewEntry(
            f"resolved:{fact.id}",
            EntryKind.REFUND,
            fact.occurred_at,
            (
                *foreign.back_out(fact),
                debit(chart.income(kind), amount, gift.fund_id),
                *_by_rate(foreign.in_yuan(fact).minor - amount.minor),
            ),
            fund_id=gift.fund_id,
            actor=f"staff:{actor_id}",
        )
    )
    outgoing.follow(fact.id, Given(gift.id, gift.fund_id, kind, fact.attempt_id), amount)


def _by_rate(fen: int) -> tuple[Line, ...]:
    """Return what a rate that moved cost the chapter, or brought it."""
    if not fen:
        return ()
    line = debit if fen > 0 else credit
    return (line(chart.TO_BE_COVERED, Money(abs(fen))),)
