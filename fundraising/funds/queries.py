"""Reading funds and traces. Every read costs the same with a hundred gifts and a million."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from fundraising.database import Text2, db
from fundraising.funds.errors import FundNotFound
from fundraising.funds.models import Draw, Fund, Lane, Lot, LotSource, SpendingLine
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import EntryKind

SOURCE_OF_KIND = {
    EntryKind.GRANT_RECEIVED: LotSource.GRANT,
    EntryKind.REFUND_COVERED: LotSource.CHAPTER,
    EntryKind.MONEY_RETURNED: LotSource.RETURNED,
    EntryKind.MATCH_PLEDGED: LotSource.MATCH,
    EntryKind.MATCH_VOIDED: LotSource.MATCH,
}
"""Every other kind that moves income moves gifts: received, imported, resolved, refunded, reversed."""

INCOME = frozenset({chart.INCOME_RESTRICTED, chart.INCOME_UNRESTRICTED})


@dataclass(frozen=True)
class FundTotals:
    """What a fund's page shows; all in fen. Raised is what came in less what went back.

    Gifts are those received, without the ones that went back whole.
    """

    raised_fen: int
    gifts_count: int
    by_source: dict[str, int]
    fees_fen: int
    spent_fen: int
    refunded_fen: int
    unspent_fen: int
    reserved_fen: int


@dataclass(frozen=True)
class TraceDraw:
    """A part of a gift that was spent."""

    fen: int
    spending_line_id: UUID
    unit_id: UUID | None
    title: Text2
    kind: str


@dataclass(frozen=True)
class Trace:
    """A gift to the fen: ``amount = refunded + sum of draws + unspent``."""

    amount_fen: int
    refunded_fen: int
    draws: list[TraceDraw]
    unspent_fen: int
    ordinal: int


@dataclass(frozen=True)
class UnitFunding:
    """What paid a unit: its cost, how many gifts took part, and fen by source."""

    cost_fen: int = 0
    gifts_count: int = 0
    by_source: dict[str, int] = field(default_factory=dict)


def get(fund_id: UUID) -> Fund:
    """Return a fund. Raises FundNotFound."""
    found = db.session.get(Fund, fund_id)
    if found is None:
        raise FundNotFound
    return found


def lane(fund_id: UUID) -> Lane:
    """Return the head of a fund's lane. Raises FundNotFound."""
    found = db.session.get(Lane, fund_id)
    if found is None:
        raise FundNotFound
    return found


def totals(fund_id: UUID) -> FundTotals:
    """Return the sums a fund's page shows, exact at this moment. Raises FundNotFound."""
    found = totals_of([fund_id]).get(fund_id)
    if found is None:
        raise FundNotFound
    return found


def totals_of(fund_ids: Sequence[UUID]) -> dict[UUID, FundTotals]:
    """Return the sums of several funds in one statement, so that lane and books are of one moment."""
    rows = db.session.execute(
        text(
            f"""
            SELECT l.fund_id, l.end_fen, l.drawn_fen, l.refunded_fen, l.reserved_fen,
                   l.gifts_count - l.gifts_gone AS gifts_count, t.account, t.kind, t.amount
            FROM fund_lane l
            LEFT JOIN (SELECT fund_id, account, kind, sum(amount_minor)::bigint AS amount
                       FROM ({ledger.BOTH}) AS b WHERE fund_id = ANY(:ids)
                       GROUP BY fund_id, account, kind) AS t ON t.fund_id = l.fund_id
            WHERE l.fund_id = ANY(:ids)
            """
        ),
        {"ids": list(fund_ids)},
    )
    by_fund: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_fund[row.fund_id].append(row)
    return {fund_id: _totals(found) for fund_id, found in by_fund.items()}


def _totals(rows: Sequence[Row[Any]]) -> FundTotals:
    head = rows[0]
    by_source: dict[str, int] = defaultdict(int)
    fees = 0
    for row in rows:
        if row.account in INCOME:
            source = SOURCE_OF_KIND.get(EntryKind(row.kind), LotSource.GIFT)
            by_source[source] -= row.amount
        elif row.kind == EntryKind.FEE_RETURNED and row.account == chart.FUNDRAISING_COST:
            by_source[LotSource.RETURNED] -= row.amount
        elif row.account == chart.FUNDRAISING_COST:
            fees += row.amount
    return FundTotals(
        raised_fen=head.end_fen - head.refunded_fen,
        gifts_count=head.gifts_count,
        by_source={source: fen for source, fen in by_source.items() if fen},
        fees_fen=fees,
        spent_fen=head.drawn_fen - fees,
        refunded_fen=head.refunded_fen,
        unspent_fen=head.end_fen - head.drawn_fen - head.refunded_fen,
        reserved_fen=head.reserved_fen,
    )


def list_funds(limit: int = 200) -> list[Fund]:
    """Return funds, the newest first."""
    return list(db.session.execute(select(Fund).order_by(Fund.id.desc()).limit(limit)).scalars())


def trace(source_id: UUID) -> Trace | None:
    """Return where a source's fen went, None while nothing is booked for it.

    Active draws of a lane never overlap, so those that touch the lot are the last one that begins
    at or before it and the ones that begin inside: one index range.
    """
    lot = db.session.get(Lot, source_id)
    if lot is None:
        return None
    rows = db.session.execute(
        text(
            """
            SELECT least(d.end_fen, :stop) - greatest(d.start_fen, :start) AS fen,
                   d.spending_line_id, d.unit_id, l.title, l.kind
            FROM fund_draw d JOIN fund_spending_line l ON l.id = d.spending_line_id
            WHERE d.fund_id = :fund_id AND d.superseded_at IS NULL AND d.start_fen < :stop
              AND d.end_fen > :start
              AND d.start_fen >= coalesce((
                    SELECT b.start_fen FROM fund_draw b
                    WHERE b.fund_id = :fund_id AND b.superseded_at IS NULL AND b.start_fen <= :start
                    ORDER BY b.start_fen DESC LIMIT 1), 0)
            ORDER BY d.start_fen
            """
        ),
        {"fund_id": lot.fund_id, "start": lot.start_fen, "stop": lot.end_fen},
    )
    draws = [TraceDraw(r.fen, r.spending_line_id, r.unit_id, r.title, r.kind) for r in rows]
    refunded = db.session.execute(
        text(
            "SELECT coalesce(sum(end_fen - start_fen), 0)::bigint FROM fund_lot_refund WHERE source_id = :id"
        ),
        {"id": source_id},
    ).scalar_one()
    amount = lot.end_fen - lot.start_fen
    spent = sum(d.fen for d in draws)
    return Trace(amount, refunded, draws, amount - refunded - spent, lot.ordinal)


def unit_funding(unit_id: UUID) -> UnitFunding:
    """Return what paid a unit (a device): one index look-up per drawn piece."""
    return units_funding([unit_id]).get(unit_id, UnitFunding())


def units_funding(unit_ids: Iterable[UUID]) -> dict[UUID, UnitFunding]:
    """Return what paid each of several units.

    How many gifts took part is a difference of two gift ordinals: those of the first and the last
    lot that a drawn interval touches.
    """
    rows = db.session.execute(
        text(
            """
            SELECT d.unit_id, d.end_fen - d.start_fen AS fen, f.gift_ordinal AS first_gift,
                   f.source AS first_source, z.gift_ordinal AS last_gift,
                   (SELECT coalesce(jsonb_object_agg(o.source, o.fen), '{}'::jsonb) FROM (
                        SELECT source, sum(least(l.end_fen, d.end_fen) - greatest(l.start_fen, d.start_fen))
                               AS fen
                        FROM fund_lot l
                        WHERE l.fund_id = d.fund_id AND l.source <> 'gift'
                          AND l.start_fen >= f.start_fen
                          AND l.start_fen < d.end_fen AND l.end_fen > d.start_fen
                        GROUP BY source) AS o) AS others
            FROM fund_draw d
            CROSS JOIN LATERAL (SELECT gift_ordinal, source, start_fen FROM fund_lot
                WHERE fund_id = d.fund_id AND start_fen <= d.start_fen
                ORDER BY start_fen DESC LIMIT 1) AS f
            CROSS JOIN LATERAL (SELECT gift_ordinal FROM fund_lot
                WHERE fund_id = d.fund_id AND start_fen < d.end_fen
                ORDER BY start_fen DESC LIMIT 1) AS z
            WHERE d.unit_id = ANY(:units) AND d.superseded_at IS NULL
            ORDER BY d.unit_id, d.start_fen
            """
        ),
        {"units": list(unit_ids)},
    )
    pieces: dict[UUID, list[tuple[int, int, int, dict[str, int]]]] = defaultdict(list)
    for r in rows:
        first = r.first_gift if r.first_source == LotSource.GIFT else r.first_gift + 1
        pieces[r.unit_id].append((r.fen, first, r.last_gift, r.others))
    return {unit: _funding(found) for unit, found in pieces.items()}


def _funding(pieces: list[tuple[int, int, int, dict[str, int]]]) -> UnitFunding:
    by_source: dict[str, int] = defaultdict(int)
    gifts, counted = 0, 0
    for fen, first, last, others in sorted(pieces, key=lambda piece: piece[1]):
        for source, part in others.items():
            by_source[source] += int(part)
        by_source[LotSource.GIFT] += fen - sum(int(part) for part in others.values())
        fresh = max(first, counted + 1)
        gifts += max(0, last - fresh + 1)
        counted = max(counted, last)
    return UnitFunding(sum(p[0] for p in pieces), gifts, {k: v for k, v in by_source.items() if v})


@dataclass(frozen=True)
class LineView:
    """A spending line with what it has drawn so far."""

    id: UUID
    kind: str
    title: Text2
    amount_fen: int
    drawn_fen: int
    source_id: UUID


def spending_lines(fund_id: UUID, limit: int = 500) -> list[LineView]:
    """Return the lines of a fund that have drawn something, in the order they were opened."""
    rows = db.session.execute(
        text(
            """
            SELECT l.id, l.kind, l.title, l.amount_fen, l.source_id,
                   sum(d.end_fen - d.start_fen)::bigint AS drawn_fen
            FROM fund_spending_line l
            JOIN fund_draw d ON d.spending_line_id = l.id AND d.superseded_at IS NULL
            WHERE l.fund_id = :fund_id GROUP BY l.id ORDER BY l.id LIMIT :most
            """
        ),
        {"fund_id": fund_id, "most": limit},
    )
    return [LineView(r.id, r.kind, r.title, r.amount_fen, r.drawn_fen, r.source_id) for r in rows]


def draws_of_line(line_id: UUID) -> list[Draw]:
    """Return the active draws of a line in lane order."""
    query = (
        select(Draw)
        .where(Draw.spending_line_id == line_id, Draw.superseded_at.is_(None))
        .order_by(Draw.start_fen)
    )
    return list(db.session.execute(query).scalars())


def line(line_id: UUID) -> SpendingLine:
    """Return a spending line. Raises FundNotFound."""
    found = db.session.get(SpendingLine, line_id)
    if found is None:
        raise FundNotFound
    return found
