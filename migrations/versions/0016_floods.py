"""Checkouts of the last day by browser, address and campaign; puzzles that were used."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flood_checkout",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("device_key", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["payment_attempt.id"], name=op.f("fk_flood_checkout_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_flood_checkout_campaign_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_flood_checkout")),
    )
    op.create_index("ix_flood_checkout_address", "flood_checkout", ["address_key", "at"])
    op.create_index("ix_flood_checkout_device", "flood_checkout", ["device_key", "at"])
    op.create_index("ix_flood_checkout_campaign", "flood_checkout", ["campaign_id", "at"])
    op.create_index("ix_flood_checkout_at", "flood_checkout", ["at"])
    op.create_table(
        "flood_spent_puzzle",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_flood_spent_puzzle")),
    )
    op.create_index(op.f("ix_flood_spent_puzzle_expires_at"), "flood_spent_puzzle", ["expires_at"])


def downgrade() -> None:
    op.drop_table("flood_spent_puzzle")
    op.drop_table("flood_checkout")
