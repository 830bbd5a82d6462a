"""Receipt confirmations: one document, one number, its gifts, frozen at issue."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk
from fundraising.references import secret_token


class ReceiptYear(Base):
    """The last number of a year; numbers have no gaps."""

    __tablename__ = "receipt_year"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int]


class ReceiptState(StrEnum):
    """A receipt is valid until it is voided openly; it never disappears."""

    VALID = "valid"
    VOID = "void"


class Receipt(Base):
    """A confirmation that money was received; never a fiscal receipt (公益事业捐赠统一票据).

    ``period`` is empty for a single gift, a month (2026-05) or a year (2026) for a list of gifts.
    ``layout`` names the page it was set with; ``file_id`` holds the bytes as they were issued.
    """

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("year", "number"),
        CheckConstraint("state IN ('valid', 'void')", name="state_known"),
        CheckConstraint("(state = 'void') = (voided_at IS NOT NULL)", name="void_is_dated"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
    )

    id: Mapped[UUID] = uuid_pk()
    year: Mapped[int] = mapped_column(ForeignKey("receipt_year.year"))
    number: Mapped[int]
    code: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True, default=secret_token)
    period: Mapped[str] = mapped_column(default="")
    amount_fen: Mapped[int] = fen()
    state: Mapped[str] = mapped_column(default=ReceiptState.VALID)
    issued_at: Mapped[datetime] = mapped_column(default=clock.now)
    snapshot: Mapped[dict[str, Any]]
    layout: Mapped[str]
    pdf_sha256: Mapped[str]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("receipt.id"), unique=True)
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]

    @property
    def label(self) -> str:
        """The number as printed: ``R2026-000001``."""
        return f"R{self.year}-{self.number:06d}"

    @property
    def is_valid(self) -> bool:
        """Whether it stands."""
        return self.state == ReceiptState.VALID


class ReceiptLine(Base):
    """A gift on a receipt with what it stood for then; a gift is on one valid receipt at most."""

    __tablename__ = "receipt_line"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        Index("ix_receipt_line_gift", "gift_id"),
        Index(
            "uq_receipt_line_valid_gift",
            "gift_id",
            unique=True,
            postgresql_where=text("is_valid"),
        ),
    )

    receipt_id: Mapped[UUID] = mapped_column(ForeignKey("receipt.id"), primary_key=True)
    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"), primary_key=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    is_valid: Mapped[bool] = mapped_column(default=True)
