"""Stripe's secrets and genuine events in memory, for tests."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from fundraising import clock, outbound
from fundraising.payments.providers.stripe import Stripe, signing

ACCOUNT = "acct_1TestTestTestTest"
SECRET, OLD_SECRET = "whsec_" + "n" * 32, "whsec_" + "o" * 32


def provider(http: httpx.Client | None = None, **more: Any) -> Stripe:
    """The adapter as a test account."""
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "secret_key": "sk_test_" + "k" * 24,
        "webhook_secrets": [SECRET],
        "base_url": "http://127.0.0.1:1",
        "http": http or outbound.client(1),
    }
    return Stripe(**{**values, **more})


def session(number: str | None, fen: int = 1000, **changed: Any) -> dict[str, Any]:
    """A finished and paid session."""
    return {
        "id": f"cs_test_{number}",
        "object": "checkout.session",
        "client_reference_id": number,
        "amount_total": fen,
        "currency": "cny",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{number}",
        "customer_details": {"email": "Giver@example.org"},
        **changed,
    }


def refund(number: str | None, fen: int, of: str, **changed: Any) -> dict[str, Any]:
    """A refund of a payment, ours when it has a number."""
    ours = {"attempt": of, "refund": number} if number else {}
    return {
        "id": f"re_{number or 'dashboard'}",
        "object": "refund",
        "amount": fen,
        "currency": "cny",
        "status": "succeeded",
        "payment_intent": f"pi_{of}",
        "charge": f"ch_{of}",
        "created": int(clock.now().timestamp()),
        "metadata": ours,
        "failure_balance_transaction": None,
        **changed,
    }


def dispute(of: str, fen: int = 1000, **changed: Any) -> dict[str, Any]:
    """A dispute for which money was taken."""
    taken = {
        "id": "txn_taken",
        "amount": -fen,
        "currency": "cny",
        "created": int(clock.now().timestamp()),
    }
    return {
        "id": f"dp_{of}",
        "object": "dispute",
        "amount": fen,
        "currency": "cny",
        "status": "needs_response",
        "payment_intent": f"pi_{of}",
        "balance_transactions": [taken],
        **changed,
    }


@dataclass
class Event:
    """An event that can be bent before or after it is signed."""

    kind: str
    object: dict[str, Any]
    id: str = field(default_factory=lambda: f"evt_{secrets.token_hex(12)}")
    at: datetime = field(default_factory=clock.now)
    changed: dict[str, Any] = field(default_factory=dict)

    def raw(self) -> bytes:
        """The body."""
        told = {
            "id": self.id,
            "object": "event",
            "type": self.kind,
            "created": int(self.at.timestamp()),
            "livemode": False,
            "data": {"object": self.object},
            **self.changed,
        }
        return json.dumps(told, ensure_ascii=False).encode()


def signed(raw: bytes, *keys: str, seconds: int = 0) -> dict[str, str]:
    """Headers with a signature of a time so many seconds from now."""
    at = int(clock.now().timestamp()) + seconds
    return {"Stripe-Signature": signing.header(keys or (SECRET,), at, raw)}
