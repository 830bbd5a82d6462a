"""A day at Alipay whose notices never came: its bill settles it, with the fee, and balances."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from fundraising import clock
from fundraising.giving import reconciling
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from tests.giving.test_settlement import state_of
from tests.providers import sides
from tests.providers.sides import Side

Start = Callable[..., Gift]


@pytest.fixture
def side(app: Flask, wechatpay: None, tmp_path: Path) -> Iterator[Side]:
    with sides.open_side("alipay", tmp_path) as opened:
        app.extensions["providers"] = {"alipay": opened.adapter}
        yield opened


def test_case_74_a_day_without_notices_is_settled_by_its_bill_and_balances(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.ALIPAY_QR)
    side.paid(gift.order_no, 10_000)
    side.adapter.refund(side.wish("CONSOLE1", gift.order_no, 2_500, 10_000))

    outcomes = [reconciling.run(side.adapter, clock.today()) for _ in range(2)]

    assert state_of(gift) == GiftState.PARTLY_REFUNDED
    assert [(o.state, o.differences) for o in outcomes] == [("balanced", 0)] * 2
    assert outcomes[1].sums["fees_fen"] == outcomes[1].sums["fees_booked_fen"] == 60
    assert ledger.balance(chart.clearing("alipay")) == Money(7_440)
    assert checks.run_here() == []
