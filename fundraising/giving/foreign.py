"""Money in another currency than the order's: held as received until its provider's balance says its yuan.

A payment in dollars is never counted as so many yuan. It stands in suspense in its own currency, and the
provider's balance tells what became of it: only that amount can become a gift, by a person's word.
"""

from typing import Any

from sqlalchemy import text

from fundraising.database import db
from fundraising.giving.errors import NotByThisRoad
from fundraising.ledger import chart
from fundraising.ledger.service import Line, credit, debit
from fundraising.money import Money
from fundraising.payments.models import ProviderFact
from fundraising.payments.providers.base import FactKind

OURS = "CNY"


def told(amount: Money) -> dict[str, Any]:
    """Return how a review speaks of what was received."""
    if amount.currency == OURS:
        return {"received_fen": amount.minor, "currency": OURS}
    return {"received": f"{amount.decimal()} {amount.currency}", "currency": amount.currency}


LINES = {FactKind.PAID: "paid", FactKind.REFUNDED: "refund", FactKind.DISPUTED: "dispute"}


def in_yuan(fact: ProviderFact) -> Money:
    """Return what a payment, or one that went back, is on our balance; NotByThisRoad while no balance names it."""
    if fact.currency == OURS:
        return Money(fact.amount_fen)
    query = text(
        "SELECT l.minor FROM payment_bill b JOIN payment_bill_line l ON l.bill_id = b.id "
        "WHERE b.provider = :provider AND b.account = :account AND l.kind = :kind AND l.ref = :ref "
        "ORDER BY b.day LIMIT 1"
    )
    kind = LINES[FactKind(fact.kind)]
    values = {
        "provider": fact.provider,
        "account": fact.account,
        "ref": fact.fact_ref,
        "kind": kind,
    }
    minor = db.session.execute(query, values).scalar_one_or_none()
    if minor is None:
        raise NotByThisRoad
    return Money(minor)


def out_of_suspense(fact: ProviderFact) -> tuple[Line, ...]:
    """Return what takes a payment out of suspense; foreign money becomes its yuan in the clearing account."""
    received = Money(fact.amount_fen, fact.currency)
    if fact.currency == OURS:
        return (debit(chart.SUSPENSE, received),)
    clearing = chart.clearing(fact.provider)
    return (
        debit(chart.SUSPENSE, received),
        credit(clearing, received),
        debit(clearing, in_yuan(fact)),
    )


def back_out(fact: ProviderFact) -> tuple[Line, ...]:
    """Return what ends a refund in suspense: it left our clearing account as so many yuan."""
    sent = Money(fact.amount_fen, fact.currency)
    clearing = chart.clearing(fact.provider)
    return (
        debit(clearing, sent),
        credit(chart.SUSPENSE, sent),
        credit(clearing, in_yuan(fact)),
    )
