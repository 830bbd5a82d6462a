"""Receipt books: papers leave in the order of their numbers, each is used once or void with a reason."""

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.giving.counter.errors import (
    BookRefused,
    CountNotFound,
    PaperNumberRefused,
    ReasonMissing,
)
from fundraising.giving.counter.models import ReceiptBook, Slip, SlipState

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{0,19}")
MOST_PAPERS = 1000


def open_book(code: str, first: int, last: int, actor_id: UUID) -> ReceiptBook:
    """Note a new book of paper receipts. Raises BookRefused."""
    known = select(ReceiptBook.id).where(ReceiptBook.code == code)
    if (
        not CODE.fullmatch(code)
        or not 0 < first <= last < first + MOST_PAPERS
        or db.session.execute(known).first() is not None
    ):
        raise BookRefused
    book = ReceiptBook(
        code=code, first_number=first, last_number=last, next_number=first, opened_by=actor_id
    )
    db.session.add(book)
    db.session.flush()
    audit.record("book.opened", f"book:{code}", actor_id, {"first": first, "last": last})
    return book


def void(book_id: UUID, number: int, reason: str, actor_id: UUID) -> None:
    """Make a spoilt paper void: the next one of the book, or one whose count was withdrawn.

    Raises:
        PaperNumberRefused: it is used, void, or not the next.
        ReasonMissing: no reason is given.
    """
    if not reason.strip():
        raise ReasonMissing
    (slip,) = _take(book_id, [number], SlipState.VOID, actor_id, reason.strip())
    audit.record("paper.voided", f"book:{book_id}", actor_id, {"number": slip.number})


def hold(book_id: UUID, numbers: Sequence[int], actor_id: UUID) -> None:
    """Hold papers for a count that waits for its second person. Raises PaperNumberRefused."""
    _take(book_id, numbers, SlipState.HELD, actor_id)


def move(book_id: UUID, numbers: Sequence[int], state: SlipState, actor_id: UUID) -> None:
    """Move held papers: used by gifts, or open again because their count was withdrawn."""
    lock(book_id)
    for slip in _slips(book_id, numbers):
        slip.state, slip.changed_by, slip.changed_at = state, actor_id, clock.now()
    db.session.flush()


def list_books(limit: int = 100) -> list[ReceiptBook]:
    """Return books, the latest first."""
    query = select(ReceiptBook).order_by(ReceiptBook.id.desc()).limit(limit)
    return list(db.session.execute(query).scalars())


def slips(book_id: UUID, limit: int = 1000) -> list[Slip]:
    """Return the papers of a book that have left it, the last first."""
    query = select(Slip).where(Slip.book_id == book_id).order_by(Slip.number.desc()).limit(limit)
    return list(db.session.execute(query).scalars())


def get(book_id: UUID) -> ReceiptBook:
    """Return a book. Raises CountNotFound."""
    found = db.session.get(ReceiptBook, book_id)
    if found is None:
        raise CountNotFound
    return found


def lock(book_id: UUID) -> ReceiptBook:
    """Return a book, held until the transaction ends. Raises CountNotFound."""
    query = (
        select(ReceiptBook)
        .where(ReceiptBook.id == book_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise CountNotFound
    return found


def _slips(book_id: UUID, numbers: Sequence[int]) -> list[Slip]:
    query = (
        select(Slip)
        .where(Slip.book_id == book_id, Slip.number.in_(numbers))
        .order_by(Slip.number)
        .execution_options(populate_existing=True)
    )
    return list(db.session.execute(query).scalars())


def _take(
    book_id: UUID, numbers: Sequence[int], state: SlipState, actor_id: UUID, reason: str = ""
) -> list[Slip]:
    """Take papers that are open, or come next without a gap."""
    book = lock(book_id)
    open_ones = {slip.number: slip for slip in _slips(book_id, numbers)}
    taken: list[Slip] = []
    for number in sorted(numbers):
        slip = open_ones.pop(number, None)
        if slip is None and number == book.next_number <= book.last_number:
            slip = Slip(book_id=book_id, number=number, state=SlipState.OPEN)
            book.next_number += 1
            db.session.add(slip)
        if slip is None or slip.state != SlipState.OPEN:
            raise PaperNumberRefused(number=number, next=book.next_number)
        slip.state, slip.void_reason = state, reason
        slip.changed_by, slip.changed_at = actor_id, clock.now()
        taken.append(slip)
    db.session.flush()
    return taken
