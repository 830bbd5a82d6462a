"""Goods in kind: kinds, donations, stock, movements, and their own accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.helpers import make_undeletable

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
ACCOUNTS = (
    ("1201.02", "asset", "存货—受赠物资", "Goods given in kind"),
    ("4101.03", "income", "捐赠收入—实物", "Gifts in kind"),
    ("5101.02", "expense", "业务活动成本—物资发放", "Goods handed out"),
    ("5201.02", "expense", "管理费用—受赠物资损耗", "Goods in kind written off"),
)
TABLES = (
    "goods_place",
    "goods_kind",
    "goods_donation",
    "goods_item",
    "goods_stock",
    "goods_handover",
    "goods_movement",
)


def upgrade() -> None:
    op.create_table(
        "goods_kind",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", postgresql.JSONB(), nullable=False),
        sa.Column("unit", postgresql.JSONB(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.CheckConstraint("decimals BETWEEN 0 AND 3", name=op.f("ck_goods_kind_decimals_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_kind")),
    )
    op.create_table(
        "goods_place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_place")),
        sa.UniqueConstraint("name", name=op.f("uq_goods_place_name")),
    )
    op.create_table(
        "goods_handover",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("note_file_id", sa.Uuid(), nullable=False),
        sa.Column("handed_by", sa.Uuid(), nullable=False),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["handed_by"], ["account_user.id"], name=op.f("fk_goods_handover_handed_by")
        ),
        sa.ForeignKeyConstraint(
            ["kind_id"], ["goods_kind.id"], name=op.f("fk_goods_handover_kind_id")
        ),
        sa.ForeignKeyConstraint(
            ["note_file_id"], ["file.id"], name=op.f("fk_goods_handover_note_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_handover")),
        sa.UniqueConstraint("number", name=op.f("uq_goods_handover_number")),
    )
    op.create_table(
        "goods_donation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'confirmed') = (confirmed_by IS NOT NULL)",
            name=op.f("ck_goods_donation_confirmed_by_somebody"),
        ),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (reason <> '')",
            name=op.f("ck_goods_donation_withdrawn_has_reason"),
        ),
        sa.CheckConstraint(
            "state IN ('received', 'confirmed', 'withdrawn')",
            name=op.f("ck_goods_donation_state_known"),
        ),
        sa.CheckConstraint(
            "confirmed_by <> received_by", name=op.f("ck_goods_donation_two_people")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_goods_donation_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["account_user.id"], name=op.f("fk_goods_donation_confirmed_by")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["goods_place.id"], name=op.f("fk_goods_donation_place_id")
        ),
        sa.ForeignKeyConstraint(
            ["received_by"], ["account_user.id"], name=op.f("fk_goods_donation_received_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_donation")),
        sa.UniqueConstraint("number", name=op.f("uq_goods_donation_number")),
    )
    op.create_table(
        "goods_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("donation_id", sa.Uuid(), nullable=False),
        sa.Column("kind_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("value_fen", sa.BigInteger(), nullable=True),
        sa.Column("evidence_file_id", sa.Uuid(), nullable=True),
        sa.Column("left_quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("left_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN basis = 'none' THEN value_fen IS NULL AND left_fen = 0 "
            "ELSE value_fen IS NOT NULL AND value_fen > 0 AND evidence_file_id IS NOT NULL END",
            name=op.f("ck_goods_item_value_has_basis"),
        ),
        sa.CheckConstraint(
            "basis IN ('invoice', 'market_price', 'appraisal', 'none')",
            name=op.f("ck_goods_item_basis_known"),
        ),
        sa.CheckConstraint(
            "condition IN ('new', 'good', 'used')", name=op.f("ck_goods_item_condition_known")
        ),
        sa.CheckConstraint(
            "0 <= left_fen AND left_fen <= coalesce(value_fen, 0)",
            name=op.f("ck_goods_item_left_fen_within"),
        ),
        sa.CheckConstraint(
            "0 <= left_quantity AND left_quantity <= quantity",
            name=op.f("ck_goods_item_left_within"),
        ),
        sa.CheckConstraint(
            "left_quantity > 0 OR left_fen = 0",
            name=op.f("ck_goods_item_nothing_left_is_worth_nothing"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_goods_item_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["donation_id"], ["goods_donation.id"], name=op.f("fk_goods_item_donation_id")
        ),
        sa.ForeignKeyConstraint(
            ["evidence_file_id"], ["file.id"], name=op.f("fk_goods_item_evidence_file_id")
        ),
        sa.ForeignKeyConstraint(["kind_id"], ["goods_kind.id"], name=op.f("fk_goods_item_kind_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_item")),
    )
    op.create_index("ix_goods_item_donation", "goods_item", ["donation_id"], unique=False)
    op.create_index(
        "ix_goods_item_kind", "goods_item", ["kind_id", "expires_on", "id"], unique=False
    )
    op.create_table(
        "goods_movement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.Column("value_fen", sa.BigInteger(), nullable=False),
        sa.Column("from_place_id", sa.Uuid(), nullable=True),
        sa.Column("to_place_id", sa.Uuid(), nullable=True),
        sa.Column("handover_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'handed_out') = (handover_id IS NOT NULL)",
            name=op.f("ck_goods_movement_handed_out_with_note"),
        ),
        sa.CheckConstraint(
            "kind <> 'written_off' OR (approved_by IS NOT NULL AND reason <> '')",
            name=op.f("ck_goods_movement_written_off_by_two"),
        ),
        sa.CheckConstraint(
            "kind IN ('received', 'moved', 'handed_out', 'write_off_asked', 'written_off')",
            name=op.f("ck_goods_movement_kind_known"),
        ),
        sa.CheckConstraint("approved_by <> recorded_by", name=op.f("ck_goods_movement_two_people")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_goods_movement_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["account_user.id"], name=op.f("fk_goods_movement_approved_by")
        ),
        sa.ForeignKeyConstraint(
            ["from_place_id"], ["goods_place.id"], name=op.f("fk_goods_movement_from_place_id")
        ),
        sa.ForeignKeyConstraint(
            ["handover_id"], ["goods_handover.id"], name=op.f("fk_goods_movement_handover_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["goods_item.id"], name=op.f("fk_goods_movement_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account_user.id"], name=op.f("fk_goods_movement_recorded_by")
        ),
        sa.ForeignKeyConstraint(
            ["to_place_id"], ["goods_place.id"], name=op.f("fk_goods_movement_to_place_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_movement")),
    )
    op.create_index("ix_goods_movement_handover", "goods_movement", ["handover_id"], unique=False)
    op.create_index("ix_goods_movement_item", "goods_movement", ["item_id", "id"], unique=False)
    op.create_table(
        "goods_stock",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=14, scale=3), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_goods_stock_never_negative")),
        sa.ForeignKeyConstraint(
            ["item_id"], ["goods_item.id"], name=op.f("fk_goods_stock_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["goods_place.id"], name=op.f("fk_goods_stock_place_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "place_id", name=op.f("pk_goods_stock")),
    )
    for table in TABLES:
        make_undeletable(table)
    accounts = sa.table(
        "ledger_account",
        sa.column("code"),
        sa.column("name", postgresql.JSONB()),
        sa.column("type"),
    )
    op.bulk_insert(
        accounts,
        [
            {"code": code, "type": kind, "name": {"zh": zh, "en": en}}
            for code, kind, zh, en in ACCOUNTS
        ],
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute(
        "DELETE FROM ledger_account WHERE code IN ('1201.02', '4101.03', '5101.02', '5201.02')"
    )
