"""Orders in WeChat Pay's simulator: opened, paid, closed, and told as a query or a notice tells them."""

import json
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

from fundraising import clock
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_notices import Courier

APPID = "wxSIMULATOR000001"
MCHID = "SIMULATOR01"
NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")


class Refused(Exception):
    """An error as the protocol answers it."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


class Orders:
    """What happens to orders."""

    def __init__(self, journal: Journal, courier: Courier, base_url: str) -> None:
        self.journal, self.courier, self.base_url = journal, courier, base_url

    def open(self, product: str, body: dict[str, Any]) -> dict[str, Any]:
        """Open an order; the same number again must carry the same values. Raises Refused."""
        self._check_order(product, body)
        number = body["out_trade_no"]
        known = self.journal.order(number)
        if known is not None:
            if json.loads(known["body"]) != body or known["product"] != product:
                raise Refused(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
            if known["state"] != "NOTPAY":
                code = "ORDER_PAID" if known["state"] == "SUCCESS" else "ORDER_CLOSED"
                raise Refused(400, code)
            return self._instruction(product, known["code"])
        code = secrets.token_urlsafe(12)
        self.journal.run(
            "INSERT INTO orders (out_trade_no, body, product, code, state, total, created) "
            "VALUES (?, ?, ?, ?, 'NOTPAY', ?, ?)",
            number,
            json.dumps(body, ensure_ascii=False),
            product,
            code,
            body["amount"]["total"],
            clock.now().timestamp(),
        )
        return self._instruction(product, code)

    def _check_order(self, product: str, body: dict[str, Any]) -> None:
        if (body.get("appid"), body.get("mchid")) != (APPID, MCHID):
            raise Refused(400, "APPID_MCHID_NOT_MATCH")
        number, amount = body.get("out_trade_no", ""), body.get("amount", {})
        if not isinstance(number, str) or not NUMBER.fullmatch(number):
            raise Refused(400, "PARAM_ERROR", "out_trade_no")
        total = amount.get("total")
        if type(total) is not int or total < 1 or amount.get("currency", "CNY") != "CNY":
            raise Refused(400, "PARAM_ERROR", "amount")
        url = urlsplit(body.get("notify_url", ""))
        if url.scheme not in ("http", "https") or url.query or not body.get("description"):
            raise Refused(400, "PARAM_ERROR", "notify_url or description")
        if product == "jsapi" and not body.get("payer", {}).get("openid"):
            raise Refused(400, "PARAM_ERROR", "payer.openid")
        if product == "h5" and not body.get("scene_info", {}).get("payer_client_ip"):
            raise Refused(400, "PARAM_ERROR", "scene_info")

    def _instruction(self, product: str, code: str) -> dict[str, Any]:
        if product == "native":
            return {"code_url": f"weixin://wxpay/bizpayurl?pr={code}"}
        if product == "jsapi":
            return {"prepay_id": f"wx{code}"}
        return {"h5_url": f"{self.base_url}/cashier/{code}?from=h5"}

    def transaction(self, order: Any) -> dict[str, Any]:
        """Return an order as a query or notice tells it."""
        body: dict[str, Any] = {
            "appid": APPID,
            "mchid": MCHID,
            "out_trade_no": order["out_trade_no"],
            "trade_state": self._state(order),
            "trade_state_desc": order["state"],
        }
        if order["state"] == "SUCCESS":
            body |= {
                "transaction_id": order["transaction_id"],
                "trade_type": {"native": "NATIVE", "jsapi": "JSAPI", "h5": "MWEB", "papay": "PAP"}[
                    order["product"]
                ],
                "bank_type": "OTHERS",
                "success_time": order["success_time"],
                "payer": {"openid": order["openid"]},
                "amount": {
                    "total": order["total"],
                    "payer_total": order["total"],
                    "currency": "CNY",
                    "payer_currency": "CNY",
                },
            }
        return body

    def _state(self, order: Any) -> str:
        """Any refund, also of a part, makes the order's state REFUND."""
        query = "SELECT 1 FROM refunds WHERE out_trade_no = ? AND status <> 'CLOSED' LIMIT 1"
        is_refunded = self.journal.run(query, order["out_trade_no"])
        return "REFUND" if is_refunded else str(order["state"])

    def known(self, number: str) -> Any:
        """Return an order by the merchant's number. Raises Refused."""
        order = self.journal.order(number)
        if order is None:
            raise Refused(404, "ORDER_NOT_EXIST")
        return order

    def known_by_id(self, number: str) -> Any:
        """Return an order by WeChat Pay's number. Raises Refused."""
        rows = self.journal.run("SELECT * FROM orders WHERE transaction_id = ?", number)
        if not rows:
            raise Refused(404, "ORDER_NOT_EXIST")
        return rows[0]

    def close(self, number: str) -> None:
        """Close an order that nobody paid. Raises Refused."""
        with self.journal.lock:
            if self.known(number)["state"] == "SUCCESS":
                raise Refused(400, "ORDER_PAID")
            self.journal.run("UPDATE orders SET state = 'CLOSED' WHERE out_trade_no = ?", number)

    def pay(self, code: str, openid: str, total: int | None = None) -> bool:
        """Let somebody pay; returns whether money moved. A wrong ``total`` is for tests of mismatch."""
        with self.journal.lock:
            order = self.journal.by_code(code)
            if order is None or order["state"] != "NOTPAY":
                return False
            self.journal.run(
                "UPDATE orders SET state = 'SUCCESS', transaction_id = ?, openid = ?, success_time = ?, "
                "total = ? WHERE out_trade_no = ?",
                f"4200{secrets.randbelow(10**24):024d}",
                openid,
                clock.now().astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
                total or order["total"],
                order["out_trade_no"],
            )
            paid = self.journal.order(order["out_trade_no"])
        assert paid is not None
        url = json.loads(paid["body"])["notify_url"]
        self.courier.add(paid["out_trade_no"], url, self.transaction(paid), "TRANSACTION.SUCCESS")
        return True
