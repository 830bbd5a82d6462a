"""Pages that everybody sees alike, kept for a moment in the process that drew them.

On a giving day thousands look at one page. It is drawn at most once a second per process, language and
text size; while one thread draws it anew the others give the last one, so no crowd waits. Nothing is
shared between processes and nothing is stale for longer: the page itself says as of when it speaks.
The answer is given before Flask begins, which is most of what such a page costs.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from werkzeug.http import parse_cookie
from werkzeug.test import run_wsgi_app

from fundraising.http import ELDER_COOKIE
from fundraising.i18n import LANGUAGE_COOKIE, LANGUAGES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_PAGES = 500
NOT_KEPT = frozenset({"set-cookie", "x-request-id"})
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Page:
    """An answer as it was drawn."""

    drawn_at: float
    headers: list[tuple[str, str]]
    body: bytes


class PageCache:
    """Drawn pages by host, address, language and text size; one thread draws while others wait for none."""

    def __init__(self) -> None:
        self.pages: dict[Key, Page] = {}
        self.drawing: set[Key] = set()
        self.lock = Lock()

    def find(self, key: Key, now: float, seconds: float) -> Page | None:
        """Return a page that may be shown; None asks the caller to draw it."""
        with self.lock:
            page = self.pages.get(key)
            if page is not None and (now - page.drawn_at < seconds or key in self.drawing):
                return page
            self.drawing.add(key)
            return None

    def peek(self, key: Key, now: float, seconds: float) -> Page | None:
        """Return a page that may be shown, and draw nothing otherwise."""
        with self.lock:
            page = self.pages.get(key)
            is_good = page is not None and (now - page.drawn_at < seconds or key in self.drawing)
            return page if is_good else None

    def keep(self, key: Key, page: Page | None) -> None:
        """Keep a drawn page, or note that there is none to keep."""
        with self.lock:
            self.drawing.discard(key)
            if page is not None:
                if len(self.pages) >= MOST_PAGES:
                    self.pages.clear()
                self.pages[key] = page


class KeptPages:
    """WSGI middleware that gives kept pages and lets Flask draw all others.

    Only GET without arguments is kept, of addresses that ``is_alike`` names, answered with 200 and
    without setting a cookie.
    """

    def __init__(
        self, inner: "WSGIApplication", is_alike: Callable[[str], bool], seconds: float
    ) -> None:
        self.inner, self.is_alike, self.seconds = inner, is_alike, seconds
        self.cache = PageCache()

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        key = self._key(environ)
        if key is None:
            return self.inner(environ, start)
        page = self.cache.find(key, time.monotonic(), self.seconds)
        if page is not None:
            start("200 OK", page.headers)
            return [page.body]
        return self._draw(key, environ, start)

    def peek(self, environ: "WSGIEnvironment") -> Page | None:
        """Return the kept page that answers a request, None where it has to be drawn. Never waits."""
        key = self._key(environ)
        return key and self.cache.peek(key, time.monotonic(), self.seconds)

    def _key(self, environ: "WSGIEnvironment") -> Key | None:
        path: str = environ.get("PATH_INFO", "")
        is_plain = environ["REQUEST_METHOD"] == "GET" and not environ.get("QUERY_STRING")
        return _key(environ, path) if is_plain and self.is_alike(path) else None

    def _draw(
        self, key: Key, environ: "WSGIEnvironment", start: "StartResponse"
    ) -> Iterable[bytes]:
        page: Page | None = None
        try:
            parts, status, found = run_wsgi_app(self.inner, environ, buffered=True)
            body, headers = b"".join(parts), list(found)
            if status.startswith("200") and "set-cookie" not in {n.lower() for n, _ in headers}:
                kept = [(n, v) for n, v in headers if n.lower() not in NOT_KEPT]
                page = Page(time.monotonic(), kept, body)
        finally:
            self.cache.keep(key, page)
        start(status, headers)
        return [body]


def _key(environ: "WSGIEnvironment", path: str) -> Key:
    header = environ.get("HTTP_COOKIE")
    cookies = parse_cookie(header) if header else {}
    host = environ.get("HTTP_HOST", "")
    asked, elder = cookies.get(LANGUAGE_COOKIE), cookies.get(ELDER_COOKIE) == "1"
    return host, path, asked if asked in LANGUAGES else LANGUAGES[0], "1" if elder else ""
