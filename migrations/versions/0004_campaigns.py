"""Campaigns and their updates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column(
            "fund_id",
            sa.Uuid(),
            sa.ForeignKey("fund.id", name="fk_campaign_fund_id"),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", JSONB(), nullable=False),
        sa.Column("summary", JSONB(), nullable=False),
        sa.Column("story", JSONB(), nullable=False),
        sa.Column("goal_fen", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_fen", sa.BigInteger(), nullable=False),
        sa.Column("unit_name", JSONB(), nullable=False),
        sa.Column("preset_amounts_fen", JSONB(), nullable=False),
        sa.Column("min_fen", sa.BigInteger(), nullable=False),
        sa.Column("max_fen", sa.BigInteger(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("filing_no", sa.Text(), nullable=False),
        sa.Column("certificate_no", sa.Text(), nullable=False),
        sa.Column("platform_name", JSONB(), nullable=False),
        sa.Column("platform_url", sa.Text(), nullable=False),
        sa.Column("complaint_contact", JSONB(), nullable=False),
        sa.Column("completed_note", JSONB(), nullable=True),
        sa.Column(
            "image_file_id",
            sa.Uuid(),
            sa.ForeignKey("file.id", name="fk_campaign_image_file_id"),
            nullable=True,
        ),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("slug", name="uq_campaign_slug"),
        sa.UniqueConstraint("fund_id", name="uq_campaign_fund_id"),
        sa.CheckConstraint(
            "state IN ('draft', 'upcoming', 'open', 'ended', 'completed')",
            name="ck_campaign_state_known",
        ),
        sa.CheckConstraint("goal_fen > 0", name="ck_campaign_goal_positive"),
        sa.CheckConstraint("unit_price_fen > 0", name="ck_campaign_unit_price_positive"),
        sa.CheckConstraint("0 < min_fen AND min_fen <= max_fen", name="ck_campaign_limits_ordered"),
        sa.CheckConstraint("ends_on >= starts_on", name="ck_campaign_ends_after_start"),
        sa.CheckConstraint(
            "title ? 'zh' AND summary ? 'zh' AND story ? 'zh'",
            name="ck_campaign_written_in_chinese",
        ),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="ck_campaign_slug_form"),
    )
    op.create_table(
        "campaign_update",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "campaign_id",
            sa.Uuid(),
            sa.ForeignKey("campaign.id", name="fk_campaign_update_campaign_id"),
            nullable=False,
        ),
        sa.Column("title", JSONB(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column(
            "image_file_id",
            sa.Uuid(),
            sa.ForeignKey("file.id", name="fk_campaign_update_image_file_id"),
            nullable=True,
        ),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "title ? 'zh' AND body ? 'zh'", name="ck_campaign_update_written_in_chinese"
        ),
        sa.CheckConstraint(
            "(state = 'published') = (published_at IS NOT NULL)",
            name="ck_campaign_update_published_at_with_state",
        ),
    )
    op.create_index(
        "ix_campaign_update_public",
        "campaign_update",
        ["campaign_id", sa.text("published_at DESC")],
    )
    op.create_index("ix_campaign_update_latest", "campaign_update", [sa.text("published_at DESC")])


def downgrade() -> None:
    op.drop_table("campaign_update")
    op.drop_table("campaign")
