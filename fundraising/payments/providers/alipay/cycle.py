"""Alipay 周期扣款: agreements by which a donor is charged once in a period, and the charges under them.

Source of the rules: Alipay's documentation of 周期扣款 (alipay.user.agreement.page.sign, .query, .unsign,
.executionplan.modify, alipay.trade.pay with CYCLE_PAY_AUTH) and its published SDKs. Not confirmed, hence behind
ALIPAY_MONTHLY: that a charity is given the product and a scene for it; that a telephone's browser is led from the
gateway's page into the app; how many days before its date a charge may be made (three and five are both written).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fundraising.money import Money
from fundraising.payments.providers.agreements import Agreement, AgreementState, SignRequest
from fundraising.payments.providers.alipay import notices
from fundraising.payments.providers.alipay.client import Alipay, subject
from fundraising.payments.providers.base import (
    ChargeRequest,
    CloseResult,
    Contract,
    Envelope,
    Fact,
    FactSource,
    ProviderRejected,
    ProviderUnavailable,
    QueryResult,
    Reply,
    Unparsable,
)

PRODUCT, PERSONAL = "CYCLE_PAY_AUTH", "CYCLE_PAY_AUTH_P"
STATES = {
    "NORMAL": AgreementState.STANDING,
    "TEMP": AgreementState.WAITING,
    "STOP": AgreementState.ABSENT,
}
LAST_DAY = 28
NOT_CERTAIN = ("SYSTEM_ERROR", "TRADE_HAS_SUCCESS", "TRADE_HAS_CLOSE", "CONTEXT_INCONSISTENT")
"""Refusals that do not say that no money moved under this number."""


@dataclass(frozen=True)
class CyclePay:
    """周期扣款 for one seller and app. ``sign_scene`` is what Alipay assigned."""

    alipay: Alipay
    sign_scene: str
    name: str = notices.NAME
    wants_notice: bool = True
    waits_days: int = 0

    @property
    def largest_notice(self) -> int:
        """How many bytes a notice may have."""
        return self.alipay.largest_notice

    # ------------------------------------------------------------------ agreements

    def sign_url(self, request: SignRequest) -> str:
        """Return the signed address of the page on which a donor agrees; nobody is asked."""
        asked = {
            "product_code": PRODUCT,
            "personal_product_code": PERSONAL,
            "sign_scene": self.sign_scene,
            "external_agreement_no": request.code,
            "access_params": {"channel": "ALIPAYAPP" if request.is_phone else "QRCODE"},
            "period_rule_params": {
                "period_type": "MONTH",
                "period": "1",
                "execute_time": request.first_on.isoformat(),
                "single_amount": str(request.amount.decimal()),
            },
        }
        more = {"notify_url": request.notify_url, "return_url": request.return_url}
        return self.alipay.address("alipay.user.agreement.page.sign", asked, **more)

    def look(self, code: str) -> Agreement:
        """Ask about an agreement by our number. Raises ProviderUnavailable."""
        told = self._look(code)
        state = STATES.get(str(told.get("status"))) if told else AgreementState.ABSENT
        if state is None:
            raise ProviderUnavailable("an agreement in no known state")
        if state is not AgreementState.STANDING:
            return Agreement(state)
        number = told.get("agreement_no")
        payer = told.get("principal_open_id") or told.get("principal_id")
        if not isinstance(number, str) or not isinstance(payer, str) or not number:
            raise ProviderUnavailable("an agreement without its numbers")
        return Agreement(state, Contract(payer, number))

    def _look(self, code: str) -> dict[str, Any]:
        asked = {
            "personal_product_code": PERSONAL,
            "sign_scene": self.sign_scene,
            "external_agreement_no": code,
        }
        try:
            told = self.alipay.call("alipay.user.agreement.query", asked)
        except ProviderRejected as refused:
            if refused.code.endswith("NOT_EXIST"):
                return {}
            raise ProviderUnavailable(refused.code) from refused
        if told.get("external_agreement_no", code) != code:
            raise ProviderUnavailable("an answer about another agreement")
        return told

    def end(self, code: str) -> None:
        """End an agreement; one that is gone already is as good. Raises ProviderUnavailable."""
        found = self.look(code)
        if found.contract is None:
            return
        try:
            self.alipay.call(
                "alipay.user.agreement.unsign", {"agreement_no": found.contract.means_ref}
            )
        except ProviderRejected as refused:
            if not refused.code.endswith("NOT_EXIST"):
                raise ProviderUnavailable(refused.code) from refused

    def tell(self, code: str, contract: Contract, amount: Money, due_on: date) -> None:  # noqa: ARG002  the day alone
        """Put the plan's next date off to the day of a charge, where it lies before: only a charge moves it by itself.

        Raises:
            ProviderUnavailable: unknown; ask again. ProviderRejected: it cannot be charged on that day.
        """
        planned = self._look(code).get("next_deduct_time")
        try:
            next_on = date.fromisoformat(str(planned)[:10])
        except ValueError as bad:
            raise ProviderUnavailable("an agreement without its plan") from bad
        if next_on >= due_on:
            return
        if due_on.day > LAST_DAY:
            raise ProviderRejected("DAY_BEYOND_28")
        asked = {
            "agreement_no": contract.means_ref,
            "deduct_time": due_on.isoformat(),
            "memo": "捐赠人的月捐日",
        }
        self.alipay.call("alipay.user.agreement.executionplan.modify", asked)

    # ------------------------------------------------------------------ charges

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Charge a donor, once per number.

        Raises:
            ProviderUnavailable: unknown, or under way. ProviderRejected: refused, and no trade of that number waits.
        """
        asked = {
            "out_trade_no": request.merchant_ref,
            "total_amount": str(request.amount.decimal()),
            "subject": subject(request.description) or request.merchant_ref,
            "product_code": PRODUCT,
            "agreement_params": {"agreement_no": request.contract.means_ref},
        }
        try:
            told = self.alipay.call("alipay.trade.pay", asked, notify_url=request.notify_url)
        except ProviderRejected as refused:
            if refused.code.endswith(NOT_CERTAIN):
                raise ProviderUnavailable(refused.code) from refused
            if self.alipay.close(request.merchant_ref) is CloseResult.ALREADY_PAID:
                raise ProviderUnavailable(refused.code) from refused
            raise
        try:
            if told.get("out_trade_no") != request.merchant_ref:
                raise Unparsable("another order")
            return [notices.paid(told, self.alipay.merchant, FactSource.QUERY)]
        except Unparsable as bad:
            raise ProviderUnavailable(f"an answer that makes no sense: {bad}") from bad

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about a charge. Raises ProviderUnavailable when the outcome is unknown."""
        return self.alipay.query(merchant_ref)

    def close(self, merchant_ref: str) -> CloseResult:
        """Close a charge that was not made. Raises ProviderUnavailable when the outcome is unknown."""
        return self.alipay.close(merchant_ref)

    # ------------------------------------------------------------------ notices, as for every trade

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice. Raises Rejected or Unparsable."""
        return self.alipay.authenticate(headers, raw, now)

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice for what it says of money. Raises Unparsable."""
        return self.alipay.parse(raw)

    def reply(self, status: int) -> Reply:
        """Answer as for every notice."""
        return self.alipay.reply(status)
