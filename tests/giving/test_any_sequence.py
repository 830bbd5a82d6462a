"""Any sequence of giving, paying, notices, refunds, disputes, bills and spending keeps every invariant.

The model knows what the provider moved; the books must agree with it whatever the order in which it is told.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.errors import DomainError
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.funds.errors import FundOverspent, LineOverdrawn
from fundraising.giving import refunds as gift_refunds
from fundraising.giving import resolving, service, settlement
from fundraising.giving.models import Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import facts, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, ReviewKind
from fundraising.payments.providers.base import Fact, FactKind, FactSource, Product
from tests.factories import Make
from tests.giving.test_settlement import paid

ROADS = (FactSource.NOTICE, FactSource.QUERY, FactSource.BILL)
step = st.one_of(
    st.tuples(st.just("start"), st.integers(100, 5000)),
    st.tuples(st.just("give"), st.integers(100, 5000)),
    st.tuples(st.just("second"), st.integers(0, 9)),
    st.tuples(st.just("pay"), st.integers(0, 19)),
    st.tuples(st.just("pay_other"), st.integers(0, 19)),
    st.tuples(st.just("close"), st.integers(0, 19)),
    st.tuples(st.just("ask_refund"), st.integers(0, 19)),
    st.tuples(st.just("console_refund"), st.integers(0, 19)),
    st.tuples(st.just("refund_fails"), st.integers(0, 19)),
    st.tuples(st.just("dispute"), st.integers(0, 19)),
    st.tuples(st.just("win"), st.integers(0, 19)),
    st.tuples(st.just("spend"), st.integers(1, 4000)),
    st.tuples(st.just("accept"), st.integers(0, 9)),
    st.tuples(st.just("cover"), st.integers(0, 9)),
    st.tuples(st.just("tell"), st.integers(0, 3)),
)


@dataclass
class World:
    """The provider's side: what it moved, and what it has not told yet."""

    campaign: Campaign
    make: Make
    actor: Any
    other: Any
    attempts: list[Attempt] = field(default_factory=list)
    gifts: dict[Any, Gift] = field(default_factory=dict)
    came: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    facts: list[Fact] = field(default_factory=list)
    waiting: list[Fact] = field(default_factory=list)
    disputes: list[Fact] = field(default_factory=list)
    pending: list[tuple[str, Attempt, int]] = field(default_factory=list)

    def start(self, fen: int) -> None:
        asked = service.StartGift(
            self.campaign.slug, Money(fen), Product.WECHATPAY_NATIVE, uuid4().hex
        )
        gift = service.start_gift(asked)
        self.gifts[gift.id] = gift
        self.attempts += payments.attempts_of(gift.id)

    def give(self, fen: int) -> None:
        """Start, pay and hear of it: what most gifts are, so that later steps find something."""
        self.start(fen)
        self.pay(len(self.attempts) - 1)
        self.tell(0)

    def second(self, number: int) -> None:
        attempt = self._attempt(number)
        if attempt is not None:
            later = clock.now() + timedelta(minutes=30)
            amount = Money(attempt.amount_fen)
            self.attempts.append(
                payments.create_attempt(attempt.order_id, Product.WECHATPAY_H5, amount, later)
            )

    def pay(self, number: int) -> None:
        self._pay(self._attempt(number), 0)

    def pay_other(self, number: int) -> None:
        self._pay(self._attempt(number), 1)

    def _pay(self, attempt: Attempt | None, more: int) -> None:
        if attempt is None or self.came[attempt.merchant_ref]:
            return
        fen = attempt.amount_fen + more
        self.came[attempt.merchant_ref] = fen
        self._say(attempt, FactKind.PAID, f"T{attempt.merchant_ref}", fen)

    def close(self, number: int) -> None:
        attempt = self._attempt(number)
        if attempt is not None and not self.came[attempt.merchant_ref]:
            self._say(attempt, FactKind.CLOSED, attempt.merchant_ref, 0)

    def ask_refund(self, number: int) -> None:
        attempt = self._attempt(number)
        if attempt is None:
            return
        gift = self.gifts[attempt.order_id]
        payment = gift_refunds.payment_of(gift)
        if payment is None:
            return
        fen = 1 + (number * 37) % max(1, payment.paid_fen)
        try:
            refund = gift_refunds.request(gift, Money(fen), reason="why", actor_id=self.actor)
            gift_refunds.approve(refund.id, self.other)
        except DomainError:
            return
        self.pending.append((refund.refund_no, payment, fen))
        if self._free(payment) >= fen and number % 2:
            self._leave(payment, FactKind.REFUNDED, refund.refund_no, fen)
            self.pending.pop()

    def refund_fails(self, number: int) -> None:
        if self.pending:
            refund_no, attempt, fen = self.pending.pop(number % len(self.pending))
            self._say(attempt, FactKind.REFUND_FAILED, refund_no, fen)

    def console_refund(self, number: int) -> None:
        attempt = self._attempt(number)
        if attempt is not None and self._free(attempt):
            fen = 1 + number % self._free(attempt)
            self._leave(attempt, FactKind.REFUNDED, f"C{uuid4().hex[:12]}", fen)

    def dispute(self, number: int) -> None:
        attempt = self._attempt(number)
        if attempt is not None and self._free(attempt):
            fen = self._free(attempt)
            self._leave(attempt, FactKind.DISPUTED, f"dp_{uuid4().hex[:12]}", fen)
            self.disputes.append(self.facts[-1])

    def win(self, number: int) -> None:
        if not self.disputes:
            return
        lost = self.disputes.pop(number % len(self.disputes))
        attempt = next(a for a in self.attempts if a.merchant_ref == lost.merchant_ref)
        self.left[attempt.merchant_ref] -= lost.amount.minor
        self._say(attempt, FactKind.RETURNED, lost.fact_ref, lost.amount.minor)

    def spend(self, fen: int) -> None:
        line = self.make.line(self.campaign.fund_id, fen)
        try:
            with db.session.begin_nested():
                fund_service.draw(line.id, Money(fen), unit_id=uuid4())
        except (FundOverspent, LineOverdrawn):
            pass

    def accept(self, number: int) -> None:
        self._decide(ReviewKind.MISMATCH, number)

    def cover(self, number: int) -> None:
        self._decide(ReviewKind.REFUND_UNCOVERED, number)

    def _decide(self, kind: ReviewKind, number: int) -> None:
        found = [review for review in reviews.open_reviews() if review.kind == kind]
        if not found:
            return
        review = found[number % len(found)]
        try:
            with db.session.begin_nested():
                if kind == ReviewKind.MISMATCH:
                    resolving.accept_amount(review.id, note="why", actor_id=self.actor)
                else:
                    gift_refunds.cover(review.id, self.actor)
        except DomainError:
            pass

    def tell(self, number: int) -> None:
        """Tell what waits, in one set, backwards or with an old word again."""
        told, self.waiting = self.waiting, []
        if number % 2:
            told.reverse()
        if number > 1 and self.facts:
            told.append(self.facts[number % len(self.facts)])
        result = settlement.apply_facts(told)
        self.waiting = [f for f in told if facts.key(f) in result.parked]

    def _attempt(self, number: int) -> Attempt | None:
        return self.attempts[number % len(self.attempts)] if self.attempts else None

    def _free(self, attempt: Attempt) -> int:
        return self.came[attempt.merchant_ref] - self.left[attempt.merchant_ref]

    def _leave(self, attempt: Attempt, kind: FactKind, ref: str, fen: int) -> None:
        self.left[attempt.merchant_ref] += fen
        self._say(attempt, kind, ref, fen)

    def _say(self, attempt: Attempt, kind: FactKind, ref: str, fen: int) -> None:
        fact = paid(
            self.gifts[attempt.order_id],
            attempt=attempt,
            kind=kind,
            fact_ref=ref,
            amount=Money(fen),
            source=ROADS[len(self.facts) % len(ROADS)],
            payer=f"o-{attempt.order_id}",
        )
        self.facts.append(fact)
        self.waiting.append(fact)


@given(steps=st.lists(step, min_size=3, max_size=30))
@example([("dispute", 0), ("win", 0), ("ask_refund", 1)])
@example([("dispute", 0), ("win", 0), ("dispute", 0)])
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_sequence_of_money_keeps_every_invariant(
    session: Session, make: Make, steps: list[tuple[str, int]]
) -> None:
    session.execute(text("UPDATE payment_review SET closed_at = now()"))
    before = ledger.balance(chart.clearing("wechatpay")).minor
    world = World(make.campaign(), make, uuid4(), uuid4())
    world.give(1000)
    for name, number in steps:
        getattr(world, name)(number)
    for number in (0, 1, 0, 0):
        world.tell(number)

    assert not world.waiting
    moved = sum(world.came.values()) - sum(world.left.values())
    assert ledger.balance(chart.clearing("wechatpay")).minor - before == moved
    for attempt in world.attempts:
        now = refunds.lock_attempt(attempt.id)
        assert now.paid_fen == world.came[attempt.merchant_ref]
        assert now.refunded_fen == world.left[attempt.merchant_ref]
    totals = funds.totals(world.campaign.fund_id)
    assert totals.unspent_fen >= 0
    assert checks.run_here() == []
