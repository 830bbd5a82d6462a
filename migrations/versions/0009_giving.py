"""Gifts, sealed persons, imports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "giving_campaign_payer",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("payer_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_giving_campaign_payer_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "payer_key", name=op.f("pk_giving_campaign_payer")),
    )
    op.create_table(
        "giving_day_total",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("gifts", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("anonymous_payers", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_giving_day_total_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_day_total")),
    )
    op.create_index(
        "ix_giving_day_total_day", "giving_day_total", ["campaign_id", "day"], unique=False
    )
    op.create_table(
        "giving_gift",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("external_ref", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("message_state", sa.Text(), nullable=False),
        sa.Column("wants_fiscal_receipt", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "display IN ('anonymous', 'masked', 'full')", name=op.f("ck_giving_gift_display_known")
        ),
        sa.CheckConstraint(
            "0 <= refunded_fen AND refunded_fen <= amount_fen",
            name=op.f("ck_giving_gift_refund_within"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_giving_gift_amount_positive")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_giving_gift_campaign_id")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_giving_gift_fund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_gift")),
        sa.UniqueConstraint(
            "channel", "external_ref", name=op.f("uq_giving_gift_channel_external_ref")
        ),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_giving_gift_idempotency_key")),
        sa.UniqueConstraint("order_no", name=op.f("uq_giving_gift_order_no")),
        sa.UniqueConstraint("ref", name=op.f("uq_giving_gift_ref")),
        sa.UniqueConstraint("token", name=op.f("uq_giving_gift_token")),
    )
    op.create_index(
        "ix_giving_gift_messages",
        "giving_gift",
        ["id"],
        unique=False,
        postgresql_where=sa.text("message_state = 'pending' AND paid_at IS NOT NULL"),
    )
    op.create_index(
        "ix_giving_gift_public",
        "giving_gift",
        ["campaign_id", sa.literal_column("paid_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("paid_at IS NOT NULL"),
    )
    op.create_table(
        "giving_import",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("new_count", sa.Integer(), nullable=False),
        sa.Column("known_count", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("imported_by", sa.Uuid(), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_giving_import_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_import")),
    )
    op.create_table(
        "giving_find_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=True),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_giving_find_code_gift_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_find_code")),
    )
    op.create_table(
        "giving_person",
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("has_email", sa.Boolean(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_giving_person_gift_id")
        ),
        sa.PrimaryKeyConstraint("gift_id", name=op.f("pk_giving_person")),
    )


def downgrade() -> None:
    op.drop_table("giving_person")
    op.drop_table("giving_find_code")
    op.drop_table("giving_import")
    op.drop_table("giving_gift")
    op.drop_table("giving_day_total")
    op.drop_table("giving_campaign_payer")
