"""Finance sees the books; what leaves as a file is whole, safe and marked."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.database import db, transaction
from fundraising.giving.models import Gift
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import statements
from fundraising.references import gift_reference, order_number, secret_token
from fundraising.reports import exports
from tests.factories import Make

Staff = Callable[[str], FlaskClient]
PAGES = [
    "/staff/finance",
    "/staff/ledger",
    "/staff/exports/ledger.csv",
    "/staff/exports/vouchers.csv",
]
STATEMENT = "交易时间,交易流水号,贷方发生额\n2024-05-20 09:00:00,S1,10.00\n"


def table(browser: FlaskClient, address: str) -> list[dict[str, str]]:
    answer = browser.get(address)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def lent() -> int:
    """How many connections are in use."""
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def gift(make: Make, session: Session, name: str = "") -> Gift:
    campaign = make.campaign()
    (source,) = make.money(campaign.fund_id, 1314)
    given = Gift(
        id=source,
        ref=gift_reference(),
        order_no=order_number(),
        token=secret_token(),
        idempotency_key=str(uuid4()),
        body_hash="",
        campaign_id=campaign.id,
        fund_id=campaign.fund_id,
        amount_fen=1314,
        channel="wechatpay.native",
        state="paid",
        display_name=name,
        paid_at=clock.now(),
    )
    session.add(given)
    session.flush()
    return given


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("role", "status"), [("finance", 200), ("auditor", 200), ("buyer", 403)])
def test_the_books_are_for_finance_and_auditors(
    staff_client: Staff, page: str, role: str, status: int
) -> None:
    answer = staff_client(role).get(page)

    assert answer.status_code == status
    assert answer.data


@pytest.mark.parametrize("page", PAGES)
def test_the_books_ask_strangers_to_sign_in(client: FlaskClient, page: str) -> None:
    assert client.get(page).status_code == 302


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_first_page_shows_balances_funds_and_months(
    staff_client: Staff, make: Make, language: str
) -> None:
    fund = make.fund()
    make.money(fund.id, 123_400, 5_600)

    page = staff_client("finance").get(f"/staff/finance?lang={language}").text

    assert page.count("¥1,290.00") >= 4
    assert f"{clock.today():%Y-%m}" in page


def test_a_voucher_is_found_by_its_number_and_shows_debit_and_credit(
    staff_client: Staff, make: Make
) -> None:
    make.money(make.fund().id, 1314)
    (entry,) = books.entries(limit=1)
    browser = staff_client("auditor")

    page = browser.get(f"/staff/ledger?voucher={entry.voucher}", follow_redirects=True).text

    assert entry.voucher in page
    assert page.count("¥13.14") == 4
    assert chart.INCOME_RESTRICTED in page
    assert browser.get("/staff/ledger?voucher=2024-05-99999").status_code == 200


def test_vouchers_are_listed_by_account_and_in_pages(staff_client: Staff, make: Make) -> None:
    make.money(make.fund().id, *range(1, 61))
    browser = staff_client("finance")

    first = browser.get(f"/staff/ledger?account={chart.INCOME_RESTRICTED}").text
    before = books.entries(limit=50)[-1].id

    assert f"before={before}" in first
    second = browser.get(f"/staff/ledger?before={before}").text
    assert second.count("/staff/ledger/") == 10
    assert "/staff/ledger/" not in browser.get(f"/staff/ledger?account={chart.BANK}").text
    assert browser.get("/staff/ledger?before=nonsense").status_code == 422


def test_a_reversal_and_its_voucher_name_each_other_and_who_booked_it(
    staff_client: Staff, make: Make, make_staff: Callable[..., User]
) -> None:
    make.money(make.fund().id, 1314)
    (entry,) = books.entries(limit=1)
    person = make_staff("finance", name="赵财务")
    reversal = books.entry(ledger.reverse(entry.id, {"zh": "录入错误"}, f"staff:{person.id}"))
    browser = staff_client("finance")

    assert reversal.voucher in browser.get(f"/staff/ledger/{entry.id}").text
    page = browser.get(f"/staff/ledger/{reversal.id}").text
    assert entry.voucher in page
    assert "录入错误" in page
    assert "赵财务" in page
    rows = table(browser, "/staff/exports/vouchers.csv")
    assert [row["经手"] for row in rows] == ["系统", "赵财务"]


def test_the_ledger_file_holds_every_line_and_balances(staff_client: Staff, make: Make) -> None:
    make.money(make.fund().id, 100, 200, 300)

    rows = table(staff_client("finance"), "/staff/exports/ledger.csv?lang=en")

    assert len(rows) == 6
    assert sum(float(r["Debit"] or 0) for r in rows) == 6.0
    assert sum(float(r["Credit"] or 0) for r in rows) == 6.0
    assert len({r["Voucher"] for r in rows}) == 3


def test_headings_are_chinese_unless_asked_otherwise(staff_client: Staff, make: Make) -> None:
    make.money(make.fund().id, 100)

    (row, _) = table(staff_client("finance"), "/staff/exports/ledger.csv")

    assert row["借方"] == "1.00"
    assert row["科目名称"] == "其他货币资金—微信支付"


def test_a_months_file_holds_that_month_only(staff_client: Staff, session: Session) -> None:
    for days in (0, 62):
        at = clock.now() - timedelta(days=days)
        lines = (debit(chart.BANK, Money(1)), credit(chart.SUSPENSE, Money(1)))
        ledger.post(NewEntry(f"t:{days}", EntryKind.SUSPENSE_RECEIVED, at, lines))
    period = f"{clock.shanghai_date(clock.now() - timedelta(days=62)):%Y-%m}"
    browser = staff_client("finance")

    (row,) = table(browser, f"/staff/exports/vouchers.csv?lang=en&period={period}")

    assert row["Voucher"] == f"{period}-00001"
    assert len(table(browser, "/staff/exports/vouchers.csv")) == 2


def test_the_gift_file_is_safe_marked_and_names_the_voucher(
    staff_client: Staff, make: Make, session: Session
) -> None:
    given = gift(make, session, "=cmd|' /C calc'!A0")

    (row,) = table(staff_client("auditor"), "/staff/exports/gifts.csv?lang=en")

    assert row["Public name"] == "'=cmd|' /C calc'!A0"
    assert (row["Gift"], row["Amount"], row["Mark"]) == (given.ref, "13.14", "")
    assert books.find_voucher(row["Voucher"]) is not None
    assert given.token not in str(row)


def test_demonstration_data_is_marked_in_every_file(
    staff_client: Staff, make: Make, session: Session
) -> None:
    given = gift(make, session)
    make.campaign().is_demo = True
    demo_campaign = gift(make, session)
    campaigns = table(staff_client("finance"), "/staff/exports/gifts.csv?lang=en")
    assert {row["Mark"] for row in campaigns} == {""}
    for name in ("ledger", "vouchers"):
        rows = table(staff_client("finance"), f"/staff/exports/{name}.csv?lang=en")
        assert {row["Mark"] for row in rows} == {""}
    rows = table(staff_client("finance"), "/staff/exports/trial-balance.csv?lang=en")
    assert {row["Mark"] for row in rows} == {"演示"}
    assert given.id != demo_campaign.id


def test_the_trial_balance_file_ends_with_equal_sums(staff_client: Staff, make: Make) -> None:
    make.money(make.fund().id, 100, 250)

    rows = table(staff_client("finance"), "/staff/exports/trial-balance.csv?lang=en")

    assert rows[-1]["Debit"] == rows[-1]["Credit"] == "3.50"


def test_a_past_month_is_closed_by_finance_alone(staff_client: Staff, session: Session) -> None:
    at = clock.now() - timedelta(days=62)
    lines = (debit(chart.BANK, Money(1)), credit(chart.SUSPENSE, Money(1)))
    ledger.post(NewEntry("t", EntryKind.SUSPENSE_RECEIVED, at, lines))
    address = f"/staff/finance/periods/{clock.shanghai_date(at):%Y-%m}/close"

    assert staff_client("auditor").post(address).status_code == 403
    assert staff_client("finance").post(address).status_code == 303
    (period,) = books.periods()
    assert period.closed_at is not None


def upload(browser: FlaskClient, data: bytes, name: str = "bank.csv") -> "tuple[int, str]":
    """Bring a file; return the status and where it can be looked at."""
    values = {"account": "1305", "file": (io.BytesIO(data), name)}
    answer = browser.post("/staff/finance/bank/files", data=values)
    return answer.status_code, answer.headers.get("Location", "")


def test_a_bank_statement_is_looked_at_taken_over_and_its_line_booked(
    staff_client: Staff, make: Make
) -> None:
    make.money(make.fund().id, 1000)
    browser = staff_client("finance")
    for _ in range(2):
        status, where = upload(browser, STATEMENT.encode())
        assert status == 303
        assert "S1" in browser.get(where).text
        assert browser.post(f"{where}/take").status_code == 303
        assert browser.get(where).status_code == 404
    line = statements.find("1305", "S1")

    for _ in range(2):
        answer = browser.post(f"/staff/finance/bank/{line.id}", data={"as": "wechatpay"})
        assert answer.status_code == 303
    assert browser.post(f"/staff/finance/bank/{line.id}", data={"as": "x"}).status_code == 422
    assert books.balance(chart.BANK) == Money(1000)
    assert "S1" not in browser.get("/staff/finance/bank").text


@pytest.mark.parametrize("data", [b"nothing", b"PK\x03\x04", b"<!DOCTYPE a><a/>", b"\0"])
def test_a_file_that_is_no_statement_is_refused_on_the_form(
    staff_client: Staff, data: bytes
) -> None:
    browser = staff_client("finance")

    assert upload(browser, data)[0] == 422
    assert browser.post("/staff/finance/bank/files", data={}).status_code == 422
    assert staff_client("auditor").post("/staff/finance/bank/files", data={}).status_code == 403


@pytest.mark.parametrize(
    "text", [STATEMENT.replace("10.00", "ten"), STATEMENT.replace("10.00", "11.00")]
)
def test_what_contradicts_or_makes_no_sense_is_shown_and_not_taken_over(
    staff_client: Staff, text: str
) -> None:
    statements.import_csv("1305", STATEMENT.encode())
    browser = staff_client("finance")
    _, where = upload(browser, text.encode())

    page = browser.get(f"{where}?lang=en").text
    taken = browser.post(f"{where}/take")

    assert "not taken over" in page
    assert f'action="{where}/take"' not in page
    assert taken.status_code in (303, 422)
    assert statements.find("1305", "S1").amount_fen == 1000


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_an_unknown_bank_is_explained_on_a_page_and_recognised_from_then_on(
    staff_client: Staff, session: Session, encoding: str
) -> None:
    data = "日期,借贷,发生额度,付款人,留言\n20240520,贷,100.00,王芳,捐款\n".encode(encoding)
    chosen = {
        f"column-{n}": name
        for n, name in enumerate(("at", "side", "amount", "counterparty", "memo"))
    }
    browser = staff_client("finance")
    _, where = upload(browser, data)

    assert "column-4" in browser.get(where).text
    shown = browser.post(f"{where}/columns", data={**chosen, "do": "show"})
    assert shown.status_code == 200
    assert "¥100.00" in shown.text
    refused = browser.post(f"{where}/columns", data={**chosen, "do": "save", "name": ""})
    assert refused.status_code == 422
    saved = browser.post(f"{where}/columns", data={**chosen, "do": "save", "name": "村镇银行"})
    assert saved.headers["Location"] == where
    assert browser.post(f"{where}/take").status_code == 303

    _, again = upload(browser, data)
    page = browser.get(again).text
    assert "column-4" not in page
    assert "王芳" in page
    assert "村镇银行" in browser.get("/staff/finance/bank").text


def test_money_nobody_can_place_goes_to_suspense(staff_client: Staff, session: Session) -> None:
    statements.import_csv("1305", STATEMENT.encode())
    line = statements.find("1305", "S1")

    answer = staff_client("finance").post(f"/staff/finance/bank/{line.id}", data={"as": "suspense"})

    assert answer.status_code == 303
    assert books.balance(chart.SUSPENSE) == Money(-1000)


def test_money_out_is_tied_to_the_voucher_of_its_payment(
    staff_client: Staff, session: Session
) -> None:
    lines = (debit(chart.PAYABLE, Money(1000)), credit(chart.BANK, Money(1000)))
    entry_id = ledger.post(NewEntry("out", EntryKind.PAYMENT_OUT, clock.now(), lines))
    text = "交易时间,交易流水号,交易金额\n2024-05-20,OUT1,-10.00\n2024-05-20,OUT2,-10.01\n"
    statements.import_csv("1305", text.encode())
    browser = staff_client("finance")
    voucher = books.entry(entry_id).voucher
    line = statements.find("1305", "OUT1")

    page = browser.get("/staff/finance/bank").text
    assert page.count(voucher) == 1
    assert ("2024年5月20日" in page, "2024-05-20 00:00" in page) == (True, False)
    assert browser.post(f"/staff/finance/bank/{line.id}", data={"as": "voucher"}).status_code == 422
    tied = browser.post(
        f"/staff/finance/bank/{line.id}", data={"as": "voucher", "entry": str(entry_id)}
    )

    assert tied.status_code == 303
    assert [waiting.serial for waiting in statements.unmatched()] == ["OUT2"]
    assert voucher not in browser.get("/staff/finance/bank").text


def test_a_reader_who_hangs_up_gives_the_connection_back(own_database: Flask) -> None:
    with transaction():
        Make(db.session()).money(Make(db.session()).fund().id, *([1] * 3000))
    before = lent()
    with own_database.test_request_context("/"):
        export = exports.ledger()
    pieces = iter(export)
    next(pieces)
    assert next(pieces)
    assert lent() == before + 1

    export.close()
    export.close()

    assert lent() == before


def test_a_file_that_was_sent_gives_its_connection_back(own_database: Flask) -> None:
    with transaction():
        Make(db.session()).money(Make(db.session()).fund().id, *([1] * 3000))
    before = lent()
    with own_database.test_request_context("/"):
        export = exports.vouchers()

    assert b"".join(export).count(b"\r\n") == 3001
    assert lent() == before
