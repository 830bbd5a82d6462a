"""Numbered cases of money itself: order of arrival, foreign currency, disputes, faults in the middle."""

from collections.abc import Callable
from dataclasses import fields
from itertools import permutations
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fundraising.accounts.models import User
from fundraising.audit import queries as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.errors import DomainError
from fundraising.funds import queries as funds
from fundraising.giving import foreign_refunds, resolving, settlement
from fundraising.giving import refunds as giving_refunds
from fundraising.giving.errors import NotByThisRoad
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import JournalEntry
from fundraising.money import Money
from fundraising.payments import reviews
from fundraising.payments.models import ProviderFact, Refund, RefundStage
from fundraising.payments.providers.base import (
    BillStatus,
    Fact,
    FactKind,
    FactSource,
    RefundRequest,
    RefundResult,
    RefundState,
    RowKind,
)
from tests.giving import test_reconciliation as days
from tests.giving.test_reconciliation import NOON, Bills, kinds, line, run
from tests.giving.test_refunds import attempt_of, back
from tests.giving.test_settlement import CLEARING, Start, closed, paid, state_of

bills, start_before = days.bills, days.start_before
People = Callable[..., User]


def tell(told: list[Fact]) -> None:
    """Let facts arrive one after another; what came too early comes again, as its provider sends it."""
    waiting = list(told)
    for _ in range(10):
        early = []
        for fact in waiting:
            if settlement.apply_facts([fact]).parked:
                early.append(fact)
        waiting = early
    assert waiting == []


def everything(gift: Gift, campaign: Campaign) -> tuple[Any, ...]:
    totals = funds.totals(campaign.fund_id)
    return state_of(gift), ledger.balance(CLEARING).minor, totals.raised_fen, totals.unspent_fen


# ---------------------------------------------------------------------- order of arrival


def test_atk_015_all_orders_of_arrival_end_alike(start: Start, campaign: Campaign) -> None:
    ends = set()
    for place, order in enumerate(permutations(range(4))):
        gift = start(1000)
        before = ledger.balance(CLEARING).minor, funds.totals(campaign.fund_id).raised_fen
        life = [
            paid(gift),
            closed(gift),
            back(gift, 300, f"R{place}a"),
            back(gift, 200, f"R{place}b"),
        ]
        tell([life[at] for at in order])
        state, clearing, raised, _ = everything(gift, campaign)
        ends.add((state, clearing - before[0], raised - before[1]))

    assert ends == {(GiftState.PARTLY_REFUNDED, 500, 500)}
    assert checks.run_here() == []


@pytest.mark.parametrize(
    ("before", "state", "unapplied"),
    [
        ("closed", GiftState.PAID, 0),
        ("refunded", GiftState.REFUNDED, 1000),
        ("paid", GiftState.PAID, 1000),
    ],
)
def test_atk_014_money_for_an_order_that_is_over_is_kept_and_looked_at(
    start: Start, before: str, state: str, unapplied: int
) -> None:
    gift = start(1000)
    if before == "closed":
        settlement.apply_facts([closed(gift)])
    else:
        settlement.apply_facts([paid(gift)])
    if before == "refunded":
        settlement.apply_facts([back(gift, 1000, "R1")])

    settlement.apply_facts([paid(gift, fact_ref="T-LATE")])

    assert state_of(gift) == state
    assert ledger.balance(chart.UNAPPLIED) == Money(-unapplied)
    kind = "paid_after_close" if before == "closed" else "duplicate_payment"
    assert kind in [review.kind for review in reviews.open_reviews()]
    assert checks.run_here() == []


def test_case_50_and_atk_075_a_fault_at_any_statement_leaves_nothing_half(
    start: Start, campaign: Campaign, session: Session
) -> None:
    gift = start(1000)
    told = [paid(gift), back(gift, 400, "R1")]
    session.flush()
    seen = {"now": 0, "at": -1}

    def fail(_c: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("SAVEPOINT", "ROLLBACK", "RELEASE")):
            return
        seen["now"] += 1
        if seen["now"] == seen["at"]:
            raise psycopg.errors.SerializationFailure("could not serialize access")

    event.listen(db.engine, "before_cursor_execute", fail)
    try:
        faults = 0
        while True:
            seen["now"], seen["at"] = 0, seen["at"] + 2 if seen["at"] > 0 else 1
            try:
                with db.session.begin_nested():
                    settlement.apply_facts(told)
                break
            except (OperationalError, psycopg.OperationalError):
                faults += 1
            seen["at"], at = -1, seen["at"]
            assert session.execute(select(ProviderFact.id)).first() is None
            assert session.execute(select(JournalEntry.id)).first() is None
            seen["at"] = at
    finally:
        event.remove(db.engine, "before_cursor_execute", fail)

    assert faults > 10
    settlement.apply_facts(told)
    assert everything(gift, campaign) == (GiftState.PARTLY_REFUNDED, 600, 600, 600)
    assert checks.run_here() == []


# ---------------------------------------------------------------------- refunds and disputes


def test_atk_069_a_chargeback_after_a_refund_and_a_won_one_keep_the_books(
    start: Start, campaign: Campaign
) -> None:
    gift, other = start(1000), start(5000)
    settlement.apply_facts([paid(gift), paid(other, fact_ref="T-OTHER")])
    settlement.apply_facts([back(gift, 1000, "R1")])

    settlement.apply_facts([back(gift, 1000, "dp_1", kind=FactKind.DISPUTED)])
    assert state_of(gift) == GiftState.REFUNDED
    assert funds.totals(campaign.fund_id).raised_fen == 5000
    assert ledger.balance(chart.SUSPENSE) == Money(1000)
    assert "refund_excess" in [review.kind for review in reviews.open_reviews()]
    assert checks.run_here() == []

    settlement.apply_facts(
        [back(other, 5000, "dp_2", kind=FactKind.DISPUTED, payment_ref="T-OTHER")]
    )
    settlement.apply_facts(
        [back(other, 5000, "dp_2", kind=FactKind.RETURNED, payment_ref="T-OTHER")]
    )
    assert (state_of(other), funds.totals(campaign.fund_id).raised_fen) == (GiftState.PAID, 5000)
    assert checks.run_here() == []


def test_atk_067_a_refund_has_no_other_way_than_back() -> None:
    told = {field.name for field in fields(RefundRequest)}
    columns = set(Refund.__table__.columns.keys())

    assert told == {
        "refund_no", "merchant_ref", "payment_ref", "amount", "total", "reason", "notify_url",
    }  # fmt: skip
    for word in ("account_no", "iban", "card", "payee", "to_", "bank", "cheque", "openid"):
        assert not [name for name in told | columns if word in name]


def test_atk_066_what_is_not_there_does_not_go_back(start: Start, make_staff: People) -> None:
    actor = make_staff("finance").id
    unpaid, gone, disputed = start(1000), start(1000), start(1000)
    settlement.apply_facts([paid(gone), paid(disputed, fact_ref="T-D")])
    settlement.apply_facts(
        [back(gone, 1000, "R1"), back(disputed, 1000, "dp_1", kind=FactKind.DISPUTED)]
    )
    rich = start(9000)
    settlement.apply_facts([paid(rich)])

    for gift, fen in ((unpaid, 1), (gone, 1), (disputed, 1), (rich, 9001), (rich, 0), (rich, -5)):
        with pytest.raises((DomainError, ValueError)):
            giving_refunds.request(gift, Money(fen), reason="why", actor_id=actor)
    assert checks.run_here() == []


def test_atk_076_what_one_person_sends_back_alone_counts_together(
    app: Flask, start: Start, make_staff: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = app.extensions["settings"].model_copy(update={"refund_alone_fen": 10_000})
    monkeypatch.setitem(app.extensions, "settings", limited)
    first, second = make_staff("finance").id, make_staff("finance").id
    gifts = [start(9_000) for _ in range(30)]
    settlement.apply_facts([paid(gift) for gift in gifts])

    asked = [
        giving_refunds.request(gift, Money(3_000), reason="why", actor_id=first) for gift in gifts
    ]

    states = [refund.state for refund in asked]
    assert states == [RefundStage.APPROVED] * 3 + [RefundStage.PROPOSED] * 27
    alone = giving_refunds.request(gifts[0], Money(3_000), reason="why", actor_id=second)
    assert alone.state == RefundStage.APPROVED


# ---------------------------------------------------------------------- foreign currency


def test_atk_011_the_same_number_in_another_currency_is_never_the_orders_amount(
    start: Start, campaign: Campaign
) -> None:
    for place, currency in enumerate(("USD", "JPY", "KRW", "EUR")):
        gift = start(1000)
        settlement.apply_facts([paid(gift, amount=Money(1000, currency))])

        assert state_of(gift) == GiftState.REVIEW
        assert ledger.balance(chart.SUSPENSE, currency) == Money(-1000, currency)
        review = reviews.open_reviews()[place]
        assert (review.kind, review.detail["currency"]) == ("mismatch", currency)
        assert "received_fen" not in review.detail
        assert attempt_of(gift).paid_fen == 0
    assert funds.totals(campaign.fund_id).raised_fen == 0
    assert checks.run_here() == []


def test_atk_072_foreign_money_becomes_a_gift_only_by_what_the_balance_says(
    bills: Bills, start_before: Start, campaign: Campaign, make_staff: People
) -> None:
    gift, actor = start_before(1000), make_staff("finance").id
    settlement.apply_facts([paid(gift, amount=Money(1000, "USD"), occurred_at=NOON)])
    (review,) = reviews.open_reviews()
    assert review.detail["received"] == "10.00 USD"
    with pytest.raises(NotByThisRoad):
        resolving.accept_amount(review.id, note="no rate of ours", actor_id=actor)

    bills.trade = [line(gift, minor=7_105)]
    bills.flow = [row._replace(ref=f"F{row.ref}", merchant_ref="") for row in bills.trade]
    run(bills)
    assert kinds() == ["amount"]
    resolving.accept_amount(review.id, note="as settled", actor_id=actor)

    assert (state_of(gift), funds.totals(campaign.fund_id).raised_fen) == (GiftState.PAID, 7_105)
    for account in (chart.SUSPENSE, CLEARING):
        assert ledger.balance(account, "USD") == Money(0, "USD")
    assert ledger.balance(CLEARING) == Money(7_105)
    assert run(bills).state == "balanced"
    with pytest.raises(DomainError):
        giving_refunds.request(gift, Money(100), reason="in whose currency?", actor_id=actor)
    assert checks.run_here() == []


def test_a_foreign_gift_that_went_back_is_taken_back_by_what_the_balance_says(
    bills: Bills, start_before: Start, campaign: Campaign, make_staff: People
) -> None:
    gift, actor = start_before(1000), make_staff("finance").id
    settlement.apply_facts([paid(gift, amount=Money(1000, "USD"), occurred_at=NOON)])
    bills.trade = [line(gift, minor=7_105)]
    bills.flow = [row._replace(ref=f"F{row.ref}", merchant_ref="") for row in bills.trade]
    run(bills)
    (review,) = reviews.open_reviews()
    resolving.accept_amount(review.id, note="as settled", actor_id=actor)
    gone = paid(
        gift, kind=FactKind.REFUNDED, fact_ref="RE1", amount=Money(1000, "USD"), occurred_at=NOON
    )
    settlement.apply_facts([gone])
    (review,) = reviews.open_reviews()
    with pytest.raises(NotByThisRoad):
        foreign_refunds.take_back(review.id, note="no balance yet", actor_id=actor)
    sent = line(gift, kind=RowKind.REFUND, ref="RE1", minor=7_125)
    bills.trade.append(sent)
    bills.flow.append(sent._replace(ref="FRE1", merchant_ref=""))
    run(bills)

    foreign_refunds.take_back(review.id, note="refunded at Stripe", actor_id=actor)

    assert (state_of(gift), funds.totals(campaign.fund_id).raised_fen) == (GiftState.REFUNDED, 0)
    for account in (chart.SUSPENSE, CLEARING):
        assert ledger.balance(account, "USD") == Money(0, "USD")
    assert ledger.balance(CLEARING) == Money(-20)
    assert ledger.balance(chart.TO_BE_COVERED) == Money(20), "the rate moved: the chapter bears it"
    with pytest.raises(NotByThisRoad):
        foreign_refunds.take_back(review.id, note="again", actor_id=actor)
    assert run(bills).state == "balanced"
    assert checks.run_here() == []


# ---------------------------------------------------------------------- bills


def test_case_80_a_day_without_a_bill_but_with_payments_of_ours_alarms(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    bills.status = BillStatus.EMPTY

    run(bills)

    assert kinds() == ["ours_only"]
    assert "payments:reconciliation:wechatpay" in [a.key for a in audit.open_alarms()]


def test_case_83_a_refund_row_that_failed_later_is_decided_by_the_query(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    row = line(gift, kind=RowKind.REFUND, ref="CONSOLE1", minor=400, is_final=False)
    bills.trade = [line(gift), row]
    bills.flow = [
        r._replace(ref=f"F{r.ref}", merchant_ref="") for r in bills.trade if r.kind == "paid"
    ]
    run(bills)
    assert kinds() == ["refund_only_bill"]

    failed = back(gift, 400, "CONSOLE1", kind=FactKind.REFUND_FAILED, source=FactSource.QUERY)
    bills.refunds["CONSOLE1"] = RefundResult(RefundState.FAILED, [failed])
    done = run(bills)

    assert (done.state, state_of(gift)) == ("balanced", GiftState.PAID)
    assert ledger.balance(CLEARING) == Money(gift.amount_fen)
