"""Mandates (what a donor promised) and their periods (one month each, at most one gift in it)."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk


class MandateState(StrEnum):
    """A mandate begins when its first gift is paid. Only the donor makes an ended one anew, as another."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Way(StrEnum):
    """How a month is charged. A reminder charges nothing: the donor pays by one tap."""

    REMINDER = "reminder"
    STRIPE = "stripe"
    WECHATPAY = "wechatpay"
    ALIPAY = "alipay"

    @property
    def is_agreed(self) -> bool:
        """Whether it needs an agreement that the donor signs at the provider."""
        return self in AGREED


AGREED = (Way.WECHATPAY, Way.ALIPAY)


class ContractState(StrEnum):
    """The life of an agreement at a provider. Refused is never signed; what ended is never charged again."""

    ASKED = "asked"
    STANDING = "standing"
    REFUSED = "refused"
    ENDED = "ended"


class Reason(StrEnum):
    """Why a mandate rests or is over."""

    DONOR = "donor"
    CAMPAIGN = "campaign"
    UNPAID = "unpaid"
    NEVER_BEGUN = "never_begun"


class PeriodState(StrEnum):
    """The life of a month. Money wins: whatever was noted before, a gift that is paid makes it paid."""

    ANNOUNCED = "announced"
    ASKED = "asked"
    PAID = "paid"
    FAILED = "failed"
    SKIPPED = "skipped"


OPEN = (PeriodState.ANNOUNCED, PeriodState.ASKED)


class Mandate(Base):
    """A promise to give ``amount_fen`` on a day of each month. ``token`` is the donor's key to it.

    ``next_on`` is the due date of the next month to be announced, ``missed`` how many were not given in a
    row, ``channel`` how the donor paid last. ``wished_way`` is how the donor wished to be charged; ``way``
    follows when the provider has told its numbers of the payer (scrambled where it is needed no more) and of the
    means. Name and address are sealed
    under a key of their own; ``email_key`` is a keyed hash by which a donor who lost the link is found.
    """

    __tablename__ = "mandate"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("day BETWEEN 1 AND 31", name="day_of_month"),
        CheckConstraint("state IN ('pending', 'active', 'paused', 'ended')", name="state_known"),
        CheckConstraint("way IN ('reminder', 'stripe', 'wechatpay', 'alipay')", name="way_known"),
        CheckConstraint("wished_way IN ('reminder', 'stripe')", name="wished_way_known"),
        CheckConstraint(
            "way = 'reminder' OR (payer_ref IS NOT NULL AND means_ref IS NOT NULL)",
            name="charged_has_contract",
        ),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_has_time"),
        CheckConstraint(
            "(state IN ('paused', 'ended')) = (reason IS NOT NULL)", name="rest_has_reason"
        ),
        CheckConstraint("display IN ('anonymous', 'masked', 'full')", name="display_known"),
        Index("ix_mandate_due", "next_on", postgresql_where=text("state = 'active'")),
        Index("ix_mandate_pending", "created_at", postgresql_where=text("state = 'pending'")),
        Index("ix_mandate_campaign", "campaign_id", "state"),
        Index("ix_mandate_state", "state", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    ref: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    amount_fen: Mapped[int] = fen()
    day: Mapped[int]
    starts_on: Mapped[date]
    next_on: Mapped[date]
    state: Mapped[str] = mapped_column(default=MandateState.PENDING)
    reason: Mapped[str | None]
    way: Mapped[str] = mapped_column(default=Way.REMINDER)
    wished_way: Mapped[str] = mapped_column(default=Way.REMINDER)
    payer_ref: Mapped[str | None]
    means_ref: Mapped[str | None]
    channel: Mapped[str]
    missed: Mapped[int] = mapped_column(default=0)
    display: Mapped[str]
    receipt_rule: Mapped[str]
    wants_fiscal_receipt: Mapped[bool]
    locale: Mapped[str] = mapped_column(String(2))
    email_key: Mapped[str | None] = mapped_column(index=True)
    wrapped_key: Mapped[bytes | None]
    sealed: Mapped[bytes]
    consent: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    ended_at: Mapped[datetime | None]

    @property
    def is_charged(self) -> bool:
        """Whether a month is charged by itself after its notice."""
        return self.way != Way.REMINDER

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.state == MandateState.ENDED


class MandatePeriod(Base):
    """One month of a mandate: its key in the database is what keeps it to one gift.

    Nothing is asked before ``not_before``, which lies the days of notice after ``announced_at``.
    ``charge_way`` is how its notice said that it is charged, empty when the donor gives it by a tap;
    ``told_at`` is when the provider was told of the charge, where that is its rule.
    """

    __tablename__ = "mandate_period"
    __table_args__ = (
        CheckConstraint("period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'", name="period_is_month"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "state IN ('announced', 'asked', 'paid', 'failed', 'skipped')", name="state_known"
        ),
        CheckConstraint("asked_at >= not_before", name="notice_before_asking"),
        CheckConstraint("charge_way IN ('stripe', 'wechatpay', 'alipay')", name="charge_way_known"),
        CheckConstraint("state <> 'paid' OR gift_id IS NOT NULL", name="paid_has_gift"),
        Index(
            "ix_mandate_period_open",
            "due_on",
            postgresql_where=text("state IN ('announced', 'asked')"),
        ),
        Index(
            "ix_mandate_period_unpaid_gift",
            "gift_id",
            postgresql_where=text("state <> 'paid' AND gift_id IS NOT NULL"),
        ),
    )

    mandate_id: Mapped[UUID] = mapped_column(ForeignKey("mandate.id"), primary_key=True)
    period: Mapped[str] = mapped_column(String(7), primary_key=True)
    amount_fen: Mapped[int] = fen()
    state: Mapped[str] = mapped_column(default=PeriodState.ANNOUNCED)
    due_on: Mapped[date]
    announced_at: Mapped[datetime]
    not_before: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    gift_id: Mapped[UUID | None] = mapped_column(ForeignKey("giving_gift.id"), unique=True)
    charge_way: Mapped[str | None]
    told_at: Mapped[datetime | None]

    @property
    def is_open(self) -> bool:
        """Whether it waits for its gift."""
        return self.state in OPEN


class MandateContract(Base):
    """An agreement that a donor was asked to sign at a provider, under our number ``code``, used once.

    ``look_at`` is when the provider is asked about it next, whatever notices come. At most one of a mandate stands.
    """

    __tablename__ = "mandate_contract"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("way IN ('wechatpay', 'alipay')", name="way_known"),
        CheckConstraint("state IN ('asked', 'standing', 'refused', 'ended')", name="state_known"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("state <> 'standing' OR number IS NOT NULL", name="standing_has_number"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_has_time"),
        Index(
            "uq_mandate_contract_standing",
            "mandate_id",
            unique=True,
            postgresql_where=text("state = 'standing'"),
        ),
        Index("ix_mandate_contract_mandate", "mandate_id"),
        Index(
            "ix_mandate_contract_look",
            "look_at",
            postgresql_where=text("look_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    mandate_id: Mapped[UUID] = mapped_column(ForeignKey("mandate.id"))
    way: Mapped[str]
    code: Mapped[str]
    state: Mapped[str] = mapped_column(default=ContractState.ASKED)
    number: Mapped[str | None]
    amount_fen: Mapped[int] = fen()
    consent: Mapped[str]
    url: Mapped[str | None]
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    signed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(default=0)
