"""The server under attack: slow heads, bodies and readers, crowds, and requests in two minds about their length.

A small site stands behind the real server and front; it has four threads and a second of patience.
"""

import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fundraising.front.server import OPTIONS
from local import processes
from tests.front.site import PATIENCE

PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\n"
CROWD = 100
SOON = 3.0
"""Generous, for a busy machine; without the front the answer never comes."""
Connect = Callable[..., socket.socket]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = processes.free_port()
    words = [*OPTIONS]
    words[words.index("--http1-header-read-timeout") + 1] = str(int(PATIENCE * 1000))
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "granian", *words, "--port", str(port), "tests.front.site:app"]
    with (tmp_path_factory.mktemp("front") / "log").open("wb") as log:
        server = processes.spawn(command, log=log, cwd=root, env={"PATH": "/usr/bin:/bin"})
        assert processes.wait_for(lambda: processes.answers("127.0.0.1", port), 60)
        yield port
        processes.end(server)


@pytest.fixture
def connect(port: int) -> Iterator[Connect]:
    """Open connections that stay until the test ends."""
    with ExitStack() as held:

        def opened(raw: bytes, receives: int = 0) -> socket.socket:
            connection = held.enter_context(socket.socket())
            if receives:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
            connection.settimeout(20)
            connection.connect(("127.0.0.1", port))
            connection.sendall(raw)
            return connection

        yield opened


def answer(connection: socket.socket) -> bytes:
    """Return all that comes until the server hangs up."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def statuses(raw: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)]


def seconds(connect: Connect) -> float:
    """Return how long a visitor waits for an answer."""
    begun = time.monotonic()
    assert statuses(answer(connect(PLAIN))) == [200]
    return time.monotonic() - begun


def test_rel_232_slow_bodies_hold_up_nobody_and_are_left(connect: Connect) -> None:
    slow = [connect(HEAD + b"Content-Length: 9000\r\n\r\na") for _ in range(CROWD)]
    large = [connect(HEAD + b"Content-Length: 500000\r\n\r\na") for _ in range(20)]
    large += [connect(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n") for _ in range(20)]

    assert seconds(connect) < SOON
    notice = connect(
        b"POST /payments/x/notify HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    )
    assert statuses(answer(notice)) == [200]
    assert {tuple(statuses(answer(each))) for each in slow} == {(408,)}
    assert {tuple(statuses(answer(each))) for each in large} == {(408,), (503,)}


def test_rel_232_slow_heads_and_idle_connections_hold_up_nobody_and_are_left(
    connect: Connect,
) -> None:
    held = [connect(b"GET / HT") for _ in range(CROWD)]
    idle = [connect(PLAIN.replace(b"Connection: close\r\n", b"")) for _ in range(900)]
    assert {tuple(statuses(each.recv(4096))) for each in idle} <= {(200,), (503,)}

    assert seconds(connect) < SOON
    assert {tuple(statuses(answer(each))) for each in held} <= {(), (408,)}
    assert {answer(each) for each in idle} == {b""}


def test_rel_232_slow_readers_hold_up_nobody(connect: Connect) -> None:
    long = PLAIN.replace(b"GET /", b"GET /?send=5000000")
    readers = [connect(long, 2048) for _ in range(12)]
    first = readers[0].recv(15)

    assert first == b"HTTP/1.1 200 OK"
    assert seconds(connect) < SOON
    assert len(answer(readers[0])) > 5_000_000


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length : 5\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"X-A: b\r\n c\r\n",
        b"X\x00A: b\r\n",
        b"X-A: " + b"a" * 200_000 + b"\r\n",
        b"".join(b"X-%d: 1\r\n" % n for n in range(1000)),
    ],
    ids=range(13),
)
def test_atk_043_044_a_head_of_two_minds_or_without_end_is_refused(
    connect: Connect, head: bytes
) -> None:
    raw = answer(connect(HEAD + head + b"\r\nhello" + PLAIN))

    assert statuses(raw) in ([400], [431])


def test_atk_043_what_follows_a_body_of_two_lengths_is_no_request(connect: Connect) -> None:
    both = HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    raw = answer(connect(both + PLAIN))

    assert len(statuses(raw)) == 1
    assert b"POST 0 " in raw or statuses(raw) == [400]


def test_atk_044_an_address_without_end_is_refused(connect: Connect) -> None:
    raw = answer(connect(PLAIN.replace(b"GET /", b"GET /" + b"a" * 100_000)))

    assert statuses(raw) == [414]


def test_atk_042_parts_without_end_are_cut(connect: Connect) -> None:
    sender = connect(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    part, sent = b"10000\r\n" + b"a" * 0x10000 + b"\r\n", 0
    try:
        for _ in range(500):
            sender.sendall(part)
            sent += len(part)
    except OSError:
        pass

    assert sent < 16_000_000


def test_requests_in_a_row_are_answered_in_a_row(connect: Connect) -> None:
    post = HEAD + b"Content-Length: 5\r\n\r\nhello"

    raw = answer(connect(post + post + PLAIN))

    assert statuses(raw) == [200, 200, 200]
    assert raw.count(b"POST 5 2cf24dba") == 2


def test_atk_040_a_header_with_an_underscore_does_not_pass_for_another(connect: Connect) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX_Forwarded_For: 1\r\nX_Real-Ip: 1\r\n\r\n"

    raw = answer(connect(head))

    assert statuses(raw) == [200]
    assert b"FORWARDED" not in raw
    assert b"REAL" not in raw


def test_a_sender_who_hangs_up_halfway_costs_nothing(connect: Connect) -> None:
    for length in (9000, 90_000):
        connect(HEAD + b"Content-Length: %d\r\n\r\na" % length).close()

    assert seconds(connect) < SOON


def test_bytes_that_are_no_text_are_a_request_like_another(connect: Connect) -> None:
    for raw in (
        PLAIN.replace(b"GET /", b"GET /%ff%fe%00"),
        PLAIN.replace(b"Host: x", b"Host: x\r\nX-A: \xff\xfe"),
    ):
        assert statuses(answer(connect(raw))) == [200]
