"""The adapter: sessions out, events in, facts from both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from fundraising import clock
from fundraising.payments.providers import strict_json
from fundraising.payments.providers.base import (
    BillKind,
    BillRow,
    BillStatus,
    ChargeRequest,
    CloseResult,
    Contract,
    Envelope,
    Fact,
    FactSource,
    Instruction,
    OrderRequest,
    OrderState,
    PayKind,
    Product,
    ProviderRejected,
    ProviderUnavailable,
    QueryResult,
    RefundRequest,
    RefundResult,
    RefundState,
    Reply,
    Unparsable,
)
from fundraising.payments.providers.stripe import bills, objects, saved, signing
from fundraising.payments.providers.stripe.wire import Wire, members

SESSIONS = "/v1/checkout/sessions"
SHORTEST_SESSION = timedelta(minutes=31)
"""A session lives half an hour at least; we close it ourselves at the order's end."""

LONGEST_SESSION = timedelta(hours=26)
PAGE, MOST_PAGES = 100, 50
SUBJECT_LENGTH = 200
MOST_BRACKETS = 2000
"""An event holds the whole object it tells of."""


@dataclass(frozen=True)
class Stripe:
    """Stripe for one account. Each secret of ``webhook_secrets`` is valid, while they change."""

    account: str
    secret_key: str = field(repr=False)
    webhook_secrets: Sequence[str] = field(repr=False)
    base_url: str
    http: httpx.Client = field(repr=False)
    name: str = objects.NAME
    bill_kinds: tuple[BillKind, ...] = (BillKind.TRADE, BillKind.FUND_FLOW)
    largest_notice: int = 512 * 1024
    unborn_for: timedelta = timedelta(minutes=1)

    @cached_property
    def wire(self) -> Wire:
        """The library with our key."""
        return Wire(self.secret_key, self.base_url, self.http)

    @property
    def is_live(self) -> bool:
        """Whether the key moves real money."""
        return "_test_" not in self.secret_key

    def _told(self) -> objects.Told:
        return objects.Told(self.account, FactSource.QUERY, clock.now())

    # ------------------------------------------------------------------ orders

    def open_order(self, order: OrderRequest) -> Instruction:
        """Open a page at Stripe; the same number with the same values is the same page.

        Raises:
            ProviderUnavailable: the outcome is unknown; ask again with the same values.
            ProviderRejected: refused, for certain.
        """
        numbers = {objects.NUMBER: order.merchant_ref}
        item = {
            "quantity": 1,
            "price_data": {
                "currency": order.amount.currency.lower(),
                "unit_amount": order.amount.minor,
                "product_data": {"name": order.description[:SUBJECT_LENGTH] or order.merchant_ref},
            },
        }
        kept: dict[str, Any] = {}
        intent: dict[str, Any] = {"metadata": numbers}
        if order.product is Product.STRIPE_KEEP:
            kept = {"customer_creation": "always"}
            intent["setup_future_usage"] = "off_session"
        session = self.wire.post(
            SESSIONS,
            f"attempt:{order.merchant_ref}",
            mode="payment",
            submit_type="donate",
            payment_method_types=["card"],
            line_items=[item],
            client_reference_id=order.merchant_ref,
            metadata=numbers,
            payment_intent_data=intent,
            expires_at=int((order.expires_at + SHORTEST_SESSION).timestamp()),
            success_url=order.return_url,
            cancel_url=order.return_url,
            **kept,
        )
        url = session.get("url")
        if not isinstance(url, str) or session.get("client_reference_id") != order.merchant_ref:
            raise ProviderUnavailable("no page in the answer")
        return Instruction(PayKind.REDIRECT, url)

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an order by our number. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            session = self._session(merchant_ref)
            if session is None:
                return self._search(merchant_ref)
            if session.get("status") == "complete":
                session = self._whole(session)
            return objects.queried(session, self._told())
        except ProviderRejected as refused:
            raise ProviderUnavailable(refused.code) from refused
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid order. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            session = self._session(merchant_ref)
            if session is not None and session.get("status") == "open":
                self.wire.post(f"{SESSIONS}/{session['id']}/expire", f"close:{merchant_ref}")
        except ProviderRejected:
            pass  # it was paid or over at that moment: the query says which
        state = self.query(merchant_ref).state
        ends = {
            OrderState.PAID: CloseResult.ALREADY_PAID,
            OrderState.CLOSED: CloseResult.CLOSED,
            OrderState.NOT_EXIST: CloseResult.NOT_EXIST,
        }
        if state not in ends:
            raise ProviderUnavailable("still open")
        return ends[state]

    def _session(self, merchant_ref: str) -> dict[str, Any] | None:
        """Find the session of a number among all that can still change, the newest first."""
        since = int((clock.now() - LONGEST_SESSION).timestamp())
        asked: dict[str, Any] = {"limit": PAGE, "created": {"gte": since}}
        for _ in range(MOST_PAGES):
            page = self.wire.get(SESSIONS, **asked)
            found = members(page)
            for session in found:
                if session.get("client_reference_id") == merchant_ref:
                    return session
            if not page.get("has_more") or not found:
                return None
            asked["starting_after"] = found[-1].get("id")
        raise ProviderUnavailable("more sessions than can be looked through")

    def _whole(self, session: Mapping[str, Any]) -> dict[str, Any]:
        path = f"{SESSIONS}/{session.get('id')}"
        return self.wire.get(path, expand=["payment_intent.latest_charge"])

    def _search(self, merchant_ref: str) -> QueryResult:
        """Ask by the number that every payment of ours carries, for sessions too old to be listed."""
        if not merchant_ref.isalnum():
            return QueryResult(OrderState.NOT_EXIST)
        page = self.wire.get(
            "/v1/payment_intents/search",
            query=f"metadata['{objects.NUMBER}']:'{merchant_ref}'",
            expand=["data.latest_charge"],
        )
        for intent in members(page):
            if objects.metadata(intent).get(objects.NUMBER) == merchant_ref:
                return objects.searched(intent, merchant_ref, self._told())
        return QueryResult(OrderState.NOT_EXIST)

    # ------------------------------------------------------------------ saved cards

    def contract_of(self, payment_ref: str) -> Contract | None:
        """Return the card that a payment saved, None when it saved none. Raises ProviderUnavailable."""
        return saved.contract_of(self.wire, payment_ref)

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Charge a saved card, once per number. Raises ProviderUnavailable or ProviderRejected."""
        return saved.charge(self.wire, request, self._told())

    def end_contract(self, contract: Contract) -> None:
        """Forget a card. Raises ProviderUnavailable."""
        saved.end(self.wire, contract)

    # ------------------------------------------------------------------ events

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check an event, and that it is of this account and kind of money.

        Raises:
            Rejected: not authentic. Unparsable: authentic, but no event for us.
        """
        signing.verify(headers, raw, self.webhook_secrets, now)
        event = strict_json.read(raw, MOST_BRACKETS)
        number, kind = event.get("id"), event.get("type")
        if not isinstance(number, str) or not 1 <= len(number) <= 128 or not isinstance(kind, str):
            raise Unparsable("no number")
        if event.get("livemode") is not self.is_live:
            raise Unparsable("test money and real money do not mix")
        if event.get("account") not in (None, self.account):
            raise Unparsable("another account")
        return Envelope(self.name, self.account, number, kind[:64] or "unknown", raw)

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic event. Raises Unparsable."""
        return objects.event_facts(strict_json.read(raw, MOST_BRACKETS), self.account)

    def reply(self, status: int) -> Reply:
        """Answer by the status alone: Stripe sends again whatever is not of the two hundreds."""
        return Reply(200 if status < 300 else status, "{}")

    # ------------------------------------------------------------------ refunds

    def refund(self, request: RefundRequest) -> RefundResult:
        """Send money back, once: looked for by its number first, because keys are forgotten after a day.

        Raises:
            ProviderUnavailable: unknown, or the balance is too low at the moment.
            ProviderRejected: refused, and there is no refund of that number.
        """
        intent = self._intent(request)
        if intent is None:
            raise ProviderRejected("resource_missing", "no payment of that number")
        known = self._find_refund(intent, request.refund_no)
        if known is None:
            numbers = {objects.NUMBER: request.merchant_ref, objects.REFUND: request.refund_no}
            known = self.wire.post(
                "/v1/refunds",
                f"refund:{request.refund_no}",
                payment_intent=intent,
                amount=request.amount.minor,
                metadata=numbers,
            )
        return self._refunded(known)

    def query_refund(self, request: RefundRequest) -> RefundResult:
        """Ask about a refund, ours or one made at Stripe. Raises ProviderUnavailable."""
        try:
            if request.refund_no.startswith("re_"):
                return self._refunded(self.wire.get(f"/v1/refunds/{request.refund_no}"))
            intent = self._intent(request)
            known = self._find_refund(intent, request.refund_no) if intent else None
        except ProviderRejected as refused:
            if refused.code == "resource_missing":
                return RefundResult(RefundState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        return self._refunded(known) if known else RefundResult(RefundState.NOT_EXIST)

    def _intent(self, request: RefundRequest) -> str | None:
        if request.payment_ref:
            return request.payment_ref
        facts = self.query(request.merchant_ref).facts
        return facts[0].fact_ref if facts else None

    def _find_refund(self, intent: str, number: str) -> dict[str, Any] | None:
        """Find our refund of a payment: one page holds more than a payment may have."""
        page = self.wire.get("/v1/refunds", payment_intent=intent, limit=PAGE)
        named = (r for r in members(page) if (r.get("metadata") or {}).get("refund"))
        return next((r for r in named if r["metadata"]["refund"] == number), None)

    def _refunded(self, refund: Mapping[str, Any]) -> RefundResult:
        try:
            return objects.refunded(refund, self._told())
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    # ------------------------------------------------------------------ bills

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:  # noqa: ARG002  one list
        """Write a day's movements of our balance. Raises ProviderUnavailable or BillBroken."""
        return bills.fetch(self.wire, day, into)

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        """Read a file line by line. Raises BillBroken."""
        return bills.read(file, kind)
