"""Agreements at Alipay for monthly gifts."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _let_be(", 'alipay'")


def downgrade() -> None:
    _let_be("")


def _let_be(more: str) -> None:
    known = {
        ("mandate", "ck_mandate_way_known"): f"way IN ('reminder', 'stripe', 'wechatpay'{more})",
        (
            "mandate_period",
            "ck_mandate_period_charge_way_known",
        ): f"charge_way IN ('stripe', 'wechatpay'{more})",
        ("mandate_contract", "ck_mandate_contract_way_known"): f"way IN ('wechatpay'{more})",
    }
    for (table, name), condition in known.items():
        op.drop_constraint(op.f(name), table)
        op.create_check_constraint(op.f(name), table, condition)
