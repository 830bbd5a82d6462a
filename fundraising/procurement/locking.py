"""Taking hold of a purchase: one writer at a time, and never over what another has changed."""

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from fundraising import clock
from fundraising.database import db
from fundraising.procurement.errors import (
    PaymentNotFound,
    PurchaseChanged,
    PurchaseNotFound,
    ReasonMissing,
    WrongState,
)
from fundraising.procurement.models import (
    DocumentKind,
    PaymentOut,
    Purchase,
    PurchaseDocument,
    PurchaseLine,
    PurchaseState,
    PurchaseYear,
)


def hold(purchase_id: UUID, *states: PurchaseState, version: int | None = None) -> Purchase:
    """Lock a purchase that stands in one of the states, or in any when none is named.

    Raises:
        PurchaseNotFound: no such purchase.
        PurchaseChanged: it is no longer the version that the person saw.
        WrongState: it stands elsewhere.
    """
    query = (
        select(Purchase)
        .where(Purchase.id == purchase_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    purchase = db.session.execute(query).scalar_one_or_none()
    if purchase is None:
        raise PurchaseNotFound
    if version is not None and purchase.version != version:
        raise PurchaseChanged
    if states and purchase.state not in states:
        raise WrongState
    return purchase


def lines_of(purchase_id: UUID) -> list[PurchaseLine]:
    """Return the lines of a locked purchase as they are now, in order."""
    query = (
        select(PurchaseLine)
        .where(PurchaseLine.purchase_id == purchase_id)
        .order_by(PurchaseLine.position)
        .execution_options(populate_existing=True)
    )
    return list(db.session.execute(query).scalars())


def hold_payment(payment_id: UUID) -> PaymentOut:
    """Lock a payment. Raises PaymentNotFound."""
    query = (
        select(PaymentOut)
        .where(PaymentOut.id == payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    payment = db.session.execute(query).scalar_one_or_none()
    if payment is None:
        raise PaymentNotFound
    return payment


def has_paper(purchase_id: UUID, kind: DocumentKind) -> bool:
    """Whether a paper of that kind is attached."""
    query = select(PurchaseDocument.id).where(
        PurchaseDocument.purchase_id == purchase_id, PurchaseDocument.kind == kind
    )
    return db.session.execute(query.limit(1)).first() is not None


def subject(purchase: Purchase) -> str:
    """Return how the audit log names a purchase."""
    return f"purchase:{purchase.number}"


def touch(purchase: Purchase) -> None:
    """Note a change to the purchase or something of it, so that its version moves on."""
    purchase.changed_at = clock.now()
    db.session.flush()


def hold_year(day: date) -> None:
    """Lock the row that gives purchases of that day's year their numbers."""
    db.session.execute(select(PurchaseYear).where(PurchaseYear.year == day.year).with_for_update())


def next_number(day: date) -> str:
    """Return the next purchase number of that day's year, without gaps: the row is locked till commit."""
    statement = insert(PurchaseYear).values(year=day.year, last_number=1)
    number = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[PurchaseYear.year],
            set_={"last_number": PurchaseYear.last_number + 1},
        ).returning(PurchaseYear.last_number)
    ).scalar_one()
    return f"P-{day.year}-{number:03d}"


def reason(text: str) -> str:
    """Return the reason without blanks around it. Raises ReasonMissing when nothing is left."""
    kept = text.strip()
    if not kept:
        raise ReasonMissing
    return kept


def find_payment(payment_id: UUID) -> PaymentOut:
    """Return a payment without locking it. Raises PaymentNotFound."""
    payment = db.session.get(PaymentOut, payment_id)
    if payment is None:
        raise PaymentNotFound
    return payment
