"""Matching a channel's day: the provider's bill, our facts in the books, and the bank's statement.

A run takes the day's files, settles what only the bill knows, and writes down every difference once, by
its kind. Running it again for any day changes nothing; a difference that is gone is marked as vanished.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.errors import NotFound
from fundraising.money import Money
from fundraising.payments import bills, comparing, differences, given_back, pursuing, refunds
from fundraising.payments.differences import Found, keep_differences
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillStatus,
    Fact,
    FactKind,
    FactSource,
    Provider,
    ProviderUnavailable,
    RowKind,
)
from fundraising.payments.reconciliation_models import DifferenceKind, Reconciliation

PAGE = 20_000
AT_ONCE = 400
WAITING, BALANCED, DIFFERENT = "waiting", "balanced", "differences"
Apply = Callable[[Sequence[Fact]], object]
PlaceFees = Callable[[str, str, date], "Fees"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Fees:
    """What became of a day's fees: booked on funds, and not placeable with the reason."""

    booked_fen: int = 0
    unplaced: list[Found] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    provider: str
    day: date
    state: str
    sums: dict[str, int] = field(default_factory=dict)
    differences: int = 0


def run(adapter: Provider, day: date, apply: Apply, place_fees: PlaceFees) -> Outcome:
    """Reconcile one channel on one day; ``apply`` settles facts, ``place_fees`` books what it kept.

    A file that is not ready leaves the day waiting, without any difference.
    """
    found: list[Found] = []
    for kind in adapter.bill_kinds:
        try:
            status, is_changed = bills.take(adapter, day, kind)
        except ProviderUnavailable as away:
            log.info("bill_unknown", provider=adapter.name, day=str(day), error=str(away))
            return _waiting(adapter, day)
        except BillBroken as broken:
            return _broken(adapter, day, kind, broken)
        if status is BillStatus.NOT_READY:
            return _waiting(adapter, day)
        if is_changed:
            found.append(Found(DifferenceKind.BILL_CHANGED, kind, 0, {"bill": kind}))
    _settle_payments(adapter, day, apply)
    _settle_refunds(adapter, day, apply)
    _settle_final(adapter, day, apply)
    return _compare(adapter, day, found, place_fees)


def is_done(provider: str, account: str, day: date) -> bool:
    """Whether a day was compared with its files, whatever came out."""
    known = find(provider, account, day)
    return known is not None and known.state in (BALANCED, DIFFERENT)


def find(provider: str, account: str, day: date) -> Reconciliation | None:
    """Return what the last run of a day found, None when it never ran."""
    query = select(Reconciliation).where(
        Reconciliation.provider == provider,
        Reconciliation.account == account,
        Reconciliation.day == day,
    )
    return db.session.execute(query).scalar_one_or_none()


def find_day(provider: str, day: date) -> Reconciliation | None:
    """Return the day of a channel, of whichever account; None when it never ran."""
    query = select(Reconciliation).where(
        Reconciliation.provider == provider, Reconciliation.day == day
    )
    return db.session.execute(query.order_by(Reconciliation.account).limit(1)).scalar_one_or_none()


def get(reconciliation_id: UUID) -> Reconciliation:
    """Return a day by its id. Raises NotFound."""
    found = db.session.get(Reconciliation, reconciliation_id)
    if found is None:
        raise NotFound
    return found


def days(limit: int = 60) -> list[Reconciliation]:
    """Return the latest days, the newest first."""
    query = select(Reconciliation).order_by(Reconciliation.day.desc(), Reconciliation.provider)
    return list(db.session.execute(query.limit(limit)).scalars())


# ---------------------------------------------------------------------- what only the bill knows


def _settle_payments(adapter: Provider, day: date, apply: Apply) -> None:
    after = 0
    while True:
        db.session.rollback()
        comparing.as_sets()
        rows = comparing.unknown_payments(adapter, day, after, PAGE)
        db.session.rollback()
        if not rows:
            return
        after = rows[-1].line
        for start in range(0, len(rows), AT_ONCE):
            with transaction():
                apply(
                    [
                        _fact(adapter, FactKind.PAID, row, row.payer)
                        for row in rows[start : start + AT_ONCE]
                    ]
                )


def _fact(adapter: Provider, kind: FactKind, row: Any, payer: str = "") -> Fact:
    return Fact(
        provider=adapter.name,
        account=adapter.account,
        kind=kind,
        fact_ref=row.ref,
        merchant_ref=row.merchant_ref or None,
        amount=Money(row.minor),
        occurred_at=row.at,
        source=FactSource.BILL,
        payer=payer or None,
        payment_ref=row.payment_ref or None,
    )


def _settle_refunds(adapter: Provider, day: date, apply: Apply) -> None:
    """Ask about refunds that only the bill knows, and take what the provider says at once."""
    rows = given_back.unknown(adapter, day, RowKind.REFUND)
    with transaction():
        for row in rows:
            attempt = db.session.get(Attempt, row.attempt_id) if row.attempt_id else None
            if attempt is not None:
                refunds.seen(row.ref, attempt)
    for _ in range(1 + len(rows) // pursuing.AT_ONCE):
        if rows and pursuing.has_due():
            pursuing.pursue_due(apply)
    db.session.rollback()


def _settle_final(adapter: Provider, day: date, apply: Apply) -> None:
    """Settle disputes and money that came back, which only the bill knows: such a line says all of it."""
    for row_kind, kind in given_back.FINAL.items():
        rows = given_back.unknown(adapter, day, row_kind)
        db.session.rollback()
        if rows:
            with transaction():
                apply([_fact(adapter, kind, row) for row in rows])


# ---------------------------------------------------------------------- comparing


def _compare(adapter: Provider, day: date, found: list[Found], place_fees: PlaceFees) -> Outcome:
    with transaction():
        one_at_a_time(adapter.name, day)
        comparing.as_sets()
        fees = place_fees(adapter.name, adapter.account, day)
        comparing.match_payouts(adapter, day)
        found += comparing.all_differences(adapter, day)
        found += [*given_back.differences(adapter, day), *fees.unplaced]
        sums = comparing.sums(adapter, day) | {"fees_booked_fen": fees.booked_fen}
        return _write(adapter, day, DIFFERENT if found else BALANCED, sums, found)


def one_at_a_time(provider: str, day: date) -> None:
    """Let two runs of the same day wait for each other."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"reconcile:{provider}:{day}"},
    )


def _waiting(adapter: Provider, day: date) -> Outcome:
    db.session.rollback()
    with transaction():
        if is_done(adapter.name, adapter.account, day):
            return Outcome(adapter.name, day, WAITING)
        return _write(adapter, day, WAITING, {}, [])


def _broken(adapter: Provider, day: date, kind: BillKind, broken: BillBroken) -> Outcome:
    db.session.rollback()
    with transaction():
        audit.raise_alarm(
            f"payments:{adapter.name}:bill_broken", {"day": str(day), "reason": str(broken)}
        )
        detail = {"bill": kind, "reason": str(broken)}
        found = [Found(DifferenceKind.BILL_BROKEN, kind, 0, detail)]
        return _write(adapter, day, DIFFERENT, {}, found)


def _write(
    adapter: Provider, day: date, state: str, sums: dict[str, int], found: Sequence[Found]
) -> Outcome:
    row = find(adapter.name, adapter.account, day) or Reconciliation(
        provider=adapter.name, account=adapter.account, day=day
    )
    row.state, row.sums, row.run_at = state, sums, clock.now()
    db.session.add(row)
    db.session.flush()
    keep_differences(row, found)
    still_open = sum(one.is_open for one in differences.of_day(row.id))
    if still_open:
        audit.raise_alarm(
            f"payments:reconciliation:{adapter.name}",
            {"day": str(day), "differences": still_open},
        )
    return Outcome(adapter.name, day, state, sums, len(found))


# ---------------------------------------------------------------------- which days


def open_days(adapter: Provider, back: int = 7) -> Iterator[date]:
    """Return the last days that were never compared, the oldest first; never today."""
    for ago in range(back, 0, -1):
        day = clock.today() - timedelta(days=ago)
        if not is_done(adapter.name, adapter.account, day):
            yield day
