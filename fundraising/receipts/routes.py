"""Receipts for their donor, and their verification by anybody."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from fundraising.access import public
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.extensions import limiter
from fundraising.giving import browsers, panels
from fundraising.giving import queries as gifts
from fundraising.giving.models import Gift, ReceiptRule
from fundraising.giving.panels import Panel
from fundraising.i18n import gettext as _
from fundraising.receipts import letters, papers, queries, service
from fundraising.receipts.errors import (
    NotPaidYet,
    PeriodReceipt,
    ReceiptBeingMade,
    ReceiptNotAskedFor,
    ReceiptNotFound,
)
from fundraising.receipts.models import Receipt
from fundraising.references import secret_token

bp = Blueprint("receipts", __name__)


@bp.get("/receipts/<token>.<any(pdf, png):form>")
@public
@limiter.limit("60 per minute")
def show(token: str, form: str) -> ResponseReturnValue:
    """Send the donor's receipt; until it is issued, say so."""
    receipt = queries.find_by_token(token) or _of_gift(token)
    if receipt.period and form == "png":  # a list may be longer than a picture
        raise ReceiptNotFound
    data = papers.pdf(receipt) if form == "pdf" else papers.png(receipt)
    mime = "application/pdf" if form == "pdf" else "image/png"
    response = Response(data, mimetype=mime)
    response.headers["Content-Disposition"] = f'inline; filename="{receipt.label}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _of_gift(token: str) -> Receipt:
    """Return the receipt of a gift alone. One that lists others is not given to whoever holds one gift:
    somebody else could have given with the same address to read the list."""
    gift = gifts.by_token(token)
    receipt = queries.find_valid(gift.id)
    if receipt is None:
        raise _missing(gift)
    if receipt.period:
        raise PeriodReceipt
    return receipt


def _missing(gift: Gift) -> DomainError:
    """Say why a gift has no receipt: not ours, not paid, not asked for, or paid only seconds ago."""
    if gift.is_of_platform:
        return ReceiptNotFound()
    if not gift.is_paid:
        return NotPaidYet()
    is_coming = gift.receipt_rule == ReceiptRule.AT_ONCE
    return ReceiptBeingMade() if is_coming else ReceiptNotAskedFor()


@bp.post("/receipts/<token>/request")
@public
@limiter.limit("10 per minute", key_func=browsers.device)
def request_one(token: str) -> ResponseReturnValue:
    """Issue the receipt of a gift now, whatever rule was chosen when it was given."""
    gift = gifts.by_token(token)
    try:
        with transaction():
            letters.send(service.issue(gift.id), gift)
    except DomainError as refused:
        flash(str(refused.message), "error")
    else:
        flash(_("Your receipt is here."), "ok")
    return redirect(url_for("mine.trace", token=token), 303)


@bp.post("/receipts/<token>/send")
@public
@limiter.limit("3 per minute; 10 per day", key_func=browsers.device)
def send(token: str) -> ResponseReturnValue:
    """Send the receipt again to the address on file."""
    gift = gifts.by_token(token)
    with transaction():
        receipt = queries.find_valid(gift.id)
        is_sent = receipt is not None and letters.send(receipt, gift, secret_token())
    flash(_("The letter is on its way.") if is_sent else _("There is no address on file."), "ok")
    return redirect(url_for("mine.trace", token=token), 303)


@bp.get("/v/<code>")
@public
@limiter.limit("60 per minute")
def verify(code: str) -> ResponseReturnValue:
    """Say whether a receipt is ours and stands, and what it confirms; nothing of who gave."""
    receipt = queries.find_by_code(code)
    replacement = queries.replacement_of(receipt) if receipt else None
    page = render_template(
        "receipts/verify.html",
        receipt=receipt,
        replacement=replacement,
        code=code[:20],
        demo=bool(receipt and receipt.snapshot["is_demo"]),
    )
    return page, 200 if receipt else 404


@bp.get("/v")
@public
def ask() -> ResponseReturnValue:
    """Ask for a code, and go to what it verifies."""
    code = "".join(c for c in request.args.get("code", "")[:80].upper() if c.isalnum())
    if code:
        return redirect(url_for(".verify", code=code), 303)
    found: Receipt | None = None
    return render_template("receipts/verify.html", receipt=found, replacement=None, code="")


def _panel(gift: Gift) -> Panel | None:
    if not gift.is_paid or gift.is_of_platform:
        return None
    receipt = queries.find_valid(gift.id)
    void = queries.find_void(gift.id) if receipt is None else None
    is_coming = gift.receipt_rule == ReceiptRule.AT_ONCE and receipt is None and void is None
    shown = {"receipt": receipt, "void": void, "is_coming": is_coming}
    return Panel("receipts/_panel.html", shown)


panels.register(_panel)
