"""Reading gifts: by their numbers for donors and staff, as the public may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, text, tuple_

from fundraising.database import db
from fundraising.giving.errors import GiftNotFound
from fundraising.giving.models import Gift, GiftState, MessageState


@dataclass(frozen=True)
class PublicGift:
    """A gift as everybody may see it; ``display_name`` is None for a donor who stays anonymous."""

    id: UUID
    ref: str
    display_name: str | None
    amount_fen: int
    at: datetime
    message: str | None


@dataclass(frozen=True)
class Day:
    """What came in on one Shanghai day."""

    day: str
    amount_fen: int
    gifts: int


def by_token(token: str) -> Gift:
    """Return the gift of a secret token. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.token == token))


def by_order_no(order_no: str) -> Gift:
    """Return the gift of an order number. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.order_no == order_no))


def by_order_nos(order_nos: Sequence[str]) -> list[Gift]:
    """Return the gifts of order numbers, the one begun last first; unknown numbers are left out."""
    query = select(Gift).where(Gift.order_no.in_(order_nos)).order_by(Gift.id.desc()).limit(50)
    return list(db.session.execute(query.execution_options(populate_existing=True)).scalars())


def by_ref(ref: str) -> Gift:
    """Return the gift of a public reference. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.ref == ref))


def by_id(gift_id: UUID) -> Gift:
    """Return a gift. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.id == gift_id))


def lock(gift_id: UUID) -> Gift:
    """Return a gift and lock it until the transaction ends. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.id == gift_id).with_for_update())


def by_number(channel: str, number: str) -> Gift:
    """Return the gift with a number of its channel. Raises GiftNotFound."""
    return _one(select(Gift).where(Gift.channel == channel, Gift.external_ref == number))


def latest(*, before: UUID | None = None, limit: int = 50) -> list[Gift]:
    """Return gifts in whatever state, the one begun last first; ``before`` is the last id seen."""
    query = select(Gift).order_by(Gift.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Gift.id < before)
    return list(db.session.execute(query).scalars())


def _one(query: Select[Gift]) -> Gift:
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise GiftNotFound
    return found


def people_count(campaign_id: UUID) -> int | None:
    """Return how many different people gave, None where some payers cannot be told apart."""
    row = db.session.execute(
        text(
            "SELECT coalesce(sum(people), 0)::bigint AS people, "
            "coalesce(sum(anonymous_payers), 0)::bigint AS unknown "
            "FROM giving_day_total WHERE campaign_id = :id"
        ),
        {"id": campaign_id},
    ).one()
    return None if row.unknown else int(row.people)


def daily(campaign_id: UUID, limit: int = 400) -> list[Day]:
    """Return what came in by day, the first day first."""
    rows = db.session.execute(
        text(
            "SELECT day, sum(amount_fen)::bigint AS fen, sum(gifts)::bigint AS gifts "
            "FROM giving_day_total WHERE campaign_id = :id GROUP BY day ORDER BY day DESC LIMIT :most"
        ),
        {"id": campaign_id, "most": limit},
    )
    return [Day(r.day, r.fen, r.gifts) for r in rows][::-1]


def recent_public(
    campaign_id: UUID, limit: int = 20, before: tuple[datetime, UUID] | None = None
) -> list[PublicGift]:
    """Return gifts received, the latest first; ``before`` is the time and id of the last one seen."""
    query = (
        select(Gift)
        .where(Gift.campaign_id == campaign_id, Gift.paid_at.is_not(None))
        .where(Gift.state != GiftState.REFUNDED)
        .order_by(Gift.paid_at.desc(), Gift.id.desc())
        .limit(min(limit, 100))
        .execution_options(populate_existing=True)
    )
    if before is not None:
        query = query.where(tuple_(Gift.paid_at, Gift.id) < before)
    return [_public(gift) for gift in db.session.execute(query).scalars()]


def _public(gift: Gift) -> PublicGift:
    is_shown = gift.message_state == MessageState.APPROVED
    assert gift.paid_at is not None
    return PublicGift(
        gift.id,
        gift.ref,
        gift.display_name,
        gift.amount_fen - gift.refunded_fen,
        gift.paid_at,
        gift.message if is_shown else None,
    )


def count_waiting_messages() -> int:
    """Return how many messages nobody has looked at."""
    query = select(func.count()).select_from(Gift)
    query = query.where(Gift.message_state == MessageState.PENDING, Gift.paid_at.is_not(None))
    return db.session.execute(query).scalar_one()


def waiting_messages(limit: int = 50) -> Sequence[Gift]:
    """Return paid gifts whose message nobody has looked at, the oldest first."""
    query = (
        select(Gift)
        .where(Gift.message_state == MessageState.PENDING, Gift.paid_at.is_not(None))
        .order_by(Gift.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())
