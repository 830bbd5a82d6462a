"""Goods: kinds with their unit, donations with lines, what lies where, and every movement."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, uuid_pk

EXACT = Numeric(14, 3)


class Basis(StrEnum):
    """What a value rests on; without evidence there is none (公告2020年第27号 article 13)."""

    INVOICE = "invoice"
    MARKET_PRICE = "market_price"
    APPRAISAL = "appraisal"
    NONE = "none"


class Condition(StrEnum):
    """How the goods are."""

    NEW = "new"
    GOOD = "good"
    USED = "used"


class DonationState(StrEnum):
    """Goods count once a second person has seen them."""

    RECEIVED = "received"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class MovementKind(StrEnum):
    """What happened to goods; a write-off is asked for first."""

    RECEIVED = "received"
    MOVED = "moved"
    HANDED_OUT = "handed_out"
    WRITE_OFF_ASKED = "write_off_asked"
    WRITTEN_OFF = "written_off"


class Place(Base):
    """Where goods are stored."""

    __tablename__ = "goods_place"

    id: Mapped[UUID] = uuid_pk()
    name: Mapped[str] = mapped_column(unique=True)


class Kind(Base):
    """One kind of goods with its unit; its row is locked for every change of stock."""

    __tablename__ = "goods_kind"
    __table_args__ = (CheckConstraint("decimals BETWEEN 0 AND 3", name="decimals_known"),)

    id: Mapped[UUID] = uuid_pk()
    name: Mapped[Text2]
    unit: Mapped[Text2]
    decimals: Mapped[int] = mapped_column(default=0)


class Donation(Base):
    """Goods that somebody brought; the giver's name is sealed."""

    __tablename__ = "goods_donation"
    __table_args__ = (
        CheckConstraint("confirmed_by <> received_by", name="two_people"),
        CheckConstraint("state IN ('received', 'confirmed', 'withdrawn')", name="state_known"),
        CheckConstraint(
            "(state = 'confirmed') = (confirmed_by IS NOT NULL)", name="confirmed_by_somebody"
        ),
        CheckConstraint("(state = 'withdrawn') = (reason <> '')", name="withdrawn_has_reason"),
    )

    id: Mapped[UUID] = uuid_pk()
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaign.id"))
    place_id: Mapped[UUID] = mapped_column(ForeignKey("goods_place.id"))
    received_on: Mapped[date]
    wrapped_key: Mapped[bytes | None]
    sealed_name: Mapped[bytes | None]
    display_name: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=DonationState.RECEIVED)
    received_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    confirmed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")

    @property
    def label(self) -> str:
        """Its number as people write it."""
        return f"K{self.number:05d}"


class Item(Base):
    """A line of a donation. ``left_quantity`` and ``left_fen`` are what is still in store of it."""

    __tablename__ = "goods_item"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("0 <= left_quantity AND left_quantity <= quantity", name="left_within"),
        CheckConstraint(
            "basis IN ('invoice', 'market_price', 'appraisal', 'none')", name="basis_known"
        ),
        CheckConstraint("condition IN ('new', 'good', 'used')", name="condition_known"),
        CheckConstraint(
            "CASE WHEN basis = 'none' THEN value_fen IS NULL AND left_fen = 0 "
            "ELSE value_fen IS NOT NULL AND value_fen > 0 AND evidence_file_id IS NOT NULL END",
            name="value_has_basis",
        ),
        CheckConstraint(
            "0 <= left_fen AND left_fen <= coalesce(value_fen, 0)", name="left_fen_within"
        ),
        CheckConstraint("left_quantity > 0 OR left_fen = 0", name="nothing_left_is_worth_nothing"),
        Index("ix_goods_item_kind", "kind_id", "expires_on", "id"),
        Index("ix_goods_item_donation", "donation_id"),
    )

    id: Mapped[UUID] = uuid_pk()
    donation_id: Mapped[UUID] = mapped_column(ForeignKey("goods_donation.id"))
    kind_id: Mapped[UUID] = mapped_column(ForeignKey("goods_kind.id"))
    quantity: Mapped[Decimal] = mapped_column(EXACT)
    condition: Mapped[str] = mapped_column(default=Condition.NEW)
    expires_on: Mapped[date | None]
    basis: Mapped[str] = mapped_column(default=Basis.NONE)
    value_fen: Mapped[int | None] = mapped_column(BigInteger)
    evidence_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    left_quantity: Mapped[Decimal] = mapped_column(EXACT, default=Decimal(0))
    left_fen: Mapped[int] = mapped_column(BigInteger, default=0)


class Stock(Base):
    """How much of a line lies at a place; never less than nothing."""

    __tablename__ = "goods_stock"
    __table_args__ = (CheckConstraint("quantity >= 0", name="never_negative"),)

    item_id: Mapped[UUID] = mapped_column(ForeignKey("goods_item.id"), primary_key=True)
    place_id: Mapped[UUID] = mapped_column(ForeignKey("goods_place.id"), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(EXACT)


class Handover(Base):
    """Goods of one kind given to a programme or unit, with the note they signed."""

    __tablename__ = "goods_handover"

    id: Mapped[UUID] = uuid_pk()
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    kind_id: Mapped[UUID] = mapped_column(ForeignKey("goods_kind.id"))
    quantity: Mapped[Decimal] = mapped_column(EXACT)
    receiver: Mapped[str]
    programme: Mapped[str]
    note_file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    handed_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    handed_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def label(self) -> str:
        """Its number as people write it."""
        return f"H{self.number:05d}"


class Movement(Base):
    """One step of goods, for ever; only an asked write-off is decided later."""

    __tablename__ = "goods_movement"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("approved_by <> recorded_by", name="two_people"),
        CheckConstraint(
            "kind <> 'written_off' OR (approved_by IS NOT NULL AND reason <> '')",
            name="written_off_by_two",
        ),
        CheckConstraint(
            "(kind = 'handed_out') = (handover_id IS NOT NULL)", name="handed_out_with_note"
        ),
        CheckConstraint(
            "kind IN ('received', 'moved', 'handed_out', 'write_off_asked', 'written_off')",
            name="kind_known",
        ),
        Index("ix_goods_movement_item", "item_id", "id"),
        Index("ix_goods_movement_handover", "handover_id"),
    )

    id: Mapped[UUID] = uuid_pk()
    kind: Mapped[str]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("goods_item.id"))
    quantity: Mapped[Decimal] = mapped_column(EXACT)
    value_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    from_place_id: Mapped[UUID | None] = mapped_column(ForeignKey("goods_place.id"))
    to_place_id: Mapped[UUID | None] = mapped_column(ForeignKey("goods_place.id"))
    handover_id: Mapped[UUID | None] = mapped_column(ForeignKey("goods_handover.id"))
    reason: Mapped[str] = mapped_column(default="")
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    at: Mapped[datetime] = mapped_column(default=clock.now)
