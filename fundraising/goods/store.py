"""Kinds of goods, places, and what lies where.

Locks are taken in one order: kinds of goods by id, then months of the books. Whoever holds a kind's row
is alone with its stock; the database refuses what is less than nothing.
"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from fundraising import twins
from fundraising.database import Text2, db
from fundraising.goods.errors import (
    GoodsNotFound,
    NotInStock,
    QuantityRefused,
)
from fundraising.goods.models import (
    Item,
    Kind,
    Place,
    Stock,
)

MOST = Decimal(10) ** 10


def create_kind(name: Text2, unit: Text2, decimals: int) -> Kind:
    """Note a kind of goods; its unit says how many decimals a quantity may have. Raises SentTwice."""
    kind = Kind(name=name, unit=unit, decimals=decimals)
    twins.refuse_second(kind, "name", "unit", "decimals")
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


def lock_kind(kind_id: UUID) -> Kind:
    """Lock a kind of goods: whoever holds it is alone with its stock. Raises GoodsNotFound."""
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


def require_exact(quantity: Decimal, kind: Kind) -> None:
    """Require a quantity above zero with no more decimals than its unit has. Raises QuantityRefused."""
    if not quantity.is_finite() or not 0 < quantity < MOST:
        raise QuantityRefused
    if quantity != quantity.quantize(Decimal(1).scaleb(-kind.decimals)):
        raise QuantityRefused


def lying(item_id: UUID, place_id: UUID) -> Stock | None:
    """Return what lies of an item at a place, None where nothing ever did."""
    return db.session.get(Stock, (item_id, place_id), populate_existing=True)


def take(item_id: UUID, place_id: UUID, quantity: Decimal) -> None:
    """Take a quantity away from a place. Raises NotInStock."""
    stock = lying(item_id, place_id)
    if stock is None or stock.quantity < quantity:
        raise NotInStock
    stock.quantity -= quantity


def take_worth(item: Item, quantity: Decimal) -> int:
    """Take a part's share of what is left of a line's value; the last part takes all that is left."""
    fen = int(item.left_fen * quantity / item.left_quantity)
    item.left_quantity -= quantity
    item.left_fen -= fen
    return fen
