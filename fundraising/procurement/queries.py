"""Reading purchases, for staff and for the public."""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import selectinload

from fundraising.database import Text2, db
from fundraising.money import Money
from fundraising.procurement.errors import PurchaseNotFound, SupplierNotFound
from fundraising.procurement.models import (
    PaymentOut,
    PaymentState,
    Purchase,
    PurchaseDocument,
    PurchaseLine,
    PurchaseState,
    Supplier,
)

NUMBER = re.compile(r"P-[0-9]{4}-[0-9]{3,6}")


@dataclass(frozen=True)
class Document:
    """A public paper."""

    file_id: UUID
    kind: str
    name: str


@dataclass(frozen=True)
class PublicLine:
    """A spending line as everybody sees it. ``amount_fen`` is what was drawn for it.

    ``paid_fen`` is the line's share of what its purchase has paid, by amounts.
    """

    id: UUID
    kind: str
    item: Text2
    supplier: str | None
    quantity: int | None
    unit_price_fen: int | None
    amount_fen: int
    approved_by_two: bool
    documents: list[Document]
    devices: list[str]
    purchase: str | None
    paid_fen: int | None = None


def get(number: str) -> Purchase:
    """Return a purchase with its lines, papers, supplier and payments. Raises PurchaseNotFound."""
    if not NUMBER.fullmatch(number):
        raise PurchaseNotFound
    query = (
        select(Purchase)
        .where(Purchase.number == number)
        .options(
            selectinload(Purchase.lines),
            selectinload(Purchase.documents),
            selectinload(Purchase.supplier),
            selectinload(Purchase.payments),
        )
        .execution_options(populate_existing=True)
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise PurchaseNotFound
    return found


def get_by_id(purchase_id: UUID) -> Purchase:
    """Return a purchase. Raises PurchaseNotFound."""
    found = db.session.get(Purchase, purchase_id)
    if found is None:
        raise PurchaseNotFound
    return found


def page(
    *, state: PurchaseState | None = None, before: UUID | None = None, limit: int = 50
) -> list[Purchase]:
    """Return purchases with supplier and lines, the latest first; ``before`` is the last id seen."""
    query = (
        select(Purchase)
        .options(selectinload(Purchase.supplier), selectinload(Purchase.lines))
        .order_by(Purchase.id.desc())
        .limit(min(limit, 200))
    )
    if state is not None:
        query = query.where(Purchase.state == state)
    if before is not None:
        query = query.where(Purchase.id < before)
    return list(db.session.execute(query).scalars())


def deliveries(limit: int = 100) -> list[tuple[PurchaseLine, Purchase]]:
    """Return device lines of approved purchases that wait for serial numbers, the oldest first."""
    query = (
        select(PurchaseLine, Purchase)
        .join(Purchase, Purchase.id == PurchaseLine.purchase_id)
        .options(selectinload(Purchase.supplier))
        .where(
            Purchase.state == PurchaseState.APPROVED,
            PurchaseLine.is_device,
            PurchaseLine.accepted < PurchaseLine.quantity,
        )
        .order_by(Purchase.id, PurchaseLine.position)
        .limit(limit)
    )
    return [(line, purchase) for line, purchase in db.session.execute(query)]


def payments_waiting(not_by: UUID) -> int:
    """Return how many payments wait for the decision of somebody who did not prepare them."""
    query = (
        select(func.count())
        .select_from(PaymentOut)
        .where(PaymentOut.state == PaymentState.PREPARED, PaymentOut.prepared_by != not_by)
    )
    return db.session.execute(query).scalar_one()


def waiting_payments(limit: int = 50) -> list[tuple[PaymentOut, Purchase]]:
    """Return payments that wait for a decision with their purchases, the oldest first."""
    query = (
        select(PaymentOut, Purchase)
        .join(Purchase, Purchase.id == PaymentOut.purchase_id)
        .options(selectinload(Purchase.supplier))
        .where(PaymentOut.state == PaymentState.PREPARED)
        .order_by(PaymentOut.id)
        .limit(limit)
    )
    return [(payment, purchase) for payment, purchase in db.session.execute(query)]


def count_waiting(not_by: UUID) -> int:
    """Return how many purchases wait for the approval of somebody who did not prepare them."""
    query = (
        select(func.count())
        .select_from(Purchase)
        .where(Purchase.state == PurchaseState.SUBMITTED, Purchase.prepared_by != not_by)
    )
    return db.session.execute(query).scalar_one()


def lines(purchase_id: UUID) -> list[PurchaseLine]:
    """Return the lines of a purchase in order."""
    query = (
        select(PurchaseLine)
        .where(PurchaseLine.purchase_id == purchase_id)
        .order_by(PurchaseLine.position)
    )
    return list(db.session.execute(query).scalars())


def line(line_id: UUID) -> PurchaseLine:
    """Return a line. Raises PurchaseNotFound."""
    found = db.session.get(PurchaseLine, line_id)
    if found is None:
        raise PurchaseNotFound
    return found


def documents(purchase_id: UUID) -> list[PurchaseDocument]:
    """Return the papers of a purchase."""
    query = select(PurchaseDocument).where(PurchaseDocument.purchase_id == purchase_id)
    return list(db.session.execute(query.order_by(PurchaseDocument.id)).scalars())


def payments(purchase_id: UUID) -> list[PaymentOut]:
    """Return the payments of a purchase."""
    query = select(PaymentOut).where(PaymentOut.purchase_id == purchase_id)
    return list(db.session.execute(query.order_by(PaymentOut.id)).scalars())


def suppliers(limit: int = 500) -> list[Supplier]:
    """Return suppliers by name."""
    return list(db.session.execute(select(Supplier).order_by(Supplier.name).limit(limit)).scalars())


def get_supplier(supplier_id: UUID) -> Supplier:
    """Return a supplier. Raises SupplierNotFound."""
    found = db.session.get(Supplier, supplier_id)
    if found is None:
        raise SupplierNotFound
    return found


def public_spending(fund_id: UUID, limit: int = 200) -> list[PublicLine]:
    """Return what a fund has spent, line by line, with papers and devices: one statement.

    A line is public once something was drawn for it: approved by two people and accepted.
    """
    rows = db.session.execute(
        text(
            """
            SELECT l.id, l.kind, l.title, s.name AS supplier, p.number, p.id AS purchase_id,
                   pl.accepted, pl.unit_price_fen, d.fen,
                   (l.kind = 'training' OR coalesce(p.approved_by <> p.prepared_by, false)) AS by_two,
                   (SELECT jsonb_agg(w.accepted * w.unit_price_fen ORDER BY w.position)
                    FROM purchase_line w WHERE w.purchase_id = p.id) AS shares,
                   (SELECT coalesce(sum(o.amount_fen), 0)::bigint FROM payment_out o
                    WHERE o.purchase_id = p.id AND o.state = 'approved') AS paid,
                   (SELECT count(*) FROM purchase_line w
                    WHERE w.purchase_id = p.id AND w.position < pl.position) AS place,
                   (SELECT coalesce(jsonb_agg(jsonb_build_array(x.file_id, x.kind, x.name) ORDER BY x.id), '[]')
                    FROM purchase_document x WHERE x.purchase_id = p.id AND x.is_public) AS papers,
                   (SELECT coalesce(jsonb_agg(v.no ORDER BY v.no), '[]')
                    FROM device v WHERE v.purchase_line_id = pl.id) AS devices
            FROM fund_spending_line l
            JOIN LATERAL (SELECT sum(end_fen - start_fen)::bigint AS fen FROM fund_draw
                          WHERE spending_line_id = l.id AND superseded_at IS NULL) AS d ON d.fen > 0
            LEFT JOIN purchase_line pl ON pl.id = l.source_id
            LEFT JOIN purchase p ON p.id = pl.purchase_id
            LEFT JOIN supplier s ON s.id = p.supplier_id
            WHERE l.fund_id = :fund_id ORDER BY l.id LIMIT :most
            """
        ),
        {"fund_id": fund_id, "most": limit},
    )
    return [
        PublicLine(
            r.id,
            r.kind,
            r.title,
            r.supplier,
            r.accepted,
            r.unit_price_fen,
            r.fen,
            bool(r.by_two),
            [Document(UUID(f), k, n) for f, k, n in r.papers],
            r.devices,
            r.number,
            _paid(r.paid, r.shares, r.place) if r.number else None,
        )
        for r in rows
    ]


def _paid(paid_fen: int, shares: list[int], place: int) -> int:
    return Money(paid_fen).split(shares)[place].minor
