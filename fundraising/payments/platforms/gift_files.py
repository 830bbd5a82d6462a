"""Gift files of other platforms: a table and a mapping in, gifts, refunds and refused lines out.

No platform publishes a specification of its file, and each changes it at will. The mapping says which
heading holds what; lines above the headings and sums below are stepped over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, total
from fundraising.payments.platforms import cells, tables
from fundraising.payments.platforms.cells import Cell
from fundraising.payments.platforms.mapping import (
    FIELDS,
    PAID,
    REFUNDED,
    REQUIRED,
    UNPAID,
    Mapping,
    normal,
)
from fundraising.payments.platforms.problems import BadLine, RowError
from fundraising.payments.platforms.tables import Line, UnreadableFile

MAX_ERRORS = 200
LONGEST_NAME, LONGEST_MESSAGE, LONGEST_HEADING, MOST_HEADINGS = 80, 200, 80, 60
SUM_WORDS = ("合计", "总计", "小计", "总金额", "total", "sum")


class ColumnsMissing(UnreadableFile):
    """The headings are not those of the mapping: somebody must say once which is which."""

    code = "columns_missing"

    def __init__(self, missing: Sequence[str], headings: Sequence[str]) -> None:
        names = "、".join(str(FIELDS[name]) for name in missing)
        super().__init__(_l("Columns are missing: %(names)s", names=names))
        self.headings = list(headings)


@dataclass(frozen=True)
class GiftRow:
    """One paid gift as the platform tells it."""

    line: int
    number: str
    amount: Money
    paid_at: datetime
    name: str = ""
    message: str = ""
    fee: Money = field(default_factory=Money.zero)


@dataclass(frozen=True)
class RefundRow:
    """Money the platform says it gave back for a gift.

    ``is_sum`` says that it stands in the gift's own line, as all that went back of it so far.
    """

    line: int
    number: str
    amount: Money
    at: datetime
    is_sum: bool = False


@dataclass(frozen=True)
class GiftFile:
    """What a file holds. ``has_fees`` says that it has a column of fees."""

    rows: list[GiftRow] = field(default_factory=list)
    refunds: list[RefundRow] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    error_count: int = 0
    unpaid: int = 0
    has_fees: bool = False

    @property
    def total(self) -> Money:
        """The sum of all usable rows."""
        return total(row.amount for row in self.rows)


def read(data: bytes, filename: str, mapping: Mapping) -> GiftFile:
    """Read a gift file. Amounts in yuan, times in Asia/Shanghai where the file names no offset.

    Raises:
        UnreadableFile: too large, no CSV or XLSX, or torn.
        ColumnsMissing: a heading that is needed is not in the file.
    """
    found = tables.lines(data, filename)
    top = list(islice(found, tables.LINES_BEFORE_HEADINGS))
    if not top:
        raise UnreadableFile(_l("The file is empty."))
    heading, columns = _columns(top, mapping)
    reader = _Reader(columns, mapping)
    for line in chain((early for early in top if early.number > heading), found):
        reader.take(line)
    return GiftFile(
        reader.rows,
        reader.refunds,
        reader.errors,
        reader.error_count,
        reader.unpaid,
        "fee" in columns,
    )


def headings(data: bytes, filename: str) -> list[str]:
    """Return the headings of a file, for a person who says what each holds. Raises UnreadableFile."""
    top = list(islice(tables.lines(data, filename), tables.LINES_BEFORE_HEADINGS))
    if not top:
        raise UnreadableFile(_l("The file is empty."))
    return _named(tables.heading_line(top))


def _named(line: Line) -> list[str]:
    names = (cells.text(cell, LONGEST_HEADING) for cell in line.cells)
    return list(dict.fromkeys(name for name in names if name))[:MOST_HEADINGS]


def _columns(top: Sequence[Line], mapping: Mapping) -> tuple[int, dict[str, int]]:
    """Return the number of the line of headings, and which column holds what."""
    best: dict[str, int] = {}
    for line in top:
        places = {
            normal(cells.text(cell)): at for at, cell in reversed(list(enumerate(line.cells)))
        }
        found = {
            name: next(places[plain] for plain in map(normal, known) if plain in places)
            for name, known in mapping.columns.items()
            if any(normal(heading) in places for heading in known)
        }
        if found.keys() >= set(REQUIRED):
            return line.number, found
        best = max(best, found, key=len)
    missing = [name for name in REQUIRED if name not in best]
    raise ColumnsMissing(missing, _named(tables.heading_line(top)))


class _Reader:
    """Reads lines one by one and keeps what is usable."""

    def __init__(self, columns: dict[str, int], mapping: Mapping) -> None:
        self.columns = columns
        self.mapping = mapping
        self.meanings: dict[str, str | None] = {}
        self.rows: list[GiftRow] = []
        self.refunds: list[RefundRow] = []
        self.errors: list[RowError] = []
        self.error_count = 0
        self.unpaid = 0
        self.seen: dict[str, GiftRow] = {}
        self.seen_refunds: set[tuple[str, int, datetime]] = set()

    def take(self, line: Line) -> None:
        """Read one line into a gift, a refund, an error, or the count of unpaid ones."""
        values = {
            name: line.cells[place] if place < len(line.cells) else None
            for name, place in self.columns.items()
        }
        if _is_sum(line.cells, values["number"]):
            return
        try:
            self._sort(line.number, values)
        except BadLine as bad:
            self.error_count += 1
            if len(self.errors) < MAX_ERRORS:
                self.errors.append(bad.at(line.number))

    def _sort(self, line: int, values: dict[str, Cell]) -> None:
        meaning = self._meaning(cells.text(values.get("status")))
        if meaning == UNPAID:
            self.unpaid += 1
            return
        number = cells.number(values["number"])
        amount = cells.amount(values["amount"])
        at = cells.instant(values["at"])
        if not amount:
            raise BadLine("amount_zero")
        given_back = _optional(values.get("refunded"), "refund")
        if amount.minor < 0 or meaning == REFUNDED:
            gross = Money(abs(amount.minor))
            back = given_back or gross
            if gross < back:
                raise BadLine("refund_size")
            if amount.minor > 0 and back < gross:
                self._keep(_gift(line, number, gross, at, values))
            self._keep_refund(RefundRow(line, number, back, at, is_sum=amount.minor > 0))
            return
        if amount < given_back:
            raise BadLine("refund_size")
        self._keep(_gift(line, number, amount, at, values))
        if given_back:
            self._keep_refund(RefundRow(line, number, given_back, at, is_sum=True))

    def _meaning(self, status: str) -> str | None:
        if status not in self.meanings:
            self.meanings[status] = self.mapping.meaning(status)
        if self.meanings[status] is None:
            raise BadLine("status_unknown", status)
        return self.meanings[status] or PAID

    def _keep(self, row: GiftRow) -> None:
        earlier = self.seen.setdefault(row.number, row)
        if earlier is row:
            self.rows.append(row)
        elif (earlier.amount, earlier.paid_at) != (row.amount, row.paid_at):
            raise BadLine("other_facts", line=str(earlier.line))

    def _keep_refund(self, row: RefundRow) -> None:
        key = (row.number, row.amount.minor, row.at)
        if key not in self.seen_refunds:
            self.seen_refunds.add(key)
            self.refunds.append(row)


def _gift(line: int, number: str, amount: Money, at: datetime, values: dict[str, Cell]) -> GiftRow:
    fee = _optional(values.get("fee"), "fee")
    if amount < fee:
        raise BadLine("fee_size")
    return GiftRow(
        line,
        number,
        amount,
        at,
        cells.text(values.get("name"), LONGEST_NAME),
        cells.text(values.get("message"), LONGEST_MESSAGE),
        fee,
    )


def _optional(cell: Cell, field: str) -> Money:
    """Return an amount that may be left out; written as money that left, it is the same amount."""
    if cells.text(cell) in ("", "-", "--", "/"):
        return Money.zero()
    return Money(abs(cells.amount(cell, field).minor))


def _is_sum(found: Sequence[Cell], number: Cell) -> bool:
    """Whether a line is the sum below a table and no gift."""
    label = cells.text(number).lower()
    if label and not label.startswith(SUM_WORDS):
        return False
    return any(cells.text(cell).lower().startswith(SUM_WORDS) for cell in found)
