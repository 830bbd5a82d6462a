"""Issuing receipt confirmations by rule: numbers without gaps, frozen at issue, void and replaced openly.

A receipt confirmation is no fiscal receipt (公益事业捐赠统一票据): it carries none of its marks and says so.
Locks are taken in one order: gifts by id, then receipts, then the year's number.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text, update

from fundraising import clock, references
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.giving import people
from fundraising.giving import queries as gifts
from fundraising.giving.models import Gift, ReceiptRule
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.receipts import letters, papers, queries
from fundraising.receipts.errors import AlreadyVoid, NotPaidYet, VoidReasonMissing
from fundraising.receipts.fiscal import service as fiscal
from fundraising.receipts.models import Receipt, ReceiptLine, ReceiptState
from fundraising.receipts.queries import Waiting

MOST_REASON = 80


# ---------------------------------------------------------------------- work


def handle(work: Claimed) -> None:
    """Issue the receipt of a settled gift when its donor wants one at once, and send it."""
    gift_id = UUID(work.payload["gift_id"])
    with transaction():
        gift = gifts.by_id(gift_id)
        if gift.receipt_rule == ReceiptRule.AT_ONCE:
            letters.send(issue(gift_id), gift)
        fiscal.request_if_wanted(gift_id)


def handle_period(work: Claimed) -> None:
    """Issue one receipt for a donor's gifts of a month or year, and send it; again does nothing."""
    waiting = Waiting(
        work.payload["group"], ReceiptRule(work.payload["rule"]), work.payload["period"]
    )
    with transaction():
        receipt = issue_period(waiting)
        if receipt is not None:
            letters.send(receipt, last_gift(receipt))


def follow_refund(work: Claimed) -> None:
    """Make the receipts say what is left after money went back (or came again); again does nothing."""
    gift_id = UUID(work.payload["gift_id"])
    with transaction():
        receipt = follow(gift_id)
        fiscal.follow(gift_id)
        if receipt is not None:
            letters.send(receipt, last_gift(receipt))


def plan_periods() -> int:
    """Write the work of months and years that are over; return how many donors are waiting.

    The day is part of the key: a payment that was settled late gets a receipt of its own on the next day.
    """
    found = queries.waiting()
    outbox.add_many(
        Kind.ISSUE_PERIOD_RECEIPT,
        [
            (
                f"receipt:{w.period}:{w.group}:{clock.today().isoformat()}",
                {"group": w.group, "rule": w.rule, "period": w.period},
            )
            for w in found
        ],
    )
    return len(found)


# ---------------------------------------------------------------------- verbs


def issue(gift_id: UUID) -> Receipt:
    """Return the valid receipt of a paid gift, issuing one for this gift alone at the first call.

    Raises:
        NotPaidYet: no money has come in for the gift, or all of it went back.
    """
    (gift,) = _lock([gift_id])
    known = queries.find_valid(gift_id)
    if known is not None:
        return known
    if not gift.is_paid or not gift.kept_fen:
        raise NotPaidYet
    return _issue([gift], replaced=queries.find_void(gift_id))


def issue_period(waiting: Waiting) -> Receipt | None:
    """Issue one receipt that lists a donor's gifts of a period; None when all are on receipts already."""
    _lock(queries.gifts_of(waiting))
    found = _lock(queries.gifts_of(waiting))
    return _issue(found, period=waiting.period) if found else None


def void(gift_id: UUID, reason: str, actor_id: UUID | None = None) -> Receipt:
    """Take the receipt a gift is on out of force; its verification page says so and why.

    Raises:
        AlreadyVoid: the gift is on no valid receipt.
    """
    receipt = _lock_receipt(gift_id)
    if receipt is None:
        raise AlreadyVoid
    receipt.state, receipt.voided_at = ReceiptState.VOID, clock.now()
    receipt.void_reason = reason
    db.session.flush()
    db.session.execute(
        update(ReceiptLine).where(ReceiptLine.receipt_id == receipt.id).values(is_valid=False)
    )
    audit.record("receipt.voided", f"receipt:{receipt.label}", actor_id, {"reason": reason})
    return receipt


def void_by_hand(
    receipt_id: UUID, reason: str, actor_id: UUID, *, is_replaced: bool
) -> Receipt | None:
    """Take a receipt out of force on a person's word; return its replacement over what is left, if one is made.

    Raises:
        VoidReasonMissing: nobody says why.
        AlreadyVoid: it does not stand any more.
    """
    why = people.clean(reason, MOST_REASON)
    if not why:
        raise VoidReasonMissing
    first = queries.lines_of(queries.get(receipt_id).id)[0].gift_id
    standing = _lock_receipt(first)
    if standing is None or standing.id != receipt_id:
        raise AlreadyVoid
    if is_replaced:
        return reissue(first, why, actor_id)
    void(first, why, actor_id)
    return None


def reissue(gift_id: UUID, reason: str, actor_id: UUID | None = None) -> Receipt | None:
    """Void the receipt a gift is on and issue its replacement over what is left, None when nothing is.

    Raises:
        AlreadyVoid: the gift is on no valid receipt.
    """
    old = void(gift_id, reason, actor_id)
    ids = [line.gift_id for line in queries.lines_of(old.id)]
    left = [gift for gift in _lock(ids) if gift.kept_fen]
    return _issue(left, period=old.period, replaced=old) if left else None


def follow(gift_id: UUID) -> Receipt | None:
    """Replace the receipt a gift is on when it no longer says what is left; return the new one, if any.

    A gift whose money came back after its receipt was void for the refund gets another one.
    """
    receipt = _lock_receipt(gift_id)
    if receipt is None:
        return _issue_again(gift_id)
    said = {line.gift_id: line.amount_fen for line in queries.lines_of(receipt.id)}
    if said[gift_id] == gifts.by_id(gift_id).kept_fen:
        return None
    return reissue(gift_id, letters.REFUND)


# ---------------------------------------------------------------------- inside


def _issue_again(gift_id: UUID) -> Receipt | None:
    gift, old = gifts.by_id(gift_id), queries.find_void(gift_id)
    is_due = gift.is_paid and gift.kept_fen and gift.receipt_rule == ReceiptRule.AT_ONCE
    return issue(gift_id) if is_due and old and old.void_reason == letters.REFUND else None


def _lock(gift_ids: Sequence[UUID]) -> list[Gift]:
    query = select(Gift).where(Gift.id.in_(gift_ids)).order_by(Gift.id).with_for_update()
    return list(db.session.execute(query.execution_options(populate_existing=True)).scalars())


def _lock_receipt(gift_id: UUID) -> Receipt | None:
    """Lock all gifts of the receipt a gift is on, then the receipt, as it is by then."""
    while True:
        receipt = queries.find_valid(gift_id)
        ids = [line.gift_id for line in queries.lines_of(receipt.id)] if receipt else [gift_id]
        _lock(ids)
        now = queries.find_valid(gift_id)
        if (now and now.id) == (receipt and receipt.id):
            return now


def _issue(found: Sequence[Gift], period: str = "", replaced: Receipt | None = None) -> Receipt:
    in_order = sorted(found, key=lambda gift: (gift.paid_at or gift.created_at, gift.id))
    now = clock.now()
    year = clock.shanghai_date(now).year
    receipt = Receipt(
        id=references.uuid7(),
        year=year,
        number=_next_number(year),
        code=references.verification_code(),
        token=references.secret_token(),
        period=period,
        amount_fen=sum(gift.kept_fen for gift in in_order),
        issued_at=now,
        replaces_id=replaced.id if replaced else None,
    )
    papers.freeze(receipt, in_order, replaced)
    db.session.add(receipt)
    db.session.flush()
    db.session.add_all(
        ReceiptLine(receipt_id=receipt.id, gift_id=gift.id, amount_fen=gift.kept_fen)
        for gift in in_order
    )
    db.session.flush()
    return receipt


def last_gift(receipt: Receipt) -> Gift:
    """Return the newest gift of a receipt: its donor's address is the one that counts."""
    return gifts.by_id(queries.lines_of(receipt.id)[-1].gift_id)


def _next_number(year: int) -> int:
    row = db.session.execute(
        text(
            "INSERT INTO receipt_year (year, last_number) VALUES (:year, 1) "
            "ON CONFLICT (year) DO UPDATE SET last_number = receipt_year.last_number + 1 RETURNING last_number"
        ),
        {"year": year},
    )
    return int(row.scalar_one())
