"""Whatever happens in whatever order: at most one paid gift a month, asked after its notice, none after the end."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.database import db
from fundraising.errors import DomainError
from fundraising.giving import service as giving
from fundraising.giving import settlement
from fundraising.giving.mandates import queries, service
from fundraising.giving.mandates.models import Mandate
from fundraising.giving.models import Gift
from fundraising.ledger import checks
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_settlement import paid
from tests.mandates.agreed import tick
from tests.mandates.conftest import NOON, begun

STEPS = (
    "tick", "tick", "tick", "days", "days", "days", "tap", "tap", "pay", "pay", "pay_twice", "pause", "resume",
    "change", "end", "close_campaign", "open_campaign",
)  # fmt: skip
step = st.tuples(st.sampled_from(STEPS), st.integers(0, 40))


class World:
    """One donor, one mandate, and what was done to it."""

    def __init__(self, campaign: Campaign, at: FrozenClock) -> None:
        self.campaign, self.at = campaign, at
        self.mandate: Mandate = begun(campaign)
        self.ended_at: datetime | None = None
        self.pay(0)

    def tick(self, _number: int) -> None:
        tick()

    def days(self, number: int) -> None:
        self.at.move(days=number)
        tick()

    def tap(self, number: int) -> None:
        months = queries.months(self.mandate.id)
        asked = service.gift_of(
            self.mandate, months[number % len(months)].period, Product.WECHATPAY_NATIVE
        )
        if giving.find_started(asked) is None:
            with db.session.begin_nested():
                gift = giving.start_gift(asked)
                service.tie(self.mandate.id, asked.idempotency_key[-7:])(gift)

    def pay(self, number: int, fact: str = "") -> None:
        begun_gifts = [m.gift for m in queries.months(self.mandate.id) if m.gift is not None]
        gift: Gift = begun_gifts[number % len(begun_gifts)]
        changed: dict[str, Any] = {"fact_ref": fact} if fact else {}
        settlement.apply_facts([paid(gift, **changed)])

    def pay_twice(self, number: int) -> None:
        self.pay(number, fact=f"again-{number}")

    def pause(self, _number: int) -> None:
        service.pause(self.mandate.id)

    def resume(self, _number: int) -> None:
        service.resume(self.mandate.id)

    def change(self, number: int) -> None:
        service.change(self.mandate.id, Money(1_000 + number), number % 31 + 1)

    def end(self, _number: int) -> None:
        service.end(self.mandate.id)
        self.ended_at = self.ended_at or clock.now()

    def close_campaign(self, _number: int) -> None:
        self.campaign.state = CampaignState.ENDED
        db.session.flush()

    def open_campaign(self, _number: int) -> None:
        self.campaign.state = CampaignState.OPEN
        db.session.flush()


def holds(world: World) -> None:
    """Every promise of monthly giving, and every check of the books."""
    db.session.flush()
    db.session.expire_all()
    months = queries.months(world.mandate.id)
    for month in months:
        period = month.period
        if period.asked_at is not None:
            assert period.asked_at >= period.not_before
            assert world.ended_at is None or period.asked_at <= world.ended_at
        if period.period != months[-1].period.period:
            assert period.not_before - period.announced_at >= timedelta(days=3)
        if month.gift is not None:
            assert world.ended_at is None or month.gift.created_at <= world.ended_at
    counted = db.session.execute(
        text(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM payment_fact f "
            "JOIN payment_attempt a ON a.id = f.attempt_id WHERE f.outcome = 'settled' GROUP BY a.order_id) AS t"
        )
    )
    assert counted.scalar_one() == 1
    assert checks.run_here() == []


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, min_size=4, max_size=14))
def test_any_sequence_keeps_one_gift_a_month_and_none_after_the_end(
    session: Session, make: Make, at: FrozenClock, desk: object, steps: list[tuple[str, int]]
) -> None:
    at.at = NOON
    outer = session.begin_nested()
    campaign = make.campaign()
    campaign.ends_on = clock.today() + timedelta(days=3000)
    world = World(campaign, at)
    for name, number in steps:
        try:
            with session.begin_nested():
                getattr(world, name)(number)
        except DomainError:
            session.expire_all()
    holds(world)
    outer.rollback()
    session.expire_all()
