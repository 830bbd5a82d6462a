"""The store's desk: take in, confirm, move, hand out, write off."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm

from fundraising import http
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving.models import Display
from fundraising.goods import leaving, queries, receiving, store
from fundraising.goods.forms import (
    BASES,
    CONDITIONS,
    HandOutForm,
    KindForm,
    MoveForm,
    ReceiveForm,
    WriteOffForm,
)
from fundraising.goods.leaving import NewHandover
from fundraising.goods.models import Donation
from fundraising.goods.receiving import NewDonation, Paper
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger

bp = Blueprint("goods", __name__, url_prefix="/staff/goods")
KEEP, SEE = "goods.keep", "finance.view"
PAGE, UNPROCESSABLE = 50, 422
Answer = tuple[str, int]


@bp.context_processor
def _words() -> dict[str, object]:
    return {"bases": dict(BASES), "conditions": dict(CONDITIONS)}


@bp.get("/")
@staff_may(KEEP, SEE)
def index() -> ResponseReturnValue:
    """Show what lies where, what waits for a second person, and what came and went."""
    found = queries.donations(PAGE + 1, http.number("before"))
    shown = found[:PAGE]
    return render_template(
        "goods/index.html",
        stock=queries.stock(),
        donations=shown,
        older=url_for(".index", before=shown[-1].number) if len(found) > PAGE else "",
        handovers=queries.handovers(20),
        asked=queries.asked(),
        value=ledger.balance(chart.GOODS).minor,
        kinds=queries.kinds(),
        form=KindForm(formdata=None),
    )


@bp.post("/kinds")
@staff_may(KEEP)
def add_kind() -> ResponseReturnValue:
    """Note a kind of goods."""
    form = KindForm()
    if not form.validate():
        flash(_("A kind of goods needs a name, a unit and 0 to 3 decimals."), "error")
        return redirect(url_for(".index"), 303)
    return _step(
        url_for(".index"),
        lambda: store.create_kind(form.name(), form.unit(), form.decimals.data),
        _("Noted."),
    )


@bp.route("/receive", methods=["GET", "POST"])
@staff_may(KEEP)
def receive() -> ResponseReturnValue:
    """Write down what somebody brought."""
    form = ReceiveForm().offer()
    if not form.validate_on_submit():
        return _form("goods/receive.html", form)
    try:
        with transaction():
            donation = receiving.receive(
                NewDonation(
                    store.place(form.place.data).id,
                    form.received_on.data,
                    [form.item()],
                    form.name.data or "",
                    Display(form.display.data),
                    UUID(form.campaign.data) if form.campaign.data else None,
                ),
                current_user.id,
            )
    except DomainError as refused:
        return _form("goods/receive.html", form, refused)
    flash(_("Kept. The goods count once another person has confirmed them."), "ok")
    return redirect(url_for(".show", donation_id=donation.id), 303)


@bp.get("/<uuid:donation_id>")
@staff_may(KEEP, SEE)
def show(donation_id: UUID) -> ResponseReturnValue:
    """Show a donation of goods with its evidence, for the second person."""
    return _page(receiving.get(donation_id))


@bp.post("/<uuid:donation_id>/confirm")
@staff_may(KEEP)
def confirm(donation_id: UUID) -> ResponseReturnValue:
    """Confirm goods as the second person."""
    return _step(
        url_for(".show", donation_id=donation_id),
        lambda: receiving.confirm(donation_id, current_user.id),
        _("Confirmed. The goods are in stock."),
    )


@bp.post("/<uuid:donation_id>/withdraw")
@staff_may(KEEP)
def withdraw(donation_id: UUID) -> ResponseReturnValue:
    """Take back goods that are not confirmed."""
    reason = request.form.get("reason", "")
    return _step(
        url_for(".show", donation_id=donation_id),
        lambda: receiving.withdraw(donation_id, reason, current_user.id),
        _("Withdrawn."),
    )


@bp.route("/hand-out", methods=["GET", "POST"])
@staff_may(KEEP)
def hand_out() -> ResponseReturnValue:
    """Give goods to a programme or unit."""
    form = HandOutForm().offer()
    if not form.validate_on_submit():
        return _form("goods/hand_out.html", form)
    upload = form.note.data
    wanted = NewHandover(
        UUID(form.kind.data),
        UUID(form.place.data),
        form.quantity.value,
        form.receiver.data,
        form.programme.data or "",
        Paper(upload.read(), upload.filename or "note"),
    )
    try:
        with transaction():
            leaving.hand_out(wanted, current_user.id)
    except DomainError as refused:
        return _form("goods/hand_out.html", form, refused)
    flash(_("Handed out."), "ok")
    return redirect(url_for(".index"), 303)


@bp.route("/stock/<uuid:item_id>/<uuid:place_id>", methods=["GET", "POST"])
@staff_may(KEEP)
def stock(item_id: UUID, place_id: UUID) -> ResponseReturnValue:
    """Move goods that lie at a place, or ask for them to be written off."""
    item = store.get_item(item_id)
    moving, losing = MoveForm(prefix="m"), WriteOffForm(prefix="w")
    is_move = "move" in request.form
    form: MoveForm | WriteOffForm = moving if is_move else losing
    refused, status = "", 200
    if request.method == "POST":
        if not form.validate():
            status = UNPROCESSABLE
        else:
            try:
                with transaction():
                    if is_move:
                        target = store.place(moving.place.data).id
                        amount = moving.quantity.value
                        leaving.move(item_id, place_id, target, amount, current_user.id)
                    else:
                        amount, why = losing.quantity.value, losing.reason.data
                        leaving.ask_write_off(item_id, place_id, amount, why, current_user.id)
                flash(_("Moved.") if is_move else _("Noted. Another person decides on it."), "ok")
                return redirect(url_for(".index"), 303)
            except DomainError as wrong:
                refused, status = str(wrong.message), int(wrong.status)
    lines = [s for s in queries.stock() if (s.item_id, s.place_id) == (item_id, place_id)]
    page = render_template(
        "goods/stock.html",
        item=item,
        kind=store.get_kind(item.kind_id),
        line=lines[0] if lines else None,
        moving=moving,
        losing=losing,
        refused=refused,
    )
    return page, status


@bp.post("/write-offs/<uuid:movement_id>")
@staff_may(KEEP)
def write_off(movement_id: UUID) -> ResponseReturnValue:
    """Decide on a write-off as the second person."""
    return _step(
        url_for(".index"),
        lambda: leaving.write_off(movement_id, current_user.id),
        _("Written off, with its reason."),
    )


# ---------------------------------------------------------------------- inside


def _step(back: str, step: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        with transaction():
            step()
        flash(done, "ok")
    except DomainError as refused:
        flash(str(refused.message), "error")
    return redirect(back, 303)


def _form(template: str, form: FlaskForm, refused: DomainError | None = None) -> Answer:
    status = int(refused.status) if refused else UNPROCESSABLE if form.is_submitted() else 200
    page = render_template(template, form=form, refused=str(refused.message) if refused else "")
    return page, status


def _page(donation: Donation) -> Answer:
    items = receiving.items_of(donation.id)
    page = render_template(
        "goods/show.html",
        donation=donation,
        items=items,
        kinds={item.kind_id: store.get_kind(item.kind_id) for item in items},
        place=next((p.name for p in queries.places() if p.id == donation.place_id), ""),
        giver=receiving.name_of(donation),
        names=accounts.names_of({p for p in (donation.received_by, donation.confirmed_by) if p}),
    )
    return page, 200


def _waiting_card() -> Card:
    return Card(_l("Goods to confirm or decide on"), queries.waiting(), "goods.index")


nav.register_card(KEEP, _waiting_card)
