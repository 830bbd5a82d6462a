"""What a database already holds, asked directly: a later start needs no command to learn that all is done."""

import runpy
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from fundraising import revisions

REDIS_SECONDS = 2.0
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


def redis_trouble(url: str) -> str:
    """Say in a line that nothing answers where Redis should. What it answers is no matter: it may want a password."""
    at = urlsplit(url)
    if at.scheme != "redis":
        return ""
    try:
        place = (at.hostname or "127.0.0.1", at.port or 6379)
        with socket.create_connection(place, timeout=REDIS_SECONDS) as line:
            line.sendall(b"PING\r\n")
            return "" if line.recv(1) else "it hangs up"
    except OSError as away:
        return str(away)


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
