"""Gift files of other platforms: what was taken over, from which line, and which bank line closed it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk


class ImportState(StrEnum):
    """The life of a file: looked at, confirmed by a person, booked."""

    LOOKING = "looking"
    UNREADABLE = "unreadable"
    UNMAPPED = "unmapped"
    REFUSED = "refused"
    READY = "ready"
    BOOKING = "booking"
    DONE = "done"


class GiftImport(Base):
    """A gift file of another platform.

    ``amount_fen`` is what has been booked of it, ``returned_fen`` what the platform gave back of its gifts,
    ``settled_fen`` what bank lines have closed, ``detail`` what people look at: days, refused lines, refunds.
    """

    __tablename__ = "giving_import"
    __table_args__ = (
        CheckConstraint(
            "state IN ('looking', 'unreadable', 'unmapped', 'refused', 'ready', 'booking', 'done')",
            name="state_known",
        ),
        CheckConstraint("settled_fen <= amount_fen", name="settled_within"),
        CheckConstraint("returned_fen >= 0", name="returned_not_negative"),
        Index(
            "uq_giving_import_file",
            "campaign_id",
            "platform",
            "sha256",
            "mapping",
            unique=True,
            postgresql_where=text("file_id IS NOT NULL"),
        ),
        Index(
            "ix_giving_import_waiting",
            "platform",
            "id",
            postgresql_where=text("amount_fen - returned_fen <> settled_fen"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    platform: Mapped[str]
    filename: Mapped[str]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    sha256: Mapped[str]
    mapping: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default=ImportState.LOOKING)
    planned_count: Mapped[int] = mapped_column(default=0)
    planned_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    new_count: Mapped[int] = mapped_column(default=0)
    known_count: Mapped[int] = mapped_column(default=0)
    unpaid_count: Mapped[int] = mapped_column(default=0)
    refund_count: Mapped[int] = mapped_column(default=0)
    error_count: Mapped[int] = mapped_column(default=0)
    amount_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    fee_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    refund_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    settled_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    returned_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    imported_by: Mapped[UUID | None]
    imported_at: Mapped[datetime] = mapped_column(default=clock.now)
    progressed_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]

    @property
    def waiting_fen(self) -> int:
        """What the platform still owes of what was booked; below zero when it gave back what it had paid out."""
        return self.amount_fen - self.returned_fen - self.settled_fen


class ImportLine(Base):
    """Which gift came from which line of which file, and what the platform kept of it."""

    __tablename__ = "giving_import_line"
    __table_args__ = (CheckConstraint("fee_fen >= 0", name="fee_not_negative"),)

    import_id: Mapped[UUID] = mapped_column(ForeignKey("giving_import.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"), unique=True)
    fee_fen: Mapped[int] = mapped_column(BigInteger, default=0)


class PlatformPayout(Base):
    """A lump sum of a platform on the bank statement, closed against the gifts it pays out."""

    __tablename__ = "giving_payout"
    __table_args__ = (
        CheckConstraint("net_fen > 0 AND fee_fen >= 0", name="amounts"),
        Index("ix_giving_payout_platform", "platform", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    platform: Mapped[str]
    bank_line_id: Mapped[UUID] = mapped_column(ForeignKey("payment_bank_line.id"), unique=True)
    net_fen: Mapped[int] = fen()
    fee_fen: Mapped[int] = fen()
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entry.id"))
    closed_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_by: Mapped[UUID | None]


class PayoutPart(Base):
    """How much of one import a payout closed, gross, and the fee kept of it; below zero: refunds set off."""

    __tablename__ = "giving_payout_part"
    __table_args__ = (
        CheckConstraint("amount_fen <> 0 AND fee_fen >= 0", name="amounts"),
        Index("ix_giving_payout_part_import", "import_id"),
    )

    payout_id: Mapped[UUID] = mapped_column(ForeignKey("giving_payout.id"), primary_key=True)
    import_id: Mapped[UUID] = mapped_column(ForeignKey("giving_import.id"), primary_key=True)
    amount_fen: Mapped[int] = fen()
    fee_fen: Mapped[int] = fen()
    fee_entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entry.id"))
