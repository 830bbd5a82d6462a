"""The form that Alipay's daily files share: a zip of GBK tables between lines that begin with ``#``.

Form (the open platform's documentation of bill downloads, and files merchants have shown): four lines that
begin with ``#``, a row of headings, the rows, and four more ``#`` lines of which two hold control totals.
Cells may end in a TAB. There is no hash: the zip's own check sums and the totals must hold.
"""

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, TextIO

from fundraising.payments.providers.base import BillBroken, BillRow

LARGEST_FILE = 4 * 1024**3
READ_AT_ONCE = 1024 * 1024
DETAIL, SUMMARY = "明细", "汇总"
TITLE = "商品名称"
MOST_BREAKS = 20
"""Line ends inside one title before a line counts as broken."""
WIDE = str.maketrans("()", "（）")
_AMOUNT = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def unpack(packed: Path, into: Path) -> None:
    """Write the one file of lines in a zip to ``into``; names inside the zip are never used as paths.

    Raises:
        BillBroken: no zip, cut off, not exactly one file of lines, or larger than 4 GiB unpacked.
            Nothing is left in place.
    """
    try:
        with (
            zipfile.ZipFile(packed, metadata_encoding="gbk") as archive,
            archive.open(_detail(archive)) as stream,
            into.open("wb") as out,
        ):
            _copy(stream, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as bad:
        into.unlink(missing_ok=True)
        raise BillBroken("no whole zip") from bad
    except (NotImplementedError, RuntimeError, BillBroken) as bad:
        into.unlink(missing_ok=True)
        raise BillBroken(str(bad)) from bad


def _detail(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [
        entry
        for entry in archive.infolist()
        if DETAIL in entry.filename.rpartition("/")[2]
        and SUMMARY not in entry.filename
        and not entry.is_dir()
    ]
    if len(found) != 1:
        raise BillBroken(f"{len(found)} files of lines in the zip")
    return found[0]


def _copy(stream: IO[bytes], out: IO[bytes]) -> None:
    size = 0
    while chunk := stream.read(READ_AT_ONCE):
        size += len(chunk)
        if size > LARGEST_FILE:
            raise BillBroken("the file unpacks to more than 4 GiB")
        out.write(chunk)


# ---------------------------------------------------------------------- lines


@dataclass
class Sums:
    """Count and fen of the lines of one kind, as read and as the file says."""

    count: int = 0
    minor: int = 0
    said: tuple[int, int] | None = None

    def add(self, minor: int) -> None:
        """Count a line."""
        self.count, self.minor = self.count + 1, self.minor + minor


class Table(ABC):
    """A file, read once from its first line to its totals."""

    needed: ClassVar[tuple[str, ...]]
    kinds: ClassVar[tuple[str, ...]]
    """The lines of which the end of the file tells totals."""

    total: ClassVar[re.Pattern[str]]

    def __init__(self, lines: TextIO, account: str) -> None:
        self.lines, self.account = lines, account
        self.names: list[str] = []
        self.sums = {kind: Sums() for kind in self.kinds}

    def __iter__(self) -> Iterator[BillRow]:
        self._head()
        places = [self.names.index(name) for name in self.needed]
        for cells in self._rows():
            yield from self.read([cells[place] for place in places])
        self._check()

    @abstractmethod
    def read(self, cells: Sequence[str]) -> Iterator[BillRow]:
        """Read the needed cells of one line. Raises BillBroken."""

    def _head(self) -> None:
        is_ours = False
        for line in self.lines:
            if not line.startswith("#"):
                names = line.rstrip("\r\n").translate(WIDE).split(",")
                self.names = [name.strip() for name in names]
                break
            is_ours = is_ours or (line.startswith("#账号") and f"[{self.account}" in line)
        missing = [name for name in (*self.needed, TITLE) if name not in self.names]
        if missing:
            raise BillBroken(f"no column {missing[0]}")
        if not is_ours:
            raise BillBroken("another seller's file")

    def _rows(self) -> Iterator[list[str]]:
        """Yield the cells of each line: a title may hold commas and line ends, other cells do not."""
        width, title, held = len(self.names), self.names.index(TITLE), ""
        breaks = 0
        for line in self.lines:
            if not held and line.startswith("#"):
                self._foot(line)
                continue
            held, breaks = held + line, breaks + 1
            cells = held.rstrip("\r\n").split(",")
            if len(cells) < width:
                if breaks > MOST_BREAKS:
                    raise BillBroken("a line that does not end")
                continue
            held, breaks = "", 0
            more = len(cells) - width
            cells[title : title + more + 1] = [",".join(cells[title : title + more + 1])]
            yield [cell.strip(" \t") for cell in cells]
        if held.strip():
            raise BillBroken("a line that does not end")

    def _foot(self, line: str) -> None:
        found = self.total.match(line)
        if found is not None:
            kind, count, amount = found.groups()
            self.sums[kind].said = (int(count), abs(yuan(amount)))

    def _check(self) -> None:
        for kind, sums in self.sums.items():
            if sums.said is None:
                raise BillBroken("no totals: the file is cut off")
            if sums.said != (sums.count, sums.minor):
                raise BillBroken(
                    f"{kind}: totals say {sums.said}, lines are {(sums.count, sums.minor)}"
                )


def read(file: Path, account: str, table: type[Table]) -> Iterator[BillRow]:
    """Read a file as one kind of table.

    Raises:
        BillBroken: a line makes no sense, another seller's file, or other totals than the file's own.
    """
    with file.open(encoding=_coding(file), newline="", errors="strict") as lines:
        try:
            yield from table(lines, account)
        except UnicodeDecodeError as bad:
            raise BillBroken("not GBK") from bad


def _coding(file: Path) -> str:
    """Return the coding: GBK (read by its superset), or UTF-8 where a mark says that somebody changed it."""
    with file.open("rb") as stream:
        return "utf-8-sig" if stream.read(3) == b"\xef\xbb\xbf" else "gb18030"


def instant(text: str) -> str:
    """Return a time with its offset. Raises BillBroken."""
    if not _TIME.fullmatch(text):
        raise BillBroken("a line without its number or time")
    return f"{text}+08"


def yuan(text: str) -> int:
    """Return the fen of an amount with at most two decimals, which may be below zero. Raises BillBroken."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise BillBroken(f"an amount: {text[:20]!r}")
    sign, whole, cents = found.groups()
    minor = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -minor if sign else minor
