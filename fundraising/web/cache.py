"""Pages that everybody sees alike, kept for a moment in the process that drew them.

On a giving day thousands look at one page. It is drawn at most once a second per process, language and
text size; while one thread draws it anew the others give the last one, so no crowd waits. Nothing is
shared between processes and nothing is stale for longer: the page itself says as of when it speaks.
"""

import time
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

from flask import Response, current_app, request

from config import Settings
from fundraising.http import REMEMBERED, is_elder
from fundraising.i18n import language

MOST_PAGES = 500
Key = tuple[str, str, bool]


class PageCache:
    """Rendered pages by address, language and text size."""

    def __init__(self) -> None:
        self.pages: dict[Key, tuple[float, str]] = {}
        self.drawing: set[Key] = set()
        self.lock = Lock()

    def find(self, key: Key, now: float, seconds: float) -> str | None:
        """Return a page that may be shown; None asks the caller to draw it."""
        with self.lock:
            drawn_at, page = self.pages.get(key, (0.0, ""))
            if page and (now - drawn_at < seconds or key in self.drawing):
                return page
            self.drawing.add(key)
            return None

    def keep(self, key: Key, page: str | None) -> None:
        """Keep a drawn page, or note that drawing failed."""
        with self.lock:
            self.drawing.discard(key)
            if page is not None:
                if len(self.pages) >= MOST_PAGES:
                    self.pages.clear()
                self.pages[key] = (time.monotonic(), page)


def kept_a_moment(view: Callable[..., str]) -> Callable[..., Response]:
    """Keep what a view draws for ``PAGE_CACHE_SECONDS``; only for pages that are alike for everybody."""
    cache = PageCache()

    @wraps(view)
    def shown(*args: Any, **kwargs: Any) -> Response:
        settings: Settings = current_app.extensions["settings"]
        if not settings.page_cache_seconds or set(request.args) - REMEMBERED:
            return Response(view(*args, **kwargs))
        key = (f"{settings.database_url}{request.path}", language(), is_elder())
        page = cache.find(key, time.monotonic(), settings.page_cache_seconds)
        if page is None:
            drawn: str | None = None
            try:
                drawn = page = view(*args, **kwargs)
            finally:
                cache.keep(key, drawn)
        return Response(page)

    return shown
