"""Columns of values for sets of rows: a list of one plain type becomes a PostgreSQL array with one join.

Settling writes every statement from a dozen columns of some hundred values. psycopg's own dumper looks
at each value alone, which was the largest part of the work that settling does in Python.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.array import ListDumper


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted_plain(value: object) -> str:
    return f'"{value}"'


def _hex(value: UUID) -> str:
    return value.hex


def _bytea(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


WRITERS: dict[type, Callable[[Any], str]] = {
    UUID: _hex,
    int: str,
    bytes: _bytea,
    date: _quoted_plain,
    datetime: _quoted_plain,
}


def _plain(values: Sequence[str]) -> bytes | None:
    """Return an array of texts none of which needs an escape, None when one does."""
    joined = '","'.join(values)
    if "\\" in joined or "\0" in joined or joined.count('"') != 2 * (len(values) - 1):
        return None
    return f'{{"{joined}"}}'.encode()


def literal(values: Sequence[Any]) -> bytes | None:
    """Return the array's text form, None when the values are not all (or NULL and) of one plain type."""
    kinds = set(map(type, values))
    if kinds == {str} and (plain := _plain(values)) is not None:
        return plain
    kinds -= {type(None)}
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    write = _quoted if issubclass(kind, str) else WRITERS.get(kind)
    if write is None:
        return None
    joined = ",".join(["NULL" if value is None else write(value) for value in values])
    return None if "\0" in joined else f"{{{joined}}}".encode()


class ColumnDumper(ListDumper):
    """psycopg's dumper of lists with a short way for plain columns."""

    def dump(self, obj: list[Any]) -> bytes | None:
        """Return the array; whatever is not plain, or cannot be text, goes psycopg's own way."""
        found = literal(obj)
        return super().dump(obj) if found is None else found  # type: ignore[return-value]


def register() -> None:
    """Let every connection made from now on write lists this way."""
    psycopg.adapters.register_dumper(list, ColumnDumper)
