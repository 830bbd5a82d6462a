"""Holding rows while a provider is spoken to, outside any transaction: by locks of a session of their own.

PostgreSQL lets go of them the moment a worker dies, so what it had begun is taken up by another at once,
not when a lease runs out. Two workers that hold the same after the database went away do no harm: whatever
is asked of a provider may be asked twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from fundraising.database import db

TAKE = text(
    "SELECT id FROM unnest(CAST(:ids AS uuid[])) AS t(id) "
    "WHERE pg_try_advisory_lock(hashtextextended(id::text, 0)) LIMIT :most"
)


@contextmanager
def hold(ids: Sequence[UUID], most: int) -> Iterator[list[UUID]]:
    """Take up to ``most`` of these rows that nobody else holds, and let them go at the end."""
    if not ids:
        yield []
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = connection.execute(TAKE, {"ids": list(ids), "most": most}).scalars()
        try:
            yield list(taken)
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            except SQLAlchemyError:
                connection.invalidate()  # the database went away, and the locks with it
