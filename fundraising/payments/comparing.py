"""Comparing a day's bill with our facts and the bank, in sets: a million lines take a few statements."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from fundraising import clock
from fundraising.database import db
from fundraising.ledger import chart
from fundraising.money import Money, shown
from fundraising.payments import bank_booking
from fundraising.payments.differences import Found
from fundraising.payments.models import BankLine
from fundraising.payments.providers.base import BillKind, Provider
from fundraising.payments.reconciliation_models import DifferenceKind

PAYOUT_DAYS = 7
MOST = 200
"""Differences of one kind that are written down; the sums show the rest."""

BILL = """(SELECT id FROM payment_bill
           WHERE (provider, account, day, kind) = (:provider, :account, :day, :bill))"""
NOT_ON_A_FOREIGN_BALANCE = f"""(f.currency = 'CNY' OR NOT EXISTS (
           SELECT FROM payment_bill_line o
           WHERE o.bill_id = {BILL} AND o.kind = 'foreign' AND o.ref = f.fact_ref))"""


def as_sets() -> None:
    """Give this transaction the time that a day of a million lines needs."""
    db.session.execute(text("SET LOCAL statement_timeout = '10min'"))


def unknown_payments(adapter: Provider, day: date, after: int, limit: int) -> Sequence[Row[Any]]:
    """Return payments of the trade bill that we hold no fact of, by line, after the given line."""
    return rows_of(
        f"""
        SELECT l.line, l.ref, l.merchant_ref, l.payment_ref, l.minor, l.at, l.payer
        FROM payment_bill_line l
        WHERE l.bill_id = {BILL} AND l.kind = 'paid' AND l.line > :after
          AND NOT EXISTS (SELECT FROM payment_fact f
                          WHERE (f.provider, f.account, f.kind, f.fact_ref)
                              = (:provider, :account, 'paid', l.ref)
                            AND f.occurred_at >= :near AND f.occurred_at < :far)
        ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        after=after,
        most=limit,
    )


def all_differences(adapter: Provider, day: date) -> list[Found]:
    """Return every way in which bill, books and bank differ on a day."""
    if not adapter.bill_kinds:
        return []
    found = [
        *_orphans(adapter, day),
        *_ours_only(adapter, day),
        *_amounts(adapter, day),
        *_doubled(adapter, day),
    ]
    if BillKind.FUND_FLOW in adapter.bill_kinds:
        found += [*_movements(adapter, day), *_foreign(adapter, day), *_payouts(adapter, day)]
    return found


def sums(adapter: Provider, day: date) -> dict[str, int]:
    """Return what bill, books and bank say of a day; all in fen or counts."""
    start, stop = bounds(day)
    bill = {
        (row.bill, row.kind): (row.n, row.fen)
        for row in db.session.execute(
            text(
                """
                SELECT b.kind AS bill, l.kind, count(*) AS n, sum(l.minor)::bigint AS fen
                FROM payment_bill b JOIN payment_bill_line l ON l.bill_id = b.id
                WHERE (b.provider, b.account, b.day) = (:provider, :account, :day)
                GROUP BY b.kind, l.kind
                """
            ),
            {"provider": adapter.name, "account": adapter.account, "day": day},
        )
    }
    ours = {
        row.kind: (row.n, row.fen)
        for row in db.session.execute(
            text(
                """
                SELECT kind, count(*) AS n, sum(amount_fen)::bigint AS fen FROM payment_fact
                WHERE provider = :provider AND account = :account AND currency = 'CNY'
                  AND kind IN ('paid', 'refunded', 'disputed')
                  AND occurred_at >= :start AND occurred_at < :stop GROUP BY kind
                """
            ),
            {"provider": adapter.name, "account": adapter.account, "start": start, "stop": stop},
        )
    }
    trade, flow = BillKind.TRADE, BillKind.FUND_FLOW
    none = (0, 0)
    disputed = {
        "bill_disputed_fen": bill.get((trade, "dispute"), none)[1],
        "our_disputed_fen": ours.get("disputed", none)[1],
    }
    return {
        "bill_gifts": bill.get((trade, "paid"), none)[0],
        "bill_paid_fen": bill.get((trade, "paid"), none)[1],
        "bill_refunded_fen": bill.get((trade, "refund"), none)[1],
        "our_gifts": ours.get("paid", none)[0],
        "our_paid_fen": ours.get("paid", none)[1],
        "our_refunded_fen": ours.get("refunded", none)[1],
        "fees_fen": sum(bill.get((kind, "fee"), none)[1] for kind in (trade, flow))
        - bill.get((flow, "fee_back"), none)[1],
        "payout_fen": bill.get((flow, "payout"), none)[1],
    } | (disputed if any(disputed.values()) else {})


def match_payouts(adapter: Provider, day: date) -> None:
    """Close a payout of the bill against the only bank line it can be; a person decides the others."""
    for row in _unmatched_payouts(adapter, day):
        lines = _bank_lines(row.minor, day)
        is_alone = len(lines) == 1 and _booked_payouts(adapter, row.minor, day) == 0
        if is_alone:
            line = db.session.get(BankLine, lines[0].id)
            assert line is not None
            bank_booking.match_payout(line, adapter.name, None)


# ---------------------------------------------------------------------- one question each


def _orphans(adapter: Provider, day: date) -> list[Found]:
    rows = rows_of(
        f"""
        SELECT l.ref, l.merchant_ref, l.minor FROM payment_bill_line l
        JOIN payment_fact f ON (f.provider, f.account, f.kind, f.fact_ref)
                             = (:provider, :account, 'paid', l.ref)
                            AND f.occurred_at >= :near AND f.occurred_at < :far
        WHERE l.bill_id = {BILL} AND l.kind = 'paid' AND f.attempt_id IS NULL AND f.outcome = 'suspense'
        ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
    )
    return [found_as(DifferenceKind.ORPHAN, row, row.minor) for row in rows]


def _ours_only(adapter: Provider, day: date) -> list[Found]:
    start, stop = bounds(day)
    rows = rows_of(
        f"""
        SELECT f.fact_ref AS ref, f.merchant_ref, f.amount_fen AS minor, f.currency FROM payment_fact f
        WHERE f.provider = :provider AND f.account = :account AND f.kind = 'paid'
          AND f.occurred_at >= :start AND f.occurred_at < :stop
          AND NOT EXISTS (SELECT FROM payment_bill_line l
                          WHERE l.bill_id = {BILL} AND l.kind = 'paid' AND l.ref = f.fact_ref)
          AND NOT EXISTS (SELECT FROM payment_bill_line l JOIN payment_bill b ON b.id = l.bill_id
                          WHERE b.provider = :provider AND b.account = :account AND b.kind = :bill
                            AND b.day BETWEEN CAST(:day AS date) - 1 AND CAST(:day AS date) + 1
                            AND l.kind = 'paid' AND l.ref = f.fact_ref)
          AND {NOT_ON_A_FOREIGN_BALANCE}
        ORDER BY f.id LIMIT :most
        """,
        adapter,
        day,
        start=start,
        stop=stop,
    )
    return [ours_as(DifferenceKind.OURS_ONLY, row) for row in rows]


def _amounts(adapter: Provider, day: date) -> list[Found]:
    rows = rows_of(
        f"""
        SELECT l.ref, l.merchant_ref, l.minor, f.currency,
               CASE f.currency WHEN 'CNY' THEN f.amount_fen ELSE 0 END AS ours
        FROM payment_bill_line l
        JOIN payment_fact f ON (f.provider, f.account, f.kind, f.fact_ref)
                             = (:provider, :account, 'paid', l.ref)
                            AND f.occurred_at >= :near AND f.occurred_at < :far
        WHERE l.bill_id = {BILL} AND l.kind = 'paid' AND (f.amount_fen <> l.minor OR f.currency <> 'CNY')
          AND NOT (f.currency <> 'CNY' AND f.outcome = 'settled')
        ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
    )
    return [found_as(DifferenceKind.AMOUNT, row, row.minor - row.ours) for row in rows]


def _doubled(adapter: Provider, day: date) -> list[Found]:
    rows = rows_of(
        f"""
        SELECT l.ref, min(l.merchant_ref) AS merchant_ref, min(l.minor) AS minor, count(*) AS times
        FROM payment_bill_line l WHERE l.bill_id = {BILL} AND l.kind IN ('paid', 'refund', 'dispute', 'returned')
        GROUP BY l.kind, l.ref HAVING count(*) > 1 ORDER BY l.ref LIMIT :most
        """,
        adapter,
        day,
    )
    return [found_as(DifferenceKind.DUPLICATE_LINE, row, row.minor) for row in rows]


def _movements(adapter: Provider, day: date) -> list[Found]:
    """Return movements we cannot name, and a balance that moved otherwise than the trades say."""
    named = rows_of(
        f"""
        SELECT l.ref, l.payment_ref AS merchant_ref, l.minor FROM payment_bill_line l
        WHERE l.bill_id = {BILL} AND l.kind = 'other' ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        bill=BillKind.FUND_FLOW,
    )
    found = [found_as(DifferenceKind.UNKNOWN_MOVEMENT, row, row.minor) for row in named]
    both = rows_of(
        f"""
        SELECT coalesce(sum(minor) FILTER (WHERE bill_id = {BILL}), 0)::bigint AS trade,
               coalesce(sum(minor) FILTER (WHERE bill_id <> {BILL}), 0)::bigint AS flow
        FROM payment_bill_line l
        WHERE l.kind = 'paid' AND l.bill_id IN (
            SELECT id FROM payment_bill
            WHERE (provider, account, day) = (:provider, :account, :day)) LIMIT :most
        """,
        adapter,
        day,
    )[0]
    if both.trade != both.flow:
        detail = {"trade_fen": both.trade, "flow_fen": both.flow}
        found.append(Found(DifferenceKind.AMOUNT, "trade-and-flow", both.flow - both.trade, detail))
    return found


def _foreign(adapter: Provider, day: date) -> list[Found]:
    """Return what moved on balances that are not in yuan: none of it counts here, a person follows it up."""
    rows = rows_of(
        f"""
        SELECT l.ref, l.merchant_ref, l.minor, l.currency FROM payment_bill_line l
        WHERE l.bill_id = {BILL} AND l.kind = 'foreign' ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        bill=BillKind.FUND_FLOW,
    )
    return [ours_as(DifferenceKind.FOREIGN_MOVEMENT, row) for row in rows]


def _payouts(adapter: Provider, day: date) -> list[Found]:
    return [
        found_as(DifferenceKind.PAYOUT_NOT_AT_BANK, row, row.minor)
        for row in _unmatched_payouts(adapter, day)
    ]


def _unmatched_payouts(adapter: Provider, day: date) -> list[Row[Any]]:
    """Return payouts of the day beyond those of the same amount that the bank's statement closed."""
    rows = rows_of(
        f"""
        SELECT l.ref, l.payment_ref AS merchant_ref, l.minor FROM payment_bill_line l
        WHERE l.bill_id = {BILL} AND l.kind = 'payout' ORDER BY l.line LIMIT :most
        """,
        adapter,
        day,
        bill=BillKind.FUND_FLOW,
    )
    left = {row.minor: _booked_payouts(adapter, row.minor, day) for row in rows}
    missing = []
    for row in rows:
        if left[row.minor] > 0:
            left[row.minor] -= 1
        else:
            missing.append(row)
    return missing


def _booked_payouts(adapter: Provider, minor: int, day: date) -> int:
    start, _ = bounds(day)
    query = text(
        """
        SELECT count(*) FROM payment_bank_line b
        JOIN ledger_posting p ON p.entry_id = b.entry_id AND p.account = :clearing
        WHERE b.amount_fen = :fen AND b.booked_at >= :start AND b.booked_at < :stop
        """
    )
    values = {
        "clearing": chart.clearing(adapter.name),
        "fen": minor,
        "start": start,
        "stop": start + timedelta(days=PAYOUT_DAYS),
    }
    return int(db.session.execute(query, values).scalar_one())


def _bank_lines(minor: int, day: date) -> Sequence[Row[Any]]:
    start, _ = bounds(day)
    query = text(
        "SELECT id FROM payment_bank_line WHERE entry_id IS NULL AND amount_fen = :fen "
        "AND booked_at >= :start AND booked_at < :stop ORDER BY booked_at LIMIT 2"
    )
    stop = start + timedelta(days=PAYOUT_DAYS)
    return db.session.execute(query, {"fen": minor, "start": start, "stop": stop}).all()


def found_as(kind: DifferenceKind, row: Row[Any], amount_fen: int) -> Found:
    detail = {"ref": row.ref, "order": row.merchant_ref, "amount_fen": row.minor}
    return Found(kind, row.ref, amount_fen, detail)


def ours_as(kind: DifferenceKind, row: Row[Any]) -> Found:
    """Return a difference in whatever currency its row counts; only yuan are a sum of fen."""
    if row.currency == Money.zero().currency:
        return found_as(kind, row, row.minor)
    moved = shown(row.minor, row.currency)
    return Found(kind, row.ref, 0, {"ref": row.ref, "order": row.merchant_ref, "moved": moved})


def rows_of(query: str, adapter: Provider, day: date, **more: Any) -> Sequence[Row[Any]]:
    start, stop = bounds(day)
    values = {
        "provider": adapter.name,
        "account": adapter.account,
        "day": day,
        "bill": BillKind.TRADE,
        "most": MOST,
        "near": start - timedelta(days=1),
        "far": stop + timedelta(days=1),
        **more,
    }
    return db.session.execute(text(query), values).all()


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first instant of a Shanghai day and of the next one."""
    start = datetime(day.year, day.month, day.day, tzinfo=clock.SHANGHAI)
    return start, start + timedelta(days=1)
