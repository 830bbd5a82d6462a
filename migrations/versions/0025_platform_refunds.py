"""Refunds of a platform's gifts: what went back of an import, set off against payouts."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
CONSTRAINTS = (
    ("giving_import", "settled_within", "settled_fen <= amount_fen"),
    ("giving_payout_part", "amounts", "amount_fen <> 0 AND fee_fen >= 0"),
)
BEFORE = (
    ("giving_import", "settled_within", "0 <= settled_fen AND settled_fen <= amount_fen"),
    ("giving_payout_part", "amounts", "amount_fen > 0 AND fee_fen >= 0"),
)


def _change(constraints: tuple[tuple[str, str, str], ...], waiting: str) -> None:
    for table, name, rule in constraints:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    op.drop_index("ix_giving_import_waiting", "giving_import")
    op.create_index(
        "ix_giving_import_waiting",
        "giving_import",
        ["platform", "id"],
        postgresql_where=sa.text(waiting),
    )


def upgrade() -> None:
    column = sa.Column("returned_fen", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("giving_import", column)
    op.alter_column("giving_import", "returned_fen", server_default=None)
    op.create_check_constraint(
        op.f("ck_giving_import_returned_not_negative"), "giving_import", "returned_fen >= 0"
    )
    _change(CONSTRAINTS, "amount_fen - returned_fen <> settled_fen")


def downgrade() -> None:
    _change(BEFORE, "settled_fen < amount_fen")
    op.drop_column("giving_import", "returned_fen")
