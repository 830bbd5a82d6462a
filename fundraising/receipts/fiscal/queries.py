"""Reading fiscal receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select

from fundraising.database import db
from fundraising.giving.models import Gift
from fundraising.receipts.fiscal.errors import BillNotFound
from fundraising.receipts.fiscal.models import OUT, WAITING, BillState, FiscalBill


@dataclass(frozen=True)
class Row:
    """A bill with its gift."""

    bill: FiscalBill
    gift: Gift


def get(bill_id: UUID) -> FiscalBill:
    """Return a bill as it is now. Raises BillNotFound."""
    found = db.session.get(FiscalBill, bill_id, populate_existing=True)
    if found is None:
        raise BillNotFound
    return found


def find_open(gift_id: UUID) -> FiscalBill | None:
    """Return the bill of a gift that is asked for or out, None when there is none."""
    query = select(FiscalBill).where(FiscalBill.gift_id == gift_id, FiscalBill.state.in_(OUT))
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()


def latest(gift_id: UUID) -> FiscalBill | None:
    """Return the newest bill of a gift, None when it never had one."""
    query = select(FiscalBill).where(FiscalBill.gift_id == gift_id)
    return db.session.execute(query.order_by(FiscalBill.id.desc()).limit(1)).scalar_one_or_none()


def rows(states: Sequence[str], limit: int = 100) -> list[Row]:
    """Return bills in those states with their gifts, the newest first."""
    query = (
        select(FiscalBill, Gift)
        .join(Gift, Gift.id == FiscalBill.gift_id)
        .where(FiscalBill.state.in_(states))
        .order_by(FiscalBill.requested_at.desc(), FiscalBill.id.desc())
        .limit(limit)
    )
    return [Row(bill, gift) for bill, gift in db.session.execute(query)]


def wished(limit: int = 100) -> list[Gift]:
    """Return paid gifts whose donor wants a fiscal receipt and that never had one, the oldest first."""
    query = select(Gift).where(*_wished()).order_by(Gift.paid_at, Gift.id).limit(limit)
    return list(db.session.execute(query).scalars())


def count_waiting() -> int:
    """Return how many wishes, failures and red requests wait for somebody."""
    bills = select(func.count()).select_from(FiscalBill)
    bills = bills.where(FiscalBill.state.in_([BillState.FAILED, *WAITING]))
    wishes = select(func.count()).select_from(Gift).where(*_wished())
    return int(db.session.execute(bills).scalar_one() + db.session.execute(wishes).scalar_one())


def _wished() -> tuple[ColumnElement[bool], ...]:
    return (
        Gift.wants_fiscal_receipt.is_(True),
        Gift.paid_at.is_not(None),
        Gift.refunded_fen < Gift.amount_fen,
        ~exists().where(FiscalBill.gift_id == Gift.id),
    )
