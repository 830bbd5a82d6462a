"""Money of a gift that was paid back and came to us again: when, how much, and what it paid since."""

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


def of_gift(gift_id: UUID) -> list[Returned]:
    """Return what came again of a gift's refunds and disputes, the first first."""
    rows = db.session.execute(
        text(
            """
            SELECT f.id, f.occurred_at, f.amount_fen
            FROM payment_attempt a
            JOIN payment_fact f ON f.attempt_id = a.id AND f.kind = 'returned'
            JOIN fund_lot l ON l.source_id = f.id AND l.source = 'returned'
            WHERE a.order_id = :gift ORDER BY f.occurred_at, f.id
            """
        ),
        {"gift": gift_id},
    ).all()
    found = [(row, funds.trace(row.id)) for row in rows]
    return [Returned(row.occurred_at, row.amount_fen, trace) for row, trace in found if trace]
