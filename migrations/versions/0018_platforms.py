"""Other platforms: their accounts in the chart, saved mappings, files looked at and booked, payouts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.helpers import make_append_only

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NUMBERS = ("planned_count", "unpaid_count", "refund_count", "error_count")
FEN = ("planned_fen", "fee_fen", "refund_fen", "settled_fen")


def upgrade() -> None:
    op.add_column("ledger_account", sa.Column("channel", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_ledger_account_channel"), "ledger_account", ["channel"])
    op.execute(
        "INSERT INTO ledger_account (code, type, name, channel) VALUES ('1009.21', 'asset', "
        """'{"zh": "其他货币资金—腾讯公益", "en": "Clearing: Tencent Charity"}', 'tencent')"""
    )
    _platforms()
    _imports()
    _payouts()


def _platforms() -> None:
    op.create_table(
        "payment_platform",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "code ~ '^[a-z][a-z0-9_]{1,30}$'", name=op.f("ck_payment_platform_code_form")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_payment_platform")),
    )
    op.execute(
        "INSERT INTO payment_platform (code, name, created_at) VALUES "
        """('gongyibao', '{"zh": "公益宝", "en": "Gongyibao"}', now()), """
        """('tencent', '{"zh": "腾讯公益", "en": "Tencent Charity"}', now())"""
    )
    op.create_table(
        "payment_platform_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "version > 0", name=op.f("ck_payment_platform_mapping_version_positive")
        ),
        sa.ForeignKeyConstraint(
            ["platform"],
            ["payment_platform.code"],
            name=op.f("fk_payment_platform_mapping_platform"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_platform_mapping")),
        sa.UniqueConstraint(
            "platform",
            "name",
            "version",
            name=op.f("uq_payment_platform_mapping_platform_name_version"),
        ),
    )
    make_append_only("payment_platform_mapping")


def _imports() -> None:
    with op.batch_alter_table("giving_import") as table:
        table.add_column(sa.Column("file_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("mapping", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("state", sa.Text(), nullable=False, server_default="done"))
        for name in NUMBERS:
            table.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in FEN:
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(
            sa.Column(
                "progressed_at",
                sa.DateTime(timezone=True),
                nullable=False,
                server_default=sa.func.now(),
            )
        )
        table.add_column(sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE giving_import SET planned_count = new_count, planned_fen = amount_fen, "
        "finished_at = imported_at"
    )
    for name in ("mapping", "state", *NUMBERS, *FEN, "progressed_at"):
        op.alter_column("giving_import", name, server_default=None)
    op.create_foreign_key(
        op.f("fk_giving_import_file_id"), "giving_import", "file", ["file_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_giving_import_state_known"),
        "giving_import",
        "state IN ('looking', 'unreadable', 'unmapped', 'refused', 'ready', 'booking', 'done')",
    )
    op.create_check_constraint(
        op.f("ck_giving_import_settled_within"),
        "giving_import",
        "0 <= settled_fen AND settled_fen <= amount_fen",
    )
    op.create_index(
        "uq_giving_import_file",
        "giving_import",
        ["campaign_id", "platform", "sha256", "mapping"],
        unique=True,
        postgresql_where=sa.text("file_id IS NOT NULL"),
    )
    op.create_index(
        "ix_giving_import_waiting",
        "giving_import",
        ["platform", "id"],
        postgresql_where=sa.text("settled_fen < amount_fen"),
    )
    op.create_table(
        "giving_import_line",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("gift_id", sa.Uuid(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("fee_fen >= 0", name=op.f("ck_giving_import_line_fee_not_negative")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["giving_import.id"], name=op.f("fk_giving_import_line_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_giving_import_line_gift_id")
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_giving_import_line")),
        sa.UniqueConstraint("gift_id", name=op.f("uq_giving_import_line_gift_id")),
    )


def _payouts() -> None:
    op.create_table(
        "giving_payout",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("bank_line_id", sa.Uuid(), nullable=False),
        sa.Column("net_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("net_fen > 0 AND fee_fen >= 0", name=op.f("ck_giving_payout_amounts")),
        sa.ForeignKeyConstraint(
            ["bank_line_id"], ["payment_bank_line.id"], name=op.f("fk_giving_payout_bank_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_giving_payout_entry_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_payout")),
        sa.UniqueConstraint("bank_line_id", name=op.f("uq_giving_payout_bank_line_id")),
    )
    op.create_index("ix_giving_payout_platform", "giving_payout", ["platform", "id"])
    op.create_table(
        "giving_payout_part",
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_entry_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "amount_fen > 0 AND fee_fen >= 0", name=op.f("ck_giving_payout_part_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["giving_payout.id"], name=op.f("fk_giving_payout_part_payout_id")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["giving_import.id"], name=op.f("fk_giving_payout_part_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["fee_entry_id"], ["ledger_entry.id"], name=op.f("fk_giving_payout_part_fee_entry_id")
        ),
        sa.PrimaryKeyConstraint("payout_id", "import_id", name=op.f("pk_giving_payout_part")),
    )
    op.create_index("ix_giving_payout_part_import", "giving_payout_part", ["import_id"])
    make_append_only("giving_payout")
    make_append_only("giving_payout_part")


def downgrade() -> None:
    op.drop_table("giving_payout_part")
    op.drop_table("giving_payout")
    op.drop_table("giving_import_line")
    op.drop_index("ix_giving_import_waiting", "giving_import")
    op.drop_index("uq_giving_import_file", "giving_import")
    for name in ("file_id", "mapping", "state", *NUMBERS, *FEN, "progressed_at", "finished_at"):
        op.drop_column("giving_import", name)
    op.drop_table("payment_platform_mapping")
    op.drop_table("payment_platform")
    op.execute("DELETE FROM ledger_account WHERE channel IS NOT NULL")
    op.drop_column("ledger_account", "channel")
