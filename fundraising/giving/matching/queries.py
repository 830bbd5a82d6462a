"""Reading pledges: for the desk, and as everybody may see them."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from fundraising import clock
from fundraising.database import db
from fundraising.giving.matching.models import Match, Pledge, PledgeState, Unmatched
from fundraising.giving.models import Gift

JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True)
class PublicPledge:
    """A pledge as everybody sees it; ``name`` only by the matcher's consent, ``roads`` where not all count."""

    name: str | None
    adds: int
    per: int
    matched_fen: int
    remaining_fen: int
    last_day: date
    is_open: bool
    roads: list[str] | None


def public(campaign_id: UUID, limit: int = 20) -> list[PublicPledge]:
    """Return the approved pledges of a campaign that match or have matched, the oldest first."""
    query = (
        select(Pledge)
        .where(Pledge.campaign_id == campaign_id, Pledge.state != PledgeState.DRAFT)
        .order_by(Pledge.id)
        .limit(limit)
    )
    now = clock.now()
    shown = [
        PublicPledge(
            p.matcher if p.is_named else None,
            p.adds,
            p.per,
            p.committed_fen,
            p.remaining_fen,
            clock.shanghai_date(p.ends_at - JUST_BEFORE),
            p.covers(now) and p.remaining_fen > 0,
            None if p.is_for_all else p.roads,
        )
        for p in db.session.execute(query).scalars()
    ]
    return [p for p in shown if p.matched_fen or p.is_open]


def pledges(limit: int = 100) -> list[Pledge]:
    """Return pledges, the latest first."""
    return list(
        db.session.execute(select(Pledge).order_by(Pledge.id.desc()).limit(limit)).scalars()
    )


def due(limit: int = 50) -> list[tuple[Match, Gift]]:
    """Return matches whose gift went back while their fen were spent, the oldest first."""
    query = (
        select(Match, Gift)
        .join(Gift, Gift.id == Match.gift_id)
        .where(Match.due_fen > 0)
        .order_by(Match.id)
        .limit(limit)
    )
    return [(m, g) for m, g in db.session.execute(query)]


def unmatched(limit: int = 50) -> list[tuple[Unmatched, Gift]]:
    """Return gifts that an open pledge did not match, the latest first."""
    query = (
        select(Unmatched, Gift)
        .join(Gift, Gift.id == Unmatched.gift_id)
        .order_by(Unmatched.at.desc(), Unmatched.gift_id)
        .limit(limit)
    )
    return [(u, g) for u, g in db.session.execute(query)]


def waiting() -> int:
    """Return how many pledges wait for approval and how many matches wait to be voided."""
    draft = select(Pledge.id).where(Pledge.state == PledgeState.DRAFT).limit(50)
    return len(db.session.execute(draft).all()) + len(due())
