"""Numbered cases of notices at the door: keys, clocks, copies, bodies. What is refused leaves nothing behind."""

import json
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import Client

from fundraising.audit import queries as audit
from fundraising.giving import settlement
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import inbox, reviews
from fundraising.payments.door import NoticeDoor
from fundraising.payments.models import InboxNotice, ProviderFact
from tests import alipay, stripe, wechat
from tests.conftest import FrozenClock
from tests.giving.test_settlement import Start, state_of
from tests.stripe import Event
from tests.wechat import Notice

URL = "/payments/wechatpay/notify"
XXE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;">]>'
    "<xml><return_code>SUCCESS</return_code><out_trade_no>&b;</out_trade_no></xml>"
)


@pytest.fixture(autouse=True)
def all_doors(app: Flask, wechatpay: None) -> None:
    app.extensions["providers"] |= {"alipay": alipay.provider(), "stripe": stripe.provider()}


def kept(session: Session) -> int:
    return session.execute(select(func.count()).select_from(InboxNotice)).scalar_one()


def post(client: FlaskClient, notice: Notice, **changed: Any) -> int:
    raw = notice.raw()
    return client.post(URL, data=raw, headers=notice.headers(raw, **changed)).status_code


def drain() -> None:
    settlement.drain(timedelta(seconds=5))


def open_reasons() -> list[str]:
    return [review.detail.get("reason", review.kind) for review in reviews.open_reviews()]


@pytest.mark.parametrize("name", ["merchant", "revoked", "another merchant's"])
def test_atk_004_a_notice_signed_with_another_key_is_refused(
    client: FlaskClient, session: Session, name: str
) -> None:
    assert post(client, Notice("ORDER1", 100), signer=wechat.key(name)) == 401

    form = alipay.Notice("ORDER1", "1.00", signer=name).raw()
    answer = client.post(
        "/payments/alipay/notify", data=form, content_type="application/x-www-form-urlencoded"
    )
    assert answer.text == "failure"

    raw = Event("checkout.session.completed", stripe.session("ORDER1")).raw()
    headers = stripe.signed(raw, f"whsec_{name}")
    assert client.post("/payments/stripe/webhook", data=raw, headers=headers).status_code == 401
    assert kept(session) == 0


@pytest.mark.parametrize(
    "kind", ["none", "HS256", "MD5", "WECHATPAY2-MD5", "WECHATPAY2-SHA1-RSA2048", ""]
)
def test_atk_005_the_way_of_signing_is_ours_to_say(
    client: FlaskClient, session: Session, kind: str
) -> None:
    assert post(client, Notice("ORDER1", 100), type=kind) == 401
    notice = alipay.Notice("ORDER1", "1.00", sign_type=kind)
    answer = client.post("/payments/alipay/notify", data=notice.raw())
    assert answer.text == "failure"
    assert kept(session) == 0


@pytest.mark.parametrize(
    "stamp", ["", "soon", "-1", "1" + "0" * 30, "1e9", "1795600000.5", "0x6b49d200"]
)
def test_atk_006_a_time_that_is_none_is_refused(
    client: FlaskClient, session: Session, stamp: str
) -> None:
    notice = Notice("ORDER1", 100)
    raw = notice.raw()
    headers = {**notice.headers(raw), "Wechatpay-Timestamp": stamp}

    status = client.post(URL, data=raw, headers=headers).status_code
    assert (status, kept(session)) == (401, 0)
    assert audit.open_alarms() == []


@pytest.mark.parametrize("minutes", [10, -10])
def test_case_100_and_atk_006_a_clock_that_is_wrong_alarms_and_loses_nothing(
    client: FlaskClient, start: Start, frozen_clock: FrozenClock, minutes: int
) -> None:
    gift, other = start(), start()
    notices = [Notice(one.order_no, one.amount_fen) for one in (gift, other)]
    event = Event("checkout.session.completed", stripe.session("X")).raw()
    headers = stripe.signed(event)
    raws = [notice.raw() for notice in notices]
    bodies = [(raw, notice.headers(raw)) for raw, notice in zip(raws, notices, strict=True)]
    frozen_clock.move(minutes=minutes)

    refused = [client.post(URL, data=raw, headers=h).status_code for raw, h in bodies]
    refused.append(client.post("/payments/stripe/webhook", data=event, headers=headers).status_code)
    frozen_clock.move(minutes=-minutes)

    assert refused == [401, 401, 401]
    alarms = sorted(a.key for a in audit.open_alarms())
    assert alarms == ["payments:stripe:clock", "payments:wechatpay:clock"]
    again = [client.post(URL, data=raw, headers=h).status_code for raw, h in bodies]
    drain()
    assert again == [204, 204]
    assert state_of(gift) == state_of(other) == GiftState.PAID


def test_a_forger_rings_no_alarm_of_the_clock(client: FlaskClient, session: Session) -> None:
    assert post(client, Notice("ORDER1", 1), timestamp=1_000_000_000, signature="eA==") == 401
    assert audit.open_alarms() == []


def test_atk_009_the_same_number_with_other_content_changes_nothing_and_alarms(
    client: FlaskClient, start: Start, session: Session
) -> None:
    gift, other = start(1000), start(5000)
    first = Notice(gift.order_no, 1000)
    for forged in (
        first,
        Notice(gift.order_no, 999, number=first.number, transaction_id=first.transaction_id),
        Notice(other.order_no, 5000, number=first.number),
    ):
        assert post(client, forged) == 204
    drain()

    assert (state_of(gift), state_of(other)) == (GiftState.PAID, GiftState.CREATED)
    assert ledger.balance(chart.clearing("wechatpay")) == Money(1000)
    assert open_reasons() == ["the same number with other content"] * 2
    assert "payments:review:unparsable" in [a.key for a in audit.open_alarms()]


def test_the_same_content_in_other_bytes_is_only_another_delivery(
    client: FlaskClient, start: Start, session: Session
) -> None:
    gift = start(1000)
    first = Notice(gift.order_no, 1000)
    again = Notice(gift.order_no, 1000, number=first.number, transaction_id=first.transaction_id,
                   at=first.at, more={"attach": "written anew"})  # fmt: skip
    assert (post(client, first), post(client, again)) == (204, 204)
    drain()
    drain()

    assert state_of(gift) == GiftState.PAID
    assert (kept(session), inbox.has_due(), open_reasons()) == (2, False, [])


def test_a_copy_waits_until_the_first_of_its_number_is_applied(
    client: FlaskClient, start: Start, session: Session, frozen_clock: FrozenClock
) -> None:
    gift = start(1000)
    first = Notice(gift.order_no, 1000)
    post(client, first)
    row = session.execute(select(InboxNotice)).scalar_one()
    row.due_at += timedelta(seconds=1)
    session.flush()
    post(client, Notice(gift.order_no, 7, number=first.number))
    drain()
    assert (state_of(gift), open_reasons()) == (GiftState.CREATED, [])

    frozen_clock.move(hours=1)
    drain()
    assert state_of(gift) == GiftState.PAID
    frozen_clock.move(hours=1)
    drain()
    assert open_reasons() == ["the same number with other content"]


def test_one_movement_told_with_two_amounts_counts_once_and_is_looked_at(
    client: FlaskClient, start: Start
) -> None:
    gift = start(1000)
    first = Notice(gift.order_no, 1000)
    post(client, first)
    drain()
    post(client, Notice(gift.order_no, 900, transaction_id=first.transaction_id))
    drain()

    assert ledger.balance(chart.clearing("wechatpay")) == Money(1000)
    assert open_reasons() == ["the same movement with another amount"]
    assert checks.run_here() == []


@pytest.mark.parametrize(
    ("field", "value"), [("mchid", "1900000099"), ("appid", "wxffffffffffffffff")]
)
def test_case_60_and_atk_012_money_of_another_merchant_is_not_ours(
    client: FlaskClient, start: Start, session: Session, field: str, value: str
) -> None:
    gift = start(1000)
    assert post(client, Notice(gift.order_no, 1000, more={field: value})) == 204
    drain()

    assert state_of(gift) == GiftState.CREATED
    assert session.execute(select(ProviderFact)).first() is None
    assert len(reviews.open_reviews()) == 1
    assert [a.key for a in audit.open_alarms()] == ["payments:review:unparsable"]


def test_case_15_and_atk_027_what_a_key_of_ours_does_not_open_comes_again(
    client: FlaskClient, session: Session
) -> None:
    notice = Notice("ORDER1", 100)
    body = json.loads(notice.raw())
    bent = []
    for name, value in (
        ("ciphertext", "A" + body["resource"]["ciphertext"][1:]),
        ("ciphertext", body["resource"]["ciphertext"][:-4] + "AAA="),
        ("associated_data", "refund"),
        ("nonce", "lkjihgfedcba"),
    ):
        bent.append(json.dumps({**body, "resource": {**body["resource"], name: value}}).encode())

    signed = [client.post(URL, data=raw, headers=notice.headers(raw)).status_code for raw in bent]
    forged = [client.post(URL, data=raw, headers=notice.headers()).status_code for raw in bent]

    assert (signed, forged, kept(session)) == ([500] * 4, [401] * 4, 0)
    assert [a.key for a in audit.open_alarms()] == ["payments:wechatpay:undecryptable"]


def test_case_32_a_refund_notice_under_another_aes_key_must_come_again(
    client: FlaskClient, session: Session
) -> None:
    notice = Notice(
        "ORDER1", 100, event="REFUND.SUCCESS", original_type="refund", apiv3=b"another key, not ours, 32 bytes!"
    )  # fmt: skip

    assert (post(client, notice), kept(session)) == (500, 0)
    assert [a.key for a in audit.open_alarms()] == ["payments:wechatpay:undecryptable"]


@pytest.mark.parametrize("path", [URL, "/payments/alipay/notify", "/payments/stripe/webhook"])
def test_case_31_and_atk_020_xml_is_never_read(
    client: FlaskClient, session: Session, path: str
) -> None:
    raw = XXE.encode()
    unsigned = client.post(path, data=raw, content_type="application/xml")
    assert unsigned.status_code in (400, 401) or unsigned.text == "failure"

    signed = client.post(path, data=raw, headers=Notice("X", 1).headers(raw) | stripe.signed(raw))
    assert signed.status_code in (400, 401) or signed.text == "failure"
    assert "root:" not in signed.text + unsigned.text
    assert escape("<xml>") not in signed.text
    assert kept(session) == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [URL, "/payments/alipay/notify", "/payments/stripe/webhook"])
def test_atk_022_no_other_method_and_no_override_passes(
    client: FlaskClient, session: Session, method: str, path: str
) -> None:
    notice = Notice("ORDER1", 1)
    raw = notice.raw()
    headers = notice.headers(raw) | {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"}

    answer = client.open(f"{path}?_method=POST", method=method, data=raw, headers=headers)

    assert (answer.status_code, kept(session)) == (405, 0)


def test_atk_024_a_flood_of_genuine_notices_is_kept_whole(own_database: Flask) -> None:
    own_database.extensions["providers"] = {"wechatpay": wechat.provider()}
    browser = Client(NoticeDoor(own_database))
    notices = [Notice(f"ORDER{at:015d}", 100) for at in range(300)]
    bodies = [(n.raw(), n) for n in notices]

    answers = {browser.post(URL, data=raw, headers=n.headers(raw)).status_code for raw, n in bodies}

    assert answers == {204}
    with own_database.app_context():
        assert inbox.has_due()
        assert len(inbox.claim(1000)) == 300


def test_case_51_notices_without_any_ring_are_applied_later(
    client: FlaskClient, start: Start, frozen_clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox.BELL, "is_due", lambda: False)
    gift: Gift = start(1000)
    assert post(client, Notice(gift.order_no, 1000)) == 204

    frozen_clock.move(hours=1)
    assert inbox.has_due()
    drain()

    assert state_of(gift) == GiftState.PAID
