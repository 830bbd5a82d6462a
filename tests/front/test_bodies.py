"""Bodies are awaited with a deadline and within a share of memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fundraising.front.bodies import (
    LARGE,
    LARGE_AT_ONCE,
    PUBLIC,
    SHARE_OF_ONE,
    SMALL,
    Announced,
    Reader,
    Refused,
)


class Sender:
    """A client that sends parts with a pause before each; None hangs for ever."""

    def __init__(self, *parts: bytes, pause: float | None = 0) -> None:
        self.parts, self.pause, self.taken = parts, pause, 0

    async def __call__(self) -> bytes:
        return b"".join([part async for part in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(3600 if self.pause is None else self.pause)
            self.taken += len(part)
            yield part


def read(
    sender: Sender, length: int | None, *, is_staff: bool = False, patience: float = 5
) -> bytes:
    reader = Reader(patience)
    with asyncio.run(reader.read(sender, Announced("a", length, is_staff))) as body:
        return body.read()


@pytest.mark.parametrize("length", [6, None, SMALL + 2])
def test_a_body_is_read_whole(length: int | None) -> None:
    whole = b"abc" * ((length or 6) // 3)

    assert read(Sender(whole[:3], whole[3:]), length) == whole


@pytest.mark.parametrize("length", [6, None, SMALL + 1])
def test_a_slow_sender_is_left_at_the_deadline(length: int | None) -> None:
    for pause in (None, 0.02):
        with pytest.raises(Refused) as refused:
            read(Sender(*[b"x"] * 50, pause=pause), length, patience=0.05)
        assert refused.value.status == 408


def test_a_body_without_end_is_cut() -> None:
    sender = Sender(*[b"x" * 65536] * 100)

    with pytest.raises(Refused) as refused:
        read(sender, None)

    assert refused.value.status == 413
    assert sender.taken <= PUBLIC + 65536


@pytest.mark.parametrize("length", [6, SMALL + 1])
def test_a_body_that_ends_early_is_no_body(length: int) -> None:
    with pytest.raises(Refused) as refused:
        read(Sender(b"abc"), length)

    assert refused.value.status == 400


def test_of_a_body_announced_as_too_large_nothing_is_read() -> None:
    sender = Sender(b"x" * (PUBLIC + 1))

    assert read(sender, PUBLIC + 1) == b""
    assert sender.taken == 0
    assert read(Sender(b"x" * (PUBLIC + 1)), PUBLIC + 1, is_staff=True) == b"x" * (PUBLIC + 1)
    assert read(sender, LARGE + 1, is_staff=True) == b""


async def _crowd(reader: Reader, address: str, many: int, announced: int) -> list[int]:
    """Let many send without an end for a moment; return what was refused."""
    is_staff = announced > PUBLIC
    waits = [
        reader.read(Sender(b"x", pause=None), Announced(address, announced, is_staff))
        for _ in range(many)
    ]
    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert not reader.waiting
    return [each.status for each in ended if isinstance(each, Refused)]


def test_one_address_holds_a_share_of_memory_and_small_bodies_pass_beside_it() -> None:
    async def scene() -> list[int]:
        reader = Reader(0.2)
        most = SHARE_OF_ONE // PUBLIC
        crowd = asyncio.create_task(_crowd(reader, "a", most + 10, PUBLIC))
        await asyncio.sleep(0.05)
        for address, length in (("a", SMALL), ("b", PUBLIC)):
            whole = b"x" * length
            with await reader.read(Sender(whole), Announced(address, length, False)) as body:
                assert body.read() == whole
        return await crowd

    statuses = asyncio.run(scene())

    assert statuses.count(503) == 10
    assert statuses.count(408) == SHARE_OF_ONE // PUBLIC


def test_only_some_large_bodies_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fundraising.front.bodies.SLOWEST", LARGE * 10)

    statuses = asyncio.run(_crowd(Reader(0.1), "a", LARGE_AT_ONCE + 3, LARGE))

    assert statuses.count(503) == 3
