"""Recording training: its people count once a second person has confirmed them; its cost draws from the fund."""

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import select

from fundraising import clock, twins
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import Text2, db
from fundraising.files import service as files
from fundraising.funds import service as funds
from fundraising.funds.models import SpendingKind
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.programmes.errors import (
    AlreadyDecided,
    NotHeldYet,
    SameRecorder,
    SessionChanged,
    SessionNotFound,
    WithdrawalReasonMissing,
)
from fundraising.programmes.models import TrainingSession

ITS_FACTS = (
    "campaign_id", "title", "place", "held_on", "people_trained", "instructor",
    "cost_fen", "paid_on", "bank_reference", "evidence_file_id", "recorded_by",
)  # fmt: skip

NOON = time(12, 0)


@dataclass(frozen=True)
class Cost:
    """What a session cost, as the bank's statement shows it."""

    amount: Money
    paid_on: date
    bank_reference: str


@dataclass(frozen=True)
class Sheet:
    """The signed sheet or another proof of a session; it stays with staff."""

    data: bytes
    name: str


def record(
    campaign_id: UUID,
    title: Text2,
    place: Text2,
    held_on: date,
    people_trained: int,
    actor_id: UUID,
    *,
    instructor: str = "",
    cost: Cost | None = None,
    evidence: Sheet | None = None,
) -> TrainingSession:
    """Write down a session; nothing counts and nothing is booked before it is confirmed.

    ``instructor`` names the team or unit. No list of the people trained is kept.

    Raises:
        CampaignNotFound: as it says.
        NotHeldYet: the session, or the payment of its cost, lies in the future.
        FileRefused: the sheet cannot be kept.
        SentTwice: the same person wrote the very same session down before.
    """
    campaign = campaigns.get_by_id(campaign_id)
    if max(held_on, cost.paid_on if cost else held_on) > clock.today():
        raise NotHeldYet
    kept = files.store(evidence.data, evidence.name, is_public=False) if evidence else None
    written = TrainingSession(
        campaign_id=campaign.id,
        title=title,
        place=place,
        held_on=held_on,
        people_trained=people_trained,
        instructor=instructor,
        cost_fen=cost.amount.minor if cost else None,
        paid_on=cost.paid_on if cost else None,
        bank_reference=cost.bank_reference if cost else "",
        evidence_file_id=kept.id if kept else None,
        recorded_by=actor_id,
    )
    twins.refuse_second(written, *ITS_FACTS, among=TrainingSession.withdrawn_at.is_(None))
    db.session.add(written)
    db.session.flush()
    audit.record("training.recorded", _subject(written), actor_id, {"campaign": campaign.slug})
    return written


def confirm(session_id: UUID, actor_id: UUID, *, version: int | None = None) -> TrainingSession:
    """Confirm a session another person recorded; its cost, if any, is drawn from the fund and booked.

    Raises:
        SameRecorder: the person recorded it.
        AlreadyDecided, SessionNotFound, SessionChanged: as they say.
        FundOverspent: the fund does not hold its cost.
    """
    session = _undecided(session_id, version)
    if session.recorded_by == actor_id:
        raise SameRecorder
    if session.cost_fen is not None and session.paid_on is not None:
        _spend(session, Money(session.cost_fen), session.paid_on, actor_id)
    session.confirmed_by, session.confirmed_at = actor_id, clock.now()
    db.session.flush()
    audit.record("training.confirmed", _subject(session), actor_id, {})
    return session


def withdraw(
    session_id: UUID, reason: str, actor_id: UUID, *, version: int | None = None
) -> TrainingSession:
    """Take back a session that is not confirmed yet; it stays on the list with the reason.

    Raises:
        WithdrawalReasonMissing: no reason is given.
        AlreadyDecided, SessionNotFound, SessionChanged: as they say.
    """
    session = _undecided(session_id, version)
    if not reason.strip():
        raise WithdrawalReasonMissing
    session.withdrawn_at, session.withdrawn_reason = clock.now(), reason.strip()
    db.session.flush()
    audit.record("training.withdrawn", _subject(session), actor_id, {})
    return session


def _spend(session: TrainingSession, amount: Money, paid_on: date, actor_id: UUID) -> None:
    fund_id = campaigns.get_by_id(session.campaign_id).fund_id
    line = funds.open_spending_line(
        fund_id, SpendingKind.TRAINING, session.title, amount, session.id
    )
    ledger.post(
        NewEntry(
            f"training:{session.id}",
            EntryKind.PROGRAMME_COST,
            datetime.combine(paid_on, NOON, clock.SHANGHAI),
            (debit(chart.PROGRAMME_COST, amount, fund_id), credit(chart.BANK, amount)),
            fund_id=fund_id,
            actor=f"staff:{actor_id}",
        )
    )
    funds.draw(line.id, amount)
    session.spending_line_id = line.id


def _undecided(session_id: UUID, version: int | None) -> TrainingSession:
    query = (
        select(TrainingSession)
        .where(TrainingSession.id == session_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    session = db.session.execute(query).scalar_one_or_none()
    if session is None:
        raise SessionNotFound
    if version is not None and session.version != version:
        raise SessionChanged
    if session.confirmed_at is not None or session.withdrawn_at is not None:
        raise AlreadyDecided
    return session


def _subject(session: TrainingSession) -> str:
    return f"training:{session.id}"
