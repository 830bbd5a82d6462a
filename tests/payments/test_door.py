"""The door in front of Flask answers good notices as the route does, and leaves all others to it."""

import asyncio
import json
from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from werkzeug.datastructures import Headers
from werkzeug.test import Client, EnvironBuilder, TestResponse

from fundraising.database import db
from fundraising.payments import door as doors
from fundraising.payments.door import NoticeDoor, Said
from fundraising.payments.models import InboxNotice
from fundraising.payments.providers.base import Envelope
from tests import wechat
from tests.wechat import Notice

URL = "/payments/wechatpay/notify"


class Asked:
    """Counts what went the long way."""

    def __init__(self, app: Flask) -> None:
        self.app, self.times = app.wsgi_app, 0

    def __call__(self, environ: Any, start: Any) -> Any:
        self.times += 1
        return self.app(environ, start)


@pytest.fixture
def asked(own_database: Flask) -> Asked:
    own_database.extensions["providers"] = {"wechatpay": wechat.provider()}
    flask = Asked(own_database)
    own_database.wsgi_app = flask  # type: ignore[method-assign, assignment]
    return flask


@pytest.fixture
def door(own_database: Flask, asked: Asked) -> NoticeDoor:
    del asked
    return NoticeDoor(own_database)


def post(door: NoticeDoor, raw: bytes, headers: dict[str, str], url: str = URL) -> TestResponse:
    return Client(door).post(url, data=raw, headers=headers)


def kept() -> list[tuple[bytes, int]]:
    db.session.rollback()
    rows = db.session.execute(select(InboxNotice.raw, InboxNotice.deliveries))
    return [(bytes(row.raw), row.deliveries) for row in rows]


@pytest.mark.parametrize("url", [URL, f"{URL}/"])
def test_a_genuine_notice_is_kept_without_flask(door: NoticeDoor, asked: Asked, url: str) -> None:
    raw = (notice := Notice("ORDER00000000000001", 100)).raw()

    first, second = (post(door, raw, notice.headers(raw), url) for _ in range(2))

    assert (first.status, first.data, second.status) == ("204 No Content", b"", "204 No Content")
    assert kept() == [(raw, 2)]
    assert asked.times == 0


def test_what_is_not_good_is_refused_by_the_route(door: NoticeDoor, asked: Asked) -> None:
    raw = (notice := Notice("ORDER00000000000001", 100)).raw()
    other_key = (sealed := Notice("ORDER00000000000001", 100, apiv3=b"y" * 32)).raw()
    large = b"x" * (64 * 1024 + 1)

    answers = [
        post(door, raw + b" ", notice.headers(raw)).status_code,
        post(door, other_key, sealed.headers(other_key)).status_code,
        post(door, b"[]", notice.headers(b"[]")).status_code,
        post(door, large, notice.headers(large)).status_code,
        Client(door).get(URL).status_code,
    ]

    assert answers == [401, 500, 400, 413, 405]
    assert kept() == []
    assert asked.times == len(answers)


def test_when_the_database_fails_the_route_takes_the_notice(
    door: NoticeDoor, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = (notice := Notice("ORDER00000000000001", 100)).raw()

    def away(_envelope: object) -> None:
        raise OperationalError("away", {}, Exception())

    monkeypatch.setattr(door.store, "put", away)

    assert post(door, raw, notice.headers(raw)).status_code == 204
    assert kept() == [(raw, 1)]
    assert asked.times == 1


def test_a_connection_comes_back_to_the_pool_as_it_was(door: NoticeDoor) -> None:
    raw = (notice := Notice("ORDER00000000000001", 100)).raw()
    post(door, raw, notice.headers(raw))

    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.autocommit is False


Together = tuple[dict[str, Any], bytes]


def asked_for(raw: bytes, headers: dict[str, str], url: str = URL) -> Together:
    """Return a notice as the front hands it over."""
    environ = EnvironBuilder(
        path=url, method="POST", data=raw, headers=Headers(headers)
    ).get_environ()
    return environ, raw


def genuine(ref: str, **more: Any) -> Together:
    raw = (notice := Notice(ref, 100, **more)).raw()
    return asked_for(raw, notice.headers(raw))


def take(door: NoticeDoor, *sets: list[Together]) -> list[list[Said | None]]:
    """Ask the door for one set after another, as the server's loop does."""

    async def taken() -> list[list[Said | None]]:
        try:
            return [await door.take(each) for each in sets]
        finally:
            if door.shelf.connection is not None:
                await door.shelf.connection.close()
                door.shelf.connection = None

    return asyncio.run(taken())


def test_several_good_notices_are_kept_by_one_statement(
    door: NoticeDoor, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = [genuine(f"ORDER0000000000000{n}") for n in range(5)]
    sets: list[int] = []
    put_new = door.shelf.put_new

    async def counted(envelopes: Sequence[Envelope]) -> list[tuple[str, str, str]]:
        sets.append(len(envelopes))
        return await put_new(envelopes)

    monkeypatch.setattr(door.shelf, "put_new", counted)

    (answers,) = take(door, notices)

    assert answers == [(204, [], b"")] * 5
    assert sets == [5]
    assert sorted(kept()) == sorted((raw, 1) for _, raw in notices)
    assert asked.times == 0


def test_only_what_is_good_and_new_is_answered_together(door: NoticeDoor) -> None:
    known, new = genuine("ORDER00000000000001"), genuine("ORDER00000000000002")
    forged = (new[0], new[1] + b" ")
    twin = Notice("ORDER00000000000002", 999, number=json.loads(new[1])["id"])
    other = asked_for(twin.raw(), twin.headers(twin.raw()))

    _, answers = take(door, [known], [known, forged, new, new, other])

    assert [bool(answer) for answer in answers] == [False, False, True, False, False]
    assert sorted(kept()) == sorted([(known[1], 1), (new[1], 1)])


def test_a_known_notice_that_a_worker_holds_keeps_no_other_waiting(door: NoticeDoor) -> None:
    known, new = genuine("ORDER00000000000001"), genuine("ORDER00000000000002")
    take(door, [known])
    with db.engine.begin() as worker:
        worker.execute(select(InboxNotice.id).with_for_update())
        (answers,) = take(door, [known, new])

    assert [bool(answer) for answer in answers] == [False, True]


def test_notices_are_left_to_the_route_while_the_database_is_away(
    door: NoticeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = [genuine(f"ORDER0000000000000{n}") for n in range(3)]
    shelved = door.shelf._put_new

    async def cut_off(connection: Any, envelopes: Any) -> list[tuple[str, str, str]]:
        monkeypatch.setattr(door.shelf, "_put_new", shelved)
        with db.engine.begin() as other:
            other.execute(select(func.pg_terminate_backend(connection.info.backend_pid)))
        return await shelved(connection, envelopes)

    monkeypatch.setattr(door.shelf, "_put_new", cut_off)

    assert take(door, *([each] for each in notices)) == [[None], [(204, [], b"")], [(204, [], b"")]]
    assert sorted(kept()) == sorted((raw, 1) for _, raw in notices[1:])


def test_a_database_that_does_not_answer_holds_no_notice_for_long(
    door: NoticeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "PATIENCE", 0.3)
    first, second = genuine("ORDER00000000000001"), genuine("ORDER00000000000002")
    begun = monotonic()
    with db.engine.begin() as other:
        other.execute(text("LOCK TABLE payment_inbox"))
        assert take(door, [first]) == [[None]]
    took = monotonic() - begun

    assert took < 3
    assert take(door, [second]) == [[(204, [], b"")]]
