"""Gifts by Alipay: what its notices and silence mean for the books."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising import clock
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import polling, pursuing, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, InboxNotice, Refund, RefundStage
from fundraising.payments.providers.alipay import Alipay
from fundraising.payments.providers.base import (
    CloseResult,
    Fact,
    FactKind,
    FactSource,
    OrderState,
    Product,
    QueryResult,
    RefundRequest,
    RefundResult,
    RefundState,
)
from tests import alipay
from tests.alipay import Notice
from tests.conftest import FrozenClock
from tests.giving.test_settlement import state_of

URL = "/payments/alipay/notify"
CLEARING = chart.clearing("alipay")
Start = Callable[..., Gift]


@pytest.fixture(autouse=True)
def at_alipay(app: Flask, wechatpay: None) -> Iterator[Alipay]:
    adapter = alipay.provider()
    app.extensions["providers"] = {"alipay": adapter}
    yield adapter
    adapter.http.close()


@pytest.fixture
def gift(start: Start) -> Gift:
    return start(1000, product=Product.ALIPAY_QR)


def attempt_of(gift: Gift) -> Attempt:
    found = payments.latest(gift.id)
    assert found is not None
    return refunds.lock_attempt(found.id)


def send(client: FlaskClient, notice: Notice) -> None:
    answer = client.post(URL, data=notice.raw())
    assert (answer.status_code, answer.data) == (200, b"success")
    settlement.drain(timedelta(seconds=5))


def notice_of(gift: Gift, status: str = "TRADE_SUCCESS", **changed: str) -> Notice:
    return Notice(gift.order_no, "10.00", status, f"T{gift.order_no}", changed={**changed})


def all_hold() -> None:
    assert checks.run_here() == []


def test_a_notice_is_answered_success_and_settles_once(client: FlaskClient, gift: Gift) -> None:
    for _ in range(3):
        send(client, notice_of(gift, notify_id="same"))
    send(client, notice_of(gift))

    assert state_of(gift) == GiftState.PAID
    assert ledger.balance(CLEARING) == Money(1000)
    all_hold()


def test_a_forged_notice_is_answered_failure_and_nothing_is_kept(
    client: FlaskClient, gift: Gift
) -> None:
    answer = client.post(URL, data=notice_of(gift).raw(total_amount="10000.00"))

    assert (answer.status_code, answer.data) == (401, b"failure")
    assert answer.mimetype == "text/plain"
    assert list(db.session.execute(select(InboxNotice)).scalars()) == []


def test_case_23_another_seller_is_kept_acknowledged_and_waits_for_a_person(
    client: FlaskClient, gift: Gift
) -> None:
    send(client, notice_of(gift, seller_id="2088999"))

    assert state_of(gift) == GiftState.CREATED
    assert [r.kind for r in reviews.open_reviews()] == ["unparsable"]


def test_another_amount_is_booked_as_received_and_never_as_asked(
    client: FlaskClient, gift: Gift
) -> None:
    send(client, Notice(gift.order_no, "9.99"))

    assert state_of(gift) == GiftState.REVIEW
    assert ledger.balance(CLEARING) == Money(999)
    all_hold()


class Refunding(Alipay):
    """The adapter whose queries of refunds are answered from a table of number and fen."""

    known: dict[str, int] = {}  # noqa: RUF012  set by each test

    def query_refund(self, request: RefundRequest) -> RefundResult:
        fen = self.known.get(request.refund_no)
        if fen is None:
            return RefundResult(RefundState.NOT_EXIST)
        fact = Fact(
            provider=self.name,
            account=self.account,
            kind=FactKind.REFUNDED,
            fact_ref=request.refund_no,
            merchant_ref=request.merchant_ref,
            amount=Money(fen),
            occurred_at=clock.now(),
            source=FactSource.QUERY,
        )
        return RefundResult(RefundState.SUCCEEDED, [fact])


def test_case_41_a_partial_refund_by_notice_is_asked_about_and_booked_once(
    app: Flask, client: FlaskClient, gift: Gift, at_alipay: Alipay
) -> None:
    send(client, notice_of(gift))
    adapter = Refunding(**vars(at_alipay))
    app.extensions["providers"] = {"alipay": adapter}
    adapter.known.clear()
    adapter.known.update(RF1=300, RF2=200)

    for number, together in (("RF1", "3.00"), ("RF2", "5.00"), ("RF2", "5.00")):
        send(client, notice_of(gift, out_biz_no=number, refund_fee=together))
        pursuing.pursue_due(settlement.apply_facts)

    assert state_of(gift) == "partly_refunded"
    assert ledger.balance(CLEARING) == Money(500)
    assert attempt_of(gift).refunded_fen == 500
    all_hold()


def test_case_42_a_full_refund_before_its_payment_books_both(
    app: Flask, client: FlaskClient, gift: Gift, at_alipay: Alipay
) -> None:
    adapter = Refunding(**vars(at_alipay))
    app.extensions["providers"] = {"alipay": adapter}
    adapter.known.clear()
    adapter.known.update(RF9=1000)

    send(client, notice_of(gift, "TRADE_CLOSED", out_biz_no="RF9", refund_fee="10.00"))
    assert state_of(gift) == GiftState.PAID
    pursuing.pursue_due(settlement.apply_facts)

    assert state_of(gift) == "refunded"
    assert ledger.balance(CLEARING) == Money(0)
    (row,) = db.session.execute(select(Refund)).scalars()
    assert (row.refund_no, row.state) == ("RF9", RefundStage.SUCCEEDED)
    all_hold()


def test_case_43_a_close_ends_an_unpaid_order_and_never_a_paid_one(
    client: FlaskClient, gift: Gift, start: Start
) -> None:
    send(client, notice_of(gift))
    send(client, notice_of(gift, "TRADE_CLOSED"))
    assert state_of(gift) == GiftState.PAID

    other = start(1000, product=Product.ALIPAY_QR)
    send(client, notice_of(other, "TRADE_CLOSED"))
    assert state_of(other) == GiftState.CLOSED
    all_hold()


# ---------------------------------------------------------------------- silence


class Unborn(Alipay):
    """The adapter while nobody has scanned."""

    closes = 0

    def query(self, merchant_ref: str) -> QueryResult:
        del merchant_ref
        return QueryResult(OrderState.NOT_EXIST)

    def close(self, merchant_ref: str) -> CloseResult:
        raise AssertionError(f"{merchant_ref} does not exist: it cannot be closed")


def test_not_exist_is_never_failed_until_ten_minutes_after_the_code_ran_out(
    app: Flask, gift: Gift, at_alipay: Alipay, frozen_clock: FrozenClock
) -> None:
    app.extensions["providers"] = {"alipay": Unborn(**vars(at_alipay))}
    until = attempt_of(gift).expires_at
    db.session.commit()
    seen: list[tuple[bool, str]] = []

    for _ in range(40):
        due = attempt_of(gift).query_due_at
        db.session.commit()
        if due is None:
            break
        frozen_clock.at = max(due, frozen_clock.at)
        polling.poll_due(settlement.apply_facts)
        seen.append((frozen_clock.at < until + timedelta(minutes=10), state_of(gift)))

    assert {state for is_before, state in seen if is_before} == {GiftState.CREATED}
    assert seen[-1] == (False, GiftState.CLOSED)
    assert frozen_clock.at < until + timedelta(minutes=11)
