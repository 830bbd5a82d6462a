"""WeChat Pay's daily bills and payouts to the bank.

Bills are byte-exact: UTF-8 with BOM, CRLF, backticks, two rows of headings, SHA-1 over the unpacked bytes.
The fee is taken per payment at ``fee_per_10000``; a payout sends the whole balance to the bank.
"""

import gzip
import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fundraising import clock
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_notices import Courier
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID, Refused
from fundraising.payments.simulators.wechatpay_refunds import iso

TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_SUM = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FLOW = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FLOW_SUM = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


class Bills:
    """Files by the token in their address, and the balance they tell of."""

    def __init__(self, journal: Journal, courier: Courier, base_url: str) -> None:
        self.journal, self.courier, self.base_url = journal, courier, base_url
        self.files: dict[str, bytes] = {}
        self.creating = 0

    def announce(self, day: str, kind: str) -> dict[str, Any]:
        """Make a day's file and say where it can be fetched; raises when there is none."""
        if self.creating > 0:
            self.creating -= 1
            raise Refused(400, "STATEMENT_CREATING", "账单正在生成")
        rows = self.trade_rows(day) if kind == "trade" else self.flow_rows(day)
        if not rows:
            raise Refused(400, "NO_STATEMENT_EXIST", "账单不存在")
        plain = self._file(kind, rows)
        token = secrets.token_urlsafe(12)
        packed = gzip.compress(plain, mtime=0)
        if self.courier.policy.bill_fault == "truncated":
            packed = packed[: len(packed) // 2]
        self.files[token] = packed
        digest = hashlib.sha1(plain, usedforsecurity=False).hexdigest()
        if self.courier.policy.bill_fault == "wrong_hash":
            digest = "0" * 40
        host = (
            "http://198.51.100.7"
            if self.courier.policy.bill_fault == "other_host"
            else self.base_url
        )
        return {
            "hash_type": "SHA1",
            "hash_value": digest,
            "download_url": f"{host}/v3/billdownload/file?token={token}",
        }

    def trade_rows(self, day: str) -> list[list[str]]:
        """Return the lines of a day's trade bill: payments by their time, refunds when accepted."""
        start, stop = _bounds(day)
        orders = self.journal.run(
            "SELECT * FROM orders WHERE state = 'SUCCESS' AND success_time >= ? AND success_time < ?",
            iso(start),
            iso(stop),
        )
        rows = [self._paid_row(order) for order in orders]
        for row in self.journal.run(
            "SELECT * FROM refunds WHERE created >= ? AND created < ?", start, stop
        ):
            rows.append(self._refund_row(row))
        return sorted(rows)

    def _paid_row(self, order: Any) -> list[str]:
        body = json.loads(order["body"])
        total = _yuan(order["total"])
        fee = order["total"] * self.courier.policy.fee_per_10000 / 10000
        return [
            _local(order["success_time"]), APPID, MCHID, "0", "", order["transaction_id"],
            order["out_trade_no"], order["openid"], order["product"].upper(), "SUCCESS", "OTHERS", "CNY",
            total, "0.00", "0", "0", "0.00", "0.00", "", "", _plain(body["description"]), "",
            f"{fee / 100:.5f}", "0.60%", total, "0.00", "",
        ]  # fmt: skip

    def _refund_row(self, row: Any) -> list[str]:
        order = self.journal.order(row["out_trade_no"])
        assert order is not None
        amount = _yuan(row["amount"])
        return [
            _local(iso(row["created"])), APPID, MCHID, "0", "", order["transaction_id"],
            order["out_trade_no"], order["openid"], order["product"].upper(), "REFUND", "OTHERS", "CNY",
            "0.00", "0.00", row["refund_id"], row["out_refund_no"], amount, "0.00", "ORIGINAL",
            "PROCESSING" if row["status"] == "PROCESSING" else row["status"].replace("CLOSED", "FAIL"),
            _plain(json.loads(order["body"])["description"]), "", "0.00000", "0.60%", "0.00", amount, "",
        ]  # fmt: skip

    def flow_rows(self, day: str) -> list[list[str]]:
        """Return every movement of the balance on a day."""
        start, stop = _bounds(day)
        moves: list[tuple[str, str, str, str, int, str]] = []
        for order in self.journal.run(
            "SELECT * FROM orders WHERE state = 'SUCCESS' AND success_time >= ? AND success_time < ?",
            iso(start),
            iso(stop),
        ):
            at, payment = order["success_time"], order["transaction_id"]
            moves.append((at, payment, "交易", "收入", order["total"], f"F{payment[-20:]}"))
            fee = self.fee(order["total"])
            if fee:
                moves.append((at, payment, "扣除交易手续费", "支出", fee, f"G{payment[-20:]}"))
        for row in self.journal.run(
            "SELECT * FROM refunds WHERE status = 'SUCCESS' AND success_time >= ? AND success_time < ?",
            iso(start),
            iso(stop),
        ):
            ref = row["refund_id"]
            moves.append((row["success_time"], ref, "退款", "支出", row["amount"], f"R{ref[-20:]}"))
        for payout in self.journal.run(
            "SELECT * FROM payouts WHERE at >= ? AND at < ?", start, stop
        ):
            moves.append(
                (
                    iso(payout["at"]),
                    payout["id"],
                    "提现",
                    "支出",
                    payout["amount"],
                    f"P{payout['id']}",
                )
            )
        return [
            [_local(at), ref, flow, kind, kind, side, _yuan(fen), "0.00", "system", "", ref]
            for at, ref, kind, side, fen, flow in sorted(moves)
        ]

    def fee(self, total: int) -> int:
        """Return the fee of a payment in fen, half up."""
        return (total * self.courier.policy.fee_per_10000 + 5000) // 10000

    def payout(self) -> int:
        """Send the whole balance to the bank and return it in fen."""
        with self.journal.lock:
            paid = self.journal.run("SELECT total FROM orders WHERE state = 'SUCCESS'")
            balance = sum(row["total"] - self.fee(row["total"]) for row in paid)
            balance -= self.journal.run(
                "SELECT coalesce(sum(amount), 0) AS fen FROM refunds WHERE status = 'SUCCESS'"
            )[0]["fen"]
            balance -= self.journal.run("SELECT coalesce(sum(amount), 0) AS fen FROM payouts")[0][
                "fen"
            ]
            if balance > 0:
                self.journal.run(
                    "INSERT INTO payouts (id, amount, at) VALUES (?, ?, ?)",
                    f"{secrets.randbelow(10**18):018d}",
                    balance,
                    clock.now().timestamp(),
                )
        return max(int(balance), 0)

    def _file(self, kind: str, rows: Sequence[Sequence[str]]) -> bytes:
        lines = ["`" + ",`".join(row) for row in rows]
        if kind == "trade":
            paid, back = sum(_fen(row[24]) for row in rows), sum(_fen(row[25]) for row in rows)
            if self.courier.policy.bill_fault == "wrong_total":
                paid += 1
            named = [
                str(len(rows)),
                _yuan(paid),
                _yuan(back),
                "0.00",
                "0.00000",
                _yuan(paid),
                _yuan(back),
            ]
            head, foot = TRADE, TRADE_SUM
        else:
            income = [_fen(row[6]) for row in rows if row[5] == "收入"]
            out = [_fen(row[6]) for row in rows if row[5] == "支出"]
            named = [
                str(len(rows)),
                str(len(income)),
                _yuan(sum(income)),
                str(len(out)),
                _yuan(sum(out)),
            ]
            head, foot = FLOW, FLOW_SUM
        text = "\r\n".join([head, *lines, foot, "`" + ",`".join(named), ""])
        return b"\xef\xbb\xbf" + text.encode()


def _bounds(day: str) -> tuple[float, float]:
    start = datetime.fromisoformat(day).replace(tzinfo=clock.SHANGHAI)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def _local(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _fen(yuan: str) -> int:
    return int(yuan.replace(".", ""))


def _plain(text: str) -> str:
    return text.replace(",", "\\ ").replace("\n", "\\n")
