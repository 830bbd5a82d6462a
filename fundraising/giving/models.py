"""Gifts, and the people behind them (sealed, erasable)."""

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
from fundraising.database import Base, fen, uuid_pk

OWN_CHANNELS = frozenset({"wechatpay", "alipay", "stripe", "bank", "cash", "cheque"})
"""Roads by which money comes to us without another platform between."""


class GiftState(StrEnum):
    """What the donor sees; ``paid`` is set by settlement only."""

    CREATED = "created"
    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    REVIEW = "review"


class Display(StrEnum):
    """How the donor wants to be named in public; anonymous unless asked otherwise."""

    ANONYMOUS = "anonymous"
    MASKED = "masked"
    FULL = "full"


class ReceiptRule(StrEnum):
    """When a donor wants a receipt confirmation; a month's or a year's goes to the donor's address."""

    AT_ONCE = "at_once"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ON_REQUEST = "on_request"


PERIOD_RULES = (ReceiptRule.MONTHLY, ReceiptRule.YEARLY)


class MessageState(StrEnum):
    """A message is public only after payment and a person's look."""

    NONE = "none"
    PENDING = "pending"
    APPROVED = "approved"
    HIDDEN = "hidden"


class Gift(Base):
    """What a donor gives. ``ref`` is public, ``order_no`` is on the payment page, ``token`` is secret."""

    __tablename__ = "giving_gift"
    __table_args__ = (
        UniqueConstraint("channel", "external_ref"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("0 <= refunded_fen AND refunded_fen <= amount_fen", name="refund_within"),
        CheckConstraint("display IN ('anonymous', 'masked', 'full')", name="display_known"),
        CheckConstraint(
            "receipt_rule IN ('at_once', 'monthly', 'yearly', 'on_request')",
            name="receipt_rule_known",
        ),
        CheckConstraint(
            "receipt_group IS NOT NULL OR receipt_rule IN ('at_once', 'on_request')",
            name="receipt_period_has_group",
        ),
        Index(
            "ix_giving_gift_fiscal_wished",
            "paid_at",
            postgresql_where=text("wants_fiscal_receipt AND paid_at IS NOT NULL"),
        ),
        Index(
            "ix_giving_gift_receipt_period",
            "receipt_rule",
            "paid_at",
            postgresql_where=text("receipt_rule IN ('monthly', 'yearly') AND paid_at IS NOT NULL"),
        ),
        Index(
            "ix_giving_gift_public",
            "campaign_id",
            text("paid_at DESC"),
            text("id DESC"),
            postgresql_where=text("paid_at IS NOT NULL"),
        ),
        Index(
            "ix_giving_gift_messages",
            "id",
            postgresql_where=text("message_state = 'pending' AND paid_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    ref: Mapped[str] = mapped_column(unique=True)
    order_no: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True)
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    body_hash: Mapped[str]
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    amount_fen: Mapped[int] = fen()
    refunded_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    channel: Mapped[str]
    external_ref: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=GiftState.CREATED)
    display: Mapped[str] = mapped_column(default=Display.ANONYMOUS)
    display_name: Mapped[str | None]
    message: Mapped[str | None]
    message_state: Mapped[str] = mapped_column(default=MessageState.NONE)
    wants_fiscal_receipt: Mapped[bool] = mapped_column(default=False)
    receipt_rule: Mapped[str] = mapped_column(default=ReceiptRule.AT_ONCE)
    receipt_group: Mapped[str | None]
    locale: Mapped[str] = mapped_column(String(2), default="zh")
    consent_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]

    @property
    def is_paid(self) -> bool:
        """Whether the money has come in."""
        return self.paid_at is not None

    @property
    def is_of_platform(self) -> bool:
        """Whether it was given on another platform, which thanks its donors itself."""
        return self.external_ref is not None and self.channel not in OWN_CHANNELS

    @property
    def kept_fen(self) -> int:
        """What is left after refunds."""
        return self.amount_fen - self.refunded_fen


class Person(Base):
    """Who gave, sealed under a key of their own: destroying the key erases the person, not the gift."""

    __tablename__ = "giving_person"

    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"), primary_key=True)
    wrapped_key: Mapped[bytes | None]
    sealed: Mapped[bytes]
    has_email: Mapped[bool]
    erased_at: Mapped[datetime | None]


class CampaignPayer(Base):
    """That somebody (a keyed hash of the provider's payer) gave to a campaign; for counting people."""

    __tablename__ = "giving_campaign_payer"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    payer_key: Mapped[str] = mapped_column(primary_key=True)


class DayTotal(Base):
    """What came in on a Shanghai day, as rows to be summed: one per settled set, folded by a task."""

    __tablename__ = "giving_day_total"
    __table_args__ = (Index("ix_giving_day_total_day", "campaign_id", "day"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    day: Mapped[str] = mapped_column(String(10))
    amount_fen: Mapped[int] = fen()
    gifts: Mapped[int] = mapped_column(BigInteger)
    people: Mapped[int] = mapped_column(BigInteger)
    anonymous_payers: Mapped[int] = mapped_column(BigInteger)


class FindCode(Base):
    """A one-time code sent to somebody who looks for a gift."""

    __tablename__ = "giving_find_code"

    id: Mapped[UUID] = uuid_pk()
    gift_id: Mapped[UUID | None] = mapped_column(ForeignKey("giving_gift.id"))
    code_hash: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PlacingState(StrEnum):
    """The life of a proposal."""

    PROPOSED = "proposed"
    BOOKED = "booked"
    WITHDRAWN = "withdrawn"


class Placing(Base):
    """What somebody says a line in suspense is. The donor's name and address are sealed, and gone once decided."""

    __tablename__ = "giving_placing"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'booked', 'withdrawn')", name="state_known"),
        CheckConstraint(
            "state <> 'booked' OR (decided_by <> proposed_by AND gift_id IS NOT NULL)",
            name="two_people",
        ),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        Index(
            "uq_giving_placing_line",
            "bank_line_id",
            unique=True,
            postgresql_where=text("state <> 'withdrawn'"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    bank_line_id: Mapped[UUID] = mapped_column(ForeignKey("payment_bank_line.id"))
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    state: Mapped[str] = mapped_column(default=PlacingState.PROPOSED)
    reason: Mapped[str]
    is_named: Mapped[bool]
    wrapped_key: Mapped[bytes | None]
    sealed: Mapped[bytes | None]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    proposed_at: Mapped[datetime] = mapped_column(default=clock.now)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    decided_at: Mapped[datetime | None]
    gift_id: Mapped[UUID | None] = mapped_column(ForeignKey("giving_gift.id"))
