"""Orders as WeChat Pay v3 tells them: what is sent to open one, and the object that queries and notices carry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fundraising import clock
from fundraising.money import Money, MoneyError
from fundraising.payments.providers.base import (
    Fact,
    FactKind,
    FactSource,
    OrderRequest,
    OrderState,
    PayKind,
    Product,
    Unparsable,
)
from fundraising.payments.providers.wechatpay import refunds

PATHS = {
    Product.WECHATPAY_NATIVE: ("/v3/pay/transactions/native", "code_url", PayKind.QR),
    Product.WECHATPAY_JSAPI: ("/v3/pay/transactions/jsapi", "prepay_id", PayKind.JSAPI),
    Product.WECHATPAY_H5: ("/v3/pay/transactions/h5", "h5_url", PayKind.REDIRECT),
}
STATES = {
    "SUCCESS": OrderState.PAID,
    "REFUND": OrderState.PAID,
    "CLOSED": OrderState.CLOSED,
    "REVOKED": OrderState.CLOSED,
}
DESCRIPTION_LENGTH = 40


def body(order: OrderRequest, account: str, appid: str) -> dict[str, Any]:
    """Return what is sent to open an order; the same values on every try. Amounts are whole fen."""
    sent: dict[str, Any] = {
        "appid": appid,
        "mchid": account,
        "description": order.description[:DESCRIPTION_LENGTH],
        "out_trade_no": order.merchant_ref,
        "time_expire": order.expires_at.astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
        "notify_url": order.notify_url,
        "amount": {"total": order.amount.minor, "currency": order.amount.currency},
    }
    if order.product is Product.WECHATPAY_JSAPI:
        sent["payer"] = {"openid": order.payer_openid}
    if order.product is Product.WECHATPAY_H5:
        sent["scene_info"] = {
            "payer_client_ip": order.client_ip or "127.0.0.1",
            "h5_info": {"type": "Wap"},
        }
    return sent


def paid(plain: Mapping[str, Any], account: str, appid: str, source: FactSource) -> Fact:
    """Read a paid transaction. ``amount.total`` is the order's amount, coupons included. Raises Unparsable."""
    if plain.get("appid") != appid or plain.get("mchid") != account:
        raise Unparsable("another app or merchant")
    try:
        amount = plain["amount"]
        total, currency = amount["total"], amount.get("currency", "CNY")
        if type(total) is not int or total <= 0:
            raise Unparsable("amount")
        return Fact(
            provider="wechatpay",
            account=account,
            kind=FactKind.PAID,
            fact_ref=refunds.text(plain["transaction_id"]),
            merchant_ref=refunds.text(plain["out_trade_no"]),
            amount=Money(total, currency),
            occurred_at=instant(plain["success_time"]),
            source=source,
            payer=(plain.get("payer") or {}).get("openid"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, MoneyError) as bad:
        raise Unparsable("transaction") from bad


def instant(value: Any) -> datetime:
    """Read a time that names its zone. Raises Unparsable, ValueError, TypeError."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise Unparsable("a time without its zone")
    return found
