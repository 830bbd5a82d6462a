"""Inviting colleagues: an account without a password, and a letter with the link to set one."""

from uuid import UUID

from flask_security.recoverable import generate_reset_password_token

from fundraising.accounts import letters, service
from fundraising.accounts.models import User
from fundraising.audit import service as audit
from fundraising.mail import service as mail
from fundraising.references import secret_token


def invite(email: str, role: str, *, name: str = "", actor_id: UUID | None = None) -> User:
    """Make an account and write its owner a letter. Raises what ``service.create`` raises."""
    user = service.create(email, role, name=name, actor_id=actor_id)
    _write(user, letters.invitation(generate_reset_password_token(user)), f"invitation:{user.id}")
    return user


def send_link(user: User, actor_id: UUID) -> None:
    """Write the owner of an account a new link to set a password; an older one stays good for its time."""
    token = generate_reset_password_token(user)
    words = letters.new_password(token) if user.password else letters.invitation(token)
    _write(user, words, f"account:{secret_token()}")
    audit.record("staff.link_sent", f"staff:{user.id}", actor_id, {})


def link(user: User) -> str:
    """Return the address where the owner of an account sets a password."""
    return letters.link(generate_reset_password_token(user))


def _write(user: User, words: letters.Words, key: str) -> None:
    mail.send(key, "invitation", to=user.email, subject=words.subject, body=words.body)
