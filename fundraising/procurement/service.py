"""Buying: prepared by one person, approved by another, accepted line by line, paid with two signatures.

Drafts and decisions stand here; ``acceptance`` spends the money, ``payouts`` pays the supplier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import Text2, db
from fundraising.files import service as files
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.funds.errors import FundOverspent
from fundraising.funds.models import SpendingKind
from fundraising.i18n import fen
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money
from fundraising.procurement import locking
from fundraising.procurement.acceptance import accept
from fundraising.procurement.errors import (
    NothingToBuy,
    NotYours,
    PapersMissing,
    PurchaseNotFound,
    SamePerson,
    SupplierNotFound,
    WrongState,
)
from fundraising.procurement.models import (
    DocumentKind,
    Purchase,
    PurchaseDocument,
    PurchaseLine,
    PurchaseState,
    Supplier,
)
from fundraising.procurement.payouts import decide_payment, prepare_payment
from fundraising.procurement.suppliers import supplier

__all__ = [
    "NewLine", "accept", "add_line", "approve", "attach", "cancel", "close_short", "create",
    "decide_payment", "edit", "prepare_payment", "reject", "remove_line", "reopen", "submit", "supplier",
]  # fmt: skip


@dataclass(frozen=True)
class NewLine:
    """A line to buy; price in fen for one. Devices are accepted by serial number, the rest by quantity."""

    item: Text2
    quantity: int
    unit_price_fen: int
    is_device: bool = False
    model: str = ""


SENT_TWICE = timedelta(minutes=1)

# ------------------------------------------------------------------ drafts


def create(
    campaign: Campaign,
    seller: Supplier,
    title: Text2,
    lines: Sequence[NewLine],
    actor_id: UUID,
    *,
    at: datetime | None = None,
) -> Purchase:
    """Write a draft purchase from the campaign's fund; whoever writes it prepares it.

    The same draft of the same person within a minute is the same draft: a form was sent twice.
    """
    when = at or clock.now()
    twin = None if lines else _twin(campaign, seller, title, actor_id, when)
    if twin is not None:
        return twin
    purchase = Purchase(
        number=locking.next_number(clock.shanghai_date(when)),
        title=title,
        campaign_id=campaign.id,
        fund_id=campaign.fund_id,
        supplier_id=seller.id,
        prepared_by=actor_id,
        created_at=when,
    )
    db.session.add(purchase)
    db.session.flush()
    for position, line in enumerate(lines, start=1):
        db.session.add(_line(purchase.id, position, line))
    db.session.flush()
    audit.record("purchase.created", locking.subject(purchase), actor_id, {"lines": len(lines)})
    return purchase


def edit(
    purchase_id: UUID, supplier_id: UUID, title: Text2, *, version: int, actor_id: UUID
) -> None:
    """Change supplier or title of a draft. Raises like ``add_line``, and SupplierNotFound."""
    purchase = _draft(purchase_id, actor_id, version)
    if db.session.get(Supplier, supplier_id) is None:
        raise SupplierNotFound
    purchase.supplier_id, purchase.title = supplier_id, title
    locking.touch(purchase)
    audit.record("purchase.edited", locking.subject(purchase), actor_id, {})


def add_line(
    purchase_id: UUID, line: NewLine, actor_id: UUID, *, version: int | None = None
) -> PurchaseLine:
    """Add a line to a draft.

    Raises:
        WrongState: it is no draft any more.
        NotYours: somebody else prepares it.
        PurchaseChanged: ``version`` is given and not the present one.
    """
    purchase = _draft(purchase_id, actor_id, version)
    known = locking.lines_of(purchase.id)
    added = _line(purchase.id, known[-1].position + 1 if known else 1, line)
    db.session.add(added)
    locking.touch(purchase)
    audit.record(
        "purchase.line_added", locking.subject(purchase), actor_id, {"line": added.position}
    )
    return added


def remove_line(purchase_id: UUID, line_id: UUID, actor_id: UUID, *, version: int) -> None:
    """Take a line off a draft. Raises like ``add_line``, and PurchaseNotFound."""
    purchase = _draft(purchase_id, actor_id, version)
    gone = db.session.execute(
        delete(PurchaseLine)
        .where(PurchaseLine.id == line_id, PurchaseLine.purchase_id == purchase_id)
        .returning(PurchaseLine.position)
    ).scalar_one_or_none()
    if gone is None:
        raise PurchaseNotFound
    locking.touch(purchase)
    audit.record("purchase.line_removed", locking.subject(purchase), actor_id, {"line": gone})


def attach(
    purchase: Purchase,
    kind: DocumentKind,
    data: bytes,
    name: str,
    actor_id: UUID,
    *,
    is_public: bool = True,
) -> PurchaseDocument:
    """Attach a paper; the invoice may come late, so only refused and cancelled purchases take none.

    Papers are public so that donors can read them, except those marked as holding private data.

    Raises:
        FileRefused: not a PDF or picture of at most 10 MB.
        WrongState: the purchase was rejected or cancelled.
    """
    stored = files.store(data, name, is_public=is_public)
    held = locking.hold(
        purchase.id,
        PurchaseState.DRAFT,
        PurchaseState.SUBMITTED,
        PurchaseState.APPROVED,
        PurchaseState.RECEIVED,
    )
    paper = PurchaseDocument(
        purchase_id=held.id,
        kind=kind,
        file_id=stored.id,
        name=stored.name,
        is_public=is_public,
        added_by=actor_id,
    )
    db.session.add(paper)
    locking.touch(held)
    audit.record(
        "purchase.paper_attached",
        locking.subject(held),
        actor_id,
        {"kind": str(kind), "sha256": stored.sha256, "public": is_public},
    )
    return paper


# ------------------------------------------------------------------ decisions


def submit(
    purchase: Purchase, actor_id: UUID, *, version: int | None = None, at: datetime | None = None
) -> None:
    """Ask for approval.

    Raises:
        NothingToBuy: it has no lines.
        PapersMissing: it has no contract.
        WrongState, NotYours, PurchaseChanged: as for ``add_line``.
    """
    held = _draft(purchase.id, actor_id, version)
    if not locking.lines_of(held.id):
        raise NothingToBuy
    if not locking.has_paper(held.id, DocumentKind.CONTRACT):
        raise PapersMissing
    held.state, held.submitted_at = PurchaseState.SUBMITTED, at or clock.now()
    locking.touch(held)
    audit.record("purchase.submitted", locking.subject(held), actor_id, {})


def approve(
    purchase: Purchase, actor_id: UUID, *, version: int | None = None, at: datetime | None = None
) -> None:
    """Approve as the second person, and set the fund's money aside line by line, all or nothing.

    Raises:
        SamePerson: the person prepared it.
        FundOverspent: the fund does not hold that much free money; the message says how much.
        WrongState, PurchaseChanged: as they say.
    """
    held = _submitted(purchase.id, actor_id, version)
    lines = locking.lines_of(held.id)
    _require_free_money(held.fund_id, sum(line.amount_fen for line in lines))
    for line in lines:
        amount = Money(line.amount_fen)
        spending = funds.open_spending_line(
            held.fund_id, SpendingKind.PURCHASE, line.item, amount, line.id
        )
        funds.reserve(spending.id, amount)
        line.spending_line_id = spending.id
    held.state, held.approved_by = PurchaseState.APPROVED, actor_id
    held.approved_at, held.decision_note = at or clock.now(), ""
    locking.touch(held)
    audit.record("purchase.approved", locking.subject(held), actor_id, {})


def reject(purchase: Purchase, reason: str, actor_id: UUID, *, version: int | None = None) -> None:
    """Send a submitted purchase back with a reason. Raises ReasonMissing, and like ``approve``."""
    held = _submitted(purchase.id, actor_id, version)
    held.state, held.decision_note = PurchaseState.REJECTED, locking.reason(reason)
    locking.touch(held)
    audit.record("purchase.rejected", locking.subject(held), actor_id, {})


def reopen(purchase: Purchase, actor_id: UUID, *, version: int | None = None) -> None:
    """Take a submitted or rejected purchase back to draft, by the person who prepares it.

    Raises:
        WrongState, NotYours, PurchaseChanged: as they say.
    """
    states = (PurchaseState.SUBMITTED, PurchaseState.REJECTED)
    held = locking.hold(purchase.id, *states, version=version)
    if held.prepared_by != actor_id:
        raise NotYours
    held.state, held.submitted_at = PurchaseState.DRAFT, None
    locking.touch(held)
    audit.record("purchase.reopened", locking.subject(held), actor_id, {})


def cancel(purchase: Purchase, reason: str, actor_id: UUID, *, version: int | None = None) -> None:
    """Cancel a purchase of which nothing was accepted; what was set aside is free again.

    Raises:
        ReasonMissing: no reason is given.
        WrongState: something was accepted, or it is over already.
    """
    held = locking.hold(
        purchase.id,
        PurchaseState.DRAFT,
        PurchaseState.SUBMITTED,
        PurchaseState.REJECTED,
        PurchaseState.APPROVED,
        version=version,
    )
    lines = locking.lines_of(held.id)
    if any(line.accepted for line in lines):
        raise WrongState
    _release(lines)
    held.state, held.decision_note = PurchaseState.CANCELLED, locking.reason(reason)
    locking.touch(held)
    audit.record("purchase.cancelled", locking.subject(held), actor_id, {})


def close_short(
    purchase: Purchase, reason: str, actor_id: UUID, *, version: int | None = None
) -> None:
    """End an approved purchase that will not be delivered in full; the rest is free again.

    Raises:
        ReasonMissing: no reason is given.
        WrongState: nothing was accepted (cancel it instead), or it is not approved.
    """
    held = locking.hold(purchase.id, PurchaseState.APPROVED, version=version)
    lines = locking.lines_of(held.id)
    if not any(line.accepted for line in lines):
        raise WrongState
    _release(lines)
    held.state, held.decision_note = PurchaseState.RECEIVED, locking.reason(reason)
    locking.touch(held)
    audit.record("purchase.closed_short", locking.subject(held), actor_id, {})


# ------------------------------------------------------------------ inside


def _line(purchase_id: UUID, position: int, line: NewLine) -> PurchaseLine:
    return PurchaseLine(
        purchase_id=purchase_id,
        position=position,
        item=line.item,
        model=line.model,
        quantity=line.quantity,
        unit_price_fen=line.unit_price_fen,
        is_device=line.is_device,
    )


def _twin(
    campaign: Campaign, seller: Supplier, title: Text2, actor_id: UUID, when: datetime
) -> Purchase | None:
    """Return the draft that the same form began just now; the year's row is locked, so two wait for each other."""
    locking.hold_year(clock.shanghai_date(when))
    query = select(Purchase).where(
        Purchase.campaign_id == campaign.id,
        Purchase.supplier_id == seller.id,
        Purchase.prepared_by == actor_id,
        Purchase.state == PurchaseState.DRAFT,
        Purchase.created_at > when - SENT_TWICE,
    )
    found = db.session.execute(query.order_by(Purchase.id.desc()).limit(10)).scalars()
    return next((one for one in found if one.title == title), None)


def _draft(purchase_id: UUID, actor_id: UUID, version: int | None) -> Purchase:
    purchase = locking.hold(purchase_id, PurchaseState.DRAFT, version=version)
    if purchase.prepared_by != actor_id:
        raise NotYours
    return purchase


def _submitted(purchase_id: UUID, actor_id: UUID, version: int | None) -> Purchase:
    purchase = locking.hold(purchase_id, PurchaseState.SUBMITTED, version=version)
    if purchase.prepared_by == actor_id:
        raise SamePerson
    return purchase


def _require_free_money(fund_id: UUID, needed_fen: int) -> None:
    lane = fund_queries.lane(fund_id)
    db.session.refresh(lane)
    free = lane.unspent_fen - lane.reserved_fen
    if free < needed_fen:
        raise FundOverspent(
            _l(
                "This purchase costs %(needed)s, but only %(free)s of the fund are unspent and not set aside.",
                needed=fen(needed_fen),
                free=fen(free),
            ),
            needed_fen=needed_fen,
            free_fen=free,
        )


def _release(lines: list[PurchaseLine]) -> None:
    for line in lines:
        if line.spending_line_id is not None and line.missing:
            funds.release(line.spending_line_id, Money(line.missing * line.unit_price_fen))
