"""What every test stands on: one PostgreSQL, a database per worker, a transaction per test."""

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import event, text
from sqlalchemy.orm import Session

import config
from fundraising import clock, schema
from fundraising.app import create_app
from fundraising.database import BoundSession, db
from fundraising.extensions import limiter
from local import translations
from local.postgres import DATABASE, FAST_FOR_TESTS, OWNER, Postgres
from tests import factories

pytest_plugins = ["tests.fixtures"]
LONGEST = ("tests/journeys/test_kills.py", "tests/floods/test_gate.py")
LOOPBACK = ("127.", "::1", "localhost")
QUICK_HASH = {"argon2__rounds": 1, "argon2__memory_cost": 8, "argon2__parallelism": 1}
"""The same method with as little work as it takes: hundreds of staff are made, and guarded from nobody."""

gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end: the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process of a parallel run works alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """No test reaches beyond this machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"A test tried to reach {address[0]}.")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def catalogue() -> None:
    """The Chinese texts, compiled."""
    translations.compile_catalogue()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of this test process with a migrated database to copy."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), FAST_FOR_TESTS)
    server.start()
    schema.upgrade(server.url(OWNER), server.url())
    yield server
    server.stop()


class KeptTemplates(BytecodeCache):
    """Templates compiled once for all applications of a process; the key is their text."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key, bucket.checksum] = bucket.code


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": KeptTemplates()}


def made(settings: config.Settings) -> Flask:
    """The application as it is, save that passwords are quickly hashed."""
    application = create_app(settings)
    application.extensions["security"].pwd_context.update(**QUICK_HASH)
    return application


@contextmanager
def serving(settings: config.Settings) -> Iterator[Flask]:
    """An application of its own beside the test's, which gives its connections back."""
    application = made(settings)
    application.test_client_class = Browser
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


def settings_for(database_url: str, folder: Path, **more: Any) -> config.Settings:
    """Settings of a test application; the environment of the machine does not count."""
    values: dict[str, Any] = {
        "environment": "test",
        "database_url": database_url,
        "secret_key": "a secret key that only the tests know",
        "public_url": "http://localhost",
        "trusted_hosts": "localhost,127.0.0.1",
        "files_dir": folder / "files",
        "var_dir": folder,
        "ratelimit_enabled": False,
        "page_cache_seconds": 0,
        "redis_url": "",
        "mail_url": "",
        **more,
    }
    return config.Settings(**values)


class Browser(FlaskClient):
    """A browser whose requests stand alone, as on a server.

    Each begins with an empty ``g``, and what the test made before stays when the request rolls back.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; who was signed in and in which language is found out anew."""
        db.session.commit()
        try:
            _forget()
            return super().open(*args, **kwargs)
        finally:
            _forget()


def _forget() -> None:
    for name in list(g):
        g.pop(name)


@pytest.fixture(scope="session")
def app(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on this worker's database."""
    for name in [
        n for n in os.environ if n.startswith(("WECHATPAY_", "ALIPAY_", "DATABASE_", "REDIS_"))
    ]:
        del os.environ[name]
    application = made(settings_for(postgres.url(), tmp_path_factory.mktemp("app")))
    application.testing = True
    application.test_client_class = Browser
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(autouse=True)
def limits_of_one_test() -> Iterator[None]:
    """The limiter is one for all applications of a process: what a test turns on is off for the next."""
    yield
    limiter.enabled = False


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session inside a transaction that never commits; deferred rules are tried before it ends."""
    connection = db.engine.connect()
    outer = connection.begin()
    options = {"bind": connection, "join_transaction_mode": "create_savepoint"}
    original = db.session
    db.session = db._make_scoped_session(
        options | {"class_": BoundSession, "expire_on_commit": False}
    )
    try:
        yield db.session()
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    finally:
        db.session.remove()
        db.session = original
        outer.rollback()
        connection.close()


@pytest.fixture
def client(app: Flask, session: Session) -> FlaskClient:
    """A browser without scripts, on the test's transaction."""
    del session
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


@pytest.fixture
def own_database(app: Flask, postgres: Postgres, tmp_path: Path) -> Iterator[Flask]:
    """An application on a fresh database with real commits, for threads and processes."""
    name = f"own_{uuid4().hex[:12]}"
    db.session.remove()  # of the context that stays open from test to test
    with app.app_context():  # nobody may be connected to what is copied
        db.session.remove()
        db.engine.dispose()
    postgres.clone(name, DATABASE)
    application = made(settings_for(postgres.url(database=name), tmp_path))
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()
    postgres.drop(name)


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> "FrozenClock":
    """A clock that stands still until it is moved."""
    frozen = FrozenClock(clock.now())
    monkeypatch.setattr(clock, "now", lambda: frozen.at)
    return frozen


class FrozenClock:
    """The time of a test."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def move(self, **by: float) -> None:
        """Go on by so many seconds, minutes, hours or days."""
        self.at += timedelta(**by)


@pytest.fixture
def make(session: Session) -> factories.Make:
    """Makes funds, campaigns and gifts for a test."""
    return factories.Make(session)


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """The SQL statements that run while the test does."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        yield seen
        event.remove(db.engine, "before_cursor_execute", note)
