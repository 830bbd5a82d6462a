"""Stripe's courier: events signed with the webhook's secret, retried for three days until a 2xx answer."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from fundraising.payments.providers.stripe import signing
from fundraising.payments.simulators.journal import Journal

RETRY_MINUTES = (1, 5, 30, 120, 300, 600, 720, 720, 720, 720, 403)
"""Growing pauses that add up to three days."""

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
    second_secret: bool = False
    skew_seconds: int = 0
    tamper: bool = False
    speed: float = 1.0
    fail_api: str = ""
    fail_refund: str = ""
    refund_state: str = "succeeded"
    bill_fault: str = ""
    fee_per_10000: int = 340
    fee_fixed: int = 0


@dataclass
class Courier:
    """Sends what is due, in a thread of its own."""

    journal: Journal
    secret: str
    url: str
    policy: Policy = field(default_factory=Policy)
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)
        self.is_running = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin delivering."""
        self.thread.start()

    def add(self, number: str, kind: str, told: dict[str, Any]) -> str:
        """Write an event to be delivered; it stays the same however often it is sent."""
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "created": int(self.now()),
            "livemode": False,
            "type": kind,
            "data": {"object": told},
        }
        self.journal.run(
            "INSERT INTO notices (id, out_trade_no, url, body, tries, due, answers) VALUES (?, ?, ?, ?, 0, ?, '[]')",
            event["id"], number, self.url, json.dumps(event, ensure_ascii=False),
            self.now() + self.policy.delay_seconds if self.url else None,
        )  # fmt: skip
        return str(event["id"])

    def release(self) -> None:
        """Make everything that waits due now."""
        self.journal.run("UPDATE notices SET due = ? WHERE due IS NOT NULL", self.now())

    def signature(self, raw: bytes) -> str:
        """Return the header of an event sent now: the real time, because the receiver's clock is real."""
        keys = ["whsec_forged" if self.policy.wrong_key else self.secret]
        if self.policy.second_secret:
            keys.insert(0, "whsec_rolled")
        return signing.header(keys, int(time.time()) + self.policy.skew_seconds, raw)

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
        answers = [self._post(row) for _ in range(1 + self.policy.duplicate)]
        tries = row["tries"] + 1
        is_over = answers[-1].startswith("2") or tries > len(RETRY_MINUTES)
        pause = RETRY_MINUTES[min(tries, len(RETRY_MINUTES)) - 1] * 60 / self.policy.speed
        self.journal.run(
            "UPDATE notices SET tries = ?, due = ?, answers = ? WHERE id = ?",
            tries, None if is_over else self.now() + pause,
            json.dumps([*json.loads(row["answers"]), *answers]), row["id"],
        )  # fmt: skip

    def _post(self, row: dict[str, Any]) -> str:
        raw = row["body"].encode()
        headers = {"Content-Type": "application/json", "Stripe-Signature": self.signature(raw)}
        sent = raw + b" " if self.policy.tamper else raw
        try:
            return str(self.http.post(row["url"], content=sent, headers=headers).status_code)
        except httpx.HTTPError as broken:
            return type(broken).__name__
