"""Money from the bank that nobody could place becomes a gift: one person says whose and for what, another books it.

The line was booked to suspense as received when it came. The gift keeps the day on which the bank booked it,
the bank's own serial number as its number, goes on its fund's lane like any other, and goes back like one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from fundraising import clock, sealing
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import booking, people
from fundraising.giving.booking import WholeGift
from fundraising.giving.errors import (
    LineNotInSuspense,
    PlacingNotFound,
    PlacingOver,
    PlacingReasonMissing,
)
from fundraising.giving.models import Display, Placing, PlacingState, ReceiptRule
from fundraising.giving.people import PersonData
from fundraising.ledger import chart
from fundraising.ledger.models import EntryKind
from fundraising.mail.service import normal_address
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import adopting
from fundraising.payments.errors import SamePerson
from fundraising.payments.models import BankLine
from fundraising.references import uuid7

BANK = "bank"
MOST_REASON = 200


@dataclass(frozen=True)
class Waiting:
    """A line in suspense, with what somebody proposed for it."""

    line: BankLine
    placing: Placing | None
    person: PersonData


def propose(
    line_id: UUID,
    campaign: Campaign,
    person: PersonData,
    *,
    reason: str,
    actor_id: UUID,
    is_named: bool = False,
) -> Placing:
    """Say that a line in suspense is a gift to a campaign, and whose; nothing is booked yet.

    Raises:
        PlacingReasonMissing, AddressRefused, TextRefused, NameRefused: as they say.
        LineNotInSuspense: there is nothing to be placed, or a proposal waits already.
    """
    why = people.clean(reason, MOST_REASON)
    if not why:
        raise PlacingReasonMissing
    told = _clean(person)
    if is_named:
        people.public_name(Display.FULL, told.name)
    if not any(row.line.id == line_id and row.placing is None for row in _rows(line_id)):
        raise LineNotInSuspense
    placing = Placing(
        id=uuid7(),
        bank_line_id=line_id,
        campaign_id=campaign.id,
        reason=why,
        is_named=is_named,
        proposed_by=actor_id,
    )
    if told != PersonData():
        placing.wrapped_key, placing.sealed = sealing.seal_row(placing.id, asdict(told))
    db.session.add(placing)
    db.session.flush()
    audit.record("suspense.proposed", f"campaign:{campaign.slug}", actor_id, {"line": str(line_id)})
    return placing


def book(placing_id: UUID, actor_id: UUID) -> UUID:
    """Book a proposal as the second person; return the gift, which is traced and thanked for like any other.

    Raises:
        SamePerson: who proposed it may not decide.
        PlacingOver: it was decided before.
    """
    placing = _undecided(placing_id)
    if placing.proposed_by == actor_id:
        raise SamePerson
    line = db.session.get_one(BankLine, placing.bank_line_id)
    campaign = campaigns.get_by_id(placing.campaign_id)
    gift = _gift(placing, line)
    booked = booking.book_set(
        campaign,
        [gift],
        kind=EntryKind.SUSPENSE_RESOLVED,
        account=chart.SUSPENSE,
        actor=f"staff:{actor_id}",
    )
    if not booked or gift.fact_id is None:
        raise PlacingOver
    adopting.of_line(line, gift.id, gift.fact_id)
    placing.gift_id = gift.id
    _decide(placing, PlacingState.BOOKED, actor_id)
    outbox.add(Kind.ISSUE_RECEIPT, f"receipt:{gift.id}", {"gift_id": str(gift.id)})
    audit.record("suspense.given", f"campaign:{campaign.slug}", actor_id, {"gift": str(gift.id)})
    return gift.id


def withdraw(placing_id: UUID, actor_id: UUID) -> None:
    """Give a proposal up; the line waits again. Raises PlacingOver."""
    placing = _undecided(placing_id)
    _decide(placing, PlacingState.WITHDRAWN, actor_id)
    audit.record("suspense.withdrawn", f"placing:{placing.id}", actor_id, {})


def waiting(limit: int = 100) -> list[Waiting]:
    """Return the bank lines whose money waits in suspense, the oldest first."""
    return _rows(None, limit)


def count_waiting() -> int:
    """Return how many bank lines wait to be placed, counting no further than a page."""
    return len(waiting())


# ---------------------------------------------------------------------- inside


def _clean(person: PersonData) -> PersonData:
    email = person.email.strip()
    address = normal_address(email) if email else ""
    return PersonData(name=people.clean(person.name, people.MAX_NAME), email=address)


def _rows(line_id: UUID | None, limit: int = 1) -> list[Waiting]:
    """Return lines that were booked to suspense by hand and are no gift yet, with open proposals."""
    query = text(
        """
        SELECT b.id AS line_id, p.id AS placing_id
        FROM ledger_entry e
        JOIN payment_bank_line b ON b.entry_id = e.id
        LEFT JOIN giving_placing p ON p.bank_line_id = b.id AND p.state <> 'withdrawn'
        WHERE e.kind = 'suspense_received' AND e.key LIKE 'bank:%'
          AND p.gift_id IS NULL AND (CAST(:line AS uuid) IS NULL OR b.id = :line)
          AND NOT EXISTS (SELECT FROM ledger_entry r WHERE r.reverses_id = e.id)
        ORDER BY b.booked_at, b.serial LIMIT :most
        """
    )
    rows = db.session.execute(query, {"line": line_id, "most": limit}).all()
    return _whole(rows)


def _whole(rows: Sequence[Row[Any]]) -> list[Waiting]:
    lines = _by_id(BankLine, [row.line_id for row in rows])
    placings = _by_id(Placing, [row.placing_id for row in rows if row.placing_id])
    found = []
    for row in rows:
        placing = placings.get(row.placing_id)
        person = _person(placing) if placing else PersonData()
        found.append(Waiting(lines[row.line_id], placing, person))
    return found


def _by_id(model: Any, ids: Sequence[UUID]) -> dict[UUID, Any]:
    query = select(model).where(model.id.in_(ids)).execution_options(populate_existing=True)
    return {row.id: row for row in db.session.execute(query).scalars()}


def _person(placing: Placing) -> PersonData:
    if placing.wrapped_key is None or placing.sealed is None:
        return PersonData()
    return PersonData(**sealing.open_row(placing.id, placing.wrapped_key, placing.sealed))


def _undecided(placing_id: UUID) -> Placing:
    query = select(Placing).where(Placing.id == placing_id).with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise PlacingNotFound
    if found.state != PlacingState.PROPOSED:
        raise PlacingOver
    return found


def _decide(placing: Placing, state: PlacingState, actor_id: UUID) -> None:
    placing.state, placing.decided_by, placing.decided_at = state, actor_id, clock.now()
    placing.wrapped_key = placing.sealed = None
    db.session.flush()


def _gift(placing: Placing, line: BankLine) -> WholeGift:
    person = _person(placing)
    display = Display.FULL if placing.is_named else Display.ANONYMOUS
    return WholeGift(
        channel=BANK,
        number=f"{line.bank_account}:{line.serial}",
        amount=Money(line.amount_fen),
        at=line.booked_at,
        payer=line.counterparty_account or None,
        name=person.name,
        email=person.email,
        display=display,
        display_name=people.public_name(display, person.name),
        receipt_rule=ReceiptRule.AT_ONCE,
        fact_id=uuid7(),
    )
