"""``make db-new``: writes the frame of the next migration."""

import re
import sys

from fundraising import revisions, schema

FRAME = '''"""{message}."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.text("SELECT 1"))


def downgrade() -> None:
    op.execute(sa.text("SELECT 1"))
'''

if __name__ == "__main__":
    number, message = sys.argv[1], sys.argv[2]
    name = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    target = revisions.MIGRATIONS / "versions" / f"{number}_{name}.py"
    target.write_text(FRAME.format(number=number, message=message, before=schema.head()))
    print(target)
