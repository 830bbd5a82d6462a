"""The adapter: orders out, notices in, facts from both."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from fundraising import clock
from fundraising.payments.providers.alipay import bills, notices, refunds, signing
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillRow,
    BillStatus,
    CloseResult,
    Envelope,
    Fact,
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
    Rejected,
    Reply,
    Unparsable,
)

SIGNED_PAGES = {
    Product.ALIPAY_PAGE: ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    Product.ALIPAY_WAP: ("alipay.trade.wap.pay", "QUICK_WAP_PAY"),
}
AGREEMENT_NOTICES = ("dut_user_sign", "dut_user_unsign")
FORM = "application/x-www-form-urlencoded;charset=utf-8"
DONE, BUSINESS = "10000", "40004"
MAX_ANSWER = 256 * 1024
LARGEST_ZIP = 1024**3
SUBJECT_LENGTH = 100
BILL_HOSTS = ".alipay.com"
BILL_READY_BY = timedelta(days=1, hours=12)
"""After the beginning of a day: its file is made until the next morning; later, none means none."""

_TROUBLE = re.compile(r"[\s/=&,\"'<>\\]+")
"""What the platform forbids in a subject, and what would blur a line of the bill."""


@dataclass(frozen=True)
class Alipay:
    """Alipay for one seller and app, with keys (not certificates).

    ``public_keys`` are Alipay's; several are valid at once while they change.
    """

    app_id: str
    account: str
    private_key: RSAPrivateKey = field(repr=False)
    public_keys: Sequence[RSAPublicKey] = field(repr=False)
    gateway_url: str
    http: httpx.Client = field(repr=False)
    name: str = notices.NAME
    bill_kinds: tuple[BillKind, ...] = (BillKind.TRADE, BillKind.FUND_FLOW)
    largest_notice: int = 64 * 1024
    unborn_for: timedelta = timedelta(minutes=10)

    @property
    def merchant(self) -> notices.Merchant:
        """Whose trades are ours."""
        return notices.Merchant(self.app_id, self.account)

    # ------------------------------------------------------------------ orders

    def open_order(self, order: OrderRequest) -> Instruction:
        """Return a signed address for a browser, without asking anybody, or ask for a QR code.

        Raises:
            ProviderUnavailable: the outcome is unknown; ask again with the same values.
            ProviderRejected: refused, for certain.
        """
        page = SIGNED_PAGES.get(order.product)
        if page is not None:
            return Instruction(PayKind.REDIRECT, self._page(order, *page))
        left = self._minutes_left(order)
        asked = {**_trade(order), "timeout_express": left, "qr_code_timeout_express": left}
        answer = self.call("alipay.trade.precreate", asked, notify_url=order.notify_url)
        code = answer.get("qr_code")
        if (
            not isinstance(code, str)
            or not code
            or answer.get("out_trade_no") != order.merchant_ref
        ):
            raise ProviderUnavailable("no code in the answer")
        return Instruction(PayKind.QR, code)

    def _page(self, order: OrderRequest, method: str, product_code: str) -> str:
        until = order.expires_at.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
        asked = {
            **_trade(order),
            "product_code": product_code,
            "timeout_express": self._minutes_left(order),
            "time_expire": until,
        }
        return self.address(method, asked, notify_url=order.notify_url, return_url=order.return_url)

    def _minutes_left(self, order: OrderRequest) -> str:
        """Return how long the trade may wait: an unscanned code cannot be closed, so it must run out."""
        left = (order.expires_at - clock.now()).total_seconds() / 60
        return f"{max(1, math.ceil(left))}m"

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an order by our number. Raises ProviderUnavailable when the outcome is unknown.

        A trade begins when the payer scans or signs in: until then it does not exist, and that says
        nothing about what is to come.
        """
        try:
            answer = self.call("alipay.trade.query", {"out_trade_no": merchant_ref})
        except ProviderRejected as refused:
            if refused.code.endswith("TRADE_NOT_EXIST"):
                return QueryResult(OrderState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        try:
            if answer.get("out_trade_no") != merchant_ref:
                raise Unparsable("another order")
            return notices.queried(answer, self.merchant)
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid order. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            self.call("alipay.trade.close", {"out_trade_no": merchant_ref})
        except ProviderRejected as refused:
            return self._not_closed(merchant_ref, refused)
        return CloseResult.CLOSED

    def _not_closed(self, merchant_ref: str, refused: ProviderRejected) -> CloseResult:
        """Say why a close was refused; what the state was is asked, because the refusal does not tell."""
        if refused.code.endswith("TRADE_NOT_EXIST"):
            return CloseResult.NOT_EXIST
        if refused.code.endswith("TRADE_HAS_SUCCESS"):
            return CloseResult.ALREADY_PAID
        state = self.query(merchant_ref).state
        if state is OrderState.PAID:
            return CloseResult.ALREADY_PAID
        if state is OrderState.CLOSED:
            return CloseResult.CLOSED
        raise ProviderUnavailable(refused.code) from refused

    # ------------------------------------------------------------------ notices

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:  # noqa: ARG002
        """Check a notice by its own signature: every retry carries the same, so its age says nothing.

        Raises:
            Rejected: not authentic. Unparsable: authentic, but without its number.
        """
        fields = signing.verify_form(self.public_keys, raw)
        number, state = fields.get("notify_id", ""), fields.get("trade_status", "")
        if not 1 <= len(number) <= 256:
            raise Unparsable("no number")
        kind = fields.get("notify_type", "")
        if kind in AGREEMENT_NOTICES and fields.get("app_id") == self.app_id:
            code = fields.get("external_agreement_no", "")[:64]
            return Envelope(self.name, self.account, number, kind, raw, contract=code)
        return Envelope(self.name, self.account, number, state[:64] or "unknown", raw)

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice. Raises Unparsable."""
        try:
            return notices.read(signing.read_form(raw), self.merchant)
        except (Rejected, KeyError) as bad:
            raise Unparsable("not a notice") from bad

    def reply(self, status: int) -> Reply:
        """Answer the seven letters of ``success`` for kept, and ``failure`` else, so that it comes again."""
        if status < 300:
            return Reply(200, "success", "text/plain")
        return Reply(status, "failure", "text/plain")

    def is_genuine_return(self, query: bytes) -> bool:
        """Whether Alipay signed what a browser brings back. It says nothing of money: ask."""
        try:
            fields = signing.verify_form(self.public_keys, query)
        except Rejected:
            return False
        return (fields.get("app_id"), fields.get("seller_id")) == (self.app_id, self.account)

    # ------------------------------------------------------------------ refunds

    def refund(self, request: RefundRequest) -> RefundResult:
        """Send money back under our number; sent again after an unknown outcome it refunds nothing twice.

        Raises:
            ProviderUnavailable: unknown, or the balance is too low at the moment.
            ProviderRejected: refused, and the query knows of no refund of that number.
        """
        try:
            answer = self.call("alipay.trade.refund", refunds.content(request))
        except ProviderRejected as refused:
            return self._not_refunded(request, refused)
        try:
            return refunds.sent(answer, request, self.account, clock.now())
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    def _not_refunded(self, request: RefundRequest, refused: ProviderRejected) -> RefundResult:
        if refunds.is_for_later(refused.code):
            raise ProviderUnavailable(refused.code) from refused
        known = self.query_refund(request)
        if known.state is RefundState.NOT_EXIST:
            raise refused
        return known

    def query_refund(self, request: RefundRequest) -> RefundResult:
        """Ask about a refund. Raises ProviderUnavailable when the outcome is unknown."""
        asked = {
            "out_trade_no": request.merchant_ref,
            "out_request_no": request.refund_no,
            "query_options": ["gmt_refund_pay"],
        }
        try:
            answer = self.call("alipay.trade.fastpay.refund.query", asked)
        except ProviderRejected as refused:
            if refused.code.endswith("NOT_EXIST"):
                return RefundResult(RefundState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        try:
            return refunds.queried(answer, request, self.account, clock.now())
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    # ------------------------------------------------------------------ bills

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:
        """Fetch a day's file: its address first, then at once the zip, unpacked.

        Raises:
            ProviderUnavailable: no believable answer. BillBroken: no whole zip, or another host's.
        """
        asked = {"bill_type": bills.TYPES[kind], "bill_date": day.isoformat()}
        try:
            told = self.call("alipay.data.dataservice.bill.downloadurl.query", asked)
        except ProviderRejected as refused:
            if not refused.code.lower().endswith("bill_not_exist"):
                raise ProviderUnavailable(refused.code) from refused
            start = datetime(day.year, day.month, day.day, tzinfo=clock.SHANGHAI)
            is_early = clock.now() < start + BILL_READY_BY
            return BillStatus.NOT_READY if is_early else BillStatus.EMPTY
        packed = into.with_name(f"{into.name}.zip")
        try:
            self._download(self._bill_address(told.get("bill_download_url")), packed)
            bills.unpack(packed, into)
        finally:
            packed.unlink(missing_ok=True)
        return BillStatus.READY

    def _bill_address(self, told: Any) -> str:
        """Return where a bill may be fetched: at the gateway's own host or, over https, at Alipay's.

        Raises:
            BillBroken: at another host.
        """
        parts, ours = urlsplit(str(told)), urlsplit(self.gateway_url)
        if (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc):
            return str(told)
        is_theirs = parts.netloc == parts.hostname and parts.netloc.endswith(BILL_HOSTS)
        if not is_theirs or parts.scheme not in ("http", "https"):
            raise BillBroken("the file's address is at another host")
        return urlunsplit(parts._replace(scheme="https"))

    def _download(self, url: str, into: Path) -> None:
        size = 0
        try:
            with self.http.stream("GET", url) as answer, into.open("wb") as out:
                if not answer.is_success:
                    raise ProviderUnavailable(f"status {answer.status_code}")
                for chunk in answer.iter_raw():
                    size += len(chunk)
                    if size > LARGEST_ZIP:
                        raise BillBroken("the zip is larger than 1 GiB")
                    out.write(chunk)
        except httpx.HTTPError as broken:
            raise ProviderUnavailable(type(broken).__name__) from broken

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        """Read a file line by line. Raises BillBroken."""
        return bills.read(file, self.account, kind)

    # ------------------------------------------------------------------ calls

    def address(self, method: str, content: Mapping[str, Any], **more: str) -> str:
        """Return a signed address for a browser."""
        return f"{self.gateway_url}?{urlencode(self._fields(method, content, **more))}"

    def _fields(self, method: str, content: Mapping[str, Any], **more: str) -> dict[str, str]:
        now = clock.now().astimezone(clock.SHANGHAI)
        return signing.signed(
            self.private_key,
            {
                "app_id": self.app_id,
                "method": method,
                "format": "JSON",
                "charset": "utf-8",
                "sign_type": signing.RSA2,
                "timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
                "version": "1.0",
                "biz_content": json.dumps(content, ensure_ascii=False),
                **more,
            },
        )

    def call(self, method: str, content: Mapping[str, Any], **more: str) -> dict[str, Any]:
        """Send one signed request and return its signed answer. Raises ProviderUnavailable, ProviderRejected."""
        body = urlencode(self._fields(method, content, **more)).encode()
        try:
            answer = self.http.post(self.gateway_url, content=body, headers={"Content-Type": FORM})
        except httpx.HTTPError as broken:
            raise ProviderUnavailable(type(broken).__name__) from broken
        if not answer.is_success:
            raise ProviderUnavailable(f"status {answer.status_code}")
        if len(answer.content) > MAX_ANSWER:
            raise ProviderUnavailable("an answer that is too long")
        return self._believed(answer.content, f"{method.replace('.', '_')}_response")

    def _believed(self, raw: bytes, node: str) -> dict[str, Any]:
        """Return a signed answer. An unsigned error proves nothing, whatever it says.

        Raises:
            ProviderUnavailable: not signed, not ours, or an error of the gateway or of our settings.
            ProviderRejected: refused for a reason of the trade itself.
        """
        try:
            found = signing.members(raw.decode())
            body, inner = found[node]
            signing.verify(self.public_keys, inner.encode(), str(found["sign"][0]))
        except (UnicodeDecodeError, KeyError, Unparsable, Rejected) as bad:
            raise ProviderUnavailable(f"an answer that cannot be believed: {bad}") from bad
        if not isinstance(body, dict):
            raise ProviderUnavailable("an answer that is no object")
        code, reason = str(body.get("code")), str(body.get("sub_code", ""))
        if code == DONE:
            return body
        if code == BUSINESS and reason:
            raise ProviderRejected(reason, str(body.get("sub_msg", "")))
        raise ProviderUnavailable(f"{code} {reason}")


def _trade(order: OrderRequest) -> dict[str, str]:
    return {
        "out_trade_no": order.merchant_ref,
        "total_amount": str(order.amount.decimal()),
        "subject": subject(order.description) or order.merchant_ref,
    }


def subject(description: str) -> str:
    """Return a description as the platform takes it."""
    return _TROUBLE.sub(" ", description).strip()[:SUBJECT_LENGTH]
