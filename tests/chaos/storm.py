"""The provider in a storm: an in-process WeChat Pay whose journal is the truth, and senders that insist.

A share of notices is sent again, a share in another order; some never come and are found by asking. Some
payments carry another amount, some orders are paid twice, and a stranger forges notices.
"""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from werkzeug.serving import make_server

from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators import wechatpay as simulated
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID
from local.processes import free_port

AGAIN, REORDERED, WITHHELD, MISMATCHED, FORGED = 0.20, 0.10, 0.04, 0.02, 0.02
WINDOW = 300
SENDERS = 6
ACKED = (200, 204)


@dataclass
class Provider:
    """WeChat Pay's side in this process, never killed."""

    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"
        app, self.simulator = simulated.create(self.folder, self.url)
        self.server = make_server("127.0.0.1", self.port, app, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self) -> dict[str, str]:
        """Return what the product must be told to speak to this provider."""
        lines = (self.folder / "settings.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def know(self, orders: list[dict[str, Any]], notify_url: str) -> None:
        """Write orders as if the product had opened them."""
        now = time.time()
        for order in orders:
            for number, ref in enumerate(order["refs"]):
                body = {
                    "appid": APPID,
                    "mchid": MCHID,
                    "description": "chaos",
                    "out_trade_no": ref,
                    "notify_url": notify_url,
                    "amount": {"total": order["fen"], "currency": "CNY"},
                }
                self.simulator.journal.run(
                    "INSERT INTO orders (out_trade_no, body, product, code, state, total, created) "
                    "VALUES (?, ?, ?, ?, 'NOTPAY', ?, ?)",
                    ref, json.dumps(body), "h5" if number else "native", f"code-{ref}",
                    order["fen"], now,
                )  # fmt: skip

    def truth(self) -> dict[str, int]:
        """Return what was really paid, by our order number."""
        rows = self.simulator.journal.run(
            "SELECT out_trade_no, total FROM orders WHERE state = 'SUCCESS'"
        )
        return {row["out_trade_no"]: row["total"] for row in rows}

    def stop(self) -> None:
        """End the server."""
        self.server.shutdown()
        self.server.server_close()
        self.simulator.courier.http.close()


@dataclass
class Storm:
    """All notices of a run, and the threads that send them until they are acknowledged."""

    provider: Provider
    base_url: str
    seed: int
    withheld: list[str] = field(default_factory=list)
    forged_accepted: int = 0
    sent: int = 0
    acked: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.lock = threading.Lock()
        self.url = f"{self.base_url}/payments/wechatpay/notify"

    def pay_all(self, orders: list[dict[str, Any]]) -> None:
        """Let everybody pay, now; the notices wait in the provider's journal."""
        for order in orders:
            for ref in order["refs"]:
                total = order["fen"] + 1 if self.chance.random() < MISMATCHED else None
                self.provider.simulator.orders.pay(
                    f"code-{ref}", f"o-{self.chance.random()}", total
                )
                if self.chance.random() < WITHHELD:
                    self.withheld.append(ref)

    def blow(self, spread: float) -> None:
        """Send every notice that is not withheld over so many seconds, and insist."""
        hidden = set(self.withheld)
        rows = [
            (row["out_trade_no"], row["body"].encode())
            for row in self.provider.simulator.journal.run("SELECT * FROM notices ORDER BY rowid")
            if row["out_trade_no"] not in hidden
        ]
        plan = self._plan(rows)
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._send, args=(plan[n::SENDERS], start, spread), daemon=True)
            for n in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(spread + 240)

    def _plan(self, rows: list[tuple[str, bytes]]) -> list[tuple[float, bytes, bool]]:
        """Return when each notice is sent first, as a share of the storm: reordered and doubled."""
        plan = []
        for place, (_, raw) in enumerate(rows):
            moved = place
            if self.chance.random() < REORDERED:
                moved += self.chance.randint(-WINDOW, WINDOW)
            at = min(max(moved, 0) / max(len(rows), 1), 1)
            plan.append((at, raw, False))
            if self.chance.random() < AGAIN:
                later = min(at + self.chance.random() * 0.1, 1)
                plan.append((at if self.chance.random() < 0.5 else later, raw, False))
            if self.chance.random() < FORGED:
                plan.append((at, self._bent(raw), True))
        return sorted(plan, key=lambda step: step[0])

    def _bent(self, raw: bytes) -> bytes:
        body = json.loads(raw)
        body["id"] = f"forged-{self.chance.random()}"
        return json.dumps(body).encode()

    def _send(self, plan: list[tuple[float, bytes, bool]], start: float, spread: float) -> None:
        with httpx.Client(timeout=6, trust_env=False) as http:
            for at, raw, is_forged in plan:
                time.sleep(max(0.0, start + at * spread - time.monotonic()))
                if is_forged:
                    self._forge(http, raw)
                else:
                    self._insist(http, raw)

    def _insist(self, http: httpx.Client, raw: bytes) -> None:
        for tries in range(200):
            with self.lock:
                self.sent += 1
            if self._post(http, raw, "platform") in ACKED:
                with self.lock:
                    self.acked += 1
                return
            time.sleep(min(0.1 * 2**tries, 1.0))

    def _forge(self, http: httpx.Client, raw: bytes) -> None:
        if self._post(http, raw, "forger") in ACKED:
            with self.lock:
                self.forged_accepted += 1

    def _post(self, http: httpx.Client, raw: bytes, signer: str) -> int:
        headers = signed(self.provider, raw, signer)
        try:
            return http.post(self.url, content=raw, headers=headers).status_code
        except httpx.HTTPError:
            return 0


def signed(provider: Provider, raw: bytes, signer: str) -> dict[str, str]:
    """Return the headers of a notice, signed by the platform or by a forger."""
    keys = provider.simulator.keys
    key = keys.platform if signer == "platform" else keys.forger
    timestamp, nonce = str(int(time.time())), f"{random.getrandbits(128):032x}"
    message = f"{timestamp}\n{nonce}\n".encode() + raw + b"\n"
    return {
        "Content-Type": "application/json",
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": simulated.PLATFORM_SERIAL,
        "Wechatpay-Signature": signing.sign(key, message),
        "Wechatpay-Signature-Type": signing.SCHEME,
    }
