"""The adapter: agreements and charges out, notices in."""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from urllib.parse import urlencode

import httpx

from fundraising import clock
from fundraising.money import Money, MoneyError
from fundraising.payments.providers.agreements import Agreement, AgreementState, SignRequest
from fundraising.payments.providers.base import (
    ChargeRequest,
    CloseResult,
    Contract,
    Envelope,
    Fact,
    FactKind,
    FactSource,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    QueryResult,
    Rejected,
    Reply,
    Unparsable,
)
from fundraising.payments.providers.papay import wire
from fundraising.payments.providers.wechatpay import WechatPay

DURATION_DAYS = 3
"""On how many days after its wait an announced charge may be made, at most."""

STATES = {
    "0": AgreementState.STANDING,
    "1": AgreementState.ABSENT,
    "9": AgreementState.WAITING,
}
ORDERS = {
    "SUCCESS": OrderState.PAID,
    "REFUND": OrderState.PAID,
    "CLOSED": OrderState.CLOSED,
    "REVOKED": OrderState.CLOSED,
}
UNKNOWN = ("SYSTEMERROR", "SYSTEM_ERROR", "FREQUENCY_LIMITED", "BIZERR_NEED_RETRY", "")
DONE = ("ORDERPAID", "ORDER_PAID", "OUT_TRADE_NO_USED")
"""The number is known there: what became of it is asked, never assumed."""

GONE = ("CONTRACT_NOT_EXIST", "CONTRACT_NOT_EXISTS", "CONTRACTNOTEXIST")
SHOWN, DESCRIBED = 32, 40
MAX_ANSWER = 64 * 1024
NO_CONTENT = 204
_AMOUNT = re.compile(r"[1-9][0-9]{0,10}")


@dataclass(frozen=True)
class Papay:
    """委托代扣 for one merchant and one template. ``keys`` are APIv2 keys, the present one first."""

    v3: WechatPay
    plan_id: str
    keys: Sequence[str] = field(repr=False)
    wants_notice: bool
    name: str = "papay"
    waits_days: int = 2
    largest_notice: int = 64 * 1024

    # ------------------------------------------------------------------ agreements

    def sign_url(self, request: SignRequest) -> str:
        """Return the page on which a donor agrees: inside WeChat at once, outside by asking for its address.

        Raises:
            ProviderUnavailable: no believable answer. ProviderRejected: refused, for certain.
        """
        now = clock.now()
        asked = {
            "appid": self.v3.appid,
            "mch_id": self.v3.account,
            "plan_id": self.plan_id,
            "contract_code": request.code,
            "request_serial": str(int(now.timestamp() * 1_000_000)),
            "contract_display_account": wire.plain(request.shown_as, SHOWN),
            "notify_url": request.notify_url,
            "version": "1.0",
            "timestamp": str(int(now.timestamp())),
        }
        if request.is_in_app:
            return self._address("/papay/entrustweb", asked, wire.MD5)
        asked |= {"clientip": request.client_ip, "return_appid": self.v3.appid}
        answer = self._send("GET", self._address("/papay/h5entrustweb", asked, wire.HMAC), b"")
        url = answer.get("redirect_url", "")
        if not url.startswith("https://") and not url.startswith(self.v3.base_url):
            raise ProviderUnavailable("no page in the answer")
        return url

    def look(self, code: str) -> Agreement:
        """Ask about an agreement by our number. Raises ProviderUnavailable."""
        asked = {**self._who(), "plan_id": self.plan_id, "contract_code": code, "version": "1.0"}
        try:
            told = self._call("/papay/querycontract", asked)
        except ProviderRejected as refused:
            if refused.code in GONE:
                return Agreement(AgreementState.ABSENT)
            raise ProviderUnavailable(refused.code) from refused
        if told.get("contract_code", code) != code:
            raise ProviderUnavailable("an answer about another agreement")
        state = STATES.get(told.get("contract_state", ""))
        if state is None:
            raise ProviderUnavailable("an agreement in no known state")
        if state is not AgreementState.STANDING:
            return Agreement(state)
        payer, number = told.get("openid", ""), told.get("contract_id", "")
        if not payer or not number:
            raise ProviderUnavailable("an agreement without its numbers")
        return Agreement(state, Contract(payer, number))

    def end(self, code: str) -> None:
        """End an agreement; one that is gone already is as good. Raises ProviderUnavailable."""
        asked = {
            **self._who(),
            "plan_id": self.plan_id,
            "contract_code": code,
            "contract_termination_remark": "月捐结束",
            "version": "1.0",
        }
        try:
            self._call("/papay/deletecontract", asked)
        except ProviderRejected as refused:
            if self.look(code).state is not AgreementState.ABSENT:
                raise ProviderUnavailable(refused.code) from refused

    def tell(self, code: str, contract: Contract, amount: Money, due_on: date) -> None:  # noqa: ARG002  WeChat counts the days itself
        """Let WeChat tell the donor of a charge (预扣费通知); told before is as good.

        Raises:
            ProviderUnavailable: unknown; ask again. ProviderRejected: it cannot be charged.
        """
        body = {
            "mchid": self.v3.account,
            "appid": self.v3.appid,
            "deduct_duration": {"count": DURATION_DAYS, "unit": "DAY"},
            "estimated_amount": {"amount": amount.minor, "currency": amount.currency},
        }
        try:
            self.v3.call("POST", f"/v3/papay/contracts/{contract.means_ref}/notify", body)
        except ProviderRejected as refused:
            if refused.code != "RESOURCE_ALREADY_EXISTS":
                raise

    # ------------------------------------------------------------------ charges

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Ask for a charge; accepted is not paid, so the answer is never more than an empty list.

        Raises:
            ProviderUnavailable: unknown. ProviderRejected: refused, for certain.
        """
        asked = {
            **self._who(),
            "nonce_str": secrets.token_hex(16),
            "body": wire.plain(request.description, DESCRIBED),
            "out_trade_no": request.merchant_ref,
            "total_fee": str(request.amount.minor),
            "fee_type": request.amount.currency,
            "spbill_create_ip": "127.0.0.1",
            "notify_url": request.notify_url,
            "trade_type": "PAP",
            "contract_id": request.contract.means_ref,
        }
        try:
            self._call("/pay/pappayapply", asked)
        except ProviderRejected as refused:
            if refused.code in DONE:
                raise ProviderUnavailable(refused.code) from refused
            raise
        return []

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about a charge. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            told = self._call("/pay/orderquery", self._order(merchant_ref))
        except ProviderRejected as refused:
            if refused.code in ("ORDERNOTEXIST", "ORDER_NOT_EXIST"):
                return QueryResult(OrderState.NOT_EXIST)
            raise ProviderUnavailable(refused.code) from refused
        if told.get("out_trade_no", merchant_ref) != merchant_ref:
            raise ProviderUnavailable("an answer about another order")
        state = ORDERS.get(told.get("trade_state", ""), OrderState.NOTPAY)
        if state is not OrderState.PAID:
            return QueryResult(state)
        try:
            return QueryResult(state, [self._paid(told, FactSource.QUERY)])
        except Unparsable as bad:
            raise ProviderUnavailable("an answer that makes no sense") from bad

    def close(self, merchant_ref: str) -> CloseResult:
        """Close a charge that nobody paid. Raises ProviderUnavailable when the outcome is unknown."""
        try:
            self._call("/pay/closeorder", self._order(merchant_ref))
        except ProviderRejected as refused:
            if refused.code in ("ORDERPAID", "ORDER_PAID"):
                return CloseResult.ALREADY_PAID
            if refused.code in ("ORDERNOTEXIST", "ORDER_NOT_EXIST"):
                return CloseResult.NOT_EXIST
            if refused.code not in ("ORDERCLOSED", "ORDER_CLOSED"):
                raise ProviderUnavailable(refused.code) from refused
        return CloseResult.CLOSED

    # ------------------------------------------------------------------ notices

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice: form, signature, merchant. The interface gives no number and no time: its bytes are the key.

        Raises:
            Rejected: not authentic. Unparsable: no notice.
        """
        del headers, now
        fields = wire.read(raw)
        wire.verify(fields, self.keys)
        if fields.get("mch_id") != self.v3.account:
            raise Rejected("another merchant")
        change = fields.get("change_type")
        event = f"contract.{change.lower()}" if change else "charge"
        code = fields.get("contract_code", "") if change else ""
        if change and (change not in ("ADD", "DELETE") or not code):
            raise Unparsable("a change of no agreement")
        number = hashlib.sha256(raw).hexdigest()
        return Envelope(self.name, self.v3.account, number, event, raw, contract=code)

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice. Only a charge that came in is a fact; what failed is asked about."""
        fields = wire.read(raw)
        if "change_type" in fields or fields.get("result_code") != "SUCCESS":
            return []
        if fields.get("trade_state", "SUCCESS") != "SUCCESS" or not fields.get("transaction_id"):
            return []
        return [self._paid(fields, FactSource.NOTICE)]

    def reply(self, status: int) -> Reply:
        """Answer in the XML that the documentation asks for."""
        code, said = ("SUCCESS", "OK") if status == NO_CONTENT else ("FAIL", "refused")
        body = (
            f"<xml><return_code><![CDATA[{code}]]></return_code>"
            f"<return_msg><![CDATA[{said}]]></return_msg></xml>"
        )
        return Reply(200 if status == NO_CONTENT else status, body, "text/xml")

    # ------------------------------------------------------------------ inside

    def _who(self) -> dict[str, str]:
        return {"appid": self.v3.appid, "mch_id": self.v3.account}

    def _order(self, merchant_ref: str) -> dict[str, str]:
        nonce = secrets.token_hex(16)
        return {**self._who(), "out_trade_no": merchant_ref, "nonce_str": nonce}

    def _paid(self, fields: Mapping[str, str], source: FactSource) -> Fact:
        """Read a charge that came in. Raises Unparsable."""
        if (fields.get("appid"), fields.get("mch_id")) != (self.v3.appid, self.v3.account):
            raise Unparsable("another app or merchant")
        total, number = fields.get("total_fee", ""), fields.get("transaction_id", "")
        if not _AMOUNT.fullmatch(total) or not number:
            raise Unparsable("amount or number")
        try:
            at = datetime.strptime(f"{fields['time_end']}+0800", "%Y%m%d%H%M%S%z")
            return Fact(
                provider=self.v3.name,
                account=self.v3.account,
                kind=FactKind.PAID,
                fact_ref=number,
                merchant_ref=fields["out_trade_no"],
                amount=Money(int(total), fields.get("fee_type") or "CNY"),
                occurred_at=at,
                source=source,
                payer=fields.get("openid"),
            )
        except (KeyError, ValueError, MoneyError) as bad:
            raise Unparsable("charge") from bad

    def _address(self, path: str, fields: Mapping[str, str], scheme: str) -> str:
        signed = {**fields, "sign": wire.sign(fields, self.keys[0], scheme)}
        return f"{self.v3.base_url}{path}?{urlencode(sorted(signed.items()))}"

    def _call(self, path: str, fields: Mapping[str, str]) -> dict[str, str]:
        signed = {**fields, "sign": wire.sign(fields, self.keys[0])}
        return self._send("POST", f"{self.v3.base_url}{path}", wire.write(signed))

    def _send(self, method: str, url: str, raw: bytes) -> dict[str, str]:
        """Send, and return an answer that is signed and a success.

        Raises:
            ProviderUnavailable: unknown. ProviderRejected: a signed refusal.
        """
        try:
            answer = self.v3.http.request(
                method, url, content=raw, headers={"Content-Type": "text/xml; charset=utf-8"}
            )
            if not answer.is_success or len(answer.content) > MAX_ANSWER:
                raise ProviderUnavailable(f"status {answer.status_code}")
            fields = wire.read(answer.content)
        except (httpx.HTTPError, Unparsable) as broken:
            raise ProviderUnavailable(type(broken).__name__) from broken
        if fields.get("return_code") != "SUCCESS":
            raise ProviderUnavailable(fields.get("return_msg", "")[:80])
        self._believe(method, fields)
        if fields.get("result_code", "SUCCESS") == "SUCCESS":
            return fields
        code = fields.get("err_code", "")
        if code in UNKNOWN:
            raise ProviderUnavailable(code)
        raise ProviderRejected(code, fields.get("err_code_des", "")[:80])

    def _believe(self, method: str, fields: Mapping[str, str]) -> None:
        """Require a signature; the address of a page comes without one (documentation 4011987295)."""
        if method == "GET" and "sign" not in fields:
            return
        try:
            wire.verify(fields, self.keys)
        except Rejected as forged:
            raise ProviderUnavailable(f"unverified answer: {forged}") from forged
