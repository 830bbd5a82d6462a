"""The whole product on this machine: servers, web, relay, worker, beat, simulator, mail catcher.

``make run`` and the journey tests start the same stack. Every child is started again, with growing
pauses, when it dies; nothing outlives the stack.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from local import processes, state
from local.postgres import OWNER, Postgres
from local.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 90.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
STEADY_SECONDS = 5.0
START_SECONDS = 30.0
LOG_BYTES = 5 * 1024 * 1024
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  asked for by HOST, never chosen
WEB_WORKERS = 2
DEMO_ACCOUNT = {
    "BANK_ACCOUNT_NUMBER": "0000000000000001314",
    "BANK_ACCOUNT_NAME": "承德市红十字会（演示）",
    "BANK_NAME": "演示银行承德分行",
}


class StackFailed(Exception):
    """The stack could not be started; the message says why and where to look."""


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    start_at: float = 0.0
    server: Callable[[], object] | None = None


@dataclass
class Stack:
    """Everything, under one folder. What ``env`` sets wins over what the stack would choose."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    demo: bool = False
    postgres: Postgres | None = None
    say: Callable[[str], None] = lambda _line: None

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.log_folder = self.folder / "log"
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or processes.free_port()
        self.children: dict[str, Child] = {}
        self.is_running = False
        self.valkey: Valkey | None = None
        self.ports = self._ports()
        self.variables: dict[str, str] = {}
        self.simulator_settings: dict[str, Path] = {}
        self._watchers: list[threading.Thread] = []
        self._lock = threading.RLock()

    # ------------------------------------------------------------------ addresses

    @property
    def base_url(self) -> str:
        """The site."""
        host = ANY_ADDRESS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def simulator_url(self) -> str:
        """WeChat Pay's side."""
        return f"http://127.0.0.1:{self.ports['simulator']}"

    @property
    def alipay_url(self) -> str:
        """Alipay's side."""
        return f"http://127.0.0.1:{self.ports['alipay']}"

    @property
    def stripe_url(self) -> str:
        """Stripe's side."""
        return f"http://127.0.0.1:{self.ports['stripe']}"

    @property
    def fiscal_url(self) -> str:
        """The finance department's side."""
        return f"http://127.0.0.1:{self.ports['fiscal']}"

    @property
    def mailbox_url(self) -> str:
        """The inbox in the browser."""
        return f"http://127.0.0.1:{self.ports['mailbox']}"

    def pid(self, name: str) -> int:
        """Return the number of a child's process."""
        process = self.children[name].process
        return process.pid if process is not None else 0

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Start everything and wait until it can serve. Raises StackFailed."""
        self._end_leftovers()
        if not processes.is_free(self.host, self.port):
            raise StackFailed(
                f"Port {self.port} is taken. Choose another: PORT={self.port + 80} make run"
            )
        try:
            self._start_below()
            self._start_site()
            self._wait_ready()
            self._start_workers()  # work may wait for a moment, visitors need not
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Make what a first start makes, and stop: the folder can then be copied."""
        try:
            self._start_below()
        finally:
            self.stop()

    def stop(self) -> None:
        """End everything, the servers last."""
        self.is_running = False
        for watcher in self._watchers:
            watcher.join(START_SECONDS)
        with self._lock:
            for child in self.children.values():
                if child.process is not None and child.server is None:
                    processes.signal_group(child.process.pid, signal.SIGTERM)
            for child in self.children.values():
                if child.process is not None and child.server is None:
                    processes.end(child.process, patience=6)
                    child.process = None
            if self.valkey is not None:
                self.valkey.stop()
            if self.postgres is not None:
                self.postgres.stop()

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self, *words: str) -> str:
        """Run an operator command in the stack's environment and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "fundraising.cli", *words],
            env=self.variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            log = self.log_folder / "setup.log"
            log.write_text(done.stdout + done.stderr)
            what = f"fundraising {' '.join(words)} failed."
            raise StackFailed(f"{what} {processes.last_words(log)}")
        return done.stdout

    # ------------------------------------------------------------------ starting

    def _start_below(self) -> None:
        """Start what the site stands on, with the schema and the demonstration in place."""
        self.variables = self._environment()
        self._start_simulators()  # they come up while the servers do
        self._start_servers()
        self._await_simulators()
        self._prepare()

    def _ports(self) -> dict[str, int]:
        file = self.folder / "ports.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        ports = {}
        for name in ("simulator", "alipay", "stripe", "fiscal", "mailbox", "smtp"):
            port = known.get(name)
            ports[name] = (
                port if port and processes.is_free("127.0.0.1", port) else processes.free_port()
            )
        file.write_text(json.dumps(ports))
        return ports

    def _environment(self) -> dict[str, str]:
        values = {
            "ENVIRONMENT": "development",
            "PUBLIC_URL": self.base_url,
            "TRUSTED_HOSTS": ",".join(self._hosts()),
            "SECRET_KEY": self._secret(),
            "VAR_DIR": str(self.folder),
            "FILES_DIR": str(self.folder / "files"),
            "MAIL_URL": f"smtp://127.0.0.1:{self.ports['smtp']}",
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        return {**values, **DEMO_ACCOUNT, **self.env}

    def _hosts(self) -> list[str]:
        """Names under which this machine may be asked; its own addresses too when all are served."""
        names = [urlsplit(self.base_url).netloc, "localhost", "127.0.0.1"]
        if self.host in ANY_ADDRESS:
            names += processes.own_names()
        return names + [f"{name}:{self.port}" for name in names[1:]]

    def _secret(self) -> str:
        file = self.folder / "secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(48))
        return file.read_text()

    def _start_servers(self) -> None:
        if "DATABASE_URL" not in self.variables:
            self.postgres = self.postgres or Postgres(self.folder / "postgres")
            self.postgres.start()
            self.variables["DATABASE_URL"] = self.postgres.url()
            self.variables["DATABASE_OWNER_URL"] = self.postgres.url(OWNER)
            self._adopt("postgres", self.postgres)
        elif wrong := state.trouble(self.variables["DATABASE_URL"]):
            raise StackFailed(f"The database of DATABASE_URL does not answer. {wrong}")
        if "REDIS_URL" not in self.variables:
            self.valkey = Valkey(self.folder / "valkey")
            self.valkey.start()
            self.variables["REDIS_URL"] = self.valkey.url
            self._adopt("valkey", self.valkey)
        elif wrong := state.redis_trouble(self.variables["REDIS_URL"]):
            self.say(
                f"The Redis of REDIS_URL does not answer ({wrong}): work waits, limits are strict."
            )

    def _adopt(self, name: str, server: "Postgres | Valkey") -> None:
        child = Child(name, [], server.process, time.monotonic(), server=server.start)
        self.children[name] = child

    def _start_simulators(self) -> None:
        if not (self.variables.get("WECHATPAY_BASE_URL") or self.variables.get("WECHATPAY_MCHID")):
            self._start_simulator("simulator", "payments.simulators.wechatpay", "wechatpay")
        if not (self.variables.get("ALIPAY_GATEWAY_URL") or self.variables.get("ALIPAY_APP_ID")):
            self._start_simulator("alipay", "payments.simulators.alipay", "alipay")
        if not (self.variables.get("STRIPE_ACCOUNT_ID") or self.variables.get("STRIPE_SECRET_KEY")):
            webhook = f"{self.base_url}/payments/stripe/webhook"
            self._start_simulator(
                "stripe", "payments.simulators.stripe", "stripe", "--webhook-url", webhook
            )
        if "FISCAL_BASE_URL" not in self.variables:
            self._start_simulator("fiscal", "receipts.simulators.fiscal", "fiscal")

    def _start_simulator(self, name: str, module: str, folder_name: str, *more: str) -> None:
        folder = self.folder / "simulators" / folder_name
        self._spawn(
            name,
            [
                sys.executable, "-m", f"fundraising.{module}",
                "--port", str(self.ports[name]), "--state-dir", str(folder), *more,
            ],
        )  # fmt: skip
        self.simulator_settings[name] = folder / "settings.env"

    def _await_simulators(self) -> None:
        for name, settings in self.simulator_settings.items():
            self._await_simulator(name, settings)

    def _await_simulator(self, name: str, settings: Path) -> None:
        is_up = processes.wait_for(
            lambda: processes.answers("127.0.0.1", self.ports[name]) and settings.exists(), 20
        )
        if not is_up:
            raise StackFailed(f"The simulator {name} did not start. {self._tail(name)}")
        for line in settings.read_text().splitlines():
            setting, _, value = line.partition("=")
            self.variables.setdefault(setting, value)

    def _prepare(self) -> None:
        url = self.variables["DATABASE_URL"]
        if not state.is_current(url):
            self.command("db", "upgrade")
        if not (self.folder / "map" / "chengde.json").exists():
            self.command("map", "build")
        if self.demo and not state.has_campaign(url):
            self.say(self.command("demo", "load", "--if-empty").strip())

    def _start_site(self) -> None:
        python = sys.executable
        if self.variables["MAIL_URL"].endswith(f":{self.ports['smtp']}"):
            self._spawn(
                "mailbox",
                [
                    python, "-m", "local.mailbox", "--smtp-port", str(self.ports["smtp"]),
                    "--web-port", str(self.ports["mailbox"]), "--dir", str(self.folder / "mailbox"),
                ],
            )  # fmt: skip
        self._spawn(
            "web",
            [
                python, "-m", "fundraising.front.server", "--workers", str(WEB_WORKERS),
                "--host", self.host, "--port", str(self.port), "--log-level", "warning",
            ],
        )  # fmt: skip
        self.is_running = True
        self._start_watching()

    def _start_workers(self) -> None:
        python = sys.executable
        with self._lock:
            self._spawn("relay", [python, "-m", "worker.relay"])
            self._spawn(
                "worker",
                [
                    python, "-m", "celery", "--app", "worker.app", "worker", "--concurrency", "2",
                    "--queues", "money,receipts,mail,maintenance", "--loglevel", "WARNING",
                    "--without-gossip", "--without-mingle",
                ],
            )  # fmt: skip
            self._spawn("beat", [python, "-m", "worker.beat"])

    def _wait_ready(self) -> None:
        def is_ready() -> bool:
            try:
                with urllib.request.urlopen(f"{self.base_url}/readyz", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        if not processes.wait_for(is_ready, READY_SECONDS, pause=0.1):
            raise StackFailed(f"The site did not come up. {self._tail('web')}")

    # ------------------------------------------------------------------ keeping

    def _spawn(self, name: str, command: list[str]) -> None:
        child = self.children.setdefault(name, Child(name, command))
        log_file = self.log_folder / f"{name}.log"
        if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
            log_file.replace(log_file.with_suffix(".log.1"))
        with log_file.open("ab") as log:
            child.process = processes.spawn(command, env=self.variables, log=log, cwd=ROOT)
        child.started_at = time.monotonic()
        self._note_groups()

    def _note_groups(self) -> None:
        """Write down which process groups are ours, for a start after everything was killed."""
        groups = [
            child.process.pid
            for child in self.children.values()
            if child.process is not None and child.server is None
        ]
        scratch = self.folder / "groups.json.new"
        scratch.write_text(json.dumps(groups))
        scratch.replace(self.folder / "groups.json")

    def _end_leftovers(self) -> None:
        """End what an earlier, killed run left behind: children of children that nobody told to end."""
        file = self.folder / "groups.json"
        try:
            groups = json.loads(file.read_text())
        except (OSError, ValueError):
            return
        lost = [
            pid
            for pid in processes.pids_in_groups(groups)
            if processes.command_line(pid)[:1] == [sys.executable]
        ]
        processes.kill_and_wait(lost)

    def _start_watching(self) -> None:
        """Watch the processes together, and each server alone: one that comes up slowly holds up nobody.

        The threads stay until the stack stops, because the kernel takes the thread that started a process
        for its parent.
        """
        servers = [child for child in self.children.values() if child.server is not None]
        watches: list[Callable[[], None]] = [self._watch_processes]
        watches += [partial(self._watch_server, server) for server in servers]
        self._watchers = [threading.Thread(target=watch, daemon=True) for watch in watches]
        for watcher in self._watchers:
            watcher.start()

    def _watch_processes(self) -> None:
        while self.is_running:
            time.sleep(0.1)
            with self._lock:
                for child in list(self.children.values()):
                    if self.is_running and child.server is None:
                        self._look_after(child)

    def _watch_server(self, child: Child) -> None:
        while self.is_running:
            time.sleep(0.1)
            self._look_after(child)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None and child.process.poll() is None:
            if now - child.started_at > STEADY_SECONDS:
                child.pause = FIRST_PAUSE
            return
        if child.process is not None:
            self.say(f"{child.name} ended ({child.process.returncode}); starting it again.")
            processes.end(child.process, signal.SIGKILL, patience=1)
            child.process, child.start_at = None, now + child.pause
            child.pause = min(LONGEST_PAUSE, child.pause * 2)
        if now >= child.start_at:
            self._start_again(child)

    def _start_again(self, child: Child) -> None:
        if child.server is None:
            self._spawn(child.name, child.command)
            return
        try:
            child.server()
        except Exception as failed:
            self.say(f"{child.name}: {failed}")
            child.start_at = time.monotonic() + child.pause
            child.pause = min(LONGEST_PAUSE, child.pause * 2)
            return
        server = self.postgres if child.name == "postgres" else self.valkey
        child.process = server.process if server is not None else None
        child.started_at = time.monotonic()

    def _tail(self, name: str) -> str:
        return processes.last_words(self.log_folder / f"{name}.log")
