"""The paper of a receipt: its facts frozen, set once, and kept byte for byte.

Each layout stays as it is for ever: a changed page is a new layout, so that no receipt of the past
ever looks different.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import current_app

from config import Settings
from fundraising import clock, qr, typesetting
from fundraising.campaigns import queries as campaigns
from fundraising.files import service as files
from fundraising.giving.models import Gift
from fundraising.i18n import fen
from fundraising.receipts.capitals import in_capitals
from fundraising.receipts.models import Receipt
from fundraising.receipts.template import LAYOUTS, NEWEST

UNNAMED = "爱心网友"


def freeze(receipt: Receipt, gifts: Sequence[Gift], replaced: Receipt | None) -> None:
    """Write down what a receipt says, set its page and keep the bytes; never done a second time."""
    receipt.layout = NEWEST
    receipt.snapshot = _snapshot(receipt, gifts, replaced)
    data = _set(receipt)
    receipt.pdf_sha256 = hashlib.sha256(data).hexdigest()
    receipt.file_id = files.store(data, f"{receipt.label}.pdf", is_public=False).id


def pdf(receipt: Receipt) -> bytes:
    """Return the receipt's PDF as it was issued; those of the first layout are set again, the same."""
    return files.read(receipt.file_id) if receipt.file_id else _set(receipt)


def png(receipt: Receipt) -> bytes:
    """Return the receipt as a picture, for saving inside WeChat: same facts, same layout."""
    return typesetting.png(LAYOUTS[receipt.layout], page(receipt), ppi=170)


def page(receipt: Receipt) -> dict[str, Any]:
    """Return what the layout reads."""
    return {**receipt.snapshot, "qr": qr.rows(receipt.snapshot["verify"])}


def _set(receipt: Receipt) -> bytes:
    return typesetting.pdf(LAYOUTS[receipt.layout], page(receipt))


def _snapshot(receipt: Receipt, gifts: Sequence[Gift], replaced: Receipt | None) -> dict[str, Any]:
    """Freeze what the receipt says. The name is the one the donor chose to show, never an address."""
    settings: Settings = current_app.extensions["settings"]
    lines = [_line(gift) for gift in gifts]
    return {
        "organisation": settings.organisation_name,
        "number": receipt.label,
        "name": gifts[-1].display_name or UNNAMED,
        "amount": fen(receipt.amount_fen),
        "capitals": f"人民币{in_capitals(receipt.amount_fen)}",
        "period": _period(receipt.period),
        "lines": lines,
        "campaign": "、".join(dict.fromkeys(line["campaign"] for line in lines)),
        "paid_on": " – ".join(dict.fromkeys((lines[0]["paid_on"], lines[-1]["paid_on"]))),
        "issued_on": clock.shanghai_date(receipt.issued_at).isoformat(),
        "replaces": replaced.label if replaced else "",
        "verify": f"{settings.public_url}/v/{receipt.code}",
        "code": receipt.code,
        "is_demo": any(campaigns.get_by_id(gift.campaign_id).is_demo for gift in gifts),
    }


def _line(gift: Gift) -> dict[str, str]:
    assert gift.paid_at is not None
    return {
        "campaign": campaigns.get_by_id(gift.campaign_id).title["zh"],
        "order_no": gift.order_no,
        "paid_on": clock.shanghai_date(gift.paid_at).isoformat(),
        "amount": fen(gift.kept_fen),
        "given": fen(gift.amount_fen) if gift.refunded_fen else "",
    }


def _period(period: str) -> str:
    year, _, month = period.partition("-")
    if not period:
        return ""
    return f"{year}年{int(month)}月" if month else f"{year}年"
