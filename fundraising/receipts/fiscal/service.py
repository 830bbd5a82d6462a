"""Asking the finance department for its e-receipt (公益事业捐赠统一票据), for red ones, and linking them.

Our row and its request number come first, then the department is asked, outside any transaction. What
was sent once is found again by its number before it is sent again: an unknown outcome is never guessed.
Code, number, check code and address are the department's; nothing here makes or draws them.
"""

from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import select

from fundraising import clock, references
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.giving import people, refunds
from fundraising.giving.errors import GiftNotFound
from fundraising.giving.models import Gift
from fundraising.i18n import gettext as _
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.receipts.fiscal import queries
from fundraising.receipts.fiscal.department import (
    Answer,
    BillRequest,
    Department,
    DepartmentUnavailable,
    Outcome,
    RedRequest,
)
from fundraising.receipts.fiscal.errors import (
    BillNotIssued,
    FiscalOff,
    NothingToBill,
    PayerMissing,
)
from fundraising.receipts.fiscal.models import BillState, FiscalBill

ITEM = "公益事业捐赠"
FIRST_LOOK, LONGEST_LOOK = timedelta(minutes=1), timedelta(hours=1)
REFUND = "refund"
MANY_LOOKS = 12
log = structlog.get_logger(__name__)


def find_department() -> Department | None:
    """Return the finance department's system, None where there is no interface."""
    return cast("Department | None", current_app.extensions["fiscal"])


# ---------------------------------------------------------------------- verbs


def request(gift_id: UUID, actor_id: UUID | None = None) -> FiscalBill:
    """Write that a bill over what is left of a gift is to be asked for; one that is out is returned.

    Raises:
        FiscalOff, NothingToBill, PayerMissing: as they say.
    """
    gift = lock_gift(gift_id)
    known = queries.find_open(gift_id)
    if known is not None:
        return known
    if find_department() is None:
        raise FiscalOff
    if not gift.is_paid or not gift.kept_fen:
        raise NothingToBill
    if not people.read(gift_id).payer_name:
        raise PayerMissing
    bill = FiscalBill(
        gift_id=gift_id, request_no=references.order_number(), amount_fen=gift.kept_fen
    )
    db.session.add(bill)
    db.session.flush()
    audit.record("fiscal.requested", f"gift:{gift.ref}", actor_id, {"bill": str(bill.id)})
    _plan(bill, "first")
    return bill


def request_if_wanted(gift_id: UUID) -> None:
    """Ask for the bill of a gift whose donor wants one; what is missing waits on the staff's desk."""
    gift = db.session.get(Gift, gift_id)
    if gift is None or not gift.wants_fiscal_receipt or find_department() is None:
        return
    if gift.is_paid and gift.kept_fen and people.read(gift_id).payer_name:
        request(gift_id)


def request_red(gift_id: UUID, reason: str, actor_id: UUID | None = None) -> FiscalBill:
    """Write that the bill of a gift is to be cancelled by a red one; from then on money may go back.

    Raises:
        BillNotIssued: no bill stands.
    """
    gift = lock_gift(gift_id)
    bill = queries.find_open(gift_id)
    if bill is None or bill.state == BillState.REQUESTED:
        raise BillNotIssued
    if bill.state == BillState.RED_REQUESTED:
        return bill
    bill.state, bill.red_reason = BillState.RED_REQUESTED, reason
    bill.red_request_no, bill.looks = references.order_number(), 0
    db.session.flush()
    audit.record("fiscal.red_requested", f"gift:{gift.ref}", actor_id, {"reason": reason})
    if find_department() is not None:
        _plan(bill, "red")
    return bill


def follow(gift_id: UUID) -> None:
    """Make bills follow money that went back: red for what is wrong, a new one for what is left."""
    gift = lock_gift(gift_id)
    bill = queries.find_open(gift_id)
    if bill is None:
        last = queries.latest(gift_id)
        if last is not None and last.state in (BillState.RED_ISSUED, BillState.VOID):
            request_if_wanted(gift_id)
    elif bill.state == BillState.ISSUED and bill.amount_fen != gift.kept_fen:
        request_red(gift_id, REFUND)


def blocks_refund(gift_id: UUID) -> str | None:
    """Return why a gift's money may not go back yet, None when no bill stands in its way."""
    bill = queries.find_open(gift_id)
    if bill is None or not bill.is_out:
        return None
    if bill.state == BillState.REQUESTED:
        return str(_("Its fiscal receipt is being issued. Wait for it, then ask for the red one."))
    return str(_("Its fiscal receipt is out. Ask for the red one first."))


def ask_again(bill_id: UUID, actor_id: UUID) -> None:
    """Let the department be asked now: a failed request gets a new one, a waiting one is looked for."""
    bill = queries.get(bill_id)
    if bill.state == BillState.FAILED:
        request(bill.gift_id, actor_id)
    elif bill.state in (BillState.REQUESTED, BillState.RED_REQUESTED):
        if find_department() is None:
            raise FiscalOff
        _plan(bill, references.secret_token())


def tell_payer(gift: Gift, name: str, tax_no: str) -> None:
    """Keep whom the fiscal receipt of a gift is for, and that it is wanted.

    Raises:
        PayerMissing, TaxNumberRefused: as they say.
    """
    people.tell_payer(gift.id, checked_payer(name), people.tax_number(tax_no))
    gift.wants_fiscal_receipt = True
    db.session.flush()


def checked_payer(name: str) -> str:
    """Return a payer's name in one form. Raises PayerMissing, TextRefused."""
    cleaned = people.clean(name, people.MAX_PAYER)
    if not cleaned:
        raise PayerMissing
    return cleaned


# ---------------------------------------------------------------------- work


def advance(work: Claimed) -> None:
    """Ask the department about one bill, and again later while it has no word."""
    department = find_department()
    bill_id = UUID(work.payload["bill_id"])
    with transaction():
        bill = _lock(bill_id)
        state, was_sent = bill.state, _note_sent(bill)
        asked = _question(bill) if department is not None else None
    if department is None or asked is None:
        return
    answer = _ask(department, asked, was_sent=was_sent)
    with transaction():
        lock_gift(bill.gift_id)
        now = _lock(bill_id)
        if now.state == state:
            _apply(now, answer)


def _ask(department: Department, asked: BillRequest | RedRequest, *, was_sent: bool) -> Answer:
    """Return what the department says; what was sent before is looked for before it is sent again."""
    try:
        answer = department.find(asked.request_no) if was_sent else Answer(Outcome.UNKNOWN)
        if answer.outcome is Outcome.UNKNOWN:
            return _send(department, asked)
    except DepartmentUnavailable as away:
        log.warning("fiscal_department_away", error=str(away))
        return Answer(Outcome.PENDING)
    return answer


def _send(department: Department, asked: BillRequest | RedRequest) -> Answer:
    if isinstance(asked, RedRequest):
        return department.red(asked)
    return department.issue(asked)


def _note_sent(bill: FiscalBill) -> bool:
    """Note before sending that it is sent; return whether it was before."""
    if bill.state == BillState.RED_REQUESTED:
        before, bill.is_red_sent = bill.is_red_sent, True
    else:
        before, bill.is_sent = bill.is_sent, True
    bill.looks += 1
    db.session.flush()
    return before


def _question(bill: FiscalBill) -> BillRequest | RedRequest | None:
    if bill.state == BillState.RED_REQUESTED:
        return RedRequest(
            bill.red_request_no or "", bill.code or "", bill.number or "", bill.red_reason or ""
        )
    if bill.state != BillState.REQUESTED:
        return None
    gift = db.session.get_one(Gift, bill.gift_id)
    person = people.read(gift.id)
    return BillRequest(
        request_no=bill.request_no,
        amount_fen=bill.amount_fen,
        payer_name=person.payer_name,
        payer_tax_no=person.payer_tax_no,
        item=ITEM,
        paid_on=clock.shanghai_date(gift.paid_at or gift.created_at),
        note=campaigns.get_by_id(gift.campaign_id).title["zh"],
    )


def _apply(bill: FiscalBill, answer: Answer) -> None:
    is_red = bill.state == BillState.RED_REQUESTED
    if answer.outcome is Outcome.PENDING or answer.outcome is Outcome.UNKNOWN:
        pause = min(FIRST_LOOK * 2 ** min(bill.looks, 6), LONGEST_LOOK)
        _plan(bill, f"look-{bill.looks}-{is_red}", pause)
        if bill.looks >= MANY_LOOKS:
            audit.raise_alarm("fiscal:silent", {"bill": str(bill.id), "looks": bill.looks})
    elif answer.outcome is Outcome.REJECTED:
        _refused(bill, answer.reason, is_red=is_red)
    elif answer.outcome is Outcome.VOID:
        bill.state = BillState.VOID
    elif not answer.code or not answer.number:
        _refused(bill, "The department issued a bill without numbers.", is_red=is_red)
    elif is_red:
        record_red(bill, answer.code, answer.number)
    else:
        record_issued(bill, answer)
    db.session.flush()


def record_issued(bill: FiscalBill, answer: Answer) -> None:
    """Keep what the department issued. A bill over another amount than asked for is an alarm."""
    bill.state, bill.code, bill.number = BillState.ISSUED, answer.code, answer.number
    bill.check_code, bill.issued_on = answer.check_code, answer.issued_on
    bill.url = answer.url if urlsplit(answer.url).scheme in ("https", "http") else None
    bill.reason = None
    db.session.flush()
    if answer.amount_fen != bill.amount_fen:
        audit.raise_alarm(
            "fiscal:amount",
            {"bill": str(bill.id), "asked": bill.amount_fen, "issued": answer.amount_fen},
        )
    follow(bill.gift_id)


def record_red(bill: FiscalBill, code: str, number: str) -> None:
    """Keep the red bill; what is left of the gift gets a bill of its own when money went back."""
    bill.state, bill.red_code, bill.red_number, bill.reason = (
        BillState.RED_ISSUED,
        code,
        number,
        None,
    )
    db.session.flush()
    if db.session.get_one(Gift, bill.gift_id, populate_existing=True).kept_fen != bill.amount_fen:
        request_if_wanted(bill.gift_id)


def _refused(bill: FiscalBill, reason: str, *, is_red: bool) -> None:
    """A refused request has failed; a refused red one goes on waiting, for a person."""
    bill.reason = reason[:300]
    if not is_red:
        bill.state = BillState.FAILED
    audit.raise_alarm("fiscal:red_refused" if is_red else "fiscal:refused", {"bill": str(bill.id)})


def _plan(bill: FiscalBill, step: str, pause: timedelta = timedelta()) -> None:
    outbox.add(
        Kind.ADVANCE_FISCAL,
        f"fiscal:{bill.id}:{step}",
        {"bill_id": str(bill.id)},
        clock.now() + pause,
    )


def _lock(bill_id: UUID) -> FiscalBill:
    query = select(FiscalBill).where(FiscalBill.id == bill_id).with_for_update()
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one()


def lock_gift(gift_id: UUID) -> Gift:
    """Lock a gift before its bills: the order everybody keeps. Raises GiftNotFound."""
    query = select(Gift).where(Gift.id == gift_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise GiftNotFound
    return found


refunds.register_gate(blocks_refund)
