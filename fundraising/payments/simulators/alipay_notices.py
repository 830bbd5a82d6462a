"""Alipay's courier: signed forms, retried on the documented schedule until ``success``, misbehaving when told."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fundraising.payments.providers.alipay import signing
from fundraising.payments.simulators import courier

RETRY_MINUTES = (10, 10, 60, 120, 360, 900)
"""After the first retry, which the documentation puts at four or at two minutes: eight deliveries in all."""


@dataclass
class Policy(courier.Policy):
    """How Alipay's simulator behaves."""

    first_retry_minutes: int = 4
    newer_account: bool = True
    tell_close: bool = False
    fund_change: str = "Y"
    refund_ends: bool = True
    bill_creating: int = 0
    fee_back_per_10000: int = 0
    decline: str = ""
    plan_days: int = 5


@dataclass
class Courier(courier.Courier[Policy]):
    """Sends notices as Alipay does."""

    key: RSAPrivateKey
    forger: RSAPrivateKey
    common: dict[str, str]

    def add(self, out_trade_no: str, url: str, told: dict[str, Any]) -> str:
        """Write a notice to be delivered; its number stays the same however often it is sent."""
        number = secrets.token_hex(17)
        body = {"notify_type": "trade_status_sync", "notify_id": number, **self.common, **told}
        self.keep(number, out_trade_no, url, body)
        return number

    def form(self, body: dict[str, str]) -> bytes:
        """Return a notice as it is sent: everything signed but the signature and its type."""
        key = self.forger if self.policy.wrong_key else self.key
        sign = signing.sign(key, signing.text_to_sign(body.items()))
        sent = {**body, "sign": sign, "sign_type": signing.RSA2}
        if self.policy.tamper:
            sent["total_amount"] = "0.01"
        return urlencode(sent).encode()

    def pauses(self) -> Sequence[float]:
        """Return the documented pauses in seconds."""
        return [minutes * 60 for minutes in (self.policy.first_retry_minutes, *RETRY_MINUTES)]

    def is_kept(self, answer: int | str) -> bool:
        """Return whether the answer was the one word that counts."""
        return answer == "success"

    def send(self, row: dict[str, Any]) -> str:
        """Send once and return what was answered: only the seven letters with status 200 count."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.now() + 8 * 3600))
        raw = self.form({**json.loads(row["body"]), "notify_time": stamp})
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            answer = self.http.post(row["url"], content=raw, headers=headers)
        except httpx.HTTPError as broken:
            return type(broken).__name__
        is_kept = answer.status_code == 200 and answer.content == b"success"
        return "success" if is_kept else f"{answer.status_code}"
