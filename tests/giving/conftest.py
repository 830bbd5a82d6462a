"""Giving needs a provider: WeChat Pay's adapter with keys in memory and nobody at the other end."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask

from fundraising.campaigns.models import Campaign
from fundraising.giving import service
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from tests import wechat
from tests.factories import Make


@pytest.fixture(autouse=True)
def wechatpay(app: Flask) -> Iterator[None]:
    provider = wechat.provider()
    app.extensions["providers"] = {"wechatpay": provider}
    yield
    provider.http.close()
    app.extensions["providers"] = {}


@pytest.fixture
def campaign(make: Make) -> Campaign:
    return make.campaign()


@pytest.fixture
def start(campaign: Campaign) -> Callable[..., Gift]:
    """Starts a gift of so many fen."""

    def started(fen: int = 1314, **more: object) -> Gift:
        values: dict[str, object] = {
            "campaign_slug": campaign.slug,
            "amount": Money(fen),
            "product": Product.WECHATPAY_NATIVE,
            "idempotency_key": uuid4().hex,
        }
        return service.start_gift(StartGift(**{**values, **more}))  # type: ignore[arg-type]

    return started
