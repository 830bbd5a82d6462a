"""Refunds in WeChat Pay's simulator: asked for by the merchant or made at its console, ended as the policy says."""

import json
import secrets
from datetime import datetime
from typing import Any

from fundraising import clock
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_notices import Courier
from fundraising.payments.simulators.wechatpay_orders import MCHID, Refused

MOST_REFUNDS = 50


class Refunds:
    """What happens to refunds."""

    def __init__(self, journal: Journal, courier: Courier) -> None:
        self.journal, self.courier = journal, courier

    def refund(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take a wish for a refund; the same number again changes nothing and must say the same."""
        number, back = asked.get("out_refund_no", ""), asked.get("amount", {})
        with self.journal.lock:
            known = self.journal.refund(number)
            if known is not None:
                if json.loads(known["body"]) != asked:
                    raise Refused(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
                return self.object(known)
            order = self.journal.order(asked.get("out_trade_no", ""))
            self._check(order, back)
            if self.courier.policy.fail_refund:
                raise Refused(403, self.courier.policy.fail_refund, "refused by policy")
            return self.start(number, order, back["refund"], asked)

    def known(self, number: str) -> dict[str, Any]:
        """Return a refund by the merchant's number, as the protocol tells it. Raises Refused."""
        row = self.journal.refund(number)
        if row is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return self.object(row)

    def console(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Refund from the merchant's console, under a number that is not ours."""
        order = self.journal.by_code(asked["order"])
        if order is None or order["state"] != "SUCCESS":
            return {"refunded": False}
        number = asked.get("number") or f"CONSOLE{secrets.token_hex(6).upper()}"
        self.start(number, order, asked.get("amount") or order["total"], {})
        return {"refunded": True, "number": number}

    def _check(self, order: Any, back: dict[str, Any]) -> None:
        if order is None or order["state"] != "SUCCESS":
            raise Refused(404, "RESOURCE_NOT_EXISTS", "订单不存在")
        amount = back.get("refund")
        if type(amount) is not int or amount <= 0 or back.get("total") != order["total"]:
            raise Refused(400, "PARAM_ERROR", "amount")
        rows = self.journal.run(
            "SELECT count(*) AS n, coalesce(sum(amount), 0) AS fen FROM refunds "
            "WHERE out_trade_no = ? AND status <> 'CLOSED'",
            order["out_trade_no"],
        )
        if rows[0]["fen"] + amount > order["total"]:
            raise Refused(403, "INVALID_REQUEST", "退款金额大于支付金额")
        if rows[0]["n"] >= MOST_REFUNDS:
            raise Refused(400, "INVALID_REQUEST", "退款次数超限")

    def start(self, number: str, order: Any, amount: int, body: dict[str, Any]) -> dict[str, Any]:
        """Write a refund as accepted; the policy says how it goes on."""
        now = clock.now()
        self.journal.run(
            "INSERT INTO refunds (out_refund_no, out_trade_no, refund_id, amount, status, body, created) "
            "VALUES (?, ?, ?, ?, 'PROCESSING', ?, ?)",
            number,
            order["out_trade_no"],
            f"5030{secrets.randbelow(10**24):024d}",
            amount,
            json.dumps(body, ensure_ascii=False),
            now.timestamp(),
        )
        if self.courier.policy.refund_ends in ("SUCCESS", "ABNORMAL", "CLOSED"):
            self.finish(number, self.courier.policy.refund_ends)
        row = self.journal.refund(number)
        answer = self.object(row)
        return {**answer, "status": "PROCESSING"} if self.courier.policy.refund_slow else answer

    def finish(self, number: str, status: str) -> None:
        """Bring a refund to its end and tell the merchant."""
        told = clock.now().astimezone(clock.SHANGHAI).isoformat(timespec="seconds")
        self.journal.run(
            "UPDATE refunds SET status = ?, success_time = ? WHERE out_refund_no = ?",
            status,
            told if status == "SUCCESS" else None,
            number,
        )
        row = self.journal.refund(number)
        assert row is not None
        order = self.journal.order(row["out_trade_no"])
        assert order is not None
        asked = json.loads(row["body"])
        url = asked.get("notify_url") or json.loads(order["body"])["notify_url"]
        plain = {**self.object(row), "refund_status": status}
        plain.pop("status")
        self.courier.add(row["out_trade_no"], url, plain, f"REFUND.{status}")

    def object(self, row: Any) -> dict[str, Any]:
        """Return a refund as the protocol tells it."""
        order = self.journal.order(row["out_trade_no"])
        assert order is not None
        told: dict[str, Any] = {
            "mchid": MCHID,
            "refund_id": row["refund_id"],
            "out_refund_no": row["out_refund_no"],
            "transaction_id": order["transaction_id"],
            "out_trade_no": row["out_trade_no"],
            "status": row["status"],
            "user_received_account": "支付用户零钱",
            "create_time": iso(row["created"]),
            "amount": {
                "total": order["total"],
                "refund": row["amount"],
                "payer_total": order["total"],
                "payer_refund": row["amount"],
                "currency": "CNY",
            },
        }
        if row["success_time"]:
            told["success_time"] = row["success_time"]
        return told


def iso(instant: float) -> str:
    """Return an instant as the protocol writes it, in Shanghai's time."""
    return datetime.fromtimestamp(instant, clock.SHANGHAI).isoformat(timespec="seconds")
