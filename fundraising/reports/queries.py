"""Reading for exports and finance pages: long lists are streamed from the server in their order."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from fundraising.database import db

AT_ONCE = 2000
DEMO = """
    coalesce((SELECT c.is_demo FROM campaign c WHERE c.fund_id = e.fund_id LIMIT 1),
             (SELECT bool_or(is_demo) FROM campaign), false)
"""
"""Whether an entry is demonstration data; what belongs to no fund is, as soon as one campaign is."""
PERSON = """
    coalesce(nullif(u.name, ''), u.email, CASE WHEN e.actor LIKE 'staff:%' THEN e.actor END)
"""
"""Who booked an entry, nobody where the system did."""
BOOKED_BY = "LEFT JOIN account_user u ON e.actor = 'staff:' || u.id"
POSTINGS = f"""
    SELECT e.booked_on, e.period, e.voucher_no, e.kind, p.line, p.account, a.name AS account_name,
           p.amount_minor, p.currency, f.name AS fund_name, e.occurred_at, e.recorded_at, e.reason,
           r.period AS reversed_period, r.voucher_no AS reversed_no, e.key, {PERSON} AS person, {DEMO} AS is_demo
    FROM ledger_entry e
    JOIN ledger_posting p ON p.entry_id = e.id
    JOIN ledger_account a ON a.code = p.account
    LEFT JOIN ledger_entry r ON r.id = e.reverses_id
    LEFT JOIN fund f ON f.id = coalesce(p.fund_id, e.fund_id)
    {BOOKED_BY}
    WHERE e.period >= :since AND e.period <= :until
    ORDER BY e.period, e.voucher_no, p.line
"""
VOUCHERS = f"""
    SELECT e.booked_on, e.period, e.voucher_no, e.kind, e.posting_count, s.currency, s.amount_minor,
           f.name AS fund_name, e.occurred_at, e.reason, r.period AS reversed_period,
           r.voucher_no AS reversed_no, e.key, {PERSON} AS person, {DEMO} AS is_demo
    FROM ledger_entry e
    CROSS JOIN LATERAL (SELECT currency, sum(amount_minor)::bigint AS amount_minor FROM ledger_posting
                        WHERE entry_id = e.id AND amount_minor > 0 GROUP BY currency) AS s
    LEFT JOIN ledger_entry r ON r.id = e.reverses_id
    LEFT JOIN fund f ON f.id = e.fund_id
    {BOOKED_BY}
    WHERE e.period >= :since AND e.period <= :until
    ORDER BY e.period, e.voucher_no, s.currency
"""
GIFTS = """
    SELECT g.ref, g.order_no, g.external_ref, c.title, c.is_demo, g.channel, g.amount_fen, g.refunded_fen,
           g.currency, g.state, g.paid_at, g.display_name, g.wants_fiscal_receipt, e.period, e.voucher_no
    FROM giving_gift g
    JOIN campaign c ON c.id = g.campaign_id
    LEFT JOIN fund_lot l ON l.source_id = g.id
    LEFT JOIN ledger_entry e ON e.id = l.entry_id
    WHERE g.paid_at IS NOT NULL AND (CAST(:slug AS text) IS NULL OR c.slug = :slug)
    ORDER BY g.campaign_id, g.paid_at DESC, g.id DESC
"""
FIRST, LAST = "0000-00", "9999-99"


class Rows:
    """Rows read by a cursor on the server, on a connection of their own: they outlive the request."""

    def __init__(self, query: str, parameters: Mapping[str, Any]) -> None:
        bind = db.session.get_bind()
        self._own = bind.connect() if isinstance(bind, Engine) else None
        connection = self._own or bind
        assert isinstance(connection, Connection)
        options = {"stream_results": True, "yield_per": AT_ONCE}
        self._result = connection.execute(text(query), parameters, execution_options=options)

    def __iter__(self) -> Iterator[Row[Any]]:
        return iter(self._result)

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        self._result.close()
        if self._own is not None:
            self._own.close()


def postings(period: str | None = None) -> Rows:
    """Return the lines of all vouchers, or of a month's, in voucher order."""
    return Rows(POSTINGS, {"since": period or FIRST, "until": period or LAST})


def vouchers(period: str | None = None) -> Rows:
    """Return all vouchers, or a month's, in order; one row per currency."""
    return Rows(VOUCHERS, {"since": period or FIRST, "until": period or LAST})


def gifts(slug: str | None = None) -> Rows:
    """Return the paid gifts of all campaigns or of one, the latest of each campaign first."""
    return Rows(GIFTS, {"slug": slug})


def has_demo() -> bool:
    """Whether demonstration data is loaded here."""
    return bool(
        db.session.execute(text("SELECT EXISTS (SELECT FROM campaign WHERE is_demo)")).scalar()
    )
