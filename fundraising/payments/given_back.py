"""Comparing what went back on a day, and what came back after that: refunds, disputes, failed refunds."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row

from fundraising.payments.comparing import (
    BILL,
    MOST,
    NOT_ON_A_FOREIGN_BALANCE,
    bounds,
    found_as,
    ours_as,
    rows_of,
)
from fundraising.payments.differences import Found
from fundraising.payments.providers.base import FactKind, Provider, RowKind
from fundraising.payments.reconciliation_models import DifferenceKind


class _Way(NamedTuple):
    """How the bill calls a movement, how we do, and what it is called where one side is silent."""

    row: RowKind
    fact: FactKind
    only_bill: DifferenceKind
    only_ours: DifferenceKind


REFUND = _Way(
    RowKind.REFUND,
    FactKind.REFUNDED,
    DifferenceKind.REFUND_ONLY_BILL,
    DifferenceKind.REFUND_ONLY_OURS,
)
DISPUTE = _Way(
    RowKind.DISPUTE,
    FactKind.DISPUTED,
    DifferenceKind.DISPUTE_ONLY_BILL,
    DifferenceKind.DISPUTE_ONLY_OURS,
)
RETURN = _Way(
    RowKind.RETURNED,
    FactKind.RETURNED,
    DifferenceKind.RETURN_ONLY_BILL,
    DifferenceKind.RETURN_ONLY_OURS,
)
WAYS = (REFUND, DISPUTE, RETURN)
KNOWN_AS = {RowKind.REFUND: [FactKind.REFUNDED, FactKind.REFUND_FAILED]}
"""A refund that failed stands on the bill as well; of other movements we know one fact."""

FINAL = {RowKind.DISPUTE: FactKind.DISPUTED, RowKind.RETURNED: FactKind.RETURNED}
"""Lines that say all there is to say; a refund's line may only say that it began."""


def unknown(adapter: Provider, day: date, kind: RowKind) -> Sequence[Row[Any]]:
    """Return lines of one kind without a fact of ours, with the attempt they name by our number."""
    facts = next(way.fact for way in WAYS if way.row is kind)
    return rows_of(
        f"""
        SELECT l.ref, l.merchant_ref, l.payment_ref, l.minor, l.at, a.id AS attempt_id
        FROM payment_bill_line l
        LEFT JOIN payment_attempt a
          ON (a.provider, a.account, a.merchant_ref) = (:provider, :account, l.merchant_ref)
        WHERE l.bill_id = {BILL} AND l.kind = :row
          AND NOT EXISTS (SELECT FROM payment_fact f
                          WHERE (f.provider, f.account, f.fact_ref) = (:provider, :account, l.ref)
                            AND f.kind = ANY(:facts))
        ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        row=kind,
        facts=KNOWN_AS.get(kind, [facts]),
        most=MOST,
    )


def differences(adapter: Provider, day: date) -> list[Found]:
    """Return every movement only one side knows, and those of which the amounts differ."""
    if not adapter.bill_kinds:
        return []
    found: list[Found] = []
    for way in WAYS:
        theirs = unknown(adapter, day, way.row)
        found += [found_as(way.only_bill, row, row.minor) for row in theirs]
        found += _ours(adapter, day, way)
        found += _amounts(adapter, day, way)
    return found


def _ours(adapter: Provider, day: date, way: _Way) -> list[Found]:
    """Return facts of the day that stand on no bill; the kind is written out for its index."""
    start, stop = bounds(day)
    rows = rows_of(
        f"""
        SELECT f.fact_ref AS ref, f.merchant_ref, f.amount_fen AS minor, f.currency FROM payment_fact f
        WHERE f.provider = :provider AND f.account = :account AND f.kind = :fact
          AND f.occurred_at >= :start AND f.occurred_at < :stop
          AND NOT EXISTS (SELECT FROM payment_bill_line l JOIN payment_bill b ON b.id = l.bill_id
                          WHERE b.provider = :provider AND b.account = :account AND b.kind = :bill
                            AND l.kind = '{way.row}' AND l.ref = f.fact_ref)
          AND {NOT_ON_A_FOREIGN_BALANCE}
        ORDER BY f.id LIMIT :most
        """,
        adapter,
        day,
        start=start,
        stop=stop,
        fact=way.fact,
    )
    return [ours_as(way.only_ours, row) for row in rows]


def _amounts(adapter: Provider, day: date, way: _Way) -> list[Found]:
    rows = rows_of(
        f"""
        SELECT l.ref, l.merchant_ref, l.minor, f.amount_fen AS ours FROM payment_bill_line l
        JOIN payment_fact f ON (f.provider, f.account, f.kind, f.fact_ref)
                             = (:provider, :account, :fact, l.ref)
        WHERE l.bill_id = {BILL} AND l.kind = :row
          AND (f.amount_fen <> l.minor OR f.currency <> 'CNY')
          AND NOT (f.currency <> 'CNY' AND f.outcome = 'refunded')
        ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        fact=way.fact,
        row=way.row,
    )
    return [found_as(DifferenceKind.AMOUNT, row, row.minor - row.ours) for row in rows]
