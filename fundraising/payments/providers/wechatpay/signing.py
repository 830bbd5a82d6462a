"""Signatures and sealed resources of WeChat Pay v3, both ways; pure functions over bytes."""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fundraising.payments.providers import strict_json
from fundraising.payments.providers.base import Rejected, Stale, Undecryptable, Unparsable

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SKEW_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{10}")


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Return the base64 of an RSASSA-PKCS1-v1_5 SHA-256 signature."""
    signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def authorization(
    key: RSAPrivateKey,
    *,
    mchid: str,
    serial: str,
    method: str,
    target: str,
    timestamp: int,
    nonce: str,
    body: bytes,
) -> str:
    """Return the Authorization header of a request: five lines signed, each ended by a line feed."""
    head = f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode()
    signature = sign(key, head + body + b"\n")
    return (
        f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def verify(
    headers: Mapping[str, str], raw: bytes, keys: Mapping[str, RSAPublicKey], now: datetime
) -> None:
    """Check the signature of a notice or answer over its raw bytes; never any network.

    The key is chosen by ``Wechatpay-Serial`` among those loaded, so several may be valid at once.
    A missing ``Wechatpay-Signature-Type`` means the usual one; a probe (``WECHATPAY/SIGNTEST/``) fails
    like any bad signature.

    Raises:
        Rejected: a header is missing or malformed, the key is unknown, or the signature is wrong.
        Stale: the signature is right, but its time is off by more than 300 s.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    values = [
        by_name.get(f"wechatpay-{name}", "")
        for name in ("timestamp", "nonce", "signature", "serial")
    ]
    timestamp, nonce, signature, serial = values
    if not all(values):
        raise Rejected("missing header")
    if by_name.get("wechatpay-signature-type", SCHEME) != SCHEME:
        raise Rejected("signature type")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Rejected("timestamp form")
    key = keys.get(serial)
    if key is None:
        raise Rejected("unknown serial")
    try:
        decoded = base64.b64decode(signature, validate=True)
        message = f"{timestamp}\n{nonce}\n".encode() + raw + b"\n"
        key.verify(decoded, message, padding.PKCS1v15(), hashes.SHA256())
    except (binascii.Error, ValueError, InvalidSignature):
        raise Rejected("signature") from None
    if abs(now.timestamp() - int(timestamp)) > SKEW_SECONDS:
        raise Stale("timestamp skew")


def open_resource(envelope: Mapping[str, Any], keys: Sequence[bytes]) -> dict[str, Any]:
    """Return the plaintext of a notice's resource, trying each APIv3 key (old and new while rotating).

    Raises:
        Unparsable: not the form the protocol gives a resource.
        Undecryptable: no key opens it.
    """
    resource = envelope.get("resource")
    if not isinstance(resource, dict) or resource.get("algorithm") != "AEAD_AES_256_GCM":
        raise Unparsable("resource")
    try:
        sealed = base64.b64decode(resource["ciphertext"], validate=True)
        nonce = resource["nonce"].encode()
        extra = (resource.get("associated_data") or "").encode()
    except (KeyError, AttributeError, TypeError, ValueError, binascii.Error) as bad:
        raise Unparsable("resource") from bad
    for key in keys:
        try:
            return strict_json.read(_cipher(key).decrypt(nonce, sealed, extra))
        except (InvalidTag, ValueError):
            continue
    raise Undecryptable


def seal_resource(plain: Mapping[str, Any], key: bytes, *, nonce: str, extra: str) -> str:
    """Return the ciphertext of a resource as the provider makes it (simulator and tests)."""
    data = json.dumps(plain, ensure_ascii=False).encode()
    return base64.b64encode(AESGCM(key).encrypt(nonce.encode(), data, extra.encode())).decode()


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
