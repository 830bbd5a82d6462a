"""The store: goods come in on two people's word, lie at named places, and leave with a paper.

Locks are taken in one order: kinds of goods by id, then months of the books. Whoever holds a kind's row
is alone with its stock; the database refuses what is less than nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from fundraising import clock, sealing
from fundraising.audit import service as audit
from fundraising.database import Text2, db
from fundraising.files import service as files
from fundraising.giving import people
from fundraising.giving.models import Display
from fundraising.goods import books
from fundraising.goods.errors import (
    AlreadyOver,
    GoodsNotFound,
    NotInStock,
    PaperMissing,
    QuantityRefused,
    SameKeeper,
    ValueRefused,
)
from fundraising.goods.models import (
    Basis,
    Condition,
    Donation,
    DonationState,
    Handover,
    Item,
    Kind,
    Movement,
    MovementKind,
    Place,
    Stock,
)
from fundraising.money import Money

MOST = Decimal(10) ** 10


@dataclass(frozen=True)
class Paper:
    """A file that proves a step."""

    data: bytes
    name: str


@dataclass(frozen=True)
class NewItem:
    """One line of goods. Without a basis there is no value, and so no amount on any receipt."""

    kind_id: UUID
    quantity: Decimal
    condition: Condition = Condition.NEW
    expires_on: date | None = None
    basis: Basis = Basis.NONE
    value: Money | None = None
    evidence: Paper | None = None


@dataclass(frozen=True)
class NewDonation:
    """What somebody brought, and where it is put."""

    place_id: UUID
    received_on: date
    items: Sequence[NewItem]
    name: str = ""
    display: Display = Display.ANONYMOUS
    campaign_id: UUID | None = None


@dataclass(frozen=True)
class NewHandover:
    """Who gets how much of a kind, from which place, for which programme; ``note`` is what they signed."""

    kind_id: UUID
    place_id: UUID
    quantity: Decimal
    receiver: str
    programme: str
    note: Paper


# ------------------------------------------------------------------ kinds and places


def create_kind(name: Text2, unit: Text2, decimals: int) -> Kind:
    """Note a kind of goods; its unit says how many decimals a quantity may have."""
    kind = Kind(name=name, unit=unit, decimals=decimals)
    db.session.add(kind)
    db.session.flush()
    return kind


def place(name: str) -> Place:
    """Return the storage place of that name, noting it at the first call."""
    query = select(Place).where(Place.name == name)
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        found = Place(name=name)
        db.session.add(found)
        db.session.flush()
    return found


# ------------------------------------------------------------------ coming in


def receive(new: NewDonation, actor_id: UUID) -> Donation:
    """Keep what was brought; it counts once another person has confirmed it.

    Raises:
        QuantityRefused, ValueRefused, NameRefused: as they say.
    """
    if not new.items or new.received_on > clock.today():
        raise QuantityRefused
    name = people.clean(new.name, people.MAX_NAME)
    donation = Donation(
        campaign_id=new.campaign_id,
        place_id=new.place_id,
        received_on=new.received_on,
        display_name=people.public_name(new.display, name),
        received_by=actor_id,
    )
    db.session.add(donation)
    db.session.flush()
    if name:
        key = sealing.new_key()
        donation.wrapped_key = sealing.wrap(key)
        donation.sealed_name = sealing.seal(json.dumps(name).encode(), key, donation.id.bytes)
    for item in new.items:
        db.session.add(_item(donation.id, item))
    db.session.flush()
    audit.record("goods.received", _subject(donation), actor_id, {"lines": len(new.items)})
    return donation


def confirm(donation_id: UUID, actor_id: UUID) -> Donation:
    """Put received goods into stock, and book those that have a value.

    Raises:
        SameKeeper: whoever received them may not confirm.
        AlreadyOver: they were confirmed or withdrawn before.
    """
    donation = _undecided(donation_id)
    if donation.received_by == actor_id:
        raise SameKeeper
    listed = items_of(donation.id)
    for kind_id in sorted({item.kind_id for item in listed}):
        _lock_kind(kind_id)
    for item in listed:
        item.left_quantity, item.left_fen = item.quantity, item.value_fen or 0
        db.session.add(Stock(item_id=item.id, place_id=donation.place_id, quantity=item.quantity))
        step = Movement(
            kind=MovementKind.RECEIVED,
            item_id=item.id,
            quantity=item.quantity,
            value_fen=item.left_fen,
            to_place_id=donation.place_id,
            recorded_by=donation.received_by,
            approved_by=actor_id,
        )
        db.session.add(step)
        db.session.flush()
        books.received(step, donation.received_on)
    donation.state = DonationState.CONFIRMED
    donation.confirmed_by, donation.confirmed_at = actor_id, clock.now()
    db.session.flush()
    audit.record("goods.confirmed", _subject(donation), actor_id, {})
    return donation


def withdraw(donation_id: UUID, reason: str, actor_id: UUID) -> None:
    """Take back what is not confirmed. Raises PaperMissing, AlreadyOver."""
    if not reason.strip():
        raise PaperMissing
    donation = _undecided(donation_id)
    donation.state, donation.reason = DonationState.WITHDRAWN, reason.strip()
    donation.wrapped_key = donation.sealed_name = None
    db.session.flush()
    audit.record("goods.withdrawn", _subject(donation), actor_id, {})


# ------------------------------------------------------------------ moving and leaving


def move(item_id: UUID, from_id: UUID, to_id: UUID, quantity: Decimal, actor_id: UUID) -> None:
    """Carry goods from one place to another. Raises NotInStock, QuantityRefused."""
    item = get_item(item_id)
    kind = _lock_kind(item.kind_id)
    _require_exact(quantity, kind)
    if from_id == to_id:
        raise QuantityRefused
    _take(item.id, from_id, quantity)
    target = _stock(item.id, to_id)
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
    kind = _lock_kind(new.kind_id)
    _require_exact(new.quantity, kind)
    receiver = people.clean(new.receiver, 80)
    if not receiver:
        raise PaperMissing
    handover = Handover(
        kind_id=kind.id,
        quantity=new.quantity,
        receiver=receiver,
        programme=people.clean(new.programme, 80),
        note_file_id=files.store(new.note.data, new.note.name, is_public=False).id,
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
    item = get_item(item_id)
    _require_exact(quantity, get_kind(item.kind_id))
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
    item = get_item(asked.item_id)
    _lock_kind(item.kind_id)
    db.session.refresh(asked)
    db.session.refresh(item)
    if asked.kind != MovementKind.WRITE_OFF_ASKED or asked.from_place_id is None:
        raise AlreadyOver
    if asked.recorded_by == actor_id:
        raise SameKeeper
    _take(item.id, asked.from_place_id, asked.quantity)
    asked.value_fen = _worth(item, asked.quantity)
    asked.kind, asked.approved_by, asked.at = MovementKind.WRITTEN_OFF, actor_id, clock.now()
    db.session.flush()
    books.left(asked)
    audit.record("goods.written_off", f"goods:{item.id}", actor_id, {"fen": asked.value_fen})


# ------------------------------------------------------------------ reading for these verbs


def get_kind(kind_id: UUID) -> Kind:
    """Return a kind of goods. Raises GoodsNotFound."""
    found = db.session.get(Kind, kind_id)
    if found is None:
        raise GoodsNotFound
    return found


def get_item(item_id: UUID) -> Item:
    """Return a line of goods. Raises GoodsNotFound."""
    found = db.session.get(Item, item_id)
    if found is None:
        raise GoodsNotFound
    return found


def get(donation_id: UUID) -> Donation:
    """Return a donation of goods. Raises GoodsNotFound."""
    found = db.session.get(Donation, donation_id)
    if found is None:
        raise GoodsNotFound
    return found


def items_of(donation_id: UUID) -> list[Item]:
    """Return the lines of a donation."""
    query = select(Item).where(Item.donation_id == donation_id).order_by(Item.id)
    return list(db.session.execute(query).scalars())


def name_of(donation: Donation) -> str:
    """Return the giver's name, empty for somebody unnamed."""
    if donation.sealed_name is None or donation.wrapped_key is None:
        return ""
    key = sealing.unwrap(donation.wrapped_key)
    name: str = json.loads(sealing.open_sealed(donation.sealed_name, key, donation.id.bytes))
    return name


# ------------------------------------------------------------------ inside


def _item(donation_id: UUID, new: NewItem) -> Item:
    _require_exact(new.quantity, get_kind(new.kind_id))
    has_value = new.value is not None and new.value.minor > 0
    if has_value != (new.basis is not Basis.NONE) or has_value != (new.evidence is not None):
        raise ValueRefused
    paper = (
        files.store(new.evidence.data, new.evidence.name, is_public=False) if new.evidence else None
    )
    return Item(
        donation_id=donation_id,
        kind_id=new.kind_id,
        quantity=new.quantity,
        condition=new.condition,
        expires_on=new.expires_on,
        basis=new.basis,
        value_fen=new.value.minor if new.value else None,
        evidence_file_id=paper.id if paper else None,
    )


def _require_exact(quantity: Decimal, kind: Kind) -> None:
    if not quantity.is_finite() or not 0 < quantity < MOST:
        raise QuantityRefused
    if quantity != quantity.quantize(Decimal(1).scaleb(-kind.decimals)):
        raise QuantityRefused


def _lock_kind(kind_id: UUID) -> Kind:
    query = (
        select(Kind)
        .where(Kind.id == kind_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    kind = db.session.execute(query).scalar_one_or_none()
    if kind is None:
        raise GoodsNotFound
    return kind


def _undecided(donation_id: UUID) -> Donation:
    query = (
        select(Donation)
        .where(Donation.id == donation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    donation = db.session.execute(query).scalar_one_or_none()
    if donation is None:
        raise GoodsNotFound
    if donation.state != DonationState.RECEIVED:
        raise AlreadyOver
    return donation


def _stock(item_id: UUID, place_id: UUID) -> Stock | None:
    return db.session.get(Stock, (item_id, place_id), populate_existing=True)


def _take(item_id: UUID, place_id: UUID, quantity: Decimal) -> None:
    stock = _stock(item_id, place_id)
    if stock is None or stock.quantity < quantity:
        raise NotInStock
    stock.quantity -= quantity


def _worth(item: Item, quantity: Decimal) -> int:
    """Take a part's share of what is left of a line's value; the last part takes all that is left."""
    fen = int(item.left_fen * quantity / item.left_quantity)
    item.left_quantity -= quantity
    item.left_fen -= fen
    return fen


def _leave(
    item: Item,
    place_id: UUID,
    quantity: Decimal,
    kind: MovementKind,
    actor_id: UUID,
    *,
    handover: UUID | None = None,
) -> None:
    _take(item.id, place_id, quantity)
    step = Movement(
        kind=kind,
        item_id=item.id,
        quantity=quantity,
        value_fen=_worth(item, quantity),
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


def _subject(donation: Donation) -> str:
    return f"goods:{donation.label}"
