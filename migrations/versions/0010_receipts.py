"""Receipt confirmations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "receipt_year",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_receipt_year")),
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("pdf_sha256", sa.Text(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('valid', 'void')", name=op.f("ck_receipt_state_known")),
        sa.ForeignKeyConstraint(["gift_id"], ["giving_gift.id"], name=op.f("fk_receipt_gift_id")),
        sa.ForeignKeyConstraint(["year"], ["receipt_year.year"], name=op.f("fk_receipt_year")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("code", name=op.f("uq_receipt_code")),
        sa.UniqueConstraint("year", "number", name=op.f("uq_receipt_year_number")),
    )
    op.create_index(
        "uq_receipt_valid_gift",
        "receipt",
        ["gift_id"],
        unique=True,
        postgresql_where=sa.text("state = 'valid'"),
    )


def downgrade() -> None:
    op.drop_table("receipt")
    op.drop_table("receipt_year")
