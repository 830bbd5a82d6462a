"""The donor's side of Alipay: which browser is offered what, and what coming back means."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import queries, ways
from fundraising.giving.models import Gift, GiftState
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt
from fundraising.payments.providers.alipay import signing
from fundraising.payments.providers.base import Product
from tests import alipay, wechat
from tests.conftest import FrozenClock
from tests.giving.test_pages import post

DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 15) Mobile Chrome/140.0"
IN_WECHAT = f"{PHONE} MicroMessenger/8.0"
Start = Callable[..., Gift]


@pytest.fixture(autouse=True)
def both(app: Flask, wechatpay: None) -> Iterator[None]:
    adapter = alipay.provider()
    app.extensions["providers"] = {"wechatpay": wechat.provider(), "alipay": adapter}
    yield
    for made in app.extensions["providers"].values():
        made.http.close()


def offered(agent: str) -> list[str]:
    return [way.provider for way in ways.offered(agent)]


def test_alipay_is_offered_outside_wechat_only(client: FlaskClient, campaign: Campaign) -> None:
    assert offered(DESKTOP) == offered(PHONE) == ["wechatpay", "alipay"]
    assert offered(IN_WECHAT) == ["wechatpay"]

    page = client.get(f"/c/{campaign.slug}/donate").get_data(as_text=True)
    assert 'value="alipay"' in page
    inside = client.get(f"/c/{campaign.slug}/donate", headers={"User-Agent": IN_WECHAT})
    assert 'value="alipay"' not in inside.get_data(as_text=True)


@pytest.mark.parametrize(
    ("asked", "agent", "product"),
    [
        ("alipay", DESKTOP, Product.ALIPAY_PAGE),
        ("alipay", PHONE, Product.ALIPAY_WAP),
        ("alipay", IN_WECHAT, Product.WECHATPAY_JSAPI),
        ("alipay.qr", PHONE, Product.ALIPAY_QR),
        ("wechatpay", DESKTOP, Product.WECHATPAY_NATIVE),
        (None, DESKTOP, Product.WECHATPAY_NATIVE),
    ],
)
def test_each_device_gets_its_product(
    client: FlaskClient, asked: str | None, agent: str, product: Product
) -> None:
    assert ways.chosen(asked, agent) is product


def test_a_gift_by_alipay_goes_to_a_signed_page(client: FlaskClient, campaign: Campaign) -> None:
    status, where = post(client, campaign, product="alipay")
    assert status == 303

    page = client.get(where).get_data(as_text=True)

    order_no = where.rsplit("/", 1)[1]
    gift = queries.by_order_no(order_no)
    assert gift.channel == "alipay"
    address = page.split('class="button block" href="')[1].split('"')[0].replace("&amp;", "&")
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert fields["return_url"] == f"http://localhost/pay/{order_no}/back"
    assert fields["notify_url"] == "http://localhost/payments/alipay/notify"
    sign = fields.pop("sign")
    signing.verify(
        [wechat.key("alipay-app").public_key()], signing.text_to_sign(fields.items()), sign
    )


def test_the_json_checkout_opens_alipay(client: FlaskClient, campaign: Campaign) -> None:
    asked = {
        "campaign": campaign.slug,
        "amount_fen": 1314,
        "channel": "alipay.wap",
        "idempotency_key": "0123456789abcdef",
    }

    answer = client.post("/api/v1/checkout", json=asked)

    assert answer.status_code == 201
    assert answer.get_json()["pay"]["kind"] == "redirect"
    assert "alipay.trade.wap.pay" in answer.get_json()["pay"]["url"]


# ---------------------------------------------------------------------- coming back


def brought(gift: Gift, signer: str = "alipay", **changed: str) -> str:
    told = {
        "app_id": alipay.APP_ID,
        "seller_id": alipay.SELLER,
        "out_trade_no": gift.order_no,
        "trade_no": "2026T1",
        "total_amount": "10.00",
        "method": "alipay.trade.page.pay.return",
        "timestamp": alipay.local(clock.now()),
        **changed,
    }
    sign = signing.sign(wechat.key(signer), signing.text_to_sign(told.items()))
    return urlencode({**told, "sign": sign, "sign_type": "RSA2"})


def test_a_genuine_return_shows_and_asks_and_never_settles(
    client: FlaskClient, start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start(1000, product=Product.ALIPAY_PAGE)

    page = client.get(f"/pay/{gift.order_no}/back?{brought(gift)}")

    assert page.status_code == 200
    assert f'action="/pay/{gift.order_no}/check"' in page.get_data(as_text=True)
    assert queries.by_order_no(gift.order_no).state == GiftState.CREATED
    client.post(f"/pay/{gift.order_no}/check")
    db.session.expire_all()
    attempt = db.session.execute(select(Attempt).where(Attempt.order_id == gift.id)).scalar_one()
    assert attempt.query_due_at == frozen_clock.at


@pytest.mark.parametrize("kind", ["forged", "other", "bare"])
def test_what_alipay_did_not_sign_for_this_order_only_shows_the_state(
    client: FlaskClient, start: Start, kind: str
) -> None:
    gift, other = (start(1000, product=Product.ALIPAY_PAGE) for _ in range(2))
    query = {"forged": brought(gift, "alipay-app"), "other": brought(other), "bare": ""}[kind]

    answer = client.get(f"/pay/{gift.order_no}/back?{query}")

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/pay/{gift.order_no}/result",
    )
    assert payments.latest(gift.id) is not None
