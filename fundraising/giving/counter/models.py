"""Receipt books with numbered papers, and counts of cash and cheques by two people."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk
from fundraising.giving.models import Display


class SlipState(StrEnum):
    """A paper is open (its count was withdrawn), held by a waiting count, used by a gift, or void."""

    OPEN = "open"
    HELD = "held"
    USED = "used"
    VOID = "void"


class CountState(StrEnum):
    """Money is booked only when two counts agree."""

    COUNTED = "counted"
    DIFFERS = "differs"
    BOOKED = "booked"
    WITHDRAWN = "withdrawn"


class Method(StrEnum):
    """What was put on the table."""

    CASH = "cash"
    CHEQUE = "cheque"


class ReceiptBook(Base):
    """A book of paper receipts. Numbers below ``next_number`` are held, used, open or void."""

    __tablename__ = "counter_book"
    __table_args__ = (
        CheckConstraint(
            "0 < first_number AND first_number <= last_number", name="numbers_in_order"
        ),
        CheckConstraint(
            "first_number <= next_number AND next_number <= last_number + 1", name="next_within"
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    code: Mapped[str] = mapped_column(unique=True)
    first_number: Mapped[int]
    last_number: Mapped[int]
    next_number: Mapped[int]
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    opened_at: Mapped[datetime] = mapped_column(default=clock.now)


class Slip(Base):
    """One paper of a book; it never goes away."""

    __tablename__ = "counter_slip"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'held', 'used', 'void')", name="state_known"),
        CheckConstraint("(state = 'void') = (void_reason <> '')", name="void_has_reason"),
    )

    book_id: Mapped[UUID] = mapped_column(ForeignKey("counter_book.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    void_reason: Mapped[str] = mapped_column(default="")
    changed_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)


class Count(Base):
    """What one person counted, and what another counted again. ``pieces``: how many of each value in fen."""

    __tablename__ = "counter_count"
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("recounted_by <> counted_by", name="two_people"),
        CheckConstraint("cash_fen >= 0 AND cheque_fen >= 0", name="not_negative"),
        CheckConstraint("cash_fen + cheque_fen > 0", name="not_empty"),
        CheckConstraint(
            "state IN ('counted', 'differs', 'booked', 'withdrawn')", name="state_known"
        ),
        CheckConstraint(
            "state <> 'booked' OR (recounted_by IS NOT NULL AND booked_at IS NOT NULL "
            "AND again_cash_fen IS NOT NULL AND again_cash_fen = cash_fen "
            "AND again_cheque_fen IS NOT NULL AND again_cheque_fen = cheque_fen "
            "AND again_pieces IS NOT NULL AND again_pieces = pieces)",
            name="two_counts_agree",
        ),
        CheckConstraint("(state = 'withdrawn') = (reason <> '')", name="withdrawn_has_reason"),
        Index("ix_counter_count_state", "state", "number"),
    )

    id: Mapped[UUID] = uuid_pk()
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    place: Mapped[str]
    pieces: Mapped[dict[str, Any]]
    cash_fen: Mapped[int] = fen()
    cheque_fen: Mapped[int] = fen()
    state: Mapped[str] = mapped_column(default=CountState.COUNTED)
    counted_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    counted_at: Mapped[datetime] = mapped_column(default=clock.now)
    again_pieces: Mapped[dict[str, Any] | None]
    again_cash_fen: Mapped[int | None] = mapped_column(BigInteger)
    again_cheque_fen: Mapped[int | None] = mapped_column(BigInteger)
    recounted_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    recounted_at: Mapped[datetime | None]
    booked_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")

    @property
    def label(self) -> str:
        """Its number as people write it."""
        return f"C{self.number:05d}"

    @property
    def is_waiting(self) -> bool:
        """Whether a second person may still count."""
        return self.state in (CountState.COUNTED, CountState.DIFFERS)


class CountLine(Base):
    """One gift of a count, and later the gift's own number. Its donor's name is sealed until it is booked."""

    __tablename__ = "counter_line"
    __table_args__ = (
        UniqueConstraint("count_id", "position"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("method IN ('cash', 'cheque')", name="method_known"),
        CheckConstraint("(method = 'cheque') = (cheque_no <> '')", name="cheque_has_number"),
        CheckConstraint("bounced_by <> bounce_asked_by", name="bounce_two_people"),
        CheckConstraint(
            "bounced_by IS NULL OR (bounce_asked_by IS NOT NULL AND bounce_reason <> '' "
            "AND bounced_at IS NOT NULL AND method = 'cheque')",
            name="bounce_was_asked",
        ),
        Index("ix_counter_line_paper", "book_id", "paper"),
    )

    id: Mapped[UUID] = uuid_pk()
    count_id: Mapped[UUID] = mapped_column(ForeignKey("counter_count.id"))
    position: Mapped[int]
    method: Mapped[str]
    amount_fen: Mapped[int] = fen()
    book_id: Mapped[UUID] = mapped_column(ForeignKey("counter_book.id"))
    paper: Mapped[int]
    cheque_no: Mapped[str] = mapped_column(default="")
    display: Mapped[str] = mapped_column(default=Display.ANONYMOUS)
    wrapped_key: Mapped[bytes | None]
    sealed_name: Mapped[bytes | None]
    bounce_reason: Mapped[str] = mapped_column(default="")
    bounce_asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    bounced_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    bounced_at: Mapped[datetime | None]
