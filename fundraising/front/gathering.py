"""Requests that are answered together: what waits at one moment shares one piece of work."""

import asyncio
from collections import deque
from collections.abc import Sequence
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

    async def take(self, asked: Sequence[Asked]) -> Sequence[Said | None]:
        """Answer requests, in their order; None leaves one to the application."""


class Gatherer:
    """Lets a door answer all that came while it was busy; no thread is woken for it."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.waiting: deque[tuple[Asked, Pending]] = deque()
        self.busy: asyncio.Task[None] | None = None

    def ask(self, environ: "WSGIEnvironment", body: bytes) -> Pending:
        """Return what the door says, to be awaited."""
        pending: Pending = asyncio.get_running_loop().create_future()
        self.waiting.append(((environ, body), pending))
        if self.busy is None or self.busy.done():
            self.busy = asyncio.create_task(self._work())
        return pending

    async def _work(self) -> None:
        while self.waiting:
            many = min(MOST_TOGETHER, len(self.waiting))
            together = [self.waiting.popleft() for _ in range(many)]
            said = await self._said([asked for asked, _ in together])
            for (_, pending), answer in zip(together, said, strict=True):
                if not pending.done():
                    pending.set_result(answer)

    async def _said(self, asked: Sequence[Asked]) -> Sequence[Said | None]:
        try:
            return await self.door.take(asked)
        except Exception as error:
            log.error("door_broken", requests=len(asked), exc_info=error)
            return [None] * len(asked)
