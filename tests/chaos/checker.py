"""Comparing the product's books with the providers' journals: lost, doubled, wrong, phantom, and the rest."""

import json
from collections.abc import Callable
from typing import LiteralString

import psycopg

from fundraising import clock
from local.stack import Stack, StackFailed
from tests.chaos.database import rows
from tests.chaos.sides import Truth

FACTS: LiteralString = """
    SELECT coalesce(a.merchant_ref, f.merchant_ref, f.fact_ref), f.kind IN ('refunded', 'disputed'),
           count(*), sum(f.amount_fen)::bigint
    FROM payment_fact f LEFT JOIN payment_attempt a ON a.id = f.attempt_id
    WHERE f.kind IN ('paid', 'refunded', 'disputed') GROUP BY 1, 2
"""
CLEARING: LiteralString = (
    "SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_posting "
    "WHERE account IN ('1009.01', '1009.03', '1009.04')"
)
UNSETTLED: LiteralString = """
    SELECT (SELECT count(*) FROM payment_inbox WHERE state = 'new'),
           (SELECT count(*) FROM payment_refund WHERE state IN ('approved', 'submitted'))
"""
UNDONE: LiteralString = "SELECT count(*) FROM outbox_work WHERE done_at IS NULL AND dead_at IS NULL"

WAITING: LiteralString = """
    SELECT 'notice ' || event_type || ' waits for ' || coalesce(waits_for, 'a worker') AS what,
           attempts, due_at, last_error FROM payment_inbox WHERE state = 'new'
    UNION ALL SELECT 'refund ' || state, query_count, query_due_at, last_error
    FROM payment_refund WHERE state IN ('approved', 'submitted')
    UNION ALL SELECT 'payment ' || state || ' of ' || provider, query_count, query_due_at, NULL
    FROM payment_attempt WHERE merchant_ref = ANY(%s)
"""
MOST_TOLD = 20

Counted = dict[str, tuple[int, int]]
"""How often and how many fen, by our number of the payment."""


def _booked(stack: Stack) -> tuple[Counted, Counted]:
    """Return what the books know: what came in, and what went back."""
    found: tuple[Counted, Counted] = ({}, {})
    for ref, is_back, times, fen in rows(stack, FACTS):
        found[is_back][ref] = (times, fen)
    return found


def waits_for(stack: Stack, truth: Truth) -> str:
    """Say what is not in the books yet; nothing when every payment and refund is, and no notice waits."""
    try:
        paid, back = _booked(stack)
        ((notices, refunds),) = rows(stack, UNSETTLED)
    except psycopg.Error as away:
        return type(away).__name__
    missing = {
        "payments": len(truth.paid.keys() - paid.keys()),
        "back": sum(times > back.get(ref, (0, 0))[0] for ref, times in truth.times.items()),
        "notices": notices,
        "refunds": refunds,
    }
    return ", ".join(f"{number} {what}" for what, number in missing.items() if number)


def stragglers(stack: Stack, truth: Truth) -> list[str]:
    """Say of what is late how often it was tried, and in how many seconds it is due again."""
    try:
        paid, _ = _booked(stack)
        missing = [*(truth.paid.keys() - paid.keys())]
        found = rows(stack, WAITING, [missing])
    except psycopg.Error as away:
        return [type(away).__name__]
    now = clock.now()
    return [
        f"{what}: tried {tries} times, due in {(due - now).total_seconds() if due else 0:.1f} s, {error}"
        for what, tries, due, error in found[:MOST_TOLD]
    ]


def has_rested(stack: Stack) -> bool:
    """Whether receipts and letters are made too; they come after the money."""
    try:
        return rows(stack, UNDONE) == [(0,)]
    except psycopg.Error:
        return False


def findings(stack: Stack, truth: Truth) -> list[str]:
    """Return everything that is not as the providers' journals and the rules say."""
    found = []
    for name, check in CHECKS.items():
        try:
            found += [f"{name}: {what}" for what in check(stack, truth)]
        except (psycopg.Error, StackFailed, ValueError) as failed:
            found.append(f"{name}: {str(failed)[:300]}")
    return found


def _payments(stack: Stack, truth: Truth) -> list[str]:
    paid, _ = _booked(stack)
    found = [f"lost {ref}" for ref in truth.paid.keys() - paid.keys()]
    found += [f"phantom {ref}" for ref in paid.keys() - truth.paid.keys()]
    found += [f"doubled {ref}" for ref, (times, _) in paid.items() if times > 1]
    found += [
        f"wrong {ref}: {paid[ref][1]} of {fen}"
        for ref, fen in truth.paid.items()
        if ref in paid and paid[ref][1] != fen
    ]
    return found


def _back(stack: Stack, truth: Truth) -> list[str]:
    """Refunds and disputes, however they came about."""
    _, back = _booked(stack)
    found = []
    for ref in sorted(truth.back.keys() | back.keys()):
        times, fen = back.get(ref, (0, 0))
        wanted, wanted_fen = truth.times.get(ref, 0), truth.back.get(ref, 0)
        if times != wanted:
            word = "lost" if times < wanted else "doubled" if wanted else "phantom"
            found.append(f"{word} {ref}: {times} of {wanted}")
        elif fen != wanted_fen:
            found.append(f"wrong {ref}: {fen} of {wanted_fen}")
    return found


def _clearing(stack: Stack, truth: Truth) -> list[str]:
    ((booked,),) = rows(stack, CLEARING)
    total = sum(truth.paid.values()) - sum(truth.back.values())
    return [] if booked == total else [f"clearing {booked} of {total}"]


def _gifts(stack: Stack, truth: Truth) -> list[str]:
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


def _receipts(stack: Stack, truth: Truth) -> list[str]:
    del truth
    query: LiteralString = """
        SELECT g.order_no, count(w.id) FROM giving_gift g
        LEFT JOIN outbox_work w ON w.key = 'receipt:' || g.id
        WHERE g.paid_at IS NOT NULL GROUP BY g.id HAVING count(w.id) <> 1
    """
    return [f"gift {order} has {n} receipts" for order, n in rows(stack, query)]


def _dead(stack: Stack, truth: Truth) -> list[str]:
    del truth
    query: LiteralString = (
        "SELECT 'notice ' || id FROM payment_inbox WHERE state = 'dead' UNION ALL "
        "SELECT kind || ' ' || id FROM outbox_work WHERE dead_at IS NOT NULL"
    )
    return [f"dead {what}" for (what,) in rows(stack, query)]


def _books(stack: Stack, truth: Truth) -> list[str]:
    del truth
    try:
        printed = stack.command("books", "check", "--json")
    except StackFailed as failed:
        return [str(failed)[-400:]]
    answer = json.loads(printed.splitlines()[-1])
    return [] if answer["ok"] else [str(answer["findings"])[:400]]


CHECKS: dict[str, Callable[[Stack, Truth], list[str]]] = {
    "payments": _payments,
    "back": _back,
    "clearing": _clearing,
    "gifts": _gifts,
    "receipts": _receipts,
    "dead": _dead,
    "books": _books,
}
