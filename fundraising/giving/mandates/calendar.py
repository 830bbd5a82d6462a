"""When a monthly gift is due: by the calendar of Shanghai, on the last day where a month is too short."""

from calendar import monthrange
from collections.abc import Container
from datetime import date

MONTHS = 12


def due_in(year: int, month: int, day: int) -> date:
    """Return the due date of a month."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def period_of(due_on: date) -> str:
    """Return the month that a due date stands for, as ``2026-05``."""
    return f"{due_on:%Y-%m}"


def due_after(day: int, after: date, taken: Container[str] = ()) -> date:
    """Return the first due date later than ``after`` whose month is not ``taken`` already."""
    year, month = after.year, after.month
    while True:
        due_on = due_in(year, month, day)
        if due_on > after and period_of(due_on) not in taken:
            return due_on
        year, month = (year + 1, 1) if month == MONTHS else (year, month + 1)
