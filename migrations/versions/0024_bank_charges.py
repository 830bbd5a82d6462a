"""Accounts for what the bank charges and for the interest it pays."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO ledger_account (code, name, type) VALUES "
        """('5201.03', '{"zh": "管理费用—银行手续费", "en": "Bank charges"}', 'expense'), """
        """('5301.01', '{"zh": "筹资费用—利息收入（冲减）", "en": "Bank interest, lowering fundraising costs"}', """
        "'expense')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM ledger_account WHERE code IN ('5201.03', '5301.01')")
