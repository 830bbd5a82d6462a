"""The files finance and auditors take away: ledger, vouchers, gifts, trial balance."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.ledger import queries as books
from fundraising.money import Money
from fundraising.reports import csv_files, queries, words
from fundraising.reports.csv_files import Cell

LEDGER = (
    _l("Booked on"), _l("Voucher"), _l("Kind"), _l("Line"), _l("Account"), _l("Account name"), _l("Debit"),
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


def ledger(period: str | None = None) -> Iterator[bytes]:
    """Yield ``ledger.csv``: every line of every voucher with debit and credit."""
    return csv_files.lines(LEDGER, map(_posting, queries.postings(period)))


def vouchers(period: str | None = None) -> Iterator[bytes]:
    """Yield ``vouchers.csv``: one row per voucher."""
    return csv_files.lines(VOUCHERS, map(_voucher, queries.vouchers(period)))


def gifts(slug: str | None = None) -> Iterator[bytes]:
    """Yield ``gifts.csv``: paid gifts with the voucher that booked them. Public names only."""
    return csv_files.lines(GIFTS, map(_gift, queries.gifts(slug)))


def trial_balance() -> Iterator[bytes]:
    """Yield ``trial-balance.csv``: every account with its balance, and the sums, which are equal."""
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
    return csv_files.lines(BALANCES, table)


# ---------------------------------------------------------------------- inside


def _posting(row: Row[Any]) -> list[Cell]:
    amount = row.amount_minor
    return [
        row.booked_on,
        _number(row.period, row.voucher_no),
        words.kind(row.kind),
        row.line,
        row.account,
        pick(row.account_name),
        Money(amount, row.currency) if amount > 0 else None,
        Money(-amount, row.currency) if amount < 0 else None,
        row.currency,
        pick(row.fund_name),
        row.occurred_at,
        row.recorded_at,
        pick(row.reason),
        _number(row.reversed_period, row.reversed_no),
        row.key,
        row.actor,
        _mark(is_demo=row.is_demo),
    ]


def _voucher(row: Row[Any]) -> list[Cell]:
    return [
        row.booked_on,
        _number(row.period, row.voucher_no),
        words.kind(row.kind),
        Money(row.amount_minor, row.currency),
        row.currency,
        row.posting_count,
        pick(row.fund_name),
        row.occurred_at,
        pick(row.reason),
        _number(row.reversed_period, row.reversed_no),
        row.key,
        row.actor,
        _mark(is_demo=row.is_demo),
    ]


def _gift(row: Row[Any]) -> list[Cell]:
    return [
        row.ref,
        row.order_no,
        row.external_ref,
        pick(row.title),
        words.channel(row.channel),
        Money(row.amount_fen, row.currency),
        Money(row.refunded_fen, row.currency),
        row.currency,
        str(words.GIFT_STATES.get(row.state, row.state)),
        row.paid_at,
        row.display_name,
        str(_l("yes") if row.wants_fiscal_receipt else _l("no")),
        _number(row.period, row.voucher_no),
        _mark(is_demo=row.is_demo),
    ]


def _number(period: str | None, voucher_no: int | None) -> str:
    return f"{period}-{voucher_no:05d}" if period and voucher_no else ""


def _mark(*, is_demo: bool) -> str:
    return words.DEMO_MARK if is_demo else ""
