"""Events as Stripe sends them: what is believed, and what it means. Numbers name the cases of the reference."""

from typing import Any

import pytest
import stripe as library

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    Rejected,
    Unparsable,
)
from fundraising.payments.providers.stripe import Stripe, signing
from tests import stripe
from tests.stripe import OLD_SECRET, SECRET, Event

NUMBER = "A1B2C3D4E5F6G7H8J9K0L1M2"


@pytest.fixture(scope="module")
def adapter() -> Stripe:
    return stripe.provider()


def take(adapter: Stripe, raw: bytes, headers: dict[str, str] | None = None) -> str:
    signed = stripe.signed(raw) if headers is None else headers
    return adapter.authenticate(signed, raw, clock.now()).dedup_key


def told(kind: str, found: dict[str, Any]) -> list[Fact]:
    return stripe.provider().parse(Event(kind, found).raw())


def paid() -> Event:
    return Event("checkout.session.completed", stripe.session(NUMBER, 1314))


def test_an_event_is_believed_whatever_the_case_of_its_header(adapter: Stripe) -> None:
    event = paid()
    raw = event.raw()
    (value,) = stripe.signed(raw).values()

    for name in ("Stripe-Signature", "stripe-signature", "STRIPE-SIGNATURE"):
        assert take(adapter, raw, {name: value}) == event.id


def test_the_library_believes_our_signature_and_we_the_librarys() -> None:
    raw = paid().raw()
    (value,) = stripe.signed(raw).values()

    assert library.Webhook.construct_event(raw, value, SECRET)["id"]
    made = library.WebhookSignature._compute_signature(f"1700000000.{raw.decode()}", SECRET)
    assert made == signing.mac(SECRET, "1700000000", raw)


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 365 * 86_400])
def test_case_24_a_time_too_early_or_too_late_is_refused(adapter: Stripe, seconds: int) -> None:
    raw = paid().raw()

    with pytest.raises(Rejected, match="skew"):
        take(adapter, raw, stripe.signed(raw, seconds=seconds))


@pytest.mark.parametrize("seconds", [-299, 299])
def test_a_time_within_five_minutes_is_believed(adapter: Stripe, seconds: int) -> None:
    raw = paid().raw()

    assert take(adapter, raw, stripe.signed(raw, seconds=seconds))


def test_case_25_any_of_several_signatures_and_secrets_may_fit() -> None:
    raw = paid().raw()
    rotating = stripe.provider(webhook_secrets=[SECRET, OLD_SECRET])

    assert take(rotating, raw, stripe.signed(raw, OLD_SECRET))
    assert take(stripe.provider(), raw, stripe.signed(raw, "whsec_other", SECRET))
    with pytest.raises(Rejected):
        take(stripe.provider(), raw, stripe.signed(raw, OLD_SECRET))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t=1",
        "v1=aa",
        "t=,v1=aa",
        "t=x,v1=aa",
        "t=-1,v1=aa",
        "t=1,t=1,v1=aa",
        f"t={'9' * 400},v1=aa",
        "t=1,v0=aa",
        "t=1,v1=é",
        "t=１,v1=aa",
        ",".join(["t=1", *["v1=aa"] * 5000]),
        "=,=,=",
        "\x00",
    ],
)
def test_case_26_a_header_of_no_form_is_refused_and_never_an_error(
    adapter: Stripe, value: str
) -> None:
    with pytest.raises(Rejected):
        take(adapter, paid().raw(), {"Stripe-Signature": value})


def test_no_header_is_refused(adapter: Stripe) -> None:
    with pytest.raises(Rejected):
        take(adapter, paid().raw(), {})


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"text"',
        b"",
        b"{",
        b'{"id":"evt_1","id":"evt_2"}',
        b"[" * 100_000,
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
        b"{}",
        b'{"id":7,"type":"x","livemode":false}',
        b'{"id":"","type":"x","livemode":false}',
    ],
)
def test_cases_27_28_a_signed_body_that_is_no_event_is_refused_and_never_an_error(
    adapter: Stripe, raw: bytes
) -> None:
    with pytest.raises(Unparsable):
        take(adapter, raw)


def test_case_29_a_changed_body_is_refused(adapter: Stripe) -> None:
    raw = paid().raw()
    headers = stripe.signed(raw)

    for bent in (raw + b" ", raw.replace(b"1314", b"9314"), b""):
        with pytest.raises(Rejected):
            take(adapter, bent, headers)


@pytest.mark.parametrize("livemode", [True, None, "false", 0])
def test_case_30_real_and_test_money_do_not_mix(adapter: Stripe, livemode: Any) -> None:
    event = paid()
    event.changed = {"livemode": livemode}

    with pytest.raises(Unparsable, match="mix"):
        take(adapter, event.raw())


def test_case_30_a_live_key_takes_live_events_only() -> None:
    live = stripe.provider(secret_key="sk_live_" + "k" * 24)

    with pytest.raises(Unparsable):
        take(live, paid().raw())
    event = paid()
    event.changed = {"livemode": True}
    assert take(live, event.raw()) == event.id


def test_another_account_is_refused_and_ours_by_name_is_not(adapter: Stripe) -> None:
    event = paid()
    event.changed = {"account": "acct_1OtherOtherOther"}
    with pytest.raises(Unparsable, match="account"):
        take(adapter, event.raw())

    event.changed = {"account": stripe.ACCOUNT}
    assert take(adapter, event.raw()) == event.id


# ---------------------------------------------------------------------- meaning


def test_a_paid_session_is_a_payment_under_the_number_of_its_intent() -> None:
    (fact,) = told("checkout.session.completed", stripe.session(NUMBER, 1314))

    assert (fact.kind, fact.fact_ref, fact.payment_ref) == (
        FactKind.PAID,
        f"pi_{NUMBER}",
        f"pi_{NUMBER}",
    )
    assert (fact.merchant_ref, fact.amount, fact.payer) == (
        NUMBER,
        Money(1314),
        "giver@example.org",
    )


def test_a_session_that_is_finished_but_unpaid_is_no_money() -> None:
    waiting = stripe.session(NUMBER, payment_status="unpaid")

    assert told("checkout.session.completed", waiting) == []
    (fact,) = told("checkout.session.async_payment_succeeded", stripe.session(NUMBER))
    assert fact.kind is FactKind.PAID
    (over,) = told("checkout.session.async_payment_failed", waiting)
    assert (over.kind, over.merchant_ref) == (FactKind.CLOSED, NUMBER)


def test_an_expired_session_closes_its_order() -> None:
    expired = stripe.session(NUMBER, status="expired", payment_status="unpaid", payment_intent=None)

    (fact,) = told("checkout.session.expired", expired)
    assert (fact.kind, fact.merchant_ref) == (FactKind.CLOSED, NUMBER)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_total": 0},
        {"amount_total": -1},
        {"amount_total": 13.14},
        {"amount_total": "1314"},
        {"amount_total": True},
        {"amount_total": None},
        {"amount_total": 10**18},
        {"currency": "xyz"},
        {"currency": None},
        {"payment_intent": None},
        {"payment_intent": ""},
        {"payment_intent": ["pi_1"]},
        {"payment_status": "no_payment_required"},
        {"payment_status": None},
        {"client_reference_id": "x" * 65},
        {"client_reference_id": 5},
    ],
)
def test_case_58_values_that_make_no_sense_are_looked_at_by_a_person(
    changed: dict[str, Any],
) -> None:
    with pytest.raises(Unparsable):
        told("checkout.session.completed", stripe.session(NUMBER, **changed))


def test_case_56_another_currency_is_told_as_it_is() -> None:
    (fact,) = told("checkout.session.completed", stripe.session(NUMBER, currency="usd"))

    assert fact.amount == Money(1000, "USD")


def test_a_refund_of_ours_has_our_number_and_one_made_at_stripe_theirs() -> None:
    (ours,) = told("refund.updated", stripe.refund("R1", 400, NUMBER))
    (theirs,) = told("refund.created", stripe.refund(None, 100, NUMBER))

    assert (ours.kind, ours.fact_ref, ours.merchant_ref) == (FactKind.REFUNDED, "R1", NUMBER)
    assert (theirs.fact_ref, theirs.merchant_ref, theirs.payment_ref) == (
        "re_dashboard",
        None,
        f"pi_{NUMBER}",
    )


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_under_way_is_no_fact(status: str) -> None:
    assert told("refund.created", stripe.refund("R1", 400, NUMBER, status=status)) == []


def test_a_refund_that_fails_after_it_left_comes_back_and_one_that_never_left_fails() -> None:
    late = stripe.refund("R1", 4, NUMBER, status="failed", failure_balance_transaction="txn_1")
    early = stripe.refund("R1", 4, NUMBER, status="canceled")

    assert [f.kind for f in told("refund.failed", late)] == [FactKind.REFUNDED, FactKind.RETURNED]
    assert [f.kind for f in told("refund.updated", early)] == [FactKind.REFUND_FAILED]


def test_case_72_a_dispute_moves_money_when_it_is_withdrawn_and_reinstated_only() -> None:
    open_one = stripe.dispute(NUMBER)
    back = {"id": "txn_back", "amount": 1000, "currency": "cny", "created": 1_800_000_000}
    won = stripe.dispute(
        NUMBER, balance_transactions=[*open_one["balance_transactions"], back], status="won"
    )

    for kind in ("created", "updated", "closed"):
        assert told(f"charge.dispute.{kind}", open_one) == []
    (left,) = told("charge.dispute.funds_withdrawn", open_one)
    again, returned = told("charge.dispute.funds_reinstated", won)
    assert (left.kind, left.fact_ref, left.payment_ref) == (
        FactKind.DISPUTED,
        f"dp_{NUMBER}",
        f"pi_{NUMBER}",
    )
    assert (again.kind, again.fact_ref, again.amount) == (left.kind, left.fact_ref, left.amount)
    assert (returned.kind, returned.amount) == (FactKind.RETURNED, Money(1000))


def test_kinds_that_move_no_money_are_understood_and_of_no_matter() -> None:
    for kind in ("charge.refunded", "radar.early_fraud_warning.created", "something.new"):
        assert told(kind, {"id": "x_1"}) == []


@pytest.mark.parametrize("data", [None, [], {}, {"object": []}, {"object": None}])
def test_an_event_without_an_object_is_looked_at_by_a_person(data: Any) -> None:
    event = paid()
    event.changed = {"data": data}

    with pytest.raises(Unparsable):
        stripe.provider().parse(event.raw())
