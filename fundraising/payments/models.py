"""Attempts to collect money, what providers said, and what did not fit."""

from datetime import datetime
from enum import StrEnum
from typing import Any
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
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk


class AttemptState(StrEnum):
    """The life of an attempt. Money wins: closed and failed may still become paid, paid never goes back."""

    CREATED = "created"
    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"
    REVIEW = "review"


class ReviewKind(StrEnum):
    """Why a person must look at something a provider said."""

    MISMATCH = "mismatch"
    ORPHAN = "orphan"
    DUPLICATE = "duplicate_payment"
    PAID_AFTER_CLOSE = "paid_after_close"
    EXTERNAL_REFUND = "external_refund"
    DISPUTE = "dispute"
    REFUND_EXCESS = "refund_excess"
    REFUND_UNCOVERED = "refund_uncovered"
    REFUND_STUCK = "refund_stuck"
    REFUND_FAILED = "refund_failed"
    MONEY_RETURNED = "money_returned"
    UNPARSABLE = "unparsable"
    UNKNOWN_EVENT = "unknown_event"
    PLATFORM_REFUND = "platform_refund"


class Attempt(Base):
    """One ``out_trade_no`` at one provider for one order (an opaque id of whoever asked)."""

    __tablename__ = "payment_attempt"
    __table_args__ = (
        UniqueConstraint("provider", "account", "merchant_ref"),
        UniqueConstraint("provider", "account", "provider_ref"),
        CheckConstraint(
            "state IN ('created', 'pending', 'paid', 'closed', 'failed', 'review')",
            name="state_known",
        ),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "refund_reserved_fen >= 0 AND refunded_fen >= 0 AND "
            "refunded_fen + refund_reserved_fen <= paid_fen",
            name="refund_within",
        ),
        Index("ix_payment_attempt_order", "order_id"),
        Index(
            "ix_payment_attempt_transfers",
            "created_at",
            postgresql_where=text("provider = 'bank' AND state <> 'paid'"),
        ),
        Index(
            "ix_payment_attempt_query_due",
            "query_due_at",
            postgresql_where=text("query_due_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    order_id: Mapped[UUID]
    provider: Mapped[str]
    account: Mapped[str]
    product: Mapped[str]
    merchant_ref: Mapped[str]
    provider_ref: Mapped[str | None]
    amount_fen: Mapped[int] = fen()
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    state: Mapped[str] = mapped_column(default=AttemptState.CREATED)
    instruction: Mapped[dict[str, Any] | None]
    opened_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    query_due_at: Mapped[datetime | None]
    query_count: Mapped[int] = mapped_column(default=0)
    paid_at: Mapped[datetime | None]
    paid_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    refund_reserved_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def refundable_fen(self) -> int:
        """What is left to send back: paid, less what went back or is on its way."""
        return self.paid_fen - self.refunded_fen - self.refund_reserved_fen

    @property
    def is_live(self) -> bool:
        """Whether the payer could still pay it, as far as we know."""
        return self.state in (AttemptState.CREATED, AttemptState.PENDING)


class InboxNotice(Base):
    """A provider's notice as it came, under the provider's own event number."""

    __tablename__ = "payment_inbox"
    __table_args__ = (
        UniqueConstraint("provider", "account", "dedup_key"),
        Index(
            "ix_payment_inbox_due",
            "due_at",
            "id",
            postgresql_where=text("state = 'new'"),
        ),
        Index(
            "ix_payment_inbox_waits_for",
            "waits_for",
            postgresql_where=text("waits_for IS NOT NULL"),
        ),
        CheckConstraint("state IN ('new', 'done', 'dead')", name="state_known"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    provider: Mapped[str]
    account: Mapped[str]
    dedup_key: Mapped[str]
    event_type: Mapped[str]
    raw: Mapped[bytes | None]
    sha256: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(default=clock.now)
    deliveries: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="new")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_error: Mapped[str | None]
    waits_for: Mapped[str | None]
    """The number of a payment, ours or the provider's, before which the notice came."""


class ProviderFact(Base):
    """One thing a provider said, however often and by whichever road; money facts are booked once."""

    __tablename__ = "payment_fact"
    __table_args__ = (
        UniqueConstraint("provider", "account", "kind", "fact_ref"),
        Index("ix_payment_fact_merchant_ref", "merchant_ref"),
        Index("ix_payment_fact_attempt", "attempt_id"),
        Index("ix_payment_fact_occurred", "occurred_at", postgresql_using="brin"),
    )

    id: Mapped[UUID] = uuid_pk()
    provider: Mapped[str]
    account: Mapped[str]
    kind: Mapped[str]
    fact_ref: Mapped[str]
    merchant_ref: Mapped[str | None]
    attempt_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_attempt.id"))
    amount_fen: Mapped[int] = fen()
    currency: Mapped[str] = mapped_column(String(3))
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)
    seen_sources: Mapped[list[str]] = mapped_column(ARRAY(Text))
    outcome: Mapped[str]


class Review(Base):
    """Something that does not fit, waiting for a person; closed only with a note."""

    __tablename__ = "payment_review"
    __table_args__ = (
        Index("ix_payment_review_open", "opened_at", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    fact_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_fact.id"))
    attempt_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_attempt.id"))
    detail: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime] = mapped_column(default=clock.now)
    owner_id: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    note: Mapped[str | None]


class BankLine(Base):
    """One line of a bank statement; importing it again changes nothing. A line has one entry, and an entry one line."""

    __tablename__ = "payment_bank_line"
    __table_args__ = (
        UniqueConstraint("bank_account", "serial"),
        UniqueConstraint("entry_id"),
        Index(
            "ix_payment_bank_line_open",
            "booked_at",
            "serial",
            postgresql_where=text("entry_id IS NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    bank_account: Mapped[str]
    serial: Mapped[str]
    booked_at: Mapped[datetime]
    amount_fen: Mapped[int] = fen()
    counterparty: Mapped[str]
    memo: Mapped[str]
    counterparty_account: Mapped[str] = mapped_column(default="", server_default="")
    balance_fen: Mapped[int | None] = mapped_column(BigInteger)
    is_reversal: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entry.id"))
    imported_at: Mapped[datetime] = mapped_column(default=clock.now)


class RefundOrigin(StrEnum):
    """Which money goes back: a booked gift's, a second payment's, or money in suspense."""

    GIFT = "gift"
    UNAPPLIED = "unapplied"
    SUSPENSE = "suspense"


class RefundStage(StrEnum):
    """The life of a refund. An unknown outcome stays ``submitted`` and is asked about."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    STUCK = "stuck"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Refund(Base):
    """Money going back to the original payment, under a number that never changes.

    ``is_external`` marks what the provider did without being asked by us (its console, a dispute); its
    amount may be 0 until the provider has told it.
    """

    __tablename__ = "payment_refund"
    __table_args__ = (
        CheckConstraint("amount_fen > 0 OR is_external", name="amount_positive"),
        CheckConstraint(
            "approved_by IS DISTINCT FROM requested_by OR approved_by IS NULL OR is_small",
            name="two_people",
        ),
        CheckConstraint(
            "state IN ('proposed', 'approved', 'submitted', 'stuck', 'succeeded', 'failed', 'cancelled')",
            name="state_known",
        ),
        Index("ix_payment_refund_attempt", "attempt_id"),
        Index(
            "ix_payment_refund_query_due",
            "query_due_at",
            postgresql_where=text("query_due_at IS NOT NULL"),
        ),
        Index(
            "ix_payment_refund_open",
            "created_at",
            postgresql_where=text("state NOT IN ('succeeded', 'failed', 'cancelled')"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    refund_no: Mapped[str] = mapped_column(unique=True)
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("payment_attempt.id"))
    origin: Mapped[str] = mapped_column(default=RefundOrigin.GIFT)
    amount_fen: Mapped[int] = fen()
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default=RefundStage.PROPOSED)
    is_external: Mapped[bool] = mapped_column(default=False)
    is_small: Mapped[bool] = mapped_column(default=False)
    requested_by: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    submitted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    query_due_at: Mapped[datetime | None]
    query_count: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
