"""Alipay's side of the protocol on loopback, for development and tests; refused in production.

``python -m fundraising.payments.simulators.alipay --port P --state-dir DIR`` checks our RSA2 signatures,
signs answers and notices, retries notices on the documented schedule, shows a cashier for browser and
telephone, makes the daily zip, and keeps its own journal. Its behaviour is set under ``/_ctl``. It writes
the settings the product needs to ``DIR/settings.env``.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising.payments.providers.alipay import signing
from fundraising.payments.providers.base import Rejected, Unparsable
from fundraising.payments.simulators import alipay_agreements, base, safety
from fundraising.payments.simulators.alipay_agreements import SIGN_SCENE, Agreements
from fundraising.payments.simulators.alipay_bills import Bills
from fundraising.payments.simulators.alipay_flows import Flows
from fundraising.payments.simulators.alipay_notices import Courier, Policy
from fundraising.payments.simulators.alipay_trades import (
    NUMBER,
    Refused,
    TradeJournal,
    Trades,
    local,
    yuan,
)

APP_ID, SELLER = "2021SIMULATOR001", "2088SIMULATOR001"
PAGES = {"alipay.trade.page.pay": "page", "alipay.trade.wap.pay": "wap"}
TIMESTAMP_LENGTH = len("2026-11-25 10:00:00")


class GatewayError(Exception):
    """What the gateway itself refuses, in an answer without a signature."""


class Simulator(base.Simulator):
    """The provider: orders, payments, notices, refunds, bills."""

    journal: TradeJournal
    courier: Courier

    def __init__(self, folder: Path, base_url: str) -> None:
        super().__init__(folder, base_url)
        self.app_key, self.key = safety.key(folder, "app"), safety.key(folder, "alipay")
        self.journal = TradeJournal(folder / "journal.sqlite")
        common = {
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "seller_id": SELLER,
            "charset": "utf-8",
            "version": "1.0",
        }
        self.courier = Courier(
            self.journal, Policy(), self.key, safety.key(folder, "forger"), common, now=self.now
        )
        self.trades = Trades(self.journal, self.courier, self.now)
        self.agreements = Agreements(self.journal, self.courier, self.trades, self.now)
        self.flows = Flows(self.trades, SELLER)
        self.bills = Bills(self.trades, self.flows, SELLER, base_url)
        self.write_settings()

    def write_settings(self) -> None:
        """Write what the product must be told to speak to this simulator."""
        public = self.folder / "alipay_public.pem"
        public.write_bytes(
            self.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        values = {
            "ALIPAY_GATEWAY_URL": f"{self.base_url}/gateway.do",
            "ALIPAY_SIMULATOR_URL": self.base_url,
            "ALIPAY_APP_ID": APP_ID,
            "ALIPAY_SELLER_ID": SELLER,
            "ALIPAY_SIGN_SCENE": SIGN_SCENE,
            "ALIPAY_PRIVATE_KEY_FILE": str((self.folder / "app.pem").resolve()),
            "ALIPAY_PUBLIC_KEY_FILE": str(public.resolve()),
        }
        safety.write_settings(self.folder, values)

    # ------------------------------------------------------------------ protocol

    def check_request(self) -> dict[str, str]:
        """Return the request's fields after checking our side's signature strictly. Raises GatewayError."""
        try:
            fields = signing.read_form(
                b"&".join(filter(None, (request.query_string, request.get_data())))
            )
            sign = fields.pop("sign", "")
            signing.verify([self.app_key.public_key()], signing.text_to_sign(fields.items()), sign)
        except Rejected as bad:
            raise GatewayError(f"isv.invalid-signature: {bad}") from bad
        expected = {"app_id": APP_ID, "charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
        wrong = [name for name, value in expected.items() if fields.get(name) != value]
        if wrong or len(fields.get("timestamp", "")) != TIMESTAMP_LENGTH:
            raise GatewayError(f"isv.invalid-{(wrong or ['timestamp'])[0]}")
        if any(value == "" for value in fields.values()):
            raise GatewayError("isv.invalid-arguments: an empty field")
        return fields

    def content(self, fields: dict[str, str]) -> dict[str, Any]:
        """Return what a request is about. Raises Refused."""
        try:
            found = {
                name: value for name, (value, _) in signing.members(fields["biz_content"]).items()
            }
        except (KeyError, Unparsable):
            raise Refused("isv.invalid-arguments", "40002") from None
        url = urlsplit(fields.get("notify_url", "http://none"))
        if url.scheme not in ("http", "https") or url.query:
            raise Refused("isv.invalid-arguments", "40002")
        return found

    def answer(self, method: str, body: dict[str, Any]) -> Response:
        """Return an answer whose inner object is signed as it is written."""
        fault = self.courier.policy.fail_api
        inner = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        key = self.courier.forger if fault == "bad_signature" else self.key
        node = f"{method.replace('.', '_')}_response"
        signed = "" if fault == "unsigned" else f',"sign":"{signing.sign(key, inner.encode())}"'
        return Response(f'{{"{node}":{inner}{signed}}}', 200, mimetype="application/json")

    def error(self, reason: str) -> Response:
        """Return the gateway's own error, which nobody signs."""
        told = {"code": "40002", "msg": "Invalid Arguments", "sub_code": reason}
        return Response(json.dumps({"error_response": told}), 200, mimetype="application/json")

    def precreate(self, asked: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
        """Make a QR code; the trade begins when somebody scans it."""
        code = self.trades.open("qr", asked, fields.get("notify_url", ""), "")
        return {"out_trade_no": asked["out_trade_no"], "qr_code": f"{self.base_url}/cashier/{code}"}

    def back(self, order: Any) -> str:
        """Return where the browser goes after paying, with signed values but without any state."""
        told = {
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "seller_id": SELLER,
            "charset": "utf-8",
            "version": "1.0",
            "method": f"alipay.trade.{order['product']}.pay.return",
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["trade_no"],
            "total_amount": yuan(order["total"]),
            "timestamp": local(self.now()),
        }
        sign = signing.sign(self.key, signing.text_to_sign(told.items()))
        return f"{order['return_url']}?{urlencode({**told, 'sign': sign, 'sign_type': 'RSA2'})}"


def create(folder: Path, base_url: str) -> tuple[Flask, Simulator]:
    """Build the simulator's web application."""
    simulator = Simulator(folder, base_url)
    app = base.application(simulator)
    base.let_the_clock_move(app, simulator)
    _gateway(app, simulator)
    _cashier(app, simulator)
    _control(app, simulator)
    alipay_agreements.add(app, simulator.agreements)
    return app, simulator


def _gateway(app: Flask, simulator: Simulator) -> None:
    trades = simulator.trades
    verbs: dict[str, Callable[[dict[str, Any], dict[str, str]], dict[str, Any]]] = {
        "alipay.trade.precreate": simulator.precreate,
        **simulator.agreements.verbs(),
        "alipay.trade.query": lambda asked, _: trades.told(trades.known(asked)),
        "alipay.trade.close": lambda asked, _: _named(trades.close(asked)),
        "alipay.trade.refund": lambda asked, _: trades.refund(asked),
        "alipay.trade.fastpay.refund.query": lambda asked, _: trades.refund_asked(asked),
        "alipay.data.dataservice.bill.downloadurl.query": lambda asked, _: simulator.bills.announce(
            asked
        ),
    }

    @app.route("/gateway.do", methods=["GET", "POST"])
    def gateway() -> ResponseReturnValue:
        fault = simulator.courier.policy.fail_api
        if fault == "500":
            return Response("garbage", 500)
        if fault == "error_response":
            return simulator.error("isp.unknow-error")
        try:
            fields = simulator.check_request()
            method = fields.get("method", "")
            if method in PAGES:
                return _opened(simulator, fields, PAGES[method])
            if method == "alipay.user.agreement.page.sign":
                return redirect(simulator.agreements.open(simulator.content(fields), fields), 302)
            body = verbs[method](simulator.content(fields), fields)
        except Refused as refused:
            told = {"code": refused.code, "msg": "Business Failed", "sub_code": refused.sub_code}
            return simulator.answer(fields["method"], {**told, "sub_msg": "模拟拒绝 {"})
        except GatewayError as bad:
            return simulator.error(str(bad))
        except KeyError as unknown:
            return simulator.error(f"isv.invalid-method: {unknown}")
        if fault == "timeout_after_commit":
            return Response("late", 504)
        return simulator.answer(method, {"code": "10000", "msg": "Success", **body})

    @app.get("/downloadBillFile.resource")
    def download() -> ResponseReturnValue:
        packed = simulator.bills.files.get(request.args.get("fileId", ""))
        if packed is None:
            return Response("", 403)
        return Response(packed, 200, mimetype="application/octet-stream")


def _named(order: Any) -> dict[str, Any]:
    return {"out_trade_no": order["out_trade_no"], "trade_no": order["trade_no"]}


def _opened(simulator: Simulator, fields: dict[str, str], product: str) -> ResponseReturnValue:
    """Take a browser that comes with a signed address to the cashier."""
    asked = simulator.content(fields)
    code = simulator.trades.open(
        product, asked, fields.get("notify_url", ""), fields.get("return_url", "")
    )
    return redirect(f"/cashier/{code}", 302)


def _cashier(app: Flask, simulator: Simulator) -> None:
    @app.get("/")
    def orders() -> ResponseReturnValue:
        rows = simulator.journal.run("SELECT * FROM orders ORDER BY opened DESC LIMIT 50")
        return render_template("alipay_orders.html", orders=rows)

    @app.route("/cashier/<code>", methods=["GET", "POST"])
    def cashier(code: str) -> ResponseReturnValue:
        """Show an order to a person, who pays, only signs in, or goes back."""
        order = simulator.journal.by_code(code)
        if order is None or not NUMBER.fullmatch(code):
            abort(404)
        asked_back = request.values.get("return", "")
        if request.method == "POST":
            if request.form.get("do") == "begin":
                simulator.trades.begin(code)
                return redirect(f"/cashier/{code}", 303)
            payer = request.cookies.get("payer") or f"open{secrets.token_hex(12)}"
            simulator.trades.pay(code, payer)
            order = simulator.journal.by_code(code)
            assert order is not None
            is_back = order["return_url"] and order["state"] == "TRADE_SUCCESS"
            target = simulator.back(order) if is_back else asked_back or f"/cashier/{code}"
            response = redirect(target, 303)
            response.set_cookie("payer", payer, httponly=True, samesite="Lax")
            return response
        order = simulator.trades.fresh(order)
        return render_template(
            "alipay_cashier.html",
            order=order,
            subject=json.loads(order["body"])["subject"],
            is_over=order["state"] == "UNBORN" and simulator.now() >= order["until"],
            back=simulator.back(order) if order["return_url"] and order["trade_no"] else asked_back,
            asked_back=asked_back,
        )


def _control(app: Flask, simulator: Simulator) -> None:
    trades = simulator.trades

    @app.post("/_ctl/pay")
    def pay() -> ResponseReturnValue:
        asked = request.get_json()
        payer = asked.get("openid") or f"open{secrets.token_hex(12)}"
        return {"paid": trades.pay(asked["order"], payer, asked.get("total"))}

    @app.post("/_ctl/scan")
    def scan() -> ResponseReturnValue:
        return {"begun": trades.begin(request.get_json()["order"])}

    @app.post("/_ctl/refund")
    def console() -> ResponseReturnValue:
        """Refund from the merchant's console, under a number that is not ours."""
        asked = request.get_json()
        order = simulator.journal.by_code(asked["order"])
        if order is None or order["state"] != "TRADE_SUCCESS":
            return {"refunded": False}
        number = asked.get("number") or f"CONSOLE{secrets.token_hex(6).upper()}"
        trades.send_back(order, number, asked.get("amount") or order["total"])
        return {"refunded": True, "number": number}

    @app.post("/_ctl/finish_refund")
    def finish() -> ResponseReturnValue:
        asked = request.get_json()
        trades.finish_refund(asked["order"], asked["number"])
        return {"finished": True}

    @app.post("/_ctl/withdraw")
    def withdraw() -> ResponseReturnValue:
        """Take the balance, or a part of it, to the bank."""
        try:
            return {"withdrawn": simulator.flows.withdraw(request.get_json().get("amount"))}
        except Refused:
            return {"withdrawn": 0}


def main() -> None:
    """Serve until asked to stop."""
    base.run(create, base.arguments(__doc__).parse_args())


if __name__ == "__main__":
    main()
