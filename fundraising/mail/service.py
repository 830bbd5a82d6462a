"""Writing letters and delivering them over SMTP, once as far as SMTP allows."""

import json
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from urllib.parse import unquote, urlsplit
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from flask import current_app
from sqlalchemy import text

from config import Settings
from fundraising import clock, sealing
from fundraising.database import db, transaction
from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l
from fundraising.mail.models import Letter
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed

TIMEOUT_SECONDS = 10
KEPT_DAYS = 30


class AddressRefused(Invalid):
    """Not an e-mail address."""

    code = "address_refused"
    message = _l("This is not an e-mail address.")


class CannotDeliver(Exception):
    """The mail server did not take the letter; it stays in the outbox."""


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a letter, made when the letter is sent."""

    name: str
    mime: str
    data: bytes


AttachmentMaker = Callable[[UUID], Attachment]
_makers: dict[str, AttachmentMaker] = {}


def register_attachment(kind: str, maker: AttachmentMaker) -> None:
    """Say how attachments of a kind are made from an id."""
    _makers[kind] = maker


def normal_address(address: str) -> str:
    """Return an address in its normal form. Raises AddressRefused."""
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError as bad:
        raise AddressRefused from bad


def send(
    key: str,
    kind: str,
    *,
    to: str,
    subject: str,
    body: str,
    attachment: tuple[str, UUID] | None = None,
) -> None:
    """Write a letter and its work in the caller's transaction; the same key is the same letter."""
    if db.session.execute(text("SELECT 1 FROM mail_letter WHERE key = :key"), {"key": key}).first():
        return
    content = json.dumps({"to": normal_address(to), "subject": _one_line(subject), "body": body})
    letter = Letter(key=key, kind=kind, sealed=_seal(content))
    if attachment is not None:
        letter.attachment_kind, letter.attachment_id = attachment
    db.session.add(letter)
    db.session.flush()
    outbox.add(Kind.SEND_MAIL, f"mail:{key}", {"letter_id": str(letter.id)})


def deliver(work: Claimed) -> None:
    """Send one letter; no transaction is open while the mail server is spoken to.

    Raises:
        CannotDeliver: no server, or it refused; the outbox tries again.
    """
    settings: Settings = current_app.extensions["settings"]
    with transaction():
        letter = db.session.get(Letter, UUID(work.payload["letter_id"]))
    if letter is None or letter.sent_at is not None or letter.sealed is None:
        return
    if not settings.mail_url:
        raise CannotDeliver("MAIL_URL is not set")
    _smtp(settings.mail_url, _compose(letter, settings))
    with transaction():
        letter.sent_at = clock.now()
        db.session.merge(letter)


def forget_old() -> int:
    """Empty letters sent more than thirty days ago; return how many."""
    result = db.session.execute(
        text(
            "UPDATE mail_letter SET sealed = NULL WHERE sealed IS NOT NULL AND sent_at IS NOT NULL "
            "AND sent_at < CAST(:now AS timestamptz) - make_interval(days => :days) RETURNING 1"
        ),
        {"now": clock.now(), "days": KEPT_DAYS},
    )
    return len(result.all())


def _compose(letter: Letter, settings: Settings) -> EmailMessage:
    content = json.loads(_open(letter.sealed or b""))
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((settings.organisation_name, settings.mail_from))
    message["To"] = content["to"]
    message["Subject"] = content["subject"]
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{letter.id}@{urlsplit(settings.public_url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(content["body"])
    if letter.attachment_kind and letter.attachment_id:
        made = _makers[letter.attachment_kind](letter.attachment_id)
        main, _, sub = made.mime.partition("/")
        message.add_attachment(made.data, maintype=main, subtype=sub, filename=made.name)
    return message


def _smtp(url: str, message: EmailMessage) -> None:
    address = urlsplit(url)
    host, port = address.hostname or "localhost", address.port or 25
    try:
        if address.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        with server:
            if address.scheme == "smtp+tls":
                server.starttls(context=ssl.create_default_context())
            if address.username:
                server.login(unquote(address.username), unquote(address.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as refused:
        raise CannotDeliver(type(refused).__name__) from refused


def _one_line(subject: str) -> str:
    return " ".join(subject.split())[:200]


def _seal(content: str) -> bytes:
    key = sealing.new_key()
    return sealing.wrap(key) + sealing.seal(content.encode(), key)


def _open(sealed: bytes) -> str:
    length = sealing.NONCE + sealing.KEY + 16
    key = sealing.unwrap(sealed[:length])
    return sealing.open_sealed(sealed[length:], key).decode()
