"""Our client, and an independent one, against WeChat Pay's own side as we wrote it."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpayv3 import WeChatPay, WeChatPayType
from werkzeug.serving import make_server

from config import Settings
from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers import registry
from fundraising.payments.providers.base import (
    CloseResult,
    InAppProvider,
    OrderRequest,
    OrderState,
    PayKind,
    Product,
    Provider,
    ProviderRejected,
    ProviderUnavailable,
)
from fundraising.payments.providers.wechatpay import WechatPay, signing
from fundraising.payments.simulators import wechatpay as simulated
from fundraising.payments.simulators.wechatpay import Simulator
from fundraising.payments.simulators.wechatpay_orders import APPID, MCHID
from local.processes import free_port
from tests.conftest import settings_for


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    patch = pytest.MonkeyPatch()
    patch.setenv("ENVIRONMENT", "test")
    port = free_port()
    folder = tmp_path_factory.mktemp("simulator")
    app, made = simulated.create(folder, f"http://127.0.0.1:{port}")
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.courier.start()
    yield made
    made.courier.stop()
    made.courier.http.close()
    server.shutdown()
    server.server_close()
    made.journal.connection.close()
    patch.undo()


@pytest.fixture
def provider(simulator: Simulator, tmp_path: Path) -> Iterator[InAppProvider]:
    lines = (simulator.keys.folder / "settings.env").read_text().splitlines()
    values = {name.lower(): value for name, _, value in (line.partition("=") for line in lines)}
    settings: Settings = settings_for("postgresql://x/y", tmp_path, **values)
    (built,) = registry.build(settings).values()
    assert isinstance(built, WechatPay)
    yield built
    built.http.close()


def order(
    number: str, product: Product = Product.WECHATPAY_NATIVE, fen: int = 1000
) -> OrderRequest:
    return OrderRequest(
        merchant_ref=number,
        product=product,
        amount=Money(fen),
        description="测试",
        expires_at=clock.now().replace(microsecond=0) + timedelta(minutes=30),
        notify_url="http://127.0.0.1:9/payments/wechatpay/notify",
        payer_openid="o123",
        client_ip="127.0.0.1",
    )


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        (Product.WECHATPAY_NATIVE, PayKind.QR),
        (Product.WECHATPAY_JSAPI, PayKind.JSAPI),
        (Product.WECHATPAY_H5, PayKind.REDIRECT),
    ],
)
def test_an_order_is_opened_paid_and_found(
    provider: Provider, simulator: Simulator, product: Product, kind: PayKind
) -> None:
    number = f"OPEN{product.name[-6:]}0000"
    instruction = provider.open_order(order(number, product))
    assert instruction.kind is kind
    assert provider.query(number).state is OrderState.NOTPAY

    assert simulator.orders.pay(number, "o-somebody")

    found = provider.query(number)
    assert found.state is OrderState.PAID
    assert (found.facts[0].amount, found.facts[0].payer) == (Money(1000), "o-somebody")
    assert provider.close(number) is CloseResult.ALREADY_PAID


def test_case_48_opening_again_with_the_same_values_gives_the_same_code(provider: Provider) -> None:
    same = order("SAME0000000001")

    assert provider.open_order(same) == provider.open_order(same)


def test_case_49_opening_again_with_another_amount_is_refused(provider: Provider) -> None:
    first = order("OTHER000000001")
    provider.open_order(first)

    with pytest.raises(ProviderRejected):
        provider.open_order(OrderRequest(**{**first.__dict__, "amount": Money(1)}))


def test_closing_ends_an_order_and_may_be_repeated(
    provider: Provider, simulator: Simulator
) -> None:
    provider.open_order(order("CLOSE000000001"))

    assert provider.close("CLOSE000000001") is CloseResult.CLOSED
    assert provider.close("CLOSE000000001") is CloseResult.CLOSED
    assert provider.query("CLOSE000000001").state is OrderState.CLOSED
    assert not simulator.orders.pay("CLOSE000000001", "o-late")


def test_an_order_nobody_opened_does_not_exist(provider: Provider) -> None:
    assert provider.query("NEVER000000001").state is OrderState.NOT_EXIST
    assert provider.close("NEVER000000001") is CloseResult.NOT_EXIST


@pytest.mark.parametrize("fault", ["500", "unsigned", "timeout_after_commit"])
def test_an_answer_that_cannot_be_believed_is_unknown(
    provider: Provider, simulator: Simulator, fault: str
) -> None:
    simulator.courier.policy.fail_api = fault
    try:
        with pytest.raises(ProviderUnavailable):
            provider.open_order(order(f"FAULT{fault.upper()[:8]}0001".replace("_", "")))
    finally:
        simulator.courier.policy.fail_api = ""


def test_the_openid_comes_silently(provider: InAppProvider, simulator: Simulator) -> None:
    url = provider.openid_url("http://127.0.0.1:9/back", "state1").partition("#")[0]
    answer = httpx.get(url, trust_env=False)

    code = httpx.URL(answer.headers["location"]).params["code"]
    assert httpx.URL(answer.headers["location"]).params["state"] == "state1"
    assert provider.openid(code).startswith("o")
    with pytest.raises(ProviderRejected):
        provider.openid("wrong")


def test_the_simulator_refuses_what_is_not_signed_by_the_merchant(simulator: Simulator) -> None:
    answer = httpx.post(
        f"{simulator.base_url}/v3/pay/transactions/native", json={}, trust_env=False
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


def test_notices_are_retried_and_kept_in_the_journal(
    provider: Provider, simulator: Simulator
) -> None:
    provider.open_order(order("RETRY000000001"))
    simulator.orders.pay("RETRY000000001", "o-1")

    deadline = time.monotonic() + 5
    tries = 0
    while time.monotonic() < deadline and not tries:
        tries = next(
            n["tries"]
            for n in simulator.journal.dump()["notices"]
            if n["out_trade_no"] == "RETRY000000001"
        )
        time.sleep(0.02)
    assert tries >= 1


def test_an_independent_client_pays_queries_and_closes(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``wechatpayv3`` was written by others: what it accepts is not only our own mirror image."""
    keys = simulator.keys
    client = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=MCHID,
        private_key=(keys.folder / "merchant.pem").read_text(),
        cert_serial_no=simulated.MERCHANT_SERIAL,
        apiv3_key=simulated.APIV3_KEY,
        appid=APPID,
        notify_url="http://127.0.0.1:9/payments/wechatpay/notify",
        logger=logging.getLogger("independent"),
        public_key=(keys.folder / "verify" / f"{simulated.PUBLIC_KEY_ID}.pem").read_text(),
        public_key_id=simulated.PUBLIC_KEY_ID,
    )
    monkeypatch.setattr(client._core, "_gate_way", simulator.base_url)

    status, body = client.pay(
        description="测试", out_trade_no="INDEP000000001", amount={"total": 100}
    )
    assert status == 200
    assert json.loads(body)["code_url"].startswith("weixin://")
    simulator.orders.pay("INDEP000000001", "o-independent")
    status, body = client.query(out_trade_no="INDEP000000001")
    assert (status, json.loads(body)["trade_state"]) == (200, "SUCCESS")
    client.pay(description="测试", out_trade_no="INDEP000000002", amount={"total": 100})
    status, _ = client.close(out_trade_no="INDEP000000002")
    assert status == 204
    assert _callback_is_understood(client, simulator)


def _callback_is_understood(client: Any, simulator: Simulator) -> bool:
    paid = simulator.journal.order("INDEP000000001")
    number = simulator.courier.add(
        "X", "http://127.0.0.1:9/", simulator.orders.transaction(paid), "TRANSACTION.SUCCESS"
    )
    (row,) = simulator.journal.run("SELECT body FROM notices WHERE id = ?", number)
    raw = row["body"]
    stamp, nonce = str(int(time.time())), "n" * 32
    message = f"{stamp}\n{nonce}\n{raw}\n".encode()
    headers = {
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": simulated.PUBLIC_KEY_ID,
        "Wechatpay-Signature": signing.sign(simulator.keys.public, message),
        "Wechatpay-Signature-Type": signing.SCHEME,
    }
    result = client.callback(headers, raw)
    return bool(result and result["resource"]["out_trade_no"] == "INDEP000000001")
