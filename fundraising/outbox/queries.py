"""Looking at the outbox."""

from datetime import datetime

from sqlalchemy import select, text

from fundraising import clock
from fundraising.database import db
from fundraising.outbox.kinds import Queue
from fundraising.outbox.models import Work


def has_due(queue: Queue) -> bool:
    """Whether a queue has work that could be done now; one look, however much waits."""
    query = text(
        "SELECT EXISTS (SELECT FROM outbox_work WHERE queue = :queue "
        "AND done_at IS NULL AND dead_at IS NULL AND due_at <= :now)"
    )
    return bool(db.session.execute(query, {"queue": queue, "now": clock.now()}).scalar_one())


def oldest_due() -> datetime | None:
    """Return since when the longest waiting work is due, None when nothing waits."""
    query = text("SELECT min(due_at) FROM outbox_work WHERE done_at IS NULL AND dead_at IS NULL")
    oldest: datetime | None = db.session.execute(query).scalar_one()
    return oldest


def dead(limit: int = 100) -> list[Work]:
    """Return work that failed too often, the latest first."""
    query = select(Work).where(Work.dead_at.is_not(None)).order_by(Work.dead_at.desc()).limit(limit)
    return list(db.session.execute(query).scalars())
