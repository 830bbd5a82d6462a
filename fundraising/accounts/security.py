"""Sign-in of staff by Flask-Security: argon2, own pages and letters, no registration."""

from typing import Any

from flask import Flask
from flask_security import MailUtil, Security, SQLAlchemyUserDatastore

from fundraising import clock
from fundraising.accounts.models import Role, User
from fundraising.database import db, transaction
from fundraising.mail import service as mail
from fundraising.references import secret_token

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
        """Write the letter; it goes when this request's work is committed."""
        del sender, html, kwargs
        with transaction():
            mail.send(
                f"account:{secret_token()}",
                template,
                to=str(recipient),
                subject=str(subject),
                body=body or "",
            )

    def validate(self, email: str) -> str:
        """Accept an address by its form. Raises ValueError."""
        try:
            return mail.normal_address(email)
        except mail.AddressRefused as bad:
            raise ValueError from bad


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
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
    )
    security = Security()
    security.init_app(app, datastore, mail_util_cls=OwnMail, register_blueprint=True)


__all__ = ["datastore", "setup"]
