"""The fiscal receipt for donors (on their gift's page) and the staff's desk for it."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired

from fundraising.access import public, staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Card
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.extensions import limiter
from fundraising.files import service as files
from fundraising.giving import browsers, panels, people
from fundraising.giving import queries as gifts
from fundraising.giving.models import Gift
from fundraising.giving.panels import Panel
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.receipts.fiscal import imports, queries, service
from fundraising.receipts.fiscal.models import BillState

bp = Blueprint("fiscal", __name__)


class BillsForm(FlaskForm):
    """A file of issued bills."""

    file = FileField(_l("Issued fiscal receipts (CSV)"), [FileRequired(_l("Choose a file first."))])


@bp.post("/t/<token>/fiscal")
@public
@limiter.limit("10 per minute", key_func=browsers.device)
def wish(token: str) -> ResponseReturnValue:
    """Take down that a donor wants the fiscal receipt, and for whom; ask the department when it can be."""
    gift = gifts.by_token(token)
    try:
        with transaction():
            service.tell_payer(
                gift, request.form.get("payer_name", ""), request.form.get("payer_tax_no", "")
            )
            service.request_if_wanted(gift.id)
    except DomainError as refused:
        flash(str(refused.message), "error")
    else:
        flash(_("Your fiscal receipt has been asked for."), "ok")
    return redirect(url_for("mine.trace", token=token), 303)


@bp.get("/staff/fiscal")
@staff_may("finance.view")
def index() -> ResponseReturnValue:
    """Show wishes, requests, failures, red ones that wait, and what was issued last."""
    wished = queries.wished()
    return render_template(
        "receipts/desk_fiscal.html",
        has_department=service.find_department() is not None,
        wished=wished,
        payers={gift.id: bool(people.read(gift.id).payer_name) for gift in wished},
        failed=queries.rows([BillState.FAILED]),
        waiting=queries.rows([BillState.REQUESTED]),
        red=queries.rows([BillState.RED_REQUESTED]),
        issued=queries.rows([BillState.ISSUED], 50),
        form=BillsForm(),
    )


@bp.post("/staff/fiscal/gifts/<uuid:gift_id>/request")
@staff_may("finance.post")
def ask(gift_id: UUID) -> ResponseReturnValue:
    """Ask the department for a gift's bill, for the payer written here when none was told."""
    name = request.form.get("payer_name", "").strip()
    with transaction():
        if name:
            service.tell_payer(gifts.by_id(gift_id), name, request.form.get("payer_tax_no", ""))
        service.request(gift_id, current_user.id)
    return redirect(url_for(".index"), 303)


@bp.post("/staff/fiscal/gifts/<uuid:gift_id>/red")
@staff_may("finance.post")
def red(gift_id: UUID) -> ResponseReturnValue:
    """Ask the department to cancel a gift's bill by a red one."""
    reason = request.form.get("reason", "").strip()[:200]
    if not reason:
        flash(_("Write why."), "error")
        return redirect(url_for(".index"), 303)
    with transaction():
        service.request_red(gift_id, reason, current_user.id)
    flash(_("The red one has been asked for."), "ok")
    return redirect(url_for(".index"), 303)


@bp.post("/staff/fiscal/<uuid:bill_id>/again")
@staff_may("finance.post")
def again(bill_id: UUID) -> ResponseReturnValue:
    """Let the department be asked now."""
    with transaction():
        service.ask_again(bill_id, current_user.id)
    flash(_("The department is being asked."), "ok")
    return redirect(url_for(".index"), 303)


@bp.post("/staff/fiscal/import")
@staff_may("finance.post")
def import_page() -> ResponseReturnValue:
    """Show what a file of issued bills would change, and keep it until that is confirmed."""
    form = BillsForm()
    if not form.validate():
        flash(_("Choose a file first."), "error")
        return redirect(url_for(".index"), 303)
    data, name = form.file.data.read(), form.file.data.filename or "bills.csv"
    planned = imports.plan(data)
    with transaction():
        kept = files.store_upload(data, name)
    return render_template("receipts/desk_fiscal_plan.html", plan=planned, file_id=kept.id)


@bp.post("/staff/fiscal/import/<uuid:file_id>")
@staff_may("finance.post")
def apply_import(file_id: UUID) -> ResponseReturnValue:
    """Take over the bills of a file that was looked at."""
    planned = imports.plan(files.read(file_id))
    with transaction():
        count = imports.apply(planned, current_user.id)
    flash(_("%(count)s fiscal receipts were taken over.", count=count), "ok")
    return redirect(url_for(".index"), 303)


def _panel(gift: Gift) -> Panel | None:
    if not gift.is_paid:
        return None
    bill = queries.latest(gift.id)
    if bill is None and gift.is_of_platform:
        return None
    person = people.read(gift.id)
    return Panel("receipts/_fiscal_panel.html", {"bill": bill, "payer": person.payer_name})


def _card() -> Card:
    return Card(_l("Fiscal receipts to look after"), queries.count_waiting(), "fiscal.index")


panels.register(_panel)
nav.register_card("finance.post", _card)
