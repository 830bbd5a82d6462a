"""What Flask-Security says to people, in our words and in both languages."""

from typing import Any

from fundraising.i18n import lazy_gettext as _l

MESSAGES: dict[str, tuple[Any, str]] = {
    "GENERIC_AUTHN_FAILED": (_l("E-mail or password is wrong."), "error"),
    "INVALID_REDIRECT": (_l("After signing in you stay on this site."), "error"),
    "GENERIC_RECOVERY": (_l("If this address has an account, a letter is on its way."), "info"),
    "PASSWORD_RESET_REQUEST": (
        _l("If this address has an account, a letter is on its way."),
        "info",
    ),
    "PASSWORD_RESET_EXPIRED": (_l("This link is too old. Ask for a new one."), "error"),
    "INVALID_RESET_PASSWORD_TOKEN": (
        _l("This link was used before or is broken. Ask for a new one."),
        "error",
    ),
    "PASSWORD_RESET": (_l("Your password is set. Sign in with it."), "ok"),
    "PASSWORD_RESET_NO_LOGIN": (_l("Your password is set. Sign in with it."), "ok"),
    "PASSWORD_CHANGE": (_l("Your password is changed."), "ok"),
    "PASSWORD_INVALID_LENGTH": (_l("At least twelve characters."), "error"),
    "PASSWORD_TOO_SIMPLE": (_l("This password is too easy to guess."), "error"),
    "PASSWORD_IS_THE_SAME": (_l("Choose another password than the present one."), "error"),
    "PASSWORD_NOT_PROVIDED": (_l("Please fill this in."), "error"),
    "PASSWORD_REQUIRED": (_l("Please fill this in."), "error"),
    "EMAIL_NOT_PROVIDED": (_l("Please fill this in."), "error"),
    "USER_DOES_NOT_EXIST": (_l("E-mail or password is wrong."), "error"),
    "INVALID_PASSWORD": (_l("The present password is wrong."), "error"),
    "RETYPE_PASSWORD_MISMATCH": (_l("The two passwords differ."), "error"),
    "INVALID_EMAIL_ADDRESS": (_l("This is not an e-mail address."), "error"),
    "DISABLED_ACCOUNT": (_l("This account is shut out."), "error"),
    "UNAUTHENTICATED": (_l("Please sign in first."), "error"),
    "LOGIN": (_l("Please sign in first."), "info"),
    "REFRESH": (_l("Please sign in again."), "info"),
}
