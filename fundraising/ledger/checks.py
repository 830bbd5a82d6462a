"""Proving the books: each check is a question to the database that must find nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from fundraising.database import db

MOST_FINDINGS = 20


@dataclass(frozen=True)
class Finding:
    """Something in the books that does not hold."""

    check: str
    what: str


Check = Callable[[], list[Finding]]
_checks: dict[str, Check] = {}


def register(name: str, query: str) -> None:
    """Add a check: ``query`` returns one row with a text column ``what`` per fault."""

    def run() -> list[Finding]:
        rows = db.session.execute(text(f"{query} LIMIT {MOST_FINDINGS}"))
        return [Finding(name, str(row[0])) for row in rows]

    _checks[name] = run


def names() -> list[str]:
    """Return the names of all checks."""
    return sorted(_checks)


def run_all() -> list[Finding]:
    """Run every check in one snapshot of the database and return what does not hold."""
    db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    db.session.execute(text("SET LOCAL statement_timeout = '10min'"))
    return run_here()


def run_here() -> list[Finding]:
    """Run every check on what the present transaction sees."""
    return [finding for name in names() for finding in _checks[name]()]


register(
    "every entry is balanced and whole",
    """
    SELECT format('voucher %s-%s: %s of %s lines, sum %s', e.period, e.voucher_no, coalesce(p.n, 0),
                  e.posting_count, coalesce(p.total, 0)) AS what
    FROM ledger_entry e
    LEFT JOIN (SELECT entry_id, count(*) AS n, sum(amount_minor) AS total,
                      bool_and(zero) AS balanced
               FROM (SELECT entry_id, amount_minor,
                            sum(amount_minor) OVER (PARTITION BY entry_id, currency) = 0 AS zero
                     FROM ledger_posting) AS s
               GROUP BY entry_id) AS p ON p.entry_id = e.id
    WHERE p.n IS DISTINCT FROM e.posting_count OR NOT p.balanced
    """,
)
register(
    "the trial balance is zero",
    """
    SELECT format('%s: %s', currency, sum(amount_minor)) AS what FROM ledger_posting
    GROUP BY currency HAVING sum(amount_minor) <> 0
    """,
)
register(
    "totals shown are the sums of postings",
    """
    SELECT format('%s %s %s %s: shown %s of %s, booked %s of %s', account, fund_id, kind, currency,
                  shown, shown_n, booked, booked_n) AS what
    FROM (
        SELECT account, currency, coalesce(fund_id, '00000000-0000-0000-0000-000000000000'::uuid) AS fund_id, kind,
               sum(amount_minor) AS shown, sum(posting_count) AS shown_n
        FROM (SELECT account, currency, fund_id, kind, amount_minor, posting_count FROM ledger_total
              UNION ALL
              SELECT account, currency, fund_id, kind, amount_minor, posting_count FROM ledger_total_delta)
             AS both_tables
        GROUP BY 1, 2, 3, 4
    ) AS t
    FULL JOIN (
        SELECT p.account, p.currency,
               coalesce(p.fund_id, '00000000-0000-0000-0000-000000000000'::uuid) AS fund_id, e.kind,
               sum(p.amount_minor) AS booked, count(*) AS booked_n
        FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id
        GROUP BY 1, 2, 3, 4
    ) AS b USING (account, currency, fund_id, kind)
    WHERE (shown, shown_n) IS DISTINCT FROM (booked, booked_n)
    """,
)
register(
    "vouchers are numbered without gaps",
    """
    SELECT format('%s: last %s, found %s', p.period, p.last_voucher, count(e.id)) AS what
    FROM ledger_period p LEFT JOIN ledger_entry e ON e.period = p.period
    GROUP BY p.period, p.last_voucher
    HAVING count(e.id) <> p.last_voucher OR coalesce(max(e.voucher_no), 0) <> p.last_voucher
    """,
)
