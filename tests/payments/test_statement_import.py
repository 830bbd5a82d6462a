"""Statement files in every form banks give them: read whole, known again, or refused with the reason."""

import contextlib
from datetime import datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.money import Money
from fundraising.payments import camt, statement_files, statement_import, statements
from fundraising.payments.statement_files import NewBankLine, UnknownHeadings, UnreadableStatement
from tests.conftest import FrozenClock

ACCOUNT = "1305000000000001314"
XML = "<?xml version='1.0' encoding='UTF-8'?>"
STRANGE = (
    "某村镇银行对账单,,,,,,\r\n"
    "日期,时刻,借贷,发生额度,结余,付款人,留言,用途\r\n"
    "20240520,090000,贷,100.00,1100.00,王芳,K7M 2QX,捐款\r\n"
    "20240520,090001,借,30.50,1069.50,某公司,货款,\r\n"
    "合计,,,,,,,\r\n"
)
COLUMNS = {
    "at": [0],
    "time": [1],
    "side": [2],
    "amount": [3],
    "balance": [4],
    "counterparty": [5],
    "memo": [6, 7],
}


def entry(amount: str = "100.00", side: str = "CRDT", more: str = "", ref: str = "S1") -> str:
    return (
        f'<Ntry><Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>2024-05-20</Dt></BookgDt>{f'<AcctSvcrRef>{ref}</AcctSvcrRef>' if ref else ''}{more}</Ntry>"
    )


def details(*parts: str) -> str:
    return f"<NtryDtls>{''.join(f'<TxDtls>{part}</TxDtls>' for part in parts)}</NtryDtls>"


def balance(code: str, amount: str, side: str = "CRDT") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">{amount}</Amt>'
        f"<CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2024-05-20</Dt></Dt></Bal>"
    )


def document(
    *entries: str,
    opening: str = "1000.00",
    closing: str = "1100.00",
    version: str = "02",
    head: str = "",
) -> bytes:
    balances = balance("OPBD", opening) + balance("CLBD", closing)
    return (
        f"{head}"
        f'<Document xmlns="{camt.NAMESPACE}{version}"><BkToCstmrStmt><GrpHdr/><Stmt>'
        f"<Acct><Id><Othr><Id>1305 0000 0000 0001 314</Id></Othr></Id></Acct>{balances}{''.join(entries)}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableStatement) as refused:
        camt.read(data, ACCOUNT)
    return str(getattr(refused.value.message, "_args", [refused.value.message])[0])


PARTY_02 = "<RltdPties><Dbtr><Nm>王芳</Nm></Dbtr><DbtrAcct><Id><Othr><Id>6222</Id></Othr></Id></DbtrAcct></RltdPties>"
PARTY_08 = PARTY_02.replace("<Nm>王芳</Nm>", "<Pty><Nm>王芳</Nm></Pty>")
MEMO = "<RmtInf><Ustrd>捐款</Ustrd><Ustrd>K7M 2QX 9TP</Ustrd></RmtInf>"


@pytest.mark.parametrize(("version", "party"), [("02", PARTY_02), ("08", PARTY_08)])
def test_camt_053_is_read_in_both_versions(version: str, party: str) -> None:
    more = details(f"<Refs><AcctSvcrRef>S9</AcctSvcrRef></Refs>{party}{MEMO}")
    text = document(entry(more=more), version=version).decode()
    if version == "08":
        text = text.replace("<Sts>BOOK</Sts>", "<Sts><Cd>BOOK</Cd></Sts>")

    (line,) = camt.read(text.encode(), ACCOUNT).lines

    assert (line.serial, line.amount) == ("S9", Money(10_000))
    assert (line.counterparty, line.counterparty_account) == ("王芳", "6222")
    assert line.memo == "捐款 K7M 2QX 9TP"
    assert line.booked_at == datetime(2024, 5, 20, tzinfo=clock.SHANGHAI)


def test_an_entry_of_several_transactions_becomes_several_lines() -> None:
    part = '<Amt Ccy="CNY">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
    more = details(part.format("60.00"), part.format("40.00"))
    read = camt.read(document(entry(more=more)), ACCOUNT)

    assert [(line.serial, line.amount.minor) for line in read.lines] == [
        ("S1/1", 6000),
        ("S1/2", 4000),
    ]
    wrong = details(part.format("60.00"), part.format("39.99"))
    assert "transactions of an entry differ" in refusal(document(entry(more=wrong)))


def test_amounts_of_transactions_may_stand_deeper() -> None:
    part = '<AmtDtls><TxAmt><Amt Ccy="CNY">{}</Amt></TxAmt></AmtDtls>'
    more = details(part.format("99.00"), part.format("1.00"))

    assert len(camt.read(document(entry(more=more)), ACCOUNT).lines) == 2


def test_a_reversal_is_marked_and_its_side_is_what_the_bank_says() -> None:
    more = "<RvslInd>true</RvslInd>"
    read = camt.read(document(entry("30.00", "DBIT", more), closing="970.00"), ACCOUNT)

    assert [(line.amount.minor, line.is_reversal) for line in read.lines] == [(-3000, True)]


def test_what_is_not_booked_yet_does_not_count() -> None:
    pending = entry(ref="P").replace("BOOK", "PDNG")

    assert len(camt.read(document(entry(), pending), ACCOUNT).lines) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (document(entry(), closing="1100.01"), "differ from the balances"),
        (document(), "differ from the balances"),
        (document(entry()).replace(b"CLBD", b"XXXX"), "lacks its opening"),
        (document(entry()).replace(b'Ccy="CNY">100', b'Ccy="USD">100'), "only CNY"),
        (document(entry("1e2")), "makes no sense"),
        (document(entry("100.001")), "makes no sense"),
        (document(entry(side="LEFT")), "makes no sense"),
        (document(entry()).replace(b"BookgDt", b"Nothing"), "no booking date"),
        (document(entry(), version="12"), "no camt.053"),
        (b"<a/>", "no camt.053"),
        (document(entry()).replace(b"1305 0000", b"9999 0000"), "of the account"),
        (document(entry())[:-9], "cannot be read"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "cannot be read"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "document type"),
        (b"<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;'>]><a>&y;</a>", "document type"),
        (b"<a>" * 200_000, "cannot be read"),
        (b"<" + b"x" * statement_files.MAX_BYTES, "larger than 8 MB"),
    ],
)  # fmt: skip
def test_camt_that_is_wrong_or_a_trick_is_refused(app: object, data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_camt_in_gbk_is_read() -> None:
    text = document(entry(more=details(PARTY_02)), head="<?xml version='1.0' encoding='GB2312'?>")

    (line,) = camt.read(text.decode().encode("gb18030"), ACCOUNT).lines

    assert line.counterparty == "王芳"


@pytest.mark.parametrize("start", [b"PK\x03\x04zip", b"\x1f\x8bgz", b"\xd0\xcf\x11\xe0xls"])
def test_packed_files_are_never_unpacked(session: Session, start: bytes) -> None:
    with pytest.raises(UnreadableStatement):
        statement_import.read(ACCOUNT, start)
    with pytest.raises(UnreadableStatement):
        statement_import.stage(ACCOUNT, "bomb.zip", start, None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_an_unknown_bank_is_explained_once_and_known_from_then_on(
    session: Session, encoding: str
) -> None:
    data = STRANGE.encode(encoding)
    with pytest.raises(UnknownHeadings):
        statement_import.read(ACCOUNT, data)
    headings = statement_files.table_of(data)[1]

    statement_import.save_mapping(" 某村镇银行 ", headings, COLUMNS, uuid4())

    for mapping in ("", "某村镇银行"):
        read = statement_import.read(ACCOUNT, data, mapping)
        assert read.errors == []
        assert [line.amount.minor for line in read.lines] == [10_000, -3050]
        assert read.lines[0].memo == "K7M 2QX 捐款"
        assert read.lines[0].balance == Money(110_000)
        assert read.lines[0].booked_at == datetime(2024, 5, 20, 9, tzinfo=clock.SHANGHAI)
    (saved,) = statement_import.mappings()
    assert saved.saved_by is not None
    with pytest.raises(statement_import.MappingNotFound):
        statement_import.read(ACCOUNT, data, "another")


def test_a_mapping_needs_a_name_of_its_own_a_time_and_an_amount(session: Session) -> None:
    statement_import.save_mapping("bank", ["a", "b"], {"at": [0], "income": [1]}, None)
    statement_import.save_mapping("bank", ["a", "b"], {"at": [0], "amount": [1]}, None)

    for name, columns in (("", COLUMNS), ("x", {"at": [0]}), ("x", {"amount": [0]})):
        with pytest.raises(statement_import.MappingRefused):
            statement_import.save_mapping(name, ["c"], columns, None)
    with pytest.raises(statement_import.MappingNameTaken):
        statement_import.save_mapping("bank", ["c"], COLUMNS, None)
    (saved,) = statement_import.mappings()
    assert saved.columns == {"at": [0], "amount": [1]}


def test_a_mark_that_is_no_side_is_a_bad_line(app: object) -> None:
    table = statement_files.table_of(STRANGE.replace("贷,100", "无,100").encode())
    read = statement_files.rows_of(table, 1, COLUMNS)

    assert [error.line for error in read.errors] == [3]
    assert [line.amount.minor for line in read.lines] == [-3050]


def test_the_dry_run_tells_new_known_and_changed_lines(session: Session) -> None:
    def line(serial: str, fen: int) -> NewBankLine:
        return NewBankLine(serial, clock.now(), Money(fen))

    statements.import_lines(ACCOUNT, [line("S1", 100), line("S2", 200)])
    file = statement_files.StatementFile(
        [line("S1", 100), line("S2", 201), line("S3", 300), line("S3", 300)]
    )

    planned = statement_import.plan(ACCOUNT, file)

    found = [
        [one.serial for one in lines] for lines in (planned.new, planned.known, planned.changed)
    ]
    assert found == [["S3"], ["S1", "S3"], ["S2"]]
    assert not planned.may_be_taken


def test_a_file_waits_a_week_and_its_bytes_go(session: Session, frozen_clock: FrozenClock) -> None:
    file = statement_import.stage("13 05", "a.csv", b"x", None)
    assert statement_import.waiting(file.id) == (file, b"x")
    assert file.bank_account == "1305"

    frozen_clock.move(days=8)
    other = statement_import.stage("1305", "b.csv", b"y", None)
    statement_import.taken_over(other, 1, 2)

    with pytest.raises(statement_import.FileTaken):
        statement_import.waiting(other.id)
    for gone in (file.id, uuid4()):
        with pytest.raises(statement_import.FileGone):
            statement_import.waiting(gone)


LINES = st.builds(
    NewBankLine,
    serial=st.just(""),
    booked_at=st.integers(1, 3).map(lambda day: datetime(2024, 1, day, tzinfo=clock.SHANGHAI)),
    amount=st.sampled_from([Money(100), Money(-100), Money(200)]),
    counterparty=st.sampled_from(["王芳", "张三", ""]),
    balance=st.sampled_from([None, Money(1000)]),
)


@given(st.lists(LINES, max_size=12))
def test_keys_of_our_own_are_distinct_and_the_same_again(lines: list[NewBankLine]) -> None:
    keyed = statement_files.keyed(ACCOUNT, lines)

    assert len({line.serial for line in keyed}) == len(lines)
    assert statement_files.keyed(ACCOUNT, lines) == keyed
    assert statement_files.keyed(ACCOUNT, keyed) == keyed
    assert {line.serial for line in statement_files.keyed(ACCOUNT, lines[::-1])} == {
        line.serial for line in keyed
    }
    assert not {line.serial for line in keyed} & {
        line.serial for line in statement_files.keyed("other", lines)
    }


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = camt.read if camt.is_camt(data) else lambda raw, _: statement_files.read(raw)
    with contextlib.suppress(UnreadableStatement):
        reader(data, ACCOUNT)


def test_importing_lines_without_serials_again_changes_nothing(session: Session) -> None:
    at = datetime(2024, 5, 20, tzinfo=clock.SHANGHAI)
    lines = [NewBankLine("", at, Money(100), "王芳") for _ in range(3)]

    assert statements.import_lines(ACCOUNT, lines).new_count == 3
    assert statements.import_lines(ACCOUNT, lines).new_count == 0
    assert statements.import_lines(ACCOUNT, [*lines, *lines[:1]]).new_count == 1
