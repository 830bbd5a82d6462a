"""Reading a bank's statement as CSV: UTF-8 or GBK, headings in any order, every refused line with its reason.

Which column means what is known from the headings most banks write, or from what a person saved for a bank.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fundraising import clock
from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, MoneyError

MAX_BYTES = 8 * 1024 * 1024
MAX_ROWS = 50_000
MAX_SEPARATORS = 1000
MAX_ERRORS = 200
LINES_BEFORE_HEADINGS = 20
HEADINGS: dict[str, tuple[str, ...]] = {
    "serial": ("交易流水号", "流水号", "核心流水号", "凭证号", "serial"),
    "at": ("交易时间", "交易日期", "记账日期", "入账日期", "date"),
    "income": ("贷方发生额", "收入金额", "收入", "贷方金额", "credit"),
    "expense": ("借方发生额", "支出金额", "支出", "借方金额", "debit"),
    "amount": ("交易金额", "发生额", "金额", "amount"),
    "side": ("借贷标志", "借贷方向", "收支类型"),
    "balance": ("余额", "账户余额", "balance"),
    "counterparty": ("对方户名", "对方单位", "对方名称", "counterparty"),
    "counterparty_account": ("对方账号", "对方账户", "counterparty account"),
    "memo": ("摘要", "附言", "用途", "备注", "memo"),
}
SEVERAL = frozenset({"memo"})
COLUMNS = ("serial", "at", "time", *list(HEADINGS)[2:])
"""What a column may mean. Only of ``SEVERAL`` there may be more than one."""
CAME, WENT = ("贷", "收", "c", "转入", "存入"), ("借", "支", "付", "d", "转出", "取出")
FOOTERS = ("合计", "总计", "小计", "总笔数", "total")
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0")
TIME_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H%M%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y年%m月%d日",
)
_ROUNDED_NUMBER = re.compile(r"[0-9.]+[eE]\+[0-9]+")
Columns = Mapping[str, Sequence[int]]
Table = Sequence[Sequence[str]]


class UnreadableStatement(Invalid):
    """The file is no bank statement: nothing of it can be used."""

    code = "unreadable_statement"
    message = _l("This file cannot be read as a bank statement.")


class UnknownHeadings(UnreadableStatement):
    """A table whose headings nobody has explained yet: somebody must say which column means what."""

    code = "unknown_headings"


@dataclass(frozen=True)
class NewBankLine:
    """One movement on a bank account; money that came in is positive.

    ``serial`` is the bank's own number, empty where it gives none. A reversal takes back another movement.
    """

    serial: str
    booked_at: datetime
    amount: Money
    counterparty: str = ""
    memo: str = ""
    counterparty_account: str = ""
    balance: Money | None = None
    is_reversal: bool = False


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


def read(data: bytes, columns: Columns | None = None) -> StatementFile:
    """Read a CSV statement of one account. Amounts in yuan, times in Asia/Shanghai.

    ``columns`` is what somebody saved for these headings; without it the usual headings are looked for.

    Raises:
        UnreadableStatement: too large, packed, or not text.
        UnknownHeadings: the columns that are needed are not known.
    """
    table = table_of(data)
    if columns is not None:
        return rows_of(table, headings_line(table), columns)
    return rows_of(table, *_known_columns(table))


def table_of(data: bytes) -> list[list[str]]:
    """Return the cells of a CSV file. Raises UnreadableStatement."""
    require_modest(data)
    text = _decoded(data)
    start = text[:4000]
    separator = max(",\t;", key=start.count)
    try:
        table = list(csv.reader(_modest(text, separator), delimiter=separator))
    except csv.Error as broken:
        raise UnreadableStatement from broken
    if len(table) > MAX_ROWS:
        raise UnreadableStatement(_l("The file has more than 50,000 lines."))
    return table


def _modest(text: str, separator: str) -> Iterator[str]:
    """Yield the lines as they are written. Raises UnreadableStatement at one with too many columns."""
    for line in io.StringIO(text, newline=""):
        if line.count(separator) > MAX_SEPARATORS:
            raise UnreadableStatement(_l("A line of the file has more than 1,000 columns."))
        yield line


def require_modest(data: bytes) -> None:
    """Refuse what is too large, and every packed file: nothing is unpacked here. Raises UnreadableStatement."""
    if len(data) > MAX_BYTES:
        raise UnreadableStatement(_l("The file is larger than 8 MB."))
    if data.startswith(ARCHIVES):
        raise UnreadableStatement(
            _l("This is an Excel or packed file. Export the statement as CSV or camt.053 (XML).")
        )


def headings_line(table: Table) -> int:
    """Return the place of the headings: the first of the fullest of the upper lines. Raises UnreadableStatement."""
    counts = [sum(bool(cell.strip()) for cell in cells) for cells in table[:LINES_BEFORE_HEADINGS]]
    if not counts or max(counts) < 2:
        raise UnreadableStatement
    return counts.index(max(counts))


def signature(headings: Sequence[str]) -> str:
    """Return what names a row of headings: the same for the same columns in the same order."""
    return hashlib.sha256("\0".join(cell.strip() for cell in headings).encode()).hexdigest()


def guess(headings: Sequence[str]) -> dict[str, list[int]]:
    """Return what columns seem to mean by their headings."""
    names = [_plain(cell) for cell in headings]
    found: dict[str, list[int]] = {}
    for meaning, known in HEADINGS.items():
        places = [names.index(heading) for heading in known if heading in names]
        if places:
            found[meaning] = places if meaning in SEVERAL else places[:1]
    return found


def is_enough(columns: Columns) -> bool:
    """Whether a time and an amount can be read from such columns."""
    return bool(columns.get("at")) and bool(
        columns.get("amount") or (columns.get("income") or columns.get("expense"))
    )


def rows_of(table: Table, top: int, columns: Columns, most: int | None = None) -> StatementFile:
    """Read the rows under the headings, all or only the first ones."""
    rows: list[NewBankLine] = []
    errors: list[LineError] = []
    under = table[top + 1 :]
    for line, cells in enumerate(under[:most], start=top + 2):
        written = [cell.strip() for cell in cells if cell.strip()]
        if not written or written[0].lower().startswith(FOOTERS):
            continue
        try:
            rows.append(_row(columns, cells))
        except _BadLine as bad:
            errors.append(LineError(line, bad.problem))
    return StatementFile(rows, errors[:MAX_ERRORS])


def keyed(bank_account: str, lines: Sequence[NewBankLine]) -> list[NewBankLine]:
    """Give each line without a number of the bank a key of its own, the same whenever it comes again.

    It is a hash of account, time, amount, balance and other side, and which of equal lines of the file it is.
    """
    seen: Counter[str] = Counter()
    found: list[NewBankLine] = []
    for line in lines:
        if line.serial:
            found.append(line)
            continue
        balance = "" if line.balance is None else str(line.balance.minor)
        parts = [
            bank_account,
            line.booked_at.astimezone(clock.SHANGHAI).isoformat(),
            str(line.amount.minor),
            balance,
            line.counterparty,
            line.counterparty_account,
        ]
        body = "\0".join(parts)
        seen[body] += 1
        digest = hashlib.sha256(f"{body}\0{seen[body]}".encode()).hexdigest()
        found.append(replace(line, serial=f"{KEY_MARK}{digest}"))
    return found


KEY_MARK = "sha256:"


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableStatement(_l("The file is neither UTF-8 nor GBK text."))


def _plain(heading: str) -> str:
    return heading.strip().lower().split("(")[0].split("（")[0]


def _known_columns(table: Table) -> tuple[int, Columns]:
    """Find the line of headings: banks write the name of the account above it."""
    for top, cells in enumerate(table[:LINES_BEFORE_HEADINGS]):
        found = guess(cells)
        if {"serial", "at"} <= found.keys() and ({"income", "amount"} & found.keys()):
            return top, found
    raise UnknownHeadings(
        _l("Columns are missing: %(names)s", names="交易流水号、交易时间、贷方发生额")
    )


def _row(columns: Columns, cells: Sequence[str]) -> NewBankLine:
    def cell(name: str) -> str:
        written = [cells[place].strip() for place in columns.get(name, ()) if place < len(cells)]
        return " ".join(dict.fromkeys(text for text in written if text))

    serial = cell("serial").strip("`'\t")
    if not serial and columns.get("serial"):
        raise _BadLine(_l("The bank's serial number is missing."))
    if _ROUNDED_NUMBER.fullmatch(serial):
        raise _BadLine(_l("The serial number was rounded by a spreadsheet. Export the file anew."))
    amount = _amount(cell("income"), cell("expense"), _sided(cell("amount"), cell("side")))
    balance = cell("balance")
    return NewBankLine(
        serial,
        _instant(f"{cell('at')} {cell('time')}".strip()),
        amount,
        cell("counterparty"),
        cell("memo"),
        cell("counterparty_account").strip("`'\t"),
        _money(balance) if balance else None,
    )


def _sided(amount: str, side: str) -> str:
    """Return the amount with the sign that a mark of debit or credit gives it."""
    if not side or not amount:
        return amount
    if side.lower().startswith(CAME):
        return amount
    if side.lower().startswith(WENT):
        return f"-{amount.lstrip('+-')}"
    raise _BadLine(_l("The mark of debit or credit is neither 借 nor 贷."))


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
