"""The balance in Alipay's simulator: what payments, refunds, fees and withdrawals moved, as a daily file."""

import json
import secrets
from typing import Any, NamedTuple

from fundraising.payments.simulators.alipay_trades import Refused, Trades, day_bounds, local, yuan

HEAD = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,"
    "交易渠道,业务类型,备注"
)


class Move(NamedTuple):
    """One movement; what left the balance is below zero."""

    at: float
    place: int
    number: str
    order: str
    subject: str
    minor: int
    kind: str


class Flows:
    """The balance, derived from the journal."""

    def __init__(self, trades: Trades, seller: str) -> None:
        self.trades, self.seller = trades, seller

    def withdraw(self, minor: int | None = None) -> int:
        """Take an amount, or all there is, to the bank. Raises Refused when less is there."""
        balance = sum(move.minor for move in self.moves())
        amount = balance if minor is None else minor
        if not 0 < amount <= balance:
            raise Refused("ACQ.SELLER_BALANCE_NOT_ENOUGH")
        self.trades.journal.run(
            "INSERT INTO withdrawals (number, amount, done) VALUES (?, ?, ?)",
            f"2026{secrets.randbelow(10**16):016d}", amount, self.trades.now(),
        )  # fmt: skip
        return amount

    def moves(self) -> list[Move]:
        """Return all movements, the first one first."""
        journal, policy = self.trades.journal, self.trades.courier.policy
        found: list[Move] = []
        orders = journal.run("SELECT * FROM orders WHERE paid IS NOT NULL")
        subjects = {o["out_trade_no"]: json.loads(o["body"])["subject"] for o in orders}
        numbers = {o["out_trade_no"]: o["trade_no"] for o in orders}
        for order in orders:
            about = (order["trade_no"], order["out_trade_no"], subjects[order["out_trade_no"]])
            fee = _share(order["total"], policy.fee_per_10000)
            found.append(Move(order["paid"], 0, *about, order["total"], "在线支付"))
            found.append(Move(order["paid"], 1, *about, -fee, "收费"))
        for row in journal.run("SELECT * FROM refunds WHERE done IS NOT NULL"):
            number = row["out_trade_no"]
            about = (numbers[number], number, subjects[number])
            back = _share(row["amount"], policy.fee_back_per_10000)
            found.append(Move(row["done"], 2, *about, -row["amount"], "交易退款"))
            found.append(Move(row["done"], 3, *about, back, "退费"))
        for row in journal.run("SELECT * FROM withdrawals"):
            found.append(Move(row["done"], 4, row["number"], "", "提现", -row["amount"], "提现"))
        return sorted(move for move in found if move.minor)

    def csv(self, day: str) -> bytes | None:
        """Return a day's file, None when nothing moved."""
        start, stop = day_bounds(day)
        all_moves = self.moves()
        balance = sum(move.minor for move in all_moves if move.at < start)
        moves = [move for move in all_moves if start <= move.at < stop]
        lines = []
        for place, move in enumerate(moves):
            balance += move.minor
            lines.append(",".join(_cells(place, move, balance)))
        return self._whole(day, moves, lines) if moves else None

    def _whole(self, day: str, moves: list[Move], lines: list[str]) -> bytes:
        came = [move.minor for move in moves if move.minor > 0]
        went = [move.minor for move in moves if move.minor < 0]
        wrong = 1 if self.trades.courier.policy.bill_fault == "wrong_total" else 0
        whole = [
            "#支付宝账务明细查询",
            f"#账号：[{self.seller}0156]",
            f"#起始日期：[{day} 00:00:00]   终止日期：[{day} 23:59:59]",
            "#-----------------------------------------账务明细列表----------------------------------------",
            HEAD,
            *lines,
            "#-----------------------------------------账务明细列表结束------------------------------------",
            f"#支出合计：{len(went)}笔，共{yuan(sum(went))}元",
            f"#收入合计：{len(came)}笔，共{yuan(sum(came) + wrong)}元",
            f"#导出时间：[{day} 23:59:59]",
        ]
        return ("\r\n".join(whole) + "\r\n").encode("gbk", "replace")


def _cells(place: int, move: Move, balance: int) -> list[Any]:
    return [
        f"{int(move.at)}{place:06d}\t", f"{move.number}\t", f"{move.order}\t", f"{move.subject}\t",
        f"{local(move.at)}\t", "*明(159****5620)\t", yuan(max(move.minor, 0)), yuan(min(move.minor, 0)),
        yuan(balance), "支付宝\t", f"{move.kind}\t", "\t",
    ]  # fmt: skip


def _share(minor: int, per_10000: int) -> int:
    return (minor * per_10000 + 5000) // 10000
