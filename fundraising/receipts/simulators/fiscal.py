"""The finance department's side on loopback, for development and tests; refused in production.

``python -m fundraising.receipts.simulators.fiscal --port P --state-dir DIR`` checks our signature,
issues bills and red ones once per request number, keeps its own journal, and can be slow, silent,
refusing or gone after it did the work (``/_ctl/policy``). What it issues is marked 模拟 everywhere.
"""

import hmac
import html
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.i18n import fen
from fundraising.payments.simulators import base, safety
from fundraising.receipts.fiscal.client import signature

UNIT = "SIMULATOR-UNIT"
KEY = "SIMULATOR-FISCAL-KEY"
REGION = "99130025"
SCHEMA = """
CREATE TABLE IF NOT EXISTS bill (n INTEGER PRIMARY KEY AUTOINCREMENT, request_no TEXT UNIQUE NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, red_of TEXT UNIQUE, issued_on TEXT NOT NULL);
"""


class Ledger:
    """Bills by request number, safe between threads, kept across a kill."""

    def __init__(self, folder: Path, base_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.base_url = base_url
        self.db = sqlite3.connect(
            folder / "bills.sqlite", check_same_thread=False, isolation_level=None
        )
        self.db.row_factory = sqlite3.Row
        self.db.executescript(SCHEMA)
        self.lock = threading.RLock()
        self.policy: dict[str, Any] = {}

    def rows(self, where: str = "1", *values: Any) -> list[sqlite3.Row]:
        """Return bills."""
        with self.lock:
            query = f"SELECT * FROM bill WHERE {where} ORDER BY n"  # noqa: S608  own conditions
            return list(self.db.execute(query, values))

    def take(self, kind: str, body: dict[str, Any], red_of: str | None) -> sqlite3.Row:
        """Write a request; the same number again is the same bill, whatever it says."""
        with self.lock:
            self.db.execute(
                "INSERT OR IGNORE INTO bill (request_no, kind, body, state, red_of, issued_on) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    body["request_no"],
                    kind,
                    json.dumps(body, ensure_ascii=False),
                    "pending" if self.policy.get("pending") else "issued",
                    red_of,
                    clock.today().isoformat(),
                ),
            )
            return self.rows("request_no = ?", body["request_no"])[0]

    def answer(self, row: sqlite3.Row) -> dict[str, Any]:
        """Say what became of a request."""
        if row["state"] == "pending" and self.policy.get("pending"):
            return {"outcome": "pending"}
        body = json.loads(row["body"])
        number = f"{row['n']:010d}"
        return {
            "outcome": "void" if row["state"] == "void" else "issued",
            "amount_fen": body.get("amount_fen", 0),
            "code": REGION,
            "number": number,
            "check_code": f"{row['n'] * 7919 % 1_000_000:06d}",
            "issued_on": row["issued_on"],
            "url": f"{self.base_url}/bills/{REGION}/{number}",
        }


def create(folder: Path, base_url: str) -> tuple[Flask, Ledger]:
    """Return the simulator's application and its books."""
    safety.refuse_in_production()
    app = Flask(__name__)
    ledger = Ledger(folder, base_url)
    (folder / "settings.env").write_text(
        f"FISCAL_BASE_URL={base_url}\nFISCAL_UNIT_CODE={UNIT}\nFISCAL_KEY={KEY}\n"
    )
    _interface(app, ledger)
    _control(app, ledger)
    _pages(app, ledger)
    return app, ledger


def _interface(app: Flask, ledger: Ledger) -> None:
    @app.post("/api/issue")
    def issue() -> ResponseReturnValue:
        body = _signed_body()
        refused = _refusal(ledger)
        return refused or _done(ledger, ledger.answer(ledger.take("blue", body, None)))

    @app.post("/api/red")
    def red() -> ResponseReturnValue:
        body = _signed_body()
        refused = _refusal(ledger)
        if refused:
            return refused
        known = ledger.rows("n = ? AND kind = 'blue'", int(body["number"]))
        other = ledger.rows("red_of = ? AND request_no <> ?", body["number"], body["request_no"])
        if not known or other:
            return _signed({"outcome": "rejected", "reason": "票据不存在或已冲红"})
        return _done(ledger, ledger.answer(ledger.take("red", body, body["number"])))

    @app.post("/api/find")
    def find() -> ResponseReturnValue:
        body = _signed_body()
        if ledger.policy.get("down"):
            abort(503)
        rows = ledger.rows("request_no = ?", body["request_no"])
        return _signed(ledger.answer(rows[0]) if rows else {"outcome": "unknown"})


def _control(app: Flask, ledger: Ledger) -> None:
    @app.post("/_ctl/policy")
    def policy() -> ResponseReturnValue:
        ledger.policy = request.get_json()
        return ledger.policy

    @app.get("/_ctl/journal")
    def journal() -> ResponseReturnValue:
        return {"bills": [dict(row) for row in ledger.rows()]}


def _refusal(ledger: Ledger) -> Response | None:
    if ledger.policy.get("down"):
        abort(503)
    if reason := ledger.policy.get("reject"):
        return _signed({"outcome": "rejected", "reason": reason})
    return None


def _done(ledger: Ledger, answer: dict[str, Any]) -> Response:
    if ledger.policy.get("lose_answer"):
        abort(500)
    if ledger.policy.get("forge"):
        return Response(json.dumps(answer), mimetype="application/json")
    return _signed(answer)


def _signed_body() -> dict[str, Any]:
    raw = request.get_data(as_text=True)
    told = request.headers
    parts = (told.get("X-Unit", ""), request.path, told.get("X-Time", ""), told.get("X-Nonce", ""))
    expected = signature(KEY.encode(), *parts, raw)
    is_late = abs(clock.now().timestamp() - float(told.get("X-Time") or 0)) > 300
    if (
        parts[0] != UNIT
        or is_late
        or not hmac.compare_digest(told.get("X-Signature", ""), expected)
    ):
        abort(401)
    body: dict[str, Any] = json.loads(raw)
    return body


def _signed(answer: dict[str, Any]) -> Response:
    raw = json.dumps(answer, ensure_ascii=False)
    response = Response(raw, mimetype="application/json")
    nonce = request.headers.get("X-Nonce", "")
    response.headers["X-Signature"] = signature(KEY.encode(), nonce, raw)
    return response


def _pages(app: Flask, ledger: Ledger) -> None:
    @app.get("/")
    def index() -> ResponseReturnValue:
        items = "".join(
            f'<li><a href="/bills/{REGION}/{row["n"]:010d}">{row["n"]:010d}</a> {row["kind"]}</li>'
            for row in ledger.rows()[-100:]
        )
        return _page("财政电子票据系统（模拟）", f"<ul>{items}</ul>")

    @app.get("/bills/<code>/<number>")
    def bill(code: str, number: str) -> ResponseReturnValue:
        rows = ledger.rows("n = ?", int(number)) if number.isdecimal() else []
        if not rows or code != REGION:
            abort(404)
        body = json.loads(rows[0]["body"])
        kind = "红票" if rows[0]["kind"] == "red" else "电子票据"
        amount = fen(body["amount_fen"]) if "amount_fen" in body else ""
        facts = [
            ("票据代码", code),
            ("票据号码", number),
            ("交款人", str(body.get("payer_name", ""))),
            ("金额", amount),
        ]
        rows_html = "".join(f"<dt>{n}</dt><dd>{html.escape(v)}</dd>" for n, v in facts if v)
        return _page(f"{kind}（模拟，不具效力）", f"<dl>{rows_html}</dl>")


def _page(title: str, body: str) -> Response:
    """Return a page that looks like nobody's bill."""
    return Response(
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{title}</title><h1>{title}</h1>{body}'
    )


def main() -> None:
    """Serve until asked to stop."""
    asked = base.arguments(__doc__).parse_args()
    app, _ = create(asked.state_dir, f"http://{asked.host}:{asked.port}")
    base.serve(app, asked)


if __name__ == "__main__":
    main()
