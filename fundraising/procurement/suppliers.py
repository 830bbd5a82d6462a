"""Who sells to the chapter: adding and changing suppliers."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.procurement.errors import PurchaseChanged, SupplierExists, SupplierNotFound
from fundraising.procurement.models import Supplier


@dataclass(frozen=True)
class SupplierFacts:
    """What a person writes about a supplier. ``credit_code`` is the 统一社会信用代码."""

    name: str
    credit_code: str = ""
    bank_account: str = ""
    contact: str = ""


def supplier(
    name: str, *, credit_code: str = "", bank_account: str = "", contact: str = ""
) -> Supplier:
    """Return the supplier of that name, adding it at the first call."""
    found = db.session.execute(select(Supplier).where(Supplier.name == name)).scalar_one_or_none()
    return found or create(SupplierFacts(name, credit_code, bank_account, contact), None)


def create(facts: SupplierFacts, actor_id: UUID | None) -> Supplier:
    """Add a supplier. Raises SupplierExists."""
    supplier = Supplier(**vars(facts))
    try:
        with db.session.begin_nested():
            db.session.add(supplier)
    except IntegrityError as taken:
        raise SupplierExists from taken
    audit.record("supplier.created", f"supplier:{supplier.id}", actor_id, {})
    return supplier


def edit(supplier_id: UUID, facts: SupplierFacts, *, version: int, actor_id: UUID | None) -> None:
    """Change a supplier.

    Raises:
        SupplierNotFound, SupplierExists: as they say.
        PurchaseChanged: ``version`` is not the present one.
    """
    supplier = db.session.get(Supplier, supplier_id)
    if supplier is None:
        raise SupplierNotFound
    if supplier.version != version:
        raise PurchaseChanged
    changed = {n: v for n, v in vars(facts).items() if getattr(supplier, n) != v}
    try:
        with db.session.begin_nested():
            for name, value in changed.items():
                setattr(supplier, name, value)
    except IntegrityError as taken:
        raise SupplierExists from taken
    except StaleDataError as stale:
        raise PurchaseChanged from stale
    audit.record(
        "supplier.edited", f"supplier:{supplier.id}", actor_id, {"changed": sorted(changed)}
    )
