"""Receipts by rule: what the donor chose, documents of several gifts, their bytes, void and replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "giving_gift",
        sa.Column("receipt_rule", sa.Text(), server_default="on_request", nullable=False),
    )
    op.add_column("giving_gift", sa.Column("receipt_group", sa.Text(), nullable=True))
    op.execute("UPDATE giving_gift SET receipt_rule = 'at_once' WHERE external_ref IS NULL")
    op.create_check_constraint(
        op.f("ck_giving_gift_receipt_rule_known"),
        "giving_gift",
        "receipt_rule IN ('at_once', 'monthly', 'yearly', 'on_request')",
    )
    op.create_check_constraint(
        op.f("ck_giving_gift_receipt_period_has_group"),
        "giving_gift",
        "receipt_group IS NOT NULL OR receipt_rule IN ('at_once', 'on_request')",
    )
    op.create_index(
        "ix_giving_gift_receipt_period",
        "giving_gift",
        ["receipt_rule", "paid_at"],
        postgresql_where=sa.text("receipt_rule IN ('monthly', 'yearly') AND paid_at IS NOT NULL"),
    )
    _widen_receipts()
    op.create_table(
        "receipt_line",
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("is_valid", sa.Boolean(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_receipt_line_amount_positive")),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_receipt_line_gift_id")
        ),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["receipt.id"], name=op.f("fk_receipt_line_receipt_id")
        ),
        sa.PrimaryKeyConstraint("receipt_id", "gift_id", name=op.f("pk_receipt_line")),
    )
    op.create_index("ix_receipt_line_gift", "receipt_line", ["gift_id"])
    op.create_index(
        "uq_receipt_line_valid_gift",
        "receipt_line",
        ["gift_id"],
        unique=True,
        postgresql_where=sa.text("is_valid"),
    )
    op.execute(
        "INSERT INTO receipt_line (receipt_id, gift_id, amount_fen, is_valid) "
        "SELECT id, gift_id, amount_fen, state = 'valid' FROM receipt"
    )
    op.drop_index("uq_receipt_valid_gift", table_name="receipt")
    op.drop_column("receipt", "gift_id")


def _widen_receipts() -> None:
    for column in (
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("period", sa.Text(), server_default="", nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=True),
        sa.Column("layout", sa.Text(), server_default="gift-1", nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
    ):
        op.add_column("receipt", column)
    op.execute(
        "UPDATE receipt r SET token = replace(gen_random_uuid()::text, '-', ''), "
        "amount_fen = g.amount_fen FROM giving_gift g WHERE g.id = r.gift_id"
    )
    for name in ("token", "amount_fen", "pdf_sha256"):
        op.alter_column("receipt", name, nullable=False)
    op.create_unique_constraint(op.f("uq_receipt_token"), "receipt", ["token"])
    op.create_unique_constraint(op.f("uq_receipt_replaces_id"), "receipt", ["replaces_id"])
    op.create_foreign_key(op.f("fk_receipt_file_id"), "receipt", "file", ["file_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_receipt_replaces_id"), "receipt", "receipt", ["replaces_id"], ["id"]
    )
    op.create_check_constraint(op.f("ck_receipt_amount_positive"), "receipt", "amount_fen > 0")
    op.create_check_constraint(
        op.f("ck_receipt_void_is_dated"), "receipt", "(state = 'void') = (voided_at IS NOT NULL)"
    )


def downgrade() -> None:
    op.add_column("receipt", sa.Column("gift_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE receipt r SET gift_id = l.gift_id FROM receipt_line l WHERE l.receipt_id = r.id"
    )
    op.alter_column("receipt", "gift_id", nullable=False)
    op.create_foreign_key(op.f("fk_receipt_gift_id"), "receipt", "giving_gift", ["gift_id"], ["id"])
    op.create_index(
        "uq_receipt_valid_gift",
        "receipt",
        ["gift_id"],
        unique=True,
        postgresql_where=sa.text("state = 'valid'"),
    )
    op.drop_table("receipt_line")
    op.drop_constraint(op.f("ck_receipt_void_is_dated"), "receipt")
    for name in ("replaces_id", "file_id", "layout", "amount_fen", "period", "token"):
        op.drop_column("receipt", name)
    op.drop_index("ix_giving_gift_receipt_period", table_name="giving_gift")
    for name in ("receipt_group", "receipt_rule"):
        op.drop_column("giving_gift", name)
