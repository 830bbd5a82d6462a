"""Defects that people really make, each put into a running product to see that the storm finds it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

DROPS = {
    "facts_without_unique_key": (
        "ALTER TABLE payment_fact DROP CONSTRAINT uq_payment_fact_provider_account_kind_fact_ref"
    ),
}
"""What a planted run does to the schema first, as its owner."""


def plant(name: str) -> None:
    """Put a defect into this process."""
    DEFECTS[name].plant()


def _facts_without_unique_key() -> None:
    """Facts are not told apart: what is heard by notice and by question is booked twice."""
    from fundraising.payments import facts

    facts.known = lambda _unique: {}  # type: ignore[assignment]


def _inbox_without_unique_key() -> None:
    """Every delivery is a notice of its own, and payments are told apart by the notice."""
    from dataclasses import replace

    from fundraising.giving import settlement
    from fundraising.payments.providers.alipay.client import Alipay
    from fundraising.payments.providers.base import FactKind
    from fundraising.payments.providers.stripe.client import Stripe
    from fundraising.payments.providers.wechatpay.client import WechatPay
    from fundraising.references import uuid7

    plain_apply = settlement.apply_facts

    def apply(told: Any) -> Any:
        own = [f"{fact.fact_ref}-{uuid7()}"[:64] for fact in told]
        return plain_apply(
            [
                replace(fact, fact_ref=ref) if fact.kind is FactKind.PAID else fact
                for fact, ref in zip(told, own, strict=True)
            ]
        )

    def renamed(plain: Any) -> Any:
        def authenticate(*given: Any) -> Any:
            envelope = plain(*given)
            return replace(envelope, dedup_key=f"{envelope.dedup_key}-{uuid7()}")

        return authenticate

    for adapter in (Alipay, Stripe, WechatPay):
        adapter.authenticate = renamed(adapter.authenticate)  # type: ignore[method-assign]
    settlement.apply_facts = apply


def _early_ack() -> None:
    """A notice is marked as done before it is applied, in a transaction of its own."""
    from fundraising.database import transaction
    from fundraising.giving import settlement
    from fundraising.payments import inbox

    def drain(budget: Any, at_once: int = 40) -> int:
        deadline = time.monotonic() + budget.total_seconds()
        while time.monotonic() < deadline:
            with transaction():
                notices = inbox.claim(at_once)
                inbox.done([notice.id for notice in notices])
            if not notices:
                return 0
            time.sleep(0.25)
            with transaction():
                settlement._apply_notices(notices)
        return 1

    settlement.drain = drain


def _outbox_outside() -> None:
    """Work is written after the commit of its cause."""
    from fundraising.giving import settlement
    from fundraising.outbox import service as outbox

    later: list[tuple[Any, ...]] = []
    plain_many, plain_drain = outbox.add_many, settlement.drain

    def drain(budget: Any, at_once: int = 40) -> int:
        done = plain_drain(budget, at_once)
        time.sleep(0.25)
        from fundraising.database import transaction

        with transaction():
            while later:
                plain_many(*later.pop())
        return done

    outbox.add_many = lambda *given: later.append(given)
    settlement.drain = drain


def _amount_not_compared() -> None:
    """Whatever came is taken as what was asked for."""
    from fundraising.giving import settlement

    def trusting(_fact: Any, _row: Any, *, is_paid: bool) -> str:
        return "duplicate" if is_paid else "settled"

    settlement._outcome = trusting  # type: ignore[assignment]


def _amount_of_the_order() -> None:
    """The order's amount is booked, not the one that came."""
    from dataclasses import replace

    from fundraising.giving import settlement

    plain = settlement._judge

    def judge(told: Any, found: Any) -> Any:
        bent = [
            replace(f, amount=row.amount) if (row := found.of(f)) is not None else f for f in told
        ]
        return plain(bent, found)

    settlement._judge = judge


def _second_payment_is_a_gift() -> None:
    """An order paid twice is settled twice, and nothing keeps its money from its fund's lane."""
    from dataclasses import replace

    from fundraising.database import db
    from fundraising.funds import service as funds
    from fundraising.giving import settlement
    from fundraising.references import uuid7

    plain, plain_lots = settlement._outcome, funds.add_lots

    def forgetful(fact: Any, row: Any, **_known: bool) -> str:
        return plain(fact, row, is_paid=False)

    def add(fund_id: Any, lots: Any) -> None:
        query = text("SELECT source_id FROM fund_lot WHERE source_id = ANY(:ids)")
        known = set(db.session.execute(query, {"ids": [lot.source_id for lot in lots]}).scalars())
        for lot in lots:
            again = lot.source_id in known
            known.add(lot.source_id)
            plain_lots(fund_id, [replace(lot, source_id=uuid7()) if again else lot])

    funds.add_lots = add
    settlement._outcome = forgetful


def _signature_not_checked() -> None:
    """Every notice is believed; a forger's is no better than the platform's."""
    from fundraising.payments.providers.wechatpay import signing

    signing.verify = lambda *_args: None


def _answer_before_keeping() -> None:
    """The provider is thanked although the database did not take the notice."""
    from fundraising.payments import routes

    def reply(adapter: Any, status: int) -> Any:
        from flask import Response

        return Response(status=204 if status == 503 else adapter.reply(status).status)

    routes._reply = reply


def _never_asks() -> None:
    """Notices that never come are not asked about."""
    from fundraising.payments import polling

    polling.poll_due = lambda _apply, _limit=20: 0  # type: ignore[assignment]
    polling.has_due = lambda: False


def _fold_forgets() -> None:
    """Folding drops what it folds."""
    from fundraising.database import db
    from fundraising.ledger import service as ledger

    def fold() -> int:
        gone = db.session.execute(text("DELETE FROM ledger_total_delta RETURNING 1"))
        return len(gone.all())

    ledger.fold_totals = fold


def _days_forgotten() -> None:
    """A day's total is written now and then."""
    from fundraising.giving import day_totals

    plain = day_totals.add
    day_totals.add = lambda days: plain(days) if time.time_ns() % 2 else None


def _lots_forgotten() -> None:
    """Money is booked and never put on its fund's lane."""
    from fundraising.funds import service as funds

    funds.add_lots = lambda _fund_id, _lots: None  # type: ignore[assignment]


def _listens_only() -> None:
    """The relay rings only the queue that a NOTIFY names: what came while it was dead waits for ever."""
    import psycopg

    from worker import handlers

    if "worker.relay" not in sys.orig_argv:
        return
    heard: set[str] = set()
    plain = psycopg.Connection.notifies

    def notifies(self: Any, **given: Any) -> Any:
        for told in plain(self, **given):
            heard.add(told.payload)
            yield told

    def due() -> set[str]:
        named = set(heard)
        heard.clear()
        return named

    psycopg.Connection.notifies = notifies  # type: ignore[method-assign]
    handlers.due_queues = due


def _refund_of_the_whole() -> None:
    """A refund of a part is booked as if all of the payment had gone."""
    from dataclasses import replace

    from fundraising.giving import outgoing
    from fundraising.payments.providers.base import FactKind

    def left(back: Any) -> str:
        return plain(replace(back, fact=replace(back.fact, amount=back.order.amount)))

    plain = outgoing.VERBS[FactKind.REFUNDED]
    outgoing.VERBS[FactKind.REFUNDED] = left


def _early_refund_forgotten() -> None:
    """A refund that comes before its payment is taken as done."""
    from fundraising.giving import settlement

    settlement._put_early_back = lambda _readable, _result: None  # type: ignore[assignment]


@dataclass(frozen=True)
class Defect:
    """What is planted, what must be seen of it, and where the small storm strikes."""

    plant: Callable[[], None]
    shows: str
    aim: str = "mixed"


DEFECTS = {
    "facts_without_unique_key": Defect(_facts_without_unique_key, "payments: doubled"),
    "inbox_without_unique_key": Defect(_inbox_without_unique_key, "payments: doubled"),
    "early_ack": Defect(_early_ack, "payments: lost", "worker"),
    "outbox_outside": Defect(_outbox_outside, "receipts: ", "worker"),
    "amount_not_compared": Defect(_amount_not_compared, "gifts: "),
    "amount_of_the_order": Defect(_amount_of_the_order, "payments: wrong"),
    "second_payment_is_a_gift": Defect(_second_payment_is_a_gift, "gifts: "),
    "signature_not_checked": Defect(_signature_not_checked, "forged: "),
    "answer_before_keeping": Defect(_answer_before_keeping, "payments: lost", "database"),
    "never_asks": Defect(_never_asks, "payments: lost"),
    "fold_forgets": Defect(_fold_forgets, "books: "),
    "days_forgotten": Defect(_days_forgotten, "books: "),
    "lots_forgotten": Defect(_lots_forgotten, "books: "),
    "listens_only": Defect(_listens_only, "payments: lost", "relay"),
    "refund_of_the_whole": Defect(_refund_of_the_whole, "back: wrong"),
    "early_refund_forgotten": Defect(_early_refund_forgotten, "back: lost"),
}
