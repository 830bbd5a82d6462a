"""An attacker's tools: a campaign that takes gifts, a provider that opens orders, and a hardened copy of the site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from fundraising.campaigns.models import Campaign
from fundraising.payments.providers.base import BillKind, Instruction, OrderRequest, PayKind
from tests.conftest import serving, settings_for
from tests.factories import Make
from tests.wechat import MCHID


class Desk:
    """A provider that opens every order."""

    name, account = "wechatpay", MCHID
    bill_kinds: tuple[BillKind, ...] = ()

    def open_order(self, order: OrderRequest) -> Instruction:
        return Instruction(PayKind.QR, f"weixin://pay/{order.merchant_ref}")


@pytest.fixture(autouse=True)
def desk(app: Flask) -> Iterator[Desk]:
    made = Desk()
    app.extensions["providers"] = {"wechatpay": made}
    yield made
    app.extensions["providers"] = {}


@pytest.fixture
def campaign(make: Make) -> Campaign:
    return make.campaign()


@pytest.fixture
def guarded(own_database: Flask, tmp_path: Path) -> Iterator[Flask]:
    """A site as donors meet it: limits on, CSRF on, on a database of its own."""
    settings = settings_for(
        own_database.config["SQLALCHEMY_DATABASE_URI"], tmp_path, ratelimit_enabled=True
    )
    with serving(settings) as application:
        yield application
