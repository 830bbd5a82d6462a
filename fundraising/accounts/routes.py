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
from fundraising.accounts.invitations import invite
from fundraising.accounts.models import User
from fundraising.accounts.roles import LABELS
from fundraising.audit import queries as audit_queries
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.errors import DomainError, NotFound
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.outbox import queries as outbox_queries
from fundraising.outbox import service as outbox

bp = Blueprint("accounts", __name__, url_prefix="/staff")


class InviteForm(FlaskForm):
    """Whom to invite, as what."""

    email = StringField(_l("E-mail"), [InputRequired(_l("Please fill this in."))])
    name = StringField(_l("Name"))
    role = SelectField(_l("Role"), choices=list(LABELS.items()))


@bp.get("", strict_slashes=False)
@staff_may(SIGNED_IN)
def today() -> ResponseReturnValue:
    """Show what waits for the person signed in."""
    alarms = audit_queries.open_alarms() if current_user.may("audit.view") else []
    dead = outbox_queries.dead() if current_user.may("audit.view") else []
    return render_template("accounts/today.html", cards=nav.cards(), alarms=alarms, dead=dead)


@bp.get("/people")
@staff_may("staff.manage")
def staff() -> ResponseReturnValue:
    """List colleagues."""
    return render_template(
        "accounts/staff.html", staff=service.list_staff(), form=InviteForm(), roles=LABELS
    )


@bp.post("/people/invite")
@staff_may("staff.manage")
def invite_staff() -> ResponseReturnValue:
    """Make an account and send its owner a link to set a password."""
    form = InviteForm()
    if form.validate():
        try:
            with transaction():
                invite(
                    form.email.data,
                    form.role.data,
                    name=form.name.data or "",
                    actor_id=current_user.id,
                )
            flash(_("The invitation is on its way."), "ok")
        except DomainError as refused:
            flash(str(refused.message), "error")
        except IntegrityError:
            flash(_("This address has an account already."), "error")
    return redirect(url_for(".staff"), 303)


@bp.post("/people/<uuid:user_id>")
@staff_may("staff.manage")
def change_staff(user_id: UUID) -> ResponseReturnValue:
    """Change a colleague's roles, or let them in or out."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound
    with transaction():
        if "active" in request.form:
            service.set_active(user, current_user.id, is_active=request.form["active"] == "1")
        else:
            service.set_roles(user, request.form.getlist("roles"), current_user.id)
    flash(_("Saved. Their open sessions have ended."), "ok")
    return redirect(url_for(".staff"), 303)


@bp.get("/log")
@staff_may("audit.view")
def log() -> ResponseReturnValue:
    """Show who did what."""
    before = request.args.get("before", type=UUID)
    events = audit_queries.events(before=before, subject=request.args.get("subject", ""))
    names = service.names_of({e.actor_id for e in events if e.actor_id})
    return render_template("accounts/log.html", events=events, names=names)


@bp.post("/alarms/close")
@staff_may("audit.view")
def close_alarm() -> ResponseReturnValue:
    """Close an alarm that was looked into."""
    with transaction():
        audit.close_alarm(request.form.get("key", ""), current_user.id)
    return redirect(url_for(".today"), 303)


@bp.post("/work/<int:work_id>/revive")
@staff_may("audit.view")
def revive(work_id: int) -> ResponseReturnValue:
    """Try dead work again."""
    with transaction():
        outbox.revive(work_id)
        audit.record("work.revived", f"work:{work_id}", current_user.id, {})
    return redirect(url_for(".today"), 303)
