"""Statement files of a bank that were brought, and what their columns mean."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, uuid_pk


class BankMapping(Base):
    """What the columns of a bank's files mean, as somebody explained them; found again by the headings."""

    __tablename__ = "payment_bank_mapping"

    id: Mapped[UUID] = uuid_pk()
    name: Mapped[str] = mapped_column(unique=True)
    signature: Mapped[str] = mapped_column(unique=True)
    headings: Mapped[list[str]] = mapped_column(JSONB)
    columns: Mapped[dict[str, Any]]
    saved_by: Mapped[UUID | None]
    saved_at: Mapped[datetime] = mapped_column(default=clock.now)


class BankFile(Base):
    """A statement file that was brought: looked at first, then taken over. Its bytes go, its hash stays."""

    __tablename__ = "payment_bank_file"
    __table_args__ = (
        Index(
            "ix_payment_bank_file_waiting",
            "uploaded_at",
            postgresql_where=text("data IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    bank_account: Mapped[str]
    filename: Mapped[str]
    sha256: Mapped[str]
    data: Mapped[bytes | None]
    uploaded_by: Mapped[UUID | None]
    uploaded_at: Mapped[datetime] = mapped_column(default=clock.now)
    taken_at: Mapped[datetime | None]
    new_count: Mapped[int | None]
    known_count: Mapped[int | None]
