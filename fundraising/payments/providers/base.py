"""What every payment provider is to us: one Protocol, its values, and its errors.

The inbound half (``authenticate``, ``parse``, ``read_bill``) is pure: no network, no database. The
outbound half may answer *unknown*, which never changes the state of money and is asked again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from fundraising.money import Money


class Product(StrEnum):
    """Ways to pay that a donor can be sent to."""

    WECHATPAY_NATIVE = "wechatpay.native"
    WECHATPAY_JSAPI = "wechatpay.jsapi"
    WECHATPAY_H5 = "wechatpay.h5"
    WECHATPAY_CONTRACT = "wechatpay.contract"
    ALIPAY_PAGE = "alipay.page"
    ALIPAY_WAP = "alipay.wap"
    ALIPAY_QR = "alipay.qr"
    ALIPAY_CONTRACT = "alipay.contract"
    BANK_TRANSFER = "bank.transfer"
    STRIPE_CHECKOUT = "stripe.checkout"
    STRIPE_KEEP = "stripe.keep"
    STRIPE_SAVED = "stripe.saved"

    @property
    def provider(self) -> str:
        """The name of the provider."""
        return self.value.partition(".")[0]

    @property
    def is_asked_for(self) -> bool:
        """Whether a donor may ask for it by name; the others belong to a promise of monthly gifts."""
        return self is not Product.STRIPE_KEEP and not self.is_charged

    @property
    def is_charged(self) -> bool:
        """Whether the donor agreed before, and need not be there when it is charged."""
        by_agreement = (Product.WECHATPAY_CONTRACT, Product.ALIPAY_CONTRACT)
        return self is Product.STRIPE_SAVED or self in by_agreement

    @property
    def is_transfer(self) -> bool:
        """Whether the donor sends the money alone: it takes days, and nobody can be asked about it."""
        return self is Product.BANK_TRANSFER


class PayKind(StrEnum):
    """What the donor's browser does with an instruction."""

    QR = "qr"
    REDIRECT = "redirect"
    JSAPI = "jsapi"
    TRANSFER = "transfer"


class FactKind(StrEnum):
    """What a provider can say about money, in the order in which facts of one set are applied.

    ``REFUNDED`` and ``DISPUTED`` are money that left; ``RETURNED`` is money that came back after one of
    them. ``REFUND_FAILED`` and ``REFUND_STUCK`` move nothing: the first is final, the second waits for a
    person. ``REFUND_SEEN`` says only that a refund of that number exists and must be asked about.
    """

    PAID = "paid"
    CLOSED = "closed"
    REFUND_SEEN = "refund_seen"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    REFUND_STUCK = "refund_stuck"
    DISPUTED = "disputed"
    RETURNED = "returned"


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
    return_url: str = ""


@dataclass(frozen=True)
class Contract:
    """What lets us charge somebody who agreed to it: the provider's numbers of the payer and of the means."""

    payer_ref: str
    means_ref: str


@dataclass(frozen=True)
class ChargeRequest:
    """Money to collect without the donor being there. The same ``merchant_ref`` on every try, with the same values."""

    merchant_ref: str
    contract: Contract
    amount: Money
    description: str
    notify_url: str = ""


@dataclass(frozen=True)
class Instruction:
    """How the donor pays: a QR code, an address, or parameters for the bridge inside WeChat."""

    kind: PayKind
    value: str


@dataclass(frozen=True)
class Fact:
    """One thing a provider said, once per ``(provider, account, kind, fact_ref)``.

    ``fact_ref`` is the provider's number of a payment, the number of a refund (ours where we asked for
    it), or of a dispute. ``payment_ref`` is the provider's number of the payment that money left.
    ``payer`` is the provider's own name for the person; hash it at once.
    """

    provider: str
    account: str
    kind: FactKind
    fact_ref: str
    merchant_ref: str | None
    amount: Money
    occurred_at: datetime
    source: FactSource
    payer: str | None = None
    payment_ref: str | None = None


@dataclass(frozen=True)
class Envelope:
    """An authentic notice, not yet read for its meaning; ``contract`` is our number of the one it speaks of."""

    provider: str
    account: str
    dedup_key: str
    event_type: str
    raw: bytes
    contract: str = ""


@dataclass(frozen=True)
class QueryResult:
    """The provider's answer about an order, with the facts in it."""

    state: OrderState
    facts: list[Fact] = field(default_factory=list)


@dataclass(frozen=True)
class RefundRequest:
    """Money to send back to where it came from. The same ``refund_no`` on every try, with the same values."""

    refund_no: str
    merchant_ref: str
    payment_ref: str | None
    amount: Money
    total: Money
    reason: str
    notify_url: str


class RefundState(StrEnum):
    """What a provider says of a refund. Only ``SUCCEEDED`` and ``FAILED`` are final."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STUCK = "stuck"
    NOT_EXIST = "not_exist"


@dataclass(frozen=True)
class RefundResult:
    """The provider's answer about a refund, with the facts in it."""

    state: RefundState
    facts: list[Fact] = field(default_factory=list)


class BillKind(StrEnum):
    """A provider's daily files: what was traded, and every movement of our balance there."""

    TRADE = "trade"
    FUND_FLOW = "fund_flow"


class BillStatus(StrEnum):
    """Whether a day's file can be had. ``EMPTY`` is final: nothing happened that day."""

    READY = "ready"
    NOT_READY = "not_ready"
    EMPTY = "empty"


class RowKind(StrEnum):
    """What a line of a bill is about.

    ``DISPUTE`` is money taken from us, ``RETURNED`` what came back after a refund or a dispute. ``FOREIGN``
    is a movement of a balance that is not in yuan: it counts in no sum of ours.
    """

    PAID = "paid"
    REFUND = "refund"
    DISPUTE = "dispute"
    RETURNED = "returned"
    FEE = "fee"
    FEE_BACK = "fee_back"
    PAYOUT = "payout"
    OTHER = "other"
    FOREIGN = "foreign"


class BillRow(NamedTuple):
    """A line of a bill; a plain tuple, because there may be a million of them.

    ``minor`` is never negative. ``at`` is the instant as PostgreSQL reads it, with its offset. ``is_final``
    is false where the line only says that something began (a refund that was accepted). Only a ``FOREIGN``
    row has a ``currency``, in whose smallest unit ``minor`` counts then, with a minus for money that left.
    """

    kind: RowKind
    ref: str
    merchant_ref: str
    payment_ref: str
    minor: int
    at: str
    payer: str = ""
    is_final: bool = True
    currency: str = ""


@dataclass(frozen=True)
class Reply:
    """What a provider wants to hear after a notice."""

    status: int
    body: str = ""
    mimetype: str = "application/json"


class BillBroken(Exception):
    """A bill whose form, hash or control totals do not hold: nothing of it is used."""


class Rejected(Exception):
    """Not authentic: nothing of it is believed. The text is a reason for the log, never for the sender."""


class Stale(Rejected):
    """Signed by the provider for another time: an old copy sent again, or a clock that is wrong."""


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

    @property
    def bill_kinds(self) -> tuple[BillKind, ...]:
        """The daily files it gives; none for channels without statements of their own."""

    @property
    def largest_notice(self) -> int:
        """How many bytes a notice may have."""

    @property
    def unborn_for(self) -> timedelta:
        """How long after its end an order that does not exist there may still turn out to be paid."""

    def open_order(self, order: OrderRequest) -> Instruction:
        """Open the order, or open it again; idempotent by ``merchant_ref``."""

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice. Raises Rejected, Undecryptable or Unparsable."""

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice; an empty list means understood and of no matter. Raises Unparsable."""

    def reply(self, status: int) -> Reply:
        """Say in the provider's own words that a notice was kept (204) or refused (any other status)."""

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an order. Raises ProviderUnavailable when the outcome is unknown."""

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid order. Raises ProviderUnavailable when the outcome is unknown."""

    def refund(self, request: RefundRequest) -> RefundResult:
        """Send money back. Accepted is not refunded: read the state.

        Raises:
            ProviderUnavailable: unknown, or not possible at the moment; ask again with the same number.
            ProviderRejected: refused for good; nothing moved under this number.
        """

    def query_refund(self, request: RefundRequest) -> RefundResult:
        """Ask about a refund by its number. Raises ProviderUnavailable when the outcome is unknown."""

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:
        """Write a day's file, checked against its hash, to ``into``.

        Raises:
            ProviderUnavailable: no believable answer; ask again later.
            BillBroken: the file is not what the provider announced.
        """

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        """Read a file line by line, in memory that does not grow with it; ends by checking its totals.

        Raises:
            BillBroken: a line makes no sense, or the control totals differ.
        """


class ReturningProvider(Provider, Protocol):
    """A provider that signs what a browser brings back from its pages."""

    def is_genuine_return(self, query: bytes) -> bool:
        """Whether the provider signed it. It says nothing of money: ask."""


class InAppProvider(Provider, Protocol):
    """A provider whose app has a browser of its own in which people are known silently."""

    def jsapi_params(self, prepay_id: str, now: datetime) -> dict[str, str]:
        """Return what the bridge inside the app is given to pay."""

    def openid_url(self, redirect_uri: str, state: str) -> str:
        """Return where a browser inside the app is sent to become known, silently."""

    def openid(self, code: str) -> str:
        """Trade the code that came back for the payer's openid."""


class ChargingProvider(Provider, Protocol):
    """A provider at which a donor can agree to be charged again."""

    def contract_of(self, payment_ref: str) -> Contract | None:
        """Return what a payment left for later ones, None when nothing. Raises ProviderUnavailable."""

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Collect money, once per number; an empty list means accepted and not decided.

        Raises:
            ProviderUnavailable: the outcome is unknown: ask, never charge under another number.
            ProviderRejected: refused for certain; no money moves under this number.
        """

    def end_contract(self, contract: Contract) -> None:
        """Make further charges impossible. Again, it changes nothing. Raises ProviderUnavailable."""
