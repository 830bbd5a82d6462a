"""周期扣款 in Alipay's simulator: the page a payer agrees on, agreements with their plan, and charges by them.

Controls under ``/_ctl``: ``agree`` and ``cancel`` (from the payer's app); the policy's ``decline`` names the error
a charge ends with, ``plan_days`` how many days before its date a charge may be made.
"""

import secrets
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from flask import Flask, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.payments.simulators.alipay_notices import Courier
from fundraising.payments.simulators.alipay_trades import (
    YUAN,
    Refused,
    TradeJournal,
    Trades,
    fen,
    local,
)

SIGN_SCENE = "INDUSTRY|SIMULATOR"
PRODUCT, PERSONAL = "CYCLE_PAY_AUTH", "CYCLE_PAY_AUTH_P"
MOST, LAST_DAY = 10, 28
SCHEMA = """
CREATE TABLE IF NOT EXISTS agreements (code TEXT PRIMARY KEY, number TEXT UNIQUE, state TEXT NOT NULL, payer TEXT,
    page TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL, next_on TEXT NOT NULL, notify_url TEXT NOT NULL,
    return_url TEXT NOT NULL, asked REAL NOT NULL, signed REAL);
"""


class Agreements:
    """What happens to agreements of one seller."""

    def __init__(
        self, journal: TradeJournal, courier: Courier, trades: Trades, now: Callable[[], float]
    ) -> None:
        self.journal, self.courier, self.trades, self.now = journal, courier, trades, now
        journal.connection.executescript(SCHEMA)

    def verbs(self) -> dict[str, Callable[[dict[str, Any], dict[str, str]], dict[str, Any]]]:
        """Return what the gateway does for each method."""
        return {
            "alipay.trade.pay": self.pay,
            "alipay.user.agreement.query": lambda asked, _: self.told(asked),
            "alipay.user.agreement.unsign": lambda asked, _: self.unsign(asked),
            "alipay.user.agreement.executionplan.modify": lambda asked, _: self.modify(asked),
        }

    # ------------------------------------------------------------------ agreements

    def open(self, asked: dict[str, Any], fields: dict[str, str]) -> str:
        """Open the page of an agreement to be signed and return its path. Raises Refused."""
        rules, code = asked.get("period_rule_params") or {}, asked.get("external_agreement_no", "")
        named = (
            asked.get("product_code"),
            asked.get("personal_product_code"),
            asked.get("sign_scene"),
        )
        channel = (asked.get("access_params") or {}).get("channel")
        if named != (PRODUCT, PERSONAL, SIGN_SCENE) or channel not in ("ALIPAYAPP", "QRCODE"):
            raise Refused("isv.invalid-parameter")
        if not (code.isalnum() and code.isascii() and len(code) <= 32) or self.find(code):
            raise Refused("isv.invalid-parameter")
        amount, first = str(rules.get("single_amount")), str(rules.get("execute_time"))
        is_monthly = (rules.get("period_type"), rules.get("period")) == ("MONTH", "1")
        if not is_monthly or not YUAN.fullmatch(amount) or not _is_day(first):
            raise Refused("isv.invalid-parameter")
        page = secrets.token_urlsafe(12)
        self.journal.run(
            "INSERT INTO agreements (code, state, page, amount, next_on, notify_url, return_url, asked) "
            "VALUES (?, 'TEMP', ?, ?, ?, ?, ?, ?)",
            code, page, fen(amount), first, fields.get("notify_url", ""), fields.get("return_url", ""),
            self.now(),
        )  # fmt: skip
        return f"/agreement/{page}"

    def agree(self, code: str, payer: str) -> bool:
        """Let somebody agree; ten agreements with one seller at most."""
        with self.journal.lock:
            found = self.find(code)
            query = "SELECT 1 FROM agreements WHERE payer = ? AND state = 'NORMAL'"
            if found is None or found["state"] != "TEMP":
                return False
            if len(self.journal.run(query, payer)) >= MOST:
                return False
            self.journal.run(
                "UPDATE agreements SET state = 'NORMAL', number = ?, payer = ?, signed = ? WHERE code = ?",
                f"2026{secrets.randbelow(10**16):016d}", payer, self.now(), code,
            )  # fmt: skip
            self._tell(code, "dut_user_sign", "NORMAL")
        return True

    def refuse(self, code: str) -> None:
        """Let somebody leave the page without agreeing: nobody is told."""
        self.journal.run(
            "UPDATE agreements SET state = 'REFUSED' WHERE code = ? AND state = 'TEMP'", code
        )

    def end(self, code: str) -> bool:
        """End an agreement, in the payer's app or by the merchant."""
        with self.journal.lock:
            found = self.find(code)
            if found is None or found["state"] != "NORMAL":
                return False
            self.journal.run("UPDATE agreements SET state = 'ENDED' WHERE code = ?", code)
            self._tell(code, "dut_user_unsign", "UNSIGN")
        return True

    def find(self, code: str) -> Any:
        """Return an agreement by the merchant's number or by Alipay's, None when there is none."""
        rows = self.journal.run("SELECT * FROM agreements WHERE code = ? OR number = ?", code, code)
        return rows[0] if rows else None

    def known(self, asked: dict[str, Any]) -> Any:
        """Return the agreement asked about; one that ended or was refused does not exist. Raises Refused."""
        found = self.find(asked.get("agreement_no") or asked.get("external_agreement_no") or "")
        if found is None or found["state"] not in ("TEMP", "NORMAL"):
            raise Refused("USER_AGREEMENT_NOT_EXIST")
        return found

    def told(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return an agreement as a query tells it. Raises Refused."""
        found = self.known(asked)
        body = {"external_agreement_no": found["code"], "status": found["state"]}
        if found["state"] == "NORMAL":
            body |= {
                "agreement_no": found["number"],
                "principal_type": "CARD",
                "principal_open_id": found["payer"],
                "sign_time": local(found["signed"]),
                "next_deduct_time": found["next_on"],
            }
        return body

    def unsign(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End an agreement by the merchant. Raises Refused."""
        self.end(self.known(asked)["code"])
        return {}

    def modify(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put the plan's next date off: never to an earlier one, never beyond the 28th. Raises Refused."""
        found, day = self.known(asked), str(asked.get("deduct_time"))
        if not _is_day(day) or day <= found["next_on"]:
            raise Refused("INVALID_PARAMETER")
        self.journal.run("UPDATE agreements SET next_on = ? WHERE code = ?", day, found["code"])
        return {"agreement_no": found["number"], "deduct_time": day}

    # ------------------------------------------------------------------ charges

    def pay(self, asked: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
        """Charge by an agreement, once in a period and within its days. Raises Refused."""
        number = (asked.get("agreement_params") or {}).get("agreement_no", "")
        with self.journal.lock:
            found = self.find(number)
            code = self.trades.open("cycle", asked, fields.get("notify_url", ""), "")
            if found is None or found["state"] != "NORMAL":
                raise Refused("ACQ.AGREEMENT_NOT_EXIST")
            self._require_rules(found, fen(asked["total_amount"]))
            self.trades.pay(code, found["payer"])
            following = _month_later(date.fromisoformat(found["next_on"]))
            self.journal.run(
                "UPDATE agreements SET next_on = ? WHERE code = ?",
                following.isoformat(), found["code"],
            )  # fmt: skip
            paid = self.journal.order(asked["out_trade_no"])
            assert paid is not None
        told = self.trades.told(paid)
        return {**told, "gmt_payment": told["send_pay_date"]}

    def _require_rules(self, found: Any, total: int) -> None:
        policy = self.courier.policy
        last, today = date.fromisoformat(found["next_on"]), clock.shanghai_date(clock.now())
        if not last - timedelta(days=policy.plan_days) <= today <= last:
            raise Refused("ACQ.CYCLE_PAY_DATE_NOT_MATCH")
        if total > found["amount"]:
            raise Refused("ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED")
        if policy.decline:
            raise Refused(policy.decline)

    def _tell(self, code: str, kind: str, status: str) -> None:
        found = self.find(code)
        told = {
            "notify_type": kind,
            "agreement_no": found["number"],
            "external_agreement_no": code,
            "personal_product_code": PERSONAL,
            "sign_scene": SIGN_SCENE,
            "status": status,
            "alipay_open_id": found["payer"],
            "sign_time": local(found["signed"]),
        }
        self.courier.add(code, found["notify_url"], told)


def add(app: Flask, agreements: Agreements) -> None:
    """Add the payer's page and the controls to the simulator's application."""

    @app.route("/agreement/<page>", methods=["GET", "POST"])
    def signing(page: str) -> ResponseReturnValue:
        """Show an agreement to a person, who agrees, refuses, or ends it later."""
        rows = agreements.journal.run("SELECT * FROM agreements WHERE page = ?", page)
        if not rows:
            abort(404)
        found = rows[0]
        if request.method == "POST":
            payer = request.cookies.get("payer") or f"open{secrets.token_hex(12)}"
            acts: dict[str, Callable[[str], object]] = {
                "agree": lambda code: agreements.agree(code, payer),
                "refuse": agreements.refuse,
                "end": agreements.end,
            }
            act = acts.get(request.form.get("act", ""))
            if act is not None:
                act(found["code"])
            answer = redirect(f"/agreement/{page}", 303)
            answer.set_cookie("payer", payer, httponly=True, samesite="Lax")
            return answer
        return render_template("alipay_agreement.html", agreement=found)

    @app.post("/_ctl/agree")
    def agree() -> ResponseReturnValue:
        asked = request.get_json()
        payer = asked.get("openid") or f"open{secrets.token_hex(12)}"
        return {"agreed": agreements.agree(asked["code"], payer)}

    @app.post("/_ctl/cancel")
    def cancel() -> ResponseReturnValue:
        return {"ended": agreements.end(request.get_json()["code"])}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).day <= LAST_DAY and len(text) == len("2026-01-01")
    except ValueError:
        return False


def _month_later(day: date) -> date:
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return day.replace(year=year, month=month)
