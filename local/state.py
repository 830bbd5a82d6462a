"""What a database already holds, asked directly: a later start needs no command to learn that all is done."""

import runpy
from pathlib import Path

import psycopg

from fundraising import revisions

ROOT = Path(__file__).resolve().parent.parent


def is_current(url: str) -> bool:
    """Whether the schema is at the newest migration of this checkout."""
    return _first(url, "SELECT version_num FROM alembic_version") == revisions.newest()


def demo_accounts() -> list[str]:
    """Return the sign-ins of the demonstration's staff, without starting the application."""
    facts = runpy.run_path(str(ROOT / "fundraising" / "demo" / "__init__.py"))
    return [f"{email}  {facts['PASSWORD']}  {role}" for email, role, _name in facts["STAFF"]]


def trouble(url: str) -> str:
    """Say in a line why a database cannot be reached; nothing when it answers."""
    try:
        psycopg.connect(_plain(url), connect_timeout=5).close()
    except psycopg.Error as refused:
        return str(refused).strip().splitlines()[0]
    return ""


def has_campaign(url: str) -> bool:
    """Whether there is a campaign, of the demonstration or another."""
    return bool(_first(url, "SELECT EXISTS (SELECT FROM campaign)"))


def _first(url: str, query: str) -> object:
    try:
        with psycopg.connect(_plain(url), connect_timeout=5) as connection:
            row = connection.execute(query.encode()).fetchone()
    except psycopg.Error:
        return None
    return row[0] if row else None


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
