"""The currency of a bill's line that is not in yuan."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payment_bill_line", sa.Column("currency", sa.Text(), server_default="", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("payment_bill_line", "currency")
