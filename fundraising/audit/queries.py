"""Reading the log, the alarms and the heartbeats."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from fundraising.audit.models import Alarm, AuditEvent, Heartbeat
from fundraising.database import db


def events(*, before: UUID | None = None, subject: str = "", limit: int = 100) -> list[AuditEvent]:
    """Return actions, the latest first; ``before`` is the last id seen."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(min(limit, 200))
    if before is not None:
        query = query.where(AuditEvent.id < before)
    if subject:
        query = query.where(AuditEvent.subject == subject)
    return list(db.session.execute(query).scalars())


def open_alarms(limit: int = 50) -> list[Alarm]:
    """Return alarms that nobody closed, the latest first."""
    query = (
        select(Alarm).where(Alarm.closed_at.is_(None)).order_by(Alarm.seen_at.desc()).limit(limit)
    )
    return list(db.session.execute(query).scalars())


def heartbeats() -> dict[str, datetime]:
    """Return when each process last said that it works."""
    return {beat.process: beat.at for beat in db.session.execute(select(Heartbeat)).scalars()}
