"""The door in front of Flask answers good notices as the route does, and leaves all others to it."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from werkzeug.test import Client, TestResponse

from fundraising.database import db
from fundraising.payments.door import NoticeDoor
from fundraising.payments.models import InboxNotice
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
