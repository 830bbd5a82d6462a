"""The signature of Stripe's events, both ways; pure functions over bytes.

The library's own check looks at the past only, knows one secret at a time, and fails with errors of many
kinds on malformed input. This one answers everything with one of two errors.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fundraising.payments.providers.base import Rejected, Stale

HEADER = "stripe-signature"
SKEW_SECONDS = 300
LONGEST_HEADER = 2048
MOST_PARTS = 20
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def mac(secret: str, timestamp: str, raw: bytes) -> str:
    """Return the hexadecimal HMAC-SHA256 that a secret gives an event sent at a time."""
    message = timestamp.encode() + b"." + raw
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def header(secrets: Iterable[str], timestamp: int, raw: bytes) -> str:
    """Return the header as Stripe sends it: one ``v1`` for each secret in use."""
    stamp = str(timestamp)
    return ",".join([f"t={stamp}", *(f"v1={mac(secret, stamp, raw)}" for secret in secrets)])


def verify(headers: Mapping[str, str], raw: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Check an event's signature over its raw bytes: any secret of ours may have made any of its ``v1``.

    Raises:
        Rejected: no header or a malformed one, or no secret fits.
        Stale: a secret fits, but the time is off by more than 300 s.
    """
    value = next((text for name, text in headers.items() if name.lower() == HEADER), "")
    timestamp, signatures = _parts(value)
    expected = [mac(secret, timestamp, raw) for secret in secrets]
    pairs = [hmac.compare_digest(ours, told) for ours in expected for told in signatures]
    if not any(pairs):
        raise Rejected("signature")
    if abs(now.timestamp() - int(timestamp)) > SKEW_SECONDS:
        raise Stale("timestamp skew")


def _parts(value: str) -> tuple[str, list[str]]:
    if not value or len(value) > LONGEST_HEADER or not value.isascii():
        raise Rejected("header")
    parts = [part.strip().partition("=") for part in value.split(",", MOST_PARTS)]
    stamps = [told for name, _, told in parts if name == "t"]
    signatures = [told for name, _, told in parts if name == "v1"]
    if len(stamps) != 1 or not _TIMESTAMP.fullmatch(stamps[0]) or not signatures:
        raise Rejected("header form")
    return stamps[0], signatures
