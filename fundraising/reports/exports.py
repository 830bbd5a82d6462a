"""The files finance and auditors take away: ledger, vouchers, gifts, trial balance."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row

from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.ledger import queries as books
from fundraising.money import Money
from fundraising.reports import csv_files, queries, words
from fundraising.reports.csv_files import Cell
from fundraising.reports.queries import Rows
from fundraising.reports.words import Tongue

LEDGER = (
    _l("Booked on"), _l("Voucher"), _l("Kind"), _l("Posting"), _l("Account"), _l("Account name"), _l("Debit"),
    _l("Credit"), _l("Currency"), _l("Fund"), _l("Happened at"), _l("Recorded at"), _l("Reason"),
    _l("Reverses voucher"), _l("Cause"), _l("Booked by"), _l("Mark"),
)  # fmt: skip
VOUCHERS = (
    _l("Booked on"), _l("Voucher"), _l("Kind"), _l("Amount"), _l("Currency"), _l("Lines"), _l("Fund"),
    _l("Happened at"), _l("Reason"), _l("Reverses voucher"), _l("Cause"), _l("Booked by"), _l("Mark"),
)  # fmt: skip
GIFTS = (
    _l("Gift"), _l("Order number"), _l("Number at the platform"), _l("Campaign"), _l("Channel"), _l("Amount"),
    _l("Refunded"), _l("Currency"), _l("State"), _l("Paid at"), _l("Public name"), _l("Fiscal receipt wanted"),
    _l("Voucher"), _l("Mark"),
)  # fmt: skip
BALANCES = (
    _l("Account"), _l("Account name"), _l("Class"), _l("Currency"), _l("Debit"), _l("Credit"),
    _l("Mark"),
)  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A file being written, piece by piece; its cursor is closed at the end or when the reader hangs up."""

    written: Iterator[bytes]
    rows: Rows | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.written
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        if self.rows is not None:
            self.rows.close()


def ledger(period: str | None = None) -> Export:
    """Return ``ledger.csv``: every line of every voucher with debit and credit."""
    return _export(LEDGER, queries.postings(period), _posting)


def vouchers(period: str | None = None) -> Export:
    """Return ``vouchers.csv``: one row per voucher."""
    return _export(VOUCHERS, queries.vouchers(period), _voucher)


def gifts(slug: str | None = None) -> Export:
    """Return ``gifts.csv``: paid gifts with the voucher that booked them. Public names only."""
    tongue = words.with_platforms(words.tongue())
    return _export(GIFTS, queries.gifts(slug), _gift, tongue)


def trial_balance() -> Export:
    """Return ``trial-balance.csv``: every account with its balance, and the sums, which are equal."""
    rows = books.trial_balance()
    mark = _mark(is_demo=queries.has_demo())
    table: list[list[Cell]] = [
        [
            row.account,
            pick(row.name),
            str(words.ACCOUNT_TYPES[row.type]),
            row.currency,
            Money(row.debit_minor, row.currency),
            Money(row.credit_minor, row.currency),
            mark,
        ]
        for row in rows
    ]
    for currency in sorted({row.currency for row in rows}):
        debits = sum(row.debit_minor for row in rows if row.currency == currency)
        credits_ = sum(row.credit_minor for row in rows if row.currency == currency)
        sums: list[Cell] = [Money(debits, currency), Money(credits_, currency)]
        table.append([str(_l("Together")), "", "", currency, *sums, mark])
    return Export(csv_files.lines(_words(BALANCES), table))


# ---------------------------------------------------------------------- inside


def _words(heading: Sequence[Any]) -> list[str]:
    return [str(name) for name in heading]


def _export(
    heading: Sequence[Any],
    rows: Rows,
    write: Callable[[Tongue, Row[Any]], list[Cell]],
    tongue: Tongue | None = None,
) -> Export:
    table = map(partial(write, tongue or words.tongue()), rows)
    return Export(csv_files.lines(_words(heading), table), rows)


def _posting(say: Tongue, row: Row[Any]) -> list[Cell]:
    amount = row.amount_minor
    return [
        row.booked_on,
        _number(row.period, row.voucher_no),
        say.kinds.get(row.kind, row.kind),
        row.line,
        row.account,
        say.pick(row.account_name),
        Money(amount, row.currency) if amount > 0 else None,
        Money(-amount, row.currency) if amount < 0 else None,
        row.currency,
        say.pick(row.fund_name),
        row.occurred_at,
        row.recorded_at,
        say.pick(row.reason),
        _number(row.reversed_period, row.reversed_no),
        row.key,
        row.person or say.system,
        _mark(is_demo=row.is_demo),
    ]


def _voucher(say: Tongue, row: Row[Any]) -> list[Cell]:
    return [
        row.booked_on,
        _number(row.period, row.voucher_no),
        say.kinds.get(row.kind, row.kind),
        Money(row.amount_minor, row.currency),
        row.currency,
        row.posting_count,
        say.pick(row.fund_name),
        row.occurred_at,
        say.pick(row.reason),
        _number(row.reversed_period, row.reversed_no),
        row.key,
        row.person or say.system,
        _mark(is_demo=row.is_demo),
    ]


def _gift(say: Tongue, row: Row[Any]) -> list[Cell]:
    return [
        row.ref,
        row.order_no,
        row.external_ref,
        say.pick(row.title),
        say.channels.get(row.channel.partition(".")[0], row.channel),
        Money(row.amount_fen, row.currency),
        Money(row.refunded_fen, row.currency),
        row.currency,
        say.states.get(row.state, row.state),
        row.paid_at,
        row.display_name,
        say.yes if row.wants_fiscal_receipt else say.no,
        _number(row.period, row.voucher_no),
        _mark(is_demo=row.is_demo),
    ]


def _number(period: str | None, voucher_no: int | None) -> str:
    return f"{period}-{voucher_no:05d}" if period and voucher_no else ""


def _mark(*, is_demo: bool) -> str:
    return words.DEMO_MARK if is_demo else ""
