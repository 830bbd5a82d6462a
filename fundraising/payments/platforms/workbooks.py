"""Reads the first sheet of an XLSX workbook as a stream of rows: values only, nothing is ever computed.

A workbook is a zip of XML. Only three of its files are read: which sheet is first, the shared strings, and
that sheet. A document type ends the reading at once, so no entity can grow; a formula gives the value that
was kept beside it. Dates are numbers of days here; what they mean is for whoever knows the column.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any
from xml.parsers import expat

from fundraising.i18n import lazy_gettext as _l

Value = str | int | float | bool | None
MAX_UNPACKED = 200 * 1024 * 1024
MAX_COLUMNS = 100
MAX_ELEMENTS = 8_000_000
CHUNK = 256 * 1024
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Refused(Exception):
    """The workbook is read no further; ``said`` is the reason where there is one to tell."""

    def __init__(self, said: Any = None) -> None:
        super().__init__()
        self.said = said


def rows(data: bytes) -> Iterator[tuple[int, Sequence[Value]]]:
    """Yield number and values of each row of the first sheet.

    Raises:
        Refused: too large when unpacked, a document type inside, or counted from 1904.
        BadZipFile, KeyError, ExpatError, ValueError: torn or no workbook.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
            raise Refused(_l("The workbook unpacks to more than 200 MB."))
        name = _first_sheet(archive)
        strings = _strings(archive)
        with archive.open(name) as file:
            yield from _Sheet(strings).rows(file)


def _parser() -> Any:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _no_document_type
    return parser


def _no_document_type(*_: object) -> None:
    raise Refused


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _elements(data: bytes, take: Callable[[str, dict[str, str]], None]) -> None:
    parser = _parser()
    parser.StartElementHandler = lambda name, given: take(
        _local(name), {_local(key): value for key, value in given.items()}
    )
    parser.Parse(data, True)  # noqa: FBT003  expat takes no names


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Return the name of the first sheet's file within the workbook."""
    sheets: list[str] = []
    targets: dict[str, str] = {}

    def take(name: str, given: dict[str, str]) -> None:
        if name == "workbookPr" and given.get("date1904") in ("1", "true"):
            raise Refused(
                _l(
                    "This workbook counts its days from 1904. Save it as CSV, or without that setting."
                )
            )
        if name == "sheet":
            sheets.append(given["id"])
        if name == "Relationship":
            targets[given["Id"]] = given["Target"]

    _elements(archive.read("xl/workbook.xml"), take)
    _elements(archive.read("xl/_rels/workbook.xml.rels"), take)
    target = targets[sheets[0]]
    return target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _strings(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    with archive.open("xl/sharedStrings.xml") as file:
        return _Strings().read(file)


class _Bounded:
    """Counts the elements of an XML file: a small file can hold millions of empty ones."""

    elements = 0

    def _count(self) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise Refused(_l("The workbook holds too many cells."))


class _Strings(_Bounded):
    """The texts that cells share; how Japanese or Chinese is to be pronounced is left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.parts: list[str] = []
        self.inside = {"t": 0, "rPh": 0}

    def read(self, file: IO[bytes]) -> list[str]:
        """Return all texts in order."""
        parser = _parser()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.ParseFile(file)
        return self.found

    def _start(self, name: str, _given: object) -> None:
        self._count()
        name = _local(name)
        if name in self.inside:
            self.inside[name] += 1
        elif name == "si":
            self.parts = []

    def _end(self, name: str) -> None:
        name = _local(name)
        if name in self.inside:
            self.inside[name] -= 1
        elif name == "si":
            self.found.append("".join(self.parts))

    def _text(self, written: str) -> None:
        if self.inside["t"] and not self.inside["rPh"]:
            self.parts.append(written)


class _Sheet(_Bounded):
    """Turns the events of a sheet's XML into rows."""

    def __init__(self, strings: Sequence[str]) -> None:
        self.strings = strings
        self.done: list[tuple[int, Sequence[Value]]] = []
        self.number = 0
        self.row: list[Value] = []
        self.place = 0
        self.kind = "n"
        self.parts: list[str] = []
        self.is_value = False

    def rows(self, file: IO[bytes]) -> Iterator[tuple[int, Sequence[Value]]]:
        """Yield the rows as the file is read, piece by piece."""
        parser = _parser()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        while chunk := file.read(CHUNK):
            parser.Parse(chunk, False)  # noqa: FBT003
            yield from self.done
            self.done = []
        parser.Parse(b"", True)  # noqa: FBT003
        yield from self.done

    def _start(self, name: str, given: dict[str, str]) -> None:
        self._count()
        name = _local(name)
        if name == "c":
            self.kind = given.get("t", "n")
            self.parts = []
            reference = _REFERENCE.fullmatch(given.get("r", ""))
            self.place = _column(reference[1]) if reference else self.place + 1
        elif name in ("v", "t"):
            self.is_value = True
        elif name == "row":
            self.number = int(given.get("r", self.number + 1))
            self.row, self.place = [], 0

    def _end(self, name: str) -> None:
        name = _local(name)
        if name in ("v", "t"):
            self.is_value = False
        elif name == "c":
            self._put()
        elif name == "row":
            self.done.append((self.number, self.row))

    def _text(self, written: str) -> None:
        if self.is_value:
            self.parts.append(written)

    def _put(self) -> None:
        if not self.parts or not 0 < self.place <= MAX_COLUMNS:
            return
        self.row.extend([None] * (self.place - len(self.row)))
        self.row[self.place - 1] = self._value("".join(self.parts))

    def _value(self, written: str) -> Value:
        if self.kind == "s":
            return self.strings[int(written)]
        if self.kind == "b":
            return written == "1"
        if self.kind != "n":
            return written
        return int(written) if _WHOLE.fullmatch(written) else float(written)


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place
