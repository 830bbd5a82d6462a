"""Trades in Alipay's simulator: orders that are born when somebody scans, payments, closes, refunds."""

import json
import re
import secrets
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fundraising import clock
from fundraising.payments.simulators.alipay_notices import Courier
from fundraising.payments.simulators.journal import Journal

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (out_trade_no TEXT PRIMARY KEY, body TEXT NOT NULL, product TEXT NOT NULL,
    code TEXT NOT NULL UNIQUE, state TEXT NOT NULL, total INTEGER NOT NULL, trade_no TEXT UNIQUE, buyer TEXT,
    notify_url TEXT NOT NULL, return_url TEXT NOT NULL, opened REAL NOT NULL, born REAL, paid REAL, until REAL);
CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, url TEXT NOT NULL,
    body TEXT NOT NULL, tries INTEGER NOT NULL, due REAL, answers TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refunds (out_request_no TEXT NOT NULL, out_trade_no TEXT NOT NULL,
    amount INTEGER NOT NULL, created REAL NOT NULL, done REAL, PRIMARY KEY (out_trade_no, out_request_no));
CREATE TABLE IF NOT EXISTS withdrawals (number TEXT PRIMARY KEY, amount INTEGER NOT NULL, done REAL NOT NULL);
CREATE INDEX IF NOT EXISTS notices_due ON notices (due) WHERE due IS NOT NULL;
"""
NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}")
YUAN = re.compile(r"(0|[1-9][0-9]{0,8})\.[0-9]{2}")
WAIT = re.compile(r"([1-9][0-9]{0,4})([mhd])")
SECONDS = {"m": 60, "h": 3600, "d": 86400}
DAYS_15, TWO_HOURS = 15 * 86400, 2 * 3600
LARGEST = 100_000_000_00
PRODUCTS = {
    "page": "FAST_INSTANT_TRADE_PAY",
    "wap": "QUICK_WAP_PAY",
    "qr": None,
    "cycle": "CYCLE_PAY_AUTH",
}
TELLS_OF_CLOSE = ("wap",)
"""Products whose notices include TRADE_CLOSED by default."""


class Refused(Exception):
    """A business error as the protocol answers it."""

    def __init__(self, sub_code: str, code: str = "40004") -> None:
        super().__init__(sub_code)
        self.code, self.sub_code = code, sub_code


class TradeJournal(Journal):
    """The simulator's own books."""

    schema = SCHEMA

    def by_code(self, code: str) -> sqlite3.Row | None:
        """Return an order by its code, by the merchant's number or by Alipay's."""
        rows = self.run(
            "SELECT * FROM orders WHERE code = ? OR out_trade_no = ? OR trade_no = ?",
            code, code, code,
        )  # fmt: skip
        return rows[0] if rows else None

    def refunds_of(self, out_trade_no: str) -> list[sqlite3.Row]:
        """Return an order's refunds, the first one first."""
        return self.run(
            "SELECT * FROM refunds WHERE out_trade_no = ? ORDER BY created, out_request_no",
            out_trade_no,
        )

    def dump(self) -> dict[str, Any]:
        """Return everything, for comparing with the product's books."""
        tables = {"orders": "opened", "refunds": "created", "withdrawals": "done", "notices": "id"}
        return {
            name: [dict(row) for row in self.run(f"SELECT * FROM {name} ORDER BY {by}")]  # noqa: S608
            for name, by in tables.items()
        }


class Trades:
    """What happens to orders."""

    def __init__(self, journal: TradeJournal, courier: Courier, now: Callable[[], float]) -> None:
        self.journal, self.courier, self.now = journal, courier, now

    # ------------------------------------------------------------------ orders

    def open(self, product: str, asked: dict[str, Any], notify_url: str, return_url: str) -> str:
        """Take an order and return its code; the same number again must carry the same values."""
        number, total = self._checked(product, asked)
        with self.journal.lock:
            known = self.journal.order(number)
            if known is not None:
                return self._again(known, asked, total)
            code, now = f"bax{secrets.token_hex(10)}", self.now()
            self.journal.run(
                "INSERT INTO orders (out_trade_no, body, product, code, state, total, notify_url, return_url, "
                "opened, until) VALUES (?, ?, ?, ?, 'UNBORN', ?, ?, ?, ?, ?)",
                number, json.dumps(asked, ensure_ascii=False), product, code, total,
                notify_url, return_url, now, now + self._wait(asked),
            )  # fmt: skip
        return code

    def _again(self, known: sqlite3.Row, asked: dict[str, Any], total: int) -> str:
        known = self.fresh(known)
        if known["state"] in ("TRADE_SUCCESS", "TRADE_FINISHED"):
            raise Refused("ACQ.TRADE_HAS_SUCCESS")
        if known["state"] == "TRADE_CLOSED":
            raise Refused("ACQ.TRADE_HAS_CLOSE")
        if known["total"] != total or json.loads(known["body"])["subject"] != asked["subject"]:
            raise Refused("ACQ.CONTEXT_INCONSISTENT")
        return str(known["code"])

    def _checked(self, product: str, asked: dict[str, Any]) -> tuple[str, int]:
        number, amount, subject = (
            asked.get(k) for k in ("out_trade_no", "total_amount", "subject")
        )
        if not isinstance(number, str) or not NUMBER.fullmatch(number):
            raise Refused("ACQ.INVALID_PARAMETER")
        if not isinstance(amount, str) or not YUAN.fullmatch(amount):
            raise Refused("ACQ.INVALID_PARAMETER")
        total = fen(amount)
        if (
            not 1 <= total <= LARGEST
            or not isinstance(subject, str)
            or not 1 <= len(subject) <= 256
        ):
            raise Refused("ACQ.INVALID_PARAMETER")
        if PRODUCTS[product] is not None and asked.get("product_code") != PRODUCTS[product]:
            raise Refused("ACQ.INVALID_PARAMETER")
        self._wait(asked)
        return number, total

    def _wait(self, asked: dict[str, Any]) -> float:
        """Return for how many seconds an order may be begun and paid; an exact end wins over a span."""
        until = asked.get("time_expire")
        if until is not None:
            try:
                end = datetime.strptime(until, "%Y-%m-%d %H:%M:%S").replace(tzinfo=clock.SHANGHAI)
            except (TypeError, ValueError):
                raise Refused("ACQ.INVALID_PARAMETER") from None
            return end.timestamp() - self.now()
        spans = [asked[k] for k in ("qr_code_timeout_express", "timeout_express") if k in asked]
        found = [WAIT.fullmatch(str(span)) for span in spans]
        if None in found:
            raise Refused("ACQ.INVALID_PARAMETER")
        seconds = [int(f[1]) * SECONDS[f[2]] for f in found if f]
        if any(span > DAYS_15 for span in seconds):
            raise Refused("ACQ.INVALID_PARAMETER")
        return float(seconds[0] if seconds else TWO_HOURS)

    def fresh(self, order: sqlite3.Row) -> sqlite3.Row:
        """Return an order as it is now: a waiting trade whose time is over closes, and may tell of it."""
        if order["state"] == "WAIT_BUYER_PAY" and self.now() >= order["until"]:
            self._close(order)
            order = self._get(order["out_trade_no"])
            if order["product"] in TELLS_OF_CLOSE:
                self.tell(order, gmt_close=local(self.now()))
        return order

    def known(self, asked: dict[str, Any]) -> sqlite3.Row:
        """Return the trade asked about; one that nobody began does not exist."""
        order = self.journal.by_code(asked.get("trade_no") or asked.get("out_trade_no") or "")
        if order is None or order["state"] == "UNBORN":
            raise Refused("ACQ.TRADE_NOT_EXIST")
        return self.fresh(order)

    def begin(self, code: str) -> bool:
        """Let somebody scan or sign in: from now on the trade exists."""
        with self.journal.lock:
            order = self.journal.by_code(code)
            if order is None or order["state"] != "UNBORN" or self.now() >= order["until"]:
                return False
            number = (
                f"{local(self.now())[:10].replace('-', '')}22001{secrets.randbelow(10**15):015d}"
            )
            self.journal.run(
                "UPDATE orders SET state = 'WAIT_BUYER_PAY', trade_no = ?, born = ? WHERE out_trade_no = ?",
                number, self.now(), order["out_trade_no"],
            )  # fmt: skip
        return True

    def pay(self, code: str, buyer: str, total: int | None = None) -> bool:
        """Let somebody pay; returns whether money moved. A wrong ``total`` is for tests of mismatch."""
        with self.journal.lock:
            self.begin(code)
            order = self.journal.by_code(code)
            if order is None or self.fresh(order)["state"] != "WAIT_BUYER_PAY":
                return False
            self.journal.run(
                "UPDATE orders SET state = 'TRADE_SUCCESS', buyer = ?, paid = ?, total = ? "
                "WHERE out_trade_no = ?",
                buyer, self.now(), total or order["total"], order["out_trade_no"],
            )  # fmt: skip
            paid = self._get(order["out_trade_no"])
        self.tell(paid)
        return True

    def close(self, asked: dict[str, Any]) -> sqlite3.Row:
        """Close an unpaid trade."""
        with self.journal.lock:
            order = self.known(asked)
            if order["state"] != "WAIT_BUYER_PAY":
                paid = order["state"] == "TRADE_SUCCESS"
                raise Refused("ACQ.TRADE_HAS_SUCCESS" if paid else "ACQ.TRADE_STATUS_ERROR")
            self._close(order)
            return order

    def _close(self, order: sqlite3.Row) -> None:
        self.journal.run(
            "UPDATE orders SET state = 'TRADE_CLOSED' WHERE out_trade_no = ?", order["out_trade_no"]
        )

    def _get(self, number: str) -> sqlite3.Row:
        order = self.journal.order(number)
        assert order is not None
        return order

    # ------------------------------------------------------------------ refunds

    def refund(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Send money back; the same number again moves nothing and says so."""
        with self.journal.lock:
            order = self.known(asked)
            number = asked.get("out_request_no") or order["trade_no"]
            amount = (
                fen(asked["refund_amount"])
                if YUAN.fullmatch(str(asked.get("refund_amount")))
                else 0
            )
            made = self.journal.refunds_of(order["out_trade_no"])
            same = [row for row in made if row["out_request_no"] == number]
            if same and same[0]["amount"] != amount:
                raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR")
            if not same:
                self._check_refund(order, amount, sum(row["amount"] for row in made))
                self.send_back(order, number, amount)
            has_moved = not same and self.courier.policy.fund_change == "Y"
        return self._refund_answer(order, "Y" if has_moved else "N")

    def _check_refund(self, order: sqlite3.Row, amount: int, before: int) -> None:
        if self.courier.policy.fail_refund:
            raise Refused(self.courier.policy.fail_refund)
        if order["state"] != "TRADE_SUCCESS":
            raise Refused("ACQ.TRADE_STATUS_ERROR")
        if amount < 1:
            raise Refused("ACQ.INVALID_PARAMETER")
        if before + amount > order["total"]:
            raise Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")

    def send_back(self, order: sqlite3.Row, number: str, amount: int) -> None:
        """Write a refund and tell of it: partly refunded trades stay successes, whole ones close."""
        policy = self.courier.policy
        done = self.now() if policy.refund_ends else None
        self.journal.run(
            "INSERT INTO refunds (out_request_no, out_trade_no, amount, created, done) VALUES (?, ?, ?, ?, ?)",
            number, order["out_trade_no"], amount, self.now(), done,
        )  # fmt: skip
        if done is not None:
            self._refunded(order["out_trade_no"], number)

    def finish_refund(self, out_trade_no: str, number: str) -> None:
        """Bring a refund to its end that was only taken."""
        self.journal.run(
            "UPDATE refunds SET done = ? WHERE out_trade_no = ? AND out_request_no = ? AND done IS NULL",
            self.now(), out_trade_no, number,
        )  # fmt: skip
        self._refunded(out_trade_no, number)

    def _refunded(self, out_trade_no: str, number: str) -> None:
        order = self._get(out_trade_no)
        together = self.refunded(out_trade_no)
        is_whole = together == order["total"]
        if is_whole:
            self._close(order)
            order = self._get(out_trade_no)
        if not is_whole or order["product"] in TELLS_OF_CLOSE or self.courier.policy.tell_close:
            self.tell(
                order, refund_fee=yuan(together), out_biz_no=number,
                gmt_refund=f"{local(self.now())}.{secrets.randbelow(1000):03d}",
            )  # fmt: skip

    def refunded(self, out_trade_no: str) -> int:
        """Return how much of an order went back, in fen."""
        rows = self.journal.refunds_of(out_trade_no)
        return sum(row["amount"] for row in rows if row["done"] is not None)

    def _refund_answer(self, order: sqlite3.Row, changed: str) -> dict[str, Any]:
        return {
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["trade_no"],
            "buyer_user_id": order["buyer"],
            "fund_change": changed,
            "refund_fee": yuan(self.refunded(order["out_trade_no"])),
            "gmt_refund_pay": local(self.now()),
        }

    def refund_asked(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a refund as a query tells it: older accounts are told no state."""
        order = self.known(asked)
        for row in self.journal.refunds_of(order["out_trade_no"]):
            if row["out_request_no"] == asked.get("out_request_no") and row["done"] is not None:
                told = {
                    "out_trade_no": order["out_trade_no"],
                    "trade_no": order["trade_no"],
                    "out_request_no": row["out_request_no"],
                    "total_amount": yuan(order["total"]),
                    "refund_amount": yuan(row["amount"]),
                    "gmt_refund_pay": local(row["done"]),
                }
                state = {"refund_status": "REFUND_SUCCESS"}
                return told | (state if self.courier.policy.newer_account else {})
        return {}

    # ------------------------------------------------------------------ what is told

    def told(self, order: sqlite3.Row) -> dict[str, Any]:
        """Return a trade as a query tells it."""
        body: dict[str, Any] = {
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["trade_no"],
            "trade_status": order["state"],
            "total_amount": yuan(order["total"]),
            "buyer_logon_id": "159****5620",
        }
        if order["paid"] is not None:
            body["send_pay_date"] = local(order["paid"])
            name = "buyer_open_id" if self.courier.policy.newer_account else "buyer_user_id"
            body[name] = order["buyer"]
        return body

    def tell(self, order: sqlite3.Row, **more: str) -> str:
        """Write a notice of a trade's present state."""
        amount = yuan(order["total"])
        fields = {
            "trade_no": order["trade_no"],
            "out_trade_no": order["out_trade_no"],
            "trade_status": order["state"],
            "subject": json.loads(order["body"])["subject"],
            "total_amount": amount,
            "receipt_amount": amount,
            "invoice_amount": amount,
            "buyer_pay_amount": amount,
            "point_amount": "0.00",
            "gmt_create": local(order["born"]),
            "fund_bill_list": json.dumps([{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}]),
            **more,
        }
        if order["paid"] is not None:
            name = "buyer_open_id" if self.courier.policy.newer_account else "buyer_id"
            fields |= {"gmt_payment": local(order["paid"]), name: order["buyer"]}
        return self.courier.add(order["out_trade_no"], order["notify_url"], fields)


def local(instant: float) -> str:
    """Return a time as Alipay writes it."""
    return datetime.fromtimestamp(instant, clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def yuan(minor: int) -> str:
    """Return an amount as Alipay writes it."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def fen(text: str) -> int:
    """Return the fen of an amount with two decimals."""
    return int(text.replace(".", ""))


def day_bounds(day: str) -> tuple[float, float]:
    """Return the first instant of a Shanghai day and of the next one."""
    start = datetime.fromisoformat(day).replace(tzinfo=clock.SHANGHAI)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()
