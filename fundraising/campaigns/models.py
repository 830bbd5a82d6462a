"""Campaigns and their updates: what is asked for, under which filing, until when."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, fen, uuid_pk


class CampaignState(StrEnum):
    """Where a campaign stands in its life; money is taken only while it is open."""

    DRAFT = "draft"
    UPCOMING = "upcoming"
    OPEN = "open"
    ENDED = "ended"
    COMPLETED = "completed"


class UpdateState(StrEnum):
    """An update is seen by its authors first, by everybody once published."""

    DRAFT = "draft"
    PUBLISHED = "published"


_STATES = ", ".join(f"'{state}'" for state in CampaignState)


class Campaign(Base):
    """One public appeal with its own restricted fund and the facts the law wants shown beside it.

    慈善法 (2023) article 24 asks for a filed plan, article 27 for the listing on a designated
    platform; both are columns here and publishing is refused without them.
    """

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state_known"),
        CheckConstraint("goal_fen > 0", name="goal_positive"),
        CheckConstraint("unit_price_fen > 0", name="unit_price_positive"),
        CheckConstraint("0 < min_fen AND min_fen <= max_fen", name="limits_ordered"),
        CheckConstraint("ends_on >= starts_on", name="ends_after_start"),
        CheckConstraint(
            "title ? 'zh' AND summary ? 'zh' AND story ? 'zh'", name="written_in_chinese"
        ),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug_form"),
    )

    id: Mapped[UUID] = uuid_pk()
    slug: Mapped[str] = mapped_column(unique=True)
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"), unique=True)
    state: Mapped[str] = mapped_column(default=CampaignState.DRAFT)
    title: Mapped[Text2]
    summary: Mapped[Text2]
    story: Mapped[Text2]
    goal_fen: Mapped[int] = fen()
    unit_price_fen: Mapped[int] = fen()
    unit_name: Mapped[Text2]
    preset_amounts_fen: Mapped[list[int]]
    min_fen: Mapped[int] = mapped_column(BigInteger, default=100)
    max_fen: Mapped[int] = mapped_column(BigInteger, default=5_000_000)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    filing_no: Mapped[str] = mapped_column(default="")
    certificate_no: Mapped[str] = mapped_column(default="")
    platform_name: Mapped[Text2]
    platform_url: Mapped[str] = mapped_column(default="")
    complaint_contact: Mapped[Text2]
    completed_note: Mapped[Text2 | None]
    image_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    is_demo: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own name and form

    @property
    def is_open(self) -> bool:
        """Whether a gift may be started now."""
        return self.state == CampaignState.OPEN and self.starts_on <= clock.today() <= self.ends_on

    @property
    def is_public(self) -> bool:
        """Whether people without an account see the page."""
        return self.state != CampaignState.DRAFT


class CampaignUpdate(Base):
    """News of a campaign: written by staff, previewed, then published."""

    __tablename__ = "campaign_update"
    __table_args__ = (
        CheckConstraint("title ? 'zh' AND body ? 'zh'", name="written_in_chinese"),
        CheckConstraint(
            "(state = 'published') = (published_at IS NOT NULL)", name="published_at_with_state"
        ),
        Index("ix_campaign_update_public", "campaign_id", text("published_at DESC")),
        Index("ix_campaign_update_latest", text("published_at DESC")),
    )

    id: Mapped[UUID] = uuid_pk()
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    title: Mapped[Text2]
    body: Mapped[Text2]
    state: Mapped[str] = mapped_column(default=UpdateState.DRAFT)
    author_id: Mapped[UUID | None]
    image_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    published_at: Mapped[datetime | None]
