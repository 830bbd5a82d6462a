"""Speaking to the product's database from outside, also while it is killed and frozen."""

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

from local.stack import Stack

INSIST_SECONDS = 60.0


def rows(stack: Stack, query: LiteralString, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Ask the product's database; raises psycopg.Error while it is away."""
    assert stack.postgres is not None
    with stack.postgres.connect(database="fundraising") as connection:
        return connection.execute(query, values or None).fetchall()


def count_facts(stack: Stack) -> int:
    """Return how many facts are written, none while the database is away."""
    try:
        ((found,),) = rows(stack, "SELECT count(*) FROM payment_fact")
    except psycopg.Error:
        return 0
    return int(found)


def insist(stack: Stack, statement: LiteralString, values: Sequence[Any]) -> None:
    """Change something in the product's database, as soon as it is there."""
    assert stack.postgres is not None
    deadline = time.monotonic() + INSIST_SECONDS
    while True:
        try:
            with stack.postgres.connect(database="fundraising") as connection:
                connection.execute(statement, values)
            return
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
