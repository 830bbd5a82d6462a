"""What is measured: one database, the application, its web server, and the workers while they are needed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from flask import Flask

import config
from fundraising import schema
from fundraising.app import create_app
from local import processes
from local.postgres import DATABASE, OWNER, Postgres
from local.stack import WEB_WORKERS
from local.valkey import Valkey
from tests import wechat

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
"""Processes that settle at once, as in ``make run``."""


class Site:
    """The parts, all under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Postgres(folder / "postgres")
        self.valkey = Valkey(folder / "valkey")
        self.children: list[subprocess.Popen[bytes]] = []
        self.server.start()
        self.valkey.start()
        schema.upgrade(self.server.url(OWNER), self.server.url())
        self.watching = self.owner()
        self.watching.execute(
            "CREATE TABLE bench_note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea)"
        )
        self._write_keys()
        values = {name.lower(): value for name, value in self.variables().items()}
        more: dict[str, Any] = {
            "page_cache_seconds": 0
        }  # in this process pages are drawn each time
        self.app: Flask = create_app(config.Settings(**{**values, **more}))

    def owner(self) -> psycopg.Connection:
        """Open a connection of the role that owns the tables."""
        return self.server.connect(OWNER, DATABASE)

    def stop(self) -> None:
        """End everything, the servers last."""
        for child in self.children:
            processes.end(child)
        self.watching.close()
        self.valkey.stop()
        self.server.stop()

    def variables(self) -> dict[str, str]:
        """The environment of every process."""
        return {
            "ENVIRONMENT": "test",
            "DATABASE_URL": self.server.url(),
            "REDIS_URL": self.valkey.url,
            "SECRET_KEY": "a secret key for the benchmark only",
            "PUBLIC_URL": "http://127.0.0.1",
            "TRUSTED_HOSTS": "127.0.0.1",
            "RATELIMIT_ENABLED": "false",
            "VAR_DIR": str(self.folder),
            "FILES_DIR": str(self.folder / "files"),
            "WECHATPAY_MCHID": wechat.MCHID,
            "WECHATPAY_APPID": wechat.APPID,
            "WECHATPAY_APIV3_KEY": wechat.APIV3.decode(),
            "WECHATPAY_PRIVATE_KEY_FILE": str(self.folder / "merchant.pem"),
            "WECHATPAY_VERIFY_KEYS_DIR": str(self.folder / "keys"),
            "PATH": "/usr/bin:/bin",
        }

    def spawn(self, *words: str, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a Python module of ours that ends with the site."""
        command = [sys.executable, "-m", *words]
        if options:
            child: subprocess.Popen[bytes] = subprocess.Popen(
                command, env=self.variables(), cwd=ROOT, start_new_session=True, **options
            )
        else:
            child = processes.spawn(command, env=self.variables(), cwd=ROOT)
        self.children.append(child)
        return child

    def web(self) -> int:
        """Serve the site as production does and return its port."""
        return self._serve("fundraising.front.server", "--workers", str(WEB_WORKERS))

    def bare(self) -> int:
        """Serve the bare references by the same server, in its quickest way for them."""
        words = ("--interface", "wsgi", "--workers", str(WEB_WORKERS), "--blocking-threads", "4")
        return self._serve("granian", *words, "--no-ws", "tests.bench.bare:app")

    def _serve(self, *words: str) -> int:
        port = processes.free_port()
        self.spawn(*words, "--port", str(port), "--log-level", "error")
        assert processes.wait_for(lambda: processes.answers("127.0.0.1", port), 120)
        time.sleep(2)
        return port

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Run the relay and the worker of the queue of money for a while."""
        started = [
            self.spawn("worker.relay"),
            self.spawn(
                "celery", "--app", "worker.app", "worker", "--concurrency", str(WORKERS),
                "--queues", "money", "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
            ),
        ]  # fmt: skip
        time.sleep(6)
        try:
            yield
        finally:
            for child in started:
                processes.end(child)

    def waiting(self) -> int:
        """Return how many notices wait to be settled."""
        row = self.watching.execute(
            "SELECT count(*) FROM payment_inbox WHERE state = 'new'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _write_keys(self) -> None:
        pem = serialization.Encoding.PEM
        private = wechat.key("merchant").private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "merchant.pem").write_bytes(private)
        public = wechat.key("platform").public_key()
        (self.folder / "keys").mkdir()
        (self.folder / "keys" / f"{wechat.SERIAL}.pem").write_bytes(
            public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
