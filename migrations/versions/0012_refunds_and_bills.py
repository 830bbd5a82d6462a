"""Refunds, bills and the reconciliation of a day; accounts of more channels."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ACCOUNTS = (
    ("1009.03", "asset", "其他货币资金—支付宝", "Other monetary funds: Alipay"),
    ("1009.04", "asset", "其他货币资金—Stripe", "Other monetary funds: Stripe"),
    ("1221.01", "asset", "其他应收款—待补退款", "Receivable: refunds to be covered"),
)
COUNTERS = ("paid_fen", "refunded_fen", "refund_reserved_fen")


def upgrade() -> None:
    _attempts()
    _refunds()
    _bills()
    accounts = sa.table(
        "ledger_account",
        sa.column("code", sa.Text()),
        sa.column("name", postgresql.JSONB()),
        sa.column("type", sa.Text()),
    )
    op.bulk_insert(
        accounts,
        [{"code": c, "type": kind, "name": {"zh": zh, "en": en}} for c, kind, zh, en in ACCOUNTS],
    )


def _attempts() -> None:
    for name in COUNTERS:
        op.add_column(
            "payment_attempt", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        )
    op.execute(
        "UPDATE payment_attempt a SET paid_fen = f.fen FROM (SELECT attempt_id, sum(amount_fen) AS fen "
        "FROM payment_fact WHERE kind = 'paid' GROUP BY attempt_id) AS f WHERE f.attempt_id = a.id"
    )
    for name in COUNTERS:
        op.alter_column("payment_attempt", name, server_default=None)
    op.create_check_constraint(
        op.f("ck_payment_attempt_refund_within"),
        "payment_attempt",
        "refund_reserved_fen >= 0 AND refunded_fen >= 0 AND refunded_fen + refund_reserved_fen <= paid_fen",
    )


def _refunds() -> None:
    op.create_table(
        "payment_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("refund_no", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_external", sa.Boolean(), nullable=False),
        sa.Column("is_small", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("query_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("query_count", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'approved', 'submitted', 'stuck', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_payment_refund_state_known"),
        ),
        sa.CheckConstraint(
            "amount_fen > 0 OR is_external", name=op.f("ck_payment_refund_amount_positive")
        ),
        sa.CheckConstraint(
            "approved_by IS DISTINCT FROM requested_by OR approved_by IS NULL OR is_small",
            name=op.f("ck_payment_refund_two_people"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["payment_attempt.id"], name=op.f("fk_payment_refund_attempt_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_refund")),
        sa.UniqueConstraint("refund_no", name=op.f("uq_payment_refund_refund_no")),
    )
    op.create_index("ix_payment_refund_attempt", "payment_refund", ["attempt_id"])
    op.create_index(
        "ix_payment_refund_open",
        "payment_refund",
        ["created_at"],
        postgresql_where=sa.text("state NOT IN ('succeeded', 'failed', 'cancelled')"),
    )
    op.create_index(
        "ix_payment_refund_query_due",
        "payment_refund",
        ["query_due_at"],
        postgresql_where=sa.text("query_due_at IS NOT NULL"),
    )


def _bills() -> None:
    op.create_table(
        "payment_bill",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_bill")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "day",
            "kind",
            name=op.f("uq_payment_bill_provider_account_day_kind"),
        ),
    )
    op.create_table(
        "payment_bill_line",
        sa.Column("bill_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("merchant_ref", sa.Text(), nullable=False),
        sa.Column("payment_ref", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_id"], ["payment_bill.id"], name=op.f("fk_payment_bill_line_bill_id")
        ),
        sa.PrimaryKeyConstraint("bill_id", "line", name=op.f("pk_payment_bill_line")),
    )
    op.create_table(
        "payment_reconciliation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sums", postgresql.JSONB(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_reconciliation")),
        sa.UniqueConstraint(
            "provider",
            "account",
            "day",
            name=op.f("uq_payment_reconciliation_provider_account_day"),
        ),
    )
    op.create_table(
        "payment_difference",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reconciliation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vanished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("explained_by", sa.Uuid(), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "closed_by IS NULL OR closed_by <> explained_by",
            name=op.f("ck_payment_difference_two_people"),
        ),
        sa.CheckConstraint(
            "closed_by IS NULL OR explained_by IS NOT NULL",
            name=op.f("ck_payment_difference_explained_before_closed"),
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["payment_reconciliation.id"],
            name=op.f("fk_payment_difference_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_difference")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_difference_key")),
    )
    op.create_index("ix_payment_difference_day", "payment_difference", ["reconciliation_id"])
    op.create_index(
        "ix_payment_difference_open",
        "payment_difference",
        ["opened_at"],
        postgresql_where=sa.text("closed_at IS NULL AND vanished_at IS NULL"),
    )


def downgrade() -> None:
    for table in (
        "payment_difference",
        "payment_reconciliation",
        "payment_bill_line",
        "payment_bill",
        "payment_refund",
    ):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_payment_attempt_refund_within"), "payment_attempt")
    for name in COUNTERS:
        op.drop_column("payment_attempt", name)
    op.execute("DELETE FROM ledger_account WHERE code IN ('1009.03', '1009.04', '1221.01')")
