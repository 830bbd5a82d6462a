"""What Alipay says of a trade, in notices and in answers to queries, as facts.

A trade's state alone does not say what happened: a partial refund comes as another ``TRADE_SUCCESS`` and a
full one as ``TRADE_CLOSED``, both to the payment's notify address. Only ``refund_fee`` tells them apart
from a payment and from an unpaid trade that ran out of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fundraising import clock
from fundraising.money import Money, MoneyError
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    OrderState,
    QueryResult,
    Unparsable,
)

NAME = "alipay"
PAID_STATES = ("TRADE_SUCCESS", "TRADE_FINISHED")
CLOSED_STATE = "TRADE_CLOSED"
UNPAID_STATE = "WAIT_BUYER_PAY"
TRADE_NOTICE = "trade_status_sync"


@dataclass(frozen=True)
class Merchant:
    """Whose trades are ours: several apps may share a key, and several sellers an app."""

    app_id: str
    seller_id: str


def read(fields: Mapping[str, str], ours: Merchant) -> list[Fact]:
    """Read an authentic notice of a trade; kinds and states that mean nothing to us give no fact.

    Raises:
        Unparsable: another app's or seller's, an unknown state, or values that make no sense.
    """
    if fields.get("notify_type") != TRADE_NOTICE:
        return []
    if (fields.get("app_id"), fields.get("seller_id")) != (ours.app_id, ours.seller_id):
        raise Unparsable("another app or seller")
    state = fields.get("trade_status")
    if state == UNPAID_STATE:
        return []
    if state not in (*PAID_STATES, CLOSED_STATE):
        raise Unparsable("a trade's state")
    if fields.get("refund_fee"):
        return [paid(fields, ours, FactSource.NOTICE), _refund_seen(fields, ours)]
    if state == CLOSED_STATE:
        return [_closed(fields, ours)]
    return [paid(fields, ours, FactSource.NOTICE)]


def queried(answer: Mapping[str, Any], ours: Merchant) -> QueryResult:
    """Read the answer to a query. A closed trade that has a time of payment was paid and refunded.

    Raises:
        Unparsable: values that make no sense.
    """
    state = answer.get("trade_status")
    was_paid = state == CLOSED_STATE and bool(answer.get("send_pay_date"))
    if state in PAID_STATES or was_paid:
        return QueryResult(OrderState.PAID, [paid(answer, ours, FactSource.QUERY)])
    if state == CLOSED_STATE:
        return QueryResult(OrderState.CLOSED)
    if state == UNPAID_STATE:
        return QueryResult(OrderState.NOTPAY)
    raise Unparsable("a trade's state")


def paid(told: Mapping[str, Any], ours: Merchant, source: FactSource) -> Fact:
    """Read a payment: ``total_amount`` is what was ordered, whatever coupons paid a part of it."""
    amount = yuan(told.get("total_amount"))
    if not amount:
        raise Unparsable("an amount")
    when = told.get("gmt_payment") or told.get("send_pay_date") or told.get("gmt_create")
    number = text(told.get("trade_no"))
    return Fact(
        provider=NAME,
        account=ours.seller_id,
        kind=FactKind.PAID,
        fact_ref=number,
        merchant_ref=text(told.get("out_trade_no")),
        amount=amount,
        occurred_at=instant(when),
        source=source,
        payer=_payer(told),
        payment_ref=number,
    )


def _payer(told: Mapping[str, Any]) -> str | None:
    """Return the payer's name at Alipay: older apps are told the user's number, newer ones an open id."""
    for name in ("buyer_open_id", "buyer_id", "buyer_user_id"):
        if isinstance(told.get(name), str) and told[name]:
            return str(told[name])
    return None


def _refund_seen(fields: Mapping[str, str], ours: Merchant) -> Fact:
    """Say that a refund exists: its amount is told only as the sum of all refunds of the trade."""
    together = yuan(fields["refund_fee"])
    if not together or together.minor > yuan(fields["total_amount"]).minor:
        raise Unparsable("a refund's amount")
    when = fields.get("gmt_refund") or fields.get("gmt_close") or fields.get("notify_time")
    return Fact(
        provider=NAME,
        account=ours.seller_id,
        kind=FactKind.REFUND_SEEN,
        fact_ref=text(fields.get("out_biz_no") or fields.get("trade_no")),
        merchant_ref=text(fields.get("out_trade_no")),
        amount=together,
        occurred_at=instant(when),
        source=FactSource.NOTICE,
        payment_ref=text(fields.get("trade_no")),
    )


def _closed(fields: Mapping[str, str], ours: Merchant) -> Fact:
    reference = text(fields.get("out_trade_no"))
    return Fact(
        provider=NAME,
        account=ours.seller_id,
        kind=FactKind.CLOSED,
        fact_ref=reference,
        merchant_ref=reference,
        amount=Money.zero(),
        occurred_at=instant(fields.get("gmt_close") or fields.get("notify_time")),
        source=FactSource.NOTICE,
    )


# ---------------------------------------------------------------------- values


def yuan(value: Any) -> Money:
    """Return an amount in its canonical form of at most two decimals. Raises Unparsable."""
    try:
        return Money.parse_yuan(value)
    except (MoneyError, TypeError) as bad:
        raise Unparsable("an amount") from bad


def instant(value: Any) -> datetime:
    """Return a time, which Alipay writes as it stands on a clock in Shanghai. Raises Unparsable."""
    try:
        told = datetime.strptime(str(value)[:19], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  zone set below
    except ValueError as bad:
        raise Unparsable("a time") from bad
    return told.replace(tzinfo=clock.SHANGHAI)


def text(value: Any) -> str:
    """Return a reference of 1 to 64 characters. Raises Unparsable."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise Unparsable("a reference")
    return value
