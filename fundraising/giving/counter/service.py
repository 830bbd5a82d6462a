"""Counting: one person counts, another counts again; neither sees the other's figures until both agree and are booked.

Nothing reaches the books on one person's word, and nothing while two counts differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from fundraising import clock, sealing
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import booking, people
from fundraising.giving.booking import WholeGift
from fundraising.giving.counter import books
from fundraising.giving.counter.errors import (
    CountDoesNotAdd,
    CountEmpty,
    CountNotFound,
    CountOver,
    ReasonMissing,
    SameCounter,
)
from fundraising.giving.counter.models import Count, CountLine, CountState, Method, SlipState
from fundraising.giving.models import Display, ReceiptRule
from fundraising.ledger import chart
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.references import uuid7

PIECES = (10000, 5000, 2000, 1000, 500, 100, 50, 10, 5, 2, 1)
"""The values of notes and coins, in fen."""


@dataclass(frozen=True)
class CountedGift:
    """One gift on the table: a box that was opened, or a person's gift with its paper receipt."""

    amount: Money
    paper: int
    method: Method = Method.CASH
    cheque_no: str = ""
    name: str = ""
    display: Display = Display.ANONYMOUS


@dataclass(frozen=True)
class NewCount:
    """What the first person counted."""

    campaign: Campaign
    book_id: UUID
    place: str
    pieces: Mapping[int, int]
    gifts: Sequence[CountedGift]

    def sum_of(self, method: Method) -> int:
        """Return the fen of the gifts of one kind."""
        return sum(gift.amount.minor for gift in self.gifts if gift.method == method)


def worth(pieces: Mapping[int, int]) -> int:
    """Return what notes and coins come to, in fen."""
    return sum(value * number for value, number in pieces.items())


def record(new: NewCount, actor_id: UUID) -> Count:
    """Keep what one person counted; nothing is booked yet.

    Raises:
        CountEmpty: nothing was counted.
        CountDoesNotAdd: notes and coins are not the sum of the cash gifts.
        PaperNumberRefused: a paper number is used already or leaves a gap.
        NameRefused: a name is to be shown and there is none.
    """
    cash, cheques = new.sum_of(Method.CASH), new.sum_of(Method.CHEQUE)
    if not new.gifts or cash + cheques <= 0:
        raise CountEmpty
    if worth(new.pieces) != cash:
        raise CountDoesNotAdd(counted_fen=worth(new.pieces), listed_fen=cash)
    books.hold(new.book_id, [gift.paper for gift in new.gifts], actor_id)
    count = Count(
        campaign_id=new.campaign.id,
        place=people.clean(new.place, 80),
        pieces=_kept(new.pieces),
        cash_fen=cash,
        cheque_fen=cheques,
        counted_by=actor_id,
        counted_at=clock.now(),
    )
    db.session.add(count)
    db.session.flush()
    for position, gift in enumerate(new.gifts, start=1):
        db.session.add(_line(count.id, new.book_id, position, gift))
    db.session.flush()
    audit.record("count.recorded", f"count:{count.label}", actor_id, {"gifts": len(new.gifts)})
    return count


def recount(count_id: UUID, pieces: Mapping[int, int], cheques: Money, actor_id: UUID) -> Count:
    """Keep what the second person counted, and book the gifts when both counts are the same.

    When they differ, only that is said and nothing is booked; the second person counts once more,
    or the count is withdrawn and made anew, each time without knowing what the other counted.

    Raises:
        SameCounter: the first person may not be the second.
        CountOver: it was booked or withdrawn already.
    """
    count = _lock(count_id)
    if not count.is_waiting:
        raise CountOver
    if count.counted_by == actor_id:
        raise SameCounter
    count.again_pieces, count.again_cash_fen = _kept(pieces), worth(pieces)
    count.again_cheque_fen = cheques.minor
    count.recounted_by, count.recounted_at = actor_id, clock.now()
    if (count.again_pieces, cheques.minor) == (count.pieces, count.cheque_fen):
        _book(count, actor_id)
        count.state, count.booked_at = CountState.BOOKED, clock.now()
    else:
        count.state = CountState.DIFFERS
    db.session.flush()
    detail = {"first_fen": count.cash_fen, "second_fen": count.again_cash_fen}
    audit.record(f"count.{count.state}", f"count:{count.label}", actor_id, detail)
    return count


def withdraw(count_id: UUID, reason: str, actor_id: UUID) -> Count:
    """Take back a count that is not booked; its papers are open again.

    Raises:
        ReasonMissing, CountOver: as they say.
    """
    if not reason.strip():
        raise ReasonMissing
    count = _lock(count_id)
    if not count.is_waiting:
        raise CountOver
    count.state, count.reason = CountState.WITHDRAWN, reason.strip()
    for line in lines(count.id):
        books.move(line.book_id, [line.paper], SlipState.OPEN, actor_id)
        line.wrapped_key = line.sealed_name = None
    db.session.flush()
    audit.record("count.withdrawn", f"count:{count.label}", actor_id, {})
    return count


def get(count_id: UUID) -> Count:
    """Return a count. Raises CountNotFound."""
    found = db.session.get(Count, count_id)
    if found is None:
        raise CountNotFound
    return found


def lines(count_id: UUID) -> list[CountLine]:
    """Return the gifts of a count in their order."""
    query = (
        select(CountLine)
        .where(CountLine.count_id == count_id)
        .order_by(CountLine.position)
        .execution_options(populate_existing=True)
    )
    return list(db.session.execute(query).scalars())


def list_counts(limit: int = 50, before: int | None = None) -> list[Count]:
    """Return counts, the latest first; ``before`` is the last number seen."""
    query = select(Count).order_by(Count.number.desc()).limit(limit)
    if before is not None:
        query = query.where(Count.number < before)
    return list(db.session.execute(query).scalars())


def waiting(limit: int = 50) -> int:
    """Return how many counts wait for a second person, counting no further than ``limit``."""
    states = (CountState.COUNTED, CountState.DIFFERS)
    query = select(Count.id).where(Count.state.in_(states)).limit(limit)
    return len(db.session.execute(query).all())


def name_of(line: CountLine) -> str:
    """Return the donor's name, empty for an anonymous gift."""
    if line.sealed_name is None or line.wrapped_key is None:
        return people.read(line.id).name
    name: str = sealing.open_row(line.id, line.wrapped_key, line.sealed_name)
    return name


# ---------------------------------------------------------------------- inside


def _kept(pieces: Mapping[int, int]) -> dict[str, int]:
    return {str(value): pieces[value] for value in PIECES if pieces.get(value, 0) > 0}


def _line(count_id: UUID, book_id: UUID, position: int, gift: CountedGift) -> CountLine:
    name = people.clean(gift.name, people.MAX_NAME)
    people.public_name(gift.display, name)
    line = CountLine(
        id=uuid7(),
        count_id=count_id,
        position=position,
        method=gift.method,
        amount_fen=gift.amount.minor,
        book_id=book_id,
        paper=gift.paper,
        cheque_no=people.clean(gift.cheque_no, 40),
        display=gift.display,
    )
    if name:
        line.wrapped_key, line.sealed_name = sealing.seal_row(line.id, name)
    return line


def _lock(count_id: UUID) -> Count:
    query = (
        select(Count)
        .where(Count.id == count_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise CountNotFound
    return found


def _book(count: Count, actor_id: UUID) -> None:
    """Book each gift of a count, use its paper, and ask for its receipt."""
    campaign = campaigns.get_by_id(count.campaign_id)
    listed = lines(count.id)
    codes = {book_id: books.lock(book_id).code for book_id in {line.book_id for line in listed}}
    for method in Method:
        gifts = [
            _gift(count, line, codes[line.book_id]) for line in listed if line.method == method
        ]
        booking.book_set(
            campaign,
            gifts,
            kind=EntryKind.GIFT_COUNTED,
            account=chart.clearing(method),
            actor=f"staff:{actor_id}",
        )
        outbox.add_many(
            Kind.ISSUE_RECEIPT,
            [(f"receipt:{gift.id}", {"gift_id": str(gift.id)}) for gift in gifts],
        )
    for line in listed:
        books.move(line.book_id, [line.paper], SlipState.USED, actor_id)
        line.wrapped_key = line.sealed_name = None


def _gift(count: Count, line: CountLine, code: str) -> WholeGift:
    name, display = name_of(line), Display(line.display)
    return WholeGift(
        channel=line.method,
        number=f"{code}-{line.paper:06d}",
        amount=Money(line.amount_fen),
        at=count.counted_at,
        name=name,
        display=display,
        display_name=people.public_name(display, name),
        receipt_rule=ReceiptRule.AT_ONCE,
        id=line.id,
    )
