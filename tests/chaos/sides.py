"""The providers in a storm: their simulators served by this process, never killed; their journals are the truth."""

import json
import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from flask import Flask
from werkzeug.serving import make_server

from fundraising import clock
from fundraising.payments.providers.alipay import signing as alipay_signing
from fundraising.payments.providers.wechatpay import signing as wechat_signing
from fundraising.payments.simulators import alipay, stripe, wechatpay, wechatpay_orders
from fundraising.payments.simulators.alipay_trades import yuan
from local.processes import free_port

WECHAT_RETRY, ALIPAY_RETRY, STRIPE_RETRY = 30.0, 480.0, 120.0
"""How much faster than in life a courier tries again: half a second after it failed."""

Headers = dict[str, str]


@dataclass(frozen=True)
class Truth:
    """What really happened, by our number of the payment: fen that came, fen that went back, how often."""

    paid: dict[str, int]
    back: dict[str, int]
    times: dict[str, int]


class Side(ABC):
    """One provider: its books, and how its notices look."""

    name: ClassVar[str]
    path: ClassVar[str]
    simulator: Any
    app: Flask

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / self.name, free_port()
        self.app, self.simulator = self._create(f"http://127.0.0.1:{self.port}")
        self.server = make_server("127.0.0.1", self.port, self.app, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @abstractmethod
    def _create(self, url: str) -> tuple[Flask, Any]:
        """Build the simulator."""

    @abstractmethod
    def know(self, ref: str, fen: int, notify_url: str) -> None:
        """Write an order as if the product had opened it."""

    @abstractmethod
    def pay(self, ref: str, payer: str, total: int | None) -> None:
        """Let somebody pay, now; the notice waits in the journal."""

    @abstractmethod
    def give_back(self, ref: str, chance: random.Random) -> None:
        """Send a part of a payment back from the provider's own console, without asking us."""

    @abstractmethod
    def signed(self, body: str, *, is_forged: bool) -> tuple[Headers, bytes]:
        """Return a notice as it is sent."""

    @abstractmethod
    def truth(self) -> tuple[dict[str, int], list[tuple[str, int]]]:
        """Return what was paid by our number, and every movement back."""

    def settings(self) -> dict[str, str]:
        """Return what the product must be told to speak to this provider."""
        lines = (self.folder / "settings.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def run(self, statement: str, *values: Any) -> list[Any]:
        """Ask the journal."""
        return list(self.simulator.journal.run(statement, *values))

    def notices(self) -> list[tuple[str, str]]:
        """Take all that waits out of the courier's hands, to be sent by the storm."""
        rows = self.run("SELECT out_trade_no, body FROM notices ORDER BY rowid")
        self.run("UPDATE notices SET due = NULL")
        return [(row["out_trade_no"], row["body"]) for row in rows]

    def stop(self) -> None:
        """End the server and the courier."""
        courier = self.simulator.courier
        if courier.thread.is_alive():
            courier.stop()
        self.server.shutdown()
        self.server.server_close()
        courier.http.close()


class WechatSide(Side):
    """WeChat Pay."""

    name, path = "wechatpay", "/payments/wechatpay/notify"

    def _create(self, url: str) -> tuple[Flask, Any]:
        app, simulator = wechatpay.create(self.folder, url)
        simulator.courier.policy.speed = WECHAT_RETRY
        return app, simulator

    def know(self, ref: str, fen: int, notify_url: str) -> None:
        body = {
            "appid": wechatpay_orders.APPID,
            "mchid": wechatpay_orders.MCHID,
            "description": "chaos",
            "out_trade_no": ref,
            "notify_url": notify_url,
            "amount": {"total": fen, "currency": "CNY"},
        }
        self.run(
            "INSERT INTO orders (out_trade_no, body, product, code, state, total, created) "
            "VALUES (?, ?, 'native', ?, 'NOTPAY', ?, ?)",
            ref, json.dumps(body), f"code-{ref}", fen, clock.now().timestamp(),
        )  # fmt: skip

    def pay(self, ref: str, payer: str, total: int | None) -> None:
        assert self.simulator.orders.pay(f"code-{ref}", payer, total)

    def give_back(self, ref: str, chance: random.Random) -> None:
        order = self.simulator.journal.order(ref)
        number = f"CONSOLE{chance.getrandbits(64):x}"
        self.simulator.refunds.start(number, order, chance.randint(1, order["total"]), {})

    def signed(self, body: str, *, is_forged: bool) -> tuple[Headers, bytes]:
        keys, raw = self.simulator.keys, body.encode()
        stamp, nonce = str(int(clock.now().timestamp())), f"{random.getrandbits(128):032x}"
        key = keys.forger if is_forged else keys.platform
        return {
            "Content-Type": "application/json",
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": wechatpay.PLATFORM_SERIAL,
            "Wechatpay-Signature": wechat_signing.sign(
                key, f"{stamp}\n{nonce}\n".encode() + raw + b"\n"
            ),
            "Wechatpay-Signature-Type": wechat_signing.SCHEME,
        }, raw

    def truth(self) -> tuple[dict[str, int], list[tuple[str, int]]]:
        paid = self.run("SELECT out_trade_no, total FROM orders WHERE state = 'SUCCESS'")
        back = self.run("SELECT out_trade_no, amount FROM refunds WHERE status = 'SUCCESS'")
        return (
            {row["out_trade_no"]: row["total"] for row in paid},
            [(row["out_trade_no"], row["amount"]) for row in back],
        )


class AlipaySide(Side):
    """Alipay."""

    name, path = "alipay", "/payments/alipay/notify"

    def _create(self, url: str) -> tuple[Flask, Any]:
        app, simulator = alipay.create(self.folder, url)
        simulator.courier.policy.speed = ALIPAY_RETRY
        return app, simulator

    def know(self, ref: str, fen: int, notify_url: str) -> None:
        asked = {
            "out_trade_no": ref,
            "total_amount": yuan(fen),
            "subject": "chaos",
            "timeout_express": "120m",
        }
        self.simulator.trades.open("qr", asked, notify_url, "")

    def pay(self, ref: str, payer: str, total: int | None) -> None:
        assert self.simulator.trades.pay(ref, payer, total)

    def give_back(self, ref: str, chance: random.Random) -> None:
        """A part only: of a whole refund of a scanned code Alipay tells nobody, the bill says it."""
        order = self.simulator.journal.order(ref)
        number = f"CONSOLE{chance.getrandbits(64):x}"
        self.simulator.trades.send_back(order, number, chance.randint(1, order["total"] - 1))

    def signed(self, body: str, *, is_forged: bool) -> tuple[Headers, bytes]:
        courier = self.simulator.courier
        fields = json.loads(body)
        raw = courier.form(fields)
        if is_forged:
            sign = alipay_signing.sign(courier.forger, alipay_signing.text_to_sign(fields.items()))
            raw = urlencode({**fields, "sign": sign, "sign_type": "RSA2"}).encode()
        return {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, raw

    def truth(self) -> tuple[dict[str, int], list[tuple[str, int]]]:
        paid = self.run("SELECT out_trade_no, total FROM orders WHERE paid IS NOT NULL")
        back = self.run("SELECT out_trade_no, amount FROM refunds WHERE done IS NOT NULL")
        return (
            {row["out_trade_no"]: row["total"] for row in paid},
            [(row["out_trade_no"], row["amount"]) for row in back],
        )


class StripeSide(Side):
    """Stripe, where cardholders dispute payments too."""

    name, path = "stripe", "/payments/stripe/webhook"

    def _create(self, url: str) -> tuple[Flask, Any]:
        app, simulator = stripe.create(self.folder, url)
        simulator.courier.policy.speed = STRIPE_RETRY
        return app, simulator

    def know(self, ref: str, fen: int, notify_url: str) -> None:
        self.simulator.courier.url = notify_url
        price = {"unit_amount": fen, "currency": "cny", "product_data": {"name": "chaos"}}
        self.simulator.account.open(
            {
                "mode": "payment",
                "client_reference_id": ref,
                "metadata": {"attempt": ref},
                "payment_intent_data": {"metadata": {"attempt": ref}},
                "line_items": {"0": {"quantity": "1", "price_data": price}},
                "expires_at": str(int(clock.now().timestamp()) + 7200),
                "success_url": notify_url,
                "cancel_url": notify_url,
            }
        )

    def pay(self, ref: str, payer: str, total: int | None) -> None:
        account = self.simulator.account
        assert account.pay(account.find(ref), f"{payer}@example.org", total)

    def give_back(self, ref: str, chance: random.Random) -> None:
        account = self.simulator.account
        intent = account.find(ref)["payment_intent"]
        if chance.random() < 0.3:
            account.dispute(self.simulator.journal.get(intent))
            return
        total = self.simulator.journal.get(intent)["amount_received"]
        account.refund({"payment_intent": intent, "amount": chance.randint(1, total)})

    def signed(self, body: str, *, is_forged: bool) -> tuple[Headers, bytes]:
        raw = body.encode()
        sent = raw.replace(b"evt_", b"evt_f", 1) if is_forged else raw
        header = self.simulator.courier.signature(raw)
        return {"Content-Type": "application/json", "Stripe-Signature": header}, sent

    def truth(self) -> tuple[dict[str, int], list[tuple[str, int]]]:
        told = self.simulator.journal.dump()
        paid = [s for s in told["orders"] if s["payment_status"] == "paid"]
        back = [r for r in told["refunds"] if r["status"] == "succeeded"] + told["disputes"]
        return (
            {s["client_reference_id"]: s["amount_total"] for s in paid},
            [(row["out_trade_no"], row["amount"]) for row in back],
        )


class Sides:
    """All providers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        made = [side(folder) for side in (WechatSide, AlipaySide, StripeSide)]
        self.all: dict[str, Side] = {side.name: side for side in made}

    def settings(self) -> dict[str, str]:
        """Return what the product must be told."""
        return {key: value for side in self.all.values() for key, value in side.settings().items()}

    def truth(self) -> Truth:
        """Return what really happened until now."""
        paid: dict[str, int] = {}
        back: Counter[str] = Counter()
        times: Counter[str] = Counter()
        for side in self.all.values():
            came, went = side.truth()
            paid |= came
            for ref, fen in went:
                back[ref] += fen
                times[ref] += 1
        return Truth(paid, dict(back), dict(times))

    def deliver(self) -> None:
        """Let the couriers bring what is told from now on: refunds that the product asks for."""
        for side in self.all.values():
            side.simulator.courier.start()

    def stop(self) -> None:
        """End all."""
        for side in self.all.values():
            side.stop()
