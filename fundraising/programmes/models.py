"""Training sessions tied to a campaign."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, uuid_pk


class TrainingSession(Base):
    """A session of first-aid training; its people count once a second person has confirmed it."""

    __tablename__ = "training_session"
    __table_args__ = (
        CheckConstraint("people_trained > 0", name="somebody_trained"),
        CheckConstraint("confirmed_by <> recorded_by", name="two_people"),
        Index("ix_training_session_campaign", "campaign_id", "held_on"),
    )

    id: Mapped[UUID] = uuid_pk()
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    title: Mapped[Text2]
    place: Mapped[Text2]
    held_on: Mapped[date]
    people_trained: Mapped[int]
    evidence_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    confirmed_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)
