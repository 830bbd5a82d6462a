"""Suppliers, purchases, papers and payments out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "purchase_year",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_purchase_year")),
    )
    op.create_table(
        "supplier",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credit_code", sa.Text(), nullable=False),
        sa.Column("bank_account", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier")),
        sa.UniqueConstraint("name", name=op.f("uq_supplier_name")),
    )
    op.create_table(
        "purchase",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("supplier_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("prepared_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('approved', 'received')) <= (approved_by IS NOT NULL)",
            name=op.f("ck_purchase_approved_has_approver"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'approved', 'rejected', 'received', 'cancelled')",
            name=op.f("ck_purchase_state_known"),
        ),
        sa.CheckConstraint("approved_by <> prepared_by", name=op.f("ck_purchase_two_people")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["account_user.id"], name=op.f("fk_purchase_approved_by")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_purchase_campaign_id")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_purchase_fund_id")),
        sa.ForeignKeyConstraint(
            ["prepared_by"], ["account_user.id"], name=op.f("fk_purchase_prepared_by")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["supplier.id"], name=op.f("fk_purchase_supplier_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        sa.UniqueConstraint("number", name=op.f("uq_purchase_number")),
    )
    op.create_index("ix_purchase_campaign", "purchase", ["campaign_id", "id"], unique=False)
    op.create_table(
        "payment_out",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("bank_reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("prepared_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('prepared', 'approved', 'rejected')",
            name=op.f("ck_payment_out_state_known"),
        ),
        sa.CheckConstraint(
            "(state = 'approved') <= (approved_by IS NOT NULL)",
            name=op.f("ck_payment_out_approved_has_approver"),
        ),
        sa.CheckConstraint(
            "(state = 'approved') <= (entry_id IS NOT NULL)",
            name=op.f("ck_payment_out_approved_is_booked"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_out_amount_positive")),
        sa.CheckConstraint("approved_by <> prepared_by", name=op.f("ck_payment_out_two_people")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["account_user.id"], name=op.f("fk_payment_out_approved_by")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_payment_out_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["prepared_by"], ["account_user.id"], name=op.f("fk_payment_out_prepared_by")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["purchase.id"], name=op.f("fk_payment_out_purchase_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_out")),
    )
    op.create_index("ix_payment_out_purchase", "payment_out", ["purchase_id"], unique=False)
    op.create_table(
        "purchase_document",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('contract', 'invoice', 'other')", name=op.f("ck_purchase_document_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["added_by"], ["account_user.id"], name=op.f("fk_purchase_document_added_by")
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["file.id"], name=op.f("fk_purchase_document_file_id")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["purchase.id"], name=op.f("fk_purchase_document_purchase_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_document")),
    )
    op.create_index(
        "ix_purchase_document_purchase", "purchase_document", ["purchase_id"], unique=False
    )
    op.create_table(
        "purchase_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item", postgresql.JSONB(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_fen", sa.BigInteger(), nullable=False),
        sa.Column("is_device", sa.Boolean(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("spending_line_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "0 <= accepted AND accepted <= quantity", name=op.f("ck_purchase_line_accepted_within")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_purchase_line_quantity_positive")),
        sa.CheckConstraint("unit_price_fen > 0", name=op.f("ck_purchase_line_price_positive")),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["purchase.id"], name=op.f("fk_purchase_line_purchase_id")
        ),
        sa.ForeignKeyConstraint(
            ["spending_line_id"],
            ["fund_spending_line.id"],
            name=op.f("fk_purchase_line_spending_line_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_line")),
        sa.UniqueConstraint(
            "purchase_id", "position", name=op.f("uq_purchase_line_purchase_id_position")
        ),
    )


def downgrade() -> None:
    op.drop_table("purchase_line")
    op.drop_table("purchase_document")
    op.drop_table("payment_out")
    op.drop_table("purchase")
    op.drop_table("supplier")
    op.drop_table("purchase_year")
