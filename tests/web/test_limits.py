"""Limits hold, and are stricter, without Redis; what has none gets none."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from fundraising.database import db, transaction
from fundraising.floods.service import FREE_ADDRESS
from local.processes import free_port
from tests import wechat
from tests.conftest import made, settings_for
from tests.factories import Make
from tests.wechat import Notice


@pytest.fixture
def without_redis(own_database: Flask, tmp_path: Path) -> Iterator[Flask]:
    """An application whose Redis is away."""
    settings = settings_for(
        own_database.config["SQLALCHEMY_DATABASE_URI"],
        tmp_path,
        ratelimit_enabled=True,
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )
    application = made(settings)
    application.config["WTF_CSRF_ENABLED"] = False
    application.extensions["providers"] = {"wechatpay": wechat.provider()}
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


def test_pages_without_a_limit_of_their_own_have_none_without_redis(without_redis: Flask) -> None:
    browser = without_redis.test_client()
    limited = {browser.post("/find", data={}).status_code for _ in range(2)}

    answers = {browser.get("/accessibility").status_code for _ in range(100)}

    assert 429 not in limited
    assert answers == {200}


def test_notices_are_never_limited_without_redis(without_redis: Flask) -> None:
    browser = without_redis.test_client()
    browser.get("/v/2222-2222-2222")  # finds out that Redis is away
    notice = Notice("LIMITLESS0000000001", 100)
    raw = notice.raw()
    headers = notice.headers(raw)

    answers = {
        browser.post("/payments/wechatpay/notify", data=raw, headers=headers).status_code
        for _ in range(90)
    }

    assert answers == {204}


def test_atk_048_a_limit_is_stricter_without_redis(without_redis: Flask) -> None:
    """Two processes that do not see each other's counts let through less than one limit, not twice as much."""
    browser = without_redis.test_client()

    answers = [browser.get("/api/v1/orders/NOBODYS").status_code for _ in range(130)]

    assert answers.count(404) == 40  # of 120 a minute
    assert answers[-1] == 429


def test_every_limit_lets_one_through_without_redis(without_redis: Flask) -> None:
    browser = without_redis.test_client()

    answers = [browser.post("/receipts/nobodys/send").status_code for _ in range(3)]

    assert answers[0] == 404
    assert answers[-1] == 429


def checkouts(browser: FlaskClient, slug: str, times: int) -> list[int]:
    body = {"campaign": slug, "amount_fen": 100, "channel": "wechatpay.native"}
    return [
        browser.post("/api/v1/checkout", json={**body, "idempotency_key": uuid4().hex}).status_code
        for _ in range(times)
    ]


def test_atk_048_the_gate_is_as_shut_without_redis(without_redis: Flask) -> None:
    with transaction():
        campaign = Make(db.session()).campaign()
    answers = checkouts(without_redis.test_client(), campaign.slug, FREE_ADDRESS + 5)
    asked_for = db.session.execute(text("SELECT count(*) FROM payment_attempt")).scalar_one()

    assert answers[FREE_ADDRESS:] == [429] * 5
    assert 429 not in answers[:FREE_ADDRESS]
    assert asked_for == FREE_ADDRESS


def test_atk_048_limits_are_stricter_while_each_process_counts_alone(
    without_redis: Flask,
) -> None:
    with transaction():
        campaign = Make(db.session()).campaign()
    browser = without_redis.test_client()
    browser.get(f"/c/{campaign.slug}/donate")
    answers = [browser.post(f"/c/{campaign.slug}/donate", data={}).status_code for _ in range(16)]

    assert answers == [422] * 13 + [429] * 3  # of 40 a minute, counted three for one


def test_limits_that_are_off_stop_no_start(own_database: Flask, tmp_path: Path) -> None:
    settings = settings_for(
        own_database.config["SQLALCHEMY_DATABASE_URI"],
        tmp_path,
        ratelimit_enabled=False,
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )
    assert made(settings).test_client().get("/healthz").status_code == 200
