"""A bounced cheque: one person says why, another reverses the gift openly; nothing is edited away."""

from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.funds import service as funds
from fundraising.giving.counter.errors import ChequeOver, CountNotFound, ReasonMissing, SameCounter
from fundraising.giving.counter.models import Count, CountLine, CountState, Method
from fundraising.giving.matching import service as matching
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import service as ledger
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind


def ask_bounce(line_id: UUID, reason: str, actor_id: UUID) -> None:
    """Say that a bank did not pay a cheque; another person decides.

    Raises:
        ReasonMissing: no reason is given.
        ChequeOver: it is no booked cheque, or has bounced already.
    """
    if not reason.strip():
        raise ReasonMissing
    line = _booked_cheque(line_id)
    line.bounce_reason, line.bounce_asked_by = reason.strip(), actor_id
    db.session.flush()
    audit.record("cheque.bounce_asked", f"cheque:{line.id}", actor_id, {})


def bounce(line_id: UUID, actor_id: UUID) -> None:
    """Reverse the gift of a bounced cheque: its entry by the opposite entry, its lot from its tail, its match.

    Raises:
        ChequeOver: nobody asked for it, or it has bounced already.
        SameCounter: whoever asked may not decide.
        FundOverspent: its money is spent and no other is there to take its place.
    """
    line = _booked_cheque(line_id)
    if line.bounce_asked_by is None:
        raise ChequeOver
    if line.bounce_asked_by == actor_id:
        raise SameCounter
    gift = db.session.execute(
        select(Gift)
        .where(Gift.id == line.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    if gift.refunded_fen:
        raise ChequeOver
    matching.hold([gift.campaign_id])
    reason = {
        "zh": f"支票退票：{line.bounce_reason}",
        "en": f"Cheque bounced: {line.bounce_reason}",
    }
    ledger.reverse(_entry_of(line.id), reason, f"staff:{actor_id}")
    funds.refund_lot(line.id, Money(line.amount_fen))
    gift.state, gift.refunded_fen = GiftState.REFUNDED, gift.amount_fen
    funds.count_gone(gift.fund_id, 1)
    line.bounced_by, line.bounced_at = actor_id, clock.now()
    db.session.flush()
    matching.void(gift.id, line.id)
    outbox.add(Kind.FOLLOW_REFUND, f"receipt:{gift.id}:bounced", {"gift_id": str(gift.id)})
    audit.record("cheque.bounced", f"gift:{gift.ref}", actor_id, {"amount_fen": line.amount_fen})


def bounces_waiting(limit: int = 50) -> list[CountLine]:
    """Return cheques whose bounce waits for a second person, the oldest first."""
    query = (
        select(CountLine)
        .where(CountLine.bounce_asked_by.is_not(None), CountLine.bounced_at.is_(None))
        .order_by(CountLine.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def _booked_cheque(line_id: UUID) -> CountLine:
    query = (
        select(CountLine)
        .where(CountLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    line = db.session.execute(query).scalar_one_or_none()
    count = db.session.get(Count, line.count_id) if line else None
    if line is None or count is None:
        raise CountNotFound
    is_open = line.method == Method.CHEQUE and line.bounced_at is None
    if not is_open or count.state != CountState.BOOKED:
        raise ChequeOver
    return line


def _entry_of(gift_id: UUID) -> UUID:
    query = text("SELECT entry_id FROM fund_lot WHERE source_id = :id")
    entry_id: UUID = db.session.execute(query, {"id": gift_id}).scalar_one()
    return entry_id
