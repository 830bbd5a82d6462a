"""Our adapter, and an independent client, against Alipay's own side as we wrote it."""

import logging
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from alipay import AliPay

from fundraising import clock
from fundraising.payments.providers.alipay import Alipay, bills, tables
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillStatus,
    CloseResult,
    FactKind,
    OrderState,
    PayKind,
    Product,
    ProviderRejected,
    ProviderUnavailable,
    RefundState,
    Rejected,
    RowKind,
)
from fundraising.payments.simulators import alipay as simulated
from fundraising.payments.simulators import safety
from fundraising.payments.simulators.alipay import Simulator
from fundraising.payments.simulators.alipay_bills import HEAD
from fundraising.references import order_number
from tests.conftest import FrozenClock
from tests.providers import sides
from tests.providers.sides import Side


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with sides.open_side("alipay", tmp_path_factory.mktemp("alipay")) as side:
        yield side


@pytest.fixture
def side(opened: Side) -> Iterator[Side]:
    yield opened
    sides.plain(opened)
    opened.simulator.offset = 0.0


@pytest.fixture
def adapter(side: Side) -> Alipay:
    return cast(Alipay, side.adapter)


@pytest.fixture
def simulator(side: Side) -> Simulator:
    return cast(Simulator, side.simulator)


@pytest.fixture
def number() -> str:
    return order_number()


# ---------------------------------------------------------------------- orders


def test_an_unscanned_code_does_not_exist_and_cannot_be_closed(
    side: Side, adapter: Alipay, simulator: Simulator, number: str
) -> None:
    adapter.open_order(side.order(number))
    assert adapter.query(number).state is OrderState.NOT_EXIST
    assert adapter.close(number) is CloseResult.NOT_EXIST

    simulator.trades.begin(number)
    assert adapter.query(number).state is OrderState.NOTPAY
    assert adapter.close(number) is CloseResult.CLOSED
    assert adapter.query(number).state is OrderState.CLOSED
    assert adapter.close(number) is CloseResult.CLOSED


def test_a_code_runs_out_with_our_order(
    side: Side, adapter: Alipay, simulator: Simulator, number: str
) -> None:
    adapter.open_order(side.order(number))
    simulator.offset = 31 * 60.0

    assert not simulator.trades.pay(number, "late")
    assert adapter.query(number).state is OrderState.NOT_EXIST


@pytest.mark.parametrize(
    ("product", "method"),
    [(Product.ALIPAY_PAGE, "alipay.trade.page.pay"), (Product.ALIPAY_WAP, "alipay.trade.wap.pay")],
)
def test_a_page_is_a_signed_address_made_without_asking_anybody(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, product: Product, method: str
) -> None:
    told = adapter.open_order(side.order(number, product=product))

    assert told.kind is PayKind.REDIRECT
    assert dict(parse_qsl(urlsplit(told.value).query))["method"] == method
    assert simulator.journal.order(number) is None
    with httpx.Client(trust_env=False) as browser:
        cashier = browser.get(told.value)
        assert cashier.status_code == 302
        page = urlsplit(told.value)._replace(path=cashier.headers["location"], query="").geturl()
        assert "10.00" in browser.get(page).text
        paid = browser.post(page, data={"do": "pay"})
    back = urlsplit(paid.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://127.0.0.1:9/pay/back"
    assert adapter.is_genuine_return(back.query.encode())
    assert not adapter.is_genuine_return(back.query.replace("10.00", "99.00").encode())
    assert "trade_status" not in back.query
    (fact,) = adapter.query(number).facts
    assert fact.amount.minor == 1000


def test_a_bent_address_opens_no_cashier(side: Side, adapter: Alipay, number: str) -> None:
    told = adapter.open_order(side.order(number, product=Product.ALIPAY_PAGE))

    answer = httpx.get(told.value.replace("10.00", "00.01"), trust_env=False)

    assert "isv.invalid-signature" in answer.text


def test_a_finished_trade_cannot_be_closed_and_a_refunded_one_was_paid(
    side: Side, adapter: Alipay, number: str
) -> None:
    side.paid(number)
    adapter.refund(side.wish(f"R{number}", number, 1000))

    found = adapter.query(number)

    assert (found.state, found.facts[0].amount.minor) == (OrderState.PAID, 1000)
    assert adapter.close(number) is CloseResult.ALREADY_PAID


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize("fault", ["bad_signature", "unsigned", "error_response", "500"])
def test_what_nobody_signed_proves_nothing(
    side: Side, adapter: Alipay, number: str, fault: str
) -> None:
    side.paid(number)
    side.fault(fault)

    for ask in (adapter.query, adapter.close):
        with pytest.raises(ProviderUnavailable):
            ask(number)
    with pytest.raises(ProviderUnavailable):
        adapter.query_refund(side.wish(f"R{number}", number, 1))


# ---------------------------------------------------------------------- refunds


@pytest.mark.parametrize("is_newer", [True, False])
def test_case_68_taken_without_fund_change_is_not_refunded_until_the_query_says_so(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, *, is_newer: bool
) -> None:
    side.paid(number)
    policy = simulator.courier.policy
    policy.fund_change, policy.refund_ends, policy.newer_account = "N", False, is_newer
    wish = side.wish(f"R{number}", number, 400)

    told = adapter.refund(wish)
    assert (told.state, told.facts) == (RefundState.PROCESSING, [])
    assert adapter.query_refund(wish).state is RefundState.NOT_EXIST

    simulator.trades.finish_refund(number, f"R{number}")
    found = adapter.query_refund(wish)
    assert (found.state, found.facts[0].amount.minor) == (RefundState.SUCCEEDED, 400)


def test_a_system_error_is_asked_again_under_the_same_number(
    side: Side, adapter: Alipay, simulator: Simulator, number: str
) -> None:
    side.paid(number)
    simulator.courier.policy.fail_refund = "ACQ.SYSTEM_ERROR"
    with pytest.raises(ProviderUnavailable):
        adapter.refund(side.wish(f"R{number}", number, 400))


def test_a_refusal_is_final_only_when_the_query_knows_of_no_refund(
    side: Side, adapter: Alipay, number: str
) -> None:
    side.paid(number)
    adapter.refund(side.wish(f"R{number}", number, 400))

    known = adapter.refund(side.wish(f"R{number}", number, 300))

    assert (known.state, known.facts[0].amount.minor) == (RefundState.SUCCEEDED, 400)
    with pytest.raises(ProviderRejected):
        adapter.refund(side.wish(f"X{number}", number, 700))


def test_a_refund_at_the_console_is_seen_under_its_own_number(
    side: Side, adapter: Alipay, simulator: Simulator, number: str
) -> None:
    side.paid(number)
    order = simulator.journal.order(number)
    assert order is not None
    simulator.trades.send_back(order, "CONSOLE1", 250)

    raw = side.notices_of(number)[-1][1]
    seen = adapter.parse(raw)[1]

    assert (seen.kind, seen.fact_ref) == (FactKind.REFUND_SEEN, "CONSOLE1")
    assert adapter.query_refund(side.wish("CONSOLE1", number, 1)).facts[0].amount.minor == 250


# ---------------------------------------------------------------------- the courier


def test_notices_are_sent_eight_times_in_a_day_and_then_no_more(
    side: Side, simulator: Simulator, number: str
) -> None:
    side.paid(number)
    pauses, courier, start = [], simulator.courier, simulator.now()

    for _ in range(20):
        row = simulator.journal.run("SELECT * FROM notices WHERE out_trade_no = ?", number)[0]
        if row["due"] is None:
            break
        simulator.offset += max(0.0, row["due"] - simulator.now())
        pauses.append(round((simulator.now() - start) / 60))
        start = simulator.now()
        courier._deliver(dict(row))

    assert pauses == [0, 4, 10, 10, 60, 120, 360, 900]
    assert '"success"' not in str(row["answers"])


def test_the_simulator_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SystemExit):
        safety.refuse_in_production()


# ---------------------------------------------------------------------- bills


def test_fees_and_withdrawals_are_told_by_the_balance_and_once(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, tmp_path: Path
) -> None:
    simulator.courier.policy.fee_back_per_10000 = 60
    side.paid(number, 10_000)
    adapter.refund(side.wish("BACK1", number, 2_500, 10_000))
    simulator.flows.withdraw(1_000)
    rows = {}
    for kind in (BillKind.TRADE, BillKind.FUND_FLOW):
        adapter.fetch_bill(clock.today(), kind, tmp_path / kind)
        told = adapter.read_bill(tmp_path / kind, kind)
        rows[kind] = [r for r in told if r.merchant_ref in (number, "")]

    assert [(r.kind, r.minor) for r in rows[BillKind.TRADE]] == [
        (RowKind.PAID, 10_000),
        (RowKind.REFUND, 2_500),
    ]
    assert [(r.kind, r.minor) for r in rows[BillKind.FUND_FLOW]][-5:] == [
        (RowKind.PAID, 10_000),
        (RowKind.FEE, 60),
        (RowKind.REFUND, 2_500),
        (RowKind.FEE_BACK, 15),
        (RowKind.PAYOUT, 1_000),
    ]


CAPTURED = (
    "#支付宝账务明细查询\r\n#账号：[2088SIMULATOR0010156]\r\n"
    "#起始日期：[2012年12月29日 00:00:00]   终止日期：[2012年12月30日 00:00:00]\r\n"
    "#-----------------------------------------账务明细列表----------------------------------------\r\n"
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额(+元),支出金额(-元),账户余额(元),"
    "交易渠道,业务类型,备注\r\n"
    "54632446537371\t,2012122923922029\t,3226563\t,海航机票\t,2012-12-29 21:02:06,某某 (a@example.com)\t,"
    "2274.00,0.00,14533.03,支付宝,在线支付,\r\n"
    "54632446537372\t,2012122923922030\t,\t,保证金,还款\t,2012-12-29 21:05:06,\t,,-20.00,14513.03,支付宝,其它,\r\n"
    "#----------------------------------------账务明细列表结束-------------------------------------\r\n"
    "#支出合计：1笔，共-20.00元,,,,\r\n#收入合计：1笔，共2274.00元,,,,\r\n#导出时间：[2012年12月31日 13:19:01]\r\n"
)


def test_a_balance_in_the_form_merchants_have_shown_is_read(tmp_path: Path) -> None:
    file = tmp_path / "flow"
    file.write_bytes(CAPTURED.encode("gbk"))

    rows = list(bills.read(file, simulated.SELLER, BillKind.FUND_FLOW))

    assert [(r.kind, r.ref, r.payment_ref, r.minor, r.at) for r in rows] == [
        (RowKind.PAID, "54632446537371", "2012122923922029", 227_400, "2012-12-29 21:02:06+08"),
        (RowKind.OTHER, "54632446537372", "2012122923922030", 2_000, "2012-12-29 21:05:06+08"),
    ]
    file.write_bytes(CAPTURED.replace("共2274.00元", "共2274.01元").encode("gbk"))
    with pytest.raises(BillBroken, match="totals"):
        list(bills.read(file, simulated.SELLER, BillKind.FUND_FLOW))


def test_a_bill_in_the_making_waits_until_noon(
    side: Side, adapter: Alipay, simulator: Simulator, tmp_path: Path, frozen_clock: FrozenClock
) -> None:
    yesterday = clock.today() - timedelta(days=1)
    local = frozen_clock.at.astimezone(clock.SHANGHAI)
    frozen_clock.at = local.replace(hour=11, minute=0)
    assert adapter.fetch_bill(yesterday, BillKind.TRADE, tmp_path / "b") is BillStatus.NOT_READY

    frozen_clock.at = local.replace(hour=12, minute=1)
    assert adapter.fetch_bill(yesterday, BillKind.TRADE, tmp_path / "b") is BillStatus.EMPTY


@pytest.mark.parametrize("fault", ["truncated", "other_host", "no_detail"])
def test_cases_76_86_87_a_zip_that_is_not_whole_is_refused(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, tmp_path: Path, fault: str
) -> None:
    side.paid(number)
    simulator.courier.policy.bill_fault = fault

    with pytest.raises(BillBroken):
        adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")
    assert list(tmp_path.iterdir()) == []


def test_case_86_a_path_inside_the_zip_writes_nowhere_else(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, tmp_path: Path
) -> None:
    side.paid(number)
    simulator.courier.policy.bill_fault = "dotdot"
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)

    adapter.fetch_bill(clock.today(), BillKind.TRADE, folder / "bill")

    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [folder / "bill"]
    assert list(adapter.read_bill(folder / "bill", BillKind.TRADE))


def test_case_86_a_zip_bomb_is_cut_off(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    side.paid(number)
    simulator.courier.policy.bill_fault = "bomb"
    monkeypatch.setattr(tables, "LARGEST_FILE", 8 * 1024 * 1024)

    with pytest.raises(BillBroken, match="unpacks to more"):
        adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")
    assert list(tmp_path.iterdir()) == []


def test_case_86_another_sellers_file_is_refused(
    side: Side, adapter: Alipay, simulator: Simulator, number: str, tmp_path: Path
) -> None:
    side.paid(number)
    simulator.courier.policy.bill_fault = "other_seller"
    adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")

    with pytest.raises(BillBroken, match="another seller"):
        list(adapter.read_bill(tmp_path / "bill", BillKind.TRADE))


def bill(tmp_path: Path, *, title: str = "捐赠", amount: str = "1.00", coding: str = "gbk") -> Path:
    cells = ["2026T1\t", "ORDER1\t", "交易\t", title, *["\t"] * 7]
    cells[5] = "2026-11-25 10:00:00\t"
    cells += [amount, amount, *["0.00"] * 5, "", "0.00", "0.00", "\t", "-0.01", "0.00", "\t"]
    head = HEAD
    lines = [
        "#支付宝业务明细查询", f"#账号：[{simulated.SELLER}0156]", "#-", "#-", head, ",".join(cells),
        "#--", "#交易合计：1笔，商家实收共1.00元，商家优惠共0.00元",
        "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元", "#导出时间：[]",
    ]  # fmt: skip
    file = tmp_path / "bill.csv"
    file.write_bytes("\r\n".join(lines).encode(coding))
    return file


@pytest.mark.parametrize(
    "title", ["a,b,,c", '"=cmd()|x', "一行\r\n两行", "`1,`2\n3", "#not a foot"]
)
def test_case_84_commas_breaks_and_formulas_in_a_title_harm_nothing(
    tmp_path: Path, title: str
) -> None:
    rows = list(bills.read(bill(tmp_path, title=title), simulated.SELLER, BillKind.TRADE))

    assert [(row.kind, row.ref, row.minor) for row in rows] == [(RowKind.PAID, "2026T1", 100)]


def test_case_86_a_file_saved_anew_as_utf_8_with_its_mark_is_read(tmp_path: Path) -> None:
    file = bill(tmp_path, coding="utf-8-sig")

    assert [row.minor for row in bills.read(file, simulated.SELLER, BillKind.TRADE)] == [100]


@pytest.mark.parametrize("amount", ["1e2", "１.00", "-1.00", "1.005", "NaN", "", "+1.00", "1.0 0"])
def test_case_58_an_amount_that_is_none_makes_the_bill_useless(tmp_path: Path, amount: str) -> None:
    with pytest.raises(BillBroken):
        list(bills.read(bill(tmp_path, amount=amount), simulated.SELLER, BillKind.TRADE))


@pytest.mark.parametrize("content", [b"", b"#\xff\xff\xff", b"a,b\r\n"])
def test_what_is_no_bill_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(content)

    with pytest.raises(BillBroken):
        list(bills.read(file, simulated.SELLER, BillKind.TRADE))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    with pytest.raises(BillBroken):
        bills.unpack(tmp_path / "x.zip", tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as two:
        two.writestr("1_业务明细.csv", b"")
        two.writestr("2_业务明细.csv", b"")
    with pytest.raises(BillBroken, match="2 files"):
        bills.unpack(tmp_path / "two.zip", tmp_path / "x")


# ---------------------------------------------------------------------- an independent client


@pytest.fixture
def independent(simulator: Simulator) -> Any:
    """``python-alipay-sdk`` was written by others: what it accepts is not only our own mirror image."""
    client = AliPay(
        appid=simulated.APP_ID,
        app_notify_url="http://127.0.0.1:9/payments/alipay/notify",
        app_private_key_string=(simulator.folder / "app.pem").read_text(),
        alipay_public_key_string=(simulator.folder / "alipay_public.pem").read_text(),
    )
    client._gateway = f"{simulator.base_url}/gateway.do"
    logging.getLogger("python-alipay-sdk").setLevel(logging.ERROR)
    return client


def test_an_independent_client_pays_queries_refunds_and_closes(
    independent: Any, simulator: Simulator, number: str
) -> None:
    order = {"subject": "测试", "out_trade_no": number, "total_amount": "10.00"}

    assert independent.api_alipay_trade_precreate(**order)["qr_code"].startswith("http")
    simulator.trades.pay(number, "open-independent")
    found = independent.api_alipay_trade_query(out_trade_no=number)
    assert (found["code"], found["trade_status"]) == ("10000", "TRADE_SUCCESS")
    back = independent.api_alipay_trade_refund("4.00", out_trade_no=number, out_request_no="R1")
    assert (back["fund_change"], back["refund_fee"]) == ("Y", "4.00")
    again = independent.api_alipay_trade_refund("4.00", out_trade_no=number, out_request_no="R1")
    assert (again["code"], again["fund_change"]) == ("10000", "N")
    told = independent.api_alipay_trade_fastpay_refund_query("R1", out_trade_no=number)
    assert told["refund_amount"] == "4.00"
    other = order_number()
    independent.api_alipay_trade_precreate(**{**order, "out_trade_no": other})
    simulator.trades.begin(other)
    assert independent.api_alipay_trade_close(out_trade_no=other)["code"] == "10000"


def test_an_independent_client_believes_our_simulators_notices_and_opens_its_pages(
    independent: Any, side: Side, simulator: Simulator, number: str
) -> None:
    side.paid(number)
    fields = dict(parse_qsl(side.notices_of(number)[0][1].decode(), keep_blank_values=True))
    assert independent.verify(fields, fields.pop("sign"))

    page = independent.api_alipay_trade_page_pay(
        "测试", order_number(), "10.00", return_url="http://127.0.0.1:9/back"
    )
    answer = httpx.get(f"{simulator.base_url}/gateway.do?{page}", trust_env=False)
    assert answer.status_code == 302


def test_notices_go_out_and_are_signed_for_us(
    side: Side, adapter: Alipay, simulator: Simulator, number: str
) -> None:
    simulator.courier.policy.wrong_key = True
    side.paid(number)
    with pytest.raises(Rejected):
        adapter.authenticate({}, side.notices_of(number)[0][1], clock.now())

    if not simulator.courier.thread.is_alive():
        simulator.courier.start()
    deadline = time.monotonic() + 5
    tries = 0
    while time.monotonic() < deadline and not tries:
        tries = simulator.journal.run("SELECT tries FROM notices WHERE out_trade_no = ?", number)[
            0
        ]["tries"]
        time.sleep(0.02)
    simulator.courier.stop()
    assert tries == 1
