"""Alipay's keys and genuine notices in memory, for tests."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from fundraising import clock, outbound
from fundraising.payments.providers.alipay import Alipay, signing
from tests import wechat

APP_ID, SELLER = "2021000000000001", "2088000000000001"


def provider(http: httpx.Client | None = None, **more: Any) -> Alipay:
    """The adapter as a test seller."""
    values: dict[str, Any] = {
        "app_id": APP_ID,
        "account": SELLER,
        "private_key": wechat.key("alipay-app"),
        "public_keys": [wechat.key("alipay").public_key()],
        "gateway_url": "http://127.0.0.1:1/gateway.do",
        "http": http or outbound.client(1),
    }
    return Alipay(**{**values, **more})


def local(at: datetime) -> str:
    """A time as Alipay writes it."""
    return at.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Notice:
    """A notice that can be bent before or after it is signed; ``changed`` fields of None are left out."""

    out_trade_no: str
    yuan: str
    trade_status: str = "TRADE_SUCCESS"
    trade_no: str = field(default_factory=lambda: f"20261125{secrets.randbelow(10**20):020d}")
    at: datetime = field(default_factory=clock.now)
    changed: dict[str, str | None] = field(default_factory=dict)
    signer: str = "alipay"
    sign_type: str | None = "RSA2"

    def fields(self) -> dict[str, str]:
        """What is signed."""
        told: dict[str, str | None] = {
            "notify_time": local(self.at),
            "notify_type": "trade_status_sync",
            "notify_id": secrets.token_hex(17),
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "charset": "utf-8",
            "version": "1.0",
            "trade_no": self.trade_no,
            "out_trade_no": self.out_trade_no,
            "buyer_open_id": "open-payer",
            "seller_id": SELLER,
            "trade_status": self.trade_status,
            "total_amount": self.yuan,
            "receipt_amount": self.yuan,
            "subject": "为承德捐一台 AED",
            "gmt_create": local(self.at),
            "gmt_payment": local(self.at),
            "fund_bill_list": f'[{{"amount":"{self.yuan}","fundChannel":"ALIPAYACCOUNT"}}]',
            **self.changed,
        }
        return {name: value for name, value in told.items() if value is not None}

    def raw(self, **forged: str) -> bytes:
        """The form as sent; ``forged`` values replace signed ones after the signature."""
        told = self.fields()
        sign = signing.sign(wechat.key(self.signer), signing.text_to_sign(told.items()))
        sent = {**told, "sign": sign}
        if self.sign_type is not None:
            sent["sign_type"] = self.sign_type
        return urlencode({**sent, **forged}).encode()
