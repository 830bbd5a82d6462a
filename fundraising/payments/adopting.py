"""The payment behind a gift that a person made of money nobody could place: from then on it goes back like any other.

The money was booked as received when it came, without an order of ours. The attempt written here is never
opened, asked about or closed: it says which payment stands behind the gift, for refunds in both directions.
"""

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


def of_line(line: BankLine, order_id: UUID, fact_id: UUID) -> None:
    """Write that a line of the bank's statement paid an order; the gift's entry is keyed by the fact."""
    paid = Fact(
        provider="bank",
        account=line.bank_account,
        kind=FactKind.PAID,
        fact_ref=line.serial,
        merchant_ref=references.order_number(),
        amount=Money(line.amount_fen),
        occurred_at=line.booked_at,
        source=FactSource.BILL,
    )
    attempt = _attempt(paid, order_id)
    facts.keep([Kept(fact_id, paid, attempt.id, SETTLED)])


def of_fact(fact: ProviderFact, order_id: UUID) -> None:
    """Write that a payment of our own bill, whose order nobody knows, paid an order of ours.

    A payment that names no order cannot be sent back by its provider's interface, and stays as it is.
    """
    if fact.provider not in PRODUCTS or not fact.merchant_ref:
        return
    paid = Fact(
        provider=fact.provider,
        account=fact.account,
        kind=FactKind.PAID,
        fact_ref=fact.fact_ref,
        merchant_ref=fact.merchant_ref,
        amount=Money(fact.amount_fen, fact.currency),
        occurred_at=fact.occurred_at,
        source=FactSource.BILL,
    )
    facts.adopt(fact.id, _attempt(paid, order_id).id)


def _attempt(paid: Fact, order_id: UUID) -> Attempt:
    made = Attempt(
        order_id=order_id,
        provider=paid.provider,
        account=paid.account,
        product=PRODUCTS[paid.provider],
        merchant_ref=paid.merchant_ref,
        provider_ref=paid.fact_ref,
        amount_fen=paid.amount.minor,
        currency=paid.amount.currency,
        state=AttemptState.PAID,
        opened_at=paid.occurred_at,
        expires_at=paid.occurred_at,
        paid_at=paid.occurred_at,
        paid_fen=paid.amount.minor,
    )
    db.session.add(made)
    db.session.flush()
    return made
