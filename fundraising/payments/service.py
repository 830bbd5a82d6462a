"""Opening payments at providers: our row first, then their order, never inside a transaction."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Protocol, cast
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import select, text

from config import Settings
from fundraising import clock
from fundraising.database import db, transaction
from fundraising.money import Money
from fundraising.payments import transfer_codes
from fundraising.payments.errors import (
    AttemptNotFound,
    AttemptOver,
    PaymentUnavailable,
    ProductOff,
)
from fundraising.payments.models import Attempt, AttemptState
from fundraising.payments.providers.agreements import AgreementProvider
from fundraising.payments.providers.base import (
    ChargeRequest,
    ChargingProvider,
    CloseResult,
    Fact,
    InAppProvider,
    Instruction,
    OrderRequest,
    PayKind,
    Product,
    Provider,
    ProviderRejected,
    ProviderUnavailable,
    QueryResult,
    ReturningProvider,
)
from fundraising.references import order_number

FIRST_QUERY = timedelta(seconds=10)
IN_APP = frozenset({"wechatpay"})
RETURNING = frozenset({"alipay"})
CHARGING = frozenset({"stripe"})
BY_AGREEMENT = frozenset({Product.WECHATPAY_CONTRACT, Product.ALIPAY_CONTRACT})
log = structlog.get_logger(__name__)


def providers() -> dict[str, Provider]:
    """Return the providers this process is set up for."""
    return cast("dict[str, Provider]", current_app.extensions["providers"])


def provider(name: str) -> Provider:
    """Return a provider. Raises ProductOff."""
    found = providers().get(name)
    if found is None:
        raise ProductOff
    return found


def in_app_provider(name: str) -> InAppProvider:
    """Return a provider that knows people inside its app. Raises ProductOff."""
    if name not in IN_APP:
        raise ProductOff
    return cast("InAppProvider", provider(name))


def charging_provider(name: str) -> ChargingProvider:
    """Return a provider at which donors can agree to be charged again. Raises ProductOff."""
    if name not in CHARGING:
        raise ProductOff
    return cast("ChargingProvider", provider(name))


def agreements() -> dict[str, AgreementProvider]:
    """Return the providers at which donors may sign agreements, by name."""
    return cast("dict[str, AgreementProvider]", current_app.extensions["agreements"])


def agreement_provider(name: str) -> AgreementProvider:
    """Return a provider at which donors may sign agreements. Raises ProductOff."""
    found = agreements().get(name)
    if found is None:
        raise ProductOff
    return found


class Reader(Protocol):
    """Reads notices that were found authentic."""

    def parse(self, raw: bytes) -> list[Fact]:
        """Return the facts in a notice. Raises Unparsable."""


def reader(name: str) -> Reader:
    """Return what reads the notices that are kept under a name. Raises ProductOff."""
    for protocol in agreements().values():
        if protocol.name == name:
            return protocol
    return provider(name)


class Charging(Protocol):
    """Collects money from donors who agreed before."""

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Collect money, once per number. Raises ProviderUnavailable, ProviderRejected."""


class Asked(Protocol):
    """Knows what became of attempts."""

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an attempt by our number. Raises ProviderUnavailable."""

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid attempt. Raises ProviderUnavailable."""


def asked_about(attempt: Attempt) -> Asked:
    """Return whom to ask about an attempt. Raises ProductOff."""
    if attempt.product in BY_AGREEMENT:
        return agreement_provider(attempt.provider)
    return provider(attempt.provider)


def charges(attempt: Attempt) -> Charging:
    """Return who collects an attempt from a donor who agreed before. Raises ProductOff."""
    if attempt.product in BY_AGREEMENT:
        return agreement_provider(attempt.provider)
    return charging_provider(attempt.provider)


def is_genuine_return(order_id: UUID, query: bytes, merchant_ref: str) -> bool:
    """Whether what a browser brought back was signed by the provider of one of an order's attempts."""
    for attempt in attempts_of(order_id):
        if attempt.merchant_ref == merchant_ref and attempt.provider in RETURNING:
            adapter = cast("ReturningProvider", provider(attempt.provider))
            return adapter.is_genuine_return(query)
    return False


def contract_url(name: str) -> str:
    """Return the address at which a provider's notices of agreements and of their charges are taken."""
    return notify_url(name, "contract") if name == "wechatpay" else notify_url(name)


def notify_url(name: str, last: str = "") -> str:
    """Return the address at which a provider's notices are taken."""
    settings: Settings = current_app.extensions["settings"]
    last = last or ("webhook" if name == "stripe" else "notify")
    return f"{settings.public_url.rstrip('/')}/payments/{name}/{last}"


def create_attempt(
    order_id: UUID, product: Product, amount: Money, expires_at: datetime, reference: str = ""
) -> Attempt:
    """Write an attempt to collect ``amount`` for an order, with its own number at the provider.

    A transfer has a code that people can type, and nobody is asked about it before its time is over.
    """
    if product.is_transfer:
        reference, query_due_at = transfer_codes.new(), expires_at
    else:
        reference, query_due_at = reference or order_number(), clock.now() + FIRST_QUERY
    attempt = Attempt(
        order_id=order_id,
        provider=product.provider,
        account=provider(product.provider).account,
        product=product,
        merchant_ref=reference,
        amount_fen=amount.minor,
        currency=amount.currency,
        expires_at=expires_at,
        query_due_at=query_due_at,
    )
    db.session.add(attempt)
    db.session.flush()
    return attempt


def open_checkout(
    attempt_id: UUID,
    description: str,
    *,
    return_url: str = "",
    openid: str | None = None,
    client_ip: str | None = None,
) -> Instruction:
    """Open the attempt at its provider and keep the instruction; safe to repeat after a time-out.

    ``return_url`` is where a provider's page sends the browser after paying.

    Raises:
        PaymentUnavailable: no believable answer; the same call may be made again.
        AttemptOver: the attempt cannot be paid any more.
    """
    _end_reading()
    attempt = get(attempt_id)
    _end_reading()
    if not attempt.is_live or attempt.expires_at <= clock.now():
        raise AttemptOver
    if attempt.instruction:
        return instruction_of(attempt)
    adapter = provider(attempt.provider)
    request = OrderRequest(
        merchant_ref=attempt.merchant_ref,
        product=Product(attempt.product),
        amount=Money(attempt.amount_fen, attempt.currency),
        description=description,
        expires_at=attempt.expires_at,
        notify_url=notify_url(attempt.provider),
        payer_openid=openid,
        client_ip=client_ip,
        return_url=return_url,
    )
    try:
        instruction = adapter.open_order(request)
    except (ProviderUnavailable, ProviderRejected) as failed:
        log.warning("checkout_failed", attempt=str(attempt_id), error=str(failed))
        raise PaymentUnavailable from failed
    with transaction():
        _keep(attempt_id, instruction)
    return instruction


def instruction_of(attempt: Attempt) -> Instruction:
    """Return how an opened attempt is paid. Raises AttemptOver when it was not opened."""
    if not attempt.instruction:
        raise AttemptOver
    return Instruction(PayKind(attempt.instruction["kind"]), attempt.instruction["value"])


def _end_reading() -> None:
    """End the transaction of earlier reads: none is held while a provider is spoken to."""
    session = db.session()
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("A provider was about to be called inside a transaction.")
    session.rollback()


def _keep(attempt_id: UUID, instruction: Instruction) -> None:
    attempt = lock(attempt_id)
    attempt.instruction = asdict(instruction)
    attempt.opened_at = clock.now()
    if attempt.state == AttemptState.CREATED:
        attempt.state = AttemptState.PENDING
    db.session.flush()


def get(attempt_id: UUID) -> Attempt:
    """Return an attempt as it is now. Raises AttemptNotFound."""
    found = db.session.get(Attempt, attempt_id, populate_existing=True)
    if found is None:
        raise AttemptNotFound
    return found


def lock(attempt_id: UUID) -> Attempt:
    """Return an attempt as it is now and lock it until the transaction ends."""
    query = select(Attempt).where(Attempt.id == attempt_id).with_for_update()
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one()


def latest(order_id: UUID) -> Attempt | None:
    """Return the newest attempt of an order, None when there is none."""
    query = select(Attempt).where(Attempt.order_id == order_id).order_by(Attempt.id.desc()).limit(1)
    return db.session.execute(query).scalar_one_or_none()


def attempts_of(order_id: UUID) -> list[Attempt]:
    """Return all attempts of an order, the first one first."""
    query = select(Attempt).where(Attempt.order_id == order_id).order_by(Attempt.id)
    return list(db.session.execute(query).scalars())


def find(reference: str) -> Attempt | None:
    """Return the attempt with that number, ours or the provider's."""
    query = select(Attempt).where(
        (Attempt.merchant_ref == reference) | (Attempt.provider_ref == reference)
    )
    return db.session.execute(query.limit(1)).scalar_one_or_none()


def ask_now(order_id: UUID) -> None:
    """Let the provider be asked about an order's live attempts as soon as a worker is free."""
    db.session.execute(
        text(
            "UPDATE payment_attempt SET query_due_at = least(query_due_at, :now) "
            "WHERE order_id = :order_id AND state IN ('created', 'pending') AND query_due_at IS NOT NULL "
            "AND product <> ALL(:silent)"
        ),
        {
            "now": clock.now(),
            "order_id": order_id,
            "silent": [product.value for product in Product if product.is_transfer],
        },
    )
