"""Refunds of gifts that another platform collected: told by its file, booked once, set off against its payouts.

A file tells a refund in one of two ways: as a line of its own (an event, known by gift, time and amount), or
in the gift's own line, as all that went back of it so far. Either way only what is not booked yet is booked,
so the same file again, or a longer one, changes nothing. An event that may be what an earlier file told as a
sum, or a second refund of its size, is decided by a person.

Locks: imports by id, gifts by id, pledges, months, lanes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.giving import outgoing
from fundraising.giving.errors import NotByThisRoad
from fundraising.giving.import_models import GiftImport
from fundraising.giving.matching import service as matching
from fundraising.giving.outgoing import Given
from fundraising.ledger import service as ledger
from fundraising.money import Money
from fundraising.payments import reviews
from fundraising.payments.errors import RefundTooLarge
from fundraising.payments.models import ReviewKind
from fundraising.payments.platforms.gift_files import RefundRow
from fundraising.payments.providers.base import Fact, FactKind, FactSource
from fundraising.references import uuid7


@dataclass(frozen=True)
class Told:
    """What is booked of a gift's refunds: all of it, what of that was told as a sum, and the events."""

    total_fen: int = 0
    as_sum_fen: int = 0
    events: frozenset[str] = frozenset()
    heard_at: datetime | None = None


@dataclass(frozen=True)
class Missing:
    """How much of a refund is not booked yet; ``is_doubtful`` where it may be a sum that is."""

    fen: int
    is_doubtful: bool = False


@dataclass
class _Gift:
    """A gift under lock, with the import it came by."""

    given: Given
    ref: str
    campaign_id: UUID
    import_id: UUID
    left_fen: int


def told(platform: str, numbers: Sequence[str]) -> dict[str, Told]:
    """Return what is booked of the refunds of these gifts, by their numbers at the platform."""
    rows = db.session.execute(
        text(
            "SELECT merchant_ref, fact_ref, amount_fen, recorded_at FROM payment_fact "
            "WHERE provider = :platform AND kind = 'refunded' AND merchant_ref = ANY(:numbers)"
        ),
        {"platform": platform, "numbers": list(numbers)},
    ).all()
    found: dict[str, Told] = {}
    for row in rows:
        known = found.get(row.merchant_ref, Told())
        is_sum = row.fact_ref.startswith("sum:")
        found[row.merchant_ref] = Told(
            known.total_fen + row.amount_fen,
            known.as_sum_fen + (row.amount_fen if is_sum else 0),
            known.events | {row.fact_ref},
            max(known.heard_at or row.recorded_at, row.recorded_at) if is_sum else known.heard_at,
        )
    return found


def missing(rows: Sequence[RefundRow], platform: str) -> list[Missing]:
    """Return for each refund of a file how much of it is not booked yet."""
    known = told(platform, [row.number for row in rows])
    totals = {number: one.total_fen for number, one in known.items()}
    explained = {number: one.as_sum_fen for number, one in known.items()}
    sums = {row.number for row in rows if row.is_sum}
    return [
        _missing(row, known.get(row.number, Told()), totals, explained, has_sum=row.number in sums)
        for row in rows
    ]


def book(import_id: UUID, rows: Sequence[RefundRow]) -> None:
    """Book what of these refunds is not booked yet; the gifts must be here. Again, it changes nothing.

    More than a gift holds is not booked: a person is asked to look.
    """
    batch = _lock_imports(import_id, rows)
    gifts = _lock_gifts(batch, rows)
    matching.hold({gift.campaign_id for gift in gifts.values()})
    ledger.hold_months([row.at for row in rows])
    for row, left in zip(rows, missing(rows, batch.platform), strict=True):
        gift, fen = gifts.get(row.number), left.fen
        if gift is None or not fen:
            continue
        if fen > gift.left_fen:
            _ask(batch, row)
            continue
        gift.left_fen -= fen
        outgoing.take_off(uuid7(), _fact(batch.platform, row, fen), gift.given)
        _note(gift.import_id, fen)
    db.session.flush()


def ask(import_id: UUID, rows: Sequence[RefundRow]) -> None:
    """Let a person say of each of these refunds whether the sum told before was it, or it is another one."""
    batch = _lock_imports(import_id, rows)
    known = told(batch.platform, [row.number for row in rows])
    for row in rows:
        _ask(batch, row, told_fen=known.get(row.number, Told()).as_sum_fen)


def book_told(review_id: UUID, *, note: str, actor_id: UUID) -> None:
    """Book a refund that a person found to be another one than the sum told before.

    Raises:
        NotByThisRoad: the review is about something else, or over.
        RefundTooLarge: the gift holds less.
        NoteMissing: nothing was said.
    """
    review = reviews.lock(review_id)
    if review.closed_at is not None or "told_fen" not in review.detail:
        raise NotByThisRoad
    detail = review.detail
    row = RefundRow(
        detail["line"],
        detail["gift"],
        Money(detail["amount_fen"]),
        datetime.fromisoformat(detail["at"]),
    )
    batch = _lock_imports(UUID(detail["import"]), [row])
    gift = _lock_gifts(batch, [row])[row.number]
    if row.amount.minor > gift.left_fen:
        raise RefundTooLarge(left_fen=gift.left_fen)
    matching.hold({gift.campaign_id})
    ledger.hold_months([row.at])
    outgoing.take_off(uuid7(), _fact(batch.platform, row, row.amount.minor), gift.given)
    _note(gift.import_id, row.amount.minor)
    reviews.close(review_id, actor_id, note)
    amount = {"amount_fen": row.amount.minor}
    audit.record("refund.told", f"gift:{gift.ref}", actor_id, amount)


# ---------------------------------------------------------------------- inside


def _missing(
    row: RefundRow,
    known: Told,
    totals: dict[str, int],
    explained: dict[str, int],
    *,
    has_sum: bool,
) -> Missing:
    total = totals.get(row.number, 0)
    left = Missing(row.amount.minor)
    if row.is_sum:
        left = Missing(max(0, row.amount.minor - total))
        explained[row.number] = explained.get(row.number, 0) + left.fen
    elif _ref(row) in known.events:
        left = Missing(0)
    elif row.amount.minor <= explained.get(row.number, 0) and not _is_later(row, known):
        explained[row.number] -= row.amount.minor  # the sum told before was this, or was it not?
        left = Missing(0, is_doubtful=not has_sum)
    totals[row.number] = total + left.fen
    return left


def _is_later(row: RefundRow, known: Told) -> bool:
    """Whether a refund happened after the sum was told, which cannot hold it then."""
    return known.heard_at is not None and row.at > known.heard_at


def _ref(row: RefundRow) -> str:
    if row.is_sum:
        return f"sum:{row.number}:{row.amount.minor}"
    return f"{row.number}:{row.at.isoformat()}:{row.amount.minor}"


def _fact(platform: str, row: RefundRow, fen: int) -> Fact:
    """Say what a line says. A sum names no time of its own: it is booked when we hear of it."""
    return Fact(
        provider=platform,
        account="",
        kind=FactKind.REFUNDED,
        fact_ref=_ref(row),
        merchant_ref=row.number,
        amount=Money(fen),
        occurred_at=clock.now() if row.is_sum else row.at,
        source=FactSource.BILL,
    )


def _lock_imports(import_id: UUID, rows: Sequence[RefundRow]) -> GiftImport:
    """Lock the import that tells and those the gifts came by, in order."""
    came_by = text(
        """
        SELECT DISTINCT l.import_id FROM giving_import i
        JOIN giving_gift g ON g.channel = i.platform AND g.external_ref = ANY(:numbers)
        JOIN giving_import_line l ON l.gift_id = g.id WHERE i.id = :id
        """
    )
    values = {"id": import_id, "numbers": [row.number for row in rows]}
    ids = {import_id, *db.session.execute(came_by, values).scalars()}
    query = select(GiftImport).where(GiftImport.id.in_(ids)).order_by(GiftImport.id)
    locked = query.with_for_update().execution_options(populate_existing=True)
    found = {batch.id: batch for batch in db.session.execute(locked).scalars()}
    return found[import_id]


def _lock_gifts(batch: GiftImport, rows: Sequence[RefundRow]) -> dict[str, _Gift]:
    found = db.session.execute(
        text(
            """
            SELECT g.id, g.ref, g.external_ref, g.campaign_id, g.fund_id, f.kind,
                   g.amount_fen - g.refunded_fen AS left_fen, l.import_id
            FROM giving_gift g JOIN fund f ON f.id = g.fund_id
            LEFT JOIN giving_import_line l ON l.gift_id = g.id
            WHERE g.channel = :platform AND g.external_ref = ANY(:numbers)
            ORDER BY g.id FOR UPDATE OF g
            """
        ),
        {"platform": batch.platform, "numbers": [row.number for row in rows]},
    ).all()
    return {
        row.external_ref: _Gift(
            Given(row.id, row.fund_id, row.kind, None),
            row.ref,
            row.campaign_id,
            row.import_id or batch.id,
            row.left_fen,
        )
        for row in found
    }


def _note(import_id: UUID, fen: int) -> None:
    db.session.execute(
        text("UPDATE giving_import SET returned_fen = returned_fen + :fen WHERE id = :id"),
        {"fen": fen, "id": import_id},
    )


def _ask(batch: GiftImport, row: RefundRow, told_fen: int | None = None) -> None:
    detail: dict[str, Any] = {
        "platform": batch.platform,
        "gift": row.number,
        "amount_fen": row.amount.minor,
        "import": str(batch.id),
        "line": row.line,
    }
    if told_fen is not None:
        detail |= {"told_fen": told_fen, "at": row.at.isoformat()}
    key = f"refund:{batch.platform}:{_ref(row)}"
    reviews.open_review(ReviewKind.PLATFORM_REFUND, key, detail)
