"""Identifiers: ordered ones inside, random unrelated ones outside."""

import secrets
import time
from functools import cache
from uuid import UUID

UPPER_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
READABLE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
SPARE = 4
"""Bytes drawn beyond those needed, so that one draw is nearly always enough."""


def uuid7() -> UUID:
    """Return a UUID version 7 (RFC 9562 section 5.7): 48 bits of milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def order_number() -> str:
    """Return 24 random characters of ``[0-9A-Z]``, valid as ``out_trade_no`` at every provider."""
    return _random(UPPER_ALPHABET, 24)


def gift_reference() -> str:
    """Return a short public reference without look-alike characters, such as ``G7K2M9QX4TPA``."""
    return "G" + _random(READABLE_ALPHABET, 11)


def mandate_reference() -> str:
    """Return a short reference of a monthly gift, such as ``M7K2M9QX4TPA``."""
    return "M" + _random(READABLE_ALPHABET, 11)


def secret_token() -> str:
    """Return an unguessable token (128 bits) for addresses that are themselves the permission."""
    return secrets.token_urlsafe(16)


def verification_code() -> str:
    """Return the code printed on a receipt, readable aloud: 60 random bits in 12 characters."""
    return _random(READABLE_ALPHABET, 12)


def one_time_code() -> str:
    """Return six random digits for a letter that proves who reads it."""
    return f"{secrets.randbelow(10**6):06d}"


def _random(alphabet: str, length: int) -> str:
    """Return random characters, all equally likely, with a look-up for all bytes at once: imports need thousands.

    Bytes beyond the last whole round of the alphabet are thrown away, or its first letters would be likelier.
    """
    letters, beyond = _tables(alphabet)
    found = b""
    while len(found) < length:
        found += secrets.token_bytes(length + SPARE).translate(letters, beyond)
    return found[:length].decode("ascii")


@cache
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """Return the letter of each byte, and the bytes that have none."""
    usable = 256 - 256 % len(alphabet)
    letters = "".join(alphabet[n % len(alphabet)] for n in range(256)).encode("ascii")
    return letters, bytes(range(usable, 256))
