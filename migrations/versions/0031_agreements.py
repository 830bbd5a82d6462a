"""Agreements that donors sign at a provider for their monthly gifts."""

import sqlalchemy as sa
from alembic import op

from migrations.helpers import make_undeletable

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mandate_contract",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mandate_id", sa.Uuid(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.CheckConstraint("way IN ('wechatpay')", name=op.f("ck_mandate_contract_way_known")),
        sa.CheckConstraint(
            "state IN ('asked', 'standing', 'refused', 'ended')",
            name=op.f("ck_mandate_contract_state_known"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_mandate_contract_amount_positive")),
        sa.CheckConstraint(
            "state <> 'standing' OR number IS NOT NULL",
            name=op.f("ck_mandate_contract_standing_has_number"),
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)",
            name=op.f("ck_mandate_contract_ended_has_time"),
        ),
        sa.ForeignKeyConstraint(
            ["mandate_id"], ["mandate.id"], name=op.f("fk_mandate_contract_mandate_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_contract")),
        sa.UniqueConstraint("code", name=op.f("uq_mandate_contract_code")),
    )
    op.create_index(
        "uq_mandate_contract_standing",
        "mandate_contract",
        ["mandate_id"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
    )
    op.create_index("ix_mandate_contract_mandate", "mandate_contract", ["mandate_id"])
    op.create_index(
        "ix_mandate_contract_look",
        "mandate_contract",
        ["look_at"],
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )
    make_undeletable("mandate_contract")
    op.add_column("mandate_period", sa.Column("charge_way", sa.Text(), nullable=True))
    op.add_column("mandate_period", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE mandate_period p SET charge_way = m.way FROM mandate m WHERE m.id = p.mandate_id "
        "AND m.way <> 'reminder' AND p.state IN ('announced', 'asked')"
    )
    op.create_check_constraint(
        op.f("ck_mandate_period_charge_way_known"),
        "mandate_period",
        "charge_way IN ('stripe', 'wechatpay')",
    )
    _let_ways_be("'reminder', 'stripe', 'wechatpay'")


def downgrade() -> None:
    _let_ways_be("'reminder', 'stripe'")
    op.drop_constraint(op.f("ck_mandate_period_charge_way_known"), "mandate_period")
    for column in ("charge_way", "told_at"):
        op.drop_column("mandate_period", column)
    op.drop_table("mandate_contract")


def _let_ways_be(known: str) -> None:
    op.drop_constraint(op.f("ck_mandate_way_known"), "mandate")
    op.create_check_constraint(op.f("ck_mandate_way_known"), "mandate", f"way IN ({known})")
