"""Pledges of matchers, their matches, and what matchers owe."""

import sqlalchemy as sa
from alembic import op

from migrations.helpers import make_undeletable

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
TABLES = ("matching_pledge", "matching_match", "matching_unmatched")


def upgrade() -> None:
    op.create_table(
        "matching_pledge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("matcher", sa.Text(), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("adds", sa.Integer(), nullable=False),
        sa.Column("per", sa.Integer(), nullable=False),
        sa.Column("gift_cap_fen", sa.BigInteger(), nullable=True),
        sa.Column("pool_fen", sa.BigInteger(), nullable=False),
        sa.Column("committed_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("most_a_day", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state <> 'open' OR approved_by IS NOT NULL",
            name=op.f("ck_matching_pledge_open_is_approved"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'open', 'ended')", name=op.f("ck_matching_pledge_state_known")
        ),
        sa.CheckConstraint(
            "0 <= committed_fen AND committed_fen <= pool_fen",
            name=op.f("ck_matching_pledge_within_pool"),
        ),
        sa.CheckConstraint("adds > 0 AND per > 0", name=op.f("ck_matching_pledge_rule_positive")),
        sa.CheckConstraint("approved_by <> written_by", name=op.f("ck_matching_pledge_two_people")),
        sa.CheckConstraint("gift_cap_fen > 0", name=op.f("ck_matching_pledge_cap_positive")),
        sa.CheckConstraint("most_a_day > 0", name=op.f("ck_matching_pledge_most_a_day_positive")),
        sa.CheckConstraint("paid_fen >= 0", name=op.f("ck_matching_pledge_paid_not_negative")),
        sa.CheckConstraint("pool_fen > 0", name=op.f("ck_matching_pledge_pool_positive")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_matching_pledge_days_in_order")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["account_user.id"], name=op.f("fk_matching_pledge_approved_by")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_matching_pledge_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["written_by"], ["account_user.id"], name=op.f("fk_matching_pledge_written_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matching_pledge")),
    )
    op.create_index(
        "ix_matching_pledge_campaign", "matching_pledge", ["campaign_id", "id"], unique=False
    )
    op.create_table(
        "matching_match",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pledge_id", sa.Uuid(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("voided_fen", sa.BigInteger(), nullable=False),
        sa.Column("due_fen", sa.BigInteger(), nullable=False),
        sa.Column("payer_key", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_matching_match_amount_positive")),
        sa.CheckConstraint(
            "voided_fen >= 0 AND due_fen >= 0 AND voided_fen + due_fen <= amount_fen",
            name=op.f("ck_matching_match_voided_within"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_matching_match_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_matching_match_gift_id")
        ),
        sa.ForeignKeyConstraint(
            ["pledge_id"], ["matching_pledge.id"], name=op.f("fk_matching_match_pledge_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matching_match")),
        sa.UniqueConstraint("gift_id", name=op.f("uq_matching_match_gift_id")),
    )
    op.create_index(
        "ix_matching_match_payer", "matching_match", ["pledge_id", "payer_key"], unique=False
    )
    op.create_index("ix_matching_match_pledge", "matching_match", ["pledge_id", "id"], unique=False)
    op.create_table(
        "matching_unmatched",
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("pledge_id", sa.Uuid(), nullable=False),
        sa.Column("payer_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "reason IN ('too_often', 'refund_loop')",
            name=op.f("ck_matching_unmatched_reason_known"),
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_matching_unmatched_gift_id")
        ),
        sa.ForeignKeyConstraint(
            ["pledge_id"], ["matching_pledge.id"], name=op.f("fk_matching_unmatched_pledge_id")
        ),
        sa.PrimaryKeyConstraint("gift_id", name=op.f("pk_matching_unmatched")),
    )
    op.create_index(
        op.f("ix_matching_unmatched_pledge_id"), "matching_unmatched", ["pledge_id"], unique=False
    )
    for table in TABLES:
        make_undeletable(table)
    op.execute(
        "INSERT INTO ledger_account (code, name, type) VALUES "
        """('1122.01', '{"zh": "应收账款—应收配捐款", "en": "Owed by matchers"}', 'asset')"""
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM ledger_account WHERE code = '1122.01'")
