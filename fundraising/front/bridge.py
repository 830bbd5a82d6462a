"""An RSGI application that reads each body first, then lets a WSGI application answer on a thread.

Notices of providers and the questions of monitors have threads of their own, so that no crowd of pages
keeps them waiting.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Protocol

import structlog

from fundraising.front.bodies import Announced, Reader, Refused, Sender
from fundraising.front.gathering import Door, Gatherer
from fundraising.http import HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Head = list[tuple[str, str]]
Work = Callable[[], IO[bytes] | None]
IN_MEMORY = 4 * 1024 * 1024
OPENED_WITHIN = 30.0
MOST_WAITING = 512
QUICK = ("/payments/", "/healthz", "/readyz")
log = structlog.get_logger(__name__)


class Proto(Sender, Protocol):
    """What RSGI gives for one request: the body, and ways to answer."""

    def response_bytes(self, status: int, headers: Head, body: bytes) -> None:
        """Answer with bytes."""

    def response_file(self, status: int, headers: Head, file: str) -> None:
        """Answer with what a file holds; the server reads it as fast as the client takes it."""


class Kept(Protocol):
    """A page that was drawn before."""

    @property
    def headers(self) -> Head:
        """Its headers."""

    @property
    def body(self) -> bytes:
        """Its bytes."""


@dataclass(frozen=True)
class Site:
    """The application behind the front.

    ``is_staff`` tells from a cookie header whether somebody signed in; ``peek`` finds a page that needs no
    thread because it was drawn a moment ago. Neither may wait. ``door`` answers some requests together.
    """

    app: "WSGIApplication"
    is_staff: Callable[[str], bool]
    peek: Callable[["WSGIEnvironment"], Kept | None]
    proxy_hops: int = 0
    door: Door | None = None

    def address(self, environ: "WSGIEnvironment") -> str:
        """Who sends, told by the proxies in front as far as they are ours."""
        told = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        is_told = 0 < self.proxy_hops <= len(told)
        return (told[-self.proxy_hops].strip() if is_told else "") or environ["REMOTE_ADDR"]


class Threads:
    """Some threads that answer one request after another; less work for each than an executor's.

    They begin with the first request: the application is made in one process and serves in its children.
    """

    def __init__(self, many: int) -> None:
        self.waiting: SimpleQueue[tuple[Work, asyncio.Future[IO[bytes] | None]]] = SimpleQueue()
        self.idle = [Thread(target=self._work, daemon=True) for _ in range(many)]

    def run(self, work: "Work") -> "asyncio.Future[IO[bytes] | None]":
        """Let a thread do this; it must not raise. Await what is returned."""
        while self.idle:
            self.idle.pop().start()
        future: asyncio.Future[IO[bytes] | None] = asyncio.get_running_loop().create_future()
        self.waiting.put((work, future))
        return future

    def _work(self) -> None:
        while True:
            work, future = self.waiting.get()
            done = work()
            with suppress(RuntimeError):  # the server has ended meanwhile
                future.get_loop().call_soon_threadsafe(_finish, future, done)
            del work, future, done


def _finish(future: "asyncio.Future[IO[bytes] | None]", done: IO[bytes] | None) -> None:
    if not future.done():
        future.set_result(done)


class Front:
    """Takes requests on the server's loop; Flask works on a bounded number of threads."""

    def __init__(self, site: Site, threads: int) -> None:
        self.site = site
        self.reader = Reader()
        self.pages, self.quick = Threads(threads), Threads(max(2, threads // 2))
        self.door = Gatherer(site.door) if site.door else None
        self.crowd = 0

    async def __rsgi__(self, scope: Any, proto: Proto) -> None:
        """Answer one request."""
        environ = _head(scope)
        page = self.site.peek(environ)
        if page is not None:
            proto.response_bytes(HTTPStatus.OK, page.headers, page.body)
            return
        try:
            environ["wsgi.input"] = await self._body(environ, proto)
            if not await self._at_the_door(environ, proto):
                await self._on_a_thread(environ, proto)
        except Refused as refused:
            _refuse(proto, refused.status)

    async def _body(self, environ: "WSGIEnvironment", proto: Proto) -> IO[bytes]:
        length = environ.get("CONTENT_LENGTH")
        if length is None and "HTTP_TRANSFER_ENCODING" not in environ:
            return io.BytesIO()
        is_staff = environ["PATH_INFO"].startswith("/staff") and self.site.is_staff(
            environ.get("HTTP_COOKIE", "")
        )
        announced = None if length is None else int(length)
        return await self.reader.read(
            proto, Announced(self.site.address(environ), announced, is_staff)
        )

    async def _at_the_door(self, environ: "WSGIEnvironment", proto: Proto) -> bool:
        """Whether the door answered."""
        if self.door is None or not self.door.door.is_for(environ):
            return False
        if len(self.door.waiting) >= MOST_WAITING:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE)
        said = await self.door.ask(environ, environ["wsgi.input"].read())
        environ["wsgi.input"].seek(0)
        if said is not None:
            proto.response_bytes(*said)
        return said is not None

    async def _on_a_thread(self, environ: "WSGIEnvironment", proto: Proto) -> None:
        is_quick = environ["PATH_INFO"].startswith(QUICK)
        if not is_quick and self.crowd >= MOST_WAITING:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE)
        self.crowd += not is_quick
        try:
            pool = self.quick if is_quick else self.pages
            file = await pool.run(lambda: self._answer(environ, proto))
        finally:
            self.crowd -= not is_quick
        if file is not None:
            asyncio.get_running_loop().call_later(OPENED_WITHIN, file.close)

    def _answer(self, environ: "WSGIEnvironment", proto: Proto) -> IO[bytes] | None:
        """Let the application answer. Returns the file that a long answer is read from."""
        begun = _Begun()
        try:
            return _send(proto, begun, self.site.app(environ, begun))
        except Exception as error:
            log.error("unanswered", error=type(error).__name__, exc_info=error)
            _refuse(proto, HTTPStatus.INTERNAL_SERVER_ERROR)
            return None
        finally:
            environ["wsgi.input"].close()


class _Begun:
    """What an application says before its body."""

    def __init__(self) -> None:
        self.status, self.headers = 500, Head()

    def __call__(self, status: str, headers: Head, _error: object = None) -> Callable[[bytes], Any]:
        self.status, self.headers = int(status[:3]), headers
        return _never


def _never(_part: bytes) -> None:
    raise NotImplementedError("No application of ours writes before it returns.")


def _send(proto: Proto, begun: _Begun, body: Iterable[bytes]) -> IO[bytes] | None:
    """Hand an answer to the server, whole: a slow reader holds no thread."""
    parts: list[bytes] = []
    size = 0
    file: IO[bytes] | None = None
    try:
        for part in body:
            size += len(part)
            parts.append(part)
            if size > IN_MEMORY:
                file = file or tempfile.TemporaryFile()  # noqa: SIM115  outlives this call
                file.writelines(parts)
                parts.clear()
    finally:
        if hasattr(body, "close"):
            body.close()
    if file is None:
        proto.response_bytes(begun.status, begun.headers, b"".join(parts))
        return None
    file.writelines(parts)
    file.flush()
    proto.response_file(begun.status, begun.headers, f"/proc/self/fd/{file.fileno()}")
    return file


def _head(scope: Any) -> "WSGIEnvironment":
    """Return a request's head as WSGI has it, without what the process's own environment holds."""
    address, _, _ = scope.client.rpartition(":")
    server, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": address.strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:  # would pass for the name with a hyphen, which a proxy has checked
            continue
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if f"HTTP_{name}" in environ:
            environ[name] = environ.pop(f"HTTP_{name}")
    environ.setdefault("HTTP_HOST", scope.authority or "")
    return environ


def _refuse(proto: Proto, status: int) -> None:
    """Say no in a line, and end the connection."""
    headers = [
        *HEADERS.items(),
        ("Content-Security-Policy", "default-src 'none'"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Connection", "close"),
        ("Retry-After", "5"),
    ]
    proto.response_bytes(status, headers, HTTPStatus(status).phrase.encode())
