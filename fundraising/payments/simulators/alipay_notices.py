"""Alipay's courier: signed forms, retried on the documented schedule until ``success``, misbehaving when told."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fundraising.payments.providers.alipay import signing
from fundraising.payments.simulators.journal import Journal

RETRY_MINUTES = (10, 10, 60, 120, 360, 900)
"""After the first retry, which the documentation puts at four or at two minutes: eight deliveries in all."""

ANSWER_SECONDS = 5.0
AT_ONCE = 50


@dataclass
class Policy:
    """How the simulator behaves; every field may be set through ``/_ctl/policy``."""

    withhold: bool = False
    duplicate: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    wrong_key: bool = False
    tamper: bool = False
    speed: float = 1.0
    first_retry_minutes: int = 4
    newer_account: bool = True
    tell_close: bool = False
    fail_api: str = ""
    fail_refund: str = ""
    fund_change: str = "Y"
    refund_ends: bool = True
    bill_fault: str = ""
    bill_creating: int = 0
    fee_per_10000: int = 60


@dataclass
class Courier:
    """Sends what is due, in a thread of its own."""

    journal: Journal
    key: RSAPrivateKey
    forger: RSAPrivateKey
    common: dict[str, str]
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

    def add(self, out_trade_no: str, url: str, told: dict[str, Any]) -> str:
        """Write a notice to be delivered; its number stays the same however often it is sent."""
        number = secrets.token_hex(17)
        body = {"notify_type": "trade_status_sync", "notify_id": number, **self.common, **told}
        self.journal.run(
            "INSERT INTO notices (id, out_trade_no, url, body, tries, due, answers) VALUES (?, ?, ?, ?, 0, ?, '[]')",
            number, out_trade_no, url, json.dumps(body, ensure_ascii=False),
            self.now() + self.policy.delay_seconds if url else None,
        )  # fmt: skip
        return number

    def release(self) -> None:
        """Make everything that waits due now."""
        self.journal.run("UPDATE notices SET due = ? WHERE due IS NOT NULL", self.now())

    def form(self, body: dict[str, str]) -> bytes:
        """Return a notice as it is sent: everything signed but the signature and its type."""
        key = self.forger if self.policy.wrong_key else self.key
        sign = signing.sign(key, signing.text_to_sign(body.items()))
        sent = {**body, "sign": sign, "sign_type": signing.RSA2}
        if self.policy.tamper:
            sent["total_amount"] = "0.01"
        return urlencode(sent).encode()

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
        answers = []
        for _ in range(1 + self.policy.duplicate):
            answers.append(self._post(row["url"], json.loads(row["body"])))
        tries = row["tries"] + 1
        pauses = (self.policy.first_retry_minutes, *RETRY_MINUTES)
        is_over = answers[-1] == "success" or tries > len(pauses)
        pause = pauses[min(tries, len(pauses)) - 1] * 60 / self.policy.speed
        self.journal.run(
            "UPDATE notices SET tries = ?, due = ?, answers = ? WHERE id = ?",
            tries, None if is_over else self.now() + pause,
            json.dumps([*json.loads(row["answers"]), *answers]), row["id"],
        )  # fmt: skip

    def _post(self, url: str, body: dict[str, str]) -> str:
        """Send once and return what was answered: only the seven letters with status 200 count."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.now() + 8 * 3600))
        raw = self.form({**body, "notify_time": stamp})
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            answer = self.http.post(url, content=raw, headers=headers)
        except httpx.HTTPError as broken:
            return type(broken).__name__
        is_kept = answer.status_code == 200 and answer.content == b"success"
        return "success" if is_kept else f"{answer.status_code}"
