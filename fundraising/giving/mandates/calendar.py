"""When a monthly gift is due: by the calendar of Shanghai, on the last day where a month is too short."""

from calendar import monthrange
from collections.abc import Container
from datetime import date, datetime, time, timedelta

from fundraising import clock

MONTHS = 12
HOURS = range(8, 22)
"""Letters and charges go out by day in China: providers want it, and people sleep."""


def is_open_hour() -> bool:
    """Whether people may be written to and charged now."""
    return clock.now().astimezone(clock.SHANGHAI).hour in HOURS


def morning(day: date) -> datetime:
    """Return when people may first be charged on a day."""
    return datetime.combine(day, time(HOURS.start), clock.SHANGHAI)


def next_morning() -> datetime:
    """Return when people may next be charged, seen from an hour at which they may not."""
    now = clock.now()
    today = morning(clock.shanghai_date(now))
    return today if now < today else today + timedelta(days=1)


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
