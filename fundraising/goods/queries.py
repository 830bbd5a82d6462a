"""Reading the store: for its desk, and as everybody may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from fundraising.database import Text2, db
from fundraising.goods.models import (
    Donation,
    DonationState,
    Handover,
    Item,
    Kind,
    Movement,
    MovementKind,
    Place,
)


@dataclass(frozen=True)
class PublicKind:
    """A kind of goods as everybody sees it: quantities, and the value of those that have a basis."""

    name: Text2
    unit: Text2
    received: Decimal
    handed_out: Decimal
    written_off: Decimal
    left: Decimal
    value_fen: int
    bases: Sequence[str]


@dataclass(frozen=True)
class PublicHandover:
    """Goods that were handed out."""

    name: Text2
    unit: Text2
    quantity: Decimal
    receiver: str
    programme: str
    at: datetime


@dataclass(frozen=True)
class StockLine:
    """What lies at a place."""

    item_id: UUID
    place_id: UUID
    place: str
    name: Text2
    unit: Text2
    quantity: Decimal
    expires_on: date | None
    basis: str
    donation_id: UUID


def public_kinds(limit: int = 100) -> list[PublicKind]:
    """Return the goods that came in, by kind, with what became of them."""
    rows = db.session.execute(
        text(
            """
            SELECT k.name, k.unit, i.received, i.left_, i.fen, i.bases, m.out_, m.off
            FROM goods_kind k
            JOIN (SELECT kind_id, sum(quantity) AS received, sum(left_quantity) AS left_,
                         coalesce(sum(value_fen), 0)::bigint AS fen, array_agg(DISTINCT basis ORDER BY basis) AS bases
                  FROM goods_item i JOIN goods_donation d ON d.id = i.donation_id AND d.state = 'confirmed'
                  GROUP BY kind_id) AS i ON i.kind_id = k.id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(quantity) FILTER (WHERE kind = 'handed_out'), 0) AS out_,
                       coalesce(sum(quantity) FILTER (WHERE kind = 'written_off'), 0) AS off
                FROM goods_movement WHERE item_id IN (SELECT id FROM goods_item WHERE kind_id = k.id)) AS m
            ORDER BY k.id DESC LIMIT :most
            """
        ),
        {"most": limit},
    )
    return [
        PublicKind(r.name, r.unit, r.received, r.out_, r.off, r.left_, r.fen, r.bases) for r in rows
    ]


def public_handovers(limit: int = 20) -> list[PublicHandover]:
    """Return goods that were handed out, the latest first."""
    query = (
        select(Handover, Kind)
        .join(Kind, Kind.id == Handover.kind_id)
        .order_by(Handover.number.desc())
        .limit(limit)
    )
    return [
        PublicHandover(k.name, k.unit, h.quantity, h.receiver, h.programme, h.handed_at)
        for h, k in db.session.execute(query)
    ]


def in_kind_fen(campaign_id: UUID) -> int:
    """Return the stated value of confirmed goods tied to a campaign; money never counts here."""
    query = text(
        "SELECT coalesce(sum(i.value_fen), 0)::bigint FROM goods_donation d "
        "JOIN goods_item i ON i.donation_id = d.id WHERE d.campaign_id = :id AND d.state = 'confirmed'"
    )
    return int(db.session.execute(query, {"id": campaign_id}).scalar_one())


def stock(limit: int = 500) -> list[StockLine]:
    """Return what lies where, what expires first at the top."""
    rows = db.session.execute(
        text(
            """
            SELECT s.item_id, s.place_id, p.name AS place, k.name, k.unit, s.quantity, i.expires_on, i.basis,
                   i.donation_id
            FROM goods_stock s JOIN goods_item i ON i.id = s.item_id JOIN goods_kind k ON k.id = i.kind_id
            JOIN goods_place p ON p.id = s.place_id
            WHERE s.quantity > 0 ORDER BY i.expires_on NULLS LAST, i.id, p.name LIMIT :most
            """
        ),
        {"most": limit},
    )
    return [_stock_line(row) for row in rows]


def _stock_line(row: Row[Any]) -> StockLine:
    return StockLine(
        row.item_id,
        row.place_id,
        row.place,
        row.name,
        row.unit,
        row.quantity,
        row.expires_on,
        row.basis,
        row.donation_id,
    )


def donations(limit: int = 50, before: int | None = None) -> list[Donation]:
    """Return donations of goods, the latest first; ``before`` is the last number seen."""
    query = select(Donation).order_by(Donation.number.desc()).limit(limit)
    if before is not None:
        query = query.where(Donation.number < before)
    return list(db.session.execute(query).scalars())


def waiting(limit: int = 50) -> int:
    """Return how many steps wait for a second person, counting no further than ``limit`` of each."""
    received = select(Donation.id).where(Donation.state == DonationState.RECEIVED).limit(limit)
    return len(db.session.execute(received).all()) + len(asked(limit))


def asked(limit: int = 50) -> list[tuple[Movement, Item, Kind]]:
    """Return write-offs that wait for a second person, the oldest first."""
    query = (
        select(Movement, Item, Kind)
        .join(Item, Item.id == Movement.item_id)
        .join(Kind, Kind.id == Item.kind_id)
        .where(Movement.kind == MovementKind.WRITE_OFF_ASKED)
        .order_by(Movement.id)
        .limit(limit)
    )
    return [(m, i, k) for m, i, k in db.session.execute(query)]


def kinds(limit: int = 300) -> list[Kind]:
    """Return kinds of goods, the latest first."""
    return list(db.session.execute(select(Kind).order_by(Kind.id.desc()).limit(limit)).scalars())


def places(limit: int = 100) -> list[Place]:
    """Return storage places by name."""
    return list(db.session.execute(select(Place).order_by(Place.name).limit(limit)).scalars())


def handovers(limit: int = 50) -> list[tuple[Handover, Kind]]:
    """Return hand-outs, the latest first."""
    query = (
        select(Handover, Kind)
        .join(Kind, Kind.id == Handover.kind_id)
        .order_by(Handover.number.desc())
        .limit(limit)
    )
    return [(h, k) for h, k in db.session.execute(query)]
