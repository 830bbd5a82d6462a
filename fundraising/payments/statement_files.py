"""Reading a bank's statement as CSV: UTF-8 or GBK, headings in any order, every refused line with its reason."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fundraising import clock
from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, MoneyError

MAX_BYTES = 8 * 1024 * 1024
MAX_ROWS = 50_000
MAX_ERRORS = 200
LINES_BEFORE_HEADINGS = 20
HEADINGS: dict[str, tuple[str, ...]] = {
    "serial": ("交易流水号", "流水号", "核心流水号", "凭证号", "serial"),
    "at": ("交易时间", "交易日期", "记账日期", "入账日期", "date"),
    "income": ("贷方发生额", "收入金额", "收入", "贷方金额", "credit"),
    "expense": ("借方发生额", "支出金额", "支出", "借方金额", "debit"),
    "amount": ("交易金额", "发生额", "金额", "amount"),
    "counterparty": ("对方户名", "对方单位", "对方名称", "counterparty"),
    "memo": ("摘要", "附言", "用途", "备注", "memo"),
}
TIME_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%d %H:%M:%S",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
)
_ROUNDED_NUMBER = re.compile(r"[0-9.]+[eE]\+[0-9]+")


class UnreadableStatement(Invalid):
    """The file is no bank statement: nothing of it can be used."""

    code = "unreadable_statement"
    message = _l("This file cannot be read as a bank statement.")


@dataclass(frozen=True)
class NewBankLine:
    """One movement on a bank account; money that came in is positive."""

    serial: str
    booked_at: datetime
    amount: Money
    counterparty: str = ""
    memo: str = ""


@dataclass(frozen=True)
class LineError:
    """A line that cannot be used, with what is wrong in the reader's language."""

    line: int
    problem: Any


@dataclass(frozen=True)
class StatementFile:
    """What a file holds: usable movements and refused lines."""

    lines: list[NewBankLine] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)


class _BadLine(Exception):
    def __init__(self, problem: Any) -> None:
        super().__init__()
        self.problem = problem


def read(data: bytes) -> StatementFile:
    """Read a statement of one account. Amounts in yuan, times in Asia/Shanghai.

    Raises:
        UnreadableStatement: too large, not text, or without the columns that are needed.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableStatement(_l("The file is larger than 8 MB."))
    try:
        table = list(csv.reader(io.StringIO(_decoded(data), newline="")))
    except csv.Error as broken:
        raise UnreadableStatement from broken
    if len(table) > MAX_ROWS:
        raise UnreadableStatement(_l("The file has more than 50,000 lines."))
    top, columns = _columns(table)
    rows: list[NewBankLine] = []
    errors: list[LineError] = []
    for line, cells in enumerate(table[top + 1 :], start=top + 2):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            rows.append(_row(columns, cells))
        except _BadLine as bad:
            errors.append(LineError(line, bad.problem))
    return StatementFile(rows, errors[:MAX_ERRORS])


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableStatement(_l("The file is neither UTF-8 nor GBK text."))


def _columns(table: Sequence[Sequence[str]]) -> tuple[int, dict[str, int]]:
    """Find the line of headings: banks write the name of the account above it."""
    for top, cells in enumerate(table[:LINES_BEFORE_HEADINGS]):
        names = [cell.strip().lower().split("(")[0].split("（")[0] for cell in cells]
        found = {
            name: next(names.index(heading) for heading in headings if heading in names)
            for name, headings in HEADINGS.items()
            if any(heading in names for heading in headings)
        }
        if {"serial", "at"} <= found.keys() and ({"income", "amount"} & found.keys()):
            return top, found
    raise UnreadableStatement(
        _l("Columns are missing: %(names)s", names="交易流水号、交易时间、贷方发生额")
    )


def _row(columns: dict[str, int], cells: Sequence[str]) -> NewBankLine:
    def cell(name: str) -> str:
        place = columns.get(name)
        return cells[place].strip() if place is not None and place < len(cells) else ""

    serial = cell("serial").lstrip("`'")
    if not serial:
        raise _BadLine(_l("The bank's serial number is missing."))
    if _ROUNDED_NUMBER.fullmatch(serial):
        raise _BadLine(_l("The serial number was rounded by a spreadsheet. Export the file anew."))
    amount = _amount(cell("income"), cell("expense"), cell("amount"))
    return NewBankLine(serial, _instant(cell("at")), amount, cell("counterparty"), cell("memo"))


def _amount(income: str, expense: str, signed: str) -> Money:
    came, went, moved = _money(income), _money(expense), _money(signed)
    if came and went:
        raise _BadLine(_l("The line names money that came in and money that went out."))
    amount = moved if not came and not went else Money(abs(came.minor)) - Money(abs(went.minor))
    if not amount:
        raise _BadLine(_l("The amount is zero."))
    return amount


def _money(text: str) -> Money:
    plain = text.replace(",", "").lstrip("¥￥+")
    if not plain:
        return Money.zero()
    try:
        return -Money.parse_yuan(plain[1:]) if plain[0] == "-" else Money.parse_yuan(plain)
    except MoneyError:
        raise _BadLine(_l("The amount is not a number with at most two decimals.")) from None


def _instant(text: str) -> datetime:
    for form in TIME_FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=clock.SHANGHAI)
        except ValueError:
            continue
    raise _BadLine(_l("The time is not written like 2024-05-08 10:30:00."))
