"""Attempts, the inbox, facts, reviews and bank lines."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("merchant_ref", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("instruction", postgresql.JSONB(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("query_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("query_count", sa.Integer(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('created', 'pending', 'paid', 'closed', 'failed', 'review')",
            name=op.f("ck_payment_attempt_state_known"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_attempt_amount_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempt")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "merchant_ref",
            name=op.f("uq_payment_attempt_provider_account_merchant_ref"),
        ),
        sa.UniqueConstraint(
            "provider",
            "account",
            "provider_ref",
            name=op.f("uq_payment_attempt_provider_account_provider_ref"),
        ),
    )
    op.create_index("ix_payment_attempt_order", "payment_attempt", ["order_id"], unique=False)
    op.create_index(
        "ix_payment_attempt_query_due",
        "payment_attempt",
        ["query_due_at"],
        unique=False,
        postgresql_where=sa.text("query_due_at IS NOT NULL"),
    )
    op.create_table(
        "payment_inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('new', 'done', 'dead')", name=op.f("ck_payment_inbox_state_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_inbox")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "dedup_key",
            name=op.f("uq_payment_inbox_provider_account_dedup_key"),
        ),
    )
    op.create_index(
        "ix_payment_inbox_due",
        "payment_inbox",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_table(
        "payment_fact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fact_ref", sa.Text(), nullable=False),
        sa.Column("merchant_ref", sa.Text(), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_sources", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["payment_attempt.id"], name=op.f("fk_payment_fact_attempt_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_fact")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "kind",
            "fact_ref",
            name=op.f("uq_payment_fact_provider_account_kind_fact_ref"),
        ),
    )
    op.create_index("ix_payment_fact_attempt", "payment_fact", ["attempt_id"], unique=False)
    op.create_index("ix_payment_fact_merchant_ref", "payment_fact", ["merchant_ref"], unique=False)
    op.create_table(
        "payment_bank_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bank_account", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("counterparty", sa.Text(), nullable=False),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_payment_bank_line_entry_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_bank_line")),
        sa.UniqueConstraint(
            "bank_account", "serial", name=op.f("uq_payment_bank_line_bank_account_serial")
        ),
    )
    op.create_table(
        "payment_review",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["payment_attempt.id"], name=op.f("fk_payment_review_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["fact_id"], ["payment_fact.id"], name=op.f("fk_payment_review_fact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_review")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_review_key")),
    )
    op.create_index(
        "ix_payment_review_open",
        "payment_review",
        ["opened_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("payment_review")
    op.drop_table("payment_bank_line")
    op.drop_table("payment_fact")
    op.drop_table("payment_inbox")
    op.drop_table("payment_attempt")
