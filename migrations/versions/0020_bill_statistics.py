"""Let reconciliation gather statistics of the lines it copied, and find the facts of a day."""

import sqlalchemy as sa
from alembic import context, op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    app = context.config.attributes["app_role"]
    op.execute(sa.text(f'GRANT MAINTAIN ON TABLE payment_bill_line, payment_fact TO "{app}"'))
    op.create_index(
        "ix_payment_fact_occurred", "payment_fact", ["occurred_at"], postgresql_using="brin"
    )


def downgrade() -> None:
    op.drop_index("ix_payment_fact_occurred", "payment_fact")
    app = context.config.attributes["app_role"]
    op.execute(sa.text(f'REVOKE MAINTAIN ON TABLE payment_bill_line, payment_fact FROM "{app}"'))
