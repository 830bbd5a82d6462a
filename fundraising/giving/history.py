"""The history of an order: attempts, what providers said, what was booked and what staff did, in one line of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select

from fundraising.accounts import service as accounts
from fundraising.audit import queries as audit
from fundraising.audit import words as audit_words
from fundraising.database import db
from fundraising.giving import words
from fundraising.giving.models import Gift
from fundraising.i18n import at_minute, fen
from fundraising.i18n import gettext as _
from fundraising.ledger.models import JournalEntry
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt, ProviderFact


@dataclass(frozen=True)
class Step:
    """Something that happened to an order; ``entry_id`` names its voucher."""

    at: datetime
    what: str
    detail: str
    is_money: bool = False
    entry_id: UUID | None = None


def of(gift: Gift) -> list[Step]:
    """Return everything that happened to a gift's order, the first first."""
    attempts = payments.attempts_of(gift.id)
    facts = _facts(gift, attempts)
    keys = [f"fact:{fact.id}" for fact in facts]
    keys.append(f"gift:{gift.channel}:{gift.external_ref}")
    booked = db.session.execute(select(JournalEntry).where(JournalEntry.key.in_(keys))).scalars()
    steps = [
        Step(gift.created_at, _("The order was made"), gift.order_no),
        *map(_attempted, attempts),
        *map(_said, facts),
        *map(_booked, booked),
        *_done(gift),
    ]
    return sorted(steps, key=lambda step: step.at)


def _facts(gift: Gift, attempts: list[Attempt]) -> list[ProviderFact]:
    """Return what was said about our payments, and about the gift under its number at a platform."""
    ours = ProviderFact.attempt_id.in_([attempt.id for attempt in attempts])
    theirs = and_(
        ProviderFact.attempt_id.is_(None),
        ProviderFact.provider == gift.channel,
        ProviderFact.merchant_ref == gift.external_ref,
    )
    query = select(ProviderFact).where(or_(ours, theirs) if gift.external_ref else ours)
    return list(db.session.execute(query.order_by(ProviderFact.recorded_at)).scalars())


def _attempted(attempt: Attempt) -> Step:
    way = words.of(words.PRODUCTS, attempt.product)
    state = words.of(words.ATTEMPTS, attempt.state)
    until = _("open until %(time)s", time=at_minute(attempt.expires_at))
    asked = _("asked %(count)s times", count=attempt.query_count)
    return Step(
        attempt.created_at,
        _("Way to pay opened: %(way)s", way=way),
        _line(state, attempt.merchant_ref, until, asked),
    )


def _said(fact: ProviderFact) -> Step:
    roads = ", ".join(words.of(words.SOURCES, source) for source in fact.seen_sources)
    return Step(
        fact.recorded_at,
        _("The provider said: %(what)s", what=words.of(words.FACTS, fact.kind)),
        _line(
            fen(fact.amount_fen),
            words.of(words.OUTCOMES, fact.outcome),
            fact.fact_ref,
            at_minute(fact.occurred_at),
            roads,
        ),
        is_money=True,
    )


def _booked(entry: JournalEntry) -> Step:
    return Step(entry.recorded_at, _("Booked"), entry.voucher, is_money=True, entry_id=entry.id)


def _done(gift: Gift) -> list[Step]:
    events = audit.events(subject=f"gift:{gift.ref}")
    names = accounts.names_of({event.actor_id for event in events if event.actor_id})
    return [
        Step(
            event.at,
            audit_words.action(event.action),
            _line(names.get(event.actor_id or UUID(int=0), _("the system"))),
        )
        for event in events
    ]


def _line(*parts: Any) -> str:
    return " · ".join(str(part) for part in parts if part)
