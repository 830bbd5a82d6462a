"""Goods are carried to another place, handed out with a paper, or written off by two people."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.files import service as files
from fundraising.giving import people
from fundraising.goods import books, store
from fundraising.goods.errors import (
    AlreadyOver,
    GoodsNotFound,
    NotInStock,
    PaperMissing,
    QuantityRefused,
    SameKeeper,
)
from fundraising.goods.models import (
    Handover,
    Item,
    Movement,
    MovementKind,
    Stock,
)
from fundraising.goods.receiving import Paper


@dataclass(frozen=True)
class NewHandover:
    """Who gets how much of a kind, from which place, for which programme; ``note`` is what they signed."""

    kind_id: UUID
    place_id: UUID
    quantity: Decimal
    receiver: str
    programme: str
    note: Paper


def move(item_id: UUID, from_id: UUID, to_id: UUID, quantity: Decimal, actor_id: UUID) -> None:
    """Carry goods from one place to another. Raises NotInStock, QuantityRefused."""
    item = store.get_item(item_id)
    kind = store.lock_kind(item.kind_id)
    store.require_exact(quantity, kind)
    if from_id == to_id:
        raise QuantityRefused
    store.take(item.id, from_id, quantity)
    target = store.lying(item.id, to_id)
    if target is None:
        db.session.add(Stock(item_id=item.id, place_id=to_id, quantity=quantity))
    else:
        target.quantity += quantity
    step = Movement(
        kind=MovementKind.MOVED,
        item_id=item.id,
        quantity=quantity,
        from_place_id=from_id,
        to_place_id=to_id,
        recorded_by=actor_id,
    )
    db.session.add(step)
    db.session.flush()
    audit.record("goods.moved", f"goods:{item.id}", actor_id, {"quantity": str(quantity)})


def hand_out(new: NewHandover, actor_id: UUID) -> Handover:
    """Give goods to a programme or unit: what expires first goes first, what has expired does not go.

    Raises:
        NotInStock: less lies at that place.
        PaperMissing: nobody is named who gets them.
        QuantityRefused, FileRefused: as they say.
    """
    kind = store.lock_kind(new.kind_id)
    store.require_exact(new.quantity, kind)
    receiver = people.clean(new.receiver, 80)
    if not receiver:
        raise PaperMissing
    handover = Handover(
        kind_id=kind.id,
        quantity=new.quantity,
        receiver=receiver,
        programme=people.clean(new.programme, 80),
        note_file_id=files.store(new.note.data, new.note.name, is_public=False, is_bare=True).id,
        handed_by=actor_id,
    )
    db.session.add(handover)
    db.session.flush()
    missing = new.quantity
    for item, stock in _first_expiring(kind.id, new.place_id):
        part = min(missing, stock.quantity)
        if part > 0:
            _leave(
                item, new.place_id, part, MovementKind.HANDED_OUT, actor_id, handover=handover.id
            )
            missing -= part
    if missing > 0:
        raise NotInStock
    audit.record("goods.handed_out", f"handover:{handover.label}", actor_id, {})
    return handover


def ask_write_off(
    item_id: UUID, place_id: UUID, quantity: Decimal, reason: str, actor_id: UUID
) -> Movement:
    """Say that goods are expired, spoilt or lost; another person decides. Raises PaperMissing, QuantityRefused."""
    item = store.get_item(item_id)
    store.require_exact(quantity, store.get_kind(item.kind_id))
    if not reason.strip():
        raise PaperMissing
    asked = Movement(
        kind=MovementKind.WRITE_OFF_ASKED,
        item_id=item.id,
        quantity=quantity,
        from_place_id=place_id,
        reason=reason.strip(),
        recorded_by=actor_id,
    )
    db.session.add(asked)
    db.session.flush()
    audit.record("goods.write_off_asked", f"goods:{item.id}", actor_id, {"quantity": str(quantity)})
    return asked


def write_off(movement_id: UUID, actor_id: UUID) -> None:
    """Let goods go out of stock as the second person.

    Raises:
        SameKeeper: whoever asked may not decide.
        AlreadyOver: it was decided before.
        NotInStock: less lies there by now.
    """
    asked = db.session.get(Movement, movement_id)
    if asked is None:
        raise GoodsNotFound
    item = store.get_item(asked.item_id)
    store.lock_kind(item.kind_id)
    db.session.refresh(asked)
    db.session.refresh(item)
    if asked.kind != MovementKind.WRITE_OFF_ASKED or asked.from_place_id is None:
        raise AlreadyOver
    if asked.recorded_by == actor_id:
        raise SameKeeper
    store.take(item.id, asked.from_place_id, asked.quantity)
    asked.value_fen = store.take_worth(item, asked.quantity)
    asked.kind, asked.approved_by, asked.at = MovementKind.WRITTEN_OFF, actor_id, clock.now()
    db.session.flush()
    books.left(asked)
    audit.record("goods.written_off", f"goods:{item.id}", actor_id, {"fen": asked.value_fen})


def _leave(
    item: Item,
    place_id: UUID,
    quantity: Decimal,
    kind: MovementKind,
    actor_id: UUID,
    *,
    handover: UUID | None = None,
) -> None:
    store.take(item.id, place_id, quantity)
    step = Movement(
        kind=kind,
        item_id=item.id,
        quantity=quantity,
        value_fen=store.take_worth(item, quantity),
        from_place_id=place_id,
        handover_id=handover,
        recorded_by=actor_id,
    )
    db.session.add(step)
    db.session.flush()
    books.left(step)


def _first_expiring(kind_id: UUID, place_id: UUID) -> list[tuple[Item, Stock]]:
    query = (
        select(Item, Stock)
        .join(Stock, Stock.item_id == Item.id)
        .where(
            Item.kind_id == kind_id,
            Stock.place_id == place_id,
            Stock.quantity > 0,
            Item.expires_on.is_(None) | (Item.expires_on >= clock.today()),
        )
        .order_by(Item.expires_on.asc().nulls_last(), Item.id)
        .execution_options(populate_existing=True)
    )
    return [(item, stock) for item, stock in db.session.execute(query)]
