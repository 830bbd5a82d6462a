"""The only source of time: aware UTC instants, and Shanghai dates for books and deadlines."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def shanghai_date(instant: datetime) -> date:
    """Return the calendar date of an aware instant in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()


def today() -> date:
    """Return today's date in Asia/Shanghai, the date that books and deadlines use."""
    return shanghai_date(now())
