"""Both sides of a provider for the contract suite: our adapter, and its simulator served on loopback."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from config import Settings
from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers import registry
from fundraising.payments.providers.agreements import AgreementProvider
from fundraising.payments.providers.base import OrderRequest, Product, Provider, RefundRequest
from fundraising.payments.providers.wechatpay import signing
from fundraising.payments.simulators import alipay, stripe, wechatpay
from local.processes import free_port
from tests.conftest import settings_for


class Side(ABC):
    """One provider. A further provider joins the contract by a subclass and a line in ``SIDES``."""

    product: Product
    simulator: Any
    adapter: Provider
    agreements: dict[str, AgreementProvider]

    @abstractmethod
    def notice(self, body: str) -> tuple[dict[str, str], bytes]:
        """Return a notice of the simulator's journal as it is sent: headers and body."""

    @abstractmethod
    def pay(self, number: str) -> bool:
        """Let somebody pay an order."""

    @abstractmethod
    def fault(self, name: str) -> None:
        """Make the simulator's answers fail; an empty name ends it."""

    @abstractmethod
    def refuse_refunds(self, *, for_now: bool) -> None:
        """Let refunds be refused for lack of balance, or for good."""

    def order(self, number: str, fen: int = 1000, **changed: Any) -> OrderRequest:
        """An order that a test opens."""
        values: dict[str, Any] = {
            "merchant_ref": number,
            "product": self.product,
            "amount": Money(fen),
            "description": "为承德捐 AED {",
            "expires_at": clock.now() + timedelta(minutes=30),
            "notify_url": "http://127.0.0.1:9/payments/notify",
            "return_url": "http://127.0.0.1:9/pay/back",
        }
        return OrderRequest(**{**values, **changed})

    def paid(self, number: str, fen: int = 1000) -> None:
        """Open an order and let somebody pay it."""
        self.adapter.open_order(self.order(number, fen))
        assert self.pay(number)

    def wish(self, number: str, merchant_ref: str, fen: int, total: int = 1000) -> RefundRequest:
        """A refund that a test asks for."""
        return RefundRequest(
            refund_no=number,
            merchant_ref=merchant_ref,
            payment_ref=None,
            amount=Money(fen),
            total=Money(total),
            reason="测试",
            notify_url="http://127.0.0.1:9/payments/notify",
        )

    def notices_of(self, number: str) -> list[tuple[dict[str, str], bytes]]:
        """Every notice about an order, as it is sent."""
        rows = self.simulator.journal.run(
            "SELECT body FROM notices WHERE out_trade_no = ? ORDER BY rowid", number
        )
        return [self.notice(row["body"]) for row in rows]


class WechatSide(Side):
    """WeChat Pay."""

    product = Product.WECHATPAY_NATIVE

    def notice(self, body: str) -> tuple[dict[str, str], bytes]:
        raw, stamp, nonce = body.encode(), str(int(clock.now().timestamp())), "n" * 32
        key = self.simulator.courier.keys[wechatpay.PLATFORM_SERIAL]
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": wechatpay.PLATFORM_SERIAL,
            "Wechatpay-Signature": signing.sign(key, f"{stamp}\n{nonce}\n".encode() + raw + b"\n"),
        }, raw

    def pay(self, number: str) -> bool:
        return bool(self.simulator.orders.pay(number, "o-payer"))

    def fault(self, name: str) -> None:
        self.simulator.courier.policy.fail_api = name

    def refuse_refunds(self, *, for_now: bool) -> None:
        self.simulator.courier.policy.fail_refund = (
            "NOT_ENOUGH" if for_now else "USER_ACCOUNT_ABNORMAL"
        )


class AlipaySide(Side):
    """Alipay."""

    product = Product.ALIPAY_QR

    def notice(self, body: str) -> tuple[dict[str, str], bytes]:
        return {}, self.simulator.courier.form(json.loads(body))

    def pay(self, number: str) -> bool:
        return bool(self.simulator.trades.pay(number, "open-payer"))

    def fault(self, name: str) -> None:
        self.simulator.courier.policy.fail_api = name

    def refuse_refunds(self, *, for_now: bool) -> None:
        code = "SELLER_BALANCE_NOT_ENOUGH" if for_now else "TRADE_NOT_ALLOW_REFUND"
        self.simulator.courier.policy.fail_refund = f"ACQ.{code}"


class StripeSide(Side):
    """Stripe, to which our adapter speaks through its published library."""

    product = Product.STRIPE_CHECKOUT

    def __init__(self) -> None:
        self.ends: dict[str, datetime] = {}

    def order(self, number: str, fen: int = 1000, **changed: Any) -> OrderRequest:
        order = super().order(number, fen, **changed)
        return replace(order, expires_at=self.ends.setdefault(number, order.expires_at))

    def notice(self, body: str) -> tuple[dict[str, str], bytes]:
        raw = body.encode()
        return {"Stripe-Signature": self.simulator.courier.signature(raw)}, raw

    def pay(self, number: str) -> bool:
        account = self.simulator.account
        return bool(account.pay(account.find(number), "giver@example.org"))

    def fault(self, name: str) -> None:
        self.simulator.courier.policy.fail_api = name

    def refuse_refunds(self, *, for_now: bool) -> None:
        self.simulator.courier.policy.fail_refund = (
            "balance_insufficient" if for_now else "charge_disputed"
        )


SIDES: dict[str, tuple[type[Side], Any]] = {
    "wechatpay": (WechatSide, wechatpay.create),
    "alipay": (AlipaySide, alipay.create),
    "stripe": (StripeSide, stripe.create),
}


@contextmanager
def open_side(name: str, folder: Path) -> Iterator[Side]:
    """Serve a provider's simulator and build our adapter from the settings it writes."""
    made, create = SIDES[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVIRONMENT", "test")
        port = free_port()
        app, simulator = create(folder, f"http://127.0.0.1:{port}")
        with _served(app, port):
            side = made()
            settings = _settings(folder)
            built = registry.build(settings)
            side.simulator, side.adapter = simulator, built[name]
            side.agreements = registry.agreements(settings, built)
            try:
                yield side
            finally:
                vars(side.adapter)["http"].close()
                simulator.courier.http.close()
                simulator.journal.connection.close()


def plain(side: Side) -> None:
    """Let the simulator behave again."""
    policy = side.simulator.courier.policy
    for name, value in vars(type(policy)()).items():
        setattr(policy, name, value)


def _settings(folder: Path) -> Settings:
    lines = (folder / "settings.env").read_text().splitlines()
    values = {key.lower(): value for key, _, value in (line.partition("=") for line in lines)}
    return settings_for("postgresql://x/y", folder, **values)


@contextmanager
def _served(app: Flask, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
