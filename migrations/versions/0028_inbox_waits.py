"""What a notice waits for that came before its payment, so that the payment wakes it."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_inbox", sa.Column("waits_for", sa.Text(), nullable=True))
    op.create_index(
        "ix_payment_inbox_waits_for",
        "payment_inbox",
        ["waits_for"],
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_payment_inbox_waits_for", "payment_inbox")
    op.drop_column("payment_inbox", "waits_for")
