"""JSON of providers, read strictly: one object, no name twice, no depth without end."""

import json
from typing import Any

from fundraising.payments.providers.base import Unparsable

MOST_BRACKETS = 200
"""More than any answer of a payment holds, and far fewer than Python's reader can nest."""


def read(raw: bytes, most_brackets: int = MOST_BRACKETS) -> dict[str, Any]:
    """Read an object, refusing names given twice and deep nesting. Raises Unparsable."""
    if raw.count(b"{") + raw.count(b"[") > most_brackets:
        raise Unparsable("too deep")
    try:
        value = READER.decode(raw.decode())
    except (ValueError, RecursionError) as bad:
        raise Unparsable("not JSON") from bad
    if not isinstance(value, dict):
        raise Unparsable("not an object")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


READER = json.JSONDecoder(object_pairs_hook=_no_duplicates)
"""Refuses names given twice with a ValueError."""
