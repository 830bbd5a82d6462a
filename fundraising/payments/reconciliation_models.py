"""A day reconciled: the provider's bill, what the day came to, and each difference."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk


class Bill(Base):
    """A provider's daily file as it was taken: its hash and its sums. A day has one of each kind."""

    __tablename__ = "payment_bill"
    __table_args__ = (UniqueConstraint("provider", "account", "day", "kind"),)

    id: Mapped[UUID] = uuid_pk()
    provider: Mapped[str]
    account: Mapped[str]
    day: Mapped[date]
    kind: Mapped[str]
    sha256: Mapped[str | None]
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    fetched_at: Mapped[datetime] = mapped_column(default=clock.now)


class BillLine(Base):
    """One line of a bill. ``minor`` is never negative; its ``kind`` says which way the money went.

    A foreign line alone has a ``currency`` and a sign: it is shown, and counts nowhere.
    """

    __tablename__ = "payment_bill_line"
    __table_args__ = (
        Index("ix_payment_bill_line_refund", "ref", postgresql_where=text("kind = 'refund'")),
    )

    bill_id: Mapped[UUID] = mapped_column(ForeignKey("payment_bill.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    ref: Mapped[str]
    merchant_ref: Mapped[str]
    payment_ref: Mapped[str]
    minor: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    payer: Mapped[str]
    is_final: Mapped[bool]
    currency: Mapped[str] = mapped_column(default="", server_default="")


class Reconciliation(Base):
    """One channel on one day: what the bill, the books and the bank say. Made anew by every run."""

    __tablename__ = "payment_reconciliation"
    __table_args__ = (UniqueConstraint("provider", "account", "day"),)

    id: Mapped[UUID] = uuid_pk()
    provider: Mapped[str]
    account: Mapped[str]
    day: Mapped[date]
    state: Mapped[str]
    sums: Mapped[dict[str, Any]]
    run_at: Mapped[datetime] = mapped_column(default=clock.now)


class DifferenceKind(StrEnum):
    """How bill, books and bank may differ."""

    ORPHAN = "orphan"
    OURS_ONLY = "ours_only"
    AMOUNT = "amount"
    REFUND_ONLY_BILL = "refund_only_bill"
    REFUND_ONLY_OURS = "refund_only_ours"
    DISPUTE_ONLY_BILL = "dispute_only_bill"
    DISPUTE_ONLY_OURS = "dispute_only_ours"
    RETURN_ONLY_BILL = "return_only_bill"
    RETURN_ONLY_OURS = "return_only_ours"
    DUPLICATE_LINE = "duplicate_line"
    FEE_UNPLACED = "fee_unplaced"
    PAYOUT_NOT_AT_BANK = "payout_not_at_bank"
    BILL_CHANGED = "bill_changed"
    BILL_BROKEN = "bill_broken"
    BILL_MISSING = "bill_missing"
    UNKNOWN_MOVEMENT = "unknown_movement"
    FOREIGN_MOVEMENT = "foreign_movement"


class Difference(Base):
    """One difference of a reconciled day: owned, explained by one person, closed by another.

    A run that no longer finds it marks it as vanished; a difference is never deleted.
    """

    __tablename__ = "payment_difference"
    __table_args__ = (
        CheckConstraint("closed_by IS NULL OR closed_by <> explained_by", name="two_people"),
        CheckConstraint(
            "closed_by IS NULL OR explained_by IS NOT NULL", name="explained_before_closed"
        ),
        Index("ix_payment_difference_day", "reconciliation_id"),
        Index(
            "ix_payment_difference_open",
            "opened_at",
            postgresql_where=text("closed_at IS NULL AND vanished_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    key: Mapped[str] = mapped_column(unique=True)
    reconciliation_id: Mapped[UUID] = mapped_column(ForeignKey("payment_reconciliation.id"))
    kind: Mapped[str]
    amount_fen: Mapped[int] = fen()
    detail: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime] = mapped_column(default=clock.now)
    vanished_at: Mapped[datetime | None]
    owner_id: Mapped[UUID | None]
    explanation: Mapped[str | None]
    explained_by: Mapped[UUID | None]
    closed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]

    @property
    def is_open(self) -> bool:
        """Whether somebody must still say what it is, or close it."""
        return self.closed_at is None and self.vanished_at is None
