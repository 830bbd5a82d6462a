"""The buyer's desk: purchases with lines and papers, decisions by a second person, goods, payments."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card, Figure
from fundraising.audit import queries as audit
from fundraising.audit import words
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.funds import queries as funds
from fundraising.i18n import fen, fen_plain
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.procurement import payouts, queries, service
from fundraising.procurement.forms import (
    GoodsForm,
    LineForm,
    PaperForm,
    PaymentForm,
    PurchaseForm,
    ReasonForm,
)
from fundraising.procurement.models import DocumentKind, Purchase, PurchaseState
from fundraising.procurement.supplier_routes import register as register_suppliers

bp = Blueprint("procurement", __name__, url_prefix="/staff/purchases")
PREPARE, APPROVE, SEE = "purchase.prepare", "purchase.approve", "finance.view"
PAY, APPROVE_PAYMENT, INSTALL = "payment.prepare", "payment.approve", "device.install"
UNPROCESSABLE, PAGE = 422, 50
STATES = {
    PurchaseState.DRAFT: _l("Draft"),
    PurchaseState.SUBMITTED: _l("Waiting for approval"),
    PurchaseState.APPROVED: _l("Approved, to be delivered"),
    PurchaseState.RECEIVED: _l("Accepted"),
    PurchaseState.REJECTED: _l("Sent back"),
    PurchaseState.CANCELLED: _l("Cancelled"),
}
Step = Callable[[Purchase], object]
register_suppliers(bp)


# ------------------------------------------------------------------ lists and drafts


@bp.get("/")
@staff_may(PREPARE, APPROVE, SEE)
def index() -> ResponseReturnValue:
    """List purchases, the latest first, and payments that wait for a second person."""
    asked = request.args.get("state", "")
    state = PurchaseState(asked) if asked in set(PurchaseState) else None
    before = request.args.get("before", type=UUID)
    found = queries.page(state=state, before=before, limit=PAGE + 1)
    shown = found[:PAGE]
    older = url_for(".index", before=shown[-1].id, state=state or None) if len(found) > PAGE else ""
    return render_template(
        "procurement/index.html",
        purchases=shown,
        older=older,
        states=STATES,
        state=state,
        payments=queries.waiting_payments(),
        titles={one.id: one.title for one in campaigns.list_all()},
    )


@bp.route("/new", methods=["GET", "POST"])
@staff_may(PREPARE)
def new() -> ResponseReturnValue:
    """Begin a purchase; lines and papers are added on its page."""
    form = PurchaseForm().offer(campaigns.list_all(), queries.suppliers())
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("procurement/edit.html", form=form, purchase=None), status
    with transaction():
        seller = queries.get_supplier(form.supplier_id())
        campaign = campaigns.get(form.campaign.data)
        purchase = service.create(campaign, seller, form.title(), [], current_user.id)
    flash(_("The draft is kept. Now add its lines and papers."), "ok")
    return redirect(url_for(".show", number=purchase.number), 303)


@bp.route("/<number>/edit", methods=["GET", "POST"])
@staff_may(PREPARE)
def edit(number: str) -> ResponseReturnValue:
    """Change title or supplier of a draft."""
    purchase = queries.get(number)
    campaign = campaigns.get_by_id(purchase.campaign_id)
    values = {
        "campaign": campaign.slug,
        "supplier": str(purchase.supplier_id),
        "title_zh": purchase.title.get("zh"),
        "title_en": purchase.title.get("en"),
        "version": purchase.version,
    }
    form = PurchaseForm(data=None if request.method == "POST" else values)
    form.offer([campaign], queries.suppliers())
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("procurement/edit.html", form=form, purchase=purchase), status
    return _step(
        number,
        lambda held: service.edit(
            held.id,
            form.supplier_id(),
            form.title(),
            version=form.version.data or 0,
            actor_id=current_user.id,
        ),
        _("The purchase is saved."),
    )


@bp.get("/<number>")
@staff_may(PREPARE, APPROVE, SEE, INSTALL)
def show(number: str) -> ResponseReturnValue:
    """Show a purchase with everything that can be done with it now."""
    return _page(number)


@bp.post("/<number>/lines")
@staff_may(PREPARE)
def add_line(number: str) -> ResponseReturnValue:
    """Add a line to a draft."""
    form = LineForm()
    if not form.validate():
        return _page(number, UNPROCESSABLE, line_form=form)
    return _step(
        number,
        lambda held: service.add_line(held.id, form.line(), current_user.id, version=_version()),
        _("The line is added."),
        line_form=form,
    )


@bp.post("/<number>/lines/<uuid:line_id>/remove")
@staff_may(PREPARE)
def remove_line(number: str, line_id: UUID) -> ResponseReturnValue:
    """Take a line off a draft."""
    return _step(
        number,
        lambda held: service.remove_line(
            held.id, line_id, current_user.id, version=_version() or 0
        ),
        _("The line is removed."),
    )


@bp.post("/<number>/papers")
@staff_may(PREPARE)
def add_paper(number: str) -> ResponseReturnValue:
    """Attach a contract, an invoice or another paper."""
    form = PaperForm()
    if not form.validate():
        return _page(number, UNPROCESSABLE, paper_form=form)
    upload = form.paper.data
    data, name = upload.read(), upload.filename or "paper"
    return _step(
        number,
        lambda held: service.attach(
            held,
            DocumentKind(form.kind.data),
            data,
            name,
            current_user.id,
            is_public=bool(form.is_public.data),
        ),
        _("The paper is attached."),
    )


# ------------------------------------------------------------------ decisions


@bp.post("/<number>/submit")
@staff_may(PREPARE)
def submit(number: str) -> ResponseReturnValue:
    """Ask another person for approval."""
    return _step(
        number,
        lambda held: service.submit(held, current_user.id, version=_version()),
        _("Handed in. Another person decides now."),
    )


@bp.post("/<number>/reopen")
@staff_may(PREPARE)
def reopen(number: str) -> ResponseReturnValue:
    """Take it back to draft."""
    return _step(
        number,
        lambda held: service.reopen(held, current_user.id, version=_version()),
        _("It is a draft again."),
    )


@bp.post("/<number>/approve")
@staff_may(APPROVE)
def approve(number: str) -> ResponseReturnValue:
    """Approve as the second person."""
    return _step(
        number,
        lambda held: service.approve(held, current_user.id, version=_version()),
        _("Approved. The money is set aside in the fund."),
    )


@bp.post("/<number>/reject")
@staff_may(APPROVE)
def reject(number: str) -> ResponseReturnValue:
    """Send it back with a reason."""
    return _with_reason(number, service.reject, _("Sent back."))


@bp.post("/<number>/cancel")
@staff_may(PREPARE)
def cancel(number: str) -> ResponseReturnValue:
    """Cancel what nothing was accepted of."""
    return _with_reason(number, service.cancel, _("Cancelled. Its money is free again."))


@bp.post("/<number>/close")
@staff_may(PREPARE)
def close_short(number: str) -> ResponseReturnValue:
    """End a purchase that will not be delivered in full."""
    return _with_reason(number, service.close_short, _("Closed. The rest of its money is free."))


# ------------------------------------------------------------------ goods and payments


@bp.post("/<number>/lines/<uuid:line_id>/accept")
@staff_may(PREPARE, INSTALL)
def accept(number: str, line_id: UUID) -> ResponseReturnValue:
    """Accept things that are no devices."""
    form = GoodsForm()
    if not form.validate():
        return _page(number, UNPROCESSABLE, refused=str(next(iter(form.errors.values()))[0]))
    return _step(
        number,
        lambda _held: service.accept(
            line_id, form.quantity.data or 0, current_user.id, version=_version()
        ),
        _("Accepted and booked."),
    )


@bp.post("/<number>/payments")
@staff_may(PAY)
def prepare_payment(number: str) -> ResponseReturnValue:
    """Prepare a payment."""
    form = PaymentForm()
    if not form.validate():
        return _page(number, UNPROCESSABLE, payment_form=form)
    paid_on, reference = form.paid_on.data, form.reference.data or ""
    return _step(
        number,
        lambda held: service.prepare_payment(
            held, form.money(), paid_on, reference, current_user.id, version=_version()
        ),
        _("The payment is prepared. Another person decides now."),
        payment_form=form,
    )


@bp.post("/<number>/payments/<uuid:payment_id>")
@staff_may(APPROVE_PAYMENT)
def decide_payment(number: str, payment_id: UUID) -> ResponseReturnValue:
    """Approve or refuse a payment as the second person."""
    is_approved = request.form.get("decision") == "approve"
    return _step(
        number,
        lambda _held: service.decide_payment(
            payment_id,
            current_user.id,
            is_approved=is_approved,
            note=request.form.get("reason", ""),
        ),
        _("Approved and booked.") if is_approved else _("Refused."),
    )


# ------------------------------------------------------------------ inside


def _version() -> int | None:
    asked = request.form.get("version", "")
    return int(asked) if asked.isascii() and asked.isdigit() else None


def _step(number: str, step: Step, done: str, **typed: Any) -> ResponseReturnValue:
    """Take a step in one transaction; a refusal is shown on the purchase's page, with what was typed."""
    try:
        with transaction():
            step(queries.get(number))
    except DomainError as refused:
        return _page(number, int(refused.status), refused=str(refused.message), **typed)
    flash(done, "ok")
    return redirect(url_for(".show", number=number), 303)


def _with_reason(number: str, step: Callable[..., None], done: str) -> ResponseReturnValue:
    form = ReasonForm()
    if not form.validate():
        return _page(number, UNPROCESSABLE, reason_form=form)
    return _step(
        number,
        lambda held: step(held, form.reason.data, current_user.id, version=_version()),
        done,
        reason_form=form,
    )


def _page(
    number: str, status: int = 200, *, refused: str = "", **forms: Any
) -> ResponseReturnValue:
    purchase = queries.get(number)
    lane = funds.lane(purchase.fund_id)
    db.session.refresh(lane)
    payable = payouts.payable_fen(purchase.id)
    people = {purchase.prepared_by, purchase.approved_by}
    people |= {p.prepared_by for p in purchase.payments} | {
        p.approved_by for p in purchase.payments
    }
    history = audit.events(subject=f"purchase:{purchase.number}", limit=50)
    people |= {event.actor_id for event in history}
    page = render_template(
        "procurement/show.html",
        purchase=purchase,
        campaign=campaigns.get_by_id(purchase.campaign_id),
        names=accounts.names_of({person for person in people if person is not None}),
        states=STATES,
        free_fen=lane.unspent_fen - lane.reserved_fen,
        total_fen=sum(line.amount_fen for line in purchase.lines),
        payable_fen=payable,
        history=history,
        actions=words.ACTIONS,
        refused=refused,
        **_forms(purchase, payable, forms),
    )
    return page, status


def _forms(purchase: Purchase, payable: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return the forms of the page: the one that was refused as it came, the others fresh."""
    fresh: dict[str, Any] = {
        "line_form": lambda: LineForm(formdata=None, data={"version": purchase.version}),
        "paper_form": lambda: PaperForm(formdata=None),
        "goods_form": lambda: GoodsForm(formdata=None),
        "reason_form": lambda: ReasonForm(formdata=None),
        "payment_form": lambda: PaymentForm(
            formdata=None, data={"paid_on": clock.today(), "amount": fen_plain(payable)}
        ),
    }
    return {name: given.get(name) or make() for name, make in fresh.items()}


def _waiting_card() -> Card:
    count = queries.count_waiting(current_user.id)
    return Card(
        _l("Purchases waiting for your approval"), count, "procurement.index", is_urgent=True
    )


def _payments_card() -> Card:
    count = queries.payments_waiting(current_user.id)
    return Card(
        _l("Payments waiting for your approval"), count, "procurement.index", is_urgent=True
    )


def _figures() -> list[Figure]:
    """Return what may still be spent, and what is owed for deliveries."""
    totals = funds.totals_of([fund.id for fund in funds.list_funds()]).values()
    here, free = url_for("procurement.index"), sum(t.unspent_fen - t.reserved_fen for t in totals)
    return [
        Figure(_("Free in the funds"), fen(free), here),
        Figure(_("Set aside for purchases"), fen(sum(t.reserved_fen for t in totals)), here),
        Figure(_("Delivered, not yet paid"), fen(-ledger.balance(chart.PAYABLE).minor), here),
    ]


nav.register_figures(PREPARE, APPROVE, SEE, figures=_figures)
nav.register_card(APPROVE, _waiting_card)
nav.register_card(APPROVE_PAYMENT, _payments_card)
