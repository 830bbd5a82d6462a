"""Runs migrations: one at a time in the whole cluster, each in its own transaction, with time-outs."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fundraising import models
from fundraising.database import db

ONE_AT_A_TIME = 7_310_402
config = context.config


def include_object(
    _object: Any, name: str | None, kind: str, _reflected: bool, _other: Any
) -> bool:
    """Leave out what Alembic keeps itself."""
    return not (kind == "table" and name == "alembic_version")


def run() -> None:
    """Migrate online; there is no offline mode, roles and grants need a server."""
    assert models.ALL
    engine = create_engine(config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = '15min'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ONE_AT_A_TIME})
        connection.execute(text("SET lock_timeout = '2s'"))  # better fail than queue before donors
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            transaction_per_migration=True,
            include_object=include_object,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ONE_AT_A_TIME})
        connection.commit()
    engine.dispose()


run()
