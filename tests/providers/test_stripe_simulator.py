"""Stripe's own side against its published library and our adapter. Numbers name the cases of the reference."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe as library

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillRow,
    BillStatus,
    CloseResult,
    FactKind,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    RefundState,
    RowKind,
)
from fundraising.payments.providers.stripe import Stripe
from fundraising.payments.simulators import stripe as simulators
from fundraising.references import order_number
from tests.providers import sides
from tests.providers.sides import Side


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with sides.open_side("stripe", tmp_path_factory.mktemp("stripe")) as side:
        yield side


@pytest.fixture
def side(opened: Side) -> Iterator[Side]:
    for table in ("objects", "keys", "notices"):
        opened.simulator.journal.run(f"DELETE FROM {table}")
    opened.simulator.offset = 0.0
    yield opened
    sides.plain(opened)


@pytest.fixture
def adapter(side: Side) -> Stripe:
    assert isinstance(side.adapter, Stripe)
    return side.adapter


@pytest.fixture
def number() -> str:
    return order_number()


@pytest.fixture
def client(adapter: Stripe) -> library.StripeClient:
    """The published library as anybody uses it."""
    return library.StripeClient(
        adapter.secret_key, base_addresses={"api": adapter.base_url}, max_network_retries=0
    )


def rows(side: Side, folder: Path, kind: BillKind) -> list[BillRow]:
    file = folder / kind
    assert side.adapter.fetch_bill(clock.today(), kind, file) is BillStatus.READY
    return list(side.adapter.read_bill(file, kind))


def intent_of(side: Side, number: str) -> dict[str, Any]:
    session = side.simulator.account.find(number)
    found: dict[str, Any] = side.simulator.journal.get(session["payment_intent"])
    return found


def test_the_library_opens_finds_pays_and_refunds_at_our_simulator(
    side: Side, client: library.StripeClient, number: str
) -> None:
    made = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "client_reference_id": number,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "cny",
                        "unit_amount": 1314,
                        "product_data": {"name": "AED"},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {"attempt": number}},
            "expires_at": int(clock.now().timestamp()) + 3600,
            "success_url": "http://127.0.0.1:9/back",
            "cancel_url": "http://127.0.0.1:9/back",
        }
    )
    assert side.pay(number)

    found = client.v1.checkout.sessions.retrieve(made.id)
    refund = client.v1.refunds.create({"payment_intent": str(found.payment_intent), "amount": 314})
    moves = client.v1.balance_transactions.list({"limit": 1})

    assert (found.payment_status, refund.status, refund.amount) == ("paid", "succeeded", 314)
    assert [move.amount for move in moves.auto_paging_iter()] == [-314, 1314]


def test_case_49_a_key_used_for_other_values_is_refused_and_the_same_is_the_first_answer(
    client: library.StripeClient, side: Side, number: str
) -> None:
    side.paid(number)
    intent = intent_of(side, number)["id"]

    def refund(fen: int) -> str:
        asked: Any = {"payment_intent": intent, "amount": fen}
        return client.v1.refunds.create(asked, {"idempotency_key": "one"}).id

    assert refund(100) == refund(100)
    with pytest.raises(library.IdempotencyError):
        refund(101)


def test_a_wrong_key_is_refused_and_our_order_is_unknown(adapter: Stripe, number: str) -> None:
    wrong = Stripe(
        adapter.account, "sk_test_other", adapter.webhook_secrets, adapter.base_url, adapter.http
    )

    with pytest.raises(ProviderUnavailable):
        wrong.query(number)


def test_another_currency_is_refused_for_now(side: Side, number: str) -> None:
    with pytest.raises(ProviderRejected):
        side.adapter.open_order(side.order(number, amount=Money(1000, "USD")))


def test_an_order_is_closed_once_and_its_page_with_it(side: Side, number: str) -> None:
    side.adapter.open_order(side.order(number))
    assert side.adapter.query(number).state is OrderState.NOTPAY

    assert [side.adapter.close(number) for _ in range(2)] == [CloseResult.CLOSED] * 2
    assert side.adapter.query(number).state is OrderState.CLOSED
    assert not side.pay(number)
    ((_, raw),) = side.notices_of(number)
    (fact,) = side.adapter.parse(raw)
    assert (fact.kind, fact.merchant_ref) == (FactKind.CLOSED, number)


def test_a_payment_too_old_to_be_listed_is_found_by_its_number(side: Side, number: str) -> None:
    side.simulator.offset = -30 * 86_400.0
    expires = clock.now() - timedelta(days=30) + timedelta(hours=1)
    side.adapter.open_order(side.order(number, expires_at=expires))
    side.pay(number)
    side.simulator.offset = 0.0

    (fact,) = side.adapter.query(number).facts

    assert (fact.kind, fact.amount, fact.merchant_ref) == (FactKind.PAID, Money(1000), number)
    assert abs(fact.occurred_at - expires) < timedelta(hours=2)


def test_a_refund_that_waits_ends_and_one_that_fails_brings_its_money_back(
    side: Side, number: str
) -> None:
    side.paid(number)
    side.simulator.courier.policy.refund_state = "pending"
    wish = side.wish(f"R{number}", number, 400)
    assert side.adapter.refund(wish).state is RefundState.PROCESSING

    (refund,) = side.simulator.journal.all("refund")
    refund = side.simulator.account.end_refund(refund, "succeeded")
    assert side.adapter.query_refund(wish).state is RefundState.SUCCEEDED

    side.simulator.account.end_refund(refund, "failed")
    failed = side.adapter.query_refund(wish)
    kinds = [fact.kind for fact in failed.facts]
    assert (failed.state, kinds) == (RefundState.FAILED, [FactKind.REFUNDED, FactKind.RETURNED])


def test_a_refund_is_made_once_even_after_its_key_is_forgotten(side: Side, number: str) -> None:
    side.paid(number)
    wish = side.wish(f"R{number}", number, 400)
    side.adapter.refund(wish)
    side.simulator.journal.run("DELETE FROM keys")

    side.adapter.refund(wish)

    assert [r["amount"] for r in side.simulator.journal.dump()["refunds"]] == [400]


def test_case_69_a_refund_of_the_dashboard_is_asked_about_by_its_own_number(
    side: Side, number: str, tmp_path: Path
) -> None:
    side.paid(number)
    made = side.simulator.account.refund({"payment_intent": intent_of(side, number)["id"]})

    found = side.adapter.query_refund(side.wish(made["id"], number, 0))
    told = [r for r in rows(side, tmp_path, BillKind.TRADE) if r.kind is RowKind.REFUND]

    assert [(f.kind, f.fact_ref, f.amount) for f in found.facts] == [
        (FactKind.REFUNDED, made["id"], Money(1000))
    ]
    assert [(r.ref, r.merchant_ref, r.minor) for r in told] == [(made["id"], number, 1000)]


# ---------------------------------------------------------------------- the balance


def test_case_90_a_payout_is_the_sum_of_what_it_paid_out(side: Side, tmp_path: Path) -> None:
    for number in (order_number(), order_number()):
        side.paid(number, 10_000)
    payout = side.simulator.account.payout()

    told = rows(side, tmp_path, BillKind.FUND_FLOW)

    fees = [r.minor for r in told if r.kind is RowKind.FEE]
    assert fees == [340, 340]
    assert [(r.ref, r.minor) for r in told if r.kind is RowKind.PAYOUT] == [
        (payout["id"], 20_000 - 680)
    ]
    assert sum(r.minor for r in told if r.kind is RowKind.PAID) == 20_000


def test_case_90_a_payout_by_hand_and_one_of_another_sum_are_for_a_person(
    side: Side, number: str, tmp_path: Path
) -> None:
    side.paid(number, 10_000)
    by_hand = side.simulator.account.payout(500)
    other = side.simulator.account.payout()
    (move,) = [m for m in side.simulator.journal.all("move") if m["type"] == "charge"]
    side.simulator.journal.put("move", move["source"], {**move, "payout": None})

    told = rows(side, tmp_path, BillKind.FUND_FLOW)

    named = {r.ref: r.kind for r in told if r.ref in (by_hand["id"], other["id"])}
    assert set(named.values()) == {RowKind.OTHER}
    assert len(named) == 2


def test_a_day_waits_while_a_payout_is_taken_apart(side: Side, number: str, tmp_path: Path) -> None:
    side.paid(number)
    payout = side.simulator.account.payout()
    payout["reconciliation_status"] = "in_progress"
    side.simulator.journal.put("payout", payout["id"], payout)

    status = side.adapter.fetch_bill(clock.today(), BillKind.TRADE, tmp_path / "bill")

    assert (status, list(tmp_path.iterdir())) == (BillStatus.NOT_READY, [])


def test_a_dispute_and_its_fee_are_movements_of_the_balance(
    side: Side, number: str, tmp_path: Path
) -> None:
    side.paid(number)
    dispute = side.simulator.account.dispute(intent_of(side, number))
    side.simulator.account.reinstate(dispute)

    told = rows(side, tmp_path, BillKind.FUND_FLOW)
    facts = [fact for _, raw in side.notices_of(number) for fact in side.adapter.parse(raw)]

    moved = [(r.kind, r.ref, r.merchant_ref, r.minor) for r in told if r.ref == dispute["id"]]
    assert sorted(moved) == [
        (kind, dispute["id"], number, 1000) for kind in (RowKind.DISPUTE, RowKind.RETURNED)
    ]
    assert 1500 in [r.minor for r in told if r.kind is RowKind.FEE]
    assert {fact.kind for fact in facts} == {
        FactKind.PAID,
        FactKind.DISPUTED,
        FactKind.RETURNED,
    }


def test_many_movements_come_page_by_page(side: Side, number: str, tmp_path: Path) -> None:
    for at in range(205):
        side.simulator.account._move("stripe_fee", -1 - at, 0, f"fee_{at}")
    side.simulator.journal.run(
        "INSERT INTO objects (id, kind, number, body) SELECT json_extract(body, '$.source'), 'fee', '', "
        "json_object('id', json_extract(body, '$.source')) FROM objects WHERE kind = 'move'"
    )

    told = rows(side, tmp_path, BillKind.FUND_FLOW)

    assert sorted(r.minor for r in told if r.kind is RowKind.FEE) == list(range(1, 206))


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "nonsense\n",
        "[]\n",
        '{"rows": 1, "net": 0}\n',
        '{"rows": 0, "net": 0}\n{"rows": 0, "net": 0}\n',
    ],
)
def test_what_is_no_file_of_ours_is_refused(adapter: Stripe, tmp_path: Path, lines: str) -> None:
    file = tmp_path / "bill"
    file.write_text(lines)

    with pytest.raises(BillBroken):
        list(adapter.read_bill(file, BillKind.TRADE))


# ---------------------------------------------------------------------- delivery


def test_events_go_out_doubled_and_are_sent_again_until_they_are_taken(
    side: Side, number: str
) -> None:
    taken: list[tuple[str, bytes]] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.headers["Stripe-Signature"], raw))
            self.send_response(500 if len(taken) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    door = HTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    courier = side.simulator.courier
    courier.url, courier.policy.speed = f"http://127.0.0.1:{door.server_port}/", 600.0
    try:
        side.paid(number)
        deadline = time.monotonic() + 10
        while len(taken) < 2 and time.monotonic() < deadline:
            courier._deliver_due()
    finally:
        courier.url = ""
        door.shutdown()
        door.server_close()

    assert len({json.loads(raw)["id"] for _, raw in taken}) == 1
    for signature, raw in taken:
        side.adapter.authenticate({"Stripe-Signature": signature}, raw, clock.now())


def test_the_simulator_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")

    with pytest.raises(SystemExit, match="production"):
        simulators.create(tmp_path, "http://127.0.0.1:1")
