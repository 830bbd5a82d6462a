"""Adding, claiming and finishing work. Whatever Redis does, the row here decides."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from fundraising import clock
from fundraising.database import db
from fundraising.outbox.kinds import QUEUE_OF, Kind, Queue

MOST_ATTEMPTS = 8
FIRST_BACK_OFF = 5.0
LONGEST_BACK_OFF = 3600.0
CHANNEL = "doorbell"


@dataclass(frozen=True)
class Claimed:
    """Work that this worker holds until its lease runs out."""

    id: int
    kind: Kind
    payload: dict[str, Any]
    attempts: int


def add(kind: Kind, key: str, payload: dict[str, Any], due_at: datetime | None = None) -> None:
    """Write work to be done, in the transaction of its cause; the same key again is the same work."""
    add_many(kind, [(key, payload)], due_at)


def add_many(
    kind: Kind, work: Sequence[tuple[str, dict[str, Any]]], due_at: datetime | None = None
) -> None:
    """Write a set of work with one statement, and ring the doorbell when the transaction commits."""
    if not work:
        return
    now = clock.now()
    db.session.execute(
        text(
            """
            INSERT INTO outbox_work (kind, queue, key, payload, created_at, due_at, attempts)
            SELECT :kind, :queue, key, payload::jsonb, :now, :due, 0
            FROM unnest(CAST(:keys AS text[]), CAST(:payloads AS text[])) AS t(key, payload)
            ON CONFLICT (key) DO NOTHING
            """
        ),
        {
            "kind": kind,
            "queue": QUEUE_OF[kind],
            "now": now,
            "due": due_at or now,
            "keys": [key for key, _ in work],
            "payloads": [json.dumps(payload) for _, payload in work],
        },
    )
    ring(QUEUE_OF[kind])


def ring(queue: Queue) -> None:
    """Wake the relay when this transaction commits (NOTIFY is transactional)."""
    db.session.execute(
        text("SELECT pg_notify(:channel, :queue)"), {"channel": CHANNEL, "queue": queue}
    )


def claim(queue: Queue, limit: int, lease: timedelta) -> list[Claimed]:
    """Take due work under a lease; another worker sees it again only when the lease runs out.

    The attempt is counted now, so work that kills its worker ends among the dead, not in a loop. What is
    due is read once (MATERIALIZED): for a young table PostgreSQL may read a plain list again for each row, and
    what is locked is then skipped, so that all would be taken.
    """
    now = clock.now()
    rows = db.session.execute(
        text(
            """
            WITH due AS MATERIALIZED (
                SELECT id FROM outbox_work
                WHERE queue = :queue AND done_at IS NULL AND dead_at IS NULL AND due_at <= :now
                ORDER BY due_at, id LIMIT :most FOR UPDATE SKIP LOCKED)
            UPDATE outbox_work w SET attempts = attempts + 1, due_at = :until
            FROM due WHERE w.id = due.id
            RETURNING w.id, kind, payload, attempts
            """
        ),
        {"queue": queue, "now": now, "until": now + lease, "most": limit},
    )
    return sorted(
        (Claimed(r.id, Kind(r.kind), r.payload, r.attempts) for r in rows), key=lambda w: w.id
    )


def done(ids: Sequence[int]) -> None:
    """Mark work as done."""
    db.session.execute(
        text("UPDATE outbox_work SET done_at = :now, last_error = NULL WHERE id = ANY(:ids)"),
        {"now": clock.now(), "ids": list(ids)},
    )


def failed(work: Claimed, error: str) -> None:
    """Put work back with a growing pause; after eight tries it is dead and staff see it."""
    now = clock.now()
    is_dead = work.attempts >= MOST_ATTEMPTS
    db.session.execute(
        text(
            "UPDATE outbox_work SET due_at = :due, dead_at = :dead, last_error = :error WHERE id = :id"
        ),
        {
            "due": now + back_off(work.attempts),
            "dead": now if is_dead else None,
            "error": error[:500],
            "id": work.id,
        },
    )


def back_off(attempts: int) -> timedelta:
    """Return the pause after so many attempts: doubling, with jitter, an hour at most."""
    seconds = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** max(0, attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, no secret


def revive(work_id: int) -> None:
    """Give dead work another round of tries."""
    db.session.execute(
        text(
            "UPDATE outbox_work SET dead_at = NULL, attempts = 0, due_at = :now "
            "WHERE id = :id AND dead_at IS NOT NULL"
        ),
        {"id": work_id, "now": clock.now()},
    )
