"""Sealing personal data: AES-256-GCM under keys that come from the secret key, never the secret itself."""

import base64
import hmac
import json
import os
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

NONCE = 12
KEY = 32


class CannotOpen(Exception):
    """The data was sealed under another key, or was changed."""


def new_key() -> bytes:
    """Return a random key for one person's data."""
    return os.urandom(KEY)


def seal(data: bytes, key: bytes, context: bytes = b"") -> bytes:
    """Seal bytes; ``context`` must be the same when they are opened."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, context)


def open_sealed(sealed: bytes, key: bytes, context: bytes = b"") -> bytes:
    """Open sealed bytes. Raises CannotOpen."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context)
    except (InvalidTag, ValueError) as bad:
        raise CannotOpen from bad


def wrap(key: bytes) -> bytes:
    """Seal a person's key under the installation's own."""
    return seal(key, _purpose_key(current_app.config["SECRET_KEY"], "wrap"))


def unwrap(wrapped: bytes) -> bytes:
    """Open a person's key, trying earlier secrets while they rotate. Raises CannotOpen."""
    secrets = [current_app.config["SECRET_KEY"], *current_app.config["SECRET_KEY_FALLBACKS"]]
    for secret in secrets:
        try:
            return open_sealed(wrapped, _purpose_key(secret, "wrap"))
        except CannotOpen:
            continue
    raise CannotOpen


def seal_row(row_id: UUID, told: Any) -> tuple[bytes, bytes]:
    """Seal what a row keeps of a person (JSON) under a key of its own; return the wrapped key and what is sealed.

    Destroying the wrapped key erases the person. What is sealed opens with that row's id alone.
    """
    key = new_key()
    return wrap(key), seal(json.dumps(told).encode(), key, row_id.bytes)


def open_row(row_id: UUID, wrapped: bytes, sealed: bytes) -> Any:
    """Return what ``seal_row`` sealed. Raises CannotOpen."""
    return json.loads(open_sealed(sealed, unwrap(wrapped), row_id.bytes))


def fingerprint(purpose: str, value: str) -> str:
    """Return a keyed hash of a value: equal values are seen to be equal, none can be guessed back."""
    key = _purpose_key(current_app.config["SECRET_KEY"], purpose)
    return base64.urlsafe_b64encode(hmac.digest(key, value.encode(), sha256)[:18]).decode()


@lru_cache(maxsize=64)
def _purpose_key(secret: str, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), KEY, b"fundraising", purpose.encode()).derive(secret.encode())
