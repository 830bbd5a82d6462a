"""CSV that opens in Excel in Chinese: UTF-8 with byte order mark, CRLF, and no cell that becomes a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from fundraising import clock
from fundraising.i18n import fen_plain
from fundraising.money import Money

BOM = b"\xef\xbb\xbf"
CHUNK = 64 * 1024
_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@\t\r\n\x00＝＋－＠]")
_MISREAD = re.compile(r"[0-9]{12,}|0[0-9]+|[0-9]+\.[0-9]*0")
"""Text that a spreadsheet would take for a number and write differently: long, or with zeros at an end."""

Cell = str | int | Money | date | datetime | None


def cell(value: Cell) -> str:
    """Return a value as it stands in the file: amounts in yuan, instants in Shanghai time, text made safe.

    Text that a spreadsheet would run as a formula, or show as another number, gets a leading ``'``.
    Numbers stay numbers, negative ones too.
    """
    if value is None:
        return ""
    if isinstance(value, Money):
        return fen_plain(value.minor) if value.currency == "CNY" else str(value.decimal())
    if isinstance(value, datetime):
        return f"{value.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    text = str(value)
    is_unsafe = _FORMULA.match(text) or _MISREAD.fullmatch(text)
    return ("'" + text if is_unsafe else text).replace("\x00", "")


def lines(heading: Sequence[object], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Yield the file in pieces of some 64 KB, reading ``rows`` only as fast as they are sent."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    yield BOM
    writer.writerow([cell(str(name)) for name in heading])
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if buffer.tell() >= CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
