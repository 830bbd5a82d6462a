"""Two receipts at one moment: numbers unique and without gaps, whichever process is killed."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from fundraising.database import db, transaction
from fundraising.giving import settlement
from fundraising.giving.service import StartGift, start_gift
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from fundraising.receipts import service
from fundraising.receipts.models import Receipt
from tests import wechat
from tests.factories import Make
from tests.giving.test_settlement import paid

GIFTS, TRIES = 6, 3


def test_rule_073_receipts_at_one_moment_have_numbers_without_gaps(own_database: Flask) -> None:
    app = own_database
    app.extensions["providers"] = {"wechatpay": wechat.provider()}
    with transaction():
        campaign = Make(db.session()).campaign()
        gifts = [
            start_gift(
                StartGift(
                    campaign.slug, Money(1000), Product.WECHATPAY_NATIVE, f"one moment {n:02}"
                )
            )
            for n in range(GIFTS)
        ]
        settlement.apply_facts([paid(gift, fact_ref=gift.order_no, attempt=None) for gift in gifts])
    ids = [gift.id for gift in gifts]

    def issue(job: tuple[int, UUID]) -> None:
        number, gift_id = job
        with app.app_context():
            try:
                with transaction():
                    service.issue(gift_id)
                    if number % 4 == 0:
                        raise RuntimeError("killed between number and commit")
            except RuntimeError:
                pass
            finally:
                db.session.remove()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(issue, enumerate(ids * TRIES)))

    issued = list(db.session.execute(select(Receipt).order_by(Receipt.number)).scalars())
    assert [receipt.number for receipt in issued] == list(range(1, GIFTS + 1))
