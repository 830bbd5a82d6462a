"""Posting to the journal: in sets, under the caller's keys, with voucher numbers without gaps."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fundraising import clock
from fundraising.database import Text2, db
from fundraising.ledger.errors import EntryNotFound, KeyReused, PeriodClosed, Unbalanced
from fundraising.ledger.models import EntryKind, JournalEntry
from fundraising.money import Money
from fundraising.references import uuid7

FOLD_LOCK = 7_310_403
FOLD_AT_ONCE = 20_000
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Line:
    """One line to post: debits positive, credits negative."""

    account: str
    amount: Money
    fund_id: UUID | None = None


def debit(account: str, amount: Money, fund_id: UUID | None = None) -> Line:
    """Return a line that debits the account."""
    return Line(account, amount, fund_id)


def credit(account: str, amount: Money, fund_id: UUID | None = None) -> Line:
    """Return a line that credits the account."""
    return Line(account, -amount, fund_id)


@dataclass(frozen=True)
class NewEntry:
    """An entry to post. ``key`` names its cause once and for ever; ``occurred_at`` is when it happened."""

    key: str
    kind: EntryKind
    occurred_at: datetime
    lines: tuple[Line, ...]
    fund_id: UUID | None = None
    reason: Text2 | None = None
    reverses_id: UUID | None = None
    actor: str = "system"

    def body_hash(self) -> bytes:
        """Return a hash of what the entry books; the same cause must always book the same."""
        lines = [
            [line.account, line.amount.minor, line.amount.currency, str(line.fund_id)]
            for line in self.lines
        ]
        body = [self.kind, str(self.fund_id), str(self.reverses_id), lines]
        return hashlib.sha256(json.dumps(body).encode()).digest()


@dataclass(frozen=True)
class PostResult:
    """The entry of every key, and which keys were posted now rather than before."""

    ids: dict[str, UUID] = field(default_factory=dict)
    new_keys: frozenset[str] = frozenset()


def post(entry: NewEntry) -> UUID:
    """Post one entry and return its id. The same key and body again changes nothing.

    Raises:
        KeyReused: the key was used for another body.
        Unbalanced: the lines do not sum to zero per currency.
    """
    return post_many([entry]).ids[entry.key]


def post_many(entries: Sequence[NewEntry]) -> PostResult:
    """Post a set of entries with a few statements, whatever its size; all or none.

    Periods are locked in order, so vouchers are numbered without gaps and two workers wait for each
    other only while one of them posts. An entry whose month is closed is booked today instead.
    """
    if not entries:
        return PostResult()
    hashes = _hashes(entries)
    days, last = _lock_months(entries)
    known = _known(hashes)
    fresh = {entry.key: entry for entry in entries if entry.key not in known}
    ids = dict(zip(fresh, sorted(uuid7() for _ in fresh), strict=True))  # in voucher order
    if fresh:
        _insert_entries(fresh, ids, hashes, days=days, last=last)
        _insert_postings(fresh, ids)
        _insert_deltas(fresh)
    return PostResult(known | ids, frozenset(fresh))


def hold_months(instants: Sequence[datetime]) -> None:
    """Lock the months in which entries of these instants will be booked, and the running one.

    For callers that must look at a fund before they know what to post: months are locked before lanes.
    """
    days = [clock.today(), *(clock.shanghai_date(instant) for instant in instants)]
    _lock({_month(day) for day in days})


def reverse(entry_id: UUID, reason: Text2, actor: str) -> UUID:
    """Post the opposite of an entry, naming it; an entry is reversed at most once.

    Raises:
        EntryNotFound: no such entry.
    """
    original = db.session.get(JournalEntry, entry_id)
    if original is None:
        raise EntryNotFound
    rows = db.session.execute(
        text(
            "SELECT account, amount_minor, currency, fund_id FROM ledger_posting "
            "WHERE entry_id = :id ORDER BY line"
        ),
        {"id": entry_id},
    )
    lines = tuple(Line(r.account, Money(-r.amount_minor, r.currency), r.fund_id) for r in rows)
    return post(
        NewEntry(
            f"reversal:{entry_id}",
            EntryKind.REVERSAL,
            clock.now(),
            lines,
            fund_id=original.fund_id,
            reason=reason,
            reverses_id=entry_id,
            actor=actor,
        )
    )


def close_period(period: str, actor: str) -> None:
    """Close a past month of the books (``2024-05``): from now on nothing more is booked there.

    Raises:
        PeriodClosed: it is no month, is not over, or is closed already.
    """
    if not MONTH.fullmatch(period) or period >= _month(clock.today()):
        raise PeriodClosed
    _lock({period})
    closed = db.session.execute(
        text(
            "UPDATE ledger_period SET closed_at = :now, closed_by = :actor "
            "WHERE period = :period AND closed_at IS NULL RETURNING period"
        ),
        {"now": clock.now(), "actor": actor, "period": period},
    )
    if closed.first() is None:
        raise PeriodClosed


def fold_totals() -> int:
    """Fold waiting deltas into the totals and return how many there were. Readers never see a gap."""
    free = db.session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": FOLD_LOCK})
    if not free.scalar_one():
        return 0
    folded = db.session.execute(
        text(
            """
            WITH moved AS (
                DELETE FROM ledger_total_delta
                WHERE id IN (SELECT id FROM ledger_total_delta ORDER BY id LIMIT :most)
                RETURNING *
            ), grouped AS (
                SELECT account, currency, fund_id, kind,
                       sum(amount_minor)::bigint AS amount, sum(posting_count)::bigint AS n, count(*) AS rows
                FROM moved GROUP BY account, currency, fund_id, kind
            ), kept AS (
                INSERT INTO ledger_total (account, currency, fund_id, kind, amount_minor, posting_count)
                SELECT account, currency, fund_id, kind, amount, n FROM grouped
                ON CONFLICT ON CONSTRAINT uq_ledger_total_group DO UPDATE
                SET amount_minor = ledger_total.amount_minor + excluded.amount_minor,
                    posting_count = ledger_total.posting_count + excluded.posting_count
                RETURNING 1
            )
            SELECT coalesce(sum(rows), 0)::bigint FROM grouped, (SELECT count(*) FROM kept) AS done
            """
        ),
        {"most": FOLD_AT_ONCE},
    )
    return int(folded.scalar_one())


# ---------------------------------------------------------------------- inside


def _require_balance(entry: NewEntry) -> None:
    sums: dict[str, int] = defaultdict(int)
    for line in entry.lines:
        sums[line.amount.currency] += line.amount.minor
    if len(entry.lines) < 2 or any(sums.values()):
        raise Unbalanced(key=entry.key)


def _lock_months(entries: Sequence[NewEntry]) -> tuple[dict[str, date], dict[str, int]]:
    """Lock the months of the entries; return each entry's booking day and each open month's last voucher.

    Whether a month is closed is read under its lock, so that closing and posting never cross.
    """
    days = {entry.key: clock.shanghai_date(entry.occurred_at) for entry in entries}
    months = _lock({_month(day) for day in days.values()})
    closed = {month for month, last in months.items() if last is None}
    if closed:
        today = clock.today()
        days = {key: today if _month(day) in closed else day for key, day in days.items()}
        months |= _lock({_month(today)} - months.keys())
    return days, {month: last for month, last in months.items() if last is not None}


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _lock(months: Set[str]) -> dict[str, int | None]:
    """Create and lock months, in order; return their last voucher numbers, None for closed ones."""
    last: dict[str, int | None] = {}
    for month in sorted(months):
        row = db.session.execute(
            text(
                "INSERT INTO ledger_period (period, last_voucher) VALUES (:month, 0) "
                "ON CONFLICT (period) DO UPDATE SET last_voucher = ledger_period.last_voucher "
                "RETURNING last_voucher, closed_at IS NOT NULL AS is_closed"
            ),
            {"month": month},
        ).one()
        last[month] = None if row.is_closed else row.last_voucher
    return last


def _hashes(entries: Sequence[NewEntry]) -> dict[str, bytes]:
    """Return what each key books. Raises Unbalanced, or KeyReused for two bodies within the set."""
    hashes: dict[str, bytes] = {}
    for entry in entries:
        _require_balance(entry)
        body_hash = entry.body_hash()
        if hashes.setdefault(entry.key, body_hash) != body_hash:
            raise KeyReused(key=entry.key)
    return hashes


def _known(hashes: dict[str, bytes]) -> dict[str, UUID]:
    """Return the entries that were posted before. Raises KeyReused."""
    rows = db.session.execute(
        text("SELECT key, id, body_hash FROM ledger_entry WHERE key = ANY(:keys)"),
        {"keys": list(hashes)},
    ).all()
    for row in rows:
        if hashes[row.key] != bytes(row.body_hash):
            raise KeyReused(key=row.key)
    return {row.key: row.id for row in rows}


def _insert_entries(
    fresh: dict[str, NewEntry],
    ids: dict[str, UUID],
    hashes: dict[str, bytes],
    *,
    days: dict[str, date],
    last: dict[str, int],
) -> None:
    now = clock.now()
    columns: dict[str, list[Any]] = defaultdict(list)
    for key, entry in fresh.items():
        period = _month(days[key])
        last[period] += 1
        columns["ids"].append(ids[key])
        columns["keys"].append(key)
        columns["hashes"].append(hashes[key])
        columns["kinds"].append(str(entry.kind))
        columns["occurred"].append(entry.occurred_at)
        columns["booked"].append(days[key])
        columns["periods"].append(period)
        columns["vouchers"].append(last[period])
        columns["counts"].append(len(entry.lines))
        columns["funds"].append(entry.fund_id)
        columns["reasons"].append(json.dumps(entry.reason) if entry.reason else None)
        columns["reversed"].append(entry.reverses_id)
        columns["actors"].append(entry.actor)
    db.session.execute(
        text(
            """
            INSERT INTO ledger_entry (id, key, body_hash, kind, occurred_at, recorded_at, booked_on, period,
                                      voucher_no, posting_count, fund_id, reason, reverses_id, actor)
            SELECT id, key, hash, kind, occurred, :now, booked, period, voucher, n, fund, reason::jsonb,
                   reverses, actor
            FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:hashes AS bytea[]),
                        CAST(:kinds AS text[]), CAST(:occurred AS timestamptz[]), CAST(:booked AS date[]),
                        CAST(:periods AS text[]), CAST(:vouchers AS int[]), CAST(:counts AS smallint[]),
                        CAST(:funds AS uuid[]), CAST(:reasons AS text[]), CAST(:reversed AS uuid[]),
                        CAST(:actors AS text[]))
                 AS t(id, key, hash, kind, occurred, booked, period, voucher, n, fund, reason, reverses, actor)
            """
        ),
        {"now": now, **columns},
    )
    _count_vouchers(last)


def _count_vouchers(last: dict[str, int]) -> None:
    db.session.execute(
        text(
            "UPDATE ledger_period SET last_voucher = t.last "
            "FROM unnest(CAST(:periods AS text[]), CAST(:lasts AS int[])) AS t(period, last) "
            "WHERE ledger_period.period = t.period"
        ),
        {"periods": list(last), "lasts": list(last.values())},
    )


def _insert_postings(fresh: dict[str, NewEntry], ids: dict[str, UUID]) -> None:
    lines = [
        (ids[key], number, line)
        for key, entry in fresh.items()
        for number, line in enumerate(entry.lines, start=1)
    ]
    db.session.execute(
        text(
            """
            INSERT INTO ledger_posting (entry_id, line, account, amount_minor, currency, fund_id)
            SELECT * FROM unnest(CAST(:entries AS uuid[]), CAST(:numbers AS smallint[]),
                                 CAST(:accounts AS text[]), CAST(:amounts AS bigint[]),
                                 CAST(:currencies AS text[]), CAST(:funds AS uuid[]))
            """
        ),
        {
            "entries": [entry_id for entry_id, _, _ in lines],
            "numbers": [number for _, number, _ in lines],
            "accounts": [line.account for _, _, line in lines],
            "amounts": [line.amount.minor for _, _, line in lines],
            "currencies": [line.amount.currency for _, _, line in lines],
            "funds": [line.fund_id for _, _, line in lines],
        },
    )


def _insert_deltas(fresh: dict[str, NewEntry]) -> None:
    sums: dict[tuple[str, str, UUID | None, str], list[int]] = defaultdict(lambda: [0, 0])
    for entry in fresh.values():
        for line in entry.lines:
            group = sums[line.account, line.amount.currency, line.fund_id, str(entry.kind)]
            group[0] += line.amount.minor
            group[1] += 1
    db.session.execute(
        text(
            """
            INSERT INTO ledger_total_delta (account, currency, fund_id, kind, amount_minor, posting_count)
            SELECT * FROM unnest(CAST(:accounts AS text[]), CAST(:currencies AS text[]),
                                 CAST(:funds AS uuid[]), CAST(:kinds AS text[]),
                                 CAST(:amounts AS bigint[]), CAST(:counts AS bigint[]))
            """
        ),
        {
            "accounts": [group[0] for group in sums],
            "currencies": [group[1] for group in sums],
            "funds": [group[2] for group in sums],
            "kinds": [group[3] for group in sums],
            "amounts": [value[0] for value in sums.values()],
            "counts": [value[1] for value in sums.values()],
        },
    )
