"""From the server's request to WSGI's and back: whole heads, bounded crowds, errors that say nothing."""

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fundraising.accounts import security
from fundraising.front import bridge
from fundraising.front.bridge import Front, Head, Site
from fundraising.web.cache import KeptPages, Page
from fundraising.web.routes import is_alike
from tests.front.test_bodies import Sender

Staff = Any


@dataclass
class Headers:
    """A head's lines."""

    lines: Head

    def items(self) -> Head:
        return self.lines


@dataclass
class Scope:
    """A request as the server gives it."""

    path: str = "/"
    method: str = "GET"
    headers: Headers = field(default_factory=lambda: Headers([("host", "localhost")]))
    query_string: str = ""
    client: str = "127.0.0.1:5000"
    server: str = "127.0.0.1:8000"
    http_version: str = "1.1"
    scheme: str = "http"
    authority: str | None = None


class Proto(Sender):
    """Keeps what was answered."""

    def __init__(self, *parts: bytes) -> None:
        super().__init__(*parts)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    def response_bytes(self, status: int, headers: Head, body: bytes) -> None:
        self.answers.append((status, dict(headers), body))

    def response_file(self, status: int, headers: Head, file: str) -> None:
        self.answers.append((status, dict(headers), Path(file).read_bytes()))


def ask(front: Front, scope: Scope, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    proto = Proto(*parts)

    async def asked() -> None:
        await front.__rsgi__(scope, proto)
        await asyncio.sleep(0.01)

    asyncio.run(asked())
    (answer,) = proto.answers
    return answer


def front(app: Any, threads: int = 2, hops: int = 0) -> Front:
    return Front(Site(app, lambda _: False, lambda _: None, hops), threads)


def seen(scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look(environ: dict[str, Any], start: Any) -> list[bytes]:
        found.update(environ)
        start("200 OK", [])
        return []

    ask(front(look), scope)
    return found


def test_flask_answers_as_it_does_behind_any_server(app: Flask, client: FlaskClient) -> None:
    status, headers, body = ask(front(app), Scope("/transparency", query_string="lang=en"))
    plain = client.get("/transparency?lang=en")

    assert (status, body) == (200, plain.data)
    assert headers["Content-Security-Policy"] == plain.headers["Content-Security-Policy"]


def test_a_head_becomes_wsgis() -> None:
    lines = [("host", "a"), ("host", "b"), ("x-b", "1"), ("x_b", "2"), ("content-type", "t")]
    environ = seen(Scope("/中", headers=Headers(lines), client="[::1]:9", query_string="q=1"))

    assert environ["PATH_INFO"].encode("latin-1").decode() == "/中"
    assert (environ["HTTP_HOST"], environ["HTTP_X_B"]) == ("a,b", "1")
    assert (environ["REMOTE_ADDR"], environ["CONTENT_TYPE"]) == ("::1", "t")
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "SECRET_KEY" not in environ


@pytest.mark.parametrize(
    ("hops", "told", "address"),
    [
        (0, "9.9.9.9", "127.0.0.1"),
        (1, "9.9.9.9, 1.1.1.1", "1.1.1.1"),
        (2, "1.1.1.1", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_a_sender_is_known_by_what_our_own_proxies_say(hops: int, told: str, address: str) -> None:
    site = Site(lambda _e, _s: [], lambda _: False, lambda _: None, hops)

    assert site.address({"HTTP_X_FORWARDED_FOR": told, "REMOTE_ADDR": "127.0.0.1"}) == address


def test_an_error_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(_environ: object, _start: object) -> list[bytes]:
        raise RuntimeError("a secret of ours")

    status, headers, body = ask(front(broken), Scope())

    assert (status, body) == (500, b"Internal Server Error")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_long_answer_is_read_from_a_file_and_a_short_one_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge, "IN_MEMORY", 10)
    monkeypatch.setattr(bridge, "OPENED_WITHIN", 0)
    closed = []

    class Parts:
        def __init__(self, many: int) -> None:
            self.many = many

        def __iter__(self) -> Iterable[bytes]:
            return iter([b"abc"] * self.many)

        def close(self) -> None:
            closed.append(self.many)

    def app(environ: dict[str, Any], start: Any) -> Parts:
        start("200 OK", [])
        return Parts(int(environ["PATH_INFO"][1:]))

    assert ask(front(app), Scope("/2"))[2] == b"abc" * 2
    assert ask(front(app), Scope("/9"))[2] == b"abc" * 9
    assert closed == [2, 9]


def test_a_crowd_waits_so_far_and_notices_pass_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_WAITING", 5)
    gate = threading.Event()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/":
            gate.wait(10)
        start("200 OK", [])
        return []

    async def scene() -> tuple[list[int], int]:
        site, protos, notice = front(app), [Proto() for _ in range(8)], Proto()
        crowd = [asyncio.create_task(site.__rsgi__(Scope(), proto)) for proto in protos]
        await asyncio.sleep(0)
        await site.__rsgi__(Scope("/payments/stripe/webhook", "POST"), notice)
        gate.set()
        await asyncio.gather(*crowd)
        return sorted(proto.answers[0][0] for proto in protos), notice.answers[0][0]

    assert asyncio.run(scene()) == ([200] * 5 + [503] * 3, 200)


def test_a_kept_page_needs_no_thread() -> None:
    kept = KeptPages(lambda _e, _s: [], is_alike, 60.0)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "localhost"}
    key = kept._key(environ)
    assert key is not None
    assert kept.peek(environ) is None
    kept.cache.find(key, 0, 1)
    kept.cache.keep(key, Page(float("inf"), [("X-A", "b")], b"kept"))

    site = Front(Site(kept, lambda _: False, kept.peek), 1)

    assert ask(site, Scope()) == (200, {"X-A": "b"}, b"kept")
    assert kept.peek({**environ, "QUERY_STRING": "lang=en"}) is None


def test_only_a_session_we_signed_in_may_send_much(app: Flask, staff_client: Staff) -> None:
    is_staff = security.session_reader(app)
    cookie = staff_client("finance").get_cookie("session")

    assert is_staff(f"a=b; session={cookie.value}")
    swapped = (
        cookie.value[:-9] + cookie.value[-9:].swapcase()
    )  # the last letter alone holds spare bits
    assert swapped != cookie.value
    assert not is_staff(f"session={swapped}")
    assert not any(is_staff(header) for header in ("", "session=", "session=e30.x.y", "\xff=;;"))


def test_a_stranger_with_a_large_body_is_told_so_by_flask(app: Flask) -> None:
    size = str(2 * 1024 * 1024)
    lines = [("host", "localhost"), ("content-length", size), ("content-type", "text/plain")]

    status, _, body = ask(front(app), Scope("/find", "POST", Headers(lines)), b"x")

    assert status == 413
    assert "<html" in body.decode()
