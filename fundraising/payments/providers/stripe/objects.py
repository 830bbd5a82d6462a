"""What Stripe's objects say of money, in events and in answers, as facts.

An object in an event is as it was when something happened; events come in any order and more than once.
So an object that says money came back also says that it left before, and both facts are told: the one
known already changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fundraising.money import Money, MoneyError
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    OrderState,
    QueryResult,
    RefundResult,
    RefundState,
    Unparsable,
)

NAME = "stripe"
NUMBER, REFUND, MONTHLY = "attempt", "refund", "monthly"
"""Our numbers in the metadata that we give to what we make."""

OVER_INTENTS = ("requires_payment_method", "canceled")
WAITING_REFUNDS = ("pending", "requires_action")
FAILED_REFUNDS = ("failed", "canceled")


@dataclass(frozen=True)
class Told:
    """By whom and by which road something is said."""

    account: str
    source: FactSource
    at: datetime

    def fact(self, kind: FactKind, ref: str, amount: Money, **more: Any) -> Fact:
        """Return a fact of this account and road."""
        values: dict[str, Any] = {"merchant_ref": None, "occurred_at": self.at, **more}
        return Fact(
            provider=NAME,
            account=self.account,
            kind=kind,
            fact_ref=ref,
            amount=amount,
            source=self.source,
            **values,
        )


def event_facts(event: Mapping[str, Any], account: str) -> list[Fact]:
    """Read an authentic event; kinds that move no money give no fact. Raises Unparsable."""
    read = READERS.get(str(event.get("type")))
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise Unparsable("no object")
    told = Told(account, FactSource.NOTICE, instant(event.get("created")))
    return read(found, told) if read is not None else []


# ---------------------------------------------------------------------- checkout


def session_paid(session: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a finished session: finished is not paid, and money that is still under way gives no fact."""
    state = session.get("payment_status")
    if state == "unpaid":
        return []
    if state != "paid":
        raise Unparsable("a payment's state")
    number = reference(session.get("payment_intent"))
    details = session.get("customer_details")
    email = details.get("email") if isinstance(details, dict) else None
    fact = told.fact(
        FactKind.PAID,
        number,
        money(session.get("amount_total"), session.get("currency")),
        merchant_ref=optional(session.get("client_reference_id")),
        payment_ref=number,
        payer=payer(email),
    )
    return [fact]


def session_over(session: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a session that nobody can pay any more; one that is not ours says nothing."""
    number = optional(session.get("client_reference_id"))
    if number is None or session.get("payment_status") == "paid":
        return []
    return [told.fact(FactKind.CLOSED, number, Money.zero(), merchant_ref=number)]


def queried(session: Mapping[str, Any], told: Told) -> QueryResult:
    """Read the answer to a query, with its payment inside. Raises Unparsable."""
    state, intent = session.get("status"), session.get("payment_intent")
    if state == "open":
        return QueryResult(OrderState.NOTPAY)
    if state == "expired":
        return QueryResult(OrderState.CLOSED)
    if state != "complete":
        raise Unparsable("a session's state")
    inside = intent if isinstance(intent, dict) else {}
    paid = session_paid(session, Told(told.account, told.source, _charged_at(inside, told.at)))
    if paid:
        return QueryResult(OrderState.PAID, paid)
    is_over = inside.get("status") in OVER_INTENTS
    return QueryResult(OrderState.CLOSED if is_over else OrderState.NOTPAY)


def searched(intent: Mapping[str, Any], number: str, told: Told) -> QueryResult:
    """Read a payment found by our number where its session is too old to be listed. Raises Unparsable."""
    if intent.get("status") == "processing":
        return QueryResult(OrderState.NOTPAY)
    if intent.get("status") != "succeeded":
        return QueryResult(OrderState.CLOSED)
    if is_monthly(intent):
        return QueryResult(OrderState.PAID, [_charged(intent, number, told)])
    charge = intent.get("latest_charge")
    details = charge.get("billing_details") if isinstance(charge, dict) else None
    payment = reference(intent)
    fact = told.fact(
        FactKind.PAID,
        payment,
        money(intent.get("amount_received"), intent.get("currency")),
        merchant_ref=number,
        payment_ref=payment,
        occurred_at=_charged_at(intent, told.at),
        payer=payer(details.get("email") if isinstance(details, dict) else None),
    )
    return QueryResult(OrderState.PAID, [fact])


def is_monthly(intent: Mapping[str, Any]) -> bool:
    """Whether a payment was charged to a saved card; those of sessions are told of by their sessions."""
    given = intent.get("metadata")
    return isinstance(given, dict) and given.get(MONTHLY) == "1"


def charged(intent: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a payment that was charged to a saved card."""
    number = metadata(intent).get(NUMBER)
    return [_charged(intent, number, told)] if number and is_monthly(intent) else []


def declined(intent: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a charge of a saved card that failed: nobody can pay it any more."""
    number = metadata(intent).get(NUMBER)
    if number is None or not is_monthly(intent) or intent.get("status") == "succeeded":
        return []
    return [told.fact(FactKind.CLOSED, number, Money.zero(), merchant_ref=number)]


def _charged(intent: Mapping[str, Any], number: str, told: Told) -> Fact:
    """The payer is the customer, whichever road tells it: an event does not write out the charge."""
    payment = reference(intent)
    return told.fact(
        FactKind.PAID,
        payment,
        money(intent.get("amount_received"), intent.get("currency")),
        merchant_ref=number,
        payment_ref=payment,
        occurred_at=_charged_at(intent, told.at),
        payer=optional(intent.get("customer")),
    )


def _charged_at(intent: Mapping[str, Any], at: datetime) -> datetime:
    charge = intent.get("latest_charge")
    return instant(charge.get("created")) if isinstance(charge, dict) else at


# ---------------------------------------------------------------------- refunds


def refund_facts(refund: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a refund in any state."""
    return refunded(refund, told).facts


def refunded(refund: Mapping[str, Any], told: Told) -> RefundResult:
    """Read a refund. Money of a failed one came back to our balance if it had left it. Raises Unparsable."""
    state, amount = refund.get("status"), money(refund.get("amount"), refund.get("currency"))
    if state in WAITING_REFUNDS:
        return RefundResult(RefundState.PROCESSING)
    known = metadata(refund)
    ref = known.get(REFUND) or text(refund.get("id"))
    more = {
        "merchant_ref": known.get(NUMBER),
        "payment_ref": reference(refund.get("payment_intent")),
    }
    left = told.fact(
        FactKind.REFUNDED, ref, amount, **more, occurred_at=instant(refund.get("created"))
    )
    if state == "succeeded":
        return RefundResult(RefundState.SUCCEEDED, [left])
    if state not in FAILED_REFUNDS:
        raise Unparsable("a refund's state")
    if refund.get("failure_balance_transaction"):
        back = told.fact(FactKind.RETURNED, ref, amount, **more)
        return RefundResult(RefundState.FAILED, [left, back])
    return RefundResult(
        RefundState.FAILED, [told.fact(FactKind.REFUND_FAILED, ref, amount, **more)]
    )


# ---------------------------------------------------------------------- disputes


def withdrawn(dispute: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a dispute for which money was taken from our balance."""
    return [_dispute(dispute, told, FactKind.DISPUTED, _moved(dispute, -1))]


def reinstated(dispute: Mapping[str, Any], told: Told) -> list[Fact]:
    """Read a dispute whose money came back: it had left before, whether or not we were told."""
    back = _moved(dispute, 1)
    taken = _moved(dispute, -1)
    at = taken.get("created")
    earlier = Told(told.account, told.source, instant(at) if at is not None else told.at)
    return [
        _dispute(dispute, earlier, FactKind.DISPUTED, taken),
        _dispute(dispute, told, FactKind.RETURNED, back),
    ]


def _moved(dispute: Mapping[str, Any], sign: int) -> Mapping[str, Any]:
    """Return the movement of our balance in one direction, nothing where the dispute does not name it."""
    named = dispute.get("balance_transactions") or []
    if not isinstance(named, list):
        raise Unparsable("a dispute's movements")
    moves = [m for m in named if isinstance(m, dict) and type(m.get("amount")) is int]
    return next((m for m in moves if m["amount"] * sign > 0), {})


def _dispute(
    dispute: Mapping[str, Any], told: Told, kind: FactKind, moved: Mapping[str, Any]
) -> Fact:
    is_ours = moved.get("currency") == dispute.get("currency")
    minor = abs(moved["amount"]) if is_ours and "amount" in moved else dispute.get("amount")
    intent = dispute.get("payment_intent")
    return told.fact(
        kind,
        text(dispute.get("id")),
        money(minor, dispute.get("currency")),
        payment_ref=reference(intent) if intent is not None else None,
    )


READERS: dict[str, Callable[[Mapping[str, Any], Told], list[Fact]]] = {
    "checkout.session.completed": session_paid,
    "checkout.session.async_payment_succeeded": session_paid,
    "checkout.session.async_payment_failed": session_over,
    "checkout.session.expired": session_over,
    "payment_intent.succeeded": charged,
    "payment_intent.payment_failed": declined,
    "refund.created": refund_facts,
    "refund.updated": refund_facts,
    "refund.failed": refund_facts,
    "charge.dispute.funds_withdrawn": withdrawn,
    "charge.dispute.funds_reinstated": reinstated,
}


# ---------------------------------------------------------------------- values


def money(minor: Any, currency: Any) -> Money:
    """Return an amount in minor units, more than nothing. Raises Unparsable."""
    try:
        amount = Money(minor, str(currency).upper())
    except MoneyError as bad:
        raise Unparsable("an amount") from bad
    if amount.minor <= 0:
        raise Unparsable("an amount")
    return amount


def instant(value: Any) -> datetime:
    """Return a time told in seconds. Raises Unparsable."""
    if type(value) is not int or not 0 < value < 10**11:
        raise Unparsable("a time")
    return datetime.fromtimestamp(value, UTC)


def text(value: Any) -> str:
    """Return a reference of 1 to 64 characters. Raises Unparsable."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.isascii():
        raise Unparsable("a reference")
    return value


def optional(value: Any) -> str | None:
    """Return a reference, None where there is none. Raises Unparsable."""
    return text(value) if value is not None else None


def reference(value: Any) -> str:
    """Return the number of an object that is named or written out. Raises Unparsable."""
    return text(value.get("id") if isinstance(value, dict) else value)


def payer(email: Any) -> str | None:
    """Return the payer's name at Stripe: without accounts there, the address they gave."""
    return email.strip().lower() if isinstance(email, str) and email.strip() else None


def metadata(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers that we gave an object. Raises Unparsable."""
    given = found.get("metadata") or {}
    if not isinstance(given, dict):
        raise Unparsable("metadata")
    return {name: text(given[name]) for name in (NUMBER, REFUND) if name in given}
