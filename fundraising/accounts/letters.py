"""The letters about staff accounts, in our own words."""

from dataclasses import dataclass

from flask import current_app

from config import Settings
from fundraising.i18n import gettext as _


@dataclass(frozen=True)
class Words:
    """What stands in a letter."""

    subject: str
    body: str


def link(token: str) -> str:
    """Return the address where the owner of an account sets a password."""
    settings: Settings = current_app.extensions["settings"]
    return f"{settings.public_url}/staff/reset/{token}"


def invitation(token: str) -> Words:
    """Return the letter to somebody who has a new account."""
    return Words(
        _("Your account at %(name)s", name=_name()),
        _("Set your password here, within five days:\n%(link)s", link=link(token)),
    )


def new_password(token: str) -> Words:
    """Return the letter to somebody who forgot the password."""
    return Words(
        _("Set a new password at %(name)s", name=_name()),
        _(
            "Somebody asked for a new password for this account. Set it here, within five days:\n%(link)s\n\n"
            "If it was not you, do nothing: the old password stays.",
            link=link(token),
        ),
    )


def password_set() -> Words:
    """Return the letter that says that the password was changed."""
    return Words(
        _("Your password at %(name)s was changed", name=_name()),
        _("If it was not you, tell an administrator of your organisation at once."),
    )


def words(template: str, token: str | None) -> Words | None:
    """Return the letter for one of Flask-Security's templates, None for those we never send."""
    name = template.rpartition("/")[2]
    if name == "reset_instructions" and token:
        return new_password(token)
    return password_set() if name in ("reset_notice", "change_notice") else None


def _name() -> str:
    settings: Settings = current_app.extensions["settings"]
    return settings.organisation_name
