"""Gifts by card through Stripe: what its events mean for the books."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import settlement, ways
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.payments import inbox, refunds, reviews
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, InboxNotice, Refund, ReviewKind
from fundraising.payments.providers.bank import BankTransfer
from fundraising.payments.providers.base import Product
from fundraising.payments.providers.stripe import Stripe
from tests import stripe
from tests.giving.test_settlement import state_of
from tests.stripe import Event

URL = "/payments/stripe/webhook"
CLEARING = chart.clearing("stripe")
Start = Callable[..., Gift]


@pytest.fixture(autouse=True)
def at_stripe(app: Flask, wechatpay: None) -> Iterator[Stripe]:
    adapter = stripe.provider()
    app.extensions["providers"] = {"stripe": adapter}
    yield adapter
    adapter.http.close()


@pytest.fixture
def gift(start: Start) -> Gift:
    return start(1000, product=Product.STRIPE_CHECKOUT)


def attempt_of(gift: Gift) -> Attempt:
    found = payments.latest(gift.id)
    assert found is not None
    return refunds.lock_attempt(found.id)


def post(client: FlaskClient, raw: bytes, **more: Any) -> int:
    return client.post(
        URL, data=raw, headers=stripe.signed(raw), content_type="application/json", **more
    ).status_code


def send(client: FlaskClient, *events: Event) -> None:
    for event in events:
        assert post(client, event.raw()) == 200
    settlement.drain(timedelta(seconds=5))


def paid(gift: Gift, fen: int = 1000, **changed: Any) -> Event:
    return Event("checkout.session.completed", stripe.session(gift.order_no, fen, **changed))


def all_hold() -> None:
    assert checks.run_here() == []


def clearing() -> int:
    return ledger.balance(CLEARING).minor


def test_an_event_settles_once_however_often_it_comes(client: FlaskClient, gift: Gift) -> None:
    event = paid(gift)
    send(client, event, event, event)
    send(client, paid(gift))

    notices = db.session.execute(select(InboxNotice).order_by(InboxNotice.id)).scalars().all()
    assert [notice.deliveries for notice in notices] == [3, 1]
    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)
    assert attempt_of(gift).provider_ref == f"pi_{gift.order_no}"
    all_hold()


def test_finished_and_unpaid_is_not_paid(client: FlaskClient, gift: Gift) -> None:
    send(client, paid(gift, payment_status="unpaid"))
    assert (state_of(gift) == GiftState.PAID, clearing()) == (False, 0)

    send(client, Event("checkout.session.async_payment_succeeded", stripe.session(gift.order_no)))
    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)


def test_case_40_an_expiry_after_the_payment_changes_nothing(
    client: FlaskClient, gift: Gift
) -> None:
    late = stripe.session(gift.order_no, payment_status="unpaid", status="expired")
    send(client, paid(gift), Event("checkout.session.expired", late))

    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)


def test_case_45_a_payment_after_the_expiry_is_settled(client: FlaskClient, gift: Gift) -> None:
    over = stripe.session(gift.order_no, payment_status="unpaid", status="expired")
    send(client, Event("checkout.session.expired", over))
    assert state_of(gift) == GiftState.CLOSED

    send(client, paid(gift))
    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)
    all_hold()


@pytest.mark.parametrize("fen", [999, 1001])
def test_case_55_another_amount_is_held_apart(client: FlaskClient, gift: Gift, fen: int) -> None:
    send(client, paid(gift, fen))

    assert (state_of(gift), clearing()) == (GiftState.REVIEW, fen)
    all_hold()


def test_case_69_a_refund_made_at_stripe_is_booked_and_named_external(
    client: FlaskClient, gift: Gift
) -> None:
    send(client, paid(gift))
    send(client, Event("refund.created", stripe.refund(None, 400, gift.order_no)))
    send(client, Event("refund.updated", stripe.refund(None, 400, gift.order_no)))

    (refund,) = db.session.execute(select(Refund)).scalars()
    assert (refund.refund_no, refund.is_external, refund.amount_fen) == ("re_dashboard", True, 400)
    assert (state_of(gift), clearing()) == (GiftState.PARTLY_REFUNDED, 600)
    all_hold()


@pytest.mark.parametrize("is_named", [True, False])
def test_a_refund_before_its_payment_waits_for_it_and_no_longer(
    client: FlaskClient, gift: Gift, *, is_named: bool
) -> None:
    refund = stripe.refund(None, 400, gift.order_no)
    if is_named:
        refund["metadata"] = {"attempt": gift.order_no}
    send(client, Event("refund.created", refund))
    assert clearing() == 0

    send(client, paid(gift))
    settlement.drain(timedelta(seconds=5))
    assert clearing() == 600
    all_hold()


def test_a_refund_that_comes_in_one_set_with_its_payment_is_booked_in_the_same_turn(
    client: FlaskClient, gift: Gift
) -> None:
    send(client, paid(gift), Event("refund.created", stripe.refund(None, 400, gift.order_no)))

    assert clearing() == 600


def test_a_refund_put_back_just_after_its_payment_was_booked_is_due_at_once(
    client: FlaskClient, gift: Gift
) -> None:
    """Two workers pass each other: one saw no payment yet, the other books it before the first commits."""
    post(client, Event("refund.created", stripe.refund(None, 400, gift.order_no)).raw())
    (notice,) = inbox.claim(1)
    settlement.apply_facts(payments.provider("stripe").parse(paid(gift).raw()))
    inbox.park(notice.id, f"pi_{gift.order_no}")

    assert inbox.has_due()
    settlement.drain(timedelta(seconds=5))
    assert clearing() == 600


def test_a_refund_whose_payment_never_comes_is_shown_to_a_person(client: FlaskClient) -> None:
    send(client, Event("refund.created", stripe.refund(None, 400, "SOMEBODYELSES")))
    for _ in range(inbox.MOST_ATTEMPTS):
        notice = db.session.execute(select(InboxNotice)).scalar_one()
        notice.due_at = clock.now()
        db.session.flush()
        settlement.drain(timedelta(seconds=5))

    assert [r.kind for r in reviews.open_reviews()] == [ReviewKind.ORPHAN]
    assert not inbox.has_due()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1,)])
def test_a_refund_that_fails_after_success_brings_the_money_back_in_any_order(
    client: FlaskClient, gift: Gift, order: tuple[int, ...]
) -> None:
    send(client, paid(gift))
    good = stripe.refund(None, 400, gift.order_no)
    bad = {**good, "status": "failed", "failure_balance_transaction": "txn_back"}
    events = [Event("refund.created", good), Event("refund.failed", bad)]

    for place in order:
        send(client, events[place])

    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)
    assert (attempt_of(gift).refunded_fen, attempt_of(gift).paid_fen) == (0, 1000)
    all_hold()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1,), (0, 1, 0, 1)])
def test_case_72_a_dispute_withdrawn_and_reinstated_leaves_the_gift_whole(
    client: FlaskClient, gift: Gift, order: tuple[int, ...]
) -> None:
    send(client, paid(gift))
    lost = stripe.dispute(gift.order_no)
    back = {"id": "txn_back", "amount": 1000, "currency": "cny", "created": 1_800_000_000}
    won = {**lost, "balance_transactions": [*lost["balance_transactions"], back]}
    events = [
        Event("charge.dispute.funds_withdrawn", lost),
        Event("charge.dispute.funds_reinstated", won),
    ]
    for place in order:
        send(client, events[place])

    assert (state_of(gift), clearing()) == (GiftState.PAID, 1000)
    all_hold()


def test_case_72_a_dispute_alone_takes_the_whole_gift(client: FlaskClient, gift: Gift) -> None:
    send(client, paid(gift), Event("charge.dispute.created", stripe.dispute(gift.order_no)))
    assert clearing() == 1000

    send(client, Event("charge.dispute.funds_withdrawn", stripe.dispute(gift.order_no)))
    assert (state_of(gift), clearing()) == (GiftState.REFUNDED, 0)
    all_hold()


# ---------------------------------------------------------------------- the door


def test_cases_24_to_30_are_answered_with_four_hundreds_and_never_five(client: FlaskClient) -> None:
    raw = Event("checkout.session.completed", stripe.session("X")).raw()
    live = raw.replace(b'"livemode": false', b'"livemode": true')
    sent: list[tuple[bytes, dict[str, str], int]] = [
        (raw, {}, 401),
        (raw, {"Stripe-Signature": "t=1,v1=\xe9"}, 401),
        (raw, {"Stripe-Signature": "x" * 5000}, 401),
        (raw, stripe.signed(raw, seconds=301), 401),
        (raw, stripe.signed(raw, seconds=-301), 401),
        (raw, stripe.signed(raw, "whsec_forged"), 401),
        (b"\xff\xfe", stripe.signed(b"\xff\xfe"), 400),
        (b"[]", stripe.signed(b"[]"), 400),
        (live, stripe.signed(live), 400),
        (b"x" * (600 * 1024), {}, 413),
    ]
    found = [client.post(URL, data=body, headers=headers).status_code for body, headers, _ in sent]

    assert found == [status for _, _, status in sent]
    assert db.session.execute(select(InboxNotice)).first() is None


def test_case_35_the_door_takes_posts_only_and_a_trailing_slash(client: FlaskClient) -> None:
    raw = Event("something.else", {"id": "x"}).raw()

    assert client.get(URL).status_code == 405
    assert client.post(f"{URL}/", data=raw, headers=stripe.signed(raw)).status_code == 200


# ---------------------------------------------------------------------- pages


class _Page:
    """The interface, which opens any session."""

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        fields = dict(parse_qsl(asked.content.decode()))
        self.asked = fields
        number = fields["client_reference_id"]
        told = {"client_reference_id": number, "url": f"https://checkout.example/{number}"}
        return httpx.Response(200, json=told)


def test_a_card_is_one_choice_outside_wechat_and_leads_to_the_page_of_stripe(
    app: Flask, client: FlaskClient, campaign: Campaign, gift: Gift
) -> None:
    page = _Page()
    http = httpx.Client(transport=httpx.MockTransport(page))
    app.extensions["providers"] |= {
        "stripe": stripe.provider(http),
        "bank": BankTransfer("1314", "承德", "银行"),
    }

    form = client.get(f"/c/{campaign.slug}/donate?lang=en").text
    inside = client.get(
        f"/c/{campaign.slug}/donate?lang=en", headers={"User-Agent": "MicroMessenger"}
    ).text
    client.post(f"/pay/{gift.order_no}/open")
    pay = client.get(f"/pay/{gift.order_no}?lang=en").text

    assert ('value="stripe.checkout"' in form, 'value="stripe.checkout"' in inside) == (True, False)
    assert f'href="https://checkout.example/{gift.order_no}"' in pay
    assert "never see it" in pay
    assert "QR code" not in pay
    assert page.asked["line_items[0][price_data][unit_amount]"] == "1000"
    assert page.asked["success_url"].endswith(f"/pay/{gift.order_no}/back")


def test_the_channel_is_called_stripe_in_json(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    http = httpx.Client(transport=httpx.MockTransport(_Page()))
    app.extensions["providers"] = {"stripe": stripe.provider(http)}
    asked = {"campaign": campaign.slug, "amount_fen": 1000, "idempotency_key": "k" * 16}

    made = client.post("/api/v1/checkout", json={**asked, "channel": "stripe"})
    other = client.post("/api/v1/checkout", json={**asked, "channel": "stripe.checkout"})
    odd = client.post("/api/v1/checkout", json={**asked, "channel": ["stripe"]})

    pay = made.get_json()["pay"]
    assert (made.status_code, pay["kind"]) == (201, "redirect")
    assert pay["url"].startswith("https://checkout.example/")
    assert [answer.status_code for answer in (other, odd)] == [422, 422]


def test_the_only_way_set_up_is_the_one_chosen() -> None:
    assert ways.chosen(None, "Mozilla") is Product.STRIPE_CHECKOUT
    assert ways.chosen("stripe", "Mozilla") is Product.STRIPE_CHECKOUT
