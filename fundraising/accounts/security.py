"""Sign-in of staff by Flask-Security: argon2, own pages and letters, no registration."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, user_logged_in, user_logged_out
from flask_security import (
    MailUtil,
    Security,
    SQLAlchemyUserDatastore,
    password_changed,
    password_reset,
)
from itsdangerous import BadSignature
from werkzeug.http import parse_cookie

from fundraising import clock
from fundraising.accounts import letters
from fundraising.accounts.models import Role, User
from fundraising.accounts.words import MESSAGES
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.errors import Invalid
from fundraising.extensions import limiter
from fundraising.mail import service as mail
from fundraising.references import secret_token

IDLE = timedelta(hours=8)
"""How long a member of staff may be away from the desk before signing in again."""
TRIES = "10 per minute; 60 per hour"
LONGEST_FIELD = 1000
LIMITS = (
    ("login", TRIES),
    ("forgot_password", "3 per hour"),
    ("reset_password", ""),
    ("change_password", ""),
)
"""What may be tried for one account, whoever tries; each address has its tries besides."""
datastore = SQLAlchemyUserDatastore(db, User, Role)


class OwnMail(MailUtil):
    """Sends Flask-Security's letters through our outbox."""

    def send_mail(
        self,
        template: str,
        subject: Any,
        recipient: str | tuple[str, str],
        sender: Any,
        body: str | None,
        html: str | None,
        **kwargs: Any,
    ) -> None:
        """Write the letter in our own words; it goes when this request's work is committed."""
        del sender, body, html
        words = letters.words(template, kwargs.get("reset_token"))
        with transaction():
            mail.send(
                f"account:{secret_token()}",
                template,
                to=str(recipient),
                subject=words.subject if words else str(subject),
                body=words.body if words else "",
            )

    def validate(self, email: str) -> str:
        """Accept an address by its form. Raises ValueError."""
        try:
            return mail.normal_address(email)
        except mail.AddressRefused as bad:
            raise ValueError from bad


def session_reader(app: Flask) -> Callable[[str], bool]:
    """Return what tells from a cookie header, without a database, whether it names a session we signed in."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    cookie = app.config["SESSION_COOKIE_NAME"]

    def is_signed_in(header: str) -> bool:
        try:
            return "_user_id" in serializer.loads(parse_cookie(header).get(cookie, ""))
        except (BadSignature, TypeError, ValueError):
            return False

    return is_signed_in


def setup(app: Flask) -> None:
    """Install sign-in, sign-out, password change and reset under ``/staff``."""
    app.config.update(
        SECURITY_URL_PREFIX="/staff",
        SECURITY_LOGIN_URL="/login",
        SECURITY_POST_LOGIN_VIEW="/staff",
        SECURITY_POST_LOGOUT_VIEW="/",
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106  the name of a method
        SECURITY_PASSWORD_SALT=app.config["SECRET_KEY"],
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        SECURITY_PASSWORD_LENGTH_MIN=12,
        SECURITY_PASSWORD_CONFIRM_REQUIRED=True,
        SECURITY_REGISTERABLE=False,
        SECURITY_RECOVERABLE=True,
        SECURITY_CHANGEABLE=True,
        SECURITY_TRACKABLE=True,
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
        SECURITY_CSRF_IGNORE_UNAUTH_ENDPOINTS=False,
        SECURITY_FLASH_MESSAGES=True,
        SECURITY_I18N_DIRNAME=["builtin", "translations"],
        SECURITY_SEND_PASSWORD_CHANGE_EMAIL=False,
        SECURITY_LOGIN_USER_TEMPLATE="accounts/login.html",
        SECURITY_FORGOT_PASSWORD_TEMPLATE="accounts/forgot.html",  # noqa: S106
        SECURITY_RESET_PASSWORD_TEMPLATE="accounts/reset.html",  # noqa: S106
        SECURITY_CHANGE_PASSWORD_TEMPLATE="accounts/change.html",  # noqa: S106
        SECURITY_DATETIME_FACTORY=clock.now,
        SECURITY_LOGOUT_METHODS=["POST"],
        SECURITY_CACHE_CONTROL={"private": None, "no-store": None},
        SECURITY_POST_RESET_VIEW="/staff/login",
        SECURITY_POST_CHANGE_VIEW="/staff",
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_SECURE=app.config["SESSION_COOKIE_SECURE"],
        REMEMBER_COOKIE_DURATION=IDLE,
        PERMANENT_SESSION_LIFETIME=IDLE,
        **{f"SECURITY_MSG_{name}": text for name, text in MESSAGES.items()},
    )
    Security(mail_util_cls=OwnMail).init_app(app, datastore, register_blueprint=True)
    _sign_in_by_session_only(app)
    app.before_request(_bounded)
    _limit(app)
    user_logged_out.connect(_end_sessions, app)
    user_logged_in.connect(_expire_when_idle, app)
    password_reset.connect(_note_new_password, app)
    password_changed.connect(_note_new_password, app)


def _sign_in_by_session_only(app: Flask) -> None:
    """Look for nobody in addresses, headers or bodies: a body is read by its route, within its own bounds."""
    login: LoginManager = app.extensions["security"].login_manager
    login.request_loader(lambda _request: None)


def _expire_when_idle(_app: Flask, **_facts: Any) -> None:
    """Let a session of staff end after some hours without a request; each request begins them anew."""
    session.permanent = True


def _note_new_password(_app: Flask, user: User, **_facts: Any) -> None:
    """Write into the audit log that somebody set a password of their own."""
    audit.record("staff.password_set", f"staff:{user.id}", user.id, {})


def _bounded() -> None:
    """Let only short form fields reach Flask-Security. Raises Invalid."""
    if request.blueprint != "security" or request.method != "POST":
        return
    if request.is_json or any(len(value) > LONGEST_FIELD for value in request.form.values()):
        raise Invalid


def _account() -> str:
    """Name the account a form is about, whoever sends it."""
    return f"account:{request.form.get('email', '').strip().casefold()}"


def _limit(app: Flask) -> None:
    """Bound tries by address and, where an account is named, by account."""
    for name, by_account in LIMITS:
        endpoint = f"security.{name}"
        view: Any = app.view_functions[endpoint]
        view = limiter.limit(TRIES, methods=["POST"])(view)
        if by_account:
            view = limiter.limit(by_account, key_func=_account, methods=["POST"])(view)
        app.view_functions[endpoint] = view


def _end_sessions(_app: Flask, user: User, **_: object) -> None:
    """Make a cookie that was copied before worthless: a new key ends every session of the account."""
    with transaction():
        user.fs_uniquifier = secrets.token_hex(32)


__all__ = ["datastore", "setup"]
