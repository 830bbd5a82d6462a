"""What did not fit, waiting for a person: opened once per key, closed with a note."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.errors import Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.errors import LookedInto
from fundraising.payments.models import Review, ReviewKind
from fundraising.references import uuid7


class NoteMissing(Invalid):
    """A review is closed only with words that say what was done."""

    code = "note_missing"
    message = _l("Write what was found and what was done.")


def open_review(
    kind: ReviewKind,
    key: str,
    detail: dict[str, Any],
    *,
    fact_id: UUID | None = None,
    attempt_id: UUID | None = None,
) -> None:
    """Open a review; the same key again is the same review."""
    opened = db.session.execute(
        insert(Review)
        .values(
            id=uuid7(),
            key=key,
            kind=kind,
            fact_id=fact_id,
            attempt_id=attempt_id,
            detail=detail,
            opened_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=[Review.key])
        .returning(Review.id)
    ).first()
    if opened is not None and kind != ReviewKind.PAID_AFTER_CLOSE:
        audit.raise_alarm(f"payments:review:{kind}", {"latest": key})


def attach(key: str, fact_id: UUID) -> None:
    """Tie an open review to the fact that was written after it was opened."""
    db.session.execute(
        update(Review).where(Review.key == key, Review.fact_id.is_(None)).values(fact_id=fact_id)
    )


def open_reviews(limit: int = 100) -> list[Review]:
    """Return what waits, the oldest first."""
    query = select(Review).where(Review.closed_at.is_(None)).order_by(Review.opened_at).limit(limit)
    return list(db.session.execute(query).scalars())


def count_open() -> int:
    """Return how many reviews wait."""
    query = select(func.count()).select_from(Review).where(Review.closed_at.is_(None))
    return db.session.execute(query).scalar_one()


def take(review_id: UUID, actor_id: UUID) -> None:
    """Make somebody the owner of a review, whoever had it before. Raises LookedInto or NotFound."""
    review = lock(review_id)
    if review.closed_at is not None:
        raise LookedInto
    review.owner_id = actor_id
    db.session.flush()


def close(review_id: UUID, actor_id: UUID, note: str) -> None:
    """Close a review. Raises NoteMissing without a note."""
    if not note.strip():
        raise NoteMissing
    review = get(review_id)
    if review.closed_at is None:
        review.closed_at, review.closed_by, review.note = clock.now(), actor_id, note.strip()
        db.session.flush()
        audit.record("review.closed", f"review:{review_id}", actor_id, {"kind": review.kind})


def lock(review_id: UUID) -> Review:
    """Lock a review: two people decide one after the other. Raises NotFound."""
    query = select(Review).where(Review.id == review_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def get(review_id: UUID) -> Review:
    """Return a review. Raises NotFound."""
    found = db.session.get(Review, review_id)
    if found is None:
        raise NotFound
    return found
