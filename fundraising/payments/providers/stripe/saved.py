"""Cards that donors saved for their monthly gifts: read after the first payment, charged later, forgotten."""

from fundraising.payments.providers.base import (
    ChargeRequest,
    Contract,
    Fact,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    Unparsable,
)
from fundraising.payments.providers.stripe import objects
from fundraising.payments.providers.stripe.wire import Wire

INTENTS = "/v1/payment_intents"
SAME_KEY = "IdempotencyError"
"""Our number was used with other values: whatever became of it then, this answer does not say."""

GONE = ("resource_missing", "payment_method_unexpected_state")


def contract_of(wire: Wire, payment_ref: str) -> Contract | None:
    """Return the card that a payment saved, None when it saved none. Raises ProviderUnavailable."""
    try:
        intent = wire.get(f"{INTENTS}/{objects.text(payment_ref)}")
        if not intent.get("setup_future_usage"):
            return None
        customer, method = intent.get("customer"), intent.get("payment_method")
        if customer is None or method is None:
            return None
        return Contract(objects.reference(customer), objects.reference(method))
    except ProviderRejected as refused:
        raise ProviderUnavailable(refused.code) from refused
    except Unparsable as bad:
        raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad


def charge(wire: Wire, request: ChargeRequest, told: objects.Told) -> list[Fact]:
    """Charge a saved card; an empty list means that the bank has not decided yet.

    Raises:
        ProviderUnavailable: unknown. ProviderRejected: declined, for certain.
    """
    try:
        intent = wire.post(
            INTENTS,
            f"attempt:{request.merchant_ref}",
            amount=request.amount.minor,
            currency=request.amount.currency.lower(),
            customer=request.contract.payer_ref,
            payment_method=request.contract.means_ref,
            payment_method_types=["card"],
            off_session=True,
            confirm=True,
            description=request.description,
            metadata={objects.NUMBER: request.merchant_ref, objects.MONTHLY: "1"},
            expand=["latest_charge"],
        )
        result = objects.searched(intent, request.merchant_ref, told)
    except ProviderRejected as refused:
        if refused.code == SAME_KEY:
            raise ProviderUnavailable(refused.code) from refused
        raise
    except Unparsable as bad:
        raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad
    if result.state is OrderState.CLOSED:
        raise ProviderRejected(str(intent.get("status")))
    return result.facts


def end(wire: Wire, contract: Contract) -> None:
    """Take a card from its customer; one that is gone already is as good. Raises ProviderUnavailable."""
    try:
        path = f"/v1/payment_methods/{contract.means_ref}/detach"
        wire.post(path, f"detach:{contract.means_ref}")
    except ProviderRejected as refused:
        if refused.code not in GONE:
            raise ProviderUnavailable(refused.code) from refused
