"""Taking over gifts that came through another platform: looked at first, then booked in sets.

Every imported gift is a gift like any other: one journal entry, one lot on the fund's lane, one my-gift
page. The platform's own number makes it the same gift when the file comes again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fundraising.audit import service as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.errors import Invalid
from fundraising.giving import booking, people
from fundraising.giving.booking import WholeGift
from fundraising.giving.errors import TextRefused
from fundraising.giving.models import Display, GiftImport
from fundraising.i18n import fen
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger.models import EntryKind
from fundraising.payments.providers import gongyibao
from fundraising.payments.providers.gongyibao import GiftRow, RowError

SET_SIZE = 2000
CHANNEL = gongyibao.NAME


class ImportRefused(Invalid):
    """The file holds lines that cannot be used; nothing is booked until they are mended."""

    code = "import_refused"
    message = _l("The file holds lines that cannot be used. Nothing was booked.")


@dataclass(frozen=True)
class Plan:
    """What importing a file would do."""

    filename: str
    sha256: str
    new: list[GiftRow] = field(default_factory=list)
    known_count: int = 0
    unpaid_count: int = 0
    errors: list[RowError] = field(default_factory=list)

    @property
    def amount_fen(self) -> int:
        """The sum of the new gifts."""
        return sum(row.amount.minor for row in self.new)

    def summary(self) -> dict[str, Any]:
        """Return the plan in figures."""
        times = [row.paid_at for row in self.new]
        return {
            "file": self.filename,
            "new": len(self.new),
            "known": self.known_count,
            "not paid": self.unpaid_count,
            "errors": len(self.errors),
            "amount": fen(self.amount_fen),
            "amount_fen": self.amount_fen,
            "first": min(times).isoformat() if times else None,
            "last": max(times).isoformat() if times else None,
        }


def plan(campaign: Campaign, data: bytes, filename: str) -> Plan:
    """Read a file and compare it with what is known; changes nothing.

    A known number with another amount is an error: somebody must look before money is booked.
    """
    del campaign
    read = gongyibao.read(data, filename)
    known = _known(row.number for row in read.rows)
    errors = list(read.errors)
    new: list[GiftRow] = []
    for row in read.rows:
        amount = known.get(row.number)
        if amount is None:
            new.append(row)
        elif amount != row.amount.minor:
            errors.append(RowError(row.line, _l("This gift number is known with another amount.")))
    known_count = len(read.rows) - len(new)
    return Plan(filename, hashlib.sha256(data).hexdigest(), new, known_count, read.unpaid, errors)


def apply(campaign: Campaign, planned: Plan, actor_id: UUID | None) -> GiftImport:
    """Book the new gifts of a plan, set by set; a repeat after a crash goes on where it stopped.

    Raises:
        ImportRefused: the plan holds errors.
    """
    if planned.errors:
        raise ImportRefused(lines=[error.line for error in planned.errors])
    new_count = 0
    for start in range(0, len(planned.new), SET_SIZE):
        with transaction():
            booked = booking.book_set(
                campaign,
                [_gift(row) for row in planned.new[start : start + SET_SIZE]],
                kind=EntryKind.GIFT_IMPORTED,
                account=chart.clearing(CHANNEL),
            )
        new_count += len(booked)
    with transaction():
        record = GiftImport(
            campaign_id=campaign.id,
            platform=CHANNEL,
            filename=planned.filename,
            sha256=planned.sha256,
            new_count=new_count,
            known_count=planned.known_count,
            amount_fen=planned.amount_fen,
            detail={"not_paid": planned.unpaid_count},
            imported_by=actor_id,
        )
        db.session.add(record)
        db.session.flush()
        audit.record("gifts.imported", f"campaign:{campaign.slug}", actor_id, {"new": new_count})
    return record


def _known(numbers: Iterator[str]) -> dict[str, int]:
    rows = db.session.execute(
        text(
            "SELECT external_ref, amount_fen FROM giving_gift "
            "WHERE channel = :channel AND external_ref = ANY(:numbers)"
        ),
        {"channel": CHANNEL, "numbers": list(numbers)},
    )
    return {row.external_ref: row.amount_fen for row in rows}


def _gift(row: GiftRow) -> WholeGift:
    """Return an imported gift. A name the platform already masks may be shown."""
    is_masked = row.name.endswith("**")
    return WholeGift(
        channel=CHANNEL,
        number=row.number,
        amount=row.amount,
        at=row.paid_at,
        name=row.name,
        display=Display.MASKED if is_masked else Display.ANONYMOUS,
        display_name=row.name if is_masked else None,
        message=_message(row.message),
    )


def _message(written: str) -> str:
    try:
        return people.clean_message(written)
    except TextRefused:
        return ""
