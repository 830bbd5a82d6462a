"""Inviting colleagues: an account without a password, and a letter with the link to set one."""

from uuid import UUID

from flask import current_app
from flask_security.recoverable import generate_reset_password_token

from config import Settings
from fundraising.accounts import service
from fundraising.accounts.models import User
from fundraising.i18n import gettext as _
from fundraising.mail import service as mail


def invite(email: str, role: str, *, name: str = "", actor_id: UUID | None = None) -> User:
    """Make an account and write its owner a letter. Raises what ``service.create`` raises."""
    user = service.create(email, role, name=name, actor_id=actor_id)
    settings: Settings = current_app.extensions["settings"]
    mail.send(
        f"invitation:{user.id}",
        "invitation",
        to=user.email,
        subject=_("Your account at %(name)s", name=settings.organisation_name),
        body=_("Set your password here, within five days:\n%(link)s", link=link(user)),
    )
    return user


def link(user: User) -> str:
    """Return the address where the owner of an account sets a password."""
    settings: Settings = current_app.extensions["settings"]
    return f"{settings.public_url}/staff/reset/{generate_reset_password_token(user)}"
