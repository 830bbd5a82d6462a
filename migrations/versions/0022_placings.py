"""What people say money from the bank is that nobody could place: one proposes, another books."""

import sqlalchemy as sa
from alembic import op

from migrations.helpers import make_undeletable

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
TABLE = "giving_placing"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bank_line_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gift_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'booked', 'withdrawn')",
            name=op.f("ck_giving_placing_state_known"),
        ),
        sa.CheckConstraint(
            "state <> 'booked' OR (decided_by <> proposed_by AND gift_id IS NOT NULL)",
            name=op.f("ck_giving_placing_two_people"),
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_giving_placing_decided")
        ),
        sa.ForeignKeyConstraint(
            ["bank_line_id"], ["payment_bank_line.id"], name=op.f("fk_giving_placing_bank_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_giving_placing_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_giving_placing_gift_id")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["account_user.id"], name=op.f("fk_giving_placing_proposed_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["account_user.id"], name=op.f("fk_giving_placing_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_giving_placing")),
    )
    op.create_index(
        "uq_giving_placing_line",
        TABLE,
        ["bank_line_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'withdrawn'"),
    )
    make_undeletable(TABLE)


def downgrade() -> None:
    op.drop_table(TABLE)
