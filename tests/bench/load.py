"""A small load generator: many keep-alive connections in one loop, in a process of its own.

It does as little as it can, so that the cores are the server's: requests are bytes made beforehand, an
answer is looked at for its status and its length only.
"""

import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Load:
    """What came of a load: wanted answers, others, and the seconds it took."""

    good: int
    others: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Wanted answers per second."""
        return self.good / self.seconds


@dataclass(frozen=True)
class Job:
    """What to send. ``pause`` seconds lie between two requests of one connection."""

    port: int
    requests: Sequence[bytes]
    connections: int
    seconds: float
    wanted: int
    repeat: bool
    pause: float = 0.0


def start(job: Job) -> "subprocess.Popen[bytes]":
    """Start the load in a process of its own; ``end`` waits for what comes of it."""
    with tempfile.NamedTemporaryFile(suffix=".job", delete=False) as file:
        pickle.dump(job, file)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load", file.name], cwd=ROOT, stdout=subprocess.PIPE
    )


def end(process: "subprocess.Popen[bytes]", within: float = 120) -> Load:
    """Return what came of a load that was started."""
    out, _ = process.communicate(timeout=within)
    assert process.returncode == 0
    good, others, seconds = out.split()
    return Load(int(good), int(others), float(seconds))


def run(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 8,
    seconds: float = 30.0,
    wanted: int = 200,
    repeat: bool = False,
) -> Load:
    """Send the requests until none is left or time is over."""
    return end(start(Job(port, requests, connections, seconds, wanted, repeat)))


def get(path: str, port: int) -> bytes:
    """Return a GET request's bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def post(path: str, port: int, headers: dict[str, str], body: bytes) -> bytes:
    """Return a POST request's bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# ---------------------------------------------------------------------- in the process of its own


def _is_whole(answer: bytearray) -> bool:
    at = answer.find(HEAD_END)
    if at < 0:
        return False
    head = bytes(answer[:at]).lower()
    name = head.find(b"\r\ncontent-length:")
    length = int(head[name + 17 :].split(b"\r\n", 1)[0]) if name >= 0 else 0
    return len(answer) >= at + 4 + length


class _Loop:
    def __init__(self, job: Job) -> None:
        self.job, self.next, self.counts = job, 0, [0, 0]
        self.status = str(job.wanted).encode()
        self.selector = selectors.DefaultSelector()
        self.buffers: dict[int, bytearray] = {}

    def run(self) -> Load:
        begun = time.monotonic()
        deadline = begun + self.job.seconds
        for _ in range(self.job.connections):
            connection = socket.create_connection(("127.0.0.1", self.job.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(connection, selectors.EVENT_READ)
            self._send(connection)
        while self.buffers and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.5):
                self._receive(key.fileobj)  # type: ignore[arg-type]
        return Load(self.counts[0], self.counts[1], time.monotonic() - begun)

    def _send(self, connection: socket.socket) -> None:
        if self.next == len(self.job.requests):
            if not self.job.repeat:
                self.buffers.pop(connection.fileno(), None)
                return
            self.next = 0
        if self.job.pause:
            time.sleep(self.job.pause)
        self.buffers[connection.fileno()] = bytearray()
        connection.sendall(self.job.requests[self.next])
        self.next += 1

    def _receive(self, connection: socket.socket) -> None:
        answer = self.buffers[connection.fileno()]
        part = connection.recv(262_144)
        if not part:
            raise ConnectionError("The server hung up.")
        answer += part
        if _is_whole(answer):
            self.counts[answer[9:12] != self.status] += 1
            self._send(connection)


def main() -> None:
    """Do the job in the file named and print good answers, others and seconds."""
    file = Path(sys.argv[1])
    job = pickle.loads(file.read_bytes())  # noqa: S301  written by ourselves a moment ago
    file.unlink()
    done = _Loop(job).run()
    sys.stdout.write(f"{done.good} {done.others} {done.seconds}")


if __name__ == "__main__":
    main()
