"""Opens a table that somebody sent: CSV (UTF-8, GBK) or XLSX, bounded in every direction, cell by cell.

A workbook is read as a stream: formulas are not run (only the values kept beside them are read), nothing is
unpacked beyond a limit, and markup that could grow (document types, entities) is refused before it is parsed.
"""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.datetime import MAC_EPOCH

from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.platforms import cells
from fundraising.payments.platforms.cells import Cell

MAX_BYTES = 24 * 1024 * 1024
MAX_UNPACKED = 200 * 1024 * 1024
MAX_ROWS = 200_000
MAX_LINES = 1_048_576
MAX_COLUMNS = 100
LINES_BEFORE_HEADINGS = 20
_DANGEROUS = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_HEAD = 64 * 1024
BROKEN = (
    zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError, TypeError, AttributeError, OverflowError,
    EOFError, NotImplementedError, RuntimeError, ParseError, csv.Error, zipfile.LargeZipFile,
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
    seen = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles it does not know
        for line in _guarded(_xlsx(data) if is_workbook else _csv(data)):
            seen += 1
            if seen > MAX_ROWS + LINES_BEFORE_HEADINGS:
                raise UnreadableFile(_l("The file has more than 200,000 lines."))
            yield line


def _guarded(rows: Iterable[Sequence[Cell]]) -> Iterator[Line]:
    number = 0
    try:
        for number, found in enumerate(rows, start=1):
            if number > MAX_LINES:
                raise UnreadableFile(_l("The file has more than 200,000 lines."))
            if any(cell is not None and cell != "" for cell in found):
                yield Line(number, found)
    except UnreadableFile:
        raise
    except BROKEN as broken:
        raise UnreadableFile(
            _l("The file is torn or damaged after line %(line)s.", line=number)
            if number
            else UnreadableFile.message
        ) from broken


def _csv(data: bytes) -> Iterator[Sequence[Cell]]:
    written = _decoded(data)
    first = written[:4096]
    separator = max(",\t;", key=first.count)
    return iter(csv.reader(io.StringIO(written, newline=""), delimiter=separator))


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


def _xlsx(data: bytes) -> Iterator[Sequence[Cell]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _require_harmless(archive)
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    try:
        if book.epoch == MAC_EPOCH:
            raise UnreadableFile(
                _l(
                    "This workbook counts its days from 1904. Save it as CSV, or without that setting."
                )
            )
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # some writers say A1 whatever the sheet holds
        for row in sheet.iter_rows(values_only=True):
            yield cast("Sequence[Cell]", row[:MAX_COLUMNS])  # values only: never formulas
    finally:
        book.close()


def _require_harmless(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise UnreadableFile(_l("The workbook unpacks to more than 200 MB."))
    for entry in entries:
        if entry.filename.endswith((".xml", ".rels")):
            with archive.open(entry) as file:
                if _DANGEROUS.search(file.read(_HEAD)):
                    raise UnreadableFile


def heading_line(found: Sequence[Line]) -> Line:
    """Return the line that looks most like headings: the one with most different words."""
    return max(found, key=lambda line: (len(_words(line)), -line.number))


def _words(line: Line) -> set[str]:
    return {word for cell in line.cells if (word := cells.text(cell)) and not word[0].isdigit()}
