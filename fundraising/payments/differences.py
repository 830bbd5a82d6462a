"""The differences of reconciled days: written once, owned, explained by one person, closed by another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.errors import NotFound
from fundraising.payments.errors import ExplanationMissing, LookedInto, SamePerson
from fundraising.payments.reconciliation_models import Difference, DifferenceKind, Reconciliation


@dataclass(frozen=True)
class Found:
    """A difference as a run sees it. ``subject`` makes it the same difference in the next run."""

    kind: DifferenceKind
    subject: str
    amount_fen: int
    detail: dict[str, Any]


def keep_differences(day: Reconciliation, found: Sequence[Found]) -> None:
    """Write what a run found: new ones are opened, known ones stay, those not found again vanish."""
    known = {difference.key: difference for difference in of_day(day.id)}
    now = clock.now()
    seen = set()
    for one in found:
        key = f"{day.provider}:{day.account}:{day.day}:{one.kind}:{one.subject}"
        seen.add(key)
        if key in known:
            known[key].vanished_at = None
        else:
            known[key] = Difference(
                key=key,
                reconciliation_id=day.id,
                kind=one.kind,
                amount_fen=one.amount_fen,
                detail=one.detail,
            )
            db.session.add(known[key])
    for key, difference in known.items():
        if key not in seen and difference.vanished_at is None and difference.closed_at is None:
            difference.vanished_at = now
    db.session.flush()


def of_day(reconciliation_id: UUID) -> list[Difference]:
    """Return all differences a day ever had, the first one first."""
    query = select(Difference).where(Difference.reconciliation_id == reconciliation_id)
    return list(db.session.execute(query.order_by(Difference.opened_at, Difference.id)).scalars())


def count_open() -> int:
    """Return how many differences wait for somebody."""
    query = select(func.count()).select_from(Difference)
    query = query.where(Difference.closed_at.is_(None), Difference.vanished_at.is_(None))
    return db.session.execute(query).scalar_one()


def take(difference_id: UUID, actor_id: UUID) -> None:
    """Make somebody the owner of a difference. Raises LookedInto or NotFound."""
    difference = _open(difference_id)
    difference.owner_id = actor_id
    _record("difference.taken", difference, actor_id)


def explain(difference_id: UUID, explanation: str, actor_id: UUID) -> None:
    """Say what a difference is and what was done. Raises ExplanationMissing, LookedInto or NotFound."""
    if not explanation.strip():
        raise ExplanationMissing
    difference = _open(difference_id)
    difference.explanation, difference.explained_by = explanation.strip(), actor_id
    difference.owner_id = difference.owner_id or actor_id
    _record("difference.explained", difference, actor_id)


def close(difference_id: UUID, actor_id: UUID) -> None:
    """Close a difference that somebody else explained.

    Raises:
        ExplanationMissing: nobody explained it.
        SamePerson: who explained it may not close it.
    """
    difference = lock(difference_id)
    if difference.closed_at is not None:
        return
    if difference.explained_by is None:
        raise ExplanationMissing
    if difference.explained_by == actor_id:
        raise SamePerson
    difference.closed_at, difference.closed_by = clock.now(), actor_id
    _record("difference.closed", difference, actor_id)


def get(difference_id: UUID) -> Difference:
    """Return a difference. Raises NotFound."""
    found = db.session.get(Difference, difference_id)
    if found is None:
        raise NotFound
    return found


def lock(difference_id: UUID) -> Difference:
    """Lock a difference. Raises NotFound."""
    query = select(Difference).where(Difference.id == difference_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def _open(difference_id: UUID) -> Difference:
    difference = lock(difference_id)
    if difference.closed_at is not None:
        raise LookedInto
    return difference


def _record(action: str, difference: Difference, actor_id: UUID) -> None:
    db.session.flush()
    audit.record(action, f"difference:{difference.id}", actor_id, {"kind": difference.kind})
