"""The database handle, the base of all models, and the one way to open a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import BigInteger, DateTime, Engine, LargeBinary, MetaData, Text, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from sqlalchemy.pool import ConnectionPoolEntry

from fundraising import arrays
from fundraising.references import uuid7

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

REST_SECONDS = 1.0

arrays.register()

Text2 = dict[str, str]
"""Content people write: {"zh": ..., "en": ...}; zh is required, en may be missing."""


class _Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            datetime: DateTime(timezone=True),
            str: Text,
            bytes: LargeBinary,
            UUID: Uuid,
            Text2: JSONB,
            dict[str, Any]: JSONB,
            list[Any]: JSONB,
            list[int]: JSONB,
            list[str]: JSONB,
        },
    )


class BoundSession(FlaskSession):
    """A session that honours a bind given to it; Flask-SQLAlchemy's own ignores it and leaks rows between tests."""

    def get_bind(self, mapper: Any = None, clause: Any = None, bind: Any = None, **kw: Any) -> Any:
        """Return the explicit bind first, then what Flask-SQLAlchemy would choose."""
        chosen = bind if bind is not None else self.bind
        return chosen if chosen is not None else super().get_bind(mapper, clause, bind, **kw)


db = SQLAlchemy(
    model_class=_Base,
    disable_autonaming=True,
    session_options={"class_": BoundSession, "expire_on_commit": False},
)

if TYPE_CHECKING:
    Base = _Base
else:
    Base = db.Model


def uuid_pk() -> Mapped[UUID]:
    """Primary key: UUID version 7, made in the application, ordered by time."""
    return mapped_column(Uuid, primary_key=True, default=uuid7)


def fen() -> Mapped[int]:
    """Whole fen in a BIGINT column."""
    return mapped_column(BigInteger)


@contextmanager
def transaction() -> Iterator[None]:
    """Open the one transaction of a request, task or command; commits at the end, rolls back on any error.

    An error at commit means *unknown*, never *failed*: callers repeat under the same idempotency key.
    """
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


@contextmanager
def one_statement() -> Iterator[None]:
    """Open a transaction of statements that each stand alone: PostgreSQL commits every one by itself.

    It saves the round trips of BEGIN and COMMIT where a single statement is all there is.
    """
    if isinstance(db.session.get_bind(), Engine) and not db.session().in_transaction():
        db.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    with transaction():
        yield


def is_cut_off(error: Exception) -> bool:
    """Whether what went wrong is the connection to the database, which says nothing about the work."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def ping_idle(engine: Engine) -> None:
    """Let the pool ask whether a connection still lives only when it has rested for a second.

    Asking at every checkout is a round trip in every request. A connection lost within that second fails
    one request, as one in flight would; the pool then drops all that are as old.
    """

    @event.listens_for(engine, "checkin")
    def rest(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["rested_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if monotonic() - record.info.get("rested_at", monotonic()) < REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as gone:
            raise InvalidatePoolError from gone
