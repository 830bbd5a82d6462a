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
from urllib.parse import urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID
from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.payments.providers import strict_json
from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators import base, papay, safety
from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.wechatpay_bills import Bills
from fundraising.payments.simulators.wechatpay_notices import Courier, Policy
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID, Orders, Refused
from fundraising.payments.simulators.wechatpay_refunds import Refunds

MERCHANT_SERIAL = "SIMULATORMERCHANT01"
PLATFORM_SERIAL = "SIMULATORPLATFORM01"
PUBLIC_KEY_ID = "PUB_KEY_ID_SIMULATOR01"
APIV3_KEY = "SIMULATOR-APIV3-KEY-32-BYTES-000"
APP_SECRET = "simulator-app-secret"  # noqa: S105  of the simulator only
SIGNED = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="(.+?)",nonce_str="(.+?)",signature="(.+?)",'
    r'timestamp="([0-9]+)",serial_no="(.+?)"'
)
DAYS = 3650


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
    """The provider: its keys, and how it signs and checks."""

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
            papay.APIV2_KEY,
        )
        self.orders = Orders(self.journal, self.courier, base_url)
        self.refunds = Refunds(self.journal, self.courier)
        self.papay = papay.Papay(self.journal, self.courier, self.orders, base_url)
        self.bills = Bills(self.journal, self.courier, base_url)
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
            "WECHATPAY_APIV2_KEY": papay.APIV2_KEY,
            "WECHATPAY_PLAN_ID": papay.PLAN_ID,
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


def create(folder: Path, base_url: str) -> tuple[Flask, Simulator]:
    """Build the simulator's web application."""
    simulator = Simulator(folder, base_url)
    app = base.application(simulator)
    _guard(app, simulator)
    _orders(app, simulator)
    _refunds(app, simulator)
    _bills(app, simulator)
    _cashier(app, simulator)
    _control(app, simulator)
    app.extensions["simulator"] = simulator
    papay.add(app, simulator.papay)
    return app, simulator


def _guard(app: Flask, simulator: Simulator) -> None:
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


def _orders(app: Flask, simulator: Simulator) -> None:
    orders, policy = simulator.orders, simulator.courier.policy

    @app.post("/v3/pay/transactions/<any(native, jsapi, h5):product>")
    def opened(product: str) -> Response:
        body = orders.open(product, strict_json.read(request.get_data()))
        if policy.fail_api == "timeout_after_commit":
            return Response("late", 504)
        return simulator.answer(200, body)

    @app.get("/v3/pay/transactions/out-trade-no/<number>")
    def queried(number: str) -> Response:
        return simulator.answer(200, orders.transaction(orders.known(number)))

    @app.get("/v3/pay/transactions/id/<number>")
    def queried_by_id(number: str) -> Response:
        return simulator.answer(200, orders.transaction(orders.known_by_id(number)))

    @app.post("/v3/pay/transactions/out-trade-no/<number>/close")
    def closed(number: str) -> Response:
        orders.close(number)
        return simulator.answer(204, None)


def _refunds(app: Flask, simulator: Simulator) -> None:
    refunds, policy = simulator.refunds, simulator.courier.policy

    @app.post("/v3/refund/domestic/refunds")
    def refunded() -> Response:
        told = refunds.refund(strict_json.read(request.get_data()))
        if policy.fail_api == "timeout_after_commit":
            return Response("late", 504)
        return simulator.answer(200, told)

    @app.get("/v3/refund/domestic/refunds/<number>")
    def refund_asked(number: str) -> Response:
        return simulator.answer(200, refunds.known(number))

    @app.post("/_ctl/refund")
    def console() -> ResponseReturnValue:
        return refunds.console(request.get_json())

    @app.post("/_ctl/finish_refund")
    def finish() -> ResponseReturnValue:
        asked = request.get_json()
        refunds.finish(asked["number"], asked["status"])
        return {"finished": True}


def _bills(app: Flask, simulator: Simulator) -> None:
    bills = simulator.bills

    @app.get("/v3/bill/tradebill")
    def trade() -> Response:
        return simulator.answer(200, bills.announce(request.args["bill_date"], "trade"))

    @app.get("/v3/bill/fundflowbill")
    def flow() -> Response:
        return simulator.answer(200, bills.announce(request.args["bill_date"], "flow"))

    @app.get("/v3/billdownload/file")
    def download() -> ResponseReturnValue:
        packed = bills.files.get(request.args.get("token", ""))
        if packed is None:
            return Response("", 403)
        return Response(packed, 200, mimetype="application/octet-stream")

    @app.post("/_ctl/payout")
    def pay_out() -> ResponseReturnValue:
        return {"amount_fen": bills.payout()}

    @app.post("/_ctl/bill_creating")
    def creating() -> ResponseReturnValue:
        bills.creating = int(request.get_json()["times"])
        return {"times": bills.creating}


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
            simulator.orders.pay(code, payer)
            return redirect(back or f"/cashier/{code}", 303)
        body = json.loads(order["body"])
        return render_template("cashier.html", order=order, body=body, back=back)


def _control(app: Flask, simulator: Simulator) -> None:
    @app.post("/_ctl/pay")
    def pay() -> ResponseReturnValue:
        asked = request.get_json()
        openid = asked.get("openid") or f"o{secrets.token_hex(13)}"
        is_paid = simulator.orders.pay(asked["order"], openid, asked.get("total"))
        return {"paid": is_paid}


def main() -> None:
    """Serve until asked to stop."""
    base.run(create, base.arguments(__doc__).parse_args())


if __name__ == "__main__":
    main()
