"""Whatever a provider says, in whatever order and however often, the books are right."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.giving import day_totals, queries, service, settlement
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.outbox.models import Work
from fundraising.payments import holding, inbox, polling, reviews
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, InboxNotice, ProviderFact
from fundraising.payments.providers.base import (
    CloseResult,
    Fact,
    FactKind,
    FactSource,
    OrderState,
    Product,
    ProviderUnavailable,
    QueryResult,
)
from tests import wechat
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.wechat import Notice

CLEARING = chart.clearing("wechatpay")
Start = Callable[..., Gift]


def paid(gift: Gift, **changed: Any) -> Fact:
    attempt = changed.pop("attempt", None) or payments.latest(gift.id)
    assert attempt is not None
    values: dict[str, Any] = {
        "provider": "wechatpay",
        "account": wechat.MCHID,
        "kind": FactKind.PAID,
        "fact_ref": f"T{attempt.merchant_ref}",
        "merchant_ref": attempt.merchant_ref,
        "amount": Money(gift.amount_fen),
        "occurred_at": clock.now(),
        "source": FactSource.NOTICE,
        "payer": "o-1",
    }
    return Fact(**{**values, **changed})


def closed(gift: Gift) -> Fact:
    return paid(gift, kind=FactKind.CLOSED, amount=Money.zero(), fact_ref=gift.order_no)


def state_of(gift: Gift) -> str:
    return queries.by_id(gift.id).state


def test_a_paid_fact_settles_the_gift_everywhere(start: Start, campaign: Campaign) -> None:
    gift = start(1314)

    result = settlement.apply_facts([paid(gift)])

    assert result.outcomes == {"settled": 1}
    assert state_of(gift) == GiftState.PAID
    assert ledger.balance(CLEARING) == Money(1314)
    totals = funds.totals(campaign.fund_id)
    assert (totals.raised_fen, totals.gifts_count, totals.by_source) == (1314, 1, {"gift": 1314})
    assert queries.people_count(campaign.id) == 1
    work = db.session.execute(select(Work)).scalars().all()
    assert [w.kind for w in work] == ["receipts.issue"]


def test_case_38_the_same_fact_by_four_roads_is_settled_once(start: Start) -> None:
    gift = start()
    for source in (FactSource.NOTICE, FactSource.QUERY, FactSource.BILL, FactSource.NOTICE):
        settlement.apply_facts([paid(gift, source=source)])

    assert ledger.balance(CLEARING) == Money(1314)
    fact = db.session.execute(select(ProviderFact)).scalar_one()
    assert fact.seen_sources == ["notice", "query", "bill"]


@pytest.mark.parametrize("fen", [1, 1313, 1315, 131_400])
def test_case_55_another_amount_is_booked_as_received_and_looked_into(
    start: Start, fen: int
) -> None:
    gift = start(1314)

    settlement.apply_facts([paid(gift, amount=Money(fen))])

    assert state_of(gift) == GiftState.REVIEW
    assert ledger.balance(chart.SUSPENSE) == Money(-fen)
    assert [r.kind for r in reviews.open_reviews()] == ["mismatch"]
    assert funds.trace(gift.id) is None


def test_case_56_another_currency_is_never_booked_as_asked(start: Start) -> None:
    gift = start(1314)

    settlement.apply_facts([paid(gift, amount=Money(1314, "USD"))])

    assert state_of(gift) == GiftState.REVIEW
    assert ledger.balance(chart.SUSPENSE, "USD") == Money(-1314, "USD")
    assert ledger.balance(chart.SUSPENSE, "CNY") == Money.zero()


def test_case_61_money_for_an_unknown_order_waits_and_invents_no_gift(start: Start) -> None:
    gift = start()

    result = settlement.apply_facts([paid(gift, merchant_ref="NOBODYS0000000000")])

    assert result.outcomes == {}
    assert [r.kind for r in reviews.open_reviews()] == ["orphan"]
    assert ledger.balance(CLEARING) == Money.zero()


def test_case_45_money_after_a_close_is_received_and_noted(start: Start) -> None:
    gift = start()
    settlement.apply_facts([closed(gift)])
    assert state_of(gift) == GiftState.CLOSED

    settlement.apply_facts([paid(gift)])

    assert state_of(gift) == GiftState.PAID
    assert [r.kind for r in reviews.open_reviews()] == ["paid_after_close"]


def test_case_40_a_close_after_payment_changes_nothing(start: Start) -> None:
    gift = start()
    settlement.apply_facts([paid(gift)])
    settlement.apply_facts([closed(gift)])

    assert state_of(gift) == GiftState.PAID


def test_case_47_a_second_payment_of_one_order_is_unapplied(
    start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start()
    first = payments.latest(gift.id)
    second = service.try_again(gift, Product.WECHATPAY_H5)

    settlement.apply_facts(
        [paid(gift, attempt=first), paid(gift, attempt=second, fact_ref="T-second")]
    )

    assert ledger.balance(CLEARING) == Money(2628)
    assert ledger.balance(chart.UNAPPLIED) == Money(-1314)
    assert [r.kind for r in reviews.open_reviews()] == ["duplicate_payment"]
    trace = funds.trace(gift.id)
    assert trace is not None
    assert trace.amount_fen == 1314


def test_people_are_counted_once_and_not_at_all_when_somebody_is_unknown(
    start: Start, campaign: Campaign
) -> None:
    gifts = [start() for _ in range(3)]
    settlement.apply_facts([paid(gifts[0]), paid(gifts[1])])
    assert queries.people_count(campaign.id) == 1
    settlement.apply_facts([paid(gifts[2], payer=None)])

    assert queries.people_count(campaign.id) is None


def test_folding_days_keeps_their_sums(start: Start, campaign: Campaign) -> None:
    for _ in range(3):
        settlement.apply_facts([paid(start(100))])
    before = queries.daily(campaign.id)

    assert day_totals.fold() == 3
    assert queries.daily(campaign.id) == before
    assert (before[0].amount_fen, before[0].gifts) == (300, 3)


# ---------------------------------------------------------------------- the inbox


def put(gift: Gift, **changed: Any) -> Notice:
    notice = Notice(gift.order_no, gift.amount_fen, **changed)
    raw = notice.raw()
    inbox.put(wechat.provider().authenticate(notice.headers(raw), raw, clock.now()))
    return notice


def test_notices_are_drained_in_sets(start: Start, session: Session) -> None:
    gifts = [start(100 + n) for n in range(12)]
    for gift in gifts:
        put(gift)

    assert settlement.drain(timedelta(seconds=5), at_once=5) == 12
    assert all(state_of(gift) == GiftState.PAID for gift in gifts)
    assert ledger.balance(CLEARING) == Money(sum(g.amount_fen for g in gifts))


def test_a_notice_that_comes_again_is_counted_and_applied_once(start: Start) -> None:
    gift = start()
    notice = put(gift)
    raw = notice.raw()
    inbox.put(wechat.provider().authenticate(notice.headers(raw), raw, clock.now()))
    settlement.drain(timedelta(seconds=5))

    row = db.session.execute(select(InboxNotice)).scalar_one()
    assert (row.deliveries, row.state) == (2, "done")
    assert ledger.balance(CLEARING) == Money(1314)


def test_a_bad_notice_does_not_hold_up_the_good_ones(
    start: Start, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = start(), start()
    put(bad)
    put(good)
    real = settlement.apply_facts

    def failing(facts: list[Fact]) -> settlement.SettleResult:
        if any(f.merchant_ref == bad.order_no for f in facts):
            raise RuntimeError("planted")
        return real(facts)

    monkeypatch.setattr(settlement, "apply_facts", failing)
    settlement.drain(timedelta(seconds=5))

    assert state_of(good) == GiftState.PAID
    session.expire_all()
    rows = {r.state: r for r in db.session.execute(select(InboxNotice)).scalars()}
    assert rows["new"].attempts == 1
    assert rows["new"].due_at > clock.now()
    assert "planted" in (rows["new"].last_error or "")


def test_an_authentic_notice_that_makes_no_sense_is_kept_for_a_person(start: Start) -> None:
    put(start(), original_type="refund")
    settlement.drain(timedelta(seconds=5))

    assert [r.kind for r in reviews.open_reviews()] == ["unparsable"]


# ---------------------------------------------------------------------- polling


class Answering:
    """A provider that answers as the test says."""

    name, account = "wechatpay", wechat.MCHID
    unborn_for = timedelta(0)

    def __init__(
        self, *answers: QueryResult | BaseException, close: CloseResult = CloseResult.CLOSED
    ) -> None:
        self.answers, self.result, self.closed = list(answers), close, 0

    def query(self, _reference: str) -> QueryResult:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self, _reference: str) -> CloseResult:
        self.closed += 1
        return self.result


def poll(app: Flask, provider: Answering) -> None:
    app.extensions["providers"] = {"wechatpay": provider}
    polling.poll_due(settlement.apply_facts)


def test_a_payment_whose_notice_never_comes_is_found(
    app: Flask, start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start()
    db.session.commit()
    frozen_clock.move(seconds=11)

    poll(app, Answering(QueryResult(OrderState.PAID, [paid(gift, source=FactSource.QUERY)])))

    assert state_of(gift) == GiftState.PAID


class Killed(BaseException):
    """What becomes of a worker that is killed."""


CUT_OFF = OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)


@pytest.mark.parametrize("gone", [Killed(), CUT_OFF], ids=["killed", "database away"])
def test_what_a_worker_was_asking_about_when_it_or_the_database_went_is_asked_again_at_once(
    app: Flask, start: Start, frozen_clock: FrozenClock, gone: BaseException
) -> None:
    gift = start()
    db.session.commit()
    frozen_clock.move(seconds=11)
    with pytest.raises(type(gone)):
        poll(app, Answering(gone))

    poll(app, Answering(QueryResult(OrderState.PAID, [paid(gift, source=FactSource.QUERY)])))

    assert state_of(gift) == GiftState.PAID


def test_what_another_worker_is_asking_about_is_left_to_it(
    app: Flask, start: Start, frozen_clock: FrozenClock
) -> None:
    attempt = payments.latest(start().id)
    assert attempt is not None
    db.session.commit()
    frozen_clock.move(seconds=11)

    with holding.hold([attempt.id], 1) as held:
        poll(app, Answering())

    assert held == [attempt.id]
    assert attempt.query_count == 0


def test_an_unknown_answer_changes_nothing_and_is_asked_again(
    app: Flask, start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start()
    db.session.commit()
    frozen_clock.move(seconds=11)
    poll(app, Answering(ProviderUnavailable("time-out")))

    attempt = payments.latest(gift.id)
    assert attempt is not None
    assert state_of(gift) == GiftState.CREATED
    assert attempt.query_due_at is not None
    assert attempt.query_due_at > frozen_clock.at


def test_at_its_end_an_order_is_queried_closed_and_queried_again(
    app: Flask, start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start()
    db.session.commit()
    frozen_clock.move(hours=1)
    provider = Answering(QueryResult(OrderState.NOTPAY), QueryResult(OrderState.CLOSED))
    poll(app, provider)

    assert provider.closed == 1
    assert state_of(gift) == GiftState.CLOSED


def test_a_payment_in_the_last_second_is_found_by_the_second_query(
    app: Flask, start: Start, frozen_clock: FrozenClock
) -> None:
    gift = start()
    db.session.commit()
    frozen_clock.move(hours=1)
    late = QueryResult(OrderState.PAID, [paid(gift, source=FactSource.QUERY)])
    poll(app, Answering(QueryResult(OrderState.NOTPAY), late, close=CloseResult.ALREADY_PAID))

    assert state_of(gift) == GiftState.PAID


# ---------------------------------------------------------------------- together


def test_case_36_fifty_deliveries_at_once_settle_once(own_database: Flask) -> None:
    own_database.extensions["providers"] = {"wechatpay": wechat.provider()}
    with transaction():
        campaign = Make(db.session()).campaign()
        gift = service.start_gift(
            service.StartGift(campaign.slug, Money(1314), Product.WECHATPAY_NATIVE, uuid4().hex)
        )
    notice = Notice(gift.order_no, 1314)
    raw, barrier = notice.raw(), Barrier(10)
    headers = notice.headers(raw)
    answers: list[int] = []

    def deliver() -> None:
        browser = own_database.test_client()
        barrier.wait()
        for _ in range(5):
            answers.append(
                browser.post("/payments/wechatpay/notify", data=raw, headers=headers).status_code
            )
            with own_database.app_context():
                settlement.drain(timedelta(seconds=1))
                db.session.remove()

    threads = [Thread(target=deliver) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [204] * 50
    settlement.drain(timedelta(seconds=1))
    assert db.session.execute(select(func.count()).select_from(InboxNotice)).scalar_one() == 1
    assert ledger.balance(CLEARING) == Money(1314)
    db.session.rollback()
    assert checks.run_all() == []


step = st.one_of(
    st.tuples(st.just("start"), st.integers(100, 5000)),
    st.tuples(st.just("again"), st.integers(0, 9)),
    st.tuples(st.just("paid"), st.integers(0, 9)),
    st.tuples(st.just("bent"), st.integers(0, 9)),
    st.tuples(st.just("closed"), st.integers(0, 9)),
    st.tuples(st.just("expire"), st.integers(1, 40)),
)


@given(steps=st.lists(step, min_size=2, max_size=22), set_size=st.integers(1, 6))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_sequence_keeps_the_books_right(
    session: Session,
    make: Make,
    frozen_clock: FrozenClock,
    steps: list[tuple[str, int]],
    set_size: int,
) -> None:
    campaign = make.campaign()
    session.execute(text("DELETE FROM payment_review"))
    gifts: list[Gift] = []
    waiting: list[Fact] = []
    received: dict[str, int] = {}
    for what, number in steps:
        if what == "start":
            gifts.append(
                service.start_gift(
                    service.StartGift(
                        campaign.slug, Money(number), Product.WECHATPAY_NATIVE, uuid4().hex
                    )
                )
            )
        elif what == "expire":
            frozen_clock.move(minutes=number)
        elif gifts:
            gift = gifts[number % len(gifts)]
            if what == "again" and not queries.by_id(gift.id).is_paid:
                service.try_again(gift, Product.WECHATPAY_H5)
            elif what == "paid":
                waiting.append(paid(gift))
            elif what == "bent":
                waiting.append(
                    paid(gift, amount=Money(gift.amount_fen + 1), fact_ref=f"B{gift.order_no}")
                )
            elif what == "closed":
                waiting.append(closed(gift))
        if len(waiting) >= set_size:
            settlement.apply_facts(waiting + waiting[:1])
            received |= {f.fact_ref: f.amount.minor for f in waiting if f.kind is FactKind.PAID}
            waiting = waiting[-1:]
    paid_gifts = [g for g in (queries.by_id(gift.id) for gift in gifts) if g.is_paid]
    totals = funds.totals(campaign.fund_id)
    assert totals.raised_fen == sum(g.amount_fen for g in paid_gifts)
    assert totals.gifts_count == len(paid_gifts)
    facts = session.execute(
        select(ProviderFact).join(Attempt).where(Attempt.order_id.in_([g.id for g in gifts]))
    ).scalars()
    assert {f.fact_ref: f.amount_fen for f in facts if f.kind == "paid"} == received
    assert all(
        attempt.state == "paid"
        for gift in paid_gifts
        for attempt in payments.attempts_of(gift.id)
        if attempt.paid_at
    )


def test_the_gift_names_the_road_by_which_it_was_paid(start: Callable[..., Gift]) -> None:
    gift = start(1000)
    gift.channel = "bank"  # the way that was opened last
    db.session.flush()

    settlement.apply_facts([paid(gift)])

    db.session.refresh(gift)
    assert gift.channel == "wechatpay"
