"""Looking at the outbox."""

from datetime import datetime

from sqlalchemy import select, text

from fundraising import clock
from fundraising.database import db
from fundraising.outbox.models import Work


def due_queues() -> set[str]:
    """Return the queues with work that could be done now."""
    rows = db.session.execute(
        text(
            "SELECT DISTINCT queue FROM outbox_work "
            "WHERE done_at IS NULL AND dead_at IS NULL AND due_at <= :now"
        ),
        {"now": clock.now()},
    )
    return set(rows.scalars())


def oldest_due() -> datetime | None:
    """Return since when the longest waiting work is due, None when nothing waits."""
    query = text("SELECT min(due_at) FROM outbox_work WHERE done_at IS NULL AND dead_at IS NULL")
    oldest: datetime | None = db.session.execute(query).scalar_one()
    return oldest


def dead(limit: int = 100) -> list[Work]:
    """Return work that failed too often, the latest first."""
    query = select(Work).where(Work.dead_at.is_not(None)).order_by(Work.dead_at.desc()).limit(limit)
    return list(db.session.execute(query).scalars())
