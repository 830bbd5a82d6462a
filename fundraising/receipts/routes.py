"""Receipts for their donor, and their verification by anybody."""

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from fundraising.access import public
from fundraising.database import db, transaction
from fundraising.extensions import limiter
from fundraising.giving import queries as gifts
from fundraising.giving.models import Gift
from fundraising.giving.routes import device
from fundraising.i18n import gettext as _
from fundraising.receipts import service
from fundraising.receipts.errors import NotPaidYet, ReceiptNotFound
from fundraising.receipts.models import Receipt
from fundraising.references import secret_token

bp = Blueprint("receipts", __name__)


@bp.get("/receipts/<token>.<any(pdf, png):form>")
@public
@limiter.limit("60 per minute")
def show(token: str, form: str) -> ResponseReturnValue:
    """Send the donor's receipt; until it is issued, say so."""
    gift = gifts.by_token(token)
    receipt = service.find_valid(gift.id)
    if receipt is None:
        raise (ReceiptNotFound if gift.external_ref else NotPaidYet)
    data = service.pdf(receipt) if form == "pdf" else service.png(receipt)
    mime = "application/pdf" if form == "pdf" else "image/png"
    response = Response(data, mimetype=mime)
    response.headers["Content-Disposition"] = f'inline; filename="{receipt.label}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.post("/receipts/<token>/send")
@public
@limiter.limit("3 per minute; 10 per day", key_func=device)
def send(token: str) -> ResponseReturnValue:
    """Send the receipt again to the address on file."""
    gift = gifts.by_token(token)
    with transaction():
        receipt = service.find_valid(gift.id)
        is_sent = receipt is not None and service.send(receipt, gift, secret_token())
    flash(_("The letter is on its way.") if is_sent else _("There is no address on file."), "ok")
    return redirect(url_for("mine.trace", token=token), 303)


@bp.get("/v/<code>")
@public
@limiter.limit("60 per minute")
def verify(code: str) -> ResponseReturnValue:
    """Say whether a receipt is ours, and what it confirms; names as their donors chose."""
    receipt = service.find_by_code(code)
    gift: Gift | None = db.session.get(Gift, receipt.gift_id) if receipt else None
    status = 200 if receipt else 404
    return render_template(
        "receipts/verify.html", receipt=receipt, gift=gift, code=code[:20]
    ), status


@bp.get("/v")
@public
def ask() -> ResponseReturnValue:
    """Ask for a code."""
    found: Receipt | None = None
    return render_template("receipts/verify.html", receipt=found, gift=None, code="")
