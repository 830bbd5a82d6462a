"""The journal's tables. Rows are written once; PostgreSQL refuses change and unbalanced entries."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fundraising.database import Base, Text2, uuid_pk


class AccountType(StrEnum):
    """The five classes of the chart."""

    ASSET = "asset"
    LIABILITY = "liability"
    NET_ASSETS = "net_assets"
    INCOME = "income"
    EXPENSE = "expense"


class EntryKind(StrEnum):
    """What happened; every kind stands with its debits and credits in docs/ledger.md."""

    GIFT_RECEIVED = "gift_received"
    GIFT_IMPORTED = "gift_imported"
    GIFT_COUNTED = "gift_counted"
    GRANT_RECEIVED = "grant_received"
    SUSPENSE_RECEIVED = "suspense_received"
    SUSPENSE_RESOLVED = "suspense_resolved"
    REFUND = "refund"
    REFUND_COVERED = "refund_covered"
    MONEY_RETURNED = "money_returned"
    FEE_CHARGED = "fee_charged"
    FEE_RETURNED = "fee_returned"
    BANK_CHARGED = "bank_charged"
    BANK_INTEREST = "bank_interest"
    PAYOUT_RECEIVED = "payout_received"
    CASH_DEPOSITED = "cash_deposited"
    CHEQUE_RETURNED = "cheque_returned"
    PURCHASE_ACCEPTED = "purchase_accepted"
    PAYMENT_OUT = "payment_out"
    MATCH_PLEDGED = "match_pledged"
    MATCH_VOIDED = "match_voided"
    MATCH_PAID = "match_paid"
    GOODS_RECEIVED = "goods_received"
    GOODS_HANDED_OUT = "goods_handed_out"
    GOODS_WRITTEN_OFF = "goods_written_off"
    DEVICE_HANDED_OVER = "device_handed_over"
    PROGRAMME_COST = "programme_cost"
    REVERSAL = "reversal"


class Account(Base):
    """One account of the chart (民间非营利组织会计制度); a chapter may rename and add."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        CheckConstraint(
            "type IN ('asset', 'liability', 'net_assets', 'income', 'expense')", name="type_known"
        ),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[Text2]
    type: Mapped[str]
    channel: Mapped[str | None] = mapped_column(unique=True)
    """The channel whose money waits here for the bank, where the chapter added it."""


class Period(Base):
    """A month of the books: its last voucher number, and when it was closed."""

    __tablename__ = "ledger_period"
    __table_args__ = (CheckConstraint("period ~ '^[0-9]{4}-[0-9]{2}$'", name="period_form"),)

    period: Mapped[str] = mapped_column(primary_key=True)
    last_voucher: Mapped[int] = mapped_column(Integer, default=0)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]


class JournalEntry(Base):
    """One event in the books under the key its cause gave it."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        UniqueConstraint("key"),
        UniqueConstraint("period", "voucher_no"),
        CheckConstraint("posting_count >= 2", name="two_postings_or_more"),
        Index("ix_ledger_entry_fund", "fund_id", "id"),
        Index("ix_ledger_entry_kind", "kind", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    key: Mapped[str]
    body_hash: Mapped[bytes]
    kind: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    booked_on: Mapped[date]
    period: Mapped[str] = mapped_column(ForeignKey("ledger_period.period"))
    voucher_no: Mapped[int] = mapped_column(Integer)
    posting_count: Mapped[int] = mapped_column(SmallInteger)
    fund_id: Mapped[UUID | None]
    reason: Mapped[Text2 | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entry.id"), unique=True)
    actor: Mapped[str]

    postings: Mapped[list["Posting"]] = relationship(
        back_populates="entry", lazy="raise", order_by="Posting.line", viewonly=True
    )

    @property
    def voucher(self) -> str:
        """The voucher number as people write it: ``2024-05-00017``."""
        return f"{self.period}-{self.voucher_no:05d}"


class Posting(Base):
    """One line of an entry. Debits are positive, credits negative."""

    __tablename__ = "ledger_posting"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        Index("ix_ledger_posting_account", "account", "entry_id"),
    )

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entry.id"), primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("ledger_account.code"))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    fund_id: Mapped[UUID | None]

    entry: Mapped[JournalEntry] = relationship(
        back_populates="postings", lazy="raise", viewonly=True
    )


class TotalDelta(Base):
    """What one set of entries adds to a total; folded away by a periodic task."""

    __tablename__ = "ledger_total_delta"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str]
    currency: Mapped[str] = mapped_column(String(3))
    fund_id: Mapped[UUID | None] = mapped_column(index=True)
    kind: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    posting_count: Mapped[int] = mapped_column(BigInteger)


class Total(Base):
    """Folded sums by account, fund, currency and kind; always rebuildable from postings."""

    __tablename__ = "ledger_total"
    __table_args__ = (
        UniqueConstraint(
            "fund_id",
            "account",
            "currency",
            "kind",
            name="uq_ledger_total_group",
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account: Mapped[str]
    currency: Mapped[str] = mapped_column(String(3))
    fund_id: Mapped[UUID | None]
    kind: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    posting_count: Mapped[int] = mapped_column(BigInteger)
