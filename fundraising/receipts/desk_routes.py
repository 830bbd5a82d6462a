"""Staff pages for receipts: find one by its number or code, see what it says, make it void with a reason."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving import queries as gifts
from fundraising.i18n import gettext as _
from fundraising.receipts import letters, queries, service
from fundraising.receipts.models import Receipt

bp = Blueprint("receipt_desk", __name__, url_prefix="/staff/receipts")


@bp.get("")
@staff_may("finance.view")
def index() -> ResponseReturnValue:
    """List the receipts issued last, or go to one by its number or code."""
    number = request.args.get("number", "")[:40]
    found = queries.find_by_number(number) if number else None
    if found is not None:
        return redirect(url_for(".show", receipt_id=found.id), 303)
    return render_template("receipts/desk.html", receipts=queries.latest(), number=number)


@bp.get("/<uuid:receipt_id>")
@staff_may("finance.view")
def show(receipt_id: UUID) -> ResponseReturnValue:
    """Show a receipt with its gifts and what took its place."""
    return _page(queries.get(receipt_id))


@bp.post("/<uuid:receipt_id>/void")
@staff_may("finance.post")
def void(receipt_id: UUID) -> ResponseReturnValue:
    """Make a receipt void; its replacement, if wanted, goes to the donor."""
    reason = request.form.get("reason", "")
    try:
        with transaction():
            new = service.void_by_hand(
                receipt_id, reason, current_user.id, is_replaced="replace" in request.form
            )
            if new is not None:
                letters.send(new, service.last_gift(new))
    except DomainError as refused:
        return _page(queries.get(receipt_id), str(refused.message)), int(refused.status)
    flash(_("The receipt is void."), "ok")
    return redirect(url_for(".show", receipt_id=new.id if new else receipt_id), 303)


def _page(receipt: Receipt, refused: str = "") -> str:
    lines = queries.lines_of(receipt.id)
    return render_template(
        "receipts/desk_show.html",
        receipt=receipt,
        lines=[(line, gifts.by_id(line.gift_id)) for line in lines],
        replacement=queries.replacement_of(receipt),
        replaces=queries.get(receipt.replaces_id) if receipt.replaces_id else None,
        refused=refused,
        reason=request.form.get("reason", ""),
    )
