"""Alipay's daily zip as the merchant finds it: GBK names and lines, TABs, refunds below zero, totals, faults."""

import io
import json
import secrets
import zipfile
from typing import Any

from fundraising.payments.simulators.alipay_flows import Flows
from fundraising.payments.simulators.alipay_trades import Refused, Trades, day_bounds, local, yuan

HEAD = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,"
    "券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
STEMS = {"trade": "业务明细", "signcustomer": "账务明细"}
BOMB_BYTES = 64 * 1024 * 1024


class Bills:
    """Files by the token in their address."""

    def __init__(self, trades: Trades, flows: Flows, seller: str, base_url: str) -> None:
        self.trades, self.flows, self.seller, self.base_url = trades, flows, seller, base_url
        self.files: dict[str, bytes] = {}

    def announce(self, asked: dict[str, Any]) -> dict[str, str]:
        """Make a day's file and say where it can be fetched."""
        policy = self.trades.courier.policy
        day, kind = str(asked.get("bill_date")), asked.get("bill_type")
        if kind not in STEMS or len(day) != 10:
            raise Refused("isv.invalid-arguments", "40002")
        if policy.bill_creating > 0:
            policy.bill_creating -= 1
            raise Refused("isp.bill_not_exist")
        lines = self._trades(day) if kind == "trade" else self.flows.csv(day)
        if lines is None:
            raise Refused("isp.bill_not_exist")
        token = secrets.token_urlsafe(12)
        self.files[token] = self._zip(day, STEMS[kind], lines)
        host = "http://198.51.100.7" if policy.bill_fault == "other_host" else self.base_url
        return {"bill_download_url": f"{host}/downloadBillFile.resource?fileId={token}"}

    def _trades(self, day: str) -> bytes | None:
        rows = self._rows(day)
        return self._csv(day, rows) if rows else None

    def _rows(self, day: str) -> list[tuple[float, str, int, list[str]]]:
        start, stop = day_bounds(day)
        journal = self.trades.journal
        found = []
        for order in journal.run("SELECT * FROM orders WHERE paid >= ? AND paid < ?", start, stop):
            fee = (order["total"] * self.trades.courier.policy.fee_per_10000 + 5000) // 10000
            cells = self._cells(order, "交易", order["paid"], order["total"], "", -fee)
            found.append((order["paid"], "交易", order["total"], cells))
        for row in journal.run("SELECT * FROM refunds WHERE done >= ? AND done < ?", start, stop):
            (order,) = journal.run(
                "SELECT * FROM orders WHERE out_trade_no = ?", row["out_trade_no"]
            )
            cells = self._cells(
                order, "退款", row["done"], -row["amount"], row["out_request_no"], 0
            )
            found.append((row["done"], "退款", -row["amount"], cells))
        return sorted(found)

    def _cells(
        self, order: Any, kind: str, at: float, minor: int, refund: str, fee: int
    ) -> list[str]:
        subject = json.loads(order["body"])["subject"]
        return [
            f"{order['trade_no']}\t", f"{order['out_trade_no']}\t", f"{kind}\t", f"{subject}\t",
            f"{local(order['born'])}\t", f"{local(at)}\t", "\t", "\t", "\t", "\t", "*明(159****5620)\t",
            yuan(minor), yuan(minor), "0.00", "0.00", "0.00", "0.00", "0.00", "\t", "0.00", "0.00",
            f"{refund}\t", yuan(fee), "0.00", "\t",
        ]  # fmt: skip

    def _zip(self, day: str, name: str, lines: bytes) -> bytes:
        fault = self.trades.courier.policy.bill_fault
        stem = f"{self.seller}0156_{day.replace('-', '')}"
        folder = "../../" if fault == "dotdot" else ""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, f"{folder}{stem}_{name}(汇总).csv", b"#")
            if fault == "bomb":
                _add(archive, f"{stem}_{name}.csv", b"0" * BOMB_BYTES)
            elif fault != "no_detail":
                _add(archive, f"{folder}{stem}_{name}.csv", lines)
        whole = packed.getvalue()
        return whole[: len(whole) // 2] if fault == "truncated" else whole

    def _csv(self, day: str, rows: list[tuple[float, str, int, list[str]]]) -> bytes:
        fault = self.trades.courier.policy.bill_fault
        paid = [minor for _, kind, minor, _ in rows if kind == "交易"]
        back = [minor for _, kind, minor, _ in rows if kind == "退款"]
        wrong = 1 if fault == "wrong_total" else 0
        seller = "2088999999999999" if fault == "other_seller" else self.seller
        lines = [
            "#支付宝业务明细查询",
            f"#账号：[{seller}0156]",
            f"#起始日期：[{day} 00:00:00]   终止日期：[{day} 23:59:59]",
            "#-----------------------------------------业务明细列表----------------------------------------",
            HEAD,
            *(",".join(cells) for *_, cells in rows),
            "#-----------------------------------------业务明细列表结束------------------------------------",
            f"#交易合计：{len(paid)}笔，商家实收共{yuan(sum(paid) + wrong)}元，商家优惠共0.00元",
            f"#退款合计：{len(back)}笔，商家实收退款共{yuan(sum(back))}元，商家优惠退款共0.00元",
            f"#导出时间：[{day} 23:59:59]",
        ]
        return ("\r\n".join(lines) + "\r\n").encode("gbk", "replace")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Put a file into the zip under a GBK name without the mark of UTF-8, as Alipay does."""
    archive.writestr(_GbkInfo(name), data, zipfile.ZIP_DEFLATED)


class _GbkInfo(zipfile.ZipInfo):
    """An entry whose name is written in GBK."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  the library's name
        return self.filename.encode("gbk"), self.flag_bits & ~0x800
