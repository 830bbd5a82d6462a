"""The inbox: notices kept as they came, claimed in sets, done once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from sqlalchemy import select, text, update

from fundraising import clock
from fundraising.database import db
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.payments.models import InboxNotice
from fundraising.payments.providers.base import Envelope

MOST_ATTEMPTS = 8
PURGE_AFTER = timedelta(days=180)
RING_EVERY_SECONDS = 0.05
COPY_MARK = "#"
"""Between a provider's number and a hash, where the number came again with other bytes; no number has it."""


PUT = text(
    """
    INSERT INTO payment_inbox (provider, account, dedup_key, event_type, raw, sha256, received_at,
                               deliveries, state, attempts, due_at)
    VALUES (:provider, :account, :key, :event, :raw, :sha256, :now, 1, 'new', 0, :now)
    ON CONFLICT (provider, account, dedup_key) DO UPDATE SET deliveries = payment_inbox.deliveries + 1
    RETURNING sha256
    """
)
PUT_NEW = text(
    """
    INSERT INTO payment_inbox (provider, account, dedup_key, event_type, raw, sha256, received_at,
                               deliveries, state, attempts, due_at)
    SELECT provider, account, key, event, raw, sha256, :now, 1, 'new', 0, :now
    FROM unnest(CAST(:provider AS text[]), CAST(:account AS text[]), CAST(:key AS text[]),
                CAST(:event AS text[]), CAST(:raw AS bytea[]), CAST(:sha256 AS text[]))
         WITH ORDINALITY AS notice(provider, account, key, event, raw, sha256, position)
    ORDER BY position
    ON CONFLICT DO NOTHING RETURNING provider, account, dedup_key
    """
)
"""Keeps several notices whose numbers are new, and waits for no worker that holds a known one."""

COME = """
    SELECT n.id FROM payment_inbox n WHERE n.waits_for IS NOT NULL AND EXISTS (
        SELECT FROM (
            SELECT id FROM payment_attempt
            WHERE provider = n.provider AND account = n.account AND merchant_ref = n.waits_for
            UNION ALL
            SELECT id FROM payment_attempt
            WHERE provider = n.provider AND account = n.account AND provider_ref = n.waits_for
        ) a JOIN payment_fact f ON f.attempt_id = a.id WHERE f.kind = 'paid')
"""
"""Notices that were put back until their payment came, and whose payment is booked now.

Only what waits has the number of a payment, so however many notices are due, few are looked at."""
WAKE = text(
    "UPDATE payment_inbox SET due_at = :now, waits_for = NULL "  # noqa: S608  our own text
    f"WHERE id IN ({COME} FOR UPDATE SKIP LOCKED) RETURNING 1"
)
IS_DUE = text(
    f"SELECT EXISTS ({COME}) OR EXISTS "  # noqa: S608  our own text
    "(SELECT FROM payment_inbox WHERE state = 'new' AND due_at <= :now)"
)


@dataclass
class Bell:
    """Rings for one notice of many: commits that carry a NOTIFY wait for each other in PostgreSQL.

    A notice for which it does not ring is seen half a second later at most, when the relay looks by itself.
    """

    next_at: float = 0.0

    def is_due(self) -> bool:
        """Whether this process has not rung for a moment."""
        now = monotonic()
        is_due = now >= self.next_at
        if is_due:
            self.next_at = now + RING_EVERY_SECONDS
        return is_due


BELL = Bell()


@dataclass(frozen=True)
class ClaimedNotice:
    """A notice that this transaction holds."""

    id: int
    provider: str
    dedup_key: str
    raw: bytes | None


def put(envelope: Envelope) -> None:
    """Keep a notice under the provider's number of the event; a repeat only counts the delivery.

    A repeat with other bytes is kept beside the first one, to be compared with what that one meant.
    """
    kept = values(envelope)
    if db.session.execute(PUT, kept).scalar_one() != kept["sha256"]:
        db.session.execute(PUT, as_copy(kept))
    if BELL.is_due():
        outbox.ring(Queue.MONEY)


def wonder(envelope: Envelope) -> None:
    """Let the provider be asked about the agreement that a notice speaks of: the answer counts, not the notice."""
    payload = {"code": envelope.contract}
    key = f"contract-notice:{envelope.provider}:{envelope.dedup_key}"
    outbox.add(Kind.LOOK_AT_CONTRACT, key, payload)


def values(envelope: Envelope) -> dict[str, object]:
    """Return what the statement ``PUT`` keeps of a notice that came in now."""
    return {
        "provider": envelope.provider,
        "account": envelope.account,
        "key": envelope.dedup_key,
        "event": envelope.event_type,
        "raw": envelope.raw,
        "sha256": hashlib.sha256(envelope.raw).hexdigest(),
        "now": clock.now(),
    }


def values_of_all(envelopes: Sequence[Envelope]) -> dict[str, object]:
    """Return what the statement ``PUT_NEW`` keeps, sorted so that two sets at once wait in one order."""
    rows = [values(each) for each in sorted(envelopes, key=number)]
    lists: dict[str, object] = {
        name: [row[name] for row in rows]
        for name in ("provider", "account", "key", "event", "raw", "sha256")
    }
    return {**lists, "now": clock.now()}


def number(envelope: Envelope) -> tuple[str, str, str]:
    """Return what tells a notice from all others."""
    return envelope.provider, envelope.account, envelope.dedup_key


def as_copy(kept: dict[str, object]) -> dict[str, object]:
    """Return what is kept of a notice whose number is known with other bytes."""
    return {**kept, "key": f"{kept['key']}{COPY_MARK}{str(kept['sha256'])[:16]}"}


def is_copy(notice: ClaimedNotice) -> bool:
    """Whether the number of a notice was known with other bytes when it came."""
    return COPY_MARK in notice.dedup_key


def is_first_done(copy: ClaimedNotice) -> bool:
    """Whether the notice that a copy differs from was applied."""
    first = copy.dedup_key.rpartition(COPY_MARK)[0]
    query = select(InboxNotice.state).where(
        InboxNotice.provider == copy.provider, InboxNotice.dedup_key == first
    )
    return db.session.execute(query.limit(1)).scalar_one_or_none() == "done"


def claim(limit: int) -> list[ClaimedNotice]:
    """Lock due notices for this transaction; other workers take others."""
    query = (
        select(InboxNotice.id, InboxNotice.provider, InboxNotice.dedup_key, InboxNotice.raw)
        .where(InboxNotice.state == "new", InboxNotice.due_at <= clock.now())
        .order_by(InboxNotice.due_at, InboxNotice.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [ClaimedNotice(*row) for row in db.session.execute(query)]


def done(ids: Sequence[int]) -> None:
    """Mark notices as applied."""
    db.session.execute(
        text(
            "UPDATE payment_inbox SET state = 'done', last_error = NULL, waits_for = NULL "
            "WHERE id = ANY(:ids)"
        ),
        {"ids": list(ids)},
    )


def failed(notice_id: int, error: str) -> bool:
    """Put a notice back with a growing pause and return whether it is dead now."""
    attempts = db.session.execute(
        update(InboxNotice)
        .where(InboxNotice.id == notice_id)
        .values(attempts=InboxNotice.attempts + 1, last_error=error[:500])
        .returning(InboxNotice.attempts)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    is_dead = attempts >= MOST_ATTEMPTS
    db.session.execute(
        update(InboxNotice)
        .where(InboxNotice.id == notice_id)
        .values(state="dead" if is_dead else "new", due_at=clock.now() + outbox.back_off(attempts))
        .execution_options(synchronize_session=False)
    )
    return is_dead


def park(notice_id: int, waits_for: str) -> bool:
    """Put a notice back that came before a payment; returns whether it waited too long and is dead now."""
    is_dead = failed(notice_id, "came before its payment")
    db.session.execute(
        update(InboxNotice)
        .where(InboxNotice.id == notice_id)
        .values(waits_for=None if is_dead else waits_for)
        .execution_options(synchronize_session=False)
    )
    return is_dead


def wake() -> bool:
    """Let notices be due whose payment has come, but for those at which a worker is just now; whether any are.

    This is looked at after each set, not told by the payment: a notice that is put back in the very
    moment in which another worker books its payment cannot be missed.
    """
    return bool(db.session.execute(WAKE, {"now": clock.now()}).all())


def has_due() -> bool:
    """Whether notices wait to be applied."""
    return bool(db.session.execute(IS_DUE, {"now": clock.now()}).scalar_one())


def purge() -> int:
    """Forget the raw bytes of old notices (they name payers); their hash stays."""
    result = db.session.execute(
        text(
            "UPDATE payment_inbox SET raw = NULL WHERE raw IS NOT NULL AND state = 'done' "
            "AND received_at < :before RETURNING 1"
        ),
        {"before": clock.now() - PURGE_AFTER},
    )
    return len(result.all())
