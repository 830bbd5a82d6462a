"""WeChat Pay's side of the protocol on loopback, for development and tests; refused in production.

``python -m fundraising.payments.simulators.wechatpay --port P --state-dir DIR`` signs, encrypts, checks
our signatures, retries notices on the real schedule, plays the silent OAuth step, shows a cashier page,
and keeps its own journal. Its behaviour is set under ``/_ctl``. It writes the settings the product
needs to ``DIR/settings.env``.
"""

import base64
import json
import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID
from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators import base, safety
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_money import Money, add_routes
from fundraising.payments.simulators.wechatpay_notices import Courier, Policy

APPID = "wxSIMULATOR000001"
MCHID = "SIMULATOR01"
MERCHANT_SERIAL = "SIMULATORMERCHANT01"
PLATFORM_SERIAL = "SIMULATORPLATFORM01"
PUBLIC_KEY_ID = "PUB_KEY_ID_SIMULATOR01"
APIV3_KEY = "SIMULATOR-APIV3-KEY-32-BYTES-000"
APP_SECRET = "simulator-app-secret"  # noqa: S105  of the simulator only
NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
SIGNED = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="(.+?)",nonce_str="(.+?)",signature="(.+?)",'
    r'timestamp="([0-9]+)",serial_no="(.+?)"'
)
DAYS = 3650


class Refused(Exception):
    """An error as the protocol answers it."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


class Keys:
    """The keys of both sides, made once and kept in the state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.merchant = safety.key(folder, "merchant")
        self.platform = safety.key(folder, "platform")
        self.public = safety.key(folder, "public")
        self.forger = safety.key(folder, "forger")
        verify = folder / "verify"
        verify.mkdir(exist_ok=True)
        certificate = verify / f"{PLATFORM_SERIAL}.pem"
        if not certificate.exists():
            certificate.write_bytes(_certificate(self.platform))
        (verify / f"{PUBLIC_KEY_ID}.pem").write_bytes(
            self.public.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )


def _certificate(key: RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=DAYS))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class Simulator(base.Simulator):
    """The provider: orders, payments, notices."""

    journal: Journal
    courier: Courier

    def __init__(self, folder: Path, base_url: str) -> None:
        super().__init__(folder, base_url)
        self.keys = Keys(folder)
        self.journal = Journal(folder / "journal.sqlite")
        self.courier = Courier(
            self.journal,
            Policy(),
            APIV3_KEY.encode(),
            {PLATFORM_SERIAL: self.keys.platform, PUBLIC_KEY_ID: self.keys.public},
            self.keys.forger,
        )
        self.money = Money(self.journal, self.courier, Refused, APPID, MCHID)
        self.write_settings(folder)

    def write_settings(self, folder: Path) -> None:
        """Write what the product must be told to speak to this simulator."""
        values = {
            "WECHATPAY_BASE_URL": self.base_url,
            "WECHATPAY_OAUTH_URL": f"{self.base_url}/connect/oauth2/authorize",
            "WECHATPAY_OAUTH_API_URL": self.base_url,
            "WECHATPAY_SIMULATOR_URL": self.base_url,
            "WECHATPAY_APP_SECRET": APP_SECRET,
            "WECHATPAY_MCHID": MCHID,
            "WECHATPAY_APPID": APPID,
            "WECHATPAY_SERIAL_NO": MERCHANT_SERIAL,
            "WECHATPAY_APIV3_KEY": APIV3_KEY,
            "WECHATPAY_PRIVATE_KEY_FILE": str((folder / "merchant.pem").resolve()),
            "WECHATPAY_VERIFY_KEYS_DIR": str((folder / "verify").resolve()),
        }
        safety.write_settings(folder, values)

    # ------------------------------------------------------------------ protocol

    def check_request(self) -> None:
        """Check our side's signature strictly. Raises Refused."""
        found = SIGNED.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            raise Refused(401, "SIGN_ERROR", "Authorization")
        mchid, nonce, signature, timestamp, serial = found.groups()
        if (mchid, serial) != (MCHID, MERCHANT_SERIAL):
            raise Refused(401, "SIGN_ERROR", "mchid or serial")
        if abs(clock.now().timestamp() - int(timestamp)) > signing.SKEW_SECONDS:
            raise Refused(401, "SIGN_ERROR", "timestamp")
        target = request.full_path if request.query_string else request.path
        head = f"{request.method}\n{target}\n{timestamp}\n{nonce}\n".encode()
        message = head + request.get_data() + b"\n"
        try:
            self.keys.merchant.public_key().verify(
                base64.b64decode(signature), message, padding.PKCS1v15(), hashes.SHA256()
            )
        except (InvalidSignature, ValueError):
            raise Refused(401, "SIGN_ERROR", "signature") from None

    def answer(self, status: int, body: dict[str, Any] | None) -> Response:
        """Return a signed answer, by the key the request asked for."""
        raw = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        asked = request.headers.get("Wechatpay-Serial", PLATFORM_SERIAL)
        serial = asked if asked in self.courier.keys else PLATFORM_SERIAL
        timestamp, nonce = str(int(clock.now().timestamp())), secrets.token_hex(16)
        signature = signing.sign(
            self.courier.keys[serial], f"{timestamp}\n{nonce}\n".encode() + raw + b"\n"
        )
        response = Response(raw, status, mimetype="application/json")
        response.headers.update(
            {
                "Wechatpay-Timestamp": timestamp,
                "Wechatpay-Nonce": nonce,
                "Wechatpay-Serial": serial,
                "Wechatpay-Signature": signature,
                "Wechatpay-Signature-Type": signing.SCHEME,
            }
        )
        return response

    def open(self, product: str) -> dict[str, Any]:
        """Open an order; the same number again must carry the same values."""
        body = signing.read_json(request.get_data())
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
                "trade_type": {"native": "NATIVE", "jsapi": "JSAPI", "h5": "MWEB"}[
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


def create(folder: Path, base_url: str) -> tuple[Flask, Simulator]:
    """Build the simulator's web application."""
    simulator = Simulator(folder, base_url)
    app = base.application(simulator)
    _protocol(app, simulator)
    add_routes(app, simulator.money, simulator.answer, base_url)
    _cashier(app, simulator)
    _control(app, simulator)

    return app, simulator


def _protocol(app: Flask, simulator: Simulator) -> None:
    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return simulator.answer(error.status, {"code": error.code, "message": error.message})

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if not request.path.startswith("/v3/"):
            return None
        if simulator.courier.policy.fail_api == "500":
            return Response("garbage", 500)
        if simulator.courier.policy.fail_api == "unsigned":
            return Response('{"code_url":"weixin://forged"}', 200, mimetype="application/json")
        simulator.check_request()
        return None

    @app.post("/v3/pay/transactions/<any(native, jsapi, h5):product>")
    def opened(product: str) -> Response:
        body = simulator.open(product)
        if simulator.courier.policy.fail_api == "timeout_after_commit":
            return Response("late", 504)
        return simulator.answer(200, body)

    @app.get("/v3/pay/transactions/out-trade-no/<number>")
    def queried(number: str) -> Response:
        order = simulator.journal.order(number)
        if order is None:
            raise Refused(404, "ORDER_NOT_EXIST")
        return simulator.answer(200, simulator.transaction(order))

    @app.get("/v3/pay/transactions/id/<number>")
    def queried_by_id(number: str) -> Response:
        rows = simulator.journal.run("SELECT * FROM orders WHERE transaction_id = ?", number)
        if not rows:
            raise Refused(404, "ORDER_NOT_EXIST")
        return simulator.answer(200, simulator.transaction(rows[0]))

    @app.post("/v3/pay/transactions/out-trade-no/<number>/close")
    def closed(number: str) -> Response:
        with simulator.journal.lock:
            order = simulator.journal.order(number)
            if order is None:
                raise Refused(404, "ORDER_NOT_EXIST")
            if order["state"] == "SUCCESS":
                raise Refused(400, "ORDER_PAID")
            simulator.journal.run(
                "UPDATE orders SET state = 'CLOSED' WHERE out_trade_no = ?", number
            )
        return simulator.answer(204, None)


def _cashier(app: Flask, simulator: Simulator) -> None:
    @app.get("/connect/oauth2/authorize")
    def authorise() -> ResponseReturnValue:
        """Know the browser silently and send it back with a code."""
        payer = request.cookies.get("payer") or f"o{secrets.token_hex(13)}"
        query = urlencode({"code": payer, "state": request.args.get("state", "")})
        response = redirect(f"{request.args.get('redirect_uri', '/')}?{query}", 302)
        response.set_cookie("payer", payer, httponly=True, samesite="Lax")
        return response

    @app.get("/sns/oauth2/access_token")
    def token() -> ResponseReturnValue:
        code = request.args.get("code", "")
        if request.args.get("secret") != APP_SECRET or not code.startswith("o"):
            return {"errcode": 40029, "errmsg": "invalid code"}
        return {"openid": code, "access_token": "simulated", "scope": "snsapi_base"}

    @app.get("/")
    def orders() -> ResponseReturnValue:
        rows = simulator.journal.run("SELECT * FROM orders ORDER BY created DESC LIMIT 50")
        found = [{**dict(row), "body": json.loads(row["body"])} for row in rows]
        return render_template("orders.html", orders=found)

    @app.route("/cashier/<code>", methods=["GET", "POST"])
    def cashier(code: str) -> ResponseReturnValue:
        """Show an order to a person, who pays or goes back."""
        order = simulator.journal.by_code(code)
        if order is None:
            abort(404)
        back = request.values.get("return") or request.values.get("redirect_url") or ""
        if request.method == "POST":
            payer = request.cookies.get("payer") or f"o{secrets.token_hex(13)}"
            simulator.pay(code, payer)
            return redirect(back or f"/cashier/{code}", 303)
        body = json.loads(order["body"])
        return render_template("cashier.html", order=order, body=body, back=back)


def _control(app: Flask, simulator: Simulator) -> None:
    @app.post("/_ctl/pay")
    def pay() -> ResponseReturnValue:
        asked = request.get_json()
        openid = asked.get("openid") or f"o{secrets.token_hex(13)}"
        is_paid = simulator.pay(asked["order"], openid, asked.get("total"))
        return {"paid": is_paid}


def main() -> None:
    """Serve until asked to stop."""
    base.run(create, base.arguments(__doc__).parse_args())


if __name__ == "__main__":
    main()
