"""Mandates of monthly givers, and their months."""

import sqlalchemy as sa
from alembic import op

from migrations.helpers import make_undeletable

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
MUST_STAND = """
CREATE FUNCTION mandate_must_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.gift_id IS NOT DISTINCT FROM OLD.gift_id
       AND (NEW.asked_at IS NULL OR NEW.asked_at IS NOT DISTINCT FROM OLD.asked_at) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.gift_id IS NOT NULL AND NEW.gift_id IS DISTINCT FROM OLD.gift_id THEN
        RAISE EXCEPTION 'a month keeps its gift' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM mandate WHERE id = NEW.mandate_id AND state IN ('pending', 'active') FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a mandate that rests or has ended is asked for nothing' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "mandate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("next_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("receipt_rule", sa.Text(), nullable=False),
        sa.Column("wants_fiscal_receipt", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_mandate_amount_positive")),
        sa.CheckConstraint("day BETWEEN 1 AND 31", name=op.f("ck_mandate_day_of_month")),
        sa.CheckConstraint(
            "state IN ('pending', 'active', 'paused', 'ended')", name=op.f("ck_mandate_state_known")
        ),
        sa.CheckConstraint("way IN ('reminder')", name=op.f("ck_mandate_way_known")),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_mandate_ended_has_time")
        ),
        sa.CheckConstraint(
            "(state IN ('paused', 'ended')) = (reason IS NOT NULL)",
            name=op.f("ck_mandate_rest_has_reason"),
        ),
        sa.CheckConstraint(
            "display IN ('anonymous', 'masked', 'full')", name=op.f("ck_mandate_display_known")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_mandate_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate")),
        sa.UniqueConstraint("ref", name=op.f("uq_mandate_ref")),
        sa.UniqueConstraint("token", name=op.f("uq_mandate_token")),
    )
    op.create_index(
        "ix_mandate_due", "mandate", ["next_on"], postgresql_where=sa.text("state = 'active'")
    )
    op.create_index(
        "ix_mandate_pending",
        "mandate",
        ["created_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_mandate_campaign", "mandate", ["campaign_id", "state"])
    op.create_index("ix_mandate_state", "mandate", ["state", "id"])
    op.create_index(op.f("ix_mandate_email_key"), "mandate", ["email_key"])
    _create_periods()
    for table in ("mandate", "mandate_period"):
        make_undeletable(table)
    op.execute(MUST_STAND)
    op.execute(
        "CREATE TRIGGER mandate_period_must_stand BEFORE UPDATE ON mandate_period "
        "FOR EACH ROW EXECUTE FUNCTION mandate_must_stand()"
    )


def _create_periods() -> None:
    op.create_table(
        "mandate_period",
        sa.Column("mandate_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gift_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'", name=op.f("ck_mandate_period_period_is_month")
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_mandate_period_amount_positive")),
        sa.CheckConstraint(
            "state IN ('announced', 'asked', 'paid', 'failed', 'skipped')",
            name=op.f("ck_mandate_period_state_known"),
        ),
        sa.CheckConstraint(
            "asked_at >= not_before", name=op.f("ck_mandate_period_notice_before_asking")
        ),
        sa.CheckConstraint(
            "state <> 'paid' OR gift_id IS NOT NULL", name=op.f("ck_mandate_period_paid_has_gift")
        ),
        sa.ForeignKeyConstraint(
            ["gift_id"], ["giving_gift.id"], name=op.f("fk_mandate_period_gift_id")
        ),
        sa.ForeignKeyConstraint(
            ["mandate_id"], ["mandate.id"], name=op.f("fk_mandate_period_mandate_id")
        ),
        sa.PrimaryKeyConstraint("mandate_id", "period", name=op.f("pk_mandate_period")),
        sa.UniqueConstraint("gift_id", name=op.f("uq_mandate_period_gift_id")),
    )
    op.create_index(
        "ix_mandate_period_open",
        "mandate_period",
        ["due_on"],
        postgresql_where=sa.text("state IN ('announced', 'asked')"),
    )
    op.create_index(
        "ix_mandate_period_unpaid_gift",
        "mandate_period",
        ["gift_id"],
        postgresql_where=sa.text("state <> 'paid' AND gift_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("mandate_period")
    op.drop_table("mandate")
    op.execute("DROP FUNCTION mandate_must_stand()")
