"""A day at Stripe whose events never came: its balance settles it, with the fees, and balances."""

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
    with sides.open_side("stripe", tmp_path) as opened:
        app.extensions["providers"] = {"stripe": opened.adapter}
        yield opened


def test_cases_74_and_90_a_day_without_events_is_settled_and_its_payout_waits_for_the_bank(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.STRIPE_CHECKOUT)
    side.paid(gift.order_no, 10_000)
    session = side.simulator.account.find(gift.order_no)
    side.simulator.account.refund({"payment_intent": session["payment_intent"], "amount": 2_500})

    outcomes = [reconciling.run(side.adapter, clock.today()) for _ in range(2)]

    assert state_of(gift) == GiftState.PARTLY_REFUNDED
    assert [(o.state, o.differences) for o in outcomes] == [("balanced", 0)] * 2
    assert outcomes[1].sums["fees_fen"] == outcomes[1].sums["fees_booked_fen"] == 340
    assert ledger.balance(chart.clearing("stripe")) == Money(7_160)

    side.simulator.account.payout()
    paid_out = reconciling.run(side.adapter, clock.today())
    assert (paid_out.state, paid_out.sums["payout_fen"]) == ("differences", 7_160)
    assert checks.run_here() == []
