"""What every payment provider is to us: one Protocol, its values, and its errors.

The inbound half (``authenticate``, ``parse``) is pure: no network, no database. The outbound half may
answer *unknown*, which never changes the state of money and is asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fundraising.money import Money


class Product(StrEnum):
    """Ways to pay that a donor can be sent to."""

    WECHATPAY_NATIVE = "wechatpay.native"
    WECHATPAY_JSAPI = "wechatpay.jsapi"
    WECHATPAY_H5 = "wechatpay.h5"

    @property
    def provider(self) -> str:
        """The name of the provider."""
        return self.value.partition(".")[0]


class PayKind(StrEnum):
    """What the donor's browser does with an instruction."""

    QR = "qr"
    REDIRECT = "redirect"
    JSAPI = "jsapi"


class FactKind(StrEnum):
    """What a provider can say about money."""

    PAID = "paid"
    CLOSED = "closed"
    REFUNDED = "refunded"


class FactSource(StrEnum):
    """The road a fact came by; the same fact may come by several."""

    NOTICE = "notice"
    QUERY = "query"
    BILL = "bill"


class OrderState(StrEnum):
    """What a query says of an order."""

    NOTPAY = "notpay"
    PAID = "paid"
    CLOSED = "closed"
    NOT_EXIST = "not_exist"


class CloseResult(StrEnum):
    """What became of a wish to close."""

    CLOSED = "closed"
    ALREADY_PAID = "already_paid"
    NOT_EXIST = "not_exist"


@dataclass(frozen=True)
class OrderRequest:
    """An order to open. The same ``merchant_ref`` must always carry the same values."""

    merchant_ref: str
    product: Product
    amount: Money
    description: str
    expires_at: datetime
    notify_url: str
    payer_openid: str | None = None
    client_ip: str | None = None


@dataclass(frozen=True)
class Instruction:
    """How the donor pays: a QR code, an address, or parameters for the bridge inside WeChat."""

    kind: PayKind
    value: str


@dataclass(frozen=True)
class Fact:
    """One thing a provider said. ``payer`` is the provider's own name for the person; hash it at once."""

    provider: str
    account: str
    kind: FactKind
    fact_ref: str
    merchant_ref: str | None
    amount: Money
    occurred_at: datetime
    source: FactSource
    payer: str | None = None


@dataclass(frozen=True)
class Envelope:
    """An authentic notice, not yet read for its meaning."""

    provider: str
    account: str
    dedup_key: str
    event_type: str
    raw: bytes


@dataclass(frozen=True)
class QueryResult:
    """The provider's answer about an order, with the facts in it."""

    state: OrderState
    facts: list[Fact] = field(default_factory=list)


class Rejected(Exception):
    """Not authentic: nothing of it is believed. The text is a reason for the log, never for the sender."""


class Undecryptable(Exception):
    """Authentic, but no key of ours opens it: must be answered with an error so that it comes again."""


class Unparsable(Exception):
    """Authentic, but it makes no sense: kept, acknowledged, and looked at by a person."""


class ProviderUnavailable(Exception):
    """No answer, an error of theirs, or an answer that cannot be believed: the outcome is unknown."""


class ProviderRejected(Exception):
    """The provider refused, for certain."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Provider(Protocol):
    """A payment provider."""

    @property
    def name(self) -> str:
        """Its name in our tables."""

    @property
    def account(self) -> str:
        """The merchant number there; part of every external key."""

    def open_order(self, order: OrderRequest) -> Instruction:
        """Open the order, or open it again; idempotent by ``merchant_ref``."""

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice. Raises Rejected, Undecryptable or Unparsable."""

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice; an empty list means understood and of no matter. Raises Unparsable."""

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an order. Raises ProviderUnavailable when the outcome is unknown."""

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid order. Raises ProviderUnavailable when the outcome is unknown."""

    def jsapi_params(self, prepay_id: str, now: datetime) -> dict[str, str]:
        """Return what the bridge inside the app is given to pay."""

    def openid_url(self, redirect_uri: str, state: str) -> str:
        """Return where a browser inside the app is sent to become known, silently."""

    def openid(self, code: str) -> str:
        """Trade the code that came back for the payer's openid."""
