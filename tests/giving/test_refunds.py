"""Money that goes back: never more than came, never twice, and the books hold whatever the provider does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.funds.errors import FundOverspent
from fundraising.giving import refunds as gift_refunds
from fundraising.giving import resolving, returns, service, settlement
from fundraising.giving.errors import NotByThisRoad, RefundBlocked
from fundraising.giving.models import Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.outbox.models import Work
from fundraising.payments import pursuing, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.errors import RefundTooLarge, SamePerson, TooManyRefunds
from fundraising.payments.models import Attempt, RefundOrigin, Review, ReviewKind
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    Product,
    ProviderRejected,
    ProviderUnavailable,
    RefundRequest,
    RefundResult,
    RefundState,
)
from tests import wechat
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_settlement import CUT_OFF, paid, state_of

CLEARING = chart.clearing("wechatpay")
Start = Callable[..., Gift]


def back(gift: Gift, fen: int, number: str, **changed: Any) -> Fact:
    values = {
        "kind": FactKind.REFUNDED,
        "fact_ref": number,
        "amount": Money(fen),
        "payment_ref": f"T{gift.order_no}",
    }
    return paid(gift, **{**values, **changed})


@pytest.fixture
def gift(start: Start) -> Gift:
    """A paid gift of 1,000 fen."""
    made = start(1000)
    settlement.apply_facts([paid(made)])
    return made


def attempt_of(gift: Gift) -> Attempt:
    found = payments.latest(gift.id)
    assert found is not None
    return refunds.lock_attempt(found.id)


def all_hold() -> None:
    assert checks.run_here() == []


# ---------------------------------------------------------------------- what providers say


def test_a_refund_goes_from_the_gift_its_fund_and_its_receipt(
    gift: Gift, campaign: Campaign
) -> None:
    settlement.apply_facts([back(gift, 400, "R1")])

    assert state_of(gift) == "partly_refunded"
    assert ledger.balance(CLEARING) == Money(600)
    assert funds.totals(campaign.fund_id).raised_fen == 600
    trace = funds.trace(gift.id)
    assert trace is not None
    assert (trace.refunded_fen, trace.unspent_fen) == (400, 600)
    kinds = set(db.session.execute(select(Work.kind)).scalars())
    assert "receipts.follow_refund" in kinds
    all_hold()


def test_atk_015_the_same_refund_by_any_road_is_booked_once(gift: Gift) -> None:
    for source in (FactSource.NOTICE, FactSource.QUERY, FactSource.BILL):
        settlement.apply_facts([back(gift, 1000, "R1", source=source)])

    assert state_of(gift) == "refunded"
    assert ledger.balance(CLEARING) == Money(0)
    all_hold()


def test_a_refund_before_its_payment_waits_and_has_the_payment_asked_about(start: Start) -> None:
    gift = start(1000)
    early = back(gift, 1000, "R1")

    result = settlement.apply_facts([early])
    assert result.parked
    assert ledger.balance(CLEARING) == Money(0)

    settlement.apply_facts([paid(gift)])
    settlement.apply_facts([early])
    assert state_of(gift) == "refunded"
    all_hold()


def test_payment_and_refund_in_one_set_are_applied_in_their_order(start: Start) -> None:
    gift = start(1000)

    settlement.apply_facts([back(gift, 300, "R1"), paid(gift)])

    assert state_of(gift) == "partly_refunded"
    all_hold()


def test_case_69_a_refund_from_the_console_is_recognised_and_looked_into(gift: Gift) -> None:
    settlement.apply_facts([back(gift, 250, "CONSOLE1")])

    (refund,) = gift_refunds.of_gift(gift)
    assert (refund.is_external, refund.amount_fen, refund.state) == (True, 250, "succeeded")
    assert [r.kind for r in reviews.open_reviews()] == [ReviewKind.EXTERNAL_REFUND]


def test_more_than_came_is_booked_to_suspense_and_crashes_nothing(gift: Gift) -> None:
    settlement.apply_facts([back(gift, 1500, "CONSOLE1")])

    assert ledger.balance(chart.SUSPENSE) == Money(1500)
    assert [r.kind for r in reviews.open_reviews()] == [ReviewKind.REFUND_EXCESS]
    assert attempt_of(gift).refundable_fen == 0
    all_hold()


def test_what_exceeded_the_payment_goes_back_to_where_it_was_taken_from(gift: Gift) -> None:
    settlement.apply_facts([back(gift, 1, "R1")])
    settlement.apply_facts([back(gift, 1000, "dp_1", kind=FactKind.DISPUTED)])
    assert ledger.balance(chart.SUSPENSE) == Money(1000)

    settlement.apply_facts([back(gift, 1000, "dp_1", kind=FactKind.RETURNED)])

    assert ledger.balance(chart.SUSPENSE) == Money(0)
    assert attempt_of(gift).refunded_fen == 1
    assert db.session.get(Gift, gift.id, populate_existing=True).refunded_fen == 1  # type: ignore[union-attr]
    all_hold()


def test_spent_fen_are_taken_over_by_another_lot(
    gift: Gift, start: Start, make: Make, campaign: Campaign
) -> None:
    line = make.line(campaign.fund_id, 1000)
    fund_service.draw(line.id, Money(1000), unit_id=uuid4())
    other = start(5000)
    settlement.apply_facts([paid(other, payer="o-2")])

    settlement.apply_facts([back(gift, 1000, "R1")])

    trace = funds.trace(other.id)
    assert trace is not None
    assert sum(draw.fen for draw in trace.draws) == 1000
    all_hold()


def test_what_the_fund_cannot_give_is_covered_by_the_chapter(
    gift: Gift, make: Make, campaign: Campaign, make_staff: Callable[..., User]
) -> None:
    line = make.line(campaign.fund_id, 1000)
    fund_service.draw(line.id, Money(1000))

    settlement.apply_facts([back(gift, 1000, "CONSOLE1")])
    assert state_of(gift) == "refunded"
    assert ledger.balance(chart.TO_BE_COVERED) == Money(1000)
    all_hold()

    (review,) = [r for r in reviews.open_reviews() if r.kind == ReviewKind.REFUND_UNCOVERED]
    finance = make_staff("finance")
    gift_refunds.cover(review.id, finance.id)

    assert ledger.balance(chart.TO_BE_COVERED) == Money(0)
    assert funds.totals(campaign.fund_id).by_source == {"chapter": 1000}
    all_hold()
    with pytest.raises(FundOverspent):
        gift_refunds.cover(review.id, finance.id)


def test_case_72_a_dispute_takes_the_money_and_a_won_one_brings_it_back(
    gift: Gift, campaign: Campaign
) -> None:
    settlement.apply_facts([back(gift, 1000, "dp_1", kind=FactKind.DISPUTED)])
    assert ledger.balance(CLEARING) == Money(0)

    settlement.apply_facts([back(gift, 1000, "dp_1", kind=FactKind.RETURNED)])

    assert (ledger.balance(CLEARING), state_of(gift)) == (Money(1000), "paid")
    assert [*db.session.execute(select(Work.kind)).scalars()].count("receipts.follow_refund") == 2
    assert funds.totals(campaign.fund_id).raised_fen == 1000
    all_hold()


def test_a_second_payment_goes_back_from_unapplied_money(
    gift: Gift, campaign: Campaign, make_staff: Callable[..., User]
) -> None:
    second = payments.create_attempt(gift.id, Product.WECHATPAY_H5, Money(1000), clock.now())
    settlement.apply_facts([paid(gift, attempt=second, fact_ref="T2")])
    (review,) = reviews.open_reviews()
    one, two = make_staff("finance"), make_staff("finance")

    refund = gift_refunds.propose_for(review.id, reason="paid twice", actor_id=one.id)
    gift_refunds.approve(refund.id, two.id)
    settlement.apply_facts([back(gift, 1000, refund.refund_no, attempt=second)])

    assert ledger.balance(chart.UNAPPLIED) == Money(0)
    assert state_of(gift) == "paid"
    assert funds.totals(campaign.fund_id).raised_fen == 1000
    all_hold()


def test_an_orphan_of_our_own_bill_is_suspense_once_and_can_become_a_gift(
    start: Start, campaign: Campaign, make_staff: Callable[..., User]
) -> None:
    gift = start(1000)
    stray = paid(gift, merchant_ref="NOBODY", fact_ref="T-STRAY", source=FactSource.NOTICE)
    settlement.apply_facts([stray])
    assert ledger.balance(chart.SUSPENSE) == Money(0)

    for _ in range(2):
        settlement.apply_facts(
            [paid(gift, merchant_ref="NOBODY", fact_ref="T-STRAY", source=FactSource.BILL)]
        )
    assert ledger.balance(chart.SUSPENSE) == Money(-1000)
    (review,) = reviews.open_reviews()
    resolving.give_to(review.id, campaign, note="our bill", actor_id=make_staff("finance").id)

    assert ledger.balance(chart.SUSPENSE) == Money(0)
    assert funds.totals(campaign.fund_id).raised_fen == 1000
    all_hold()


def test_another_amount_can_be_taken_as_the_gift(
    start: Start, campaign: Campaign, make_staff: Callable[..., User]
) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift, amount=Money(900))])
    (review,) = reviews.open_reviews()
    finance = make_staff("finance")

    resolving.accept_amount(review.id, note="the donor meant it", actor_id=finance.id)

    assert state_of(gift) == "paid"
    assert funds.totals(campaign.fund_id).raised_fen == 900
    all_hold()
    with pytest.raises(NotByThisRoad):
        resolving.accept_amount(review.id, note="again", actor_id=finance.id)


# ---------------------------------------------------------------------- asking for one


def test_two_people_send_money_back(gift: Gift, make_staff: Callable[..., User]) -> None:
    one, two = make_staff("finance"), make_staff("finance")
    refund = gift_refunds.request(gift, Money(1000), reason="asked for it", actor_id=one.id)

    with pytest.raises(SamePerson):
        gift_refunds.approve(refund.id, one.id)
    assert gift_refunds.approve(refund.id, two.id).state == "approved"


@pytest.mark.parametrize("fen", [1001, 0, -5])
def test_atk_066_more_than_is_left_or_nothing_is_refused(
    gift: Gift, make_staff: Callable[..., User], fen: int
) -> None:
    with pytest.raises((RefundTooLarge, FundOverspent)):
        gift_refunds.request(gift, Money(fen), reason="why", actor_id=make_staff("finance").id)


def test_what_waits_to_go_back_is_not_there_twice(
    gift: Gift, make_staff: Callable[..., User]
) -> None:
    finance = make_staff("finance")
    first = gift_refunds.request(gift, Money(700), reason="why", actor_id=finance.id)
    with pytest.raises(RefundTooLarge):
        gift_refunds.request(gift, Money(301), reason="why", actor_id=finance.id)

    refunds.cancel(first.id, finance.id)
    assert attempt_of(gift).refundable_fen == 1000


def test_case_65_the_51st_part_is_refused(gift: Gift, make_staff: Callable[..., User]) -> None:
    finance = make_staff("finance")
    for _ in range(refunds.MOST_REFUNDS):
        gift_refunds.request(gift, Money(1), reason="why", actor_id=finance.id)

    with pytest.raises(TooManyRefunds):
        gift_refunds.request(gift, Money(1), reason="why", actor_id=finance.id)


def test_case_73_a_gate_of_another_slice_forbids_it(
    gift: Gift, make_staff: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    out: list[UUID] = [gift.id]

    def gate(gift_id: UUID) -> str | None:
        return "fiscal receipt is out" if gift_id in out else None

    monkeypatch.setattr(gift_refunds, "_gates", [gate])
    one, two = make_staff("finance"), make_staff("finance")
    with pytest.raises(RefundBlocked):
        gift_refunds.request(gift, Money(1000), reason="why", actor_id=one.id)
    out.clear()
    refund = gift_refunds.request(gift, Money(1000), reason="why", actor_id=one.id)
    out.append(gift.id)
    with pytest.raises(RefundBlocked):
        gift_refunds.approve(refund.id, two.id)


def test_spent_money_is_not_promised(
    gift: Gift, make: Make, campaign: Campaign, make_staff: Callable[..., User]
) -> None:
    line = make.line(campaign.fund_id, 1000)
    fund_service.draw(line.id, Money(1000))

    with pytest.raises(FundOverspent):
        gift_refunds.request(gift, Money(1), reason="why", actor_id=make_staff("finance").id)


# ---------------------------------------------------------------------- speaking with the provider


@dataclass
class Refunding:
    """A provider that answers as told and notes what it was asked."""

    answers: list[Any]
    gift: Gift
    asked: list[tuple[str, str]] = field(default_factory=list)

    def refund(self, request: RefundRequest) -> RefundResult:
        return self._answer("refund", request)

    def query_refund(self, request: RefundRequest) -> RefundResult:
        return self._answer("query", request)

    def _answer(self, verb: str, request: RefundRequest) -> RefundResult:
        self.asked.append((verb, request.refund_no))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        kinds = {
            RefundState.SUCCEEDED: FactKind.REFUNDED,
            RefundState.FAILED: FactKind.REFUND_FAILED,
            RefundState.STUCK: FactKind.REFUND_STUCK,
        }
        made = [
            back(self.gift, request.amount.minor, request.refund_no, kind=kinds[state])
            for state in [answer]
            if state in kinds
        ]
        return RefundResult(answer, made)


@pytest.fixture
def speak(
    gift: Gift,
    make_staff: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    frozen_clock: FrozenClock,
) -> Callable[..., Refunding]:
    """Approves a refund of 600 fen and pursues it until the provider has no more answers."""

    def run(*answers: Any) -> Refunding:
        provider = Refunding(list(answers), gift)
        monkeypatch.setattr(payments, "provider", lambda _name: provider)
        one, two = make_staff("finance"), make_staff("finance")
        refund = gift_refunds.request(gift, Money(600), reason="why", actor_id=one.id)
        gift_refunds.approve(refund.id, two.id)
        for _ in range(20):
            if not provider.answers:
                break
            pursuing.pursue_due(settlement.apply_facts)
            frozen_clock.move(hours=2)
        return provider

    return run


def test_case_63_an_unknown_outcome_is_asked_about_under_the_same_number(
    gift: Gift, speak: Callable[..., Refunding]
) -> None:
    provider = speak(
        ProviderUnavailable("time-out"),
        ProviderUnavailable("500"),
        RefundState.NOT_EXIST,
        RefundState.PROCESSING,
        RefundState.SUCCEEDED,
    )

    assert [verb for verb, _ in provider.asked] == ["refund", "query", "query", "refund", "query"]
    assert len({number for _, number in provider.asked}) == 1
    assert state_of(gift) == "partly_refunded"
    assert attempt_of(gift).refund_reserved_fen == 0
    all_hold()


def test_case_66_a_stuck_refund_may_still_succeed(
    gift: Gift, speak: Callable[..., Refunding]
) -> None:
    speak(RefundState.STUCK, RefundState.SUCCEEDED)

    assert state_of(gift) == "partly_refunded"
    assert ReviewKind.REFUND_STUCK in [r.kind for r in reviews.open_reviews()]


class Killed(BaseException):
    """What becomes of a worker that is killed."""


@pytest.mark.parametrize("gone", [Killed(), CUT_OFF], ids=["killed", "database away"])
def test_a_refund_that_was_being_sent_when_worker_or_database_went_is_asked_about_at_once(
    gift: Gift,
    make_staff: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    gone: BaseException,
) -> None:
    provider = Refunding([gone, RefundState.SUCCEEDED], gift)
    monkeypatch.setattr(payments, "provider", lambda _name: provider)
    one, two = make_staff("finance"), make_staff("finance")
    refund = gift_refunds.request(gift, Money(600), reason="why", actor_id=one.id)
    gift_refunds.approve(refund.id, two.id)

    with pytest.raises(type(gone)):
        pursuing.pursue_due(settlement.apply_facts)
    pursuing.pursue_due(settlement.apply_facts)

    assert [verb for verb, _ in provider.asked] == ["refund", "query"]
    assert state_of(gift) == "partly_refunded"


def test_a_refusal_for_good_frees_what_was_set_aside(
    gift: Gift, speak: Callable[..., Refunding]
) -> None:
    speak(ProviderRejected("INVALID_REQUEST", "no"))

    assert attempt_of(gift).refundable_fen == 1000
    assert state_of(gift) == "paid"
    assert [r.kind for r in reviews.open_reviews()] == [ReviewKind.REFUND_FAILED]
    all_hold()


def test_two_parts_of_one_payment_keep_their_distance(
    gift: Gift,
    make_staff: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    frozen_clock: FrozenClock,
) -> None:
    provider = Refunding([RefundState.SUCCEEDED, RefundState.SUCCEEDED], gift)
    monkeypatch.setattr(payments, "provider", lambda _name: provider)
    one, two = make_staff("finance"), make_staff("finance")
    for _ in range(2):
        refund = gift_refunds.request(gift, Money(500), reason="why", actor_id=one.id)
        gift_refunds.approve(refund.id, two.id)

    pursuing.pursue_due(settlement.apply_facts)
    assert len(provider.asked) == 1
    frozen_clock.move(seconds=61)
    pursuing.pursue_due(settlement.apply_facts)
    assert len(provider.asked) == 2
    assert state_of(gift) == "refunded"


def test_case_54_a_console_refund_while_ours_is_on_its_way(
    gift: Gift, make_staff: Callable[..., User]
) -> None:
    one, two = make_staff("finance"), make_staff("finance")
    ours = gift_refunds.request(gift, Money(600), reason="why", actor_id=one.id)
    gift_refunds.approve(ours.id, two.id)

    settlement.apply_facts([back(gift, 700, "CONSOLE1")])
    settlement.apply_facts([back(gift, 600, ours.refund_no, kind=FactKind.REFUND_FAILED)])

    attempt = attempt_of(gift)
    assert (attempt.refunded_fen, attempt.refund_reserved_fen) == (700, 0)
    assert ledger.balance(CLEARING) == Money(300)
    all_hold()


@pytest.mark.parametrize(
    ("threads", "times", "fen", "winners"),
    [
        pytest.param(30, 1, 4_000, 2, id="case_64_thirty_parts"),
        pytest.param(20, 10, 10_000, 1, id="atk_065_two_hundred_of_all"),
    ],
)
def test_case_64_and_atk_065_refunds_at_once_never_exceed_the_payment(
    own_database: Flask, threads: int, times: int, fen: int, winners: int
) -> None:
    own_database.extensions["providers"] = {"wechatpay": wechat.provider()}
    with transaction():
        campaign = Make(db.session()).campaign()
        asked = service.StartGift(
            campaign.slug, Money(10_000), Product.WECHATPAY_NATIVE, uuid4().hex
        )
        gift = service.start_gift(asked)
        settlement.apply_facts([paid(gift)])
        attempt_id = attempt_of(gift).id
    gate, won, refused = Barrier(threads), [], []

    def ask() -> None:
        with own_database.app_context():
            gate.wait(30)
            for _ in range(times):
                try:
                    with transaction():
                        refunds.request(
                            attempt_id,
                            Money(fen),
                            origin=RefundOrigin.GIFT,
                            reason="why",
                            actor_id=None,
                        )
                    won.append(1)
                except RefundTooLarge:
                    refused.append(1)
            db.session.remove()

    running = [Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert (len(won), len(refused)) == (winners, threads * times - winners)


def test_a_review_keeps_its_fact(gift: Gift) -> None:
    settlement.apply_facts([back(gift, 100, "CONSOLE1")])
    review = db.session.execute(select(Review)).scalar_one()
    assert review.fact_id is not None


def test_money_that_came_back_stands_on_the_pages_of_its_gift(
    gift: Gift, client: FlaskClient, staff_client: Callable[..., FlaskClient]
) -> None:
    settlement.apply_facts([back(gift, 400, "dp_1", kind=FactKind.DISPUTED)])
    assert returns.of_gift(gift.id) == []
    settlement.apply_facts([back(gift, 400, "dp_1", kind=FactKind.RETURNED)])

    (one,) = returns.of_gift(gift.id)

    assert (one.amount_fen, one.trace.unspent_fen) == (400, 400)
    mine = client.get(f"/t/{gift.token}").text
    assert "退回后又到账的款项" in mine
    assert "因支付争议由发卡行扣回" in mine
    assert "支付争议于" in mine
    assert "已退还给您" not in mine
    desk = staff_client("finance").get(f"/staff/orders/{gift.ref}").text
    assert "退回后又到账的款项" in desk
    assert "已回到我会账户" in desk
