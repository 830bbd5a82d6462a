"""Fiscal e-receipts as the finance department's system knows them; their numbers are its own, never ours."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, fen, uuid_pk


class BillState(StrEnum):
    """A gift without a row has none; a red one (红票) cancels the one that was issued."""

    REQUESTED = "requested"
    ISSUED = "issued"
    RED_REQUESTED = "red_requested"
    RED_ISSUED = "red_issued"
    VOID = "void"
    FAILED = "failed"


OUT = (BillState.REQUESTED, BillState.ISSUED, BillState.RED_REQUESTED)
WAITING = (BillState.REQUESTED, BillState.RED_REQUESTED)


class FiscalBill(Base):
    """One request for a bill of one gift. The same request number never makes two."""

    __tablename__ = "fiscal_bill"
    __table_args__ = (
        UniqueConstraint("code", "number"),
        UniqueConstraint("red_code", "red_number"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "state IN ('requested', 'issued', 'red_requested', 'red_issued', 'void', 'failed')",
            name="state_known",
        ),
        CheckConstraint(
            "state IN ('requested', 'failed', 'void') OR (code IS NOT NULL AND number IS NOT NULL)",
            name="issued_is_numbered",
        ),
        Index("ix_fiscal_bill_gift", "gift_id"),
        Index(
            "uq_fiscal_bill_open",
            "gift_id",
            unique=True,
            postgresql_where=text("state IN ('requested', 'issued', 'red_requested')"),
        ),
        Index(
            "ix_fiscal_bill_waiting",
            "requested_at",
            postgresql_where=text("state IN ('requested', 'red_requested', 'failed')"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    gift_id: Mapped[UUID] = mapped_column(ForeignKey("giving_gift.id"))
    request_no: Mapped[str] = mapped_column(unique=True)
    amount_fen: Mapped[int] = fen()
    state: Mapped[str] = mapped_column(default=BillState.REQUESTED)
    is_sent: Mapped[bool] = mapped_column(default=False)
    looks: Mapped[int] = mapped_column(default=0)
    requested_at: Mapped[datetime] = mapped_column(default=clock.now)
    code: Mapped[str | None]
    number: Mapped[str | None]
    check_code: Mapped[str | None]
    issued_on: Mapped[date | None]
    url: Mapped[str | None]
    reason: Mapped[str | None]
    red_request_no: Mapped[str | None] = mapped_column(unique=True)
    red_reason: Mapped[str | None]
    is_red_sent: Mapped[bool] = mapped_column(default=False)
    red_code: Mapped[str | None]
    red_number: Mapped[str | None]

    @property
    def is_out(self) -> bool:
        """Whether it stands at the department, or may any moment."""
        return self.state in (BillState.REQUESTED, BillState.ISSUED)
