"""WeChat Pay's daily files: fetched in two steps, checked against their hash, read line by line.

Form (the merchant documentation of the trade bill and the fund-flow bill): UTF-8 with BOM, CRLF, a row
of headings, fields prefixed with a backtick, a second row of headings and one row of totals. Amounts are
yuan with two decimals. The hash is SHA-1 over the unpacked bytes, BOM included.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from fundraising.payments.providers.base import BillBroken, BillRow, RowKind

LARGEST_FILE = 4 * 1024**3
READ_AT_ONCE = 1024 * 1024
SHA1_HEX = 40
FEE, PAYOUT = "手续费", "提现"


def unpack(chunks: Iterable[bytes], into: Path, announced: str) -> None:
    """Write a gzipped file unpacked, and compare its SHA-1 with what was announced.

    Raises:
        BillBroken: not gzip, cut off, larger than 4 GiB, or another hash. Nothing is left in place.
    """
    gzip, digest, size = zlib.decompressobj(31), hashlib.sha1(usedforsecurity=False), 0
    try:
        with into.open("wb") as out:
            for chunk in chunks:
                while chunk:
                    plain = gzip.decompress(chunk, READ_AT_ONCE)
                    chunk = gzip.unconsumed_tail
                    size += len(plain)
                    if size > LARGEST_FILE:
                        raise BillBroken("the file unpacks to more than 4 GiB")
                    digest.update(plain)
                    out.write(plain)
        if not gzip.eof:
            raise BillBroken("the file is cut off")
        if len(announced) != SHA1_HEX or digest.hexdigest() != announced.lower():
            raise BillBroken("the file has another hash than announced")
    except (zlib.error, BillBroken) as broken:
        into.unlink(missing_ok=True)
        raise BillBroken(str(broken)) from broken


def read_trade(file: Path, account: str) -> Iterator[BillRow]:
    """Read what was traded. A refund's line says that it was accepted, not that it succeeded.

    Raises:
        BillBroken: a line makes no sense, another merchant's line, or other totals than the file's own.
    """
    with _opened(file) as lines:
        yield from _trade(_Table(lines), account)


def _trade(table: "_Table", account: str) -> Iterator[BillRow]:
    count = paid = refunded = 0
    at, mchid, state = table.place("交易时间"), table.place("商户号"), table.place("交易状态")
    payment, order = table.place("微信订单号"), table.place("商户订单号")
    refund, payer = table.place("商户退款单号"), table.place("用户标识")
    total, back = table.place("订单金额"), table.place("申请退款金额")
    for cells in table:
        count += 1
        if cells[mchid] != account:
            raise BillBroken(f"line {count}: another merchant")
        paid_minor, back_minor = yuan(cells[total]), yuan(cells[back])
        paid, refunded = paid + paid_minor, refunded + back_minor
        instant = f"{cells[at]}+08"
        if cells[state] == "SUCCESS":
            yield BillRow(
                RowKind.PAID, cells[payment], cells[order], cells[payment], paid_minor, instant,
                cells[payer],
            )  # fmt: skip
        else:
            yield BillRow(
                RowKind.REFUND, cells[refund], cells[order], cells[payment], back_minor, instant,
                is_final=False,
            )  # fmt: skip
    named = table.totals()
    said = (
        int(named["总交易单数"]),
        yuan(named["订单总金额"]),
        yuan(named["申请退款总金额"]),
    )
    if said != (count, paid, refunded):
        raise BillBroken(f"totals say {said}, lines are {(count, paid, refunded)}")


def read_fund_flow(file: Path) -> Iterator[BillRow]:
    """Read every movement of the balance: fees and payouts to the bank are only here.

    Raises:
        BillBroken: a line makes no sense, or other totals than the file's own.
    """
    with _opened(file) as lines:
        yield from _fund_flow(_Table(lines))


def _fund_flow(table: "_Table") -> Iterator[BillRow]:
    count = income = expense = 0
    at, payment, ref = (
        table.place("记账时间"),
        table.place("微信支付业务单号"),
        table.place("资金流水单号"),
    )
    kind, side, amount = (
        table.place("业务类型"),
        table.place("收支类型"),
        table.place("收支金额(元)"),
    )
    for cells in table:
        count += 1
        minor, is_out = yuan(cells[amount]), cells[side] == "支出"
        income, expense = (income, expense + minor) if is_out else (income + minor, expense)
        yield BillRow(
            _flow_kind(cells[kind], is_out=is_out),
            cells[ref],
            "",
            cells[payment],
            minor,
            f"{cells[at]}+08",
        )
    named = table.totals()
    said = (int(named["资金流水总笔数"]), yuan(named["收入金额"]), yuan(named["支出金额"]))
    if said != (count, income, expense):
        raise BillBroken(f"totals say {said}, lines are {(count, income, expense)}")


def _flow_kind(named: str, *, is_out: bool) -> RowKind:
    if FEE in named and is_out:
        return RowKind.FEE
    if PAYOUT in named and is_out:
        return RowKind.PAYOUT
    known = {("交易", False): RowKind.PAID, ("退款", True): RowKind.REFUND}
    return known.get((named, is_out), RowKind.OTHER)


def yuan(text: str) -> int:
    """Return the fen of an amount with at most two decimals that is not negative. Raises BillBroken."""
    whole, _, cents = text.partition(".")
    digits = whole + cents.ljust(2, "0")
    if len(cents) > 2 or not whole or not digits.isdecimal() or not digits.isascii():
        raise BillBroken(f"an amount: {text[:20]!r}")
    return int(digits)


def _opened(file: Path) -> TextIO:
    return file.open(encoding="utf-8-sig", newline="\r\n", errors="strict")


class _Table:
    """The lines of a bill by the names of its columns, then its totals."""

    def __init__(self, lines: TextIO) -> None:
        self.lines = lines
        self.names = self.lines.readline().rstrip("\r\n").split(",")
        self.after: str | None = None

    def place(self, name: str) -> int:
        """Return where a column is: old merchants have others. Raises BillBroken."""
        try:
            return self.names.index(name)
        except ValueError:
            raise BillBroken(f"no column {name}") from None

    def __iter__(self) -> Iterator[list[str]]:
        width = len(self.names)
        try:
            for line in self.lines:
                if not line.startswith("`"):
                    self.after = line
                    return
                cells = line[1:].rstrip("\r\n").split(",`")
                if len(cells) != width:
                    raise BillBroken(f"{len(cells)} fields instead of {width}")
                yield cells
        except UnicodeDecodeError as bad:
            raise BillBroken("not UTF-8") from bad

    def totals(self) -> dict[str, str]:
        """Return the row of totals by its headings. Raises BillBroken when it is missing."""
        names: Sequence[str] = (self.after or "").rstrip("\r\n").split(",")
        values = self.lines.readline().rstrip("\r\n")[1:].split(",`")
        if len(names) < 2 or len(values) != len(names):
            raise BillBroken("no totals: the file is cut off")
        return dict(zip(names, values, strict=True))
