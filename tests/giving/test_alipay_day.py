"""A day at Alipay whose notices never came: its bill settles it, with the fee, and balances."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as funds
from fundraising.giving import reconciling
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import statements
from fundraising.payments.providers.base import Product
from fundraising.payments.reconciliation_models import Difference
from fundraising.payments.statements import NewBankLine
from tests.giving.test_settlement import state_of
from tests.providers import sides
from tests.providers.sides import Side

Start = Callable[..., Gift]
DAY = timedelta(days=1)


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


def kinds() -> list[str]:
    query = select(Difference.kind).where(Difference.vanished_at.is_(None))
    return sorted(db.session.execute(query).scalars())


def test_case_90_a_withdrawal_is_tied_to_the_bank_from_alipays_side_to_the_fen(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.ALIPAY_QR)
    side.paid(gift.order_no, 10_000)
    withdrawn = side.simulator.flows.withdraw()
    first = reconciling.run(side.adapter, clock.today())
    assert (first.state, kinds()) == ("differences", ["payout_not_at_bank"])

    statements.import_lines("6222", [NewBankLine("S1", clock.now(), Money(withdrawn), "支付宝")])
    db.session.commit()
    done = reconciling.run(side.adapter, clock.today())

    assert (done.state, done.sums["payout_fen"], kinds()) == ("balanced", 9_940, [])
    assert ledger.balance(chart.clearing("alipay")) == Money(0)
    assert ledger.balance(chart.BANK) == Money(9_940)


def test_a_fee_given_back_on_a_later_day_comes_back_to_the_fund(
    side: Side, start: Start, campaign: Campaign
) -> None:
    side.simulator.courier.policy.fee_back_per_10000 = 60
    gift = start(10_000, product=Product.ALIPAY_QR)
    side.paid(gift.order_no, 10_000)
    side.adapter.refund(side.wish("CONSOLE1", gift.order_no, 2_500, 10_000))
    side.simulator.journal.run("UPDATE orders SET paid = paid - 86400, born = born - 86400")
    today = clock.today()

    outcomes = [reconciling.run(side.adapter, day) for day in (today - DAY, today) for _ in "12"]

    assert [(o.state, o.sums["fees_fen"], o.sums["fees_booked_fen"]) for o in outcomes] == [
        ("balanced", 60, 60),
        ("balanced", 60, 60),
        ("balanced", -15, -15),
        ("balanced", -15, -15),
    ]
    assert ledger.balance(chart.clearing("alipay")) == Money(10_000 - 60 - 2_500 + 15)
    totals = funds.totals(campaign.fund_id)
    assert (totals.fees_fen, totals.by_source) == (60, {"gift": 7_500, "returned": 15})
    assert totals.unspent_fen == 7_500 - 60 + 15
    assert checks.run_here() == []
