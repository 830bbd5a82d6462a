"""Gift files of the designated platform 公益宝: CSV or XLSX in, rows with clear errors out.

The platform publishes no specification of its file; columns are therefore found by their headings,
in any order, and several headings are known for each. The platform's own gift number is what makes
a gift the same gift when a file is imported again.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from openpyxl import load_workbook

from fundraising import clock
from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, MoneyError

NAME = "gongyibao"
MAX_BYTES = 24 * 1024 * 1024
MAX_UNPACKED = 200 * 1024 * 1024
MAX_ROWS = 200_000
MAX_ERRORS = 200
FUTURE_SLACK = timedelta(days=1)
HEADINGS: dict[str, tuple[str, ...]] = {
    "number": ("捐赠编号", "捐赠单号", "订单号", "订单编号", "gift number"),
    "amount": (
        "捐赠金额(元)",
        "捐赠金额（元）",
        "捐赠金额",
        "金额(元)",
        "金额（元）",
        "amount (yuan)",
    ),
    "at": ("捐赠时间", "支付时间", "paid at"),
    "name": ("捐赠人", "捐赠人昵称", "昵称", "donor"),
    "message": ("留言", "捐赠留言", "message"),
    "project": ("项目名称", "项目", "project"),
    "status": ("状态", "订单状态", "status"),
}
REQUIRED = ("number", "amount", "at")
PAID_WORDS = frozenset({"", "成功", "已支付", "支付成功", "捐赠成功", "paid", "success"})
TIME_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M")


class UnreadableFile(Invalid):
    """The file is no gift file at all: nothing of it can be used."""

    code = "unreadable_file"
    message = _l("This file cannot be read as a gift file.")


@dataclass(frozen=True)
class GiftRow:
    """One paid gift as the platform tells it."""

    line: int
    number: str
    amount: Money
    paid_at: datetime
    name: str = ""
    message: str = ""


@dataclass(frozen=True)
class RowError:
    """A line that cannot be used, with what is wrong in the reader's language."""

    line: int
    problem: Any


@dataclass(frozen=True)
class GiftFile:
    """What a file holds: usable rows, refused lines, and how many lines were not paid."""

    rows: list[GiftRow] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    unpaid: int = 0

    @property
    def total(self) -> Money:
        """The sum of all usable rows."""
        return Money(sum(row.amount.minor for row in self.rows))


def read(data: bytes, filename: str) -> GiftFile:
    """Read a gift file of 公益宝. Amounts in yuan, times in Asia/Shanghai.

    Raises:
        UnreadableFile: too large, not CSV or XLSX, or without the three columns that are needed.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableFile(_l("The file is larger than 24 MB."))
    table = _xlsx(data) if filename.lower().endswith(".xlsx") else _csv(data)
    header = next(table, None)
    if header is None:
        raise UnreadableFile(_l("The file is empty."))
    return _rows(_columns(header), table)


def _csv(data: bytes) -> Iterator[Sequence[Any]]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return iter(csv.reader(io.StringIO(text, newline="")))
    raise UnreadableFile(_l("The file is neither UTF-8 nor GBK text."))


def _xlsx(data: bytes) -> Iterator[Sequence[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                raise UnreadableFile(_l("The workbook unpacks to more than 200 MB."))
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError) as broken:
        raise UnreadableFile from broken
    return sheet.iter_rows(values_only=True)


def _columns(header: Sequence[Any]) -> dict[str, int]:
    known = {heading.lower(): name for name, many in HEADINGS.items() for heading in many}
    found: dict[str, int] = {}
    for position, cell in enumerate(header):
        name = known.get(_text(cell).lower())
        if name is not None and name not in found:
            found[name] = position
    missing = [HEADINGS[name][0] for name in REQUIRED if name not in found]
    if missing:
        raise UnreadableFile(_l("Columns are missing: %(names)s", names="、".join(missing)))
    return found


def _rows(columns: dict[str, int], table: Iterator[Sequence[Any]]) -> GiftFile:
    result = _Collector(columns)
    try:
        for line, cells in enumerate(table, start=2):
            if line > MAX_ROWS + 1:
                raise UnreadableFile(_l("The file has more than 200,000 lines."))
            if any(_text(cell) for cell in cells):
                result.take(line, cells)
    except csv.Error as broken:
        raise UnreadableFile from broken
    return GiftFile(result.rows, result.errors, result.unpaid)


class _Collector:
    """Reads lines one by one and keeps what is usable."""

    def __init__(self, columns: dict[str, int]) -> None:
        self.columns = columns
        self.rows: list[GiftRow] = []
        self.errors: list[RowError] = []
        self.unpaid = 0
        self.seen: dict[str, GiftRow] = {}

    def take(self, line: int, cells: Sequence[Any]) -> None:
        """Read one line into a row, an error, or the count of unpaid ones."""
        values = {
            name: cells[position] if position < len(cells) else None
            for name, position in self.columns.items()
        }
        if _text(values.get("status")).lower() not in PAID_WORDS:
            self.unpaid += 1
            return
        try:
            row = _row(line, values)
            self._keep(row)
        except _BadLine as bad:
            if len(self.errors) < MAX_ERRORS:
                self.errors.append(RowError(line, bad.problem))

    def _keep(self, row: GiftRow) -> None:
        earlier = self.seen.setdefault(row.number, row)
        if earlier is row:
            self.rows.append(row)
        elif (earlier.amount, earlier.paid_at) != (row.amount, row.paid_at):
            raise _BadLine(
                _l(
                    "The gift number of line %(line)s comes again with other facts.",
                    line=earlier.line,
                )
            )


class _BadLine(Exception):
    def __init__(self, problem: Any) -> None:
        super().__init__()
        self.problem = problem


def _row(line: int, values: dict[str, Any]) -> GiftRow:
    number = _text(values["number"]).lstrip("`'")
    if not number or len(number) > 64 or not number.isascii():
        raise _BadLine(_l("The gift number is missing or unusable."))
    return GiftRow(
        line,
        number,
        _amount(values["amount"]),
        _instant(values["at"]),
        _text(values.get("name"))[:80],
        _text(values.get("message"))[:200],
    )


def _amount(cell: Any) -> Money:
    text = _text(cell).replace(",", "").lstrip("¥￥")
    try:
        amount = Money.parse_yuan(text)
    except MoneyError:
        raise _BadLine(_l("The amount is not a number with at most two decimals.")) from None
    if not amount:
        raise _BadLine(_l("The amount is zero."))
    return amount


def _instant(cell: Any) -> datetime:
    naive = cell if isinstance(cell, datetime) else _parsed_time(_text(cell))
    instant = naive if naive.tzinfo else naive.replace(tzinfo=clock.SHANGHAI)
    if instant > clock.now() + FUTURE_SLACK:
        raise _BadLine(_l("The time lies in the future."))
    return instant


def _parsed_time(text: str) -> datetime:
    for form in TIME_FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=clock.SHANGHAI)
        except ValueError:
            continue
    raise _BadLine(_l("The time is not written like 2024-05-08 10:30:00."))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()
