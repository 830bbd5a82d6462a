"""Pledges, the matches made from them, and gifts that were not matched although a pledge was open."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk
from fundraising.giving.models import OWN_CHANNELS


class PledgeState(StrEnum):
    """A pledge matches while it is open and its days run."""

    DRAFT = "draft"
    OPEN = "open"
    ENDED = "ended"


class Refusal(StrEnum):
    """Why a gift was not matched."""

    TOO_OFTEN = "too_often"
    REFUND_LOOP = "refund_loop"


class Road(StrEnum):
    """How a gift came to us; a pledge may count only some roads."""

    ONLINE = "online"
    BANK = "bank"
    CASH = "cash"
    CHEQUE = "cheque"
    PLATFORM = "platform"

    @classmethod
    def of(cls, channel: str) -> "Road":
        """Return the road of a channel: our own providers are online, whatever else collects is a platform."""
        if channel in (cls.BANK, cls.CASH, cls.CHEQUE):
            return cls(channel)
        return cls.ONLINE if channel in OWN_CHANNELS else cls.PLATFORM


ALL_ROADS = [road.value for road in Road]


class Pledge(Base):
    """``adds`` fen for every ``per`` fen given, at most ``gift_cap_fen`` a gift, out of ``pool_fen``.

    ``roads`` says which gifts count. ``committed_fen`` is what stands in matches now; the row is locked while
    it changes.
    """

    __tablename__ = "matching_pledge"
    __table_args__ = (
        CheckConstraint("adds > 0 AND per > 0", name="rule_positive"),
        CheckConstraint("pool_fen > 0", name="pool_positive"),
        CheckConstraint("gift_cap_fen > 0", name="cap_positive"),
        CheckConstraint("0 <= committed_fen AND committed_fen <= pool_fen", name="within_pool"),
        CheckConstraint("paid_fen >= 0", name="paid_not_negative"),
        CheckConstraint("starts_at < ends_at", name="days_in_order"),
        CheckConstraint("approved_by <> written_by", name="two_people"),
        CheckConstraint("state IN ('draft', 'open', 'ended')", name="state_known"),
        CheckConstraint("state <> 'open' OR approved_by IS NOT NULL", name="open_is_approved"),
        CheckConstraint("most_a_day > 0", name="most_a_day_positive"),
        CheckConstraint(
            "cardinality(roads) > 0 AND roads <@ ARRAY['online', 'bank', 'cash', 'cheque', 'platform']",
            name="roads_known",
        ),
        Index("ix_matching_pledge_campaign", "campaign_id", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    matcher: Mapped[str]
    is_named: Mapped[bool]
    adds: Mapped[int]
    per: Mapped[int]
    gift_cap_fen: Mapped[int | None] = mapped_column(BigInteger)
    pool_fen: Mapped[int] = fen()
    committed_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    paid_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    most_a_day: Mapped[int] = mapped_column(default=5)
    roads: Mapped[list[str]] = mapped_column(ARRAY(Text), default=lambda: list(ALL_ROADS))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default=PledgeState.DRAFT)
    written_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))

    @property
    def remaining_fen(self) -> int:
        """What is left in the pool."""
        return self.pool_fen - self.committed_fen

    @property
    def owed_fen(self) -> int:
        """What the matcher has promised and not paid yet; below zero when matches were voided after payment."""
        return self.committed_fen - self.paid_fen

    @property
    def is_for_all(self) -> bool:
        """Whether gifts by every road count."""
        return set(self.roads) == set(ALL_ROADS)

    def covers(self, at: datetime) -> bool:
        """Whether a gift of this moment may be matched."""
        return self.state == PledgeState.OPEN and self.starts_at <= at < self.ends_at

    def rule(self, given_fen: int) -> int:
        """Return what the rule adds to a gift, before the pool is asked."""
        wanted = given_fen * self.adds // self.per
        return wanted if self.gift_cap_fen is None else min(wanted, self.gift_cap_fen)


class Match(Base):
    """What a pledge adds to one gift; its id is the lot's source. ``due_fen`` waits to be voided."""

    __tablename__ = "matching_match"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "voided_fen >= 0 AND due_fen >= 0 AND voided_fen + due_fen <= amount_fen",
            name="voided_within",
        ),
        Index("ix_matching_match_pledge", "pledge_id", "id"),
        Index("ix_matching_match_payer", "pledge_id", "payer_key"),
    )

    id: Mapped[UUID] = uuid_pk()
    pledge_id: Mapped[UUID] = mapped_column(ForeignKey("matching_pledge.id"))
    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"), unique=True)
    amount_fen: Mapped[int] = fen()
    voided_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    due_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    payer_key: Mapped[str | None]
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entry.id"))
    matched_at: Mapped[datetime] = mapped_column(default=clock.now)
    voided_at: Mapped[datetime | None]


class Unmatched(Base):
    """A gift that an open pledge did not match, and why; staff see it."""

    __tablename__ = "matching_unmatched"
    __table_args__ = (
        CheckConstraint("reason IN ('too_often', 'refund_loop')", name="reason_known"),
    )

    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"), primary_key=True)
    pledge_id: Mapped[UUID] = mapped_column(ForeignKey("matching_pledge.id"), index=True)
    payer_key: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)
