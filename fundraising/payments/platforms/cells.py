"""What stands in one cell: amounts, times and numbers in every form that files have been seen to use.

A spreadsheet may have turned a number into 1.2E+17, an amount into 13.140000000000001 and a time into
45420.4375. What can be told exactly is read; what was rounded away is refused, never guessed.
"""

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from fundraising import clock
from fundraising.money import Money, MoneyError
from fundraising.payments.platforms.problems import BadLine

Cell = str | int | float | bool | datetime | date | time | timedelta | None
EARLIEST = datetime(2000, 1, 1, tzinfo=clock.SHANGHAI)
FUTURE_SLACK = timedelta(days=1)
EXACT_DIGITS = 15
EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=clock.SHANGHAI)
LONGEST_NUMBER = 64
TIME_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H时%M分%S秒",
    "%Y年%m月%d日 %H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%Y-%m-%d",
    "%Y年%m月%d日",
    "%Y%m%d",
)
_USUAL_TIME = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_SERIAL = re.compile(r"[34567]\d{4}(?:\.\d+)?", re.ASCII)
_FRACTION = re.compile(r"(:\d\d)\.\d{1,6}$", re.ASCII)
_ROUNDED = re.compile(r"[0-9.]+e\+?[0-9]+", re.IGNORECASE | re.ASCII)
_AS_TEXT = re.compile(r'="(.*)"')
_AMOUNT = re.compile(
    r"(?P<open>[(（])?\s*+(?P<sign>[-−+])?\s*+(?:¥|￥|rmb|cny|人民币)?\s*+(?P<inner>[-−+])?\s*+"
    r"(?P<digits>[0-9][0-9,，.]*+)\s*+(?:元|圆|yuan|rmb|cny)?整?\s*(?P<close>[)）])?",
    re.IGNORECASE | re.ASCII,
)
_DATE = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})", re.ASCII)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]{1,2})?", re.ASCII)


def text(cell: Cell, longest: int | None = None) -> str:
    """Return a cell as one line of text without control characters."""
    if cell is None:
        return ""
    written = str(cell)
    if not written.isprintable():
        written = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in written)
    return written.strip()[:longest]


def number(cell: Cell) -> str:
    """Return the platform's number of a gift. Raises BadLine, also when a spreadsheet rounded it."""
    if isinstance(cell, float):
        cell = int(cell) if cell.is_integer() else str(cell)
    if isinstance(cell, int) and len(str(cell)) > EXACT_DIGITS:
        raise BadLine("number_rounded", cell)
    found = text(cell)
    quoted = _AS_TEXT.fullmatch(found)
    found = (quoted.group(1) if quoted else found).strip("`' ")
    if _ROUNDED.fullmatch(found) and "+" in found:
        raise BadLine("number_rounded", found)
    is_usable = found.isascii() and found.isprintable() and 0 < len(found) <= LONGEST_NUMBER
    if not is_usable or isinstance(cell, bool | datetime | date | time):
        raise BadLine("number_missing")
    return found


def amount(cell: Cell, field: str = "amount") -> Money:
    """Return an amount in yuan, negative where the file says so. Raises BadLine."""
    if isinstance(cell, bool | datetime | date | time | timedelta):
        raise BadLine(f"{field}_form", cell)
    if isinstance(cell, int | float):
        return _from_number(cell, field)
    plain = text(cell).strip("`' ")
    if _ROUNDED.fullmatch(plain):
        raise BadLine("amount_rounded" if field == "amount" else f"{field}_form", plain)
    found = _AMOUNT.fullmatch(plain)
    if (
        found is None
        or (found["sign"] and found["inner"])
        or bool(found["open"]) != bool(found["close"])
    ):
        raise BadLine("amount_missing" if not plain else f"{field}_form", plain or None)
    is_negative = found["open"] or (found["sign"] or found["inner"] or "+") != "+"
    digits = found["digits"].replace("，", ",")
    try:
        money = Money.parse_yuan(digits.replace(",", "") if _GROUPED.fullmatch(digits) else digits)
    except MoneyError:
        raise BadLine(f"{field}_form", plain) from None
    return -money if is_negative else money


def _from_number(cell: float, field: str) -> Money:
    """Return what a spreadsheet's number says; 0.1 + 0.2 is 30 fen, 13.145 is no amount."""
    try:
        fen = round(Decimal(repr(cell)) * 100)
        if abs(cell - fen / 100) > 1e-9 * max(1.0, abs(cell) / 1e4):
            raise BadLine(f"{field}_form", cell)
        return Money(fen)
    except (ArithmeticError, ValueError):
        raise BadLine(f"{field}_form", cell) from None


def instant(cell: Cell) -> datetime:
    """Return when something happened; without an offset it is Shanghai's time. Raises BadLine."""
    found = _instant(cell)
    if not EARLIEST <= found <= clock.now() + FUTURE_SLACK:
        raise BadLine("time_range", cell)
    return found


def _instant(cell: Cell) -> datetime:
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=clock.SHANGHAI)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=clock.SHANGHAI)
    written = text(cell).strip("`' ")
    if not written:
        raise BadLine("time_missing")
    if _USUAL_TIME.fullmatch(written):
        return _usual(written)
    if _SERIAL.fullmatch(written) and not isinstance(cell, bool):
        return _from_serial(float(written))
    plain = _FRACTION.sub(r"\1", _DATE.sub(r"\1-\2-\3", written, count=1))
    return _parsed(" ".join(plain.split()), TIME_FORMS)


def _usual(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written).replace(tzinfo=clock.SHANGHAI)
    except ValueError:
        raise BadLine("time_form", written) from None


def _from_serial(days: float) -> datetime:
    """Return the instant of a spreadsheet's day number, to the second."""
    return EXCEL_EPOCH + timedelta(seconds=round(days * 86_400))


def _parsed(written: str, forms: tuple[str, ...]) -> datetime:
    for form in forms:
        try:
            return datetime.strptime(written, form).replace(tzinfo=clock.SHANGHAI)
        except ValueError:
            continue
    raise BadLine("time_form", written)
