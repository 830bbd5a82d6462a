"""Fiscal e-receipts asked for at the finance department."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fiscal_bill",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("request_no", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_sent", sa.Boolean(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("check_code", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("red_request_no", sa.Text(), nullable=True),
        sa.Column("red_reason", sa.Text(), nullable=True),
        sa.Column("is_red_sent", sa.Boolean(), nullable=False),
        sa.Column("red_code", sa.Text(), nullable=True),
        sa.Column("red_number", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_fiscal_bill_amount_positive")),
        sa.CheckConstraint(
            "state IN ('requested', 'issued', 'red_requested', 'red_issued', 'void', 'failed')",
            name=op.f("ck_fiscal_bill_state_known"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'failed', 'void') OR (code IS NOT NULL AND number IS NOT NULL)",
            name=op.f("ck_fiscal_bill_issued_is_numbered"),
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_fiscal_bill_gift_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fiscal_bill")),
        sa.UniqueConstraint("request_no", name=op.f("uq_fiscal_bill_request_no")),
        sa.UniqueConstraint("red_request_no", name=op.f("uq_fiscal_bill_red_request_no")),
        sa.UniqueConstraint("code", "number", name=op.f("uq_fiscal_bill_code_number")),
        sa.UniqueConstraint(
            "red_code", "red_number", name=op.f("uq_fiscal_bill_red_code_red_number")
        ),
    )
    op.create_index("ix_fiscal_bill_gift", "fiscal_bill", ["gift_id"])
    op.create_index(
        "uq_fiscal_bill_open",
        "fiscal_bill",
        ["gift_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'issued', 'red_requested')"),
    )
    op.create_index(
        "ix_fiscal_bill_waiting",
        "fiscal_bill",
        ["requested_at"],
        postgresql_where=sa.text("state IN ('requested', 'red_requested', 'failed')"),
    )
    op.create_index(
        "ix_giving_gift_fiscal_wished",
        "giving_gift",
        ["paid_at"],
        postgresql_where=sa.text("wants_fiscal_receipt AND paid_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_giving_gift_fiscal_wished", table_name="giving_gift")
    op.drop_table("fiscal_bill")
