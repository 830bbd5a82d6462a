"""Staff: the first page, colleagues, the audit log, alarms."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from sqlalchemy.exc import IntegrityError
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired

from fundraising.access import SIGNED_IN, staff_may
from fundraising.accounts import nav, service
from fundraising.accounts.errors import AccountExists
from fundraising.accounts.invitations import invite, send_link
from fundraising.accounts.models import User
from fundraising.accounts.roles import LABELS
from fundraising.audit import queries as audit_queries
from fundraising.audit import service as audit
from fundraising.audit import words
from fundraising.audit.models import AuditEvent
from fundraising.database import db, transaction
from fundraising.errors import DomainError, NotFound
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.outbox import queries as outbox_queries
from fundraising.outbox import service as outbox

bp = Blueprint("accounts", __name__, url_prefix="/staff")
UNPROCESSABLE, LOG_PAGE = 422, 100


class InviteForm(FlaskForm):
    """Whom to invite, as what."""

    email = StringField(_l("E-mail"), [InputRequired(_l("Please fill this in."))])
    name = StringField(_l("Name"))
    role = SelectField(_l("Role"), choices=list(LABELS.items()))


@bp.get("", strict_slashes=False)
@staff_may(SIGNED_IN)
def today() -> ResponseReturnValue:
    """Show what waits for the person signed in, and the figures of their desk."""
    alarms = audit_queries.open_alarms() if current_user.may("audit.view") else []
    dead = outbox_queries.dead() if current_user.may("audit.view") else []
    return render_template(
        "accounts/today.html",
        cards=nav.cards(),
        figures=nav.figures(),
        roles=[LABELS[role.name] for role in current_user.roles if role.name in LABELS],
        alarms=alarms,
        dead=dead,
        words=words,
    )


@bp.get("/people")
@staff_may("staff.manage")
def staff() -> ResponseReturnValue:
    """List colleagues."""
    return _people(InviteForm(formdata=None))


@bp.post("/people/invite")
@staff_may("staff.manage")
def invite_staff() -> ResponseReturnValue:
    """Make an account and send its owner a link to set a password."""
    form = InviteForm()
    if not form.validate():
        return _people(form), UNPROCESSABLE
    try:
        with transaction():
            invite(
                form.email.data,
                form.role.data,
                name=form.name.data or "",
                actor_id=current_user.id,
            )
    except (DomainError, IntegrityError) as refused:
        known = refused if isinstance(refused, DomainError) else AccountExists()
        form.email.errors = [str(known.message)]
        return _people(form), UNPROCESSABLE
    flash(_("The invitation is on its way."), "ok")
    return redirect(url_for(".staff"), 303)


@bp.post("/people/<uuid:user_id>")
@staff_may("staff.manage")
def change_staff(user_id: UUID) -> ResponseReturnValue:
    """Change a colleague's roles, or let them in or out."""
    user = _colleague(user_id)
    try:
        with transaction():
            if "active" in request.form:
                is_active = request.form["active"] == "1"
                service.set_active(user, current_user.id, is_active=is_active)
            else:
                service.set_roles(user, request.form.getlist("roles"), current_user.id)
    except DomainError as refused:
        flash(str(refused.message), "error")
        return _people(InviteForm(formdata=None)), int(refused.status)
    flash(_("Saved. Their open sessions have ended."), "ok")
    return redirect(url_for(".staff"), 303)


@bp.post("/people/<uuid:user_id>/link")
@staff_may("staff.manage")
def send_password_link(user_id: UUID) -> ResponseReturnValue:
    """Send a colleague a new link to set a password: the invitation was lost, or the password is."""
    user = _colleague(user_id)
    with transaction():
        send_link(user, current_user.id)
    flash(_("A link to set a password is on its way to %(address)s.", address=user.email), "ok")
    return redirect(url_for(".staff"), 303)


def _colleague(user_id: UUID) -> User:
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound
    return user


def _people(form: InviteForm) -> str:
    return render_template(
        "accounts/staff.html", staff=service.list_staff(), form=form, roles=LABELS
    )


@bp.get("/log")
@staff_may("audit.view")
def log() -> ResponseReturnValue:
    """Show who did what."""
    before = request.args.get("before", type=UUID)
    subject = request.args.get("subject", "")
    events = audit_queries.events(before=before, subject=subject, limit=LOG_PAGE + 1)
    shown = events[:LOG_PAGE]
    names = service.names_of(_people_in(shown))
    last = shown[-1].id if len(events) > LOG_PAGE else None
    return render_template(
        "accounts/log.html",
        events=shown,
        names=names,
        people={f"staff:{user_id}": name for user_id, name in names.items()},
        older=url_for(".log", before=last, subject=subject or None) if last else "",
        subject=subject,
        words=words,
    )


def _people_in(events: list[AuditEvent]) -> set[UUID]:
    """Return the accounts that acted or were acted upon."""
    named = {UUID(e.subject[6:]) for e in events if e.subject.startswith("staff:")}
    return named | {e.actor_id for e in events if e.actor_id}


@bp.post("/alarms/close")
@staff_may("work.repair")
def close_alarm() -> ResponseReturnValue:
    """Close an alarm that was looked into."""
    with transaction():
        audit.close_alarm(request.form.get("key", ""), current_user.id)
    return redirect(url_for(".today"), 303)


@bp.post("/work/<int:work_id>/revive")
@staff_may("work.repair")
def revive(work_id: int) -> ResponseReturnValue:
    """Try dead work again."""
    with transaction():
        outbox.revive(work_id)
        audit.record("work.revived", f"work:{work_id}", current_user.id, {})
    return redirect(url_for(".today"), 303)
