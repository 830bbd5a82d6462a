"""Refunds as Alipay tells them. Taken is not refunded: only ``fund_change=Y`` or the query says so.

The same ``out_request_no`` again answers ``10000`` with ``fund_change=N`` and moves nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fundraising.money import Money
from fundraising.payments.providers.alipay import notices
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    RefundRequest,
    RefundResult,
    RefundState,
    Unparsable,
)

REASON_LENGTH = 80
SUCCESS = "REFUND_SUCCESS"
LATER = ("SELLER_BALANCE_NOT_ENOUGH", "SYSTEM_ERROR")
"""Ends of refusals that say nothing for good: the same number is sent again later."""


def content(request: RefundRequest) -> dict[str, Any]:
    """Return what is sent to ask for a refund; the same values on every try."""
    return {
        "out_trade_no": request.merchant_ref,
        "out_request_no": request.refund_no,
        "refund_amount": str(request.amount.decimal()),
        "refund_reason": request.reason[:REASON_LENGTH],
    }


def is_for_later(code: str) -> bool:
    """Whether a refusal may end by itself."""
    return code.endswith(LATER)


def sent(
    answer: Mapping[str, Any], request: RefundRequest, account: str, at: datetime
) -> RefundResult:
    """Read the answer to a wish for a refund. Raises Unparsable."""
    _same("out_trade_no", answer, request.merchant_ref)
    if answer.get("fund_change") != "Y":
        return RefundResult(RefundState.PROCESSING)
    fact = _refunded(answer, request, account, request.amount, at)
    return RefundResult(RefundState.SUCCEEDED, [fact])


def queried(
    answer: Mapping[str, Any], request: RefundRequest, account: str, at: datetime
) -> RefundResult:
    """Read the answer to a query. An answer without any amount says that there is no such refund.

    Newer accounts are told a state; for older ones an amount alone means that the refund was made.

    Raises:
        Unparsable: another trade's or refund's, or values that make no sense.
    """
    amount, state = answer.get("refund_amount"), answer.get("refund_status")
    if amount is None and state is None:
        return RefundResult(RefundState.NOT_EXIST)
    _same("out_trade_no", answer, request.merchant_ref)
    _same("out_request_no", answer, request.refund_no)
    if state not in (None, "", SUCCESS):
        return RefundResult(RefundState.PROCESSING)
    fact = _refunded(answer, request, account, notices.yuan(amount), at)
    return RefundResult(RefundState.SUCCEEDED, [fact])


def _same(name: str, answer: Mapping[str, Any], expected: str) -> None:
    if answer.get(name) != expected:
        raise Unparsable(f"another {name}")


def _refunded(
    answer: Mapping[str, Any], request: RefundRequest, account: str, amount: Money, at: datetime
) -> Fact:
    if not amount:
        raise Unparsable("a refund's amount")
    told = answer.get("gmt_refund_pay")
    return Fact(
        provider=notices.NAME,
        account=account,
        kind=FactKind.REFUNDED,
        fact_ref=request.refund_no,
        merchant_ref=request.merchant_ref,
        amount=amount,
        occurred_at=notices.instant(told) if told else at,
        source=FactSource.QUERY,
        payment_ref=notices.text(answer.get("trade_no")),
    )
