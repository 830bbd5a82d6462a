"""Which roads a pledge counts: gifts online, by transfer, in cash, by cheque, through another platform."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
ALL = "{online,bank,cash,cheque,platform}"


def upgrade() -> None:
    op.add_column(
        "matching_pledge",
        sa.Column("roads", postgresql.ARRAY(sa.Text()), nullable=False, server_default=ALL),
    )
    op.alter_column("matching_pledge", "roads", server_default=None)
    op.create_check_constraint(
        op.f("ck_matching_pledge_roads_known"),
        "matching_pledge",
        "cardinality(roads) > 0 AND roads <@ ARRAY['online', 'bank', 'cash', 'cheque', 'platform']",
    )


def downgrade() -> None:
    op.drop_column("matching_pledge", "roads")
