"""The door for notices: a good one is checked, kept and answered before Flask begins.

On a giving day notices come by the hundred a second, and Flask with its sessions, users and forms is most
of what taking one costs, and the disk most of the rest: those that wait at one moment are kept by one commit.
Whatever is not plainly good (forged, too large, unreadable, the database away) goes the long way, to the
route, which says why. The answers are the same.
"""

import asyncio
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

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
PATIENCE = 3.0
RING = ("SELECT pg_notify(%s, %s)", (outbox.CHANNEL, Queue.MONEY))
Asked = tuple["WSGIEnvironment", bytes]
"""A request's head and its whole body."""
Said = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body of an answer."""
log = structlog.get_logger(__name__)


class NoticeDoor:
    """WSGI middleware in front of an application: keeps good notices, lets everything else in.

    Behind the front (``fundraising/front``) it is asked for several at once before.
    """

    def __init__(self, app: Flask) -> None:
        self.inner: WSGIApplication = app.wsgi_app
        with app.app_context():
            self.store, self.shelf = Store(db.engine), Shelf(db.engine)
        providers: dict[str, Provider] = app.extensions["providers"]
        self.adapters = {
            f"/payments/{name}/notify": adapter
            for name, adapter in providers.items()
            if adapter.largest_notice
        }

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a good notice, or let Flask answer."""
        adapter = self._adapter(environ)
        if adapter is None:
            return self.inner(environ, start)
        raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if not self._is_kept(adapter, environ, raw):
            environ["wsgi.input"] = io.BytesIO(raw)
            return self.inner(environ, start)
        status, head, body = _said(adapter)
        start(f"{status} {HTTP_STATUS_CODES[status]}", head)
        return [body] if body else []

    def is_for(self, environ: "WSGIEnvironment") -> bool:
        """Whether this may be a notice."""
        return self._adapter(environ) is not None

    async def take(self, asked: Sequence[Asked]) -> list[Said | None]:
        """Keep notices that are good and new with one commit; None is said to the others, which go on."""
        now = clock.now()
        known: dict[tuple[str, str, str], tuple[int, Provider]] = {}
        good: list[Envelope] = []
        answers: list[Said | None] = [None] * len(asked)
        for place, (environ, raw) in enumerate(asked):
            adapter = self._adapter(environ)
            envelope = adapter and _authentic(adapter, environ, raw, now)
            if adapter and envelope and inbox.number(envelope) not in known:
                known[inbox.number(envelope)] = place, adapter
                good.append(envelope)
        for number in await self._kept(good):
            place, adapter = known[number]
            answers[place] = _said(adapter)
        return answers

    def _adapter(self, environ: "WSGIEnvironment") -> Provider | None:
        """Return whose notice this may be, by its address and length."""
        adapter = self.adapters.get(environ.get("PATH_INFO", "").rstrip("/"))
        length = environ.get("CONTENT_LENGTH") or ""
        is_notice = environ["REQUEST_METHOD"] == "POST" and length.isdecimal()
        return adapter if adapter and is_notice and int(length) <= adapter.largest_notice else None

    def _is_kept(self, adapter: Provider, environ: "WSGIEnvironment", raw: bytes) -> bool:
        envelope = _authentic(adapter, environ, raw, clock.now())
        if envelope is None:
            return False
        try:
            self.store.put(envelope)
        except (psycopg.Error, SQLAlchemyError) as away:
            log.warning("door_shut", provider=adapter.name, error=type(away).__name__)
            return False
        return True

    async def _kept(self, good: Sequence[Envelope]) -> Iterable[tuple[str, str, str]]:
        try:
            return await self.shelf.put_new(good) if good else []
        except psycopg.Error as away:
            log.warning("door_shut", notices=len(good), error=type(away).__name__)
            return []


class Store:
    """Keeps a notice with one statement that PostgreSQL commits by itself, on connections of the pool."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.statement = str(inbox.PUT.compile(dialect=engine.dialect)).encode()

    def put(self, envelope: Envelope) -> None:
        """Keep a notice, and ring."""
        kept = inbox.values(envelope)
        with self._connection() as connection:
            known = connection.execute(self.statement, kept).fetchone()
            if known is None or known[0] != kept["sha256"]:
                connection.execute(self.statement, inbox.as_copy(kept))
            if inbox.BELL.is_due():
                connection.execute(*RING)

    @contextmanager
    def _connection(self) -> Iterator["psycopg.Connection[Any]"]:
        """Lend a connection that commits by itself. What goes wrong on it ends it."""
        pooled = self.engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert isinstance(connection, psycopg.Connection)
            connection.autocommit = True
            yield connection
            connection.autocommit = False
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            pooled.close()


class Shelf:
    """Keeps several notices with one commit, on one connection of its own that the server's loop awaits."""

    def __init__(self, engine: Engine) -> None:
        self.address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.statement = str(inbox.PUT_NEW.compile(dialect=engine.dialect)).encode()
        self.connection: psycopg.AsyncConnection[Any] | None = None

    async def put_new(self, envelopes: Sequence[Envelope]) -> list[tuple[str, str, str]]:
        """Keep notices of different numbers, and ring; return the numbers of those that were new.

        Raises:
            psycopg.Error: the database is away or did not answer in time; they may be kept all the same.
        """
        if self.connection is None:
            self.connection = await psycopg.AsyncConnection.connect(
                self.address, autocommit=True, connect_timeout=int(PATIENCE)
            )
        keeping = asyncio.create_task(self._put_new(self.connection, envelopes))
        done, _ = await asyncio.wait([keeping], timeout=PATIENCE)
        try:
            if not done:
                raise psycopg.OperationalError("no answer in time")
            return keeping.result()
        except BaseException:
            self.connection.pgconn.finish()  # at once: to ask it to stop could hang as well
            self.connection = None
            keeping.cancel()
            raise

    async def _put_new(
        self, connection: "psycopg.AsyncConnection[Any]", envelopes: Sequence[Envelope]
    ) -> list[tuple[str, str, str]]:
        cursor = await connection.execute(self.statement, inbox.values_of_all(envelopes))
        new = await cursor.fetchall()
        if inbox.BELL.is_due():
            await connection.execute(*RING)
        return new


def _authentic(
    adapter: Provider, environ: "WSGIEnvironment", raw: bytes, now: datetime
) -> Envelope | None:
    """Return a good notice that the door keeps; of an agreement the route writes a question beside it."""
    try:
        envelope = adapter.authenticate(_headers(environ), raw, now)
    except (Rejected, Undecryptable, Unparsable):
        return None
    return None if envelope.contract else envelope


def _said(adapter: Provider) -> Said:
    said = adapter.reply(KEPT)
    body = said.body.encode()
    head = [("Content-Type", said.mimetype), ("Content-Length", str(len(body)))]
    return said.status, head if body else [], body


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    """Return the request's headers as the route reads them: overlong ones left out."""
    return {
        name[5:].replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and len(value) <= LONGEST_HEADER
    }
