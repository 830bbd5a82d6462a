"""How many gifts of a fund went back whole: they are no gifts received any more."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "fund_lane",
        sa.Column("gifts_gone", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.execute(
        "UPDATE fund_lane l SET gifts_gone = g.gone FROM (SELECT fund_id, count(*) AS gone "
        "FROM giving_gift WHERE state = 'refunded' GROUP BY fund_id) AS g WHERE g.fund_id = l.fund_id"
    )
    op.create_check_constraint(
        op.f("ck_fund_lane_gone_within"),
        "fund_lane",
        "0 <= gifts_gone AND gifts_gone <= gifts_count",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_fund_lane_gone_within"), "fund_lane")
    op.drop_column("fund_lane", "gifts_gone")
