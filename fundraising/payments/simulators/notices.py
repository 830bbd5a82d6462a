"""The simulator's courier: delivers notices, retries them on the real schedule, misbehaves when told."""

import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators.journal import Journal

RETRY_SECONDS = (
    15,
    15,
    30,
    180,
    600,
    1200,
    1800,
    1800,
    1800,
    3600,
    10800,
    10800,
    10800,
    21600,
    21600,
)
ANSWER_SECONDS = 5.0
AT_ONCE = 50


@dataclass
class Policy:
    """How notices are delivered; every field may be set through ``/_ctl/policy``."""

    withhold: bool = False
    duplicate: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    stale_seconds: int = 0
    wrong_key: bool = False
    tamper: bool = False
    probe_first: bool = False
    speed: float = 1.0
    use_public_key_percent: int = 0
    fail_api: str = ""
    fail_refund: str = ""
    refund_ends: str = "SUCCESS"
    refund_slow: bool = True
    bill_fault: str = ""
    fee_per_10000: int = 60


@dataclass
class Courier:
    """Sends what is due, in a thread of its own."""

    journal: Journal
    apiv3_key: bytes
    keys: dict[str, RSAPrivateKey]
    forger: RSAPrivateKey
    policy: Policy = field(default_factory=Policy)
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)
        self.is_running = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin delivering."""
        self.thread.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        self.is_running = False
        self.thread.join(ANSWER_SECONDS + 1)

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
        due = self.now() + self.policy.delay_seconds
        self.journal.run(
            "INSERT INTO notices (id, out_trade_no, url, body, tries, due, answers) VALUES (?, ?, ?, ?, 0, ?, '[]')",
            body["id"],
            out_trade_no,
            url,
            json.dumps(body, ensure_ascii=False),
            due,
        )
        return str(body["id"])

    def release(self) -> None:
        """Make everything that waits due now."""
        self.journal.run("UPDATE notices SET due = ? WHERE due IS NOT NULL", self.now())

    def _run(self) -> None:
        while self.is_running:
            if self.policy.withhold or not self._deliver_due():
                time.sleep(0.05)

    def _deliver_due(self) -> bool:
        order = "random()" if self.policy.reorder else "due, rowid"
        rows = self.journal.run(
            f"SELECT * FROM notices WHERE due <= ? ORDER BY {order} LIMIT {AT_ONCE}",  # noqa: S608  own words
            self.now(),
        )
        for row in rows:
            if self.is_running and not self.policy.withhold:
                self._deliver(dict(row))
        return bool(rows)

    def _deliver(self, row: dict[str, Any]) -> None:
        raw = row["body"].encode()
        statuses = []
        if self.policy.probe_first and row["tries"] == 0:
            statuses.append(self._post(row["url"], raw, is_probe=True))
        for _ in range(1 + self.policy.duplicate):
            statuses.append(self._post(row["url"], raw))
        tries = row["tries"] + 1
        is_over = statuses[-1] in (200, 204) or tries > len(RETRY_SECONDS)
        pause = RETRY_SECONDS[min(tries, len(RETRY_SECONDS)) - 1] / self.policy.speed
        self.journal.run(
            "UPDATE notices SET tries = ?, due = ?, answers = ? WHERE id = ?",
            tries,
            None if is_over else self.now() + pause,
            json.dumps([*json.loads(row["answers"]), *statuses]),
            row["id"],
        )

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

    def _serial(self) -> str:
        """Choose the certificate or, during a switch-over, the public key for a share of notices."""
        certificate, public_key = list(self.keys)
        share = random.randrange(100)  # noqa: S311  a share, no secret
        return public_key if share < self.policy.use_public_key_percent else certificate
