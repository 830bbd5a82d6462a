"""Money of a gift that left and came to us again: when, how much, what it paid since; and what a dispute took."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from fundraising.database import db
from fundraising.funds import queries as funds
from fundraising.funds.queries import Trace


@dataclass(frozen=True)
class Returned:
    """One sum that came again; it stands on the fund's lane under its own name."""

    at: datetime
    amount_fen: int
    trace: Trace
    is_dispute_won: bool


def of_gift(gift_id: UUID) -> list[Returned]:
    """Return what came again of a gift's refunds and disputes, the first first."""
    rows = db.session.execute(
        text(
            """
            SELECT f.id, f.occurred_at, f.amount_fen,
                   EXISTS (SELECT FROM payment_fact d WHERE d.attempt_id = a.id AND d.kind = 'disputed'
                           AND d.fact_ref = f.fact_ref) AS is_dispute
            FROM payment_attempt a
            JOIN payment_fact f ON f.attempt_id = a.id AND f.kind = 'returned'
            JOIN fund_lot l ON l.source_id = f.id AND l.source = 'returned'
            WHERE a.order_id = :gift ORDER BY f.occurred_at, f.id
            """
        ),
        {"gift": gift_id},
    ).all()
    found = [(row, funds.trace(row.id)) for row in rows]
    return [
        Returned(row.occurred_at, row.amount_fen, trace, row.is_dispute)
        for row, trace in found
        if trace
    ]


def disputed_fen(gift_id: UUID) -> int:
    """Return how much of a gift its payer's bank took in disputes, whether it came again or not."""
    query = text(
        """
        SELECT coalesce(sum(f.amount_fen), 0)::bigint
        FROM payment_attempt a
        JOIN payment_fact f ON f.attempt_id = a.id AND f.kind = 'disputed' AND f.outcome = 'refunded'
        WHERE a.order_id = :gift
        """
    )
    return int(db.session.execute(query, {"gift": gift_id}).scalar_one())
