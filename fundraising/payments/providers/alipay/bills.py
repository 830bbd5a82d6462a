"""Alipay's two daily files: what was traded (``trade``), and what moved our balance (``signcustomer``).

The trades say who paid for which order; the balance says what Alipay kept, what it gave back of that, and
what went to the bank. Fees are read from the balance only: the trades name the same fees beside them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fundraising.payments.providers.alipay import tables
from fundraising.payments.providers.alipay.tables import unpack
from fundraising.payments.providers.base import BillBroken, BillKind, BillRow, RowKind

__all__ = ["TYPES", "read", "unpack"]
TYPES = {BillKind.TRADE: "trade", BillKind.FUND_FLOW: "signcustomer"}
"""What the two files are called where their addresses are asked for."""

PAID, REFUND = "交易", "退款"
INCOME, EXPENSE = "收入", "支出"
PAYMENTS, REFUNDS = ("在线支付", "交易付款"), ("交易退款", "退款")
FEES, WITHDRAWAL = ("收费", "退费"), "提现"
"""As merchants' files call them; what is called otherwise waits for a person as a movement without a name."""


def read(file: Path, account: str, kind: BillKind) -> Iterator[BillRow]:
    """Read a file line by line. Raises BillBroken."""
    return tables.read(file, account, _Trades if kind is BillKind.TRADE else _Flows)


class _Trades(tables.Table):
    """What was traded; a refund's amounts are below zero."""

    needed = (
        "支付宝交易号",
        "商户订单号",
        "业务类型",
        "完成时间",
        "订单金额（元）",
        "商家实收（元）",
        "退款批次号/请求号",
    )
    kinds = (PAID, REFUND)
    total = re.compile(
        r"#(交易|退款)合计[：:]\s*(\d+)笔[，,][^\d-]*(-?\d+(?:\.\d{1,2})?)元", re.ASCII
    )

    def read(self, cells: Sequence[str]) -> Iterator[BillRow]:
        trade, order, kind, told, total, received, refund = cells
        minor, income, at = tables.yuan(total), tables.yuan(received), tables.instant(told)
        if not trade:
            raise BillBroken("a line without its number or time")
        if kind not in self.sums:
            yield BillRow(RowKind.OTHER, trade, order, trade, abs(minor), at)
            return
        self.sums[kind].add(abs(income))
        if kind == REFUND:
            yield BillRow(RowKind.REFUND, refund or trade, order, trade, abs(minor), at)
        elif minor < 0 or income < 0:
            raise BillBroken("a payment below zero")
        else:
            yield BillRow(RowKind.PAID, trade, order, trade, minor, at)


class _Flows(tables.Table):
    """Every movement of our balance: income and expense in a column each, the expense below zero."""

    needed = (
        "账务流水号",
        "业务流水号",
        "商户订单号",
        "发生时间",
        "收入金额（+元）",
        "支出金额（-元）",
        "业务类型",
    )
    kinds = (INCOME, EXPENSE)
    total = re.compile(
        r"#(收入|支出)合计[：:]\s*(\d+)笔[，,][^\d-]*(-?\d+(?:\.\d{1,2})?)元", re.ASCII
    )

    def read(self, cells: Sequence[str]) -> Iterator[BillRow]:
        number, business, order, told, income, expense, kind = cells
        came, went = tables.yuan(income or "0"), abs(tables.yuan(expense or "0"))
        at = tables.instant(told)
        if not number or came < 0 or (came and went):
            raise BillBroken("a movement without its number, or both ways")
        if not came and not went:
            return
        self.sums[INCOME if came else EXPENSE].add(came or went)
        meant = _meaning(kind, is_income=came > 0)
        payment = "" if meant in (RowKind.FEE, RowKind.FEE_BACK) and order else business
        yield BillRow(meant, number, order, payment, came or went, at)


def _meaning(kind: str, *, is_income: bool) -> RowKind:
    """Return what a movement is; an unknown one, or one the wrong way, is for a person to name."""
    if kind in FEES:
        return RowKind.FEE_BACK if is_income else RowKind.FEE
    if kind in PAYMENTS and is_income:
        return RowKind.PAID
    if kind in REFUNDS and not is_income:
        return RowKind.REFUND
    if kind == WITHDRAWAL and not is_income:
        return RowKind.PAYOUT
    return RowKind.OTHER
