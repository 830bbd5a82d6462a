"""Attempts with their gifts, locked together for settlement: attempts by id, then gifts by id."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from fundraising.database import db
from fundraising.money import Money
from fundraising.payments.providers.base import Fact


@dataclass(frozen=True)
class Order:
    """An attempt with its gift, as locked."""

    attempt_id: UUID
    attempt_state: str
    provider_ref: str | None
    amount: Money
    gift_id: UUID
    campaign_id: UUID
    fund_id: UUID
    fund_kind: str
    is_paid: bool


class Orders:
    """The orders that a set of facts speaks of, found by our number or by the provider's."""

    def __init__(self, rows: Sequence[tuple[str, str, str, Order]]) -> None:
        self._by_ours = {(name, account, ref): order for name, account, ref, order in rows}
        self._by_theirs = {
            (name, account, order.provider_ref): order
            for name, account, _, order in rows
            if order.provider_ref
        }

    def campaigns(self) -> set[UUID]:
        """Return the campaigns of these orders."""
        return {order.campaign_id for order in self._by_ours.values()}

    def of(self, fact: Fact) -> Order | None:
        """Return the order of a fact, None when it is not ours."""
        found = self._by_ours.get((fact.provider, fact.account, fact.merchant_ref or ""))
        if found is None and fact.payment_ref:
            found = self._by_theirs.get((fact.provider, fact.account, fact.payment_ref))
        return found


def lock(facts: Sequence[Fact]) -> Orders:
    """Lock the attempts and gifts that facts speak of, in the order in which everybody locks them."""
    attempts = _lock_attempts(facts)
    gifts = _lock_gifts({attempt.order_id for attempt in attempts})
    return Orders(
        [
            (a.provider, a.account, a.merchant_ref, _order(a, gifts[a.order_id]))
            for a in attempts
            if a.order_id in gifts
        ]
    )


def _lock_attempts(facts: Sequence[Fact]) -> Sequence[Row[Any]]:
    """Lock what facts may speak of, and what only looks alike at another provider.

    Lists, not a join: PostgreSQL has two indexes that begin alike, and one that knows little of a young
    table would read all of it for each fact. However it reads for lists, it reads once.
    """
    ours = [fact for fact in facts if fact.merchant_ref]
    theirs = [fact for fact in facts if fact.payment_ref and not fact.merchant_ref]
    return db.session.execute(
        text(
            """
            SELECT a.id, a.provider, a.account, a.merchant_ref, a.state, a.provider_ref, a.amount_fen,
                   a.currency, a.order_id
            FROM payment_attempt a
            WHERE a.id IN (
                SELECT id FROM payment_attempt
                WHERE provider = ANY(:providers) AND account = ANY(:accounts) AND merchant_ref = ANY(:refs)
                UNION
                SELECT id FROM payment_attempt
                WHERE provider = ANY(:providers) AND account = ANY(:accounts)
                  AND provider_ref = ANY(:their_refs))
            ORDER BY a.id FOR UPDATE OF a
            """
        ),
        {
            "providers": sorted({fact.provider for fact in facts}),
            "accounts": sorted({fact.account for fact in facts}),
            "refs": [fact.merchant_ref for fact in ours],
            "their_refs": [fact.payment_ref for fact in theirs],
        },
    ).all()


def _lock_gifts(ids: Set[UUID]) -> dict[UUID, Row[Any]]:
    rows = db.session.execute(
        text(
            """
            SELECT g.id, g.campaign_id, g.fund_id, f.kind, g.paid_at IS NOT NULL AS is_paid
            FROM giving_gift g JOIN fund f ON f.id = g.fund_id
            WHERE g.id = ANY(:ids) ORDER BY g.id FOR UPDATE OF g
            """
        ),
        {"ids": list(ids)},
    )
    return {row.id: row for row in rows}


def _order(attempt: Row[Any], gift: Row[Any]) -> Order:
    return Order(
        attempt_id=attempt.id,
        attempt_state=attempt.state,
        provider_ref=attempt.provider_ref,
        amount=Money(attempt.amount_fen, attempt.currency),
        gift_id=gift.id,
        campaign_id=gift.campaign_id,
        fund_id=gift.fund_id,
        fund_kind=gift.kind,
        is_paid=gift.is_paid,
    )
