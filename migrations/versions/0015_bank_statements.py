"""Bank statements: files that wait, mappings per bank, and more of what a line says."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen_lines()
    op.create_index(
        "ix_payment_attempt_transfers",
        "payment_attempt",
        ["created_at"],
        postgresql_where=sa.text("provider = 'bank' AND state <> 'paid'"),
    )
    op.create_table(
        "payment_bank_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("headings", postgresql.JSONB(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("saved_by", sa.Uuid(), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_bank_mapping")),
        sa.UniqueConstraint("name", name=op.f("uq_payment_bank_mapping_name")),
        sa.UniqueConstraint("signature", name=op.f("uq_payment_bank_mapping_signature")),
    )
    op.create_table(
        "payment_bank_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bank_account", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_count", sa.Integer(), nullable=True),
        sa.Column("known_count", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_bank_file")),
    )
    op.create_index(
        "ix_payment_bank_file_waiting",
        "payment_bank_file",
        ["uploaded_at"],
        postgresql_where=sa.text("data IS NOT NULL"),
    )


def _widen_lines() -> None:
    table = "payment_bank_line"
    empty, no = sa.text("''"), sa.text("false")
    op.add_column(
        table, sa.Column("counterparty_account", sa.Text(), server_default=empty, nullable=False)
    )
    op.add_column(table, sa.Column("balance_fen", sa.BigInteger(), nullable=True))
    op.add_column(table, sa.Column("is_reversal", sa.Boolean(), server_default=no, nullable=False))
    op.create_unique_constraint(op.f("uq_payment_bank_line_entry_id"), table, ["entry_id"])
    op.create_index(
        "ix_payment_bank_line_open",
        table,
        ["booked_at", "serial"],
        postgresql_where=sa.text("entry_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("payment_bank_file")
    op.drop_table("payment_bank_mapping")
    op.drop_index("ix_payment_attempt_transfers", "payment_attempt")
    op.drop_index("ix_payment_bank_line_open", "payment_bank_line")
    op.drop_constraint("uq_payment_bank_line_entry_id", "payment_bank_line")
    for column in ("counterparty_account", "balance_fen", "is_reversal"):
        op.drop_column("payment_bank_line", column)
