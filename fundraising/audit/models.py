"""The log of what staff did, and alarms that somebody must look at."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, uuid_pk


class AuditEvent(Base):
    """One action of one person (or of the system, without an actor); written once."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_subject", "subject", "id"),)

    id: Mapped[UUID] = uuid_pk()
    at: Mapped[datetime] = mapped_column(default=clock.now)
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]


class Alarm(Base):
    """Something that should not be: raised once per key, open until a person closes it."""

    __tablename__ = "audit_alarm"

    key: Mapped[str] = mapped_column(primary_key=True)
    raised_at: Mapped[datetime] = mapped_column(default=clock.now)
    seen_at: Mapped[datetime] = mapped_column(default=clock.now)
    times: Mapped[int] = mapped_column(default=1)
    detail: Mapped[dict[str, Any]]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]


class Heartbeat(Base):
    """When a process of the system last said that it works."""

    __tablename__ = "audit_heartbeat"

    process: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
