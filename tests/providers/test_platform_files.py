"""Files as platforms and spreadsheets really write them: read exactly, or refused by line with a reason."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.platforms import cells, gift_files, problems, tables, workbooks
from fundraising.payments.platforms.gift_files import ColumnsMissing, GiftFile
from fundraising.payments.platforms.mapping import ANY, GONGYIBAO, TENCENT, WORDS, Mapping
from fundraising.payments.platforms.problems import BadLine

HEADER = ["捐赠编号", "捐赠时间", "捐赠人", "捐赠金额（元）", "状态", "手续费(元)", "退款金额(元)"]
AT = "2024-05-08 10:30:00"
MORNING = datetime(2024, 5, 8, 2, 30, tzinfo=UTC)


def csv_of(*rows: list[str], header: list[str] = HEADER) -> bytes:
    return "\r\n".join(",".join(f'"{c}"' for c in row) for row in (header, *rows)).encode()


def xlsx_of(*rows: list[Any], edit: Callable[[Workbook], object] = Workbook.close) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    edit(book)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def read(data: bytes, name: str = "g.csv", mapping: Mapping = GONGYIBAO) -> GiftFile:
    return gift_files.read(data, name, mapping)


def line(number: str = "GY1", amount: str = "13.14", **other: str) -> list[str]:
    return [number, other.get("at", AT), "李**", amount, other.get("status", "成功"),
            other.get("fee", ""), other.get("refunded", "")]  # fmt: skip


def codes(file: GiftFile) -> list[tuple[int, str]]:
    return [(error.line, error.code) for error in file.errors]


@pytest.mark.parametrize(
    ("written", "fen"),
    [
        ("13.14", 1314),
        ("¥13.14", 1314),
        ("￥ 13.14", 1314),
        ("13.14元", 1314),
        ("RMB13.14", 1314),
        ("CNY 13.14", 1314),
        ("人民币13.14元", 1314),
        ("13.1", 1310),
        ("+13", 1300),
        ("'13.14", 1314),
        (" 13.14\u00a0", 1314),
        ("1,314.00", 131400),
        ("1，314", 131400),
        ("12,345,678.90元", 1234567890),
        ("-13.14", -1314),
        ("−13.14", -1314),
        ("¥-13.14", -1314),
        ("(13.14)", -1314),
        ("（13.14元）", -1314),
        ("壹", None),
        ("13.145", None),
        ("13.140", None),
        ("1,31", None),
        ("1,3140", None),
        ("1.5万", None),
        ("--5", None),
        ("(5", None),
        ("１３", None),
        ("1e3", None),
        ("1.3E+2", None),
        ("Infinity", None),
        ("#VALUE!", None),
        ("=1+1", None),
        ("", None),
    ],
)
def test_yuan_are_read_in_each_usual_form_and_guessed_in_none(
    written: str, fen: int | None
) -> None:
    if fen is None:
        with pytest.raises(BadLine):
            cells.amount(written)
    else:
        assert cells.amount(written) == Money(fen)


@pytest.mark.parametrize(
    ("value", "fen"),
    [
        (13, 1300),
        (13.14, 1314),
        (0.1 + 0.2, 30),
        (-5.5, -550),
        (13.145, None),
        (0.001, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (datetime(2024, 5, 8), None),  # noqa: DTZ001
        (timedelta(1), None),
    ],
)
def test_a_spreadsheets_number_is_an_amount_when_it_is_whole_fen(
    value: Any, fen: int | None
) -> None:
    if fen is None:
        with pytest.raises(BadLine):
            cells.amount(value)
    else:
        assert cells.amount(value) == Money(fen)


@given(st.integers(min_value=-(10**11), max_value=10**11))
def test_every_amount_of_whole_fen_survives_a_spreadsheets_float(fen: int) -> None:
    assert cells.amount(fen / 100) == Money(fen)


@pytest.mark.parametrize(
    "written",
    [
        AT,
        "2024/05/08 10:30:00",
        "2024/5/8 10:30",
        "2024.05.08 10:30:00",
        "2024-05-08T10:30:00",
        "2024-05-08  10:30:00.000",
        "2024年05月08日 10:30:00",
        "2024年5月8日 10时30分00秒",
        "20240508 10:30:00",
        "20240508103000",
        "45420.4375",
        45420.4375,
        datetime(2024, 5, 8, 10, 30),  # noqa: DTZ001
        MORNING,
    ],
)
def test_times_are_read_in_each_form_also_as_a_spreadsheets_day_number(written: Any) -> None:
    assert cells.instant(written) == MORNING


def test_a_day_without_a_time_is_its_beginning_in_shanghai() -> None:
    beginning = datetime(2024, 5, 8, tzinfo=clock.SHANGHAI)

    assert {cells.instant(day) for day in ("2024-05-08", 45420, date(2024, 5, 8), "20240508")} == {
        beginning
    }


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "2024-13-01 00:00:00", "1900-01-00", "08/05/2024", "2099-01-01", "1999-12-31", 0, True, 1e9],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: Any) -> None:
    with pytest.raises(BadLine):
        cells.instant(written)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("GY001", "GY001"),
        ("`4200001234567890123456789012", "4200001234567890123456789012"),
        ('="00123"', "00123"),
        (123456789012345, "123456789012345"),
        (123456.0, "123456"),
        ("12E10", "12E10"),
        ("4.2E+27", None),
        (1234567890123456789, None),
        (4.2e27, None),
        (12.5, "12.5"),
        ("编号", None),
        ("x" * 65, None),
        ("", None),
        (None, None),
        (datetime(2024, 5, 8), None),  # noqa: DTZ001
    ],
)
def test_a_gift_number_is_taken_whole_or_not_at_all(written: Any, number: str | None) -> None:
    if number is None:
        with pytest.raises(BadLine):
            cells.number(written)
    else:
        assert cells.number(written) == number


def test_lines_above_the_headings_and_sums_below_are_stepped_over() -> None:
    data = csv_of(
        HEADER,
        line(),
        ["合计", "", "", "13.14", "", "", ""],
        ["", "", "总计：1 笔", "13.14", "", "", ""],
        header=["公益宝捐赠明细", "导出时间 2024-06-01", "", "", "", "", ""],
    )

    file = read(data)

    assert [(row.line, row.amount) for row in file.rows] == [(3, Money(1314))]
    assert file.errors == []


def test_fees_are_read_where_the_file_has_them() -> None:
    file = read(csv_of(line(fee="0.08"), line("GY2", fee="-0.05"), line("GY3")))

    assert [row.fee for row in file.rows] == [Money(8), Money(5), Money(0)]
    assert file.has_fees


def test_refunds_are_listed_and_never_dropped() -> None:
    file = read(
        csv_of(
            line("A", status="已退款"),
            line("B"),
            line("B", "-13.14", at="2024-05-09 08:00:00"),
            line("C", status="部分退款", refunded="3.00"),
            line("D", refunded="1.00"),
            line("D", refunded="1.00"),
        )
    )

    assert [row.number for row in file.rows] == ["B", "C", "D"]
    assert [(r.line, r.number, r.amount) for r in file.refunds] == [
        (2, "A", Money(1314)),
        (4, "B", Money(1314)),
        (5, "C", Money(300)),
        (6, "D", Money(100)),
    ]
    assert file.errors == []


def test_each_refused_line_has_its_reason() -> None:
    file = read(
        csv_of(
            line(status="怪"),
            line("N2", "x"),
            line("N3", at="x"),
            line("N4", fee="99"),
            line("N5", refunded="99"),
            line("N6", "0"),
            line("4.2E+27"),
            line("N8", "-1", refunded="2"),
            line("N9", fee="x"),
        )
    )

    assert codes(file) == [
        (2, "status_unknown"),
        (3, "amount_form"),
        (4, "time_form"),
        (5, "fee_size"),
        (6, "refund_size"),
        (7, "amount_zero"),
        (8, "number_rounded"),
        (9, "refund_size"),
        (10, "fee_form"),
    ]


def test_reasons_are_said_in_the_readers_language(app: Flask) -> None:
    error = BadLine("status_unknown", "怪").at(2)

    with app.test_request_context():
        with force_locale("zh"):
            assert error.problem == "状态“怪”的含义尚未说明，请补充到对照表。"
        with force_locale("en"):
            assert (
                error.problem
                == "Nobody has said what the status “怪” means. Add it to the mapping."
            )


def test_every_reason_can_be_said(app: Flask) -> None:
    said = {"cell": "x", "line": "1", "amount": "1"}

    with app.test_request_context(), force_locale("en"):
        for code in problems.TEXTS:
            assert "%" not in problems.RowError(1, code, said).problem


def test_a_file_full_of_errors_keeps_the_first_and_counts_all() -> None:
    file = read(csv_of(*[line(f"N{n}", "x") for n in range(300)]))

    assert (len(file.errors), file.error_count) == (200, 300)


def test_the_headings_of_tencent_are_known() -> None:
    data = csv_of(
        ["4200001", AT, "深蓝", "20.00", "支付成功"],
        header=["交易单号", "捐款时间", "捐款人昵称", "捐款金额(元)", "交易状态"],
    )

    (row,) = read(data, mapping=TENCENT).rows

    assert (row.number, row.amount, row.name) == ("4200001", Money(2000), "深蓝")


def test_unknown_headings_are_named_so_that_a_person_can_map_them(app: Flask) -> None:
    data = csv_of(["1", AT, "2"], header=["流水", "何时", "多少"])

    with pytest.raises(ColumnsMissing) as missing:
        read(data, mapping=ANY)

    assert missing.value.headings == ["流水", "何时", "多少"]
    columns = {"number": ("流水",), "at": ("何时",), "amount": ("多少",)}
    assert len(read(data, mapping=Mapping("new", columns=columns)).rows) == 1


def test_a_mapping_survives_being_kept() -> None:
    words = {**WORDS, "paid": ("好了",)}
    mapping = replace(TENCENT, name="mini", version=3, words=words)

    again = Mapping.of("tencent", "mini", 3, mapping.body())

    assert again == mapping
    assert again.label == "mini v3"
    assert (again.meaning("好 了"), again.meaning("成功"), again.meaning("")) == (
        "paid",
        None,
        "paid",
    )


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_text_files_are_read_in_each_form(separator: str, encoding: str) -> None:
    data = "\n".join(separator.join(row) for row in (HEADER, line())).encode(encoding)

    assert len(read(data).rows) == 1


def test_a_workbook_with_dates_formulas_and_wrong_size_is_read() -> None:
    def formula(book: Workbook) -> None:
        book.worksheets[0]["D3"] = "=1+1"

    plain = ["GY1", 45420.4375, "李**", 13.14, "成功", None, None]
    data = xlsx_of(HEADER, plain, ["GY2", *plain[1:]], edit=formula)

    file = read(data, "g.xlsx")

    assert [(row.number, row.paid_at) for row in file.rows] == [("GY1", MORNING)]
    assert codes(file) == [(3, "amount_missing")]


def test_a_workbook_is_known_by_its_bytes_not_its_name() -> None:
    data = xlsx_of(HEADER, ["GY1", AT, "李", 1, "成功", None, None])

    assert len(read(data, "gifts.csv").rows) == 1


def rezipped(data: bytes, **members: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            body = members.get(name.rpartition("/")[2].replace(".", "_"), old.read(name))
            new.writestr(name, body)
        for name in members.keys() - {
            n.rpartition("/")[2].replace(".", "_") for n in old.namelist()
        }:
            new.writestr(name, members[name])
    return out.getvalue()


def test_a_workbook_that_would_explode_is_refused_at_once() -> None:
    bomb = rezipped(xlsx_of(HEADER), filler=b"\0" * (workbooks.MAX_UNPACKED + 1))
    sheet = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in HEADER)
    entities = f'<!DOCTYPE w [<!ENTITY a "a">]><worksheet><row>{sheet}</row><row><c>&a;</c></row></worksheet>'
    growing = rezipped(xlsx_of(HEADER), sheet1_xml=entities.encode())
    began = monotonic()

    for data in (bomb, growing):
        assert len(data) < 1024 * 1024
        with pytest.raises(tables.UnreadableFile):
            read(data, "g.xlsx")
    assert monotonic() - began < 5


def test_a_file_of_nothing_but_cells_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_ELEMENTS", 1000)
    cells_only = "<worksheet><row>" + "<c/>" * 2000 + "</row></worksheet>"
    strings_only = "<sst>" + "<si/>" * 2000 + "</sst>"
    files = {
        "a.csv": b"a," * 2_000_000,
        "b.csv": b'"x\n",' + b"," * 2_000_000,
        "a.xlsx": rezipped(xlsx_of(HEADER), sheet1_xml=cells_only.encode()),
        "b.xlsx": rezipped(xlsx_of(HEADER), **{"xl/sharedStrings.xml": strings_only.encode()}),
    }
    began = monotonic()

    for name, data in files.items():
        with pytest.raises(tables.UnreadableFile):
            read(data, name)
    assert monotonic() - began < 2


@pytest.mark.parametrize(
    "member", ["sheet1_xml", "workbook_xml", "styles_xml", "sharedStrings_xml"]
)
@pytest.mark.parametrize("body", [b"", b"<a", b"\0\xff" * 99, b"<worksheet/>"])
def test_a_torn_workbook_is_refused_and_breaks_nothing(member: str, body: bytes) -> None:
    data = rezipped(xlsx_of(HEADER, ["GY1", AT, "李", 1, "成功", None, None]), **{member: body})

    try:
        file = read(data, "g.xlsx")
    except tables.UnreadableFile:
        return
    assert file.rows == [] or len(file.rows) == 1


def test_a_workbook_that_counts_from_1904_is_refused() -> None:
    def from_1904(book: Workbook) -> None:
        book.epoch = datetime(1904, 1, 1)  # noqa: DTZ001

    with pytest.raises(tables.UnreadableFile):
        read(xlsx_of(HEADER, line(), edit=from_1904), "g.xlsx")


def test_a_million_lines_are_refused_soon() -> None:
    header = ",".join(HEADER)
    data = (header + "\n" + "1,2,3,4,5,6\n" * 1_000_000).encode()
    assert len(data) < tables.MAX_BYTES
    began = monotonic()

    with pytest.raises(tables.UnreadableFile):
        read(data)
    assert monotonic() - began < 20


def test_empty_lines_far_below_are_no_lines() -> None:
    def styled(book: Workbook) -> None:
        book.worksheets[0].cell(400_000, 1, "").number_format = "0.00"

    data = xlsx_of(HEADER, ["GY1", AT, "李", 1, "成功", None, None], edit=styled)

    assert len(read(data, "g.xlsx").rows) == 1


def test_huge_and_odd_cells_do_no_harm() -> None:
    name = "李\x07\u202e" + "x" * 5000
    file = read(
        csv_of(["GY1", AT, name, "1", "成功", "", ""], ["GY2", AT, "李", "9" * 5000, "", "", ""])
    )

    assert len(file.rows[0].name) == 80
    assert file.rows[0].name.isprintable()
    assert codes(file) == [(3, "amount_form")]
    assert len(file.errors[0].args["cell"]) <= 40
    with pytest.raises(tables.UnreadableFile):
        read(csv_of(["GY1", AT, "x" * 200_000, "1"]))


@given(st.binary(max_size=400))
def test_noise_is_refused_with_words(noise: bytes) -> None:
    for name, data in (("g.csv", noise), ("g.xlsx", b"PK\x03\x04" + noise)):
        with pytest.raises(tables.UnreadableFile):
            read(data, name)
