"""The ways to give that a donor is offered: those this installation is set up for."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app

from config import Settings
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments import service as payments
from fundraising.payments.errors import ProductOff
from fundraising.payments.providers.base import Product

TRANSFER_TIME = timedelta(days=30)


@dataclass(frozen=True)
class Way:
    """One choice of the donation form; ``value`` is what the form sends."""

    value: str
    provider: str
    label: Any
    hint: Any


WAYS = (
    Way("wechatpay", "wechatpay", _l("WeChat Pay"), _l("at once")),
    Way(Product.BANK_TRANSFER, "bank", _l("Bank transfer"), _l("one to three days")),
)


def offered() -> list[Way]:
    """Return the ways that are set up here, in their order."""
    providers = payments.providers()
    return [way for way in WAYS if way.provider in providers]


def chosen(asked: str | None, agent: str) -> Product:
    """Return the product asked for, else the one that this browser can do.

    Raises:
        ProductOff: no way to give is set up here.
    """
    if asked in {product.value for product in Product}:
        return Product(asked)
    providers = payments.providers()
    if "wechatpay" in providers:
        return _wechat_product(agent.lower())
    if "bank" in providers:
        return Product.BANK_TRANSFER
    raise ProductOff


def order_time(product: Product) -> timedelta:
    """Return how long an order of that product waits to be paid."""
    if product.is_transfer:
        return TRANSFER_TIME
    settings: Settings = current_app.extensions["settings"]
    return timedelta(minutes=settings.order_minutes)


def _wechat_product(agent: str) -> Product:
    if "micromessenger" in agent:
        return Product.WECHATPAY_JSAPI
    if "mobile" in agent or "android" in agent or "iphone" in agent:
        return Product.WECHATPAY_H5
    return Product.WECHATPAY_NATIVE
