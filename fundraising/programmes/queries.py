"""Reading training sessions; only confirmed ones are public."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from fundraising.database import Text2, db
from fundraising.programmes.errors import SessionNotFound
from fundraising.programmes.models import TrainingSession


@dataclass(frozen=True)
class PublicSession:
    """A confirmed session as everybody sees it."""

    title: Text2
    place: Text2
    held_on: date
    people_trained: int
    cost_fen: int | None


def people_trained(campaign_id: UUID | None = None) -> int:
    """Return how many people the confirmed sessions of a campaign, or of all, trained."""
    query = select(func.coalesce(func.sum(TrainingSession.people_trained), 0)).where(
        TrainingSession.confirmed_at.is_not(None)
    )
    if campaign_id is not None:
        query = query.where(TrainingSession.campaign_id == campaign_id)
    return int(db.session.execute(query).scalar_one())


def sessions(campaign_id: UUID, limit: int = 20) -> list[PublicSession]:
    """Return confirmed sessions of a campaign, the latest first."""
    query = (
        select(TrainingSession)
        .where(
            TrainingSession.campaign_id == campaign_id, TrainingSession.confirmed_at.is_not(None)
        )
        .order_by(TrainingSession.held_on.desc(), TrainingSession.id.desc())
        .limit(limit)
    )
    return [
        PublicSession(s.title, s.place, s.held_on, s.people_trained, s.cost_fen)
        for s in db.session.execute(query).scalars()
    ]


def staff_sessions(
    *, campaign_id: UUID | None = None, before: UUID | None = None, limit: int = 50
) -> list[TrainingSession]:
    """Return all sessions, the latest recorded first; ``before`` is the last id seen."""
    query = select(TrainingSession).order_by(TrainingSession.id.desc()).limit(min(limit, 200))
    if campaign_id is not None:
        query = query.where(TrainingSession.campaign_id == campaign_id)
    if before is not None:
        query = query.where(TrainingSession.id < before)
    return list(db.session.execute(query).scalars())


def waiting(limit: int = 50) -> int:
    """Return how many sessions wait for a second person, counting no further than ``limit``."""
    query = (
        select(TrainingSession.id)
        .where(TrainingSession.confirmed_at.is_(None), TrainingSession.withdrawn_at.is_(None))
        .limit(limit)
    )
    return len(db.session.execute(query).all())


def get(session_id: UUID) -> TrainingSession:
    """Return a session. Raises SessionNotFound."""
    found = db.session.get(TrainingSession, session_id)
    if found is None:
        raise SessionNotFound
    return found
