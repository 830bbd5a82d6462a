"""Reading gift files of 公益宝: what is usable is read to the fen, what is not is named by its line."""

import io
from datetime import UTC, datetime

import pytest
from openpyxl import Workbook

from fundraising.money import Money
from fundraising.payments.platforms import gift_files, tables
from fundraising.payments.platforms.gift_files import GiftFile
from fundraising.payments.platforms.mapping import GONGYIBAO

HEADER = "捐赠编号,捐赠时间,捐赠人,捐赠金额(元),留言,状态"


def read_file(data: bytes, filename: str) -> GiftFile:
    return gift_files.read(data, filename, GONGYIBAO)


def file_of(*lines: str, encoding: str = "utf-8-sig") -> bytes:
    return "\r\n".join([HEADER, *lines]).encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_is_read_whatever_its_encoding(encoding: str) -> None:
    read = read_file(
        file_of("GY001,2024-05-08 10:30:00,李**,13.14,加油,支付成功", encoding=encoding),
        "gifts.csv",
    )

    (row,) = read.rows
    assert row.number == "GY001"
    assert row.amount == Money(1314)
    assert row.paid_at == datetime(2024, 5, 8, 2, 30, tzinfo=UTC)
    assert (row.name, row.message) == ("李**", "加油")


def test_a_workbook_is_read_like_a_csv() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER.split(","))
    sheet.append(["GY001", datetime(2024, 5, 8, 10, 30), "李**", 13.5, None, "成功"])  # noqa: DTZ001
    data = io.BytesIO()
    book.save(data)

    read = read_file(data.getvalue(), "Gifts.XLSX")

    assert [row.amount for row in read.rows] == [Money(1350)]


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "5-", "1e3", "13.145", "１３", "13.1.4", "", "NaN", "99999999999999999"]
)
def test_an_amount_that_is_no_amount_is_refused_with_its_line(amount: str) -> None:
    read = read_file(file_of(f"GY001,2024-05-08 10:30:00,李,{amount},,"), "gifts.csv")

    assert read.rows == []
    assert [error.line for error in read.errors] == [2]


def test_the_same_gift_twice_in_a_file_counts_once() -> None:
    line = "GY001,2024-05-08 10:30:00,李,13.14,,成功"

    assert len(read_file(file_of(line, line), "gifts.csv").rows) == 1


def test_the_same_number_with_another_amount_is_an_error() -> None:
    read = read_file(
        file_of("GY001,2024-05-08 10:30:00,李,1,,", "GY001,2024-05-08 10:30:00,李,2,,"), "gifts.csv"
    )

    assert [row.amount for row in read.rows] == [Money(100)]
    assert [error.line for error in read.errors] == [3]


def test_gifts_that_were_not_paid_are_counted_apart() -> None:
    read = read_file(file_of("GY001,2024-05-08 10:30:00,李,1,,未支付"), "gifts.csv")

    assert (read.rows, read.unpaid) == ([], 1)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "gifts.csv"),
        (b"a,b,c\r\n1,2,3", "gifts.csv"),
        (b"\x00\x01\x02\xff", "gifts.csv"),
        (b"not a zip", "gifts.xlsx"),
        (b"x" * (tables.MAX_BYTES + 1), "gifts.csv"),
    ],
)
def test_what_is_no_gift_file_is_refused_whole(data: bytes, name: str) -> None:
    with pytest.raises(tables.UnreadableFile):
        read_file(data, name)
