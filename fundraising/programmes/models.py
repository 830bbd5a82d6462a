"""Training sessions tied to a campaign."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, uuid_pk


class TrainingSession(Base):
    """A session of first-aid training; its people count once a second person has confirmed it."""

    __tablename__ = "training_session"
    __table_args__ = (
        CheckConstraint("people_trained > 0", name="somebody_trained"),
        CheckConstraint("confirmed_by <> recorded_by", name="two_people"),
        CheckConstraint("cost_fen > 0", name="cost_positive"),
        CheckConstraint(
            "cost_fen IS NULL OR (paid_on IS NOT NULL AND bank_reference <> '')",
            name="cost_has_payment",
        ),
        CheckConstraint(
            "(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed_at_with_person"
        ),
        Index("ix_training_session_campaign", "campaign_id", "held_on"),
    )

    id: Mapped[UUID] = uuid_pk()
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    title: Mapped[Text2]
    place: Mapped[Text2]
    held_on: Mapped[date]
    people_trained: Mapped[int]
    instructor: Mapped[str] = mapped_column(default="")
    cost_fen: Mapped[int | None] = mapped_column(BigInteger)
    paid_on: Mapped[date | None]
    bank_reference: Mapped[str] = mapped_column(default="")
    spending_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("fund_spending_line.id"))
    evidence_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    confirmed_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own name and form
