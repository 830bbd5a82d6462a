"""Refunds and bills of WeChat Pay: our client against the simulator, an independent client, a real bill."""

import gzip
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillStatus,
    FactKind,
    Product,
    Provider,
    ProviderRejected,
    ProviderUnavailable,
    RefundRequest,
    RefundState,
    RowKind,
)
from fundraising.payments.providers.wechatpay import bills
from fundraising.payments.simulators.wechatpay import Simulator
from tests.providers.test_wechatpay_simulator import order, provider, simulator

__all__ = ["provider", "simulator"]


@pytest.fixture(autouse=True)
def plain_policy(simulator: Simulator) -> Iterator[None]:
    yield
    policy = simulator.courier.policy
    policy.fail_refund, policy.refund_ends, policy.refund_slow = "", "SUCCESS", True
    policy.bill_fault, policy.fail_api = "", ""


def pay(provider: Provider, simulator: Simulator, number: str, fen: int = 1000) -> None:
    provider.open_order(order(number, Product.WECHATPAY_NATIVE, fen))
    assert simulator.orders.pay(number, "o-payer")


def wish(number: str, merchant_ref: str, fen: int, total: int = 1000) -> RefundRequest:
    return RefundRequest(
        refund_no=number,
        merchant_ref=merchant_ref,
        payment_ref=None,
        amount=Money(fen),
        total=Money(total),
        reason="测试",
        notify_url="http://127.0.0.1:9/payments/wechatpay/notify",
    )


def test_accepted_is_not_refunded_until_the_query_says_so(
    provider: Provider, simulator: Simulator
) -> None:
    pay(provider, simulator, "REFUND000001")

    assert provider.refund(wish("RF00000001", "REFUND000001", 400)).state is RefundState.PROCESSING
    found = provider.query_refund(wish("RF00000001", "REFUND000001", 400))

    assert found.state is RefundState.SUCCEEDED
    (fact,) = found.facts
    assert (fact.kind, fact.fact_ref, fact.amount) == (FactKind.REFUNDED, "RF00000001", Money(400))
    (paid,) = provider.query("REFUND000001").facts
    assert paid.amount == Money(1000)


def test_the_same_number_refunds_once_and_another_amount_is_refused(
    provider: Provider, simulator: Simulator
) -> None:
    pay(provider, simulator, "REFUND000002")
    for _ in range(2):
        provider.refund(wish("RF00000002", "REFUND000002", 600))

    assert [r["amount"] for r in refunds_of(simulator, "REFUND000002")] == [600]
    with pytest.raises(ProviderRejected):
        provider.refund(wish("RF00000002", "REFUND000002", 300))
    with pytest.raises(ProviderRejected):
        provider.refund(wish("RF00000003", "REFUND000002", 500))


def refunds_of(simulator: Simulator, order_no: str) -> list[dict[str, object]]:
    return [r for r in simulator.journal.dump()["refunds"] if r["out_trade_no"] == order_no]


def test_an_empty_balance_is_for_later_and_an_unknown_refund_is_told(
    provider: Provider, simulator: Simulator
) -> None:
    pay(provider, simulator, "REFUND000004")
    simulator.courier.policy.fail_refund = "NOT_ENOUGH"
    with pytest.raises(ProviderUnavailable):
        provider.refund(wish("RF00000004", "REFUND000004", 400))

    unknown = provider.query_refund(wish("RF00000004", "REFUND000004", 400))
    assert unknown.state is RefundState.NOT_EXIST


@pytest.mark.parametrize(
    ("ends", "state", "kind"),
    [
        ("ABNORMAL", RefundState.STUCK, FactKind.REFUND_STUCK),
        ("CLOSED", RefundState.FAILED, FactKind.REFUND_FAILED),
    ],
)
def test_case_66_abnormal_waits_and_closed_is_over(
    provider: Provider, simulator: Simulator, ends: str, state: RefundState, kind: FactKind
) -> None:
    number = f"REFUND{ends}"
    pay(provider, simulator, number)
    simulator.courier.policy.refund_ends = ends
    provider.refund(wish(f"RF{ends}", number, 400))

    found = provider.query_refund(wish(f"RF{ends}", number, 400))
    assert (found.state, [fact.kind for fact in found.facts]) == (state, [kind])


def test_a_refund_notice_is_sealed_and_read(provider: Provider, simulator: Simulator) -> None:
    pay(provider, simulator, "REFUND000007")
    provider.refund(wish("RF00000007", "REFUND000007", 1000))
    row = simulator.journal.run(
        "SELECT body FROM notices WHERE out_trade_no = 'REFUND000007' ORDER BY rowid DESC LIMIT 1"
    )[0]

    (fact,) = provider.parse(row["body"].encode())

    assert (fact.kind, fact.fact_ref, fact.amount) == (FactKind.REFUNDED, "RF00000007", Money(1000))
    assert fact.payment_ref


# ---------------------------------------------------------------------- bills


def test_both_bills_are_fetched_checked_and_read(
    provider: Provider, simulator: Simulator, tmp_path: Path
) -> None:
    pay(provider, simulator, "BILL00000001", 123_456)
    provider.refund(wish("RFBILL001", "BILL00000001", 56, 123_456))
    simulator.bills.payout()
    today = clock.today()

    assert provider.fetch_bill(today, BillKind.TRADE, tmp_path / "t") is BillStatus.READY
    rows = list(provider.read_bill(tmp_path / "t", BillKind.TRADE))
    ours = [row for row in rows if row.merchant_ref == "BILL00000001"]
    assert [(row.kind, row.minor, row.is_final) for row in sorted(ours)] == [
        (RowKind.PAID, 123_456, True),
        (RowKind.REFUND, 56, False),
    ]

    assert provider.fetch_bill(today, BillKind.FUND_FLOW, tmp_path / "f") is BillStatus.READY
    flow = list(provider.read_bill(tmp_path / "f", BillKind.FUND_FLOW))
    payment = next(row.ref for row in rows if row.kind is RowKind.PAID and row in ours)
    assert [
        row.minor for row in flow if row.kind is RowKind.FEE and row.payment_ref == payment
    ] == [741]
    assert any(row.kind is RowKind.PAYOUT for row in flow)


def test_case_80_a_day_without_anything_is_empty_and_a_bill_in_the_making_waits(
    provider: Provider, simulator: Simulator, tmp_path: Path
) -> None:
    long_ago = clock.today() - timedelta(days=40)
    assert provider.fetch_bill(long_ago, BillKind.TRADE, tmp_path / "t") is BillStatus.EMPTY

    simulator.bills.creating = 1
    assert (
        provider.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "t") is BillStatus.NOT_READY
    )


@pytest.mark.parametrize("fault", ["wrong_hash", "truncated", "other_host"])
def test_cases_75_76_87_a_file_that_is_not_the_announced_one_is_refused(
    provider: Provider, simulator: Simulator, tmp_path: Path, fault: str
) -> None:
    pay(provider, simulator, f"FAULT{fault[:5].upper()}01".replace("_", ""))
    simulator.courier.policy.bill_fault = fault

    with pytest.raises(BillBroken):
        provider.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_case_77_totals_that_differ_from_the_lines_are_refused(
    provider: Provider, simulator: Simulator, tmp_path: Path
) -> None:
    pay(provider, simulator, "TOTAL0000001")
    simulator.courier.policy.bill_fault = "wrong_total"
    provider.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "t")

    with pytest.raises(BillBroken):
        list(provider.read_bill(tmp_path / "t", BillKind.TRADE))


HEAD = "交易时间,商户号,微信订单号,商户订单号,用户标识,交易状态,商户退款单号,订单金额,申请退款金额"
FOOT = "总交易单数,订单总金额,申请退款总金额"


def bill(tmp_path: Path, *rows: str, totals: str = "`1,`1.00,`0.00") -> Path:
    file = tmp_path / "bill"
    text = "\r\n".join([HEAD, *rows, FOOT, totals, ""])
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    return file


ROW = "`2024-05-08 10:00:00,`190,`42000,`ORDER,`o1,`SUCCESS,`0,`{fen},`0.00"


@pytest.mark.parametrize(
    "fen", ["1e2", "１.00", "-1.00", "1.005", "NaN", "", "1,00", "1.00\u2028", "+1.00", " 1.00"]
)
def test_case_58_an_amount_that_is_none_makes_the_bill_useless(tmp_path: Path, fen: str) -> None:
    with pytest.raises(BillBroken):
        list(bills.read_trade(bill(tmp_path, ROW.format(fen=fen)), "190"))


def test_case_84_commas_and_formulas_in_merchant_text_harm_nothing(tmp_path: Path) -> None:
    row = ROW.format(fen="1.00").replace("`o1", "`=cmd()|\\ x")
    (read,) = bills.read_trade(bill(tmp_path, row), "190")

    assert (read.minor, read.payer) == (100, "=cmd()|\\ x")


def test_another_merchants_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BillBroken):
        list(bills.read_trade(bill(tmp_path, ROW.format(fen="1.00")), "191"))


def test_a_bill_without_its_totals_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "bill"
    file.write_bytes(b"\xef\xbb\xbf" + f"{HEAD}\r\n{ROW.format(fen='1.00')}\r\n".encode())
    with pytest.raises(BillBroken):
        list(bills.read_trade(file, "190"))


def test_a_bomb_stops_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "LARGEST_FILE", 10_000)
    packed = gzip.compress(b"0" * 1_000_000)

    with pytest.raises(BillBroken):
        bills.unpack([packed], tmp_path / "out", "0" * 40)


def test_the_hash_is_over_the_unpacked_bytes_with_their_mark(tmp_path: Path) -> None:
    plain = b"\xef\xbb\xbf" + "交易时间\r\n".encode()
    announced = hashlib.sha1(plain, usedforsecurity=False).hexdigest()

    bills.unpack([gzip.compress(plain)[:9], gzip.compress(plain)[9:]], tmp_path / "out", announced)

    assert (tmp_path / "out").read_bytes() == plain
    without = hashlib.sha1(plain[3:], usedforsecurity=False).hexdigest()
    with pytest.raises(BillBroken):
        bills.unpack([gzip.compress(plain)], tmp_path / "out", without)
