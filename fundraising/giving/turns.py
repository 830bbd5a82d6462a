"""Sets of one file done two at a time: the second begins while the first is written, their books in order.

Python prepares one set while PostgreSQL works at the other. What must come in the file's order (voucher
numbers, the places of lots on a fund's lane) waits for its turn.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flask import Flask, current_app
from sqlalchemy import Engine

from fundraising.database import db

AT_ONCE = 2
PATIENCE = 30.0
T = TypeVar("T")
Turn = Callable[[], None]
"""Returns when all sets before this one are committed. Raises OutOfTurn when they will not be."""


def at_once() -> None:
    """Wait for nothing: the turn of what stands alone."""


class OutOfTurn(Exception):
    """A set before this one failed or did not end in half a minute; this one is to be rolled back."""


class _Sets:
    """Which set is next to begin and next to be booked."""

    def __init__(self, many: int, may_begin: Callable[[], bool]) -> None:
        self.many, self.may_begin = many, may_begin
        self.changed = threading.Condition()
        self.begun = self.done = 0
        self.is_broken = False

    def begin(self) -> int | None:
        """Return the next set, None when there is none or it may not begin. The first one always may."""
        with self.changed:
            is_next = self.begun < self.many and not self.is_broken
            if not is_next or (self.begun and not self.may_begin()):
                return None
            self.begun += 1
            return self.begun - 1

    def wait(self, place: int) -> None:
        with self.changed:
            is_mine = self.changed.wait_for(lambda: self.is_broken or self.done == place, PATIENCE)
            if self.is_broken or not is_mine:
                raise OutOfTurn

    def end(self) -> None:
        with self.changed:
            self.done += 1
            self.changed.notify_all()

    def break_off(self) -> None:
        with self.changed:
            self.is_broken = True
            self.changed.notify_all()


def in_order(
    sets: Sequence[T], do: Callable[[T, Turn], None], may_begin: Callable[[], bool]
) -> bool:
    """Do sets, each in a transaction of its own; return whether all were done.

    Raises:
        Exception: what the first set that failed raised. Sets before it are committed, none after it is.
    """
    kept = _Sets(len(sets), may_begin)
    if len(sets) > 1 and isinstance(db.session.get_bind(), Engine):
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        db.session.remove()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ended = [pool.submit(_in_a_thread, app, kept, sets, do) for _ in range(AT_ONCE)]
        failures = [error for future in ended if (error := future.exception())]
        if failures:
            raise min(failures, key=lambda error: isinstance(error, OutOfTurn))
    else:
        _work(kept, sets, do)
    return kept.done == len(sets)


def _in_a_thread(app: Flask, kept: _Sets, sets: Sequence[T], do: Callable[[T, Turn], None]) -> None:
    with app.app_context():
        _work(kept, sets, do)


def _work(kept: _Sets, sets: Sequence[T], do: Callable[[T, Turn], None]) -> None:
    while (place := kept.begin()) is not None:
        try:
            do(sets[place], lambda place=place: kept.wait(place))  # type: ignore[misc]
        except BaseException:
            kept.break_off()
            raise
        kept.end()
