"""Opens a table that somebody sent: CSV (UTF-8, GBK) or XLSX, bounded in every direction, cell by cell.

Both are read as streams. Lines that hold nothing are no lines; a file that is torn is told where.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.parsers.expat import ExpatError

from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.platforms import cells, workbooks
from fundraising.payments.platforms.cells import Cell

MAX_BYTES = 24 * 1024 * 1024
MAX_ROWS = 200_000
MAX_LINES = 1_048_576
MAX_SEPARATORS = 1000
LINES_BEFORE_HEADINGS = 20
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, ExpatError, csv.Error, KeyError, ValueError, IndexError,
    OSError, EOFError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the readers of a torn or forged file raise; each means the same to the person who sent it."""


class UnreadableFile(Invalid):
    """The file is no gift file at all: nothing of it can be used."""

    code = "unreadable_file"
    message = _l("This file cannot be read as a gift file.")


@dataclass(frozen=True)
class Line:
    """One line of a table with its number as people count them."""

    number: int
    cells: Sequence[Cell]


def lines(data: bytes, filename: str) -> Iterator[Line]:
    """Yield the lines of a table that hold anything.

    Raises:
        UnreadableFile: too large, no CSV or XLSX, torn, or with more than 200,000 lines.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableFile(_l("The file is larger than 24 MB."))
    is_workbook = data[:4] == b"PK\x03\x04" or filename.lower().endswith((".xlsx", ".xlsm"))
    found = _guarded(workbooks.rows(data) if is_workbook else _csv(data))
    for seen, line in enumerate(found, start=1):
        if seen > MAX_ROWS + LINES_BEFORE_HEADINGS:
            raise UnreadableFile(_l("The file has more than 200,000 lines."))
        yield line


def _guarded(rows: Iterable[tuple[int, Sequence[Cell]]]) -> Iterator[Line]:
    """Leave out empty lines, and turn what readers of torn files raise into words."""
    number = 0
    try:
        for number, found in rows:
            if number > MAX_LINES:
                raise UnreadableFile(_l("The file has more than 200,000 lines."))
            if any(cell is not None and cell != "" for cell in found):
                yield Line(number, found)
    except workbooks.Refused as refused:
        raise UnreadableFile(refused.said) from refused
    except BROKEN as broken:
        raise UnreadableFile(
            _l("The file is torn or damaged after line %(line)s.", line=number) if number else None
        ) from broken


def _csv(data: bytes) -> Iterator[tuple[int, Sequence[Cell]]]:
    written = _decoded(data)
    first = written[:4096]
    separator = max(",\t;", key=first.count)
    modest = _modest(io.StringIO(written, newline=""), separator)
    return enumerate(csv.reader(modest, delimiter=separator), start=1)


def _modest(written: Iterable[str], separator: str) -> Iterator[str]:
    """Yield the lines as they are written. Raises UnreadableFile at one that would have too many columns."""
    for line in written:
        if line.count(separator) > MAX_SEPARATORS:
            raise UnreadableFile(_l("A line of the file has more than 1,000 columns."))
        yield line


def _decoded(data: bytes) -> str:
    forms = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for form in forms:
        try:
            written = data.decode(form)
        except UnicodeDecodeError:
            continue
        if "\0" not in written:
            return written
    raise UnreadableFile(_l("The file is neither UTF-8 nor GBK text."))


def heading_line(found: Sequence[Line]) -> Line:
    """Return the line that looks most like headings: the one with most different words."""
    return max(found, key=lambda line: (len(_words(line)), -line.number))


def _words(line: Line) -> set[str]:
    return {word for cell in line.cells if (word := cells.text(cell)) and not word[0].isdigit()}
