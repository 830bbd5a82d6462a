"""The door for notices: a good one is checked, kept and answered before Flask begins.

On a giving day notices come by the hundred a second, and Flask with its sessions, users and forms is most
of what taking one costs. Whatever is not plainly good (forged, too large, unreadable, the database away)
goes the long way, to the route, which says why. The answers are the same.
"""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import psycopg
import structlog
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import HTTP_STATUS_CODES

from fundraising import clock
from fundraising.database import db
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Queue
from fundraising.payments import inbox
from fundraising.payments.providers.base import (
    Envelope,
    Provider,
    Rejected,
    Undecryptable,
    Unparsable,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_HEADER = 4096
KEPT = 204
log = structlog.get_logger(__name__)


class NoticeDoor:
    """WSGI middleware in front of an application: keeps good notices, lets everything else in."""

    def __init__(self, app: Flask) -> None:
        self.inner: WSGIApplication = app.wsgi_app
        with app.app_context():
            self.store = Store(db.engine)
        providers: dict[str, Provider] = app.extensions["providers"]
        self.adapters = {
            f"/payments/{name}/notify": adapter
            for name, adapter in providers.items()
            if adapter.largest_notice
        }

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a good notice, or let Flask answer."""
        adapter = self.adapters.get(environ.get("PATH_INFO", "").rstrip("/"))
        if adapter is None or environ["REQUEST_METHOD"] != "POST":
            return self.inner(environ, start)
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) > adapter.largest_notice:
            return self.inner(environ, start)
        raw = environ["wsgi.input"].read(int(length))
        if not self._is_kept(adapter, environ, raw):
            environ["wsgi.input"] = io.BytesIO(raw)
            return self.inner(environ, start)
        said = adapter.reply(KEPT)
        body = said.body.encode()
        head = [("Content-Type", said.mimetype), ("Content-Length", str(len(body)))]
        start(f"{said.status} {HTTP_STATUS_CODES[said.status]}", head if body else [])
        return [body] if body else []

    def _is_kept(self, adapter: Provider, environ: "WSGIEnvironment", raw: bytes) -> bool:
        try:
            envelope = adapter.authenticate(_headers(environ), raw, clock.now())
        except (Rejected, Undecryptable, Unparsable):
            return False
        try:
            self.store.put(envelope)
        except (psycopg.Error, SQLAlchemyError) as away:
            log.warning("door_shut", provider=adapter.name, error=type(away).__name__)
            return False
        return True


class Store:
    """Keeps notices with one statement that PostgreSQL commits by itself, on connections of the pool."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.statement = str(inbox.PUT.compile(dialect=engine.dialect)).encode()

    def put(self, envelope: Envelope) -> None:
        """Keep a notice, and ring. What went wrong on a connection ends the connection."""
        pooled = self.engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert isinstance(connection, psycopg.Connection)
            connection.autocommit = True
            kept = inbox.values(envelope)
            known = connection.execute(self.statement, kept).fetchone()
            if known is None or known[0] != kept["sha256"]:
                connection.execute(self.statement, inbox.as_copy(kept))
            if inbox.BELL.is_due():
                connection.execute("SELECT pg_notify(%s, %s)", (outbox.CHANNEL, Queue.MONEY))
            connection.autocommit = False
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            pooled.close()


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    """Return the request's headers as the route reads them: overlong ones left out."""
    return {
        name[5:].replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and len(value) <= LONGEST_HEADER
    }
