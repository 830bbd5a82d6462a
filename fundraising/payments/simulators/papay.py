"""委托代扣 in WeChat Pay's simulator: the page a payer agrees on, agreements, charges, and their notices in XML.

Controls under ``/_ctl``: ``agree`` and ``cancel`` (from the payer's app), ``settle_charges``; the policy's
``decline`` names the error a charge ends with, ``hold_charges`` lets it wait as accepted, ``plan_notice`` says
which kind of template it is, ``fail_papay`` breaks answers (``500``, ``unsigned``, ``timeout_after_commit``).
"""

import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.payments.providers.base import Unparsable
from fundraising.payments.providers.papay import wire
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.papay_charges import Charges, Failed
from fundraising.payments.simulators.wechatpay_notices import Courier
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID, Orders

APIV2_KEY = "SIMULATORAPIV2KEY32CHARACTERS000"
PLAN_ID = "12251"
PAGE_SECONDS = 600
SCHEMA = """
CREATE TABLE IF NOT EXISTS contracts (code TEXT PRIMARY KEY, contract_id TEXT UNIQUE, state TEXT NOT NULL,
    openid TEXT, shown TEXT NOT NULL, notify_url TEXT NOT NULL, page TEXT NOT NULL UNIQUE, asked REAL NOT NULL,
    signed REAL, ended REAL, mode TEXT);
CREATE TABLE IF NOT EXISTS told (contract_id TEXT NOT NULL, day TEXT NOT NULL, amount INTEGER NOT NULL,
    days INTEGER NOT NULL);
"""
NEEDED = (
    *("appid", "mch_id", "plan_id", "contract_code", "request_serial"),
    *("contract_display_account", "notify_url", "version", "timestamp", "sign"),
)


class Papay:
    """Agreements and charges of one merchant's template."""

    def __init__(self, journal: Journal, courier: Courier, orders: Orders, base_url: str) -> None:
        self.journal, self.courier, self.base_url = journal, courier, base_url
        journal.connection.executescript(SCHEMA)
        self.charges = Charges(journal, orders, self.notify)

    # ------------------------------------------------------------------ agreements

    def opened(self, asked: dict[str, str], scheme: str) -> str:
        """Open the page of an agreement to be signed and return its address. Raises Failed."""
        self.check(asked, scheme)
        missing = [name for name in NEEDED if not asked.get(name)]
        serial = asked.get("request_serial", "")
        if missing or asked["plan_id"] != PLAN_ID or not serial.isdigit() or serial[0] == "0":
            raise Failed("PARAM_ERROR", ",".join(missing))
        if urlsplit(asked["notify_url"]).query or self.contract(asked["contract_code"]):
            raise Failed("PARAM_ERROR", "contract_code or notify_url")
        page = secrets.token_urlsafe(12)
        self.journal.run(
            "INSERT INTO contracts (code, state, shown, notify_url, page, asked) VALUES (?, 'asked', ?, ?, ?, ?)",
            asked["contract_code"], asked["contract_display_account"], asked["notify_url"], page, _now(),
        )  # fmt: skip
        return f"{self.base_url}/papay/page/{page}"

    def agree(self, code: str, openid: str) -> bool:
        """Let somebody agree; one person has one agreement of a template at most."""
        with self.journal.lock:
            contract = self.contract(code)
            if contract is None or contract["state"] != "asked":
                return False
            query = "SELECT 1 FROM contracts WHERE openid = ? AND state = 'standing'"
            if contract["asked"] < _now() - PAGE_SECONDS or self.journal.run(query, openid):
                return False
            self.journal.run(
                "UPDATE contracts SET state = 'standing', openid = ?, contract_id = ?, signed = ? WHERE code = ?",
                openid, f"Wx{secrets.randbelow(10**24):024d}", _now(), code,
            )  # fmt: skip
            self._changed(code, "ADD")
        return True

    def refuse(self, code: str) -> None:
        """Let somebody leave the page without agreeing: nobody is told."""
        self.journal.run(
            "UPDATE contracts SET state = 'refused' WHERE code = ? AND state = 'asked'", code
        )

    def end(self, code: str, mode: str) -> bool:
        """End an agreement: mode 2 in the payer's app, 3 by the merchant."""
        with self.journal.lock:
            contract = self.contract(code)
            if contract is None or contract["state"] != "standing":
                return False
            self.journal.run(
                "UPDATE contracts SET state = 'ended', ended = ?, mode = ? WHERE code = ?",
                _now(), mode, code,
            )  # fmt: skip
            self._changed(code, "DELETE")
        return True

    def contract(self, code: str) -> Any:
        """Return an agreement by the merchant's number, None when there is none."""
        rows = self.journal.run("SELECT * FROM contracts WHERE code = ?", code)
        return rows[0] if rows else None

    def told(self, contract_id: str, body: dict[str, Any]) -> None:
        """Take the announcement of a charge (预扣费通知). Raises Failed."""
        self.charges.standing(contract_id)
        day, days = clock.today().isoformat(), body["deduct_duration"]["count"]
        amount = body["estimated_amount"]["amount"]
        if not 1 <= days <= 3 or type(amount) is not int or amount < 1:
            raise Failed("PARAM_ERROR")
        since = (clock.today() - timedelta(days=days + 1)).isoformat()
        query = "SELECT 1 FROM told WHERE contract_id = ? AND day > ?"
        if self.journal.run(query, contract_id, since):
            raise Failed("RESOURCE_ALREADY_EXISTS")
        self.journal.run("INSERT INTO told VALUES (?, ?, ?, ?)", contract_id, day, amount, days)

    def described(self, contract: Any) -> dict[str, str]:
        """Return an agreement as a query tells it."""
        fields = {
            "plan_id": PLAN_ID,
            "contract_code": contract["code"],
            "contract_display_account": contract["shown"],
            "contract_state": {"standing": "0", "asked": "9"}.get(contract["state"], "1"),
        }
        if contract["contract_id"]:
            fields |= {"contract_id": contract["contract_id"], "openid": contract["openid"]}
            fields["contract_signed_time"] = _local(contract["signed"])
        if contract["ended"]:
            fields |= {
                "contract_terminated_time": _local(contract["ended"]),
                "contract_termination_mode": contract["mode"],
            }
        return fields

    def _changed(self, code: str, change: str) -> None:
        contract = self.contract(code)
        fields = {
            "return_code": "SUCCESS",
            "result_code": "SUCCESS",
            "mch_id": MCHID,
            "contract_code": code,
            "openid": contract["openid"],
            "plan_id": PLAN_ID,
            "change_type": change,
            "operate_time": _local(contract["ended"] or contract["signed"]),
            "contract_id": contract["contract_id"],
        }
        if change == "DELETE":
            fields["contract_termination_mode"] = contract["mode"]
        self.notify(code, contract["notify_url"], fields)

    # ------------------------------------------------------------------ protocol

    def check(self, fields: dict[str, str], scheme: str = wire.MD5) -> None:
        """Check our side's signature and names strictly. Raises Failed."""
        if fields.get("sign") != wire.sign(fields, APIV2_KEY, scheme):
            raise Failed("SIGNERROR")
        if (fields.get("appid"), fields.get("mch_id")) != (APPID, MCHID):
            raise Failed("APPID_MCHID_NOT_MATCH")

    def notify(self, number: str, url: str, fields: dict[str, str]) -> None:
        """Write a notice to be delivered, signed when it is sent."""
        self.courier.keep(str(uuid4()), number, url, {"papay": fields})


def add(app: Flask, papay: Papay) -> None:
    """Add the protocol, the payer's pages and the controls to the simulator's application."""
    _protocol(app, papay)
    _announcements(app, papay)
    _pages(app, papay)
    _control(app, papay)


def _protocol(app: Flask, papay: Papay) -> None:
    policy = papay.courier.policy

    def answered(fields: dict[str, str]) -> Response:
        whole = {"return_code": "SUCCESS", "appid": APPID, "mch_id": MCHID, **fields}
        whole["nonce_str"] = secrets.token_hex(16)
        signed = {**whole, "sign": wire.sign(whole, APIV2_KEY)}
        if policy.fail_papay == "unsigned":
            del signed["sign"]
        return Response(wire.write(signed), 200, mimetype="text/xml")

    @app.get("/papay/entrustweb")
    def entrusted() -> ResponseReturnValue:
        try:
            return redirect(papay.opened(request.args.to_dict(), wire.MD5), 302)
        except Failed as failed:
            return Response(failed.code, 400)

    @app.get("/papay/h5entrustweb")
    def entrusted_outside() -> Response:
        try:
            if not request.args.get("clientip"):
                raise Failed("PARAM_ERROR", "clientip")
            url = papay.opened(request.args.to_dict(), wire.HMAC)
        except Failed as failed:
            return answered({"result_code": "FAIL", "err_code": failed.code})
        told = {"return_code": "SUCCESS", "result_code": "SUCCESS", "redirect_url": url}
        return Response(wire.write(told), 200, mimetype="text/xml")

    @app.post("/papay/<any(querycontract, deletecontract):verb>")
    @app.post("/pay/<any(pappayapply, orderquery, closeorder):verb>")
    def called(verb: str) -> ResponseReturnValue:
        if policy.fail_papay == "500":
            return Response("garbage", 500)
        try:
            asked = wire.read(request.get_data())
            papay.check(asked)
            told = _do(papay, verb, asked)
        except Unparsable:
            return Response("<xml><return_code>FAIL</return_code></xml>", 200)
        except Failed as failed:
            told = {"result_code": "FAIL", "err_code": failed.code, "err_code_des": str(failed)}
        if policy.fail_papay == "timeout_after_commit":
            return Response("late", 504)
        return answered({"result_code": "SUCCESS", **told})


def _do(papay: Papay, verb: str, asked: dict[str, str]) -> dict[str, str]:
    if verb == "pappayapply":
        return papay.charges.apply(asked, papay.courier.policy)
    if verb == "orderquery":
        return papay.charges.described(asked.get("out_trade_no", ""), papay.courier.policy)
    if verb == "closeorder":
        return papay.charges.close(asked.get("out_trade_no", ""))
    contract = papay.contract(asked.get("contract_code", ""))
    if contract is None or asked.get("plan_id") != PLAN_ID:
        raise Failed("CONTRACT_NOT_EXIST")
    if verb == "querycontract":
        return papay.described(contract)
    if not papay.end(contract["code"], "3"):
        raise Failed("CONTRACT_NOT_EXIST")
    return {"contract_id": contract["contract_id"]}


def _announcements(app: Flask, papay: Papay) -> None:
    @app.post("/v3/papay/contracts/<contract_id>/notify")
    def announced(contract_id: str) -> ResponseReturnValue:
        simulator = app.extensions["simulator"]
        try:
            papay.told(contract_id, request.get_json())
        except Failed as failed:
            answer: Response = simulator.answer(400, {"code": failed.code, "message": str(failed)})
            return answer
        done: Response = simulator.answer(204, None)
        return done


def _pages(app: Flask, papay: Papay) -> None:
    @app.route("/papay/page/<page>", methods=["GET", "POST"])
    def signing(page: str) -> ResponseReturnValue:
        """Show an agreement to a person, who agrees, refuses, or ends it later."""
        rows = papay.journal.run("SELECT * FROM contracts WHERE page = ?", page)
        if not rows:
            abort(404)
        contract, back = rows[0], request.values.get("return", "")
        if request.method == "POST":
            payer = request.cookies.get("payer") or f"o{secrets.token_hex(13)}"
            acts = {"refuse": papay.refuse, "end": lambda code: papay.end(code, "2")}
            wanted = request.form.get("act", "")
            if wanted == "agree":
                papay.agree(contract["code"], payer)
            elif wanted in acts:
                acts[wanted](contract["code"])
            answer = redirect(f"/papay/page/{page}", 303)
            answer.set_cookie("payer", payer, httponly=True, samesite="Lax")
            return answer
        return render_template("papay_page.html", contract=contract, back=back)


def _control(app: Flask, papay: Papay) -> None:
    @app.post("/_ctl/agree")
    def agree() -> ResponseReturnValue:
        asked = request.get_json()
        openid = asked.get("openid") or f"o{secrets.token_hex(13)}"
        return {"agreed": papay.agree(asked["code"], openid)}

    @app.post("/_ctl/cancel")
    def cancel() -> ResponseReturnValue:
        return {"ended": papay.end(request.get_json()["code"], "2")}

    @app.post("/_ctl/settle_charges")
    def settle() -> ResponseReturnValue:
        return {"settled": papay.charges.settle(papay.courier.policy)}

    @app.get("/_ctl/contracts")
    def contracts() -> ResponseReturnValue:
        rows = papay.journal.run("SELECT * FROM contracts ORDER BY asked, code")
        return {"contracts": [dict(row) for row in rows]}


def _now() -> float:
    return clock.now().timestamp()


def _local(stamp: float) -> str:
    at = datetime.fromtimestamp(stamp, clock.SHANGHAI)
    return f"{at:%Y-%m-%d %H:%M:%S}"
