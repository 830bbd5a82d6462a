"""Paying suppliers: prepared by one person, approved by another, then booked against the bank."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import func, select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.procurement import locking
from fundraising.procurement.errors import PapersMissing, SamePerson, TooMuch, WrongState
from fundraising.procurement.models import (
    DocumentKind,
    PaymentOut,
    PaymentState,
    Purchase,
    PurchaseState,
)

NOON = time(12, 0)


def prepare_payment(
    purchase: Purchase,
    amount: Money,
    paid_on: date,
    reference: str,
    actor_id: UUID,
    *,
    version: int | None = None,
) -> PaymentOut:
    """Prepare a payment to the supplier, against the invoice and never above what was accepted.

    Raises:
        PapersMissing: no invoice is attached.
        TooMuch: more than is accepted and not yet paid or prepared.
        WrongState: the purchase is not approved.
        PurchaseChanged: ``version`` is given and not the present one; a form sent twice pays once.
    """
    held = locking.hold(
        purchase.id, PurchaseState.APPROVED, PurchaseState.RECEIVED, version=version
    )
    if not locking.has_paper(held.id, DocumentKind.INVOICE):
        raise PapersMissing
    open_fen = payable_fen(held.id)
    if not 0 < amount.minor <= open_fen:
        raise TooMuch(open_fen=open_fen)
    payment = PaymentOut(
        purchase_id=held.id,
        amount_fen=amount.minor,
        paid_on=paid_on,
        bank_reference=reference,
        prepared_by=actor_id,
    )
    db.session.add(payment)
    locking.touch(held)
    _record("purchase.payment_prepared", held, payment, actor_id)
    return payment


def decide_payment(
    payment_id: UUID, actor_id: UUID, *, is_approved: bool, note: str = ""
) -> PaymentOut:
    """Approve a payment as the second person and book it on its day, or refuse it with a reason. Once.

    Raises:
        SamePerson: the person prepared it.
        WrongState: it was decided already.
        ReasonMissing: refused without one.
    """
    purchase = locking.hold(locking.find_payment(payment_id).purchase_id)
    payment = locking.hold_payment(payment_id)
    if payment.state != PaymentState.PREPARED:
        raise WrongState
    if payment.prepared_by == actor_id:
        raise SamePerson
    if is_approved:
        payment.entry_id = _book(payment, purchase, actor_id)
        payment.state, payment.approved_by = PaymentState.APPROVED, actor_id
    else:
        payment.state, payment.decision_note = PaymentState.REJECTED, locking.reason(note)
    payment.decided_at = clock.now()
    locking.touch(purchase)
    _record(f"purchase.payment_{payment.state}", purchase, payment, actor_id)
    return payment


def payable_fen(purchase_id: UUID) -> int:
    """Return what was accepted of a purchase less payments prepared and approved, in fen."""
    accepted = sum(line.accepted * line.unit_price_fen for line in locking.lines_of(purchase_id))
    query = select(func.coalesce(func.sum(PaymentOut.amount_fen), 0)).where(
        PaymentOut.purchase_id == purchase_id, PaymentOut.state != PaymentState.REJECTED
    )
    return accepted - int(db.session.execute(query).scalar_one())


def _book(payment: PaymentOut, purchase: Purchase, actor_id: UUID) -> UUID:
    amount = Money(payment.amount_fen)
    return ledger.post(
        NewEntry(
            f"payment-out:{payment.id}",
            EntryKind.PAYMENT_OUT,
            datetime.combine(payment.paid_on, NOON, clock.SHANGHAI),
            (debit(chart.PAYABLE, amount), credit(chart.BANK, amount)),
            fund_id=purchase.fund_id,
            actor=f"staff:{actor_id}",
        )
    )


def _record(action: str, purchase: Purchase, payment: PaymentOut, actor_id: UUID) -> None:
    detail = {"payment": str(payment.id), "amount_fen": payment.amount_fen}
    audit.record(action, locking.subject(purchase), actor_id, detail)
