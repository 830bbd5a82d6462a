"""Requests that are answered together: what waits at one moment shares one piece of work."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Head = list[tuple[str, str]]
Said = tuple[int, Head, bytes]
"""Status, headers and body of an answer."""
Asked = tuple["WSGIEnvironment", bytes]
"""A request's head and its whole body."""
Pending = asyncio.Future[Said | None]
MOST_TOGETHER = 32
log = structlog.get_logger(__name__)


class Door(Protocol):
    """Answers some requests before the application does."""

    def is_for(self, environ: "WSGIEnvironment") -> bool:
        """Whether a request should be asked for here; must not wait."""

    def take(self, asked: Sequence[Asked]) -> Sequence[Said | None]:
        """Answer requests, in their order; None leaves one to the application."""


class Gatherer:
    """One thread, begun by the first request, that lets a door answer all that came while it was busy."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.waiting: SimpleQueue[tuple[Asked, Pending]] = SimpleQueue()
        self.is_begun = False

    def ask(self, environ: "WSGIEnvironment", body: bytes) -> Pending:
        """Return what the door says, to be awaited."""
        if not self.is_begun:
            self.is_begun = True
            Thread(target=self._work, daemon=True).start()
        pending: Pending = asyncio.get_running_loop().create_future()
        self.waiting.put(((environ, body), pending))
        return pending

    def _work(self) -> None:
        while True:
            together = [self.waiting.get()]
            while len(together) < MOST_TOGETHER and not self.waiting.empty():
                together.append(self.waiting.get())
            said = self._said([asked for asked, _ in together])
            pending = [each for _, each in together]
            with suppress(RuntimeError):  # the server has ended meanwhile
                pending[0].get_loop().call_soon_threadsafe(_say, pending, said)

    def _said(self, asked: Sequence[Asked]) -> Sequence[Said | None]:
        try:
            return self.door.take(asked)
        except Exception as error:
            log.error("door_broken", requests=len(asked), exc_info=error)
            return [None] * len(asked)


def _say(pending: Sequence[Pending], said: Sequence[Said | None]) -> None:
    for each, answer in zip(pending, said, strict=True):
        if not each.done():
            each.set_result(answer)
