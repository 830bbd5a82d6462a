"""What every adapter promises, against its provider's own side: one suite for all of them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.facts import key
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillStatus,
    CloseResult,
    FactKind,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    RefundResult,
    RefundState,
    Rejected,
    RowKind,
)
from fundraising.references import order_number
from tests.providers import sides
from tests.providers.sides import Side


@pytest.fixture(scope="module", params=sorted(sides.SIDES))
def opened(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with sides.open_side(request.param, tmp_path_factory.mktemp(request.param)) as side:
        yield side


@pytest.fixture
def side(opened: Side) -> Iterator[Side]:
    yield opened
    sides.plain(opened)


@pytest.fixture
def number() -> str:
    """A number of ours: capitals and digits, as every provider takes them."""
    return order_number()


def test_an_order_is_opened_paid_and_asked_about(side: Side, number: str) -> None:
    side.paid(number, 1314)

    found = side.adapter.query(number)

    (fact,) = found.facts
    assert found.state is OrderState.PAID
    assert (fact.kind, fact.merchant_ref, fact.amount) == (FactKind.PAID, number, Money(1314))
    assert (fact.provider, fact.account) == (side.adapter.name, side.adapter.account)
    assert abs(fact.occurred_at - clock.now()) < timedelta(minutes=1)


def test_an_order_opened_again_is_the_same_order(side: Side, number: str) -> None:
    first = side.adapter.open_order(side.order(number))
    again = side.adapter.open_order(side.order(number))

    assert first == again


def test_case_49_another_amount_under_the_same_number_is_refused(side: Side, number: str) -> None:
    side.adapter.open_order(side.order(number))

    with pytest.raises(ProviderRejected):
        side.adapter.open_order(side.order(number, 999))


def test_an_order_nobody_opened_does_not_exist(side: Side, number: str) -> None:
    assert side.adapter.query(number).state is OrderState.NOT_EXIST
    assert side.adapter.close(number) is CloseResult.NOT_EXIST


def test_a_paid_order_is_not_closed(side: Side, number: str) -> None:
    side.paid(number)

    assert side.adapter.close(number) is CloseResult.ALREADY_PAID


@pytest.mark.parametrize("fault", ["500", "unsigned", "timeout_after_commit"])
def test_an_answer_that_cannot_be_believed_is_unknown(side: Side, number: str, fault: str) -> None:
    side.fault(fault)
    with pytest.raises(ProviderUnavailable):
        side.adapter.open_order(side.order(number))
    if fault != "timeout_after_commit":
        with pytest.raises(ProviderUnavailable):
            side.adapter.refund(side.wish(number, number, 1))
        with pytest.raises(ProviderUnavailable):
            side.adapter.query(number)


def test_case_48_an_opening_that_timed_out_is_one_order(side: Side, number: str) -> None:
    side.fault("timeout_after_commit")
    with pytest.raises(ProviderUnavailable):
        side.adapter.open_order(side.order(number))
    side.fault("")

    assert side.adapter.open_order(side.order(number)).value
    orders = side.simulator.journal.dump()["orders"]
    assert [o["out_trade_no"] for o in orders].count(number) == 1


# ---------------------------------------------------------------------- notices


def test_a_notice_says_the_same_as_the_query_and_twice_is_the_same(side: Side, number: str) -> None:
    side.paid(number)
    ((headers, raw),) = side.notices_of(number)

    envelopes = [side.adapter.authenticate(headers, raw, clock.now()) for _ in range(2)]
    (fact,) = side.adapter.parse(raw)

    assert envelopes[0].dedup_key == envelopes[1].dedup_key
    (queried,) = side.adapter.query(number).facts
    assert key(fact) == key(queried)
    assert (fact.amount, fact.occurred_at) == (queried.amount, queried.occurred_at)
    assert fact.payer == queried.payer


def test_a_forged_notice_is_refused(side: Side, number: str) -> None:
    side.paid(number)
    ((headers, raw),) = side.notices_of(number)

    for bent in (raw.replace(b"2", b"3"), raw + b" ", b"", raw[:-9]):
        with pytest.raises(Rejected):
            side.adapter.authenticate(headers, bent, clock.now())


def test_every_answer_to_a_notice_is_kept_or_come_again(side: Side) -> None:
    assert side.adapter.reply(204).status in (200, 204)
    assert {side.adapter.reply(status).status for status in (401, 500, 503)} == {401, 500, 503}


# ---------------------------------------------------------------------- refunds


def final(side: Side, number: str, merchant_ref: str, fen: int) -> RefundResult:
    """Ask for a refund until its end, as the loop of refunds does."""
    wish = side.wish(number, merchant_ref, fen)
    told = side.adapter.refund(wish)
    return told if told.facts else side.adapter.query_refund(wish)


def test_a_refund_ends_with_one_fact_of_its_own_amount(side: Side, number: str) -> None:
    side.paid(number)

    first = final(side, f"R1{number}", number, 400)
    second = final(side, f"R2{number}", number, 100)

    assert [r.state for r in (first, second)] == [RefundState.SUCCEEDED] * 2
    told = [(f.kind, f.fact_ref, f.amount) for f in (*first.facts, *second.facts)]
    assert told == [
        (FactKind.REFUNDED, f"R1{number}", Money(400)),
        (FactKind.REFUNDED, f"R2{number}", Money(100)),
    ]
    assert side.adapter.query(number).state is OrderState.PAID


def test_a_refund_with_an_unknown_outcome_is_sent_again_and_made_once(
    side: Side, number: str
) -> None:
    side.paid(number)
    side.fault("timeout_after_commit")
    wish = side.wish(f"R{number}", number, 700)
    with pytest.raises(ProviderUnavailable):
        side.adapter.refund(wish)
    side.fault("")

    side.adapter.refund(wish)
    found = side.adapter.query_refund(wish)

    assert (found.state, found.facts[0].amount) == (RefundState.SUCCEEDED, Money(700))
    made = [r for r in side.simulator.journal.dump()["refunds"] if r["out_trade_no"] == number]
    assert [r["amount"] for r in made] == [700]


def test_case_63_a_refund_that_never_arrived_does_not_exist(side: Side, number: str) -> None:
    side.paid(number)

    found = side.adapter.query_refund(side.wish(f"R{number}", number, 1))

    assert found == RefundResult(RefundState.NOT_EXIST)


def test_a_balance_too_low_is_for_later_and_a_refusal_for_good(side: Side, number: str) -> None:
    side.paid(number)
    side.refuse_refunds(for_now=True)
    with pytest.raises(ProviderUnavailable):
        side.adapter.refund(side.wish(f"R{number}", number, 1))

    side.refuse_refunds(for_now=False)
    with pytest.raises(ProviderRejected):
        side.adapter.refund(side.wish(f"R{number}", number, 1))


def test_case_64_more_than_was_paid_does_not_go_back(side: Side, number: str) -> None:
    side.paid(number)
    final(side, f"R1{number}", number, 600)

    with pytest.raises(ProviderRejected):
        side.adapter.refund(side.wish(f"R2{number}", number, 401))


def test_notices_of_refunds_never_bring_income_twice(side: Side, number: str) -> None:
    side.paid(number)
    final(side, f"R1{number}", number, 400)

    told = [fact for _, raw in side.notices_of(number) for fact in side.adapter.parse(raw)]

    paid = {key(fact) for fact in told if fact.kind is FactKind.PAID}
    back = {fact.fact_ref for fact in told if fact.kind is not FactKind.PAID}
    assert (len(paid), back) == (1, {f"R1{number}"})


# ---------------------------------------------------------------------- bills


def test_a_bill_names_payments_and_refunds_as_the_facts_do(
    side: Side, number: str, tmp_path: Path
) -> None:
    side.paid(number, 123_456)
    wish = side.wish(f"R{number}", number, 56, 123_456)
    side.adapter.refund(wish)
    file = tmp_path / "bill"

    assert side.adapter.fetch_bill(clock.today(), BillKind.TRADE, file) is BillStatus.READY
    rows = [
        row
        for row in side.adapter.read_bill(file, BillKind.TRADE)
        if row.merchant_ref == number and row.kind in (RowKind.PAID, RowKind.REFUND)
    ]

    (paid,) = side.adapter.query(number).facts
    assert sorted((row.kind, row.ref, row.minor) for row in rows) == [
        (RowKind.PAID, paid.fact_ref, 123_456),
        (RowKind.REFUND, f"R{number}", 56),
    ]
    assert {row.payment_ref for row in rows} == {paid.fact_ref}


def test_case_80_a_day_without_anything_is_empty(side: Side, tmp_path: Path) -> None:
    long_ago = clock.today() - timedelta(days=40)

    found = side.adapter.fetch_bill(long_ago, BillKind.TRADE, tmp_path / "bill")

    assert found is BillStatus.EMPTY


@pytest.mark.parametrize("fault", ["truncated", "other_host"])
def test_cases_76_87_a_file_that_is_not_whole_or_elsewhere_is_refused(
    side: Side, number: str, tmp_path: Path, fault: str
) -> None:
    side.paid(number)
    side.simulator.courier.policy.bill_fault = fault

    with pytest.raises(BillBroken):
        side.adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")
    assert list(tmp_path.iterdir()) == []


def test_case_77_totals_that_differ_from_the_lines_are_refused(
    side: Side, number: str, tmp_path: Path
) -> None:
    side.paid(number)
    side.simulator.courier.policy.bill_fault = "wrong_total"
    side.adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")

    with pytest.raises(BillBroken):
        list(side.adapter.read_bill(tmp_path / "bill", BillKind.TRADE))
