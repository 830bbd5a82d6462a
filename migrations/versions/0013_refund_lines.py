"""Find the refunds of a bill by their number."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_payment_bill_line_refund",
        "payment_bill_line",
        ["ref"],
        postgresql_where=sa.text("kind = 'refund'"),
    )


def downgrade() -> None:
    op.drop_index("ix_payment_bill_line_refund", "payment_bill_line")
