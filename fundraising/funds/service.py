"""Moving money through a fund's lane: lots come in, spending draws first in first out, refunds step out.

The rule (stated to donors on every my-gift page): fen are matched in the order they were booked.
Each spending takes the oldest fen that are neither spent nor refunded. It is an accounting rule;
it does not claim that a particular coin bought a particular screw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.database import Text2, db
from fundraising.funds.errors import FundNotFound, FundOverspent, LineOverdrawn, LotNotFound
from fundraising.funds.models import (
    Draw,
    Fund,
    FundKind,
    Lane,
    Lot,
    LotRefund,
    LotSource,
    SpendingKind,
    SpendingLine,
)
from fundraising.money import Money


@dataclass(frozen=True)
class NewLot:
    """Money to put on a lane. ``source_id`` names the gift, match or grant, once for ever."""

    source: LotSource
    source_id: UUID
    amount: Money
    entry_id: UUID


def create_fund(code: str, kind: str, name: Text2, purpose: Text2) -> Fund:
    """Create a fund with an empty lane in CNY."""
    fund = Fund(code=code, kind=FundKind(kind), name=name, purpose=purpose)
    db.session.add(fund)
    db.session.flush()
    db.session.add(Lane(fund_id=fund.id))
    db.session.flush()
    return fund


def add_lots(fund_id: UUID, lots: Sequence[NewLot]) -> None:
    """Extend the lane by a set of lots in the given order, under one lock.

    Raises:
        IntegrityError: a source has a lot already; nothing is added.
    """
    if not lots:
        return
    lane = _lock(fund_id)
    start, ordinal, gifts = lane.end_fen, lane.lots_count, lane.gifts_count
    columns: dict[str, list[Any]] = {
        name: [] for name in ("sources", "ids", "ords", "gifts", "starts", "ends", "entries")
    }
    for lot in lots:
        ordinal += 1
        gifts += lot.source == LotSource.GIFT
        end = start + lot.amount.minor
        for name, value in zip(
            columns,
            (str(lot.source), lot.source_id, ordinal, gifts, start, end, lot.entry_id),
            strict=True,
        ):
            columns[name].append(value)
        start = end
    db.session.execute(
        text(
            """
            INSERT INTO fund_lot (source, source_id, fund_id, ordinal, gift_ordinal, start_fen, end_fen, entry_id)
            SELECT source, id, :fund_id, ord, gifts, start_fen, end_fen, entry
            FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[]), CAST(:ords AS bigint[]),
                        CAST(:gifts AS bigint[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[]),
                        CAST(:entries AS uuid[])) AS t(source, id, ord, gifts, start_fen, end_fen, entry)
            """
        ),
        {"fund_id": fund_id, **columns},
    )
    lane.end_fen, lane.lots_count, lane.gifts_count = start, ordinal, gifts
    db.session.flush()


def open_spending_line(
    fund_id: UUID, kind: SpendingKind, title: Text2, amount: Money, source_id: UUID
) -> SpendingLine:
    """Open a line that may draw up to ``amount`` from the fund."""
    line = SpendingLine(
        fund_id=fund_id,
        kind=kind,
        title=title,
        amount_fen=amount.minor,
        source_id=source_id,
    )
    db.session.add(line)
    db.session.flush()
    return line


def reserve(line_id: UUID, amount: Money) -> None:
    """Set money aside for a line, at approval.

    Raises:
        FundOverspent: less is unspent and unreserved.
        LineOverdrawn: the line would hold more than its amount.
    """
    line = _line(line_id)
    lane = _lock(line.fund_id)
    if line.reserved_fen + _drawn_of(line.id) + amount.minor > line.amount_fen:
        raise LineOverdrawn
    if lane.unspent_fen - lane.reserved_fen < amount.minor:
        raise FundOverspent
    line.reserved_fen += amount.minor
    lane.reserved_fen += amount.minor
    db.session.flush()


def release(line_id: UUID, amount: Money) -> None:
    """Give back money that was set aside. Raises LineOverdrawn when less is reserved."""
    line = _line(line_id)
    lane = _lock(line.fund_id)
    if line.reserved_fen < amount.minor:
        raise LineOverdrawn
    line.reserved_fen -= amount.minor
    lane.reserved_fen -= amount.minor
    db.session.flush()


def draw(
    line_id: UUID, amount: Money, *, unit_id: UUID | None = None, from_reserved: bool = False
) -> list[Draw]:
    """Spend the oldest unspent fen on a line, and on one unit of it; refunded fen are stepped over.

    Raises:
        FundOverspent: the fund holds less.
        LineOverdrawn: the line allows less, or less is reserved when drawing from the reservation.
    """
    line = _line(line_id)
    lane = _lock(line.fund_id)
    if from_reserved:
        if line.reserved_fen < amount.minor:
            raise LineOverdrawn
        line.reserved_fen -= amount.minor
        lane.reserved_fen -= amount.minor
    elif _drawn_of(line.id) + line.reserved_fen + amount.minor > line.amount_fen:
        raise LineOverdrawn
    draws = _take(lane, line.id, amount.minor, unit_id)
    db.session.flush()
    return draws


def refund_lot(source_id: UUID, amount: Money) -> int:
    """Let fen of a lot go back to its donor, from its tail, and return how many had been spent.

    What was unspent leaves the lane. What had been drawn is taken over openly: the draws it stood in
    are superseded and the same lines and units draw the next unspent fen instead.

    Raises:
        LotNotFound: nothing was booked for that source.
        FundOverspent: more than the lot still holds, or no unspent fen are left to take over.
    """
    lot = db.session.get(Lot, source_id)
    if lot is None:
        raise LotNotFound
    lane = _lock(lot.fund_id)
    already = db.session.execute(
        text(
            "SELECT coalesce(sum(end_fen - start_fen), 0)::bigint FROM fund_lot_refund WHERE source_id = :id"
        ),
        {"id": source_id},
    ).scalar_one()
    end = lot.end_fen - already
    start = end - amount.minor
    if amount.minor <= 0 or start < lot.start_fen:
        raise FundOverspent
    if lane.unspent_fen - lane.reserved_fen < amount.minor:
        raise FundOverspent  # spent fen need as many unspent ones to take their place
    db.session.add(
        LotRefund(fund_id=lot.fund_id, source_id=source_id, start_fen=start, end_fen=end)
    )
    lane.refunded_fen += amount.minor
    taken_over = _supersede(lane, start, end)
    lane.drawn_fen -= sum(fen for _, _, fen in taken_over)
    if lane.cursor_fen < end and lane.cursor_fen > start:
        lane.cursor_fen = end
    db.session.flush()
    for line_id, unit_id, fen in taken_over:
        _take(lane, line_id, fen, unit_id)
    db.session.flush()
    return sum(fen for _, _, fen in taken_over)


def count_gone(fund_id: UUID, gifts: int) -> None:
    """Count gifts that went back whole, so that they are no gifts received any more; less than none come again."""
    lane = _lock(fund_id)
    lane.gifts_gone += gifts
    db.session.flush()


# ---------------------------------------------------------------------- inside


def _lock(fund_id: UUID) -> Lane:
    query = (
        select(Lane)
        .where(Lane.fund_id == fund_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    lane = db.session.execute(query).scalar_one_or_none()
    if lane is None:
        raise FundNotFound
    return lane


def _line(line_id: UUID) -> SpendingLine:
    query = (
        select(SpendingLine)
        .where(SpendingLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    line = db.session.execute(query).scalar_one_or_none()
    if line is None:
        raise FundNotFound
    return line


def _drawn_of(line_id: UUID) -> int:
    query = text(
        "SELECT coalesce(sum(end_fen - start_fen), 0)::bigint FROM fund_draw "
        "WHERE spending_line_id = :id AND superseded_at IS NULL"
    )
    return int(db.session.execute(query, {"id": line_id}).scalar_one())


def _take(lane: Lane, line_id: UUID, fen: int, unit_id: UUID | None) -> list[Draw]:
    """Draw the next ``fen`` unspent fen from the lane's cursor on, around what was refunded."""
    if fen <= 0 or lane.unspent_fen - lane.reserved_fen < fen:
        raise FundOverspent
    draws: list[Draw] = []
    position, missing = lane.cursor_fen, fen
    while missing:
        hole = _next_hole(lane.fund_id, position)
        reach = min(position + missing, hole.start_fen if hole else position + missing)
        if reach > position:
            draws.append(
                Draw(
                    fund_id=lane.fund_id,
                    spending_line_id=line_id,
                    unit_id=unit_id,
                    start_fen=position,
                    end_fen=reach,
                )
            )
            missing -= reach - position
        position = hole.end_fen if hole and reach == hole.start_fen else reach
    db.session.add_all(draws)
    lane.cursor_fen = position
    lane.drawn_fen += fen
    return draws


def _next_hole(fund_id: UUID, position: int) -> LotRefund | None:
    query = (
        select(LotRefund)
        .where(LotRefund.fund_id == fund_id, LotRefund.end_fen > position)
        .order_by(LotRefund.start_fen)
        .limit(1)
    )
    return db.session.execute(query).scalar_one_or_none()


def _supersede(lane: Lane, start: int, end: int) -> list[tuple[UUID, UUID | None, int]]:
    """Cut ``[start, end)`` out of active draws; return line, unit and fen of each cut piece."""
    query = (
        select(Draw)
        .where(
            Draw.fund_id == lane.fund_id,
            Draw.superseded_at.is_(None),
            Draw.start_fen < end,
            Draw.end_fen > start,
        )
        .order_by(Draw.start_fen)
    )
    cut: list[tuple[UUID, UUID | None, int]] = []
    for old in db.session.execute(query).scalars().all():
        old.superseded_at = clock.now()
        db.session.flush()
        for a, b in (
            (old.start_fen, max(old.start_fen, start)),
            (min(old.end_fen, end), old.end_fen),
        ):
            if b > a:
                db.session.add(_piece(old, a, b))
        cut.append(
            (
                old.spending_line_id,
                old.unit_id,
                min(old.end_fen, end) - max(old.start_fen, start),
            )
        )
    db.session.flush()
    return cut


def _piece(old: Draw, start: int, end: int) -> Draw:
    return Draw(
        fund_id=old.fund_id,
        spending_line_id=old.spending_line_id,
        unit_id=old.unit_id,
        start_fen=start,
        end_fen=end,
        drawn_at=old.drawn_at,
    )
