"""Every fen is traced in both directions, whatever order money comes, goes and returns."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from fundraising.funds import errors, queries
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.money import Money
from tests.factories import Make


def test_spending_takes_the_oldest_fen_first(make: Make) -> None:
    fund = make.fund()
    first, second = make.money(fund.id, 100, 100)
    device = uuid4()
    line = make.line(fund.id, 150)
    funds.draw(line.id, Money(150), unit_id=device)

    one, two = queries.trace(first), queries.trace(second)
    assert one is not None
    assert two is not None
    assert ([d.fen for d in one.draws], one.unspent_fen) == ([100], 0)
    assert ([d.fen for d in two.draws], two.unspent_fen) == ([50], 50)
    assert queries.unit_funding(device) == queries.UnitFunding(150, 2, {"gift": 150})


def test_a_device_counts_the_gifts_that_touch_it_and_names_other_sources(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 40, 40)
    make.money(fund.id, 50, source=LotSource.GRANT)
    make.money(fund.id, 30, 30)
    devices = [uuid4(), uuid4()]
    line = make.line(fund.id, 200)
    for device in devices:
        funds.draw(line.id, Money(75), unit_id=device)

    assert queries.unit_funding(devices[0]) == queries.UnitFunding(75, 2, {"gift": 75})
    assert queries.unit_funding(devices[1]) == queries.UnitFunding(75, 2, {"gift": 25, "grant": 50})


def test_a_fund_cannot_spend_more_than_it_holds(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    line = make.line(fund.id, 500)

    with pytest.raises(errors.FundOverspent):
        funds.draw(line.id, Money(101))


def test_reserved_money_is_not_spent_by_others(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    mine, other = make.line(fund.id, 80), make.line(fund.id, 80)
    funds.reserve(mine.id, Money(80))

    with pytest.raises(errors.FundOverspent):
        funds.draw(other.id, Money(21))
    funds.draw(mine.id, Money(80), from_reserved=True)
    assert queries.totals(fund.id).unspent_fen == 20


def test_a_refund_of_spent_fen_is_taken_over_openly(make: Make) -> None:
    fund = make.fund()
    gone, stays, later = make.money(fund.id, 100, 100, 100)
    device = uuid4()
    line = make.line(fund.id, 150)
    funds.draw(line.id, Money(150), unit_id=device)

    taken_over = funds.refund_lot(gone, Money(100))

    assert taken_over == 100
    assert queries.unit_funding(device).cost_fen == 150
    trace_gone, trace_stays, trace_later = (queries.trace(i) for i in (gone, stays, later))
    assert trace_gone is not None
    assert trace_stays is not None
    assert trace_later is not None
    assert (trace_gone.refunded_fen, trace_gone.draws) == (100, [])
    assert sum(d.fen for d in trace_stays.draws) == 100
    assert sum(d.fen for d in trace_later.draws) == 50
    assert queries.unit_funding(device).gifts_count == 2


def test_a_refund_that_nothing_can_take_over_is_refused(make: Make) -> None:
    fund = make.fund()
    (only,) = make.money(fund.id, 100)
    line = make.line(fund.id, 100)
    funds.draw(line.id, Money(100))

    with pytest.raises(errors.FundOverspent):
        funds.refund_lot(only, Money(1))


def test_a_million_gifts_make_no_difference_to_the_shape_of_the_query(make: Make) -> None:
    fund = make.fund()
    ids = make.money(fund.id, *([1] * 2000))
    line = make.line(fund.id, 2000)
    for _ in range(20):
        funds.draw(line.id, Money(100), unit_id=uuid4())

    trace = queries.trace(ids[1999])
    assert trace is not None
    assert [d.fen for d in trace.draws] == [1]


@dataclass
class Model:
    """The lane as a plain list of fen: who gave each, what took it."""

    owner: list[UUID] = field(default_factory=list)
    taken: list[UUID | str | None] = field(default_factory=list)


step = st.one_of(
    st.tuples(st.just("give"), st.integers(1, 12)),
    st.tuples(st.just("draw"), st.integers(1, 15)),
    st.tuples(st.just("refund"), st.integers(0, 30), st.integers(1, 12)),
)


@given(steps=st.lists(step, min_size=1, max_size=25))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_directions_agree_fen_by_fen_after_anything(
    session: Session, make: Make, steps: list[tuple[str, int] | tuple[str, int, int]]
) -> None:
    fund, gifts, devices = make.fund(), list[tuple[UUID, int]](), list[UUID]()
    refunded: Counter[UUID] = Counter()
    line = make.line(fund.id, 10**6)
    for what, *numbers in steps:
        with session.begin_nested() as savepoint:
            try:
                if what == "give":
                    (gift,) = make.money(fund.id, numbers[0])
                    gifts.append((gift, numbers[0]))
                elif what == "draw":
                    device = uuid4()
                    funds.draw(line.id, Money(numbers[0]), unit_id=device)
                    devices.append(device)
                elif gifts:
                    gift = gifts[numbers[0] % len(gifts)][0]
                    funds.refund_lot(gift, Money(numbers[1]))
                    refunded[gift] += numbers[1]
            except errors.FundOverspent:
                savepoint.rollback()
    by_gift: Counter[UUID] = Counter()
    touched: dict[UUID, set[UUID]] = {device: set() for device in devices}
    for gift, fen in gifts:
        trace = queries.trace(gift)
        assert trace is not None
        assert trace.refunded_fen == refunded[gift]
        assert (
            trace.amount_fen
            == fen
            == trace.refunded_fen + trace.unspent_fen + sum(d.fen for d in trace.draws)
        )
        assert trace.unspent_fen >= 0
        for draw in trace.draws:
            assert draw.unit_id is not None
            by_gift[draw.unit_id] += draw.fen
            touched[draw.unit_id].add(gift)
    for device in devices:
        funding = queries.unit_funding(device)
        assert funding.cost_fen == by_gift[device] == sum(funding.by_source.values())
        assert funding.gifts_count == len(touched[device])
    totals = queries.totals(fund.id)
    assert totals.raised_fen == sum(f for _, f in gifts) - sum(refunded.values())
    assert totals.raised_fen == totals.unspent_fen + totals.spent_fen + totals.fees_fen
