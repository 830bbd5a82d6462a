"""Platforms whose gift files are taken over, and the saved ways of reading them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, uuid_pk


class Platform(Base):
    """One account of the charity at a platform; its code is the channel of its gifts.

    Gift numbers are unique within a platform, so a second account at the same platform is a second row.
    """

    __tablename__ = "payment_platform"
    __table_args__ = (CheckConstraint("code ~ '^[a-z][a-z0-9_]{1,30}$'", name="code_form"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[Text2]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    created_by: Mapped[UUID | None]


class SavedMapping(Base):
    """How a platform's file is read, as somebody saved it; a change is a new version, never an edit."""

    __tablename__ = "payment_platform_mapping"
    __table_args__ = (
        UniqueConstraint("platform", "name", "version"),
        CheckConstraint("version > 0", name="version_positive"),
    )

    id: Mapped[UUID] = uuid_pk()
    platform: Mapped[str] = mapped_column(ForeignKey("payment_platform.code"))
    name: Mapped[str]
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime] = mapped_column(default=clock.now)
    saved_by: Mapped[UUID | None]
