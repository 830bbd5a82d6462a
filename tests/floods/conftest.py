"""The gate shut as in production, with a provider that counts what it is asked."""

from collections.abc import Iterator

import pytest
from flask import Flask

from fundraising.payments.providers.base import Instruction, OrderRequest, PayKind
from tests.giving.conftest import campaign
from tests.wechat import MCHID

__all__ = ["campaign"]


class Counter:
    """A provider that opens every order and counts them."""

    name, account = "wechatpay", MCHID

    def __init__(self) -> None:
        self.opened = 0

    def open_order(self, order: OrderRequest) -> Instruction:
        self.opened += 1
        return Instruction(PayKind.QR, f"weixin://pay/{order.merchant_ref}")


@pytest.fixture(autouse=True)
def provider(app: Flask) -> Iterator[Counter]:
    made = Counter()
    settings = app.extensions["settings"]
    app.extensions["providers"] = {"wechatpay": made}
    app.extensions["settings"] = settings.model_copy(update={"ratelimit_enabled": True})
    yield made
    app.extensions["settings"] = settings
    app.extensions["providers"] = {}
