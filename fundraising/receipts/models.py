"""Receipt confirmations, frozen at issue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, uuid_pk


class ReceiptYear(Base):
    """The last number of a year; numbers have no gaps."""

    __tablename__ = "receipt_year"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int]


class Receipt(Base):
    """A confirmation that money was received; never a fiscal receipt (公益事业捐赠统一票据)."""

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("year", "number"),
        CheckConstraint("state IN ('valid', 'void')", name="state_known"),
        Index(
            "uq_receipt_valid_gift",
            "gift_id",
            unique=True,
            postgresql_where=text("state = 'valid'"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    year: Mapped[int] = mapped_column(ForeignKey("receipt_year.year"))
    number: Mapped[int]
    code: Mapped[str] = mapped_column(unique=True)
    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"))
    state: Mapped[str] = mapped_column(default="valid")
    issued_at: Mapped[datetime] = mapped_column(default=clock.now)
    snapshot: Mapped[dict[str, Any]]
    pdf_sha256: Mapped[str | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]

    @property
    def label(self) -> str:
        """The number as printed: ``R2026-000001``."""
        return f"R{self.year}-{self.number:06d}"
