"""Comparing the product's books with the provider's journal: lost, doubled, wrong, phantom, and the rest."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, LiteralString

import psycopg

from local.stack import Stack, StackFailed

FACTS: LiteralString = (
    "SELECT merchant_ref, count(*), sum(amount_fen)::bigint FROM payment_fact WHERE kind = 'paid' "
    "GROUP BY merchant_ref"
)
UNSETTLED: LiteralString = "SELECT count(*) FROM payment_inbox WHERE state = 'new'"
UNDONE: LiteralString = "SELECT count(*) FROM outbox_work WHERE done_at IS NULL AND dead_at IS NULL"


def rows(stack: Stack, query: LiteralString) -> list[tuple[Any, ...]]:
    """Ask the product's database; raises psycopg.Error while it is away."""
    assert stack.postgres is not None
    with stack.postgres.connect(database="fundraising") as connection:
        return connection.execute(query).fetchall()


def converged(stack: Stack, truth: Mapping[str, int]) -> bool:
    """Whether every payment is a fact in the books, and no notice waits."""
    try:
        facts = {ref: fen for ref, _, fen in rows(stack, FACTS)}
        return facts.keys() >= truth.keys() and rows(stack, UNSETTLED) == [(0,)]
    except psycopg.Error:
        return False


def has_rested(stack: Stack) -> bool:
    """Whether receipts and letters are made too; they come after the money."""
    try:
        return rows(stack, UNDONE) == [(0,)]
    except psycopg.Error:
        return False


def wait_until_converged(stack: Stack, truth: Mapping[str, int], seconds: float) -> float:
    """Return how long it took, or ``seconds`` when it never came."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if converged(stack, truth):
            return time.monotonic() - start
        time.sleep(0.2)
    return seconds


def findings(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    """Return everything that is not as the provider's journal and the rules say."""
    found = []
    for name, check in CHECKS.items():
        try:
            found += [f"{name}: {what}" for what in check(stack, truth)]
        except (psycopg.Error, StackFailed, ValueError) as failed:
            found.append(f"{name}: {str(failed)[:300]}")
    return found


def _payments(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    facts = {ref: (n, fen) for ref, n, fen in rows(stack, FACTS)}
    found = [f"lost {ref}" for ref in truth.keys() - facts.keys()]
    found += [f"phantom {ref}" for ref in facts.keys() - truth.keys()]
    found += [f"doubled {ref}" for ref, (n, _) in facts.items() if n > 1]
    found += [
        f"wrong {ref}: {facts[ref][1]} of {fen}"
        for ref, fen in truth.items()
        if ref in facts and facts[ref][1] != fen
    ]
    return found


def _clearing(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    query: LiteralString = "SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_posting WHERE account = '1009.01'"
    ((booked,),) = rows(stack, query)
    total = sum(truth.values())
    return [] if booked == total else [f"clearing {booked} of {total}"]


def _gifts(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    """Every gift is paid once, by a payment of its own amount; everything else is held apart."""
    del truth
    query: LiteralString = """
        SELECT g.order_no, g.amount_fen, g.state, g.paid_at IS NOT NULL,
               count(f.id) FILTER (WHERE f.amount_fen = g.amount_fen),
               count(f.id) FILTER (WHERE f.outcome = 'settled')
        FROM giving_gift g
        LEFT JOIN payment_attempt a ON a.order_id = g.id
        LEFT JOIN payment_fact f ON f.attempt_id = a.id AND f.kind = 'paid'
        GROUP BY g.id
    """
    found = []
    for order, _, state, is_paid, fitting, settled in rows(stack, query):
        if is_paid != bool(fitting) or settled != int(bool(fitting)):
            found.append(f"gift {order} is {state} with {fitting} fitting, {settled} settled")
    return found


def _rest(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    del truth
    ((left,),) = rows(stack, UNDONE)
    return [f"{left} pieces of work wait for ever"] if left else []


def _receipts(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    del truth
    query: LiteralString = """
        SELECT g.order_no, count(w.id) FROM giving_gift g
        LEFT JOIN outbox_work w ON w.key = 'receipt:' || g.id
        WHERE g.paid_at IS NOT NULL GROUP BY g.id HAVING count(w.id) <> 1
    """
    return [f"gift {order} has {n} receipts" for order, n in rows(stack, query)]


def _dead(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    del truth
    query: LiteralString = (
        "SELECT 'notice ' || id FROM payment_inbox WHERE state = 'dead' UNION ALL "
        "SELECT kind || ' ' || id FROM outbox_work WHERE dead_at IS NOT NULL"
    )
    return [f"dead {what}" for (what,) in rows(stack, query)]


def _books(stack: Stack, truth: Mapping[str, int]) -> list[str]:
    del truth
    try:
        printed = stack.command("books", "check", "--json")
    except StackFailed as failed:
        return [str(failed)[-400:]]
    answer = json.loads(printed.splitlines()[-1])
    return [] if answer["ok"] else [str(answer["findings"])[:400]]


CHECKS: dict[str, Callable[[Stack, Mapping[str, int]], list[str]]] = {
    "payments": _payments,
    "clearing": _clearing,
    "gifts": _gifts,
    "receipts": _receipts,
    "rest": _rest,
    "dead": _dead,
    "books": _books,
}
