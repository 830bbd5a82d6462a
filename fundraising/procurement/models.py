"""Suppliers, purchases prepared by one person and approved by another, their papers and payments."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fundraising import clock
from fundraising.database import Base, Text2, fen, uuid_pk


class PurchaseState(StrEnum):
    """The life of a purchase."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    RECEIVED = "received"
    CANCELLED = "cancelled"


class DocumentKind(StrEnum):
    """Papers of a purchase."""

    CONTRACT = "contract"
    INVOICE = "invoice"
    OTHER = "other"


class PaymentState(StrEnum):
    """The life of a payment out."""

    PREPARED = "prepared"
    APPROVED = "approved"
    REJECTED = "rejected"


class Supplier(Base):
    """Who sells to the chapter."""

    __tablename__ = "supplier"

    id: Mapped[UUID] = uuid_pk()
    name: Mapped[str] = mapped_column(unique=True)
    credit_code: Mapped[str] = mapped_column(default="")
    bank_account: Mapped[str] = mapped_column(default="")
    contact: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own name and form


class PurchaseYear(Base):
    """The last purchase number of a year."""

    __tablename__ = "purchase_year"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int]


class Purchase(Base):
    """A purchase from a campaign's fund. Whoever prepared it can never approve it."""

    __tablename__ = "purchase"
    __table_args__ = (
        CheckConstraint("approved_by <> prepared_by", name="two_people"),
        CheckConstraint(
            "(state IN ('approved', 'received')) <= (approved_by IS NOT NULL)",
            name="approved_has_approver",
        ),
        CheckConstraint(
            "state IN ('draft', 'submitted', 'approved', 'rejected', 'received', 'cancelled')",
            name="state_known",
        ),
        Index("ix_purchase_campaign", "campaign_id", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[Text2]
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    supplier_id: Mapped[UUID] = mapped_column(ForeignKey("supplier.id"))
    state: Mapped[str] = mapped_column(default=PurchaseState.DRAFT)
    prepared_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    submitted_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    decision_note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)
    version: Mapped[int] = mapped_column(default=1)

    lines: Mapped[list["PurchaseLine"]] = relationship(
        lazy="raise", order_by="PurchaseLine.position", viewonly=True
    )
    documents: Mapped[list["PurchaseDocument"]] = relationship(
        lazy="raise", order_by="PurchaseDocument.id", viewonly=True
    )
    supplier: Mapped[Supplier] = relationship(lazy="raise", viewonly=True)
    payments: Mapped[list["PaymentOut"]] = relationship(
        lazy="raise", order_by="PaymentOut.id", viewonly=True
    )

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own name and form


class PurchaseLine(Base):
    """One line: so many of an item at a unit price in fen."""

    __tablename__ = "purchase_line"
    __table_args__ = (
        UniqueConstraint("purchase_id", "position"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("unit_price_fen > 0", name="price_positive"),
        CheckConstraint("0 <= accepted AND accepted <= quantity", name="accepted_within"),
    )

    id: Mapped[UUID] = uuid_pk()
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("purchase.id"))
    position: Mapped[int]
    item: Mapped[Text2]
    model: Mapped[str] = mapped_column(default="")
    quantity: Mapped[int]
    unit_price_fen: Mapped[int] = fen()
    is_device: Mapped[bool]
    accepted: Mapped[int] = mapped_column(default=0)
    spending_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("fund_spending_line.id"))

    @property
    def amount_fen(self) -> int:
        """Quantity times price."""
        return self.quantity * self.unit_price_fen

    @property
    def missing(self) -> int:
        """How many were ordered and not yet accepted."""
        return self.quantity - self.accepted


class PurchaseDocument(Base):
    """A paper of a purchase; a public one is a copy that names no private person."""

    __tablename__ = "purchase_document"
    __table_args__ = (
        CheckConstraint("kind IN ('contract', 'invoice', 'other')", name="kind_known"),
        Index("ix_purchase_document_purchase", "purchase_id"),
    )

    id: Mapped[UUID] = uuid_pk()
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("purchase.id"))
    kind: Mapped[str]
    file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    name: Mapped[str]
    is_public: Mapped[bool] = mapped_column(default=False)
    added_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    added_at: Mapped[datetime] = mapped_column(default=clock.now)


class PaymentOut(Base):
    """Money to a supplier: prepared by one person, approved by another."""

    __tablename__ = "payment_out"
    __table_args__ = (
        CheckConstraint("approved_by <> prepared_by", name="two_people"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("state IN ('prepared', 'approved', 'rejected')", name="state_known"),
        CheckConstraint(
            "(state = 'approved') <= (approved_by IS NOT NULL)", name="approved_has_approver"
        ),
        CheckConstraint(
            "(state = 'approved') <= (entry_id IS NOT NULL)", name="approved_is_booked"
        ),
        Index("ix_payment_out_purchase", "purchase_id"),
    )

    id: Mapped[UUID] = uuid_pk()
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("purchase.id"))
    amount_fen: Mapped[int] = fen()
    paid_on: Mapped[date]
    bank_reference: Mapped[str]
    state: Mapped[str] = mapped_column(default=PaymentState.PREPARED)
    prepared_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entry.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    decided_at: Mapped[datetime | None]
    decision_note: Mapped[str] = mapped_column(default="")
