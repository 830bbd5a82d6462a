"""Reconciling a channel's day for gifts: what it kept as fees is booked on the funds its payments went to."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Row, text

from fundraising import clock
from fundraising.database import db
from fundraising.funds.errors import FundOverspent
from fundraising.giving import settlement
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments import fees, reconciliation
from fundraising.payments.differences import Found
from fundraising.payments.providers.base import Provider
from fundraising.payments.reconciliation import Fees, Outcome
from fundraising.payments.reconciliation_models import DifferenceKind


def run(adapter: Provider, day: date) -> Outcome:
    """Reconcile one channel on one day; again changes nothing."""
    return reconciliation.run(adapter, day, settlement.apply_facts, place_fees)


def place_fees(provider: str, account: str, day: date) -> Fees:
    """Book a day's fees, one voucher per fund, in the caller's transaction; only what is not booked yet.

    Fees given back are set off against the day's fees; more of them than fees come back to the fund. Fees
    of payments that are no gift, and fees a fund cannot bear any more, are returned as differences.
    """
    booked, unplaced = 0, []
    for row in _kept(provider, account, day):
        if row.fund_id is None:
            unplaced.append(_unplaced("no gift", row.fen, {"lines": row.n}))
            continue
        left = _book(provider, f"{provider}:{account}:{day}:{row.fund_id}", row, day)
        if left:
            reason = "the fund is spent"
            unplaced.append(_unplaced(str(row.fund_id), left, {"reason": reason}))
        booked += row.fen - left
    return Fees(booked, unplaced)


def _kept(provider: str, account: str, day: date) -> Sequence[Row[Any]]:
    """Return what a day's files say was kept, by the fund its payments went to; no fund comes last.

    A line names its payment by the provider's number or, where it has none, by ours.
    """
    query = text(
        """
        SELECT g.fund_id, count(*) AS n,
               sum(CASE l.kind WHEN 'fee' THEN l.minor ELSE -l.minor END)::bigint AS fen
        FROM payment_bill b
        JOIN payment_bill_line l ON l.bill_id = b.id AND l.kind IN ('fee', 'fee_back')
        LEFT JOIN payment_attempt a
          ON (a.provider, a.account, a.provider_ref) = (b.provider, b.account, nullif(l.payment_ref, ''))
        LEFT JOIN payment_attempt m
          ON l.payment_ref = ''
         AND (m.provider, m.account, m.merchant_ref) = (b.provider, b.account, nullif(l.merchant_ref, ''))
        LEFT JOIN giving_gift g ON g.id = coalesce(a.order_id, m.order_id) AND g.paid_at IS NOT NULL
        WHERE (b.provider, b.account, b.day) = (:provider, :account, :day)
        GROUP BY g.fund_id ORDER BY g.fund_id
        """
    )
    values = {"provider": provider, "account": account, "day": day}
    return db.session.execute(query, values).all()


def _book(provider: str, key: str, row: Row[Any], day: date) -> int:
    """Book what is missing to the day's sum for a fund; return what the fund cannot bear any more."""
    charged = ledger.sum_under(EntryKind.FEE_CHARGED, f"fee:{key}:", chart.FUNDRAISING_COST)
    given = -ledger.sum_under(EntryKind.FEE_RETURNED, f"fee-back:{key}:", chart.FUNDRAISING_COST)
    missing = int(row.fen) - (charged - given)
    at = datetime.combine(day, time(12), clock.SHANGHAI)
    once = f"{key}:{charged}:{given}:{row.fen}"
    if missing < 0:
        fees.book_fee_back(row.fund_id, provider, Money(-missing), once, at)
    if missing <= 0:
        return 0
    try:
        with db.session.begin_nested():
            fees.book_fee(row.fund_id, provider, Money(missing), once, at, fees.FEE_TITLE)
    except FundOverspent:
        return missing
    return 0


def _unplaced(subject: str, fen: int, detail: dict[str, object]) -> Found:
    return Found(DifferenceKind.FEE_UNPLACED, subject, fen, {**detail, "amount_fen": fen})
