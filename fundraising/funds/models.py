"""Funds and their lanes: lots of money in booking order, and the spendings that draw from them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, fen, uuid_pk


class FundKind(StrEnum):
    """How firmly the money is bound; restricted money follows the donors' purpose (慈善法 article 57)."""

    RESTRICTED = "restricted"
    DESIGNATED = "designated"
    RESERVE = "reserve"
    GENERAL = "general"


class LotSource(StrEnum):
    """Where a lot came from; every source is named."""

    GIFT = "gift"
    MATCH = "match"
    GRANT = "grant"
    IN_KIND = "in_kind"
    SUBSIDY = "subsidy"
    INTEREST = "interest"
    CHAPTER = "chapter"
    RETURNED = "returned"


class SpendingKind(StrEnum):
    """What a spending line is for."""

    PURCHASE = "purchase"
    FEE = "fee"
    TRAINING = "training"
    AID = "aid"


class Fund(Base):
    """A pot of money with one purpose."""

    __tablename__ = "fund"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('restricted', 'designated', 'reserve', 'general')", name="kind_known"
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[Text2]
    purpose: Mapped[Text2]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Lane(Base):
    """The head of a fund's lane; locked once for each set of lots or draws. All in fen.

    Fen ``[0, end)`` have come in; those below ``cursor`` are drawn or were refunded. ``gifts_count``
    numbers the gifts that ever came in, ``gifts_gone`` are those of them that went back whole.
    """

    __tablename__ = "fund_lane"
    __table_args__ = (
        CheckConstraint("0 <= cursor_fen AND cursor_fen <= end_fen", name="cursor_within"),
        CheckConstraint(
            "reserved_fen >= 0 AND drawn_fen >= 0 AND refunded_fen >= 0", name="not_negative"
        ),
        CheckConstraint("0 <= gifts_gone AND gifts_gone <= gifts_count", name="gone_within"),
        CheckConstraint(
            "drawn_fen + refunded_fen + reserved_fen <= end_fen", name="never_overspent"
        ),
    )

    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    end_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    cursor_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    drawn_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    reserved_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    lots_count: Mapped[int] = mapped_column(BigInteger, default=0)
    gifts_count: Mapped[int] = mapped_column(BigInteger, default=0)
    gifts_gone: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    @property
    def unspent_fen(self) -> int:
        """What is neither drawn nor refunded."""
        return self.end_fen - self.drawn_fen - self.refunded_fen


class Lot(Base):
    """Booked money: the interval ``[start, end)`` of its fund's lane.

    ``ordinal`` numbers lots from 1; ``gift_ordinal`` counts the gifts up to and with this lot.
    """

    __tablename__ = "fund_lot"
    __table_args__ = (
        UniqueConstraint("fund_id", "ordinal"),
        UniqueConstraint("fund_id", "start_fen"),
        CheckConstraint("end_fen > start_fen", name="not_empty"),
        Index(
            "ix_fund_lot_other_sources",
            "fund_id",
            "start_fen",
            postgresql_where=text("source <> 'gift'"),
        ),
    )

    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    ordinal: Mapped[int] = mapped_column(BigInteger)
    gift_ordinal: Mapped[int] = mapped_column(BigInteger)
    start_fen: Mapped[int] = fen()
    end_fen: Mapped[int] = fen()
    source: Mapped[str]
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entry.id"))


class LotRefund(Base):
    """A part of a lot that went back to its donor; always its tail."""

    __tablename__ = "fund_lot_refund"
    __table_args__ = (
        UniqueConstraint("fund_id", "start_fen"),
        CheckConstraint("end_fen > start_fen", name="not_empty"),
        Index("ix_fund_lot_refund_source", "source_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("fund_lot.source_id"))
    start_fen: Mapped[int] = fen()
    end_fen: Mapped[int] = fen()
    refunded_at: Mapped[datetime] = mapped_column(default=clock.now)


class SpendingLine(Base):
    """Anything that draws from a fund: a purchase line, a fee, a training, aid."""

    __tablename__ = "fund_spending_line"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("reserved_fen >= 0", name="reserved_not_negative"),
        Index("ix_fund_spending_line_fund", "fund_id", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    kind: Mapped[str]
    title: Mapped[Text2]
    amount_fen: Mapped[int] = fen()
    reserved_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    source_id: Mapped[UUID] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Draw(Base):
    """Fen ``[start, end)`` of a lane spent on a line, and on one unit (a device) of it.

    A draw that a refund overtakes is superseded, never deleted; its place is taken by new rows.
    """

    __tablename__ = "fund_draw"
    __table_args__ = (
        CheckConstraint("end_fen > start_fen", name="not_empty"),
        Index(
            "uq_fund_draw_active_start",
            "fund_id",
            "start_fen",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index("ix_fund_draw_unit", "unit_id", postgresql_where=text("unit_id IS NOT NULL")),
        Index("ix_fund_draw_line", "spending_line_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    spending_line_id: Mapped[UUID] = mapped_column(ForeignKey("fund_spending_line.id"))
    unit_id: Mapped[UUID | None]
    start_fen: Mapped[int] = fen()
    end_fen: Mapped[int] = fen()
    drawn_at: Mapped[datetime] = mapped_column(default=clock.now)
    superseded_at: Mapped[datetime | None]
