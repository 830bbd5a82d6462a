"""The payment behind a gift that a person made of money nobody could place: from then on it goes back like any other.

The money was booked as received when it came, without an order of ours. The attempt written here is never
opened, asked about or closed: it says which payment stands behind the gift, for refunds in both directions.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fundraising import references
from fundraising.database import db
from fundraising.money import Money
from fundraising.payments import facts
from fundraising.payments.facts import Kept
from fundraising.payments.models import Attempt, AttemptState, BankLine, ProviderFact
from fundraising.payments.providers.base import Fact, FactKind, FactSource, Product

SETTLED = "settled"
PRODUCTS = {
    "bank": Product.BANK_TRANSFER,
    "wechatpay": Product.WECHATPAY_NATIVE,
    "alipay": Product.ALIPAY_PAGE,
    "stripe": Product.STRIPE_CHECKOUT,
}
"""How a payment of each provider is named of which nobody knows by which page it came."""


@dataclass(frozen=True)
class _Paid:
    """What is known of a payment."""

    provider: str
    account: str
    merchant_ref: str
    provider_ref: str
    amount: Money
    at: datetime


def of_line(line: BankLine, order_id: UUID, fact_id: UUID) -> None:
    """Write that a line of the bank's statement paid an order; the gift's entry is keyed by the fact."""
    paid = _Paid(
        "bank",
        line.bank_account,
        references.order_number(),
        line.serial,
        Money(line.amount_fen),
        line.booked_at,
    )
    told = Fact(
        provider=paid.provider,
        account=paid.account,
        kind=FactKind.PAID,
        fact_ref=paid.provider_ref,
        merchant_ref=paid.merchant_ref,
        amount=paid.amount,
        occurred_at=paid.at,
        source=FactSource.BILL,
    )
    attempt = _attempt(paid, order_id)
    facts.keep([Kept(fact_id, told, attempt.id, SETTLED)])


def of_fact(fact: ProviderFact, order_id: UUID) -> None:
    """Write that a payment of our own bill, whose order nobody knows, paid an order of ours.

    A payment that names no order cannot be sent back by its provider's interface, and stays as it is.
    """
    if fact.provider not in PRODUCTS or not fact.merchant_ref:
        return
    amount = Money(fact.amount_fen, fact.currency)
    paid = _Paid(
        fact.provider, fact.account, fact.merchant_ref, fact.fact_ref, amount, fact.occurred_at
    )
    facts.adopt(fact.id, _attempt(paid, order_id).id)


def _attempt(paid: _Paid, order_id: UUID) -> Attempt:
    made = Attempt(
        order_id=order_id,
        provider=paid.provider,
        account=paid.account,
        product=PRODUCTS[paid.provider],
        merchant_ref=paid.merchant_ref,
        provider_ref=paid.provider_ref,
        amount_fen=paid.amount.minor,
        currency=paid.amount.currency,
        state=AttemptState.PAID,
        opened_at=paid.at,
        expires_at=paid.at,
        paid_at=paid.at,
        paid_fen=paid.amount.minor,
    )
    db.session.add(made)
    db.session.flush()
    return made
