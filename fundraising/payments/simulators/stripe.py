"""Stripe's side of the protocol on loopback, for development and tests; refused in production.

``python -m fundraising.payments.simulators.stripe --port P --state-dir DIR --webhook-url URL`` speaks as
much of the interface as the product uses: hosted Checkout, idempotency keys, refunds, disputes, balance
transactions and payouts. It keeps its own journal; its behaviour is set under ``/_ctl``. It writes the
settings the product needs to ``DIR/settings.env``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import stripe as library
from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from fundraising.payments.simulators import base, safety
from fundraising.payments.simulators.stripe_account import (
    Account,
    AccountJournal,
    Found,
    Refused,
)
from fundraising.payments.simulators.stripe_events import Courier, Policy

ACCOUNT_ID = "acct_1SIMULATOR"
SECRET_KEY = "sk_test_SIMULATOR00000000000000"  # noqa: S105  no secret: of the simulator
WEBHOOK_SECRET = "whsec_SIMULATOR0000000000000000"  # noqa: S105  the same
MOVEMENTS = "/v1/balance_transactions"


class Simulator(base.Simulator):
    """The provider."""

    journal: AccountJournal
    courier: Courier

    def __init__(self, folder: Path, base_url: str, webhook_url: str) -> None:
        super().__init__(folder, base_url)
        self.journal = AccountJournal(folder / "journal.sqlite")
        self.courier = Courier(self.journal, Policy(), WEBHOOK_SECRET, webhook_url, now=self.now)
        self.account = Account(self.journal, self.courier, base_url, self.now)
        values = {
            "STRIPE_API_BASE": base_url,
            "STRIPE_SIMULATOR_URL": base_url,
            "STRIPE_ACCOUNT_ID": ACCOUNT_ID,
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "STRIPE_MONTHLY": "true",
        }
        safety.write_settings(folder, values)

    # ------------------------------------------------------------------ protocol

    def once(self, act: Callable[[Found], Found]) -> Response:
        """Do what a POST asks for, once under its idempotency key; the first answer is given again."""
        raw = request.get_data()
        asked = hashlib.sha256(request.path.encode() + raw).hexdigest()
        key = request.headers.get("Idempotency-Key", "")
        with self.journal.lock:
            known = self.journal.run("SELECT * FROM keys WHERE key = ?", key)
            if known and known[0]["asked"] != asked:
                raise Refused("", kind="idempotency_error")
            if known:
                return _json(json.loads(known[0]["body"]), known[0]["status"])
            body, status = self._done(act, nested(parse_qsl(raw.decode(), keep_blank_values=True)))
            if key:
                self.journal.run(
                    "INSERT INTO keys (key, asked, status, body) VALUES (?, ?, ?, ?)",
                    key, asked, status, json.dumps(body),
                )  # fmt: skip
        return _json(body, status)

    def _done(self, act: Callable[[Found], Found], asked: Found) -> tuple[Found, int]:
        try:
            return act(asked), 200
        except Refused as refused:
            if not refused.stored:
                raise
            return error(refused), refused.status

    def page(self, found: list[Found], url: str) -> Found:
        """Return a page of a list, the newest first, as limit and cursor ask."""
        limit, after = int(request.args.get("limit", "10")), request.args.get("starting_after")
        if after:
            places = [place for place, one in enumerate(found) if one["id"] == after]
            found = found[places[0] + 1 :] if places else []
        return {
            "object": "list",
            "url": url,
            "data": found[:limit],
            "has_more": len(found) > limit,
        }

    def movements(self) -> Found:
        """Return a page of balance transactions with what they are of written out."""
        asked, fault = request.args, self.courier.policy.bill_fault
        first, end = int(asked.get("created[gte]", "0")), int(asked.get("created[lt]", 10**11))
        found = [m for m in self.journal.all("move") if first <= m["created"] < end]
        if asked.get("payout"):
            found = [m for m in found if m["payout"] == asked["payout"]]
        page = self.page(found, "/v1/charges" if fault == "other_host" else MOVEMENTS)
        if "data.source" in asked.getlist("expand[0]"):
            page["data"] = [{**m, "source": self.journal.get(m["source"])} for m in page["data"]]
        if fault == "truncated":
            page["has_more"] = True
        if fault == "wrong_total" and page["data"]:
            page["data"][0] = {**page["data"][0], "net": page["data"][0]["net"] + 1}
        return page

    def whole(self, intent: Any) -> Any:
        """Return a payment with its charge written out."""
        if not intent:
            return None
        found = self.journal.get(intent)
        charge = found["latest_charge"] and self.journal.get(found["latest_charge"])
        return {**found, "latest_charge": charge}


def nested(pairs: Iterable[tuple[str, str]]) -> Found:
    """Return a form's values with the nesting that its names spell in brackets."""
    found: Found = {}
    for name, value in pairs:
        *way, last = name.replace("]", "").split("[")
        place = found
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return found


def error(refused: Refused) -> Found:
    """Return a refusal as the interface writes it."""
    return {"error": {"type": refused.kind, "code": refused.code or None, "message": "Simulated."}}


def _json(body: Found, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")


def create(folder: Path, base_url: str, webhook_url: str = "") -> tuple[Flask, Simulator]:
    """Build the simulator's web application."""
    simulator = Simulator(folder, base_url, webhook_url)
    app = base.application(simulator)
    base.let_the_clock_move(app, simulator)
    _guard(app, simulator)
    _sessions(app, simulator)
    _money(app, simulator)
    _checkout(app, simulator)
    _control(app, simulator)
    return app, simulator


def _guard(app: Flask, simulator: Simulator) -> None:
    @app.before_request
    def check() -> ResponseReturnValue | None:
        if not request.path.startswith("/v1/"):
            return None
        fault = simulator.courier.policy.fail_api
        if fault == "500":
            return Response("garbage", 500)
        if fault == "unsigned":
            return Response("<html>somebody else's page</html>", 200)
        if request.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            return _json(error(Refused("api_key_invalid", 401)), 401)
        if request.headers.get("Stripe-Version") != library.api_version:
            return _json(error(Refused("api_version_invalid")), 400)
        return None

    @app.after_request
    def late(response: Response) -> Response:
        is_write = request.path.startswith("/v1/") and request.method == "POST"
        if is_write and simulator.courier.policy.fail_api == "timeout_after_commit":
            return Response("late", 504)
        return response

    @app.errorhandler(Refused)
    def refused(found: Refused) -> ResponseReturnValue:
        return _json(error(found), found.status)


def _sessions(app: Flask, simulator: Simulator) -> None:
    account, journal = simulator.account, simulator.journal

    @app.post("/v1/checkout/sessions")
    def open_session() -> ResponseReturnValue:
        return simulator.once(account.open)

    @app.get("/v1/checkout/sessions")
    def list_sessions() -> ResponseReturnValue:
        since = int(request.args.get("created[gte]", "0"))
        found = [s for s in journal.all("session") if s["created"] >= since]
        page = simulator.page(found, "/v1/checkout/sessions")
        page["data"] = [account.fresh(session) for session in page["data"]]
        return _json(page)

    @app.get("/v1/checkout/sessions/<number>")
    def get_session(number: str) -> ResponseReturnValue:
        session = account.fresh(journal.get(number))
        if request.args.get("expand[0]") == "payment_intent.latest_charge":
            session["payment_intent"] = simulator.whole(session["payment_intent"])
        return _json(session)

    @app.post("/v1/checkout/sessions/<number>/expire")
    def expire(number: str) -> ResponseReturnValue:
        return simulator.once(lambda _: account.expire(number))

    @app.get("/v1/payment_intents/search")
    def search() -> ResponseReturnValue:
        wanted = request.args.get("query", "").removeprefix("metadata['attempt']:'")[:-1]
        data = [simulator.whole(intent["id"]) for intent in journal.all("intent", wanted)]
        return _json({"object": "search_result", "data": data, "has_more": False})


def _money(app: Flask, simulator: Simulator) -> None:
    account, journal = simulator.account, simulator.journal

    @app.post("/v1/refunds")
    def refund() -> ResponseReturnValue:
        return simulator.once(account.refund)

    @app.get("/v1/refunds")
    def list_refunds() -> ResponseReturnValue:
        wanted = request.args.get("payment_intent")
        journal.get(wanted or "")
        found = [r for r in journal.all("refund") if r["payment_intent"] == wanted]
        return _json(simulator.page(found, "/v1/refunds"))

    @app.post("/v1/payment_intents")
    def charge() -> ResponseReturnValue:
        return simulator.once(account.charge)

    @app.post("/v1/payment_methods/<number>/detach")
    def forget(number: str) -> ResponseReturnValue:
        return simulator.once(lambda _: account.forget(number))

    @app.get("/v1/refunds/<number>")
    @app.get("/v1/charges/<number>")
    @app.get("/v1/payment_intents/<number>")
    def get_one(number: str) -> ResponseReturnValue:
        return _json(journal.get(number))

    @app.get(MOVEMENTS)
    def movements() -> ResponseReturnValue:
        return _json(simulator.movements())


def _checkout(app: Flask, simulator: Simulator) -> None:
    @app.get("/")
    def orders() -> ResponseReturnValue:
        found = simulator.journal.all("session")[:50]
        return render_template("stripe_orders.html", orders=found)

    @app.route("/c/pay/<number>", methods=["GET", "POST"])
    def checkout(number: str) -> ResponseReturnValue:
        """Show the page on which a person pays by card, or goes back."""
        try:
            session = simulator.account.fresh(simulator.journal.get(number))
        except Refused:
            abort(404)
        if request.method == "POST":
            simulator.account.pay(session, request.form.get("email") or "giver@example.org")
            return redirect(session["success_url"], 303)
        return render_template("stripe_checkout.html", order=session)


def _control(app: Flask, simulator: Simulator) -> None:
    account, journal = simulator.account, simulator.journal

    def session_of(asked: Found) -> Found:
        found = account.find(asked["order"])
        if found is None:
            abort(404)
        return found

    @app.post("/_ctl/pay")
    def ctl_pay() -> ResponseReturnValue:
        asked = request.get_json()
        email = asked.get("email") or "giver@example.org"
        currency = asked.get("currency") or "cny"
        return {"paid": account.pay(session_of(asked), email, asked.get("total"), currency)}

    @app.post("/_ctl/expire")
    def ctl_expire() -> ResponseReturnValue:
        return account.expire(session_of(request.get_json())["id"])

    @app.post("/_ctl/refund")
    def ctl_dashboard() -> ResponseReturnValue:
        """Refund from the dashboard, without any number of ours."""
        asked = request.get_json()
        intent = session_of(asked)["payment_intent"]
        return account.refund({"payment_intent": intent, "amount": asked.get("amount")})

    @app.post("/_ctl/end_refund")
    def ctl_end_refund() -> ResponseReturnValue:
        asked = request.get_json()
        return account.end_refund(journal.get(asked["refund"]), asked["state"])

    @app.post("/_ctl/dispute")
    def ctl_dispute() -> ResponseReturnValue:
        return account.dispute(journal.get(session_of(request.get_json())["payment_intent"]))

    @app.post("/_ctl/reinstate")
    def ctl_reinstate() -> ResponseReturnValue:
        return account.reinstate(journal.get(request.get_json()["dispute"]))

    @app.post("/_ctl/payout")
    def ctl_payout() -> ResponseReturnValue:
        return account.payout(request.get_json().get("amount"))


def main() -> None:
    """Serve until asked to stop."""
    parser = base.arguments(__doc__)
    parser.add_argument("--webhook-url", default="")
    asked = parser.parse_args()
    base.run(partial(create, webhook_url=asked.webhook_url), asked)


if __name__ == "__main__":
    main()
