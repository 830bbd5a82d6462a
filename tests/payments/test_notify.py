"""The address for notices: authentic ones are kept and answered, all others refused."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising.audit import queries as audit
from fundraising.payments.models import InboxNotice
from tests import wechat
from tests.wechat import Notice

URL = "/payments/wechatpay/notify"


@pytest.fixture(autouse=True)
def wechatpay(app: Flask) -> Iterator[None]:
    app.extensions["providers"] = {"wechatpay": wechat.provider()}
    yield
    app.extensions["providers"] = {}


def kept(session: Session) -> int:
    return session.execute(select(func.count()).select_from(InboxNotice)).scalar_one()


def test_a_genuine_notice_is_kept_and_nothing_is_booked(
    client: FlaskClient, session: Session
) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    answer = client.post(URL, data=raw, headers=notice.headers(raw))

    assert (answer.status_code, kept(session)) == (204, 1)


def test_atk_001_a_notice_without_a_signature_is_refused(
    client: FlaskClient, session: Session
) -> None:
    answer = client.post(URL, data=b"{}")

    assert (answer.status_code, kept(session)) == (401, 0)
    assert answer.get_json()["code"] == "FAIL"


def test_atk_001_two_signatures_are_refused(client: FlaskClient, session: Session) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()
    headers = [*notice.headers(raw).items(), ("Wechatpay-Signature", "eA==")]

    assert client.post(URL, data=raw, headers=headers).status_code == 401


def test_case_34_a_body_beyond_64_kilobytes_is_cut(client: FlaskClient, session: Session) -> None:
    assert client.post(URL, data=b"x" * (64 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_case_35_other_methods_are_refused(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)(URL).status_code == 405


def test_case_35_a_trailing_slash_does_not_redirect(client: FlaskClient) -> None:
    assert client.post(URL + "/", data=b"{}").status_code == 401


def test_a_notice_that_our_keys_do_not_open_must_come_again_and_alarms(
    client: FlaskClient, session: Session
) -> None:
    notice = Notice("ORDER00000000000001", 100, apiv3=b"z" * 32)
    raw = notice.raw()

    assert client.post(URL, data=raw, headers=notice.headers(raw)).status_code == 500
    assert [a.key for a in audit.open_alarms()] == ["payments:wechatpay:undecryptable"]


def test_a_provider_that_is_off_takes_no_notices(app: Flask, client: FlaskClient) -> None:
    app.extensions["providers"] = {}

    assert client.post(URL, data=b"{}").status_code == 409


def test_atk_007_a_thousand_replays_are_one_notice(client: FlaskClient, session: Session) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()
    headers = notice.headers(raw)

    answers = {client.post(URL, data=raw, headers=headers).status_code for _ in range(200)}

    assert answers == {204}
    row = session.execute(select(InboxNotice)).scalar_one()
    session.refresh(row)
    assert row.deliveries == 200
