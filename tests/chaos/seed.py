"""Writes orders to be paid into the product's database, through its own service.

Every fiftieth order gets a second attempt, as when a donor opens a second tab. One donor in ten wants the
receipt at once: setting ten thousand of them would be a test of typesetting.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask
from sqlalchemy import text

from fundraising import clock
from fundraising.campaigns.models import CampaignState
from fundraising.database import db, transaction
from fundraising.giving import service
from fundraising.giving.models import ReceiptRule
from fundraising.giving.service import StartGift
from fundraising.money import Money
from fundraising.payments import service as payments
from fundraising.payments.providers.base import Product
from tests.factories import Make

AT_ONCE = 500
PRODUCTS = (Product.WECHATPAY_NATIVE, Product.ALIPAY_QR, Product.STRIPE_CHECKOUT)
SHARES = (7, 2, 1)


@dataclass(frozen=True)
class Order:
    """What a provider must know: our numbers are one or two, when a donor opened a second tab."""

    provider: str
    fen: int
    refs: list[str]


def sow(app: Flask, count: int, seed: int) -> list[Order]:
    """Write so many gifts and return what is to be paid."""
    chance = random.Random(seed)
    orders: list[Order] = []
    with app.app_context(), app.test_request_context("/"):
        with transaction():
            slug = Make(db.session()).campaign(CampaignState.OPEN).slug
        while len(orders) < count:
            with transaction():
                for number in range(len(orders), min(count, len(orders) + AT_ONCE)):
                    orders.append(_order(slug, number, chance))
        with transaction():
            db.session.execute(
                text("UPDATE payment_attempt SET query_due_at = :due, state = 'pending'"),
                {"due": clock.now() + timedelta(minutes=20)},
            )
        db.session.remove()
    return orders


def _order(slug: str, number: int, chance: random.Random) -> Order:
    fen, key = chance.randint(100, 5000), f"chaos-{number}-{chance.random()}"
    (product,) = chance.choices(PRODUCTS, SHARES)
    rule = ReceiptRule.ON_REQUEST if chance.random() < 0.9 else ReceiptRule.AT_ONCE
    gift = service.start_gift(StartGift(slug, Money(fen), product, key, receipt_rule=rule))
    refs = [gift.order_no]
    assert gift.expires_at is not None
    if number % 50 == 0:
        second = payments.create_attempt(gift.id, product, Money(fen), gift.expires_at)
        refs.append(second.merchant_ref)
    return Order(product.provider, fen, refs)
