"""Reading mandates: by the donor's key, for letters, and for staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from fundraising.database import db
from fundraising.giving.mandates.errors import MandateNotFound
from fundraising.giving.mandates.models import Mandate, MandatePeriod, MandateState
from fundraising.giving.models import Gift


@dataclass(frozen=True)
class Month:
    """A period with its gift, if one was begun."""

    period: MandatePeriod
    gift: Gift | None

    @property
    def is_paid(self) -> bool:
        """Whether its gift has come in; true at once, before the worker has noted it."""
        return self.gift is not None and self.gift.is_paid


@dataclass(frozen=True)
class Figures:
    """What staff see first: how many there are, and what the next month should bring."""

    counts: dict[str, int]
    expected_fen: int


def by_token(token: str) -> Mandate:
    """Return the mandate of a donor's key. Raises MandateNotFound."""
    return _one(Mandate.token == token)


def by_ref(ref: str) -> Mandate:
    """Return the mandate of a public reference. Raises MandateNotFound."""
    return _one(Mandate.ref == ref)


def month(mandate_id: UUID, period: str) -> Month:
    """Return one month of a mandate. Raises MandateNotFound."""
    query = _months(mandate_id).where(MandatePeriod.period == period)
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise MandateNotFound
    return Month(row[0], row[1])


def months(mandate_id: UUID, limit: int = 120) -> list[Month]:
    """Return the months of a mandate, the latest first."""
    query = _months(mandate_id).order_by(MandatePeriod.period.desc()).limit(limit)
    return [Month(row[0], row[1]) for row in db.session.execute(query)]


def of_gift(gift_id: UUID) -> Mandate | None:
    """Return the mandate that a gift belongs to, None when it stands alone."""
    query = (
        select(Mandate)
        .join(MandatePeriod, MandatePeriod.mandate_id == Mandate.id)
        .where(MandatePeriod.gift_id == gift_id)
    )
    return db.session.execute(query).scalar_one_or_none()


def of_address(email_key: str, limit: int = 20) -> Sequence[Mandate]:
    """Return what a donor of that address has promised and not ended, the oldest first."""
    query = (
        select(Mandate)
        .where(
            Mandate.email_key == email_key,
            Mandate.state.in_([MandateState.ACTIVE, MandateState.PAUSED]),
        )
        .order_by(Mandate.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def list_for_staff(
    state: str | None = None, before: UUID | None = None, limit: int = 100
) -> list[Mandate]:
    """Return mandates of a state or all, the latest first; ``before`` is the last one seen."""
    query = select(Mandate).order_by(Mandate.id.desc()).limit(limit)
    if state:
        query = query.where(Mandate.state == state)
    if before is not None:
        query = query.where(Mandate.id < before)
    return list(db.session.execute(query).scalars())


def figures() -> Figures:
    """Count mandates by state, and add up what active ones promise for a month."""
    query = select(Mandate.state, func.count(), func.sum(Mandate.amount_fen)).group_by(
        Mandate.state
    )
    rows = {state: (int(n), int(fen)) for state, n, fen in db.session.execute(query)}
    return Figures(
        {state.value: rows.get(state, (0, 0))[0] for state in MandateState},
        rows.get(MandateState.ACTIVE, (0, 0))[1],
    )


def _months(mandate_id: UUID) -> Select[MandatePeriod, Gift]:
    return (
        select(MandatePeriod, Gift)
        .outerjoin(Gift, Gift.id == MandatePeriod.gift_id)
        .where(MandatePeriod.mandate_id == mandate_id)
        .execution_options(populate_existing=True)
    )


def _one(condition: ColumnElement[bool]) -> Mandate:
    query = select(Mandate).where(condition).execution_options(populate_existing=True)
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise MandateNotFound
    return found
