"""Campaigns and their updates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.Column("story", postgresql.JSONB(), nullable=False),
        sa.Column("goal_fen", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_fen", sa.BigInteger(), nullable=False),
        sa.Column("unit_name", postgresql.JSONB(), nullable=False),
        sa.Column("preset_amounts_fen", postgresql.JSONB(), nullable=False),
        sa.Column("min_fen", sa.BigInteger(), nullable=False),
        sa.Column("max_fen", sa.BigInteger(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("filing_no", sa.Text(), nullable=False),
        sa.Column("certificate_no", sa.Text(), nullable=False),
        sa.Column("platform_name", postgresql.JSONB(), nullable=False),
        sa.Column("platform_url", sa.Text(), nullable=False),
        sa.Column("complaint_contact", postgresql.JSONB(), nullable=False),
        sa.Column("completed_note", postgresql.JSONB(), nullable=True),
        sa.Column("image_file_id", sa.Uuid(), nullable=True),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_campaign_slug_form")),
        sa.CheckConstraint(
            "state IN ('draft', 'upcoming', 'open', 'ended', 'completed')",
            name=op.f("ck_campaign_state_known"),
        ),
        sa.CheckConstraint(
            "title ? 'zh' AND summary ? 'zh' AND story ? 'zh'",
            name=op.f("ck_campaign_written_in_chinese"),
        ),
        sa.CheckConstraint(
            "0 < min_fen AND min_fen <= max_fen", name=op.f("ck_campaign_limits_ordered")
        ),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_campaign_ends_after_start")),
        sa.CheckConstraint("goal_fen > 0", name=op.f("ck_campaign_goal_positive")),
        sa.CheckConstraint("unit_price_fen > 0", name=op.f("ck_campaign_unit_price_positive")),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_campaign_fund_id")),
        sa.ForeignKeyConstraint(
            ["image_file_id"], ["file.id"], name=op.f("fk_campaign_image_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("fund_id", name=op.f("uq_campaign_fund_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_campaign_slug")),
    )
    op.create_table(
        "campaign_update",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("image_file_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'published') = (published_at IS NOT NULL)",
            name=op.f("ck_campaign_update_published_at_with_state"),
        ),
        sa.CheckConstraint(
            "title ? 'zh' AND body ? 'zh'", name=op.f("ck_campaign_update_written_in_chinese")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_update_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["image_file_id"], ["file.id"], name=op.f("fk_campaign_update_image_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_update")),
    )
    op.create_index(
        "ix_campaign_update_latest",
        "campaign_update",
        [sa.literal_column("published_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_campaign_update_public",
        "campaign_update",
        ["campaign_id", sa.literal_column("published_at DESC")],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("campaign_update")
    op.drop_table("campaign")
