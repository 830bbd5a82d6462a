"""Refunds as WeChat Pay v3 tells them: answers, queries and notices carry the same object.

Accepted is not refunded. ``ABNORMAL`` (the payer's card is gone) is not final and waits for a person;
``CLOSED`` is a refund that failed and needs a new number (refund documentation, 4012556457).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fundraising.money import Money, MoneyError
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    RefundRequest,
    RefundResult,
    RefundState,
    Unparsable,
)

PATH = "/v3/refund/domestic/refunds"
REASON_LENGTH = 80
LATER = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "BIZERR_NEED_RETRY"})
"""Refusals of this moment: the same number is sent again later."""
STATES = {
    "SUCCESS": RefundState.SUCCEEDED,
    "CLOSED": RefundState.FAILED,
    "ABNORMAL": RefundState.STUCK,
    "PROCESSING": RefundState.PROCESSING,
}
KINDS = {
    RefundState.SUCCEEDED: FactKind.REFUNDED,
    RefundState.FAILED: FactKind.REFUND_FAILED,
    RefundState.STUCK: FactKind.REFUND_STUCK,
}


def body(request: RefundRequest) -> dict[str, Any]:
    """Return what is sent to ask for a refund; the same values on every try."""
    return {
        "out_trade_no": request.merchant_ref,
        "out_refund_no": request.refund_no,
        "reason": request.reason[:REASON_LENGTH],
        "notify_url": request.notify_url,
        "amount": {
            "refund": request.amount.minor,
            "total": request.total.minor,
            "currency": request.amount.currency,
        },
    }


def result(
    plain: Mapping[str, Any], account: str, source: FactSource, at: datetime
) -> RefundResult:
    """Read a refund object. ``at`` stands in where it names no time of success. Raises Unparsable."""
    state = STATES.get(str(plain.get("status") or plain.get("refund_status")))
    if state is None:
        raise Unparsable("a refund's state")
    kind = KINDS.get(state)
    return RefundResult(state, [] if kind is None else [_fact(plain, account, kind, source, at)])


def _fact(
    plain: Mapping[str, Any], account: str, kind: FactKind, source: FactSource, at: datetime
) -> Fact:
    try:
        back = plain["amount"]["refund"]
        if type(back) is not int or back <= 0:
            raise Unparsable("a refund's amount")
        told = plain.get("success_time")
        instant = datetime.fromisoformat(told) if told else at
        if instant.tzinfo is None:
            raise Unparsable("a time without its zone")
        return Fact(
            provider="wechatpay",
            account=account,
            kind=kind,
            fact_ref=text(plain["out_refund_no"]),
            merchant_ref=text(plain["out_trade_no"]),
            amount=Money(back, plain["amount"].get("currency", "CNY")),
            occurred_at=instant,
            source=source,
            payment_ref=text(plain["transaction_id"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, MoneyError) as bad:
        raise Unparsable("a refund") from bad


def text(value: Any) -> str:
    """Return a reference of 1 to 64 characters. Raises Unparsable."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise Unparsable("a reference")
    return value
