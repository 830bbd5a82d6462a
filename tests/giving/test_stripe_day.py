"""Days at Stripe whose events never came: its balance settles them, fees and disputes too, and the bank ends them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.database import db
from fundraising.giving import reconciling, refunds, settlement
from fundraising.giving.errors import PaidInForeignMoney
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import reviews, statements
from fundraising.payments.providers.base import Fact, FactSource, Product
from fundraising.payments.providers.stripe import objects
from fundraising.payments.providers.stripe.objects import Told
from fundraising.payments.reconciliation import Outcome
from fundraising.payments.reconciliation_models import Difference
from fundraising.payments.statements import NewBankLine
from tests import stripe
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


def run(side: Side) -> Outcome:
    return reconciling.run(side.adapter, clock.today())


def disputed(side: Side, gift: Gift, fee: int = 1_500) -> dict[str, Any]:
    """Let a paid gift be disputed at Stripe."""
    session = side.simulator.account.find(gift.order_no)
    intent = side.simulator.journal.get(session["payment_intent"])
    found: dict[str, Any] = side.simulator.account.dispute(intent, fee)
    return found


def kinds() -> list[str]:
    query = select(Difference.kind).where(Difference.vanished_at.is_(None))
    return sorted(db.session.execute(query).scalars())


def dispute_of(side: Side, gift: Gift, fen: int) -> Fact:
    """A dispute as an event tells of it."""
    told = stripe.dispute(gift.order_no, fen)
    return replace(
        objects.withdrawn(told, Told(side.adapter.account, FactSource.NOTICE, clock.now()))[0],
        merchant_ref=gift.order_no,
    )


def bank_line(fen: int) -> None:
    statements.import_lines("6222", [NewBankLine("S1", clock.now(), Money(fen), "Stripe")])
    db.session.commit()


def test_a_dispute_that_only_the_balance_tells_of_is_booked_once_with_its_fee(
    side: Side, start: Start
) -> None:
    kept, lost = (start(10_000, product=Product.STRIPE_CHECKOUT) for _ in range(2))
    for gift in (kept, lost):
        side.paid(gift.order_no, 10_000)
    disputed(side, lost)

    outcomes = [run(side) for _ in range(2)]

    assert (state_of(kept), state_of(lost)) == (GiftState.PAID, GiftState.REFUNDED)
    assert [r.kind for r in reviews.open_reviews()] == ["dispute"]
    assert [(o.state, o.differences) for o in outcomes] == [("balanced", 0)] * 2
    sums = outcomes[1].sums
    assert sums["bill_disputed_fen"] == sums["our_disputed_fen"] == 10_000
    assert sums["fees_fen"] == sums["fees_booked_fen"] == 2 * 340 + 1_500
    assert ledger.balance(chart.clearing("stripe")) == Money(20_000 - 680 - 10_000 - 1_500)
    assert checks.run_here() == []


def test_case_72_a_dispute_won_comes_back_with_its_fee_by_the_balance_alone(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.STRIPE_CHECKOUT)
    side.paid(gift.order_no, 10_000)
    dispute = disputed(side, gift)
    side.simulator.account.reinstate(dispute, fee_back=1_500)

    outcomes = [run(side) for _ in range(2)]

    assert state_of(gift) == GiftState.PAID
    assert [(o.state, o.differences) for o in outcomes] == [("balanced", 0)] * 2
    assert outcomes[1].sums["fees_booked_fen"] == 340
    assert ledger.balance(chart.clearing("stripe")) == Money(9_660)
    assert checks.run_here() == []


def test_a_dispute_known_by_its_event_is_matched_with_the_balance(side: Side, start: Start) -> None:
    gift, other = (start(10_000, product=Product.STRIPE_CHECKOUT) for _ in range(2))
    for one in (other, gift):
        side.paid(one.order_no, 10_000)
    disputed(side, gift)
    for _, raw in side.notices_of(gift.order_no):
        settlement.apply_facts(side.adapter.parse(raw))
        db.session.commit()

    done = run(side)

    assert (done.state, state_of(gift)) == ("balanced", GiftState.REFUNDED)
    assert checks.run_here() == []


def test_a_dispute_that_only_we_know_and_one_of_nobody_wait_for_a_person(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.STRIPE_CHECKOUT)
    side.paid(gift.order_no, 10_000)
    side.paid("NOBODYKNOWSTHIS1", 2_000)
    session = side.simulator.account.find("NOBODYKNOWSTHIS1")
    side.simulator.account.dispute(side.simulator.journal.get(session["payment_intent"]), 0)
    assert (run(side).state, kinds()) == ("differences", ["fee_unplaced", "orphan"])

    settlement.apply_facts([dispute_of(side, gift, 4_000)])
    db.session.commit()
    run(side)

    assert kinds() == ["dispute_only_ours", "fee_unplaced", "orphan"]
    assert ledger.balance(chart.SUSPENSE) == Money(0)
    assert state_of(gift) == GiftState.PARTLY_REFUNDED
    assert checks.run_here() == []


def test_case_90_a_payout_is_its_movements_and_one_line_of_the_bank(
    side: Side, start: Start
) -> None:
    lost, kept = (start(10_000, product=Product.STRIPE_CHECKOUT) for _ in range(2))
    for gift in (lost, kept):
        side.paid(gift.order_no, 10_000)
    disputed(side, lost)
    paid_out = side.simulator.account.payout()
    assert run(side).state == "differences"
    assert kinds() == ["payout_not_at_bank"]
    bank_line(paid_out["amount"])

    done = run(side)

    assert (done.state, kinds()) == ("balanced", [])
    assert done.sums["payout_fen"] == paid_out["amount"] == 20_000 - 680 - 10_000 - 1_500
    assert ledger.balance(chart.clearing("stripe")) == Money(0)
    assert ledger.balance(chart.BANK) == Money(paid_out["amount"])


def test_case_90_a_line_of_the_bank_one_fen_off_and_a_payout_by_hand_stay_open(
    side: Side, start: Start
) -> None:
    gift = start(10_000, product=Product.STRIPE_CHECKOUT)
    side.paid(gift.order_no, 10_000)
    side.simulator.account.payout(3_000)
    side.simulator.account.payout()
    bank_line(10_000 - 340 - 3_000 - 1)

    run(side)

    assert kinds() == ["payout_not_at_bank", "unknown_movement"]
    assert ledger.balance(chart.BANK) == Money(0)


def test_a_balance_in_dollars_is_listed_and_the_day_in_yuan_goes_on(
    side: Side, start: Start, make_staff: Callable[..., User]
) -> None:
    yuan, dollars = (start(10_000, product=Product.STRIPE_CHECKOUT) for _ in range(2))
    side.paid(yuan.order_no, 10_000)
    side.adapter.open_order(side.order(dollars.order_no, 10_000))
    account = side.simulator.account
    account.pay(account.find(dollars.order_no), "giver@example.org", 1_500, "usd")
    for _, raw in side.notices_of(dollars.order_no):
        settlement.apply_facts(side.adapter.parse(raw))
        db.session.commit()
    (review,) = reviews.open_reviews()
    with pytest.raises(PaidInForeignMoney):
        refunds.propose_for(review.id, reason="back", actor_id=make_staff("finance").id)
    account.refund({"payment_intent": account.find(dollars.order_no)["payment_intent"]})
    (_, raw) = side.notices_of(dollars.order_no)[-1]
    settlement.apply_facts(side.adapter.parse(raw))
    db.session.commit()

    outcomes = [run(side) for _ in range(2)]

    assert [(o.state, o.differences) for o in outcomes] == [("differences", 3)] * 2
    assert kinds() == ["foreign_movement"] * 3
    moved = sorted(db.session.execute(select(Difference.detail["moved"].astext)).scalars())
    assert moved == ["-0.51 USD", "-15.00 USD", "15.00 USD"]
    assert outcomes[1].sums["bill_paid_fen"] == outcomes[1].sums["our_paid_fen"] == 10_000
    assert (state_of(yuan), state_of(dollars)) == (GiftState.PAID, GiftState.REVIEW)
    assert (
        ledger.balance(chart.SUSPENSE, "USD")
        == ledger.balance(chart.clearing("stripe"), "USD")
        == Money(0, "USD")
    )
    assert checks.run_here() == []
