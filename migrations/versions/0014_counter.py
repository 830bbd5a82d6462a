"""Receipt books, counts of cash and cheques, and the account of cheques in collection."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.helpers import make_undeletable

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter_book",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "0 < first_number AND first_number <= last_number",
            name=op.f("ck_counter_book_numbers_in_order"),
        ),
        sa.CheckConstraint(
            "first_number <= next_number AND next_number <= last_number + 1",
            name=op.f("ck_counter_book_next_within"),
        ),
        sa.ForeignKeyConstraint(
            ["opened_by"], ["account_user.id"], name=op.f("fk_counter_book_opened_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter_book")),
        sa.UniqueConstraint("code", name=op.f("uq_counter_book_code")),
    )
    op.create_table(
        "counter_count",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("pieces", postgresql.JSONB(), nullable=False),
        sa.Column("cash_fen", sa.BigInteger(), nullable=False),
        sa.Column("cheque_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counted_by", sa.Uuid(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("again_pieces", postgresql.JSONB(), nullable=True),
        sa.Column("again_cash_fen", sa.BigInteger(), nullable=True),
        sa.Column("again_cheque_fen", sa.BigInteger(), nullable=True),
        sa.Column("recounted_by", sa.Uuid(), nullable=True),
        sa.Column("recounted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (reason <> '')",
            name=op.f("ck_counter_count_withdrawn_has_reason"),
        ),
        sa.CheckConstraint(
            "state <> 'booked' OR (recounted_by IS NOT NULL AND booked_at IS NOT NULL "
            "AND again_cash_fen IS NOT NULL AND again_cash_fen = cash_fen AND again_cheque_fen IS NOT NULL "
            "AND again_cheque_fen = cheque_fen AND again_pieces IS NOT NULL AND again_pieces = pieces)",
            name=op.f("ck_counter_count_two_counts_agree"),
        ),
        sa.CheckConstraint(
            "state IN ('counted', 'differs', 'booked', 'withdrawn')",
            name=op.f("ck_counter_count_state_known"),
        ),
        sa.CheckConstraint("cash_fen + cheque_fen > 0", name=op.f("ck_counter_count_not_empty")),
        sa.CheckConstraint(
            "cash_fen >= 0 AND cheque_fen >= 0", name=op.f("ck_counter_count_not_negative")
        ),
        sa.CheckConstraint("recounted_by <> counted_by", name=op.f("ck_counter_count_two_people")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_counter_count_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["counted_by"], ["account_user.id"], name=op.f("fk_counter_count_counted_by")
        ),
        sa.ForeignKeyConstraint(
            ["recounted_by"], ["account_user.id"], name=op.f("fk_counter_count_recounted_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter_count")),
        sa.UniqueConstraint("number", name=op.f("uq_counter_count_number")),
    )
    op.create_index("ix_counter_count_state", "counter_count", ["state", "number"], unique=False)
    op.create_table(
        "counter_slip",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("void_reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'void') = (void_reason <> '')", name=op.f("ck_counter_slip_void_has_reason")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'held', 'used', 'void')", name=op.f("ck_counter_slip_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["book_id"], ["counter_book.id"], name=op.f("fk_counter_slip_book_id")
        ),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["account_user.id"], name=op.f("fk_counter_slip_changed_by")
        ),
        sa.PrimaryKeyConstraint("book_id", "number", name=op.f("pk_counter_slip")),
    )
    op.create_table(
        "counter_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("count_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("paper", sa.Integer(), nullable=False),
        sa.Column("cheque_no", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=True),
        sa.Column("bounce_reason", sa.Text(), nullable=False),
        sa.Column("bounce_asked_by", sa.Uuid(), nullable=True),
        sa.Column("bounced_by", sa.Uuid(), nullable=True),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(method = 'cheque') = (cheque_no <> '')",
            name=op.f("ck_counter_line_cheque_has_number"),
        ),
        sa.CheckConstraint(
            "bounced_by IS NULL OR (bounce_asked_by IS NOT NULL "
            "AND bounce_reason <> '' AND bounced_at IS NOT NULL AND method = 'cheque')",
            name=op.f("ck_counter_line_bounce_was_asked"),
        ),
        sa.CheckConstraint(
            "method IN ('cash', 'cheque')", name=op.f("ck_counter_line_method_known")
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_counter_line_amount_positive")),
        sa.CheckConstraint(
            "bounced_by <> bounce_asked_by", name=op.f("ck_counter_line_bounce_two_people")
        ),
        sa.ForeignKeyConstraint(
            ["book_id"], ["counter_book.id"], name=op.f("fk_counter_line_book_id")
        ),
        sa.ForeignKeyConstraint(
            ["bounce_asked_by"], ["account_user.id"], name=op.f("fk_counter_line_bounce_asked_by")
        ),
        sa.ForeignKeyConstraint(
            ["bounced_by"], ["account_user.id"], name=op.f("fk_counter_line_bounced_by")
        ),
        sa.ForeignKeyConstraint(
            ["count_id"], ["counter_count.id"], name=op.f("fk_counter_line_count_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter_line")),
        sa.UniqueConstraint("count_id", "position", name=op.f("uq_counter_line_count_id_position")),
    )
    op.create_index("ix_counter_line_paper", "counter_line", ["book_id", "paper"], unique=False)
    for table in ("counter_book", "counter_slip", "counter_count", "counter_line"):
        make_undeletable(table)
    op.execute(
        "INSERT INTO ledger_account (code, name, type) VALUES "
        """('1009.90', '{"zh": "其他货币资金—托收中支票", "en": "Cheques in collection"}', 'asset')"""
    )


def downgrade() -> None:
    for table in ("counter_line", "counter_count", "counter_slip", "counter_book"):
        op.drop_table(table)
    op.execute("DELETE FROM ledger_account WHERE code = '1009.90'")
