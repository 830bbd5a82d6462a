"""WeChat Pay's courier: sealed and signed notices, retried on the real schedule, by either of two keys."""

import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fundraising.payments.providers.papay import wire
from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators import courier

RETRY_SECONDS = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
)  # fmt: skip


@dataclass
class Policy(courier.Policy):
    """How WeChat Pay's simulator behaves."""

    stale_seconds: int = 0
    probe_first: bool = False
    use_public_key_percent: int = 0
    refund_ends: str = "SUCCESS"
    refund_slow: bool = True
    decline: str = ""
    hold_charges: bool = False
    plan_notice: bool = True
    fail_papay: str = ""


@dataclass
class Courier(courier.Courier[Policy]):
    """Sends notices as WeChat Pay does."""

    apiv3_key: bytes
    keys: dict[str, RSAPrivateKey]
    forger: RSAPrivateKey
    apiv2_key: str

    def add(self, out_trade_no: str, url: str, plain: dict[str, Any], event: str) -> str:
        """Write a notice to be delivered."""
        nonce = secrets.token_hex(6)
        kind = "transaction" if event.startswith("TRANSACTION") else "refund"
        body = {
            "id": str(uuid4()),
            "create_time": plain.get("success_time"),
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": {
                "original_type": kind,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": signing.seal_resource(plain, self.apiv3_key, nonce=nonce, extra=kind),
                "associated_data": kind,
                "nonce": nonce,
            },
        }
        self.keep(str(body["id"]), out_trade_no, url, body)
        return str(body["id"])

    def pauses(self) -> Sequence[float]:
        """Return the documented pauses in seconds."""
        return RETRY_SECONDS

    def is_kept(self, answer: int | str) -> bool:
        """Return whether the status says that the notice was taken."""
        return answer in (200, 204)

    def send(self, row: dict[str, Any]) -> int:
        """Send once and return the status, or 0 when nobody answered."""
        if row["body"].startswith('{"papay"'):
            return self._post_xml(row["url"], json.loads(row["body"])["papay"])
        return self._post(row["url"], row["body"].encode())

    def send_all(self, row: dict[str, Any]) -> list[int | str]:
        """Before the first delivery a probe may come, whose signature must be refused."""
        is_probed = self.policy.probe_first and row["tries"] == 0
        raw = row["body"].encode()
        probe = [self._post(row["url"], raw, is_probe=True)] if is_probed else []
        return [*probe, *super().send_all(row)]

    def _post(self, url: str, raw: bytes, *, is_probe: bool = False) -> int:
        timestamp = str(int(self.now()) - self.policy.stale_seconds)
        nonce = secrets.token_hex(16)
        serial = self._serial()
        key = self.forger if self.policy.wrong_key else self.keys[serial]
        signature = signing.sign(key, f"{timestamp}\n{nonce}\n".encode() + raw + b"\n")
        sent = raw.replace(b'"summary"', b'"Summary"') if self.policy.tamper else raw
        headers = {
            "Content-Type": "application/json",
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature": "WECHATPAY/SIGNTEST/x" if is_probe else signature,
            "Wechatpay-Signature-Type": signing.SCHEME,
        }
        try:
            return self.http.post(url, content=sent, headers=headers).status_code
        except httpx.HTTPError:
            return 0

    def _post_xml(self, url: str, fields: dict[str, str]) -> int:
        """Send a notice of an agreement or its charge; only an answer in XML says that it was taken."""
        raw = self.xml(fields)
        try:
            answer = self.http.post(url, content=raw, headers={"Content-Type": "text/xml"})
        except httpx.HTTPError:
            return 0
        is_taken = b"<![CDATA[SUCCESS]]></return_code>" in answer.content
        return answer.status_code if is_taken or not answer.is_success else 0

    def xml(self, fields: dict[str, str]) -> bytes:
        """Return a notice as it is sent, signed by the key of this merchant or, by policy, by another."""
        signature = wire.sign(fields, "0" * 32 if self.policy.wrong_key else self.apiv2_key)
        sent = {**fields, "total_fee": "1"} if self.policy.tamper else fields
        return wire.write({**sent, "sign": signature})

    def _serial(self) -> str:
        """Choose the certificate or, during a switch-over, the public key for a share of notices."""
        certificate, public_key = list(self.keys)
        share = random.randrange(100)  # noqa: S311  a share, no secret
        return public_key if share < self.policy.use_public_key_percent else certificate
