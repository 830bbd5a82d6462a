"""WeChat Pay's keys and genuine notices in memory, for tests and benchmarks."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fundraising import clock, outbound
from fundraising.payments.providers.wechatpay import WechatPay, signing

MCHID, APPID, APIV3 = "1900000001", "wx0123456789abcdef", b"0123456789abcdef0123456789abcdef"
SERIAL, PUBLIC_KEY_ID = (
    "5157F09EFDC096DE15EBE81A47057A72",
    "PUB_KEY_ID_0114232134912410000000000000",
)


@lru_cache(maxsize=8)
def key(name: str) -> RSAPrivateKey:
    """A key of that name, the same in one run."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def provider(http: httpx.Client | None = None, **more: Any) -> WechatPay:
    """The adapter as a test merchant."""
    values: dict[str, Any] = {
        "account": MCHID,
        "appid": APPID,
        "serial": "MERCHANT",
        "private_key": key("merchant"),
        "apiv3_keys": [APIV3],
        "verify_keys": {
            SERIAL: key("platform").public_key(),
            PUBLIC_KEY_ID: key("public").public_key(),
        },
        "base_url": "http://127.0.0.1:1",
        "oauth_url": "http://127.0.0.1:1/authorize",
        "oauth_api_url": "http://127.0.0.1:1",
        "app_secret": "secret",
        "http": http or outbound.client(1),
    }
    return WechatPay(**{**values, **more})


@dataclass
class Notice:
    """A notice that can be bent before it is signed."""

    out_trade_no: str
    total: int
    transaction_id: str = field(default_factory=lambda: f"42000{secrets.randbelow(10**23):023d}")
    openid: str | None = "o-payer"
    number: str = field(default_factory=lambda: str(uuid4()))
    event: str = "TRANSACTION.SUCCESS"
    original_type: str = "transaction"
    currency: str = "CNY"
    at: datetime = field(default_factory=clock.now)
    more: Mapping[str, Any] = field(default_factory=dict)
    apiv3: bytes = APIV3

    def raw(self) -> bytes:
        """The body as sent."""
        plain = {
            "appid": APPID,
            "mchid": MCHID,
            "out_trade_no": self.out_trade_no,
            "transaction_id": self.transaction_id,
            "trade_state": "SUCCESS",
            "success_time": self.at.astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
            "payer": {"openid": self.openid} if self.openid else {},
            "amount": {"total": self.total, "payer_total": self.total, "currency": self.currency},
            **self.more,
        }
        nonce = "abcdefghijkl"
        sealed = signing.seal_resource(plain, self.apiv3, nonce=nonce, extra="transaction")
        body = {
            "id": self.number,
            "create_time": plain["success_time"],
            "event_type": self.event,
            "resource_type": "encrypt-resource",
            "summary": "支付成功",
            "resource": {
                "original_type": self.original_type,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": sealed,
                "associated_data": "transaction",
                "nonce": nonce,
            },
        }
        return json.dumps(body, ensure_ascii=False).encode()

    def headers(self, raw: bytes | None = None, **changed: Any) -> dict[str, str]:
        """The signed headers; keyword arguments bend them."""
        timestamp = str(changed.get("timestamp", int(clock.now().timestamp())))
        nonce, serial = "x" * 32, changed.get("serial", SERIAL)
        signer = changed.get("signer", key("public" if serial == PUBLIC_KEY_ID else "platform"))
        message = f"{timestamp}\n{nonce}\n".encode() + (self.raw() if raw is None else raw) + b"\n"
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature": changed.get("signature") or signing.sign(signer, message),
            "Wechatpay-Signature-Type": changed.get("type", signing.SCHEME),
            "Content-Type": "application/json",
        }
