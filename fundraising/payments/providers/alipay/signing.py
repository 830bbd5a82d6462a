"""RSA2 signatures of Alipay, both ways, and its JSON read without losing the signed bytes; pure functions."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from fundraising.payments.providers import strict_json
from fundraising.payments.providers.base import Rejected, Unparsable

RSA2 = "RSA2"
MOST_FIELDS = 100
_BLANKS = " \t\r\n"


def text_to_sign(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return what a signature covers: plain values by the order of their names."""
    return "&".join(f"{name}={value}" for name, value in sorted(fields)).encode()


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Return the base64 of an RSASSA-PKCS1-v1_5 SHA-256 signature."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def signed(key: RSAPrivateKey, fields: Mapping[str, str]) -> dict[str, str]:
    """Return a request's fields with their signature; empty ones are not sent."""
    sent = {name: value for name, value in fields.items() if value != ""}
    return {**sent, "sign": sign(key, text_to_sign(sent.items()))}


def verify(keys: Sequence[RSAPublicKey], message: bytes, signature: str) -> None:
    """Check a signature against each key, so that an old and a new one may be valid at once.

    Raises:
        Rejected: not base64, or no key made it.
    """
    try:
        decoded = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("signature form") from None
    for key in keys:
        try:
            key.verify(decoded, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return
    raise Rejected("signature")


def verify_form(keys: Sequence[RSAPublicKey], raw: bytes) -> dict[str, str]:
    """Return the fields of a signed form (a notice, or what a browser brings back).

    Every field counts, empty and unknown ones too, except the signature and its type.

    Raises:
        Rejected: not a form, a doubled field, another signature type than RSA2, or a wrong signature.
    """
    fields = read_form(raw)
    signature, kind = fields.pop("sign", ""), fields.pop("sign_type", "")
    if kind != RSA2:
        raise Rejected("signature type")
    if not signature:
        raise Rejected("no signature")
    verify(keys, text_to_sign(fields.items()), signature)
    return fields


def read_form(raw: bytes) -> dict[str, str]:
    """Return a form's fields, each decoded once. Raises Rejected on doubled fields and broken coding."""
    parts = raw.split(b"&")
    if len(parts) > MOST_FIELDS:
        raise Rejected("too many fields")
    fields: dict[str, str] = {}
    for part in parts:
        name, is_pair, value = part.partition(b"=")
        if not name or not is_pair:
            raise Rejected("not a form")
        key = _decoded(name)
        if key in fields:
            raise Rejected("a doubled field")
        fields[key] = _decoded(value)
    return fields


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Rejected("coding") from None


# ---------------------------------------------------------------------- answers


def members(text: str) -> dict[str, tuple[Any, str]]:
    """Return an object's members by name, each as a value and as the very characters it was written in.

    A signature covers those characters, so nothing is looked for by counting braces: a lone brace in a
    text would end such a search too early.

    Raises:
        Unparsable: not one JSON object, or a name twice.
    """
    if text.count("{") + text.count("[") > strict_json.MOST_BRACKETS:
        raise Unparsable("too deep")
    try:
        return _scan(text)
    except (ValueError, IndexError, RecursionError) as bad:
        raise Unparsable("not a JSON object") from bad


def _scan(text: str) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    at, is_more = _after(text, 0, "{"), text.lstrip(_BLANKS)[1:].lstrip(_BLANKS)[:1] != "}"
    while is_more:
        name, at = strict_json.READER.raw_decode(text, at)
        start = _after(text, at, ":")
        value, stop = strict_json.READER.raw_decode(text, start)
        if not isinstance(name, str) or name in found:
            raise ValueError("a name")
        found[name] = (value, text[start:stop])
        at = _after_blanks(text, stop)
        is_more = text[at] == ","
        at = _after(text, at, ",") if is_more else at
    if _after(text, at, "}") != len(text):
        raise ValueError("more after the object")
    return found


def _after(text: str, at: int, character: str) -> int:
    """Return where the next word begins behind a character that must come now. Raises ValueError."""
    at = _after_blanks(text, at)
    if text[at] != character:
        raise ValueError(character)
    return _after_blanks(text, at + 1)


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at
