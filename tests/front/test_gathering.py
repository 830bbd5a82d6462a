"""Requests that wait at one moment are answered together; what the door does not answer goes on."""

import asyncio
from collections.abc import Sequence

import pytest

from fundraising.front import bridge
from fundraising.front.bridge import Front, Site
from fundraising.front.gathering import MOST_TOGETHER, Asked, Said
from tests.front.test_bridge import Headers, Proto, Scope


class Door:
    """Keeps what it is asked while it is open; answers ``yes``, leaves ``no`` to others, breaks at ``bad``."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.is_open = asyncio.Event()

    def is_for(self, environ: dict[str, str]) -> bool:
        return environ["PATH_INFO"] == "/notify"

    async def take(self, asked: Sequence[Asked]) -> list[Said | None]:
        bodies = [body for _, body in asked]
        self.asked.append(bodies)
        async with asyncio.timeout(10):
            await self.is_open.wait()
        if b"bad" in bodies:
            raise ValueError
        return [(204, [], b"") if body.startswith(b"yes") else None for body in bodies]


def application(environ: dict[str, str], start: object) -> list[bytes]:
    body: bytes = environ["wsgi.input"].read()  # type: ignore[attr-defined]
    start("200 OK", [])  # type: ignore[operator]
    return [b"application: ", body]


def answers(door: Door, *bodies: bytes, first_alone: bool = False) -> list[tuple[int, bytes]]:
    """Post all at once (the first a moment before) and return what each was answered."""
    front = Front(Site(application, lambda _: False, lambda _: None, door=door), 2)
    protos = [Proto(body) for body in bodies]
    scopes = [
        Scope("/notify", "POST", Headers([("content-length", str(len(body)))])) for body in bodies
    ]

    async def posted() -> None:
        waiting = [
            asyncio.create_task(front.__rsgi__(*both)) for both in zip(scopes, protos, strict=True)
        ]
        while first_alone and len(door.asked) < 1:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        door.is_open.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*waiting)

    asyncio.run(posted())
    return [(status, body) for proto in protos for status, _, body in proto.answers]


def test_what_came_while_the_door_was_busy_is_asked_together() -> None:
    door = Door()
    bodies = [b"yes %d" % n for n in range(6)]

    assert answers(door, *bodies, first_alone=True) == [(204, b"")] * 6
    assert sorted(body for asked in door.asked for body in asked) == sorted(bodies)
    assert len(door.asked) < len(bodies)
    assert max(map(len, door.asked)) <= MOST_TOGETHER


def test_what_the_door_leaves_is_answered_by_the_application_with_its_whole_body() -> None:
    assert answers(Door(), b"yes", b"no") == [(204, b""), (200, b"application: no")]


def test_a_door_that_breaks_loses_nothing_and_opens_again() -> None:
    door = Door()

    assert answers(door, b"bad") == [(200, b"application: bad")]
    assert answers(door, b"yes") == [(204, b"")]


def test_a_door_with_a_long_line_sends_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_WAITING", 2)

    said = [status for status, _ in answers(Door(), *[b"yes"] * 9, first_alone=True)]

    assert set(said) == {204, 503}


def test_other_addresses_do_not_meet_the_door() -> None:
    door = Door()
    front = Front(Site(application, lambda _: False, lambda _: None, door=door), 2)
    proto = Proto()

    asyncio.run(front.__rsgi__(Scope("/"), proto))

    assert proto.answers[0][0] == 200
    assert door.asked == []
