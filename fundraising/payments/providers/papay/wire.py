"""XML and signatures of WeChat Pay's API v2, both ways; pure functions over bytes."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml import ElementTree, common

from fundraising.payments.providers.base import Rejected, Unparsable

MD5, HMAC = "MD5", "HMAC-SHA256"
MOST_FIELDS = 100
_SIGNATURE = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64}")
_BEYOND = re.compile("[^\u0020-\ud7ff\ue000-\uffff]")
"""What this interface does not take: characters of four bytes, and those that no XML may hold."""


def sign(fields: Mapping[str, str], key: str, scheme: str = MD5) -> str:
    """Return the signature over the fields that are not empty, in the order of their names, and the key."""
    told = sorted((name, value) for name, value in fields.items() if value and name != "sign")
    text = "&".join([*(f"{name}={value}" for name, value in told), f"key={key}"]).encode()
    if scheme == HMAC:
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text).hexdigest().upper()  # noqa: S324  the interface knows no other for some calls


def verify(fields: Mapping[str, str], keys: Iterable[str]) -> None:
    """Check the signature of an answer or notice over all its fields, also those we do not know. Raises Rejected."""
    found = fields.get("sign", "")
    if not _SIGNATURE.fullmatch(found):
        raise Rejected("no signature")
    scheme = MD5 if len(found) == 32 else HMAC
    if fields.get("sign_type", scheme) != scheme:
        raise Rejected("signature of another type")
    good = [hmac.compare_digest(sign(fields, key, scheme), found.upper()) for key in keys]
    if not any(good):
        raise Rejected("signature")


def read(raw: bytes) -> dict[str, str]:
    """Read a flat document. No document type or entity is accepted. Raises Unparsable."""
    try:
        root = ElementTree.fromstring(raw.decode("utf-8"), forbid_dtd=True)
    except (ParseError, common.DefusedXmlException, ValueError) as bad:
        raise Unparsable("no XML") from bad
    if root.tag != "xml" or len(root) > MOST_FIELDS:
        raise Unparsable("another document")
    fields: dict[str, str] = {}
    for child in root:
        if len(child) or child.tag in fields:
            raise Unparsable("fields within fields, or one twice")
        fields[child.tag] = (child.text or "").strip()
    return fields


def write(fields: Mapping[str, str]) -> bytes:
    """Return a flat document."""
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<xml>{inside}</xml>".encode()


def plain(text: str, most: int) -> str:
    """Return a text as this interface takes it: without characters of four bytes, and cut."""
    return _BEYOND.sub("", text)[:most]
