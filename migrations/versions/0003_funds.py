"""Funds, their lanes, lots, draws and refunds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.helpers import make_append_only, make_undeletable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LOTS_LIE_END_TO_END = """
CREATE FUNCTION fund_lots_lie_end_to_end() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added a
        LEFT JOIN LATERAL (SELECT end_fen, gift_ordinal FROM fund_lot
                           WHERE fund_id = a.fund_id AND ordinal = a.ordinal - 1) AS p ON true
        WHERE a.start_fen <> coalesce(p.end_fen, 0) OR (p.end_fen IS NULL AND a.ordinal <> 1)
           OR a.gift_ordinal <> coalesce(p.gift_ordinal, 0) + (a.source = 'gift')::int
    ) THEN
        RAISE EXCEPTION 'a lot does not begin where the one before it ends'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
DRAW_IS_ONLY_SUPERSEDED = """
CREATE FUNCTION fund_draw_is_only_superseded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.superseded_at IS NOT NULL OR NEW.superseded_at IS NULL
        OR (NEW.id, NEW.fund_id, NEW.spending_line_id, NEW.start_fen, NEW.end_fen, NEW.drawn_at)
           IS DISTINCT FROM
           (OLD.id, OLD.fund_id, OLD.spending_line_id, OLD.start_fen, OLD.end_fen, OLD.drawn_at)
        OR NEW.unit_id IS DISTINCT FROM OLD.unit_id
    THEN
        RAISE EXCEPTION 'a draw is written once; it may be superseded, openly' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "fund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(), nullable=False),
        sa.Column("purpose", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('restricted', 'designated', 'reserve', 'general')",
            name=op.f("ck_fund_kind_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund")),
        sa.UniqueConstraint("code", name=op.f("uq_fund_code")),
    )
    op.create_table(
        "fund_lane",
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("end_fen", sa.BigInteger(), nullable=False),
        sa.Column("cursor_fen", sa.BigInteger(), nullable=False),
        sa.Column("drawn_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("reserved_fen", sa.BigInteger(), nullable=False),
        sa.Column("lots_count", sa.BigInteger(), nullable=False),
        sa.Column("gifts_count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= cursor_fen AND cursor_fen <= end_fen", name=op.f("ck_fund_lane_cursor_within")
        ),
        sa.CheckConstraint(
            "drawn_fen + refunded_fen + reserved_fen <= end_fen",
            name=op.f("ck_fund_lane_never_overspent"),
        ),
        sa.CheckConstraint(
            "reserved_fen >= 0 AND drawn_fen >= 0 AND refunded_fen >= 0",
            name=op.f("ck_fund_lane_not_negative"),
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_fund_lane_fund_id")),
        sa.PrimaryKeyConstraint("fund_id", name=op.f("pk_fund_lane")),
    )
    op.create_table(
        "fund_spending_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reserved_fen", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_fund_spending_line_amount_positive")),
        sa.CheckConstraint(
            "reserved_fen >= 0", name=op.f("ck_fund_spending_line_reserved_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["fund_id"], ["fund.id"], name=op.f("fk_fund_spending_line_fund_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_spending_line")),
        sa.UniqueConstraint("source_id", name=op.f("uq_fund_spending_line_source_id")),
    )
    op.create_index(
        "ix_fund_spending_line_fund", "fund_spending_line", ["fund_id", "id"], unique=False
    )
    op.create_table(
        "fund_draw",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("spending_line_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("start_fen", sa.BigInteger(), nullable=False),
        sa.Column("end_fen", sa.BigInteger(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("end_fen > start_fen", name=op.f("ck_fund_draw_not_empty")),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_fund_draw_fund_id")),
        sa.ForeignKeyConstraint(
            ["spending_line_id"],
            ["fund_spending_line.id"],
            name=op.f("fk_fund_draw_spending_line_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_draw")),
    )
    op.create_index("ix_fund_draw_line", "fund_draw", ["spending_line_id"], unique=False)
    op.create_index(
        "ix_fund_draw_unit",
        "fund_draw",
        ["unit_id"],
        unique=False,
        postgresql_where=sa.text("unit_id IS NOT NULL"),
    )
    op.create_index(
        "uq_fund_draw_active_start",
        "fund_draw",
        ["fund_id", "start_fen"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_table(
        "fund_lot",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("gift_ordinal", sa.BigInteger(), nullable=False),
        sa.Column("start_fen", sa.BigInteger(), nullable=False),
        sa.Column("end_fen", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("end_fen > start_fen", name=op.f("ck_fund_lot_not_empty")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_fund_lot_entry_id")
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_fund_lot_fund_id")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_fund_lot")),
        sa.UniqueConstraint("fund_id", "ordinal", name=op.f("uq_fund_lot_fund_id_ordinal")),
        sa.UniqueConstraint("fund_id", "start_fen", name=op.f("uq_fund_lot_fund_id_start_fen")),
    )
    op.create_index(
        "ix_fund_lot_other_sources",
        "fund_lot",
        ["fund_id", "start_fen"],
        unique=False,
        postgresql_where=sa.text("source <> 'gift'"),
    )
    op.create_table(
        "fund_lot_refund",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("start_fen", sa.BigInteger(), nullable=False),
        sa.Column("end_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("end_fen > start_fen", name=op.f("ck_fund_lot_refund_not_empty")),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.id"], name=op.f("fk_fund_lot_refund_fund_id")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["fund_lot.source_id"], name=op.f("fk_fund_lot_refund_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_lot_refund")),
        sa.UniqueConstraint(
            "fund_id", "start_fen", name=op.f("uq_fund_lot_refund_fund_id_start_fen")
        ),
    )
    op.create_index("ix_fund_lot_refund_source", "fund_lot_refund", ["source_id"], unique=False)
    op.execute(
        "ALTER TABLE fund_draw ADD CONSTRAINT no_fen_drawn_twice EXCLUDE USING gist "
        "(fund_id WITH =, int8range(start_fen, end_fen) WITH &&) WHERE (superseded_at IS NULL)"
    )
    op.execute(LOTS_LIE_END_TO_END)
    op.execute(
        "CREATE TRIGGER fund_lot_end_to_end AFTER INSERT ON fund_lot "
        "REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION fund_lots_lie_end_to_end()"
    )
    op.execute(DRAW_IS_ONLY_SUPERSEDED)
    op.execute(
        "CREATE TRIGGER fund_draw_superseded BEFORE UPDATE ON fund_draw "
        "FOR EACH ROW EXECUTE FUNCTION fund_draw_is_only_superseded()"
    )
    make_undeletable("fund_draw")
    make_append_only("fund_lot")
    make_append_only("fund_lot_refund")


def downgrade() -> None:
    op.drop_table("fund_lot_refund")
    op.drop_table("fund_lot")
    op.drop_table("fund_draw")
    op.drop_table("fund_spending_line")
    op.drop_table("fund_lane")
    op.drop_table("fund")
    op.execute("DROP FUNCTION fund_lots_lie_end_to_end")
    op.execute("DROP FUNCTION fund_draw_is_only_superseded")
