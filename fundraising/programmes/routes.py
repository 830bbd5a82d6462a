"""The desk of training: one person records a session, another confirms it."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import transaction
from fundraising.errors import DomainError, NotAllowed
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.programmes import queries, service
from fundraising.programmes.forms import SessionForm, WithdrawForm
from fundraising.programmes.service import Sheet
from fundraising.twins import SentTwice

bp = Blueprint("programmes", __name__, url_prefix="/staff/training")
EDIT, PAY, SEE = "campaign.edit", "payment.approve", "finance.view"
UNPROCESSABLE, PAGE = 422, 50


@bp.get("/")
@staff_may(EDIT, PAY, SEE)
def index() -> ResponseReturnValue:
    """List sessions, the latest recorded first."""
    found = queries.staff_sessions(before=request.args.get("before", type=UUID), limit=PAGE + 1)
    shown = found[:PAGE]
    older = url_for(".index", before=shown[-1].id) if len(found) > PAGE else ""
    return render_template(
        "programmes/index.html",
        sessions=shown,
        older=older,
        titles={one.id: one.title for one in campaigns.list_all()},
        people=queries.people_trained(),
    )


@bp.route("/new", methods=["GET", "POST"])
@staff_may(EDIT)
def new() -> ResponseReturnValue:
    """Write down a session."""
    form = SessionForm().offer(campaigns.list_all())
    if not form.validate_on_submit():
        return _form(form, UNPROCESSABLE if request.method == "POST" else 200)
    upload = form.evidence.data
    sheet = Sheet(upload.read(), upload.filename or "sheet") if upload else None
    try:
        with transaction():
            session = service.record(
                campaigns.get(form.campaign.data).id,
                form.title(),
                form.place(),
                form.held_on.data,
                form.people_trained.data,
                current_user.id,
                instructor=form.instructor.data or "",
                cost=form.spent(),
                evidence=sheet,
            )
    except SentTwice as twice:
        flash(str(twice.message), "wait")
        return redirect(url_for(".show", session_id=twice.extra["id"]), 303)
    except DomainError as refused:
        form.evidence.errors = [str(refused.message)]
        return _form(form, int(refused.status))
    flash(_("The session is kept. It counts once another person has confirmed it."), "ok")
    return redirect(url_for(".show", session_id=session.id), 303)


@bp.get("/<uuid:session_id>")
@staff_may(EDIT, PAY, SEE)
def show(session_id: UUID) -> ResponseReturnValue:
    """Show a session with its sheet, for the second person."""
    return _page(session_id)


@bp.post("/<uuid:session_id>/confirm")
@staff_may(EDIT, PAY)
def confirm(session_id: UUID) -> ResponseReturnValue:
    """Confirm a session; one that cost money only by those who may approve payments."""
    if queries.get(session_id).cost_fen is not None and not current_user.may(PAY):
        raise NotAllowed(permission=PAY)
    return _step(
        session_id,
        lambda: service.confirm(session_id, current_user.id, version=_version()),
        _("Confirmed. Its people count now."),
    )


@bp.post("/<uuid:session_id>/withdraw")
@staff_may(EDIT)
def withdraw(session_id: UUID) -> ResponseReturnValue:
    """Take back a session that is not confirmed."""
    form = WithdrawForm()
    if not form.validate():
        return _page(session_id, UNPROCESSABLE, form=form)
    return _step(
        session_id,
        lambda: service.withdraw(session_id, form.reason.data, current_user.id, version=_version()),
        _("Withdrawn."),
    )


def _version() -> int | None:
    asked = request.form.get("version", "")
    return int(asked) if asked.isascii() and asked.isdigit() else None


def _step(session_id: UUID, step: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        with transaction():
            step()
    except DomainError as refused:
        return _page(session_id, int(refused.status), refused=str(refused.message))
    flash(done, "ok")
    return redirect(url_for(".show", session_id=session_id), 303)


def _form(form: SessionForm, status: int) -> ResponseReturnValue:
    return render_template("programmes/new.html", form=form), status


def _page(
    session_id: UUID, status: int = 200, *, refused: str = "", form: WithdrawForm | None = None
) -> ResponseReturnValue:
    session = queries.get(session_id)
    people = {session.recorded_by, session.confirmed_by} - {None}
    page = render_template(
        "programmes/show.html",
        session=session,
        campaign=campaigns.get_by_id(session.campaign_id),
        names=accounts.names_of({person for person in people if person}),
        refused=refused,
        form=form or WithdrawForm(formdata=None),
    )
    return page, status


nav.register_card(
    EDIT,
    lambda: Card(_l("Training sessions to confirm"), queries.waiting(), "programmes.index"),
)
