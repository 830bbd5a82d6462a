"""Charges by agreement in WeChat Pay's simulator: kept beside its other orders, so that bills and refunds hold them."""

import json
import secrets
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from fundraising import clock
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_notices import Policy
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID, NUMBER, Orders

HOURS = range(7, 22)
FRESH_SECONDS = 12 * 3600
DAY_SECONDS = 24 * 3600
CLOSE_AFTER_SECONDS = 300
Notify = Callable[[str, str, dict[str, str]], None]


class Failed(Exception):
    """A refusal as the protocol answers it."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


class Charges:
    """What happens to charges."""

    def __init__(self, journal: Journal, orders: Orders, notify: Notify) -> None:
        self.journal, self.orders, self.notify = journal, orders, notify

    def apply(self, asked: dict[str, str], policy: Policy) -> dict[str, str]:
        """Accept a charge; the same number again is the same charge. Raises Failed."""
        number, total = asked.get("out_trade_no", ""), asked.get("total_fee", "")
        if not NUMBER.fullmatch(number) or not total.isdigit() or asked.get("trade_type") != "PAP":
            raise Failed("PARAM_ERROR")
        with self.journal.lock:
            known = self.journal.order(number)
            if known is not None:
                raise Failed("ORDERPAID" if known["state"] == "SUCCESS" else "OUT_TRADE_NO_USED")
            contract = self.standing(asked.get("contract_id", ""))
            self._require_rules(contract, int(total), policy)
            self._write(asked, contract, int(total))
        if not policy.hold_charges and (policy.plan_notice or self._is_fresh(contract)):
            self.settle(policy)
        return {}

    def standing(self, contract_id: str) -> Any:
        """Return an agreement that stands, by WeChat's number. Raises Failed."""
        query = "SELECT * FROM contracts WHERE contract_id = ? AND state = 'standing'"
        rows = self.journal.run(query, contract_id)
        if not rows:
            raise Failed("CONTRACT_NOT_EXIST")
        if clock.now().astimezone(clock.SHANGHAI).hour not in HOURS:
            raise Failed("RULELIMIT", "07:00-22:00")
        return rows[0]

    def _is_fresh(self, contract: Any) -> bool:
        """Whether an agreement was signed within twelve hours."""
        return bool(clock.now().timestamp() - contract["signed"] < FRESH_SECONDS)

    def _require_rules(self, contract: Any, total: int, policy: Policy) -> None:
        """Within twelve hours of signing at once; else on the third to fifth day of an announcement.

        The other kind of template wants no announcement: the payer is told by the charge, and it waits a day.
        """
        query = "SELECT success_time FROM orders WHERE product = 'papay' AND state = 'SUCCESS' AND code LIKE ?"
        paid = self.journal.run(query, f"{contract['contract_id']}:%")
        today = clock.today()
        if any(row["success_time"][:10] == today.isoformat() for row in paid):
            raise Failed("RULELIMIT", "once a day")
        if self._is_fresh(contract) or not policy.plan_notice:
            return
        told = self.journal.run(
            "SELECT * FROM told WHERE contract_id = ? ORDER BY day DESC LIMIT 1",
            contract["contract_id"],
        )
        if not told or total > told[0]["amount"]:
            raise Failed("RULELIMIT", "not announced")
        first = date.fromisoformat(told[0]["day"]) + timedelta(days=2)
        if not first <= today < first + timedelta(days=told[0]["days"]):
            raise Failed("RULELIMIT", "not within the days after the announcement")

    def _write(self, asked: dict[str, str], contract: Any, total: int) -> None:
        body = {"description": asked.get("body", ""), "notify_url": asked["notify_url"]}
        body |= {"contract_id": contract["contract_id"]}
        self.journal.run(
            "INSERT INTO orders (out_trade_no, body, product, code, state, total, openid, created) "
            "VALUES (?, ?, 'papay', ?, 'ACCEPT', ?, ?, ?)",
            asked["out_trade_no"], json.dumps(body, ensure_ascii=False),
            f"{contract['contract_id']}:{asked['out_trade_no']}", total, contract["openid"],
            clock.now().timestamp(),
        )  # fmt: skip

    def settle(self, policy: Policy) -> int:
        """Charge what was accepted, or let it fail as the policy says, and tell the merchant."""
        waiting = self.journal.run(
            "SELECT * FROM orders WHERE product = 'papay' AND state = 'ACCEPT'"
        )
        for order in waiting:
            self._settle(order, policy.decline)
        return len(waiting)

    def _settle(self, order: Any, decline: str) -> None:
        body = json.loads(order["body"])
        query = "SELECT 1 FROM contracts WHERE contract_id = ? AND state = 'standing'"
        if not self.journal.run(query, body["contract_id"]):
            decline = "CONTRACT_NOT_EXIST"
        fields = {
            "return_code": "SUCCESS",
            "appid": APPID,
            "mch_id": MCHID,
            "nonce_str": secrets.token_hex(16),
            "openid": order["openid"],
            "out_trade_no": order["out_trade_no"],
            "contract_id": body["contract_id"],
            "total_fee": str(order["total"]),
            "fee_type": "CNY",
        }
        if decline:
            self._set(order, "CLOSED")
            fields |= {"result_code": "FAIL", "err_code": decline}
        else:
            self._set(order, "SUCCESS")
            fields |= {"result_code": "SUCCESS", **self._paid(order["out_trade_no"])}
        self.notify(order["out_trade_no"], body["notify_url"], fields)

    def _set(self, order: Any, state: str) -> None:
        at = clock.now().astimezone(clock.SHANGHAI).isoformat(timespec="seconds")
        self.journal.run(
            "UPDATE orders SET state = ?, transaction_id = ?, success_time = ? WHERE out_trade_no = ?",
            state,
            f"4200{secrets.randbelow(10**24):024d}" if state == "SUCCESS" else None,
            at if state == "SUCCESS" else None,
            order["out_trade_no"],
        )

    def described(self, number: str, policy: Policy) -> dict[str, str]:
        """Return a charge as a query tells it; one that waited its day is made first. Raises Failed."""
        is_ripe = clock.now().timestamp() - self._known(number)["created"] >= DAY_SECONDS
        if is_ripe and not policy.plan_notice:
            self.settle(policy)
        order = self._known(number)
        fields = {
            "out_trade_no": number,
            "trade_state": order["state"],
            "total_fee": str(order["total"]),
            "fee_type": "CNY",
            "openid": order["openid"],
            "trade_type": "PAP",
        }
        return fields | (self._paid(number) if order["state"] == "SUCCESS" else {})

    def close(self, number: str) -> dict[str, str]:
        """Close a charge that was not made. Raises Failed."""
        with self.journal.lock:
            order = self._known(number)
            if order["state"] != "ACCEPT":
                raise Failed("ORDERPAID" if order["state"] == "SUCCESS" else "ORDERCLOSED")
            if clock.now().timestamp() - order["created"] < CLOSE_AFTER_SECONDS:
                raise Failed("SYSTEMERROR", "five minutes")
            self._set(order, "CLOSED")
        return {}

    def _known(self, number: str) -> Any:
        order = self.journal.order(number)
        if order is None or order["product"] != "papay":
            raise Failed("ORDERNOTEXIST")
        return order

    def _paid(self, number: str) -> dict[str, str]:
        order = self.journal.order(number)
        assert order is not None
        at = datetime.fromisoformat(order["success_time"])
        return {
            "transaction_id": order["transaction_id"],
            "time_end": f"{at:%Y%m%d%H%M%S}",
            "bank_type": "OTHERS",
        }
