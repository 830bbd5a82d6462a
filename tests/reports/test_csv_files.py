"""Exports open in Excel in Chinese and never become formulas."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fundraising.money import Money
from fundraising.reports import csv_files

FORMULA_STARTS = tuple("=+-@\t\r\n\0＝＋－＠")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@A1",
        "\t=1",
        "\r=1",
        "\0=1",
        "＝1",
        "  =1",
        "\u3000=cmd|' /C calc'!A0",
        "\ufeff=1",
    ],
)
def test_text_that_a_spreadsheet_would_run_is_made_safe(text: str) -> None:
    assert csv_files.cell(text).startswith("'")


@pytest.mark.parametrize("text", ["13050000123456789012", "000123", "4101.10"])
def test_text_that_a_spreadsheet_would_round_keeps_every_digit(text: str) -> None:
    assert csv_files.cell(text) == "'" + text


@pytest.mark.parametrize(
    "text", ["王**", "a=b", "2024-05-00017", "1002", "1009.01", "愿 每一次心跳"]
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert csv_files.cell(text) == text


def test_numbers_stay_numbers_negative_ones_too() -> None:
    values: list[csv_files.Cell] = [Money(-500), Money(1_157_600), Money(5, "JPY"), -3, None]

    assert [csv_files.cell(v) for v in values] == ["-5.00", "11576.00", "5", "-3", ""]


def test_days_are_days_and_instants_are_shanghai_time() -> None:
    assert csv_files.cell(date(2024, 5, 8)) == "2024-05-08"
    assert csv_files.cell(datetime(2024, 5, 8, 16, 30, tzinfo=UTC)) == "2024-05-09 00:30:00"


def test_a_file_has_a_byte_order_mark_and_windows_line_ends() -> None:
    data = b"".join(csv_files.lines(["凭证号", "说明"], [["1", 'a"b'], ["2", "两\n行"]]))

    assert data.startswith(b"\xef\xbb\xbf")
    assert data.decode("utf-8-sig") == '凭证号,说明\r\n1,"a""b"\r\n2,"两\n行"\r\n'


def test_rows_are_read_only_as_fast_as_they_are_sent() -> None:
    taken = 0

    def rows() -> Iterator[list[str]]:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            yield ["x" * 100]

    pieces = csv_files.lines(["x"], rows())
    next(pieces)
    next(pieces)

    assert taken < 1000


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_whatever_begins_a_formula_and_every_text_comes_back(text: str) -> None:
    written = b"".join(csv_files.lines(["a"], [[text, "end"]])).decode("utf-8-sig")
    (_, (cell, _end)) = csv.reader(io.StringIO(written, newline=""))

    assert not cell.lstrip().startswith(FORMULA_STARTS)
    assert cell.removeprefix("'").replace("\0", "") in (
        text.replace("\0", ""),
        text.replace("\0", "").removeprefix("'"),
    )
