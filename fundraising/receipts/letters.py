"""Letters that carry receipts."""

from uuid import UUID

from flask import current_app
from flask_babel import force_locale

from config import Settings
from fundraising.giving import people
from fundraising.giving.models import Gift
from fundraising.i18n import fen, gettext, language
from fundraising.mail import service as mail
from fundraising.receipts import papers, queries
from fundraising.receipts.models import Receipt

ATTACHMENT = "receipt"
REFUND = "refund"
"""Why a receipt was made void when money of its gift went back."""


def send(receipt: Receipt, gift: Gift, attempt: str = "first") -> bool:
    """Write the letter that carries a receipt; return whether there is an address to send it to.

    The address is the one told with ``gift``, which is on the receipt.
    """
    email = people.read(gift.id).email
    if not email:
        return False
    with force_locale(gift.locale):
        subject = _subject(receipt)
        body = _body(receipt, gift)
    mail.send(
        f"receipt:{receipt.id}:{attempt}",
        "receipt",
        to=email,
        subject=subject,
        body=body,
        attachment=(ATTACHMENT, receipt.id),
    )
    return True


def _subject(receipt: Receipt) -> str:
    if receipt.replaces_id:
        return str(
            gettext("Your receipt confirmation was replaced: now %(number)s", number=receipt.label)
        )
    return str(gettext("Thank you: receipt confirmation %(number)s", number=receipt.label))


def _body(receipt: Receipt, gift: Gift) -> str:
    settings: Settings = current_app.extensions["settings"]
    values = {
        "amount": fen(receipt.amount_fen),
        "trace": f"{settings.public_url}/t/{gift.token}",
        "verify": f"{settings.public_url}/v/{receipt.code}",
        "again": f"{settings.public_url}/receipts/{receipt.token}.pdf",
        "organisation": settings.organisation_name_en
        if language() == "en"
        else settings.organisation_name,
        "old": receipt.snapshot.get("replaces", ""),
    }
    said: str
    if receipt.replaces_id and not _says_less(receipt, receipt.replaces_id):
        said = gettext(
            "Your receipt confirmation %(old)s is void; the attached one, over %(amount)s, takes its place.\n\n"
            "See where your gift goes, to the fen:\n%(trace)s\n\n"
            "Anyone can verify the receipt at:\n%(verify)s\n\n%(organisation)s",
            **values,
        )
    elif receipt.replaces_id:
        said = gettext(
            "Money of your gift was paid back. Your receipt confirmation %(old)s is void; the attached one, "
            "over %(amount)s, takes its place.\n\n"
            "See where your gift goes, to the fen:\n%(trace)s\n\n"
            "Anyone can verify the receipt at:\n%(verify)s\n\n%(organisation)s",
            **values,
        )
    elif receipt.period:
        said = gettext(
            "Thank you for your gifts, together %(amount)s.\n\n"
            "Your receipt confirmation, which lists each of them, is attached. Only you have its address, "
            "where you can fetch it again:\n%(again)s\n\n"
            "Anyone can verify it at:\n%(verify)s\n\n%(organisation)s",
            **values,
        )
    else:
        said = gettext(
            "Thank you for your gift of %(amount)s.\n\n"
            "See where it goes, to the fen:\n%(trace)s\n\n"
            "Your receipt confirmation is attached. Anyone can verify it at:\n%(verify)s\n\n"
            "%(organisation)s",
            **values,
        )
    return said


def attachment(receipt_id: UUID) -> mail.Attachment:
    """Return a receipt as a letter carries it."""
    receipt = queries.get(receipt_id)
    return mail.Attachment(f"{receipt.label}.pdf", "application/pdf", papers.pdf(receipt))


mail.register_attachment(ATTACHMENT, attachment)


def _says_less(receipt: Receipt, old_id: UUID) -> bool:
    """Whether a receipt took another's place because money went back, not because it came again."""
    old = queries.get(old_id)
    return old.void_reason == REFUND and receipt.amount_fen < old.amount_fen
