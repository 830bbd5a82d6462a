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
        sa.Column("instructor", sa.Text(), nullable=False),
        sa.Column("cost_fen", sa.BigInteger(), nullable=True),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("bank_reference", sa.Text(), nullable=False),
        sa.Column("spending_line_id", sa.Uuid(), nullable=True),
        sa.Column("evidence_file_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("cost_fen > 0", name=op.f("ck_training_session_cost_positive")),
        sa.CheckConstraint(
            "cost_fen IS NULL OR (paid_on IS NOT NULL AND bank_reference <> '')",
            name=op.f("ck_training_session_cost_has_payment"),
        ),
        sa.CheckConstraint(
            "(confirmed_by IS NULL) = (confirmed_at IS NULL)",
            name=op.f("ck_training_session_confirmed_at_with_person"),
        ),
        sa.ForeignKeyConstraint(
            ["spending_line_id"],
            ["fund_spending_line.id"],
            name=op.f("fk_training_session_spending_line_id"),
        ),
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
