"""Monthly gifts charged to saved cards."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mandate", sa.Column("wished_way", sa.Text(), nullable=True))
    op.add_column("mandate", sa.Column("payer_ref", sa.Text(), nullable=True))
    op.add_column("mandate", sa.Column("means_ref", sa.Text(), nullable=True))
    op.execute("UPDATE mandate SET wished_way = way")
    op.alter_column("mandate", "wished_way", nullable=False)
    op.drop_constraint(op.f("ck_mandate_way_known"), "mandate")
    op.create_check_constraint(
        op.f("ck_mandate_way_known"), "mandate", "way IN ('reminder', 'stripe')"
    )
    op.create_check_constraint(
        op.f("ck_mandate_wished_way_known"), "mandate", "wished_way IN ('reminder', 'stripe')"
    )
    op.create_check_constraint(
        op.f("ck_mandate_charged_has_contract"),
        "mandate",
        "way = 'reminder' OR (payer_ref IS NOT NULL AND means_ref IS NOT NULL)",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_mandate_charged_has_contract"), "mandate")
    op.drop_constraint(op.f("ck_mandate_wished_way_known"), "mandate")
    op.drop_constraint(op.f("ck_mandate_way_known"), "mandate")
    op.create_check_constraint(op.f("ck_mandate_way_known"), "mandate", "way IN ('reminder')")
    for column in ("wished_way", "payer_ref", "means_ref"):
        op.drop_column("mandate", column)
