"""A Redis that is sick, not gone: garbage, no memory, no answer, hung up, halfway. Pages come, limits are stricter."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from flask import Flask

from fundraising.app import redis_options
from fundraising.extensions import SafeLimiter, visitor

SICKNESSES = {
    "garbage": b"\x00\xff\xfe!!\r\nHTTP/1.1 400\r\n\r\n" * 20,
    "no memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n" * 3,
    "still loading": b"-LOADING Redis is loading the dataset in memory\r\n" * 3,
    "only to be read": b"-READONLY You can't write against a read only replica.\r\n" * 3,
    "another password": b"-NOAUTH Authentication required.\r\n" * 3,
    "answers of another kind": b"+OK\r\n" * 20,
    "nothing there": b"$-1\r\n" * 20,
    "half an answer": b"$1000\r\nabc",
    "silent": b"",
    "hangs up": None,
}
PATIENCE = 2.5
"""A quarter of a second for what is silent, and a busy machine."""
LIMIT, ALONE = 120, 40


@dataclass
class Sick:
    """Something that listens where Redis should, and says the same whatever is asked."""

    says: bytes | None
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    held: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for each in (self.listener, *self.held):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.says is None:
                connection.close()
            else:
                self.held.append(connection)
                threading.Thread(target=self._say, args=(connection,), daemon=True).start()

    def _say(self, connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                connection.sendall(self.says or b"")
        except OSError:
            return


@pytest.fixture(params=SICKNESSES)
def site(request: pytest.FixtureRequest) -> Iterator[Flask]:
    """A page with the product's limiter and its way to Redis."""
    sick = Sick(SICKNESSES[request.param])
    application = Flask(__name__)
    application.config["RATELIMIT_STORAGE_URI"] = sick.url
    application.config["RATELIMIT_STORAGE_OPTIONS"] = redis_options()
    mine = SafeLimiter(visitor, in_memory_fallback_enabled=True)
    mine.init_app(application)

    @application.get("/")
    @mine.limit(f"{LIMIT} per hour")
    def page() -> str:
        return "here"

    yield application
    sick.stop()


def test_rel_048_pages_come_and_limits_are_stricter_with_a_sick_redis(site: Flask) -> None:
    """Eight at once find out, and none of them is an error."""

    def ask(_n: int) -> tuple[int, float]:
        begun = time.monotonic()
        status = site.test_client().get("/").status_code
        return status, time.monotonic() - begun

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(ask, range(60)))

    statuses = [status for status, _ in answers]
    assert set(statuses) == {200, 429}
    assert ALONE <= statuses.count(200) <= ALONE + 8
    assert max(taken for _, taken in answers) < PATIENCE
