"""Stripe's courier: events signed with the webhook's secret, retried for three days until a 2xx answer."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from fundraising.payments.providers.stripe import signing
from fundraising.payments.simulators import courier

RETRY_MINUTES = (1, 5, 30, 120, 300, 600, 720, 720, 720, 720, 403)
"""Growing pauses that add up to three days."""


@dataclass
class Policy(courier.Policy):
    """How Stripe's simulator behaves."""

    second_secret: bool = False
    skew_seconds: int = 0
    refund_state: str = "succeeded"
    decline: str = ""
    fee_per_10000: int = 340
    fee_fixed: int = 0


@dataclass
class Courier(courier.Courier[Policy]):
    """Sends events as Stripe does."""

    secret: str
    url: str

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
        self.keep(str(event["id"]), number, self.url, event)
        return str(event["id"])

    def signature(self, raw: bytes) -> str:
        """Return the header of an event sent now: the real time, because the receiver's clock is real."""
        keys = ["whsec_forged" if self.policy.wrong_key else self.secret]
        if self.policy.second_secret:
            keys.insert(0, "whsec_rolled")
        return signing.header(keys, int(time.time()) + self.policy.skew_seconds, raw)

    def pauses(self) -> Sequence[float]:
        """Return the documented pauses in seconds."""
        return [minutes * 60 for minutes in RETRY_MINUTES]

    def is_kept(self, answer: int | str) -> bool:
        """Return whether the answer was a success by its status."""
        return str(answer).startswith("2")

    def send(self, row: dict[str, Any]) -> str:
        """Send once and return the status or what went wrong."""
        raw = row["body"].encode()
        headers = {"Content-Type": "application/json", "Stripe-Signature": self.signature(raw)}
        sent = raw + b" " if self.policy.tamper else raw
        try:
            return str(self.http.post(row["url"], content=sent, headers=headers).status_code)
        except httpx.HTTPError as broken:
            return type(broken).__name__
