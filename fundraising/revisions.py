"""Which revision of the schema the code wants and a database has, asked without the tools that change it.

Whoever serves or works loads no migration tool: that would be a tenth of what a start takes.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_REVISION = re.compile(r'^revision = "(\w+)"', re.MULTILINE)


@cache
def newest() -> str:
    """Return the revision of the newest migration: they are numbered, in one chain."""
    last = max((MIGRATIONS / "versions").glob("[0-9]*.py"))
    found = _REVISION.search(last.read_text())
    return found.group(1) if found else ""


def current(connection: "Connection") -> str:
    """Return the revision the database is at, empty when it never was migrated."""
    if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
        return ""
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or ""
