"""An hour in which no notice comes ends with the same books as one in which all came at once.

Fifty orders at three providers are played twice on the simulators: paid, paid with another amount, paid
and partly or wholly refunded at the provider, or left unpaid. The first time every notice arrives; the
second time none does, and an hour later the orders are asked about and the day's bills are read.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.funds import queries as funds
from fundraising.giving import queries, reconciling, service, settlement
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.ledger import checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import inbox, polling
from fundraising.payments.models import InboxNotice
from fundraising.payments.providers.stripe import signing
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.providers import sides
from tests.providers.sides import Side

ORDERS = {"wechatpay": 20, "alipay": 18, "stripe": 12}
DAY = timedelta(days=1)


@dataclass
class World:
    """Three providers, the product's clock, and theirs."""

    at_providers: dict[str, Side]
    clock: FrozenClock
    make: Make

    def set_time(self, at: datetime) -> None:
        self.clock.at = at
        for side in self.at_providers.values():
            side.simulator.offset = at.timestamp() - time.time()


@pytest.fixture
def world(
    app: Flask, make: Make, frozen_clock: FrozenClock, tmp_path: Path, wechatpay: None
) -> Iterator[World]:
    with ExitStack() as stack:
        opened = {n: stack.enter_context(sides.open_side(n, tmp_path / n)) for n in ORDERS}
        app.extensions["providers"] = {n: side.adapter for n, side in opened.items()}
        opened["alipay"].simulator.courier.policy.tell_close = True
        yield World(opened, frozen_clock, make)


def begin(world: World, campaign: Campaign) -> list[Gift]:
    """Start the orders and let people pay them, in their five ways."""
    gifts = []
    for name, count in ORDERS.items():
        side = world.at_providers[name]
        for at in range(count):
            asked = StartGift(campaign.slug, Money(10_000 + at), side.product, uuid4().hex)
            gift = service.start_gift(asked)
            gifts.append(gift)
            side.adapter.open_order(side.order(gift.order_no, gift.amount_fen))
            if at % 6 == 0:
                continue
            pay(side, gift, gift.amount_fen - 1 if at % 6 == 1 else None)
            if at % 6 in (2, 3):
                give_back(side, gift, 2_500 if at % 6 == 2 else gift.amount_fen)
    return gifts


def pay(side: Side, gift: Gift, total: int | None) -> None:
    simulator = side.simulator
    verbs: dict[str, Any] = {
        "wechatpay": lambda: simulator.orders.pay(gift.order_no, "payer", total),
        "alipay": lambda: simulator.trades.pay(gift.order_no, "payer", total),
        "stripe": lambda: simulator.account.pay(
            simulator.account.find(gift.order_no), "payer@example.org", total
        ),
    }
    assert verbs[side.adapter.name]()


def give_back(side: Side, gift: Gift, fen: int) -> None:
    """Refund at the provider, unasked by us."""
    simulator = side.simulator
    if side.adapter.name == "wechatpay":
        simulator.refunds.console({"order": gift.order_no, "amount": fen})
    elif side.adapter.name == "alipay":
        order = simulator.journal.by_code(gift.order_no)
        simulator.trades.send_back(order, f"CONSOLE{gift.order_no[:20]}", fen)
    else:
        intent = simulator.account.find(gift.order_no)["payment_intent"]
        simulator.account.refund({"payment_intent": intent, "amount": fen})


def deliver(world: World, gifts: list[Gift]) -> None:
    """Bring every notice, and apply them."""
    for gift in gifts:
        side = world.at_providers[gift.channel]
        for headers, raw in side.notices_of(gift.order_no):
            if gift.channel == "stripe":
                keys, stamp = [side.simulator.courier.secret], int(clock.now().timestamp())
                headers = {"Stripe-Signature": signing.header(keys, stamp, raw)}
            inbox.put(side.adapter.authenticate(headers, raw, clock.now()))
    settlement.drain(timedelta(seconds=60))


def play(world: World, noon: datetime, *, are_notices_brought: bool) -> dict[str, Any]:
    """Live through a day and return what the books say of it."""
    campaign, before = world.make.campaign(), balances()
    world.set_time(noon)
    gifts = begin(world, campaign)
    if are_notices_brought:
        deliver(world, gifts)
    world.set_time(noon + timedelta(hours=1))
    while polling.has_due():
        polling.poll_due(settlement.apply_facts, limit=100)
    world.set_time(noon + DAY + timedelta(hours=1))
    day = clock.shanghai_date(noon)
    for side in world.at_providers.values():
        reconciling.run(side.adapter, day)
    moved = {key: fen - before.get(key, 0) for key, fen in balances().items()}
    totals = funds.totals(campaign.fund_id)
    told = [queries.by_id(gift.id) for gift in gifts]
    return {
        "balances": {key: fen for key, fen in moved.items() if fen},
        "totals": totals,
        "people": queries.people_count(campaign.id),
        "gifts": [
            (g.channel, g.amount_fen, g.refunded_fen, g.state, bool(g.paid_at)) for g in told
        ],
    }


def balances() -> dict[tuple[str, str], int]:
    return {(row.account, row.currency): row.amount_minor for row in ledger.trial_balance()}


def test_withholding_every_notice_for_an_hour_ends_with_the_same_books(
    world: World, session: Session
) -> None:
    noon = datetime.combine(clock.today() - DAY, datetime.min.time(), clock.SHANGHAI)
    play_at = partial(play, world, noon + timedelta(hours=12))

    control = play_at(are_notices_brought=True)
    kept = session.execute(select(func.count()).select_from(InboxNotice)).scalar_one()
    withheld = play_at(are_notices_brought=False)

    assert kept > 50
    assert session.execute(select(func.count()).select_from(InboxNotice)).scalar_one() == kept
    assert withheld == control
    states = [state for *_, state, _ in control["gifts"]]
    assert {s: states.count(s) for s in sorted(set(states))} == {
        "closed": 9,
        "paid": 16,
        "partly_refunded": 8,
        "refunded": 8,
        "review": 9,
    }
    assert sum(control["balances"].values()) == 0
    assert checks.run_here() == []
