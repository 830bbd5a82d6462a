"""Stored documents and pictures."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, uuid_pk


class StoredFile(Base):
    """A file by its content: the same bytes are stored once."""

    __tablename__ = "file"
    __table_args__ = (
        UniqueConstraint("sha256", "is_public"),
        CheckConstraint("size > 0", name="not_empty"),
    )

    id: Mapped[UUID] = uuid_pk()
    sha256: Mapped[str]
    name: Mapped[str]
    mime: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    is_public: Mapped[bool]
    thumbnail_id: Mapped[UUID | None]
    stored_at: Mapped[datetime] = mapped_column(default=clock.now)
