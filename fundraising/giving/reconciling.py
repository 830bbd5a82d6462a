"""Reconciling a channel's day for gifts: what it kept as fees is booked on the funds its payments went to."""

from datetime import date, datetime, time

from sqlalchemy import text

from fundraising import clock
from fundraising.database import db
from fundraising.funds.errors import FundOverspent
from fundraising.giving import settlement
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments import reconciliation, statements
from fundraising.payments.differences import Found
from fundraising.payments.models import DifferenceKind
from fundraising.payments.providers.base import Provider
from fundraising.payments.reconciliation import Fees, Outcome
from fundraising.payments.statements import FEE_TITLE


def run(adapter: Provider, day: date) -> Outcome:
    """Reconcile one channel on one day; again changes nothing."""
    return reconciliation.run(adapter, day, settlement.apply_facts, place_fees)


def place_fees(provider: str, account: str, day: date) -> Fees:
    """Book a day's fees, one voucher per fund, in the caller's transaction; only what is not booked yet.

    Fees of payments that are no gift, and fees a fund cannot bear any more, are returned as differences.
    """
    rows = db.session.execute(
        text(
            """
            SELECT g.fund_id, sum(l.minor)::bigint AS fen, count(*) AS n
            FROM payment_bill b
            JOIN payment_bill_line l ON l.bill_id = b.id AND l.kind = 'fee'
            LEFT JOIN payment_attempt a
              ON (a.provider, a.account, a.provider_ref) = (b.provider, b.account, l.payment_ref)
            LEFT JOIN giving_gift g ON g.id = a.order_id AND g.paid_at IS NOT NULL
            WHERE (b.provider, b.account, b.day) = (:provider, :account, :day)
            GROUP BY g.fund_id ORDER BY g.fund_id
            """
        ),
        {"provider": provider, "account": account, "day": day},
    ).all()
    booked, unplaced = 0, []
    for row in rows:
        if row.fund_id is None:
            unplaced.append(_unplaced("no gift", row.fen, {"lines": row.n}))
            continue
        key = f"{provider}:{account}:{day}:{row.fund_id}"
        already = ledger.sum_under(EntryKind.FEE_CHARGED, f"fee:{key}:", chart.FUNDRAISING_COST)
        if row.fen > already:
            amount = Money(row.fen - already)
            at = datetime.combine(day, time(12), clock.SHANGHAI)
            try:
                with db.session.begin_nested():
                    statements.book_fee(
                        row.fund_id, provider, amount, f"{key}:{row.fen}", at, FEE_TITLE
                    )
            except FundOverspent:
                unplaced.append(
                    _unplaced(str(row.fund_id), amount.minor, {"reason": "the fund is spent"})
                )
                continue
        booked += row.fen
    return Fees(booked, unplaced)


def _unplaced(subject: str, fen: int, detail: dict[str, object]) -> Found:
    return Found(DifferenceKind.FEE_UNPLACED, subject, fen, {**detail, "amount_fen": fen})
