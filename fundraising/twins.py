"""Forms that come twice, by a doubled click or from the browser's Back: the second writes nothing and says so."""

from typing import Any

from sqlalchemy import ColumnElement, select, text

from fundraising.database import Base, db
from fundraising.errors import DomainError
from fundraising.i18n import lazy_gettext as _l


class SentTwice(DomainError):
    """The very same is kept already; ``extra['id']`` names it."""

    code = "sent_twice"
    message = _l("This is kept already. Sending it again changed nothing.")


def refuse_second(new: Base, *names: str, among: ColumnElement[bool] | None = None) -> None:
    """Refuse a row not yet added that equals, in the columns named, one that is here.

    Two of a table that come at one moment wait for each other until the first is kept.

    Raises:
        SentTwice: there is one; with ``among`` only those count.
    """
    table: Any = type(new)
    key = {"key": f"twins:{table.__tablename__}"}
    db.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    same = [getattr(table, name).is_not_distinct_from(getattr(new, name)) for name in names]
    limits = same if among is None else [*same, among]
    known = db.session.execute(
        select(table.id).where(*limits).order_by(table.id.desc()).limit(1)
    ).scalar()
    if known is not None:
        raise SentTwice(id=known)
