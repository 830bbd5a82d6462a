"""Writes orders to be paid into the product's database, through its own service; prints them as JSON lines.

Every fiftieth order gets a second attempt, as when a donor opens a second tab.
"""

import json
import random
import sys
from datetime import timedelta

from sqlalchemy import text

import config
from fundraising import clock
from fundraising.app import create_app
from fundraising.campaigns.models import CampaignState
from fundraising.database import db, transaction
from fundraising.giving import service
from fundraising.giving.service import StartGift
from fundraising.money import Money
from fundraising.payments import service as payments
from fundraising.payments.providers.base import Product
from tests.factories import Make

AT_ONCE = 500


def main(count: int, seed: int) -> None:
    """Write so many gifts and print what a provider must know of them."""
    chance = random.Random(seed)
    app = create_app(config.load())
    with app.app_context(), app.test_request_context("/"):
        with transaction():
            campaign = Make(db.session()).campaign(CampaignState.OPEN)
            slug = campaign.slug
        for start in range(0, count, AT_ONCE):
            with transaction():
                for number in range(start, min(count, start + AT_ONCE)):
                    _order(slug, number, chance)
        with transaction():
            db.session.execute(
                text("UPDATE payment_attempt SET query_due_at = :due, state = 'pending'"),
                {"due": clock.now() + timedelta(minutes=20)},
            )


def _order(slug: str, number: int, chance: random.Random) -> None:
    fen = chance.randint(100, 5000)
    key = f"chaos-{number}-{chance.random()}"
    gift = service.start_gift(StartGift(slug, Money(fen), Product.WECHATPAY_NATIVE, key))
    refs = [gift.order_no]
    if number % 50 == 0:
        second = payments.create_attempt(
            gift.id, Product.WECHATPAY_H5, Money(fen), clock.now() + timedelta(minutes=30)
        )
        refs.append(second.merchant_ref)
    print(json.dumps({"gift": gift.order_no, "fen": fen, "refs": refs}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
