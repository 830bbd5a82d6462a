"""Issuing receipt confirmations: a number without gaps, a frozen snapshot, the same PDF for ever.

A receipt confirmation is no fiscal receipt (公益事业捐赠统一票据): it carries none of its marks and says so.
"""

import hashlib
from typing import Any
from uuid import UUID

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import select, text

from config import Settings
from fundraising import clock, qr, references, typesetting
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.giving import people
from fundraising.giving import queries as gifts
from fundraising.giving.models import Gift
from fundraising.i18n import fen, gettext
from fundraising.mail import service as mail
from fundraising.outbox.service import Claimed
from fundraising.receipts.capitals import in_capitals
from fundraising.receipts.errors import NotPaidYet, ReceiptNotFound
from fundraising.receipts.models import Receipt
from fundraising.receipts.template import TEMPLATE

ATTACHMENT = "receipt"


def handle(work: Claimed) -> None:
    """Issue the receipt of a settled gift and send it when the donor left an address."""
    gift_id = UUID(work.payload["gift_id"])
    with transaction():
        receipt = issue(gift_id)
        send(receipt, gifts.by_id(gift_id))


def issue(gift_id: UUID) -> Receipt:
    """Return the valid receipt of a paid gift, issuing it at the first call.

    Raises:
        NotPaidYet: no money has come in for the gift.
    """
    gift = db.session.execute(
        select(Gift)
        .where(Gift.id == gift_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    known = find_valid(gift_id)
    if known is not None:
        return known
    if not gift.is_paid:
        raise NotPaidYet
    now = clock.now()
    year = clock.shanghai_date(now).year
    receipt = Receipt(
        year=year,
        number=_next_number(year),
        code=references.verification_code(),
        gift_id=gift_id,
        issued_at=now,
        snapshot={},
    )
    receipt.snapshot = _snapshot(receipt, gift)
    receipt.pdf_sha256 = hashlib.sha256(pdf(receipt)).hexdigest()
    db.session.add(receipt)
    db.session.flush()
    return receipt


def void(receipt: Receipt, reason: str, actor_id: UUID | None) -> None:
    """Take a receipt out of force; the gift may get a new one."""
    receipt.state, receipt.voided_at, receipt.void_reason = "void", clock.now(), reason
    db.session.flush()
    audit.record("receipt.voided", f"receipt:{receipt.label}", actor_id, {"reason": reason})


def send(receipt: Receipt, gift: Gift, attempt: str = "first") -> bool:
    """Write the letter that carries a receipt; return whether there is an address to send it to."""
    email = people.read(gift.id).email
    if not email:
        return False
    settings: Settings = current_app.extensions["settings"]
    with force_locale(gift.locale):
        subject = gettext("Thank you: receipt confirmation %(number)s", number=receipt.label)
        body = gettext(
            "Thank you for your gift of %(amount)s.\n\n"
            "See where it goes, to the fen:\n%(trace)s\n\n"
            "Your receipt confirmation is attached. Anyone can verify it at:\n%(verify)s\n\n"
            "%(organisation)s",
            amount=fen(gift.amount_fen),
            trace=f"{settings.public_url}/t/{gift.token}",
            verify=f"{settings.public_url}/v/{receipt.code}",
            organisation=settings.organisation_name,
        )
    mail.send(
        f"receipt:{receipt.id}:{attempt}",
        "receipt",
        to=email,
        subject=subject,
        body=body,
        attachment=(ATTACHMENT, receipt.id),
    )
    return True


def pdf(receipt: Receipt) -> bytes:
    """Return the receipt's PDF; the same bytes every time."""
    return typesetting.pdf(TEMPLATE, _page(receipt))


def png(receipt: Receipt) -> bytes:
    """Return the receipt as a picture, for saving inside WeChat."""
    return typesetting.png(TEMPLATE, _page(receipt), ppi=170)


def attachment(receipt_id: UUID) -> mail.Attachment:
    """Return a receipt as a letter carries it."""
    receipt = get(receipt_id)
    return mail.Attachment(f"{receipt.label}.pdf", "application/pdf", pdf(receipt))


def get(receipt_id: UUID) -> Receipt:
    """Return a receipt. Raises ReceiptNotFound."""
    found = db.session.get(Receipt, receipt_id)
    if found is None:
        raise ReceiptNotFound
    return found


def find_valid(gift_id: UUID) -> Receipt | None:
    """Return the valid receipt of a gift, None when there is none."""
    query = select(Receipt).where(Receipt.gift_id == gift_id, Receipt.state == "valid")
    return db.session.execute(query).scalar_one_or_none()


def find_by_code(code: str) -> Receipt | None:
    """Return the receipt of a verification code, whatever its letters' case and spacing."""
    plain = "".join(c for c in code.upper() if c.isalnum())
    query = select(Receipt).where(Receipt.code == plain)
    return db.session.execute(query).scalar_one_or_none()


def _next_number(year: int) -> int:
    row = db.session.execute(
        text(
            "INSERT INTO receipt_year (year, last_number) VALUES (:year, 1) "
            "ON CONFLICT (year) DO UPDATE SET last_number = receipt_year.last_number + 1 RETURNING last_number"
        ),
        {"year": year},
    )
    return int(row.scalar_one())


def _snapshot(receipt: Receipt, gift: Gift) -> dict[str, Any]:
    """Freeze what the receipt says. The name is the one the donor chose to show, never an address."""
    settings: Settings = current_app.extensions["settings"]
    campaign = campaigns.get_by_id(gift.campaign_id)
    assert gift.paid_at is not None
    return {
        "organisation": settings.organisation_name,
        "number": receipt.label,
        "name": gift.display_name or "爱心网友",
        "amount": fen(gift.amount_fen),
        "capitals": f"人民币{in_capitals(gift.amount_fen)}",
        "campaign": campaign.title["zh"],
        "order_no": gift.order_no,
        "paid_on": clock.shanghai_date(gift.paid_at).isoformat(),
        "issued_on": clock.shanghai_date(receipt.issued_at).isoformat(),
        "verify": f"{settings.public_url}/v/{receipt.code}",
        "code": receipt.code,
        "is_demo": campaign.is_demo,
    }


def _page(receipt: Receipt) -> dict[str, Any]:
    return {**receipt.snapshot, "qr": qr.rows(receipt.snapshot["verify"])}


mail.register_attachment(ATTACHMENT, attachment)
