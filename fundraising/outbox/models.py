"""The outbox: rows of work, claimed by lease, done once, or dead after too many tries."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base


class Work(Base):
    """One thing to do. ``payload`` holds ids only; ``due_at`` moves on while a worker holds the lease."""

    __tablename__ = "outbox_work"
    __table_args__ = (
        Index(
            "ix_outbox_work_due",
            "queue",
            "due_at",
            "id",
            postgresql_where=text("done_at IS NULL AND dead_at IS NULL"),
        ),
        Index("ix_outbox_work_dead", "dead_at", postgresql_where=text("dead_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    queue: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime] = mapped_column(default=clock.now)
    attempts: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
