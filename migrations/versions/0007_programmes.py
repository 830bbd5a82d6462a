"""Training sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "training_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("title", postgresql.JSONB(), nullable=False),
        sa.Column("place", postgresql.JSONB(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("people_trained", sa.Integer(), nullable=False),
        sa.Column("evidence_file_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "confirmed_by <> recorded_by", name=op.f("ck_training_session_two_people")
        ),
        sa.CheckConstraint("people_trained > 0", name=op.f("ck_training_session_somebody_trained")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_training_session_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["account_user.id"], name=op.f("fk_training_session_confirmed_by")
        ),
        sa.ForeignKeyConstraint(
            ["evidence_file_id"], ["file.id"], name=op.f("fk_training_session_evidence_file_id")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account_user.id"], name=op.f("fk_training_session_recorded_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_session")),
    )
    op.create_index(
        "ix_training_session_campaign", "training_session", ["campaign_id", "held_on"], unique=False
    )


def downgrade() -> None:
    op.drop_table("training_session")
