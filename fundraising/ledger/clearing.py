"""Clearing accounts a chapter adds: one sub-account 1009.xx for each channel that has no code of its own."""

from sqlalchemy import select, text

from fundraising.database import Text2, db
from fundraising.ledger.errors import ChartFull
from fundraising.ledger.models import Account, AccountType

PARENT = "1009"
FIRST, LAST = 21, 99
CHART_LOCK = 7_310_405


def find_account(channel: str) -> str | None:
    """Return the account where a channel's money waits, None when the chart has none."""
    query = select(Account.code).where(Account.channel == channel)
    return db.session.execute(query).scalar_one_or_none()


def open_account(channel: str, name: Text2) -> str:
    """Add the next free sub-account to the chart for a channel and return its code.

    Raises:
        ChartFull: no number is left.
    """
    db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHART_LOCK})
    query = select(Account.code).where(Account.code.like(f"{PARENT}.%"))
    taken = set(db.session.execute(query).scalars())
    free = (f"{PARENT}.{n:02d}" for n in range(FIRST, LAST + 1))
    code = next((code for code in free if code not in taken), None)
    if code is None:
        raise ChartFull
    db.session.add(Account(code=code, name=name, type=AccountType.ASSET, channel=channel))
    db.session.flush()
    return code
