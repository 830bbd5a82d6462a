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
CONTRACT_TIME = timedelta(hours=26)
"""A charge by agreement may be under way for a day (WeChat Pay documentation 4011986748)."""


@dataclass(frozen=True)
class Way:
    """One choice of the donation form; ``value`` is what the form sends."""

    value: str
    provider: str
    label: Any
    hint: Any


WAYS = (
    Way("wechatpay", "wechatpay", _l("WeChat Pay"), _l("at once")),
    Way("alipay", "alipay", _l("Alipay"), _l("at once")),
    Way(Product.STRIPE_CHECKOUT, "stripe", _l("Card (international)"), _l("at once")),
    Way(Product.BANK_TRANSFER, "bank", _l("Bank transfer"), _l("one to three days")),
)


def offered(agent: str) -> list[Way]:
    """Return the ways that are set up here and work in a browser, in their order.

    WeChat's own browser does not open Alipay's pages, nor is it sent to pages outside the country.
    """
    hidden = {"alipay", "stripe"} if is_in_wechat(agent) else set()
    providers = payments.providers().keys()
    usable = providers - hidden or providers
    return [way for way in WAYS if way.provider in usable]


def chosen(asked: str | None, agent: str) -> Product:
    """Return the product asked for, else the one that this browser can do.

    Raises:
        ProductOff: no way to give is set up here.
    """
    if asked in {product.value for product in Product if product.is_asked_for}:
        return Product(asked)
    names = [way.provider for way in offered(agent)]
    if not names:
        raise ProductOff
    wanted = asked if asked in names else names[0]
    if wanted == "alipay":
        return Product.ALIPAY_WAP if is_phone(agent) else Product.ALIPAY_PAGE
    if wanted == "wechatpay":
        return _wechat_product(agent)
    return Product.STRIPE_CHECKOUT if wanted == "stripe" else Product.BANK_TRANSFER


def kept(product: Product) -> Product:
    """Return the product that also keeps the donor's card for monthly gifts, where that is turned on."""
    settings: Settings = current_app.extensions["settings"]
    is_kept = product is Product.STRIPE_CHECKOUT and settings.stripe_monthly
    return Product.STRIPE_KEEP if is_kept and "stripe" in payments.providers() else product


def return_url(order_no: str) -> str:
    """Return where a provider's own page sends the donor's browser back to."""
    settings: Settings = current_app.extensions["settings"]
    return f"{settings.public_url}/pay/{order_no}/back"


def order_time(product: Product) -> timedelta:
    """Return how long an order of that product waits to be paid."""
    if product.is_transfer:
        return TRANSFER_TIME
    if product is Product.WECHATPAY_CONTRACT:
        return CONTRACT_TIME
    settings: Settings = current_app.extensions["settings"]
    return timedelta(minutes=settings.order_minutes)


def _wechat_product(agent: str) -> Product:
    if is_in_wechat(agent):
        return Product.WECHATPAY_JSAPI
    return Product.WECHATPAY_H5 if is_phone(agent) else Product.WECHATPAY_NATIVE


def is_in_wechat(agent: str) -> bool:
    """Whether a browser is WeChat's own."""
    return "micromessenger" in agent.lower()


def is_phone(agent: str) -> bool:
    """Whether a browser is a telephone's."""
    return any(word in agent.lower() for word in ("mobile", "android", "iphone"))
