"""A request's body, read with a deadline and within a share of memory; a slow sender costs no thread.

A donor's form is a few kilobytes and comes with its head. Only staff send more (pictures, statements),
and only with a session that we signed; what is large is kept in a file, not in memory.
"""

import asyncio
import io
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol

KILOBYTE, MEGABYTE = 1024, 1024 * 1024
SMALL = 16 * KILOBYTE
PUBLIC = 512 * KILOBYTE
LARGE = 32 * MEGABYTE
PATIENCE = 10.0
SLOWEST = 32 * KILOBYTE
SHARE, SHARE_OF_ONE = 32 * MEGABYTE, 8 * MEGABYTE
LARGE_AT_ONCE = 8


class Refused(Exception):
    """A body that is not taken; ``status`` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Sender(Protocol):
    """What gives the body: all at once when called, or in parts."""

    async def __call__(self) -> bytes:
        """Return the whole body."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the parts as they come."""


@dataclass(frozen=True)
class Announced:
    """What a head says of its body. ``length`` is None for parts without a total (chunked)."""

    address: str
    length: int | None
    is_staff: bool

    @property
    def allowed(self) -> int:
        """How much such a sender may send."""
        return LARGE if self.is_staff else PUBLIC

    @property
    def most(self) -> int:
        """How much is taken at most."""
        return self.allowed if self.length is None else self.length


@dataclass
class Reader:
    """Reads bodies for one process and knows how much is being waited for, in all and by address."""

    patience: float = PATIENCE
    waiting: Counter[str] = field(default_factory=Counter)
    large: int = 0

    async def read(self, sender: Sender, announced: Announced) -> IO[bytes]:
        """Return the body, whole; nothing of one that is announced as too large, so that Flask says so.

        Raises:
            Refused: it came too slowly, was more than allowed, or too much is waited for already.
        """
        most = announced.most
        if most > announced.allowed:
            return io.BytesIO()
        kept = io.BytesIO() if most <= PUBLIC else tempfile.SpooledTemporaryFile(PUBLIC)  # noqa: SIM115
        try:
            with self._share(announced.address, most):
                async with asyncio.timeout(self.patience + most / SLOWEST * (most > PUBLIC)):
                    await _take(sender, announced, kept)
        except BaseException as ended:
            kept.close()
            if isinstance(ended, TimeoutError):
                raise Refused(408) from None
            raise
        kept.seek(0)
        return kept

    @contextmanager
    def _share(self, address: str, most: int) -> Iterator[None]:
        """Hold a share of memory while a body is awaited. Small ones need none: they come with the head."""
        if most <= SMALL:
            yield
        elif most > PUBLIC:
            if self.large >= LARGE_AT_ONCE:
                raise Refused(503)
            self.large += 1
            try:
                yield
            finally:
                self.large -= 1
        else:
            if self.waiting.total() + most > SHARE or self.waiting[address] + most > SHARE_OF_ONE:
                raise Refused(503)
            self.waiting[address] += most
            try:
                yield
            finally:
                self.waiting[address] -= most
                if not self.waiting[address]:
                    del self.waiting[address]


async def _take(sender: Sender, announced: Announced, kept: IO[bytes]) -> None:
    """Write what comes. Raises Refused when it is more than may come, or ends before what was announced."""
    if announced.length is not None and announced.length <= SMALL:
        try:
            kept.write(await sender())
        except RuntimeError:  # the client is gone
            raise Refused(400) from None
    else:
        async for part in sender:
            kept.write(part)
            if kept.tell() > announced.most:
                raise Refused(413)
    if announced.length not in (None, kept.tell()):
        raise Refused(400)
