"""Spending lines stay within their amounts; what is set aside is set aside; every refusal names its reason."""

from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from fundraising.database import db, transaction
from fundraising.funds import errors, queries
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource, SpendingKind
from fundraising.ledger import chart
from fundraising.money import Money
from tests.factories import Make


def test_money_set_aside_and_given_back_is_free_again(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    line = make.line(fund.id, 100)
    funds.reserve(line.id, Money(60))
    funds.release(line.id, Money(20))

    assert queries.totals(fund.id).reserved_fen == 40
    with pytest.raises(errors.LineOverdrawn):
        funds.release(line.id, Money(41))
    with pytest.raises(errors.LineOverdrawn):
        funds.draw(line.id, Money(41), from_reserved=True)


def test_no_more_is_set_aside_than_the_line_or_the_fund_holds(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    line, large = make.line(fund.id, 50), make.line(fund.id, 500)

    with pytest.raises(errors.LineOverdrawn):
        funds.reserve(line.id, Money(51))
    funds.reserve(line.id, Money(50))
    with pytest.raises(errors.FundOverspent):
        funds.reserve(large.id, Money(51))


def test_a_line_draws_no_more_than_its_amount(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    line = make.line(fund.id, 50)
    funds.draw(line.id, Money(30))
    funds.reserve(line.id, Money(10))

    with pytest.raises(errors.LineOverdrawn):
        funds.draw(line.id, Money(11))
    with pytest.raises(errors.LineOverdrawn):
        funds.reserve(line.id, Money(11))


@pytest.mark.parametrize("fen", [0, -1])
def test_nothing_is_drawn_and_nothing_refunded_by_no_amount(make: Make, fen: int) -> None:
    fund = make.fund()
    (gift,) = make.money(fund.id, 100)

    with pytest.raises(errors.FundOverspent):
        funds.draw(make.line(fund.id, 100).id, Money(fen))
    with pytest.raises(errors.FundOverspent):
        funds.refund_lot(gift, Money(fen))


def test_a_refund_beyond_the_lot_is_refused(make: Make) -> None:
    fund = make.fund()
    gift, _other = make.money(fund.id, 100, 100)
    funds.refund_lot(gift, Money(60))

    with pytest.raises(errors.FundOverspent):
        funds.refund_lot(gift, Money(41))
    assert funds.refund_lot(gift, Money(40)) == 0


def test_money_that_was_set_aside_takes_over_no_refund(make: Make) -> None:
    fund = make.fund()
    gift, _other = make.money(fund.id, 100, 100)
    line = make.line(fund.id, 200)
    funds.draw(line.id, Money(100))
    funds.reserve(line.id, Money(100))

    with pytest.raises(errors.FundOverspent):
        funds.refund_lot(gift, Money(1))


def test_spending_steps_over_refunded_fen(make: Make) -> None:
    fund = make.fund()
    first, gone, last = make.money(fund.id, 50, 50, 50)
    funds.refund_lot(gone, Money(50))
    line = make.line(fund.id, 100)
    draws = funds.draw(line.id, Money(70), unit_id=uuid4())

    assert [(d.start_fen, d.end_fen) for d in draws] == [(0, 50), (100, 120)]
    assert draws == queries.draws_of_line(line.id)
    assert queries.trace(first) is not None
    trace = queries.trace(last)
    assert trace is not None
    assert [d.fen for d in trace.draws] == [20]


def test_a_half_spent_gift_goes_back_in_part_and_spending_goes_on_behind_it(make: Make) -> None:
    fund = make.fund()
    gift, other = make.money(fund.id, 100, 200)
    line = make.line(fund.id, 200)
    funds.draw(line.id, Money(50))

    assert funds.refund_lot(gift, Money(80)) == 30
    funds.draw(line.id, Money(10))

    first, second = queries.trace(gift), queries.trace(other)
    assert first is not None
    assert second is not None
    assert (first.refunded_fen, [d.fen for d in first.draws], first.unspent_fen) == (80, [20], 0)
    assert [d.fen for d in second.draws] == [30, 10]


def test_what_does_not_exist_is_named_as_missing(session: Session) -> None:
    for missing in (queries.totals, queries.get, queries.lane, queries.line):
        with pytest.raises(errors.FundNotFound):
            missing(uuid4())
    for act in (funds.reserve, funds.draw):
        with pytest.raises(errors.FundNotFound):
            act(uuid4(), Money(1))
    with pytest.raises(errors.LotNotFound):
        funds.refund_lot(uuid4(), Money(1))
    assert queries.trace(uuid4()) is None
    assert queries.unit_funding(uuid4()) == queries.UnitFunding()


def test_no_lots_change_nothing_and_unknown_funds_take_none(make: Make) -> None:
    fund = make.fund()
    funds.add_lots(fund.id, [])

    assert queries.lane(fund.id).lots_count == 0
    with pytest.raises(errors.FundNotFound):
        make.money(uuid4(), 1)


def test_lines_are_listed_with_what_they_drew(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100)
    line, _unused = make.line(fund.id, 70), make.line(fund.id, 10)
    funds.draw(line.id, Money(30))
    funds.draw(line.id, Money(40))

    (view,) = queries.spending_lines(fund.id)

    assert (view.id, view.amount_fen, view.drawn_fen) == (line.id, 70, 70)
    assert queries.line(line.id) is line
    assert queries.get(fund.id).kind == "restricted"


def test_sources_are_named_and_add_up_to_what_was_raised(make: Make) -> None:
    fund = make.fund()
    make.money(fund.id, 100, 50)
    make.money(fund.id, 30, source=LotSource.GRANT)

    totals = queries.totals(fund.id)

    assert totals.by_source == {"gift": 150, "grant": 30}
    assert totals.raised_fen == 180
    assert totals.gifts_count == 2


def test_income_follows_the_kind_of_fund() -> None:
    assert chart.income("restricted") == chart.INCOME_RESTRICTED
    assert chart.income("general") == chart.INCOME_UNRESTRICTED
    with pytest.raises(KeyError):
        chart.clearing("unknown")


def test_of_many_units_each_has_its_own_funding(own_database: Flask) -> None:
    with transaction():
        make = Make(db.session())
        fund = make.fund()
        make.money(fund.id, *([10] * 30))
        line = funds.open_spending_line(
            fund.id, SpendingKind.PURCHASE, {"zh": "设备"}, Money(300), uuid4()
        )
        units = [uuid4() for _ in range(4)]
        for unit in units:
            funds.draw(line.id, Money(75), unit_id=unit)

    found = queries.units_funding(units)

    assert [found[unit].gifts_count for unit in units] == [8, 8, 8, 8]
    assert {funding.cost_fen for funding in found.values()} == {75}
