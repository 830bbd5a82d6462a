"""Goods come in on two people's word: one takes them in, another confirms, and only then they are in stock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from fundraising import clock, sealing
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.files import service as files
from fundraising.giving import people
from fundraising.giving.models import Display
from fundraising.goods import books, store
from fundraising.goods.errors import (
    AlreadyOver,
    GoodsNotFound,
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
    Item,
    Movement,
    MovementKind,
    Stock,
)
from fundraising.money import Money


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
        donation.wrapped_key, donation.sealed_name = sealing.seal_row(donation.id, name)
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
        store.lock_kind(kind_id)
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
    name: str = sealing.open_row(donation.id, donation.wrapped_key, donation.sealed_name)
    return name


def _item(donation_id: UUID, new: NewItem) -> Item:
    store.require_exact(new.quantity, store.get_kind(new.kind_id))
    has_value = new.value is not None and new.value.minor > 0
    if has_value != (new.basis is not Basis.NONE) or has_value != (new.evidence is not None):
        raise ValueRefused
    paper = None
    if new.evidence:
        paper = files.store(new.evidence.data, new.evidence.name, is_public=False, is_bare=True)
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


def _subject(donation: Donation) -> str:
    return f"goods:{donation.label}"
