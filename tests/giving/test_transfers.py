"""A gift by bank transfer: chosen on the form, told with a code, found on the statement, thanked for."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising.campaigns.models import Campaign
from fundraising.giving import queries, settlement
from fundraising.giving.models import Gift
from fundraising.payments import polling, transfer_codes
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt
from fundraising.payments.providers.bank import BankTransfer
from tests import wechat
from tests.conftest import FrozenClock
from tests.giving.test_pages import post

ACCOUNT = "1305000000000001314"


@pytest.fixture(autouse=True)
def both_ways(app: Flask) -> Iterator[None]:
    bank = BankTransfer(ACCOUNT, "承德市红十字会", "某银行承德分行")
    provider = wechat.provider()
    app.extensions["providers"] = {"wechatpay": provider, "bank": bank}
    yield
    provider.http.close()
    app.extensions["providers"] = {}


def transfer(client: FlaskClient, campaign: Campaign) -> tuple[Gift, Attempt]:
    status, where = post(client, campaign, product="bank.transfer")
    assert status == 303
    gift = queries.by_order_no(where.rsplit("/", 1)[1])
    attempt = payments.latest(gift.id)
    assert attempt is not None
    return gift, attempt


def test_the_form_offers_a_transfer_where_it_is_set_up(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    assert 'value="bank.transfer"' in client.get(f"/c/{campaign.slug}/donate").text

    del app.extensions["providers"]["bank"]

    assert 'name="product"' not in client.get(f"/c/{campaign.slug}/donate").text
    assert post(client, campaign, product="bank.transfer")[0] == 409


def test_the_pay_page_tells_account_amount_and_code_as_plain_text(
    client: FlaskClient, campaign: Campaign
) -> None:
    gift, attempt = transfer(client, campaign)
    page = client.get(f"/pay/{gift.order_no}").text

    assert transfer_codes.is_valid(attempt.merchant_ref)
    shown = transfer_codes.shown(attempt.merchant_ref)
    for text in (shown, "1305 0000 0000 0001 314", "100.00"):
        assert text in page
    assert "承德市红十字会" in page
    assert "pay.js" not in page
    assert "refresh" not in page
    assert re.search(r'value="wechatpay"', page)


def test_a_transfer_waits_thirty_days_and_nobody_is_asked(
    client: FlaskClient, campaign: Campaign, session: Session, frozen_clock: FrozenClock
) -> None:
    began = frozen_clock.at
    gift, attempt = transfer(client, campaign)
    client.get(f"/pay/{gift.order_no}")
    client.post(f"/pay/{gift.order_no}/check")

    frozen_clock.move(days=29)
    assert not polling.has_due()
    assert "refresh" not in client.get(f"/pay/{gift.order_no}/result").text

    frozen_clock.move(days=1, seconds=1)
    assert attempt.expires_at == began + timedelta(days=30)
    assert polling.poll_due(settlement.apply_facts) == 1
    session.expire_all()
    assert (attempt.state, gift.state) == ("closed", "closed")
    assert not polling.has_due()


def test_a_donor_may_change_from_one_way_to_the_other(
    client: FlaskClient, campaign: Campaign
) -> None:
    gift, first = transfer(client, campaign)

    client.post(f"/pay/{gift.order_no}/again", data={"product": "wechatpay"})
    second = payments.latest(gift.id)
    client.post(f"/pay/{gift.order_no}/again", data={"product": "bank.transfer"})
    third = payments.latest(gift.id)

    assert second is not None
    assert third is not None
    assert [a.provider for a in (first, second, third)] == ["bank", "wechatpay", "bank"]
    assert first.merchant_ref != third.merchant_ref
