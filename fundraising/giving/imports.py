"""Taking over gifts that came through another platform: looked at first, then booked in sets.

Every imported gift is a gift like any other: one journal entry, one lot on the fund's lane, one my-gift
page. The platform's own number makes it the same gift when the file comes again.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fundraising import clock, references
from fundraising.audit import service as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.errors import Invalid
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving import people, settlement
from fundraising.giving.errors import TextRefused
from fundraising.giving.models import Display, Gift, GiftImport, GiftState, MessageState
from fundraising.giving.people import PersonData
from fundraising.i18n import fen
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.payments.providers import gongyibao
from fundraising.payments.providers.gongyibao import GiftRow, RowError
from fundraising.references import uuid7

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
    kind = fund_queries.get(campaign.fund_id).kind
    new_count = 0
    for start in range(0, len(planned.new), SET_SIZE):
        with transaction():
            new_count += _book_set(campaign, kind, planned.new[start : start + SET_SIZE])
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


def _book_set(campaign: Campaign, fund_kind: str, rows: Sequence[GiftRow]) -> int:
    """Insert gifts, entries, lots and people of one set; numbers that arrived meanwhile are left out."""
    gifts = [(uuid7(), row) for row in rows]
    fresh = _insert_gifts(campaign, gifts)
    kept = [(gift_id, row) for gift_id, row in gifts if gift_id in fresh]
    posted = ledger.post_many(
        [
            NewEntry(
                f"gift:{CHANNEL}:{row.number}",
                EntryKind.GIFT_IMPORTED,
                row.paid_at,
                (
                    debit(chart.clearing(CHANNEL), row.amount),
                    credit(chart.income(fund_kind), row.amount, campaign.fund_id),
                ),
                fund_id=campaign.fund_id,
            )
            for _, row in kept
        ]
    )
    funds.add_lots(
        campaign.fund_id,
        [
            NewLot(LotSource.GIFT, gift_id, row.amount, posted.ids[f"gift:{CHANNEL}:{row.number}"])
            for gift_id, row in kept
        ],
    )
    people.keep_many([(gift_id, PersonData(name=row.name)) for gift_id, row in kept])
    days: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for _, row in kept:
        day = days[campaign.id, clock.shanghai_date(row.paid_at).isoformat()]
        day[0] += row.amount.minor
        day[1] += 1
        day[3] += 1
    settlement.add_days(days)
    return len(kept)


def _insert_gifts(campaign: Campaign, gifts: Sequence[tuple[UUID, GiftRow]]) -> set[UUID]:
    rows = [_gift(campaign, gift_id, row) for gift_id, row in gifts]
    columns = list(rows[0])
    returned = db.session.execute(
        text(
            f"INSERT INTO giving_gift ({', '.join(columns)}) SELECT * FROM unnest("  # noqa: S608  own names
            + ", ".join(f"CAST(:{name} AS {_type(name)}[])" for name in columns)
            + ") ON CONFLICT (channel, external_ref) DO NOTHING RETURNING id"
        ),
        {name: [row[name] for row in rows] for name in columns},
    )
    return set(returned.scalars())


def _type(column: str) -> str:
    return str(Gift.__table__.c[column].type.compile(db.engine.dialect))


def _gift(campaign: Campaign, gift_id: UUID, row: GiftRow) -> dict[str, Any]:
    """Return the columns of an imported gift. A name the platform already masks may be shown."""
    message = _message(row.message)
    is_masked = row.name.endswith("**")
    return {
        "id": gift_id,
        "ref": references.gift_reference(),
        "order_no": references.order_number(),
        "token": references.secret_token(),
        "idempotency_key": f"{CHANNEL}:{row.number}",
        "body_hash": "",
        "campaign_id": campaign.id,
        "fund_id": campaign.fund_id,
        "amount_fen": row.amount.minor,
        "refunded_fen": 0,
        "currency": row.amount.currency,
        "channel": CHANNEL,
        "external_ref": row.number,
        "state": GiftState.PAID.value,
        "display": (Display.MASKED if is_masked else Display.ANONYMOUS).value,
        "display_name": row.name if is_masked else None,
        "message": message or None,
        "message_state": (MessageState.PENDING if message else MessageState.NONE).value,
        "wants_fiscal_receipt": False,
        "locale": "zh",
        "created_at": row.paid_at,
        "paid_at": row.paid_at,
    }


def _message(written: str) -> str:
    try:
        return people.clean_message(written)
    except TextRefused:
        return ""
