"""Five hundred donors give while every process is killed in turn: nothing is lost, nothing doubled."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from uuid import uuid4

import httpx
import psycopg

from fundraising import outbound
from local.stack import Stack

DONORS = 500
VICTIMS = ("web", "worker", "relay", "valkey", "postgres", "beat", "simulator")
PATIENCE = 90.0


class Donor:
    """Somebody who insists: repeats what got no answer, under the same key, as browsers and people do."""

    def __init__(self, stack: Stack, http: httpx.Client, number: int) -> None:
        self.stack, self.http, self.number, self.key = stack, http, number, uuid4().hex
        self.deadline = time.monotonic() + PATIENCE

    def give(self) -> str:
        """Start a gift, pay it, and return its order number."""
        order = str(self._insist(self._start))
        self._insist(lambda: self._pay(order))
        return order

    def _insist(self, action: Callable[[], str | bool]) -> str | bool:
        while time.monotonic() < self.deadline:
            try:
                result = action()
                if result:
                    return result
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"donor {self.number} got no answer in {PATIENCE} seconds")

    def _start(self) -> str:
        body = {
            "campaign": "aed-2025",
            "amount_fen": 100 + self.number,
            "channel": "wechatpay.native",
            "idempotency_key": self.key,
        }
        answer = self.http.post(f"{self.stack.base_url}/api/v1/checkout", json=body)
        return str(answer.json()["order_no"]) if answer.status_code == 201 else ""

    def _pay(self, order: str) -> bool:
        answer = self.http.post(f"{self.stack.simulator_url}/_ctl/pay", json={"order": order})
        return answer.status_code == 200


def kill_in_turn(stack: Stack, stop: threading.Event) -> None:
    """Kill each process once, with a pause between."""
    for victim in VICTIMS:
        if stop.wait(1.2):
            return
        pid = stack.pid(victim)
        if pid:
            os.kill(pid, signal.SIGKILL)


def rows(stack: Stack, query: LiteralString) -> list[tuple[Any, ...]]:
    """Ask the product's database."""
    assert stack.postgres is not None
    with stack.postgres.connect(database="fundraising") as connection:
        return connection.execute(query).fetchall()


def settled(stack: Stack) -> dict[str, int]:
    """Return the paid gifts of our own channel by order number."""
    try:
        found = rows(
            stack,
            "SELECT order_no, amount_fen FROM giving_gift WHERE channel = 'wechatpay' AND paid_at IS NOT NULL",
        )
    except psycopg.Error:
        return {}
    return dict(found)


def test_killing_any_process_loses_and_doubles_nothing(stack: Stack) -> None:
    stop = threading.Event()
    killer = threading.Thread(target=kill_in_turn, args=(stack, stop))
    killer.start()
    with ThreadPoolExecutor(12) as crowd, outbound.client(6) as http:
        orders = set(crowd.map(lambda n: Donor(stack, http, n).give(), range(DONORS)))
    killer.join()
    stop.set()
    with outbound.client(10) as http:
        journal = http.get(f"{stack.simulator_url}/_ctl/journal").json()
        truth = {
            o["out_trade_no"]: o["total"] for o in journal["orders"] if o["state"] == "SUCCESS"
        }
        http.post(f"{stack.simulator_url}/_ctl/policy", json={"speed": 20})
        http.post(f"{stack.simulator_url}/_ctl/release", json={})
    deadline = time.monotonic() + PATIENCE
    while settled(stack) != truth and time.monotonic() < deadline:
        time.sleep(0.5)

    assert len(orders) == DONORS
    assert set(truth) == orders
    assert settled(stack) == truth
    ((booked,),) = rows(
        stack,
        "SELECT sum(amount_minor)::bigint FROM ledger_posting WHERE account = '1009.01' AND amount_minor > 0",
    )
    assert booked == sum(truth.values())
    assert json.loads(stack.command("books", "check", "--json").splitlines()[-1])["ok"]
