"""The adapter: orders out, notices in, facts from both."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from fundraising import clock
from fundraising.payments.providers import strict_json
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillRow,
    BillStatus,
    CloseResult,
    Envelope,
    Fact,
    FactSource,
    Instruction,
    OrderRequest,
    OrderState,
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
from fundraising.payments.providers.wechatpay import bills, refunds, signing, transactions

EVENT_KINDS = {
    "TRANSACTION.SUCCESS": "transaction",
    "REFUND.SUCCESS": "refund",
    "REFUND.ABNORMAL": "refund",
    "REFUND.CLOSED": "refund",
}
BILL_PATHS = {
    BillKind.TRADE: "/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP",
    BillKind.FUND_FLOW: "/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP",
}
MAX_ANSWER = 256 * 1024
NO_CONTENT = 204


@dataclass(frozen=True)
class WechatPay:
    """WeChat Pay for one merchant.

    ``verify_keys`` maps certificate serials and public key ids to keys; ``apiv3_keys`` are 32 bytes
    each, the present one first.
    """

    account: str
    appid: str
    serial: str
    private_key: RSAPrivateKey = field(repr=False)
    apiv3_keys: Sequence[bytes] = field(repr=False)
    verify_keys: Mapping[str, RSAPublicKey]
    base_url: str
    oauth_url: str
    oauth_api_url: str
    app_secret: str = field(repr=False)
    http: httpx.Client = field(repr=False)
    name: str = "wechatpay"
    bill_kinds: tuple[BillKind, ...] = (BillKind.TRADE, BillKind.FUND_FLOW)
    largest_notice: int = 64 * 1024
    unborn_for: timedelta = timedelta(0)

    # ------------------------------------------------------------------ orders

    def open_order(self, order: OrderRequest) -> Instruction:
        """Open an order, or open it again with identical values to get a fresh code.

        Raises:
            ProviderUnavailable: the outcome is unknown; ask again with the same values.
            ProviderRejected: refused, for certain.
        """
        path, key, kind = transactions.PATHS[order.product]
        answer = self.call("POST", path, transactions.body(order, self.account, self.appid))
        value = answer.get(key)
        if not isinstance(value, str) or not value:
            raise ProviderUnavailable("no instruction in the answer")
        return Instruction(kind, value)

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about an order by our number. Raises ProviderUnavailable when the outcome is unknown."""
        path = f"/v3/pay/transactions/out-trade-no/{quote(merchant_ref)}?mchid={self.account}"
        try:
            answer = self.call("GET", path)
        except ProviderRejected as refused:
            if refused.code in ("ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"):
                return QueryResult(OrderState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        state = transactions.STATES.get(str(answer.get("trade_state")), OrderState.NOTPAY)
        if state is not OrderState.PAID:
            return QueryResult(state)
        try:
            return QueryResult(
                state, [transactions.paid(answer, self.account, self.appid, FactSource.QUERY)]
            )
        except Unparsable as bad:
            raise ProviderUnavailable("an answer that makes no sense") from bad

    def close(self, merchant_ref: str) -> CloseResult:
        """Close an unpaid order. Raises ProviderUnavailable when the outcome is unknown."""
        path = f"/v3/pay/transactions/out-trade-no/{quote(merchant_ref)}/close"
        try:
            self.call("POST", path, {"mchid": self.account})
        except ProviderRejected as refused:
            if refused.code in ("ORDER_PAID", "ORDERPAID"):
                return CloseResult.ALREADY_PAID
            if refused.code == "ORDER_NOT_EXIST":
                return CloseResult.NOT_EXIST
            if refused.code in ("ORDER_CLOSED", "ORDERCLOSED"):
                return CloseResult.CLOSED
            raise ProviderUnavailable(refused.code) from refused
        return CloseResult.CLOSED

    # ------------------------------------------------------------------ inside WeChat

    def jsapi_params(self, prepay_id: str, now: datetime) -> dict[str, str]:
        """Return the six values the bridge takes; the signature covers four lines."""
        timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(16)
        package = f"prepay_id={prepay_id}"
        message = f"{self.appid}\n{timestamp}\n{nonce}\n{package}\n".encode()
        return {
            "appId": self.appid,
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": signing.sign(self.private_key, message),
        }

    def openid_url(self, redirect_uri: str, state: str) -> str:
        """Return the silent authorisation page (snsapi_base)."""
        query = urlencode(
            {
                "appid": self.appid,
                "redirect_uri": redirect_uri,
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
            }
        )
        return f"{self.oauth_url}?{query}#wechat_redirect"

    def openid(self, code: str) -> str:
        """Trade a code for the openid. Raises ProviderUnavailable or ProviderRejected."""
        query = urlencode(
            {
                "appid": self.appid,
                "secret": self.app_secret,
                "code": code,
                "grant_type": "authorization_code",
            }
        )
        answer = self._send("GET", f"{self.oauth_api_url}/sns/oauth2/access_token?{query}", {}, b"")
        try:
            openid = json.loads(answer.content).get("openid")
        except (ValueError, AttributeError) as bad:
            raise ProviderUnavailable("no JSON") from bad
        if not isinstance(openid, str) or not openid:
            raise ProviderRejected("invalid code")
        return openid

    # ------------------------------------------------------------------ notices

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice: signature over the raw bytes, time window, form, and that a key opens it.

        Raises:
            Rejected: not authentic. Undecryptable: authentic, our keys do not open it.
            Unparsable: authentic, but not a notice.
        """
        signing.verify(headers, raw, self.verify_keys, now)
        body = strict_json.read(raw)
        number, event = body.get("id"), body.get("event_type")
        if not isinstance(number, str) or not isinstance(event, str) or not 1 <= len(number) <= 64:
            raise Unparsable("no id or event type")
        if event in EVENT_KINDS:
            signing.open_resource(body, self.apiv3_keys)
        return Envelope(self.name, self.account, number, event, raw)

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice. Events we do not know mean nothing to us."""
        body = strict_json.read(raw)
        expected = EVENT_KINDS.get(str(body.get("event_type")))
        if expected is None:
            return []
        kind = (body.get("resource") or {}).get("original_type", expected)
        if kind != expected:
            raise Unparsable("event and resource disagree")
        plain = signing.open_resource(body, self.apiv3_keys)
        if plain.get("mchid") != self.account:
            raise Unparsable("another merchant")
        if expected == "refund":
            told = body.get("create_time")
            at = transactions.instant(told) if told else clock.now()
            return refunds.result(plain, self.account, FactSource.NOTICE, at).facts
        if plain.get("trade_state") != "SUCCESS":
            raise Unparsable("a success that is none")
        return [transactions.paid(plain, self.account, self.appid, FactSource.NOTICE)]

    def reply(self, status: int) -> Reply:
        """Answer 204 for kept; else a failure in the form the documentation asks for."""
        if status == NO_CONTENT:
            return Reply(status)
        return Reply(status, '{"code":"FAIL","message":"refused"}')

    # ------------------------------------------------------------------ refunds

    def refund(self, request: RefundRequest) -> RefundResult:
        """Send money back under our number; sent again after an unknown outcome it refunds nothing twice.

        Raises:
            ProviderUnavailable: unknown, or the balance is too low at the moment.
            ProviderRejected: refused for good.
        """
        try:
            answer = self.call("POST", refunds.PATH, refunds.body(request))
        except ProviderRejected as refused:
            if refused.code in refunds.LATER:
                raise ProviderUnavailable(refused.code) from refused
            raise
        return self._refund(answer)

    def query_refund(self, request: RefundRequest) -> RefundResult:
        """Ask about a refund. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            answer = self.call("GET", f"{refunds.PATH}/{quote(request.refund_no)}")
        except ProviderRejected as refused:
            if refused.code in ("RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS"):
                return RefundResult(RefundState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        return self._refund(answer)

    def _refund(self, answer: Mapping[str, Any]) -> RefundResult:
        try:
            return refunds.result(answer, self.account, FactSource.QUERY, clock.now())
        except Unparsable as bad:
            raise ProviderUnavailable("an answer that makes no sense") from bad

    # ------------------------------------------------------------------ bills

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:
        """Fetch a day's file: its address and hash first, then the file itself, unpacked and compared.

        Raises:
            ProviderUnavailable: no believable answer. BillBroken: not the file that was announced.
        """
        try:
            told = self.call("GET", BILL_PATHS[kind].format(day=day.isoformat()))
        except ProviderRejected as refused:
            if refused.code == "NO_STATEMENT_EXIST":
                return BillStatus.EMPTY
            if refused.code == "STATEMENT_CREATING":
                return BillStatus.NOT_READY
            raise ProviderUnavailable(refused.code) from refused
        url, announced = str(told.get("download_url", "")), str(told.get("hash_value", ""))
        parts, ours = urlsplit(url), urlsplit(self.base_url)
        if (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc):
            raise BillBroken("the file's address is at another host")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            with self.http.stream("GET", url, headers=self._headers("GET", target)) as answer:
                if not answer.is_success:
                    raise ProviderUnavailable(f"status {answer.status_code}")
                bills.unpack(answer.iter_raw(), into, announced)
        except httpx.HTTPError as broken:
            raise ProviderUnavailable(type(broken).__name__) from broken
        return BillStatus.READY

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        """Read a file line by line. Raises BillBroken."""
        if kind is BillKind.TRADE:
            return bills.read_trade(file, self.account)
        return bills.read_fund_flow(file)

    # ------------------------------------------------------------------ calls

    def call(
        self, method: str, target: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one signed request and return its signed answer. Raises ProviderUnavailable, ProviderRejected."""
        raw = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        answer = self._send(method, self.base_url + target, self._headers(method, target, raw), raw)
        return self._believed(answer)

    def _headers(self, method: str, target: str, raw: bytes = b"") -> dict[str, str]:
        now = clock.now()
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "fundraising/1",
            "Authorization": signing.authorization(
                self.private_key,
                mchid=self.account,
                serial=self.serial,
                method=method,
                target=target,
                timestamp=int(now.timestamp()),
                nonce=secrets.token_hex(16),
                body=raw,
            ),
        }
        public_key = next(
            (name for name in self.verify_keys if name.startswith("PUB_KEY_ID_")), None
        )
        if public_key is not None:
            headers["Wechatpay-Serial"] = public_key
        return headers

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], raw: bytes
    ) -> httpx.Response:
        try:
            answer = self.http.request(method, url, headers=dict(headers), content=raw)
        except httpx.HTTPError as broken:
            raise ProviderUnavailable(type(broken).__name__) from broken
        if len(answer.content) > MAX_ANSWER:
            raise ProviderUnavailable("an answer that is too long")
        return answer

    def _believed(self, answer: httpx.Response) -> dict[str, Any]:
        """Return a signed answer's body; a success without a good signature is forged or garbled."""
        is_signed = "wechatpay-signature" in answer.headers
        if is_signed or answer.is_success:
            try:
                signing.verify(answer.headers, answer.content, self.verify_keys, clock.now())
            except Rejected as forged:
                raise ProviderUnavailable(f"unverified answer: {forged}") from forged
        if answer.status_code == NO_CONTENT:
            return {}
        try:
            body = strict_json.read(answer.content)
        except Unparsable as garbage:
            raise ProviderUnavailable("no JSON") from garbage
        if answer.is_success:
            return body
        code = str(body.get("code", ""))
        if (
            answer.is_server_error
            or code in ("SYSTEM_ERROR", "FREQUENCY_LIMITED", "")
            or not is_signed
        ):
            raise ProviderUnavailable(code or f"status {answer.status_code}")
        raise ProviderRejected(code, str(body.get("message", "")))
