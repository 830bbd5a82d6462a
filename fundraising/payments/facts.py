"""What providers said, written once per ``(provider, account, kind, number)`` whatever road it came by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from fundraising import clock
from fundraising.database import db
from fundraising.money import Money
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import Fact, FactKind, FactSource

FactKey = tuple[str, str, FactKind, str]
LEAVING = (FactKind.REFUNDED, FactKind.DISPUTED)


@dataclass(frozen=True)
class Kept:
    """A fact with what became of it."""

    id: UUID
    fact: Fact
    attempt_id: UUID | None
    outcome: str


def key(fact: Fact) -> FactKey:
    """Return what makes a fact the same fact."""
    return fact.provider, fact.account, fact.kind, fact.fact_ref


def closed(attempt: Attempt) -> Fact:
    """Return that an attempt was ended unpaid, as its provider answered us just now."""
    return Fact(
        provider=attempt.provider,
        account=attempt.account,
        kind=FactKind.CLOSED,
        fact_ref=attempt.merchant_ref,
        merchant_ref=attempt.merchant_ref,
        amount=Money.zero(attempt.currency),
        occurred_at=clock.now(),
        source=FactSource.QUERY,
    )


def known(unique: Mapping[FactKey, Fact]) -> dict[FactKey, Money]:
    """Return the facts seen before with their amounts, noting the road by which they came this time."""
    keys = list(unique)
    rows = db.session.execute(
        text(
            """
            UPDATE payment_fact f
            SET seen_sources = CASE WHEN t.source = ANY(f.seen_sources) THEN f.seen_sources
                                    ELSE f.seen_sources || t.source END
            FROM unnest(CAST(:providers AS text[]), CAST(:accounts AS text[]), CAST(:kinds AS text[]),
                        CAST(:refs AS text[]), CAST(:sources AS text[])) AS t(provider, account, kind, ref, source)
            WHERE (f.provider, f.account, f.kind, f.fact_ref) = (t.provider, t.account, t.kind, t.ref)
            RETURNING f.provider, f.account, f.kind, f.fact_ref, f.amount_fen, f.currency
            """
        ),
        {
            "providers": [k[0] for k in keys],
            "accounts": [k[1] for k in keys],
            "kinds": [k[2] for k in keys],
            "refs": [k[3] for k in keys],
            "sources": [fact.source for fact in unique.values()],
        },
    )
    return {
        (r.provider, r.account, FactKind(r.kind), r.fact_ref): Money(r.amount_fen, r.currency)
        for r in rows
    }


def amounts(keys: Sequence[FactKey]) -> dict[FactKey, Money]:
    """Return the amounts of facts that are known."""
    rows = db.session.execute(
        text(
            "SELECT provider, account, kind, fact_ref, amount_fen, currency FROM payment_fact "
            "WHERE (provider, account, kind, fact_ref) IN (SELECT * FROM unnest(CAST(:p AS text[]), "
            "CAST(:a AS text[]), CAST(:k AS text[]), CAST(:r AS text[])))"
        ),
        {name: [key[at] for key in keys] for at, name in enumerate("pakr")},
    )
    return {
        (r.provider, r.account, FactKind(r.kind), r.fact_ref): Money(r.amount_fen, r.currency)
        for r in rows
    }


def keep(kept: Sequence[Kept]) -> None:
    """Write a set of new facts with one statement. Raises IntegrityError when one is known."""
    if not kept:
        return
    db.session.execute(
        text(
            """
            INSERT INTO payment_fact (id, provider, account, kind, fact_ref, merchant_ref, attempt_id,
                                      amount_fen, currency, occurred_at, recorded_at, seen_sources, outcome)
            SELECT id, provider, account, kind, ref, merchant, attempt, fen, currency, at, :now,
                   ARRAY[source], outcome
            FROM unnest(CAST(:ids AS uuid[]), CAST(:providers AS text[]), CAST(:accounts AS text[]),
                        CAST(:kinds AS text[]), CAST(:refs AS text[]), CAST(:merchants AS text[]),
                        CAST(:attempts AS uuid[]), CAST(:fens AS bigint[]), CAST(:currencies AS text[]),
                        CAST(:ats AS timestamptz[]), CAST(:sources AS text[]), CAST(:outcomes AS text[]))
                 AS t(id, provider, account, kind, ref, merchant, attempt, fen, currency, at, source, outcome)
            """
        ),
        {
            "now": clock.now(),
            "ids": [k.id for k in kept],
            "providers": [k.fact.provider for k in kept],
            "accounts": [k.fact.account for k in kept],
            "kinds": [k.fact.kind for k in kept],
            "refs": [k.fact.fact_ref for k in kept],
            "merchants": [k.fact.merchant_ref for k in kept],
            "attempts": [k.attempt_id for k in kept],
            "fens": [k.fact.amount.minor for k in kept],
            "currencies": [k.fact.amount.currency for k in kept],
            "ats": [k.fact.occurred_at for k in kept],
            "sources": [k.fact.source for k in kept],
            "outcomes": [k.outcome for k in kept],
        },
    )


def paid_outcomes(attempt_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return how the payment of each attempt was booked; attempts without a payment are left out.

    A transfer may be paid twice under one code: then what became the gift is named.
    """
    rows = db.session.execute(
        text(
            "SELECT attempt_id, outcome FROM payment_fact WHERE attempt_id = ANY(:ids) "
            "AND kind = 'paid' ORDER BY outcome = 'settled', recorded_at, id"
        ),
        {"ids": list(attempt_ids)},
    )
    return {row.attempt_id: row.outcome for row in rows}


def foreign_payment(attempt_id: UUID) -> tuple[str, Money] | None:
    """Return the number and amount of an attempt's payment in another currency than ours; None without one."""
    query = text(
        "SELECT fact_ref, amount_fen, currency FROM payment_fact "
        "WHERE attempt_id = :attempt AND kind = 'paid' AND currency <> 'CNY' LIMIT 1"
    )
    row = db.session.execute(query, {"attempt": attempt_id}).one_or_none()
    return (row.fact_ref, Money(row.amount_fen, row.currency)) if row else None


def outcome_of_leaving(attempt_id: UUID, fact_ref: str) -> str | None:
    """Return what became of the refund or dispute of that number; None when it is unknown."""
    query = text(
        "SELECT outcome FROM payment_fact "
        "WHERE attempt_id = :attempt AND kind = ANY(:kinds) AND fact_ref = :ref LIMIT 1"
    )
    asked = {"attempt": attempt_id, "kinds": [*LEAVING], "ref": fact_ref}
    outcome: str | None = db.session.execute(query, asked).scalar()
    return outcome


def disputes(attempt_ids: Sequence[UUID]) -> set[str]:
    """Return the numbers of the disputes of some attempts, so that nobody takes them for refunds."""
    query = text(
        "SELECT fact_ref FROM payment_fact WHERE attempt_id = ANY(:ids) AND kind = 'disputed'"
    )
    return set(db.session.execute(query, {"ids": list(attempt_ids)}).scalars())


def gone_fen(attempt_id: UUID) -> int:
    """Return how many fen of a payment have left less what came back, in whatever order we were told."""
    query = text(
        """
        SELECT coalesce(sum(CASE WHEN kind = 'returned' THEN -amount_fen ELSE amount_fen END), 0)
        FROM payment_fact WHERE attempt_id = :attempt AND kind = ANY(:kinds)
        """
    )
    asked = {"attempt": attempt_id, "kinds": [*LEAVING, FactKind.RETURNED]}
    return int(db.session.execute(query, asked).scalar_one())


def adopt(fact_id: UUID, attempt_id: UUID) -> None:
    """Tie a fact of an unknown order to the attempt that was written for it."""
    db.session.execute(
        text("UPDATE payment_fact SET attempt_id = :attempt WHERE id = :id"),
        {"attempt": attempt_id, "id": fact_id},
    )


def reclassify(fact_id: UUID, outcome: str) -> None:
    """Note that a fact's money was booked again as something else, such as suspense that became a gift."""
    db.session.execute(
        text("UPDATE payment_fact SET outcome = :outcome WHERE id = :id"),
        {"outcome": outcome, "id": fact_id},
    )
