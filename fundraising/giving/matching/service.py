"""Matching gifts as they are booked, voiding matches with their gifts, and the matcher's own payment.

Whoever books gifts locks the pledges of their campaigns right after the gifts, before months and lanes, so a
pool is spent to the fen and never beyond, whatever comes at one moment.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock, sealing, twins
from fundraising.audit import service as audit
from fundraising.database import Text2, db
from fundraising.funds import service as funds
from fundraising.funds.errors import FundOverspent
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving.matching.errors import (
    NothingOwed,
    PledgeNotFound,
    PledgeOver,
    PledgeRefused,
    SamePledger,
)
from fundraising.giving.matching.models import Match, Pledge, PledgeState, Refusal, Road, Unmatched
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import bank_booking
from fundraising.payments.models import BankLine
from fundraising.references import uuid7

ITS_RULE = (
    "campaign_id", "matcher", "is_named", "adds", "per", "gift_cap_fen", "pool_fen",
    "most_a_day", "roads", "starts_at", "ends_at", "written_by",
)  # fmt: skip
LOOPS = 2
"""So many matches voided with a donor's refunds, and the donor's further gifts are not matched."""
VOIDED: Text2 = {
    "zh": "捐赠已退回，配捐随之撤销",
    "en": "The gift went back, and its match with it",
}


@dataclass(frozen=True)
class NewPledge:
    """What somebody promises: ``adds`` for every ``per`` given, by cap and pool, within its days."""

    campaign_id: UUID
    matcher: str
    adds: int
    per: int
    pool: Money
    starts_at: datetime
    ends_at: datetime
    gift_cap: Money | None = None
    most_a_day: int = 5
    is_named: bool = False
    roads: Sequence[Road] = tuple(Road)


@dataclass(frozen=True)
class SettledGift:
    """A gift that was just booked; ``payer`` is whom provider or bank names, if they do."""

    id: UUID
    campaign_id: UUID
    fund_id: UUID
    fund_kind: str
    amount: Money
    at: datetime
    payer: str | None
    road: Road


@dataclass
class Held:
    """The pledges of some campaigns, locked until the transaction ends."""

    by_campaign: dict[UUID, list[Pledge]] = field(default_factory=dict)


# ------------------------------------------------------------------ pledges


def write(new: NewPledge, actor_id: UUID) -> Pledge:
    """Write a pledge down; it matches nothing until another person has approved it.

    Raises:
        PledgeRefused: a number, a road, a day or the name is missing.
        SentTwice: the same person wrote the very same pledge down, and it has not ended.
    """
    cap = new.gift_cap.minor if new.gift_cap is not None else None
    numbers = [new.adds, new.per, new.pool.minor, new.most_a_day, 1 if cap is None else cap]
    if (
        min(numbers) <= 0
        or not new.roads
        or new.starts_at >= new.ends_at
        or not new.matcher.strip()
    ):
        raise PledgeRefused
    pledge = Pledge(
        campaign_id=new.campaign_id,
        matcher=new.matcher.strip(),
        is_named=new.is_named,
        adds=new.adds,
        per=new.per,
        gift_cap_fen=cap,
        pool_fen=new.pool.minor,
        committed_fen=0,
        paid_fen=0,
        most_a_day=new.most_a_day,
        roads=[road.value for road in Road if road in new.roads],
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        written_by=actor_id,
    )
    twins.refuse_second(pledge, *ITS_RULE, among=Pledge.state != PledgeState.ENDED)
    db.session.add(pledge)
    db.session.flush()
    audit.record("pledge.written", f"pledge:{pledge.id}", actor_id, {"pool_fen": pledge.pool_fen})
    return pledge


def approve(pledge_id: UUID, actor_id: UUID) -> None:
    """Let a pledge match from now on. Raises SamePledger, PledgeOver."""
    pledge = _lock(pledge_id)
    if pledge.state != PledgeState.DRAFT:
        raise PledgeOver
    if pledge.written_by == actor_id:
        raise SamePledger
    pledge.state, pledge.approved_by = PledgeState.OPEN, actor_id
    db.session.flush()
    audit.record("pledge.approved", f"pledge:{pledge.id}", actor_id, {})


def end(pledge_id: UUID, actor_id: UUID) -> None:
    """Let a pledge match nothing more; what it has matched stays. Raises PledgeOver."""
    pledge = _lock(pledge_id)
    if pledge.state == PledgeState.ENDED:
        raise PledgeOver
    pledge.state = PledgeState.ENDED
    db.session.flush()
    audit.record("pledge.ended", f"pledge:{pledge.id}", actor_id, {})


def pay(pledge_id: UUID, line: BankLine, actor_id: UUID | None) -> UUID:
    """Book the matcher's money by a line of the bank, at most what is owed.

    Raises:
        NothingOwed: the line is more.
        NotWaiting, AlreadyMatched: as for any line.
    """
    pledge = _lock(pledge_id)
    if line.amount_fen > pledge.owed_fen:
        raise NothingOwed
    entry_id = bank_booking.book_into(line, EntryKind.MATCH_PAID, chart.MATCHERS, actor_id)
    pledge.paid_fen += line.amount_fen
    db.session.flush()
    return entry_id


# ------------------------------------------------------------------ settlement's hooks


def hold(campaign_ids: Iterable[UUID]) -> Held:
    """Lock the pledges of these campaigns, in order; before months and lanes are locked."""
    query = (
        select(Pledge)
        .where(Pledge.campaign_id.in_(set(campaign_ids)))
        .order_by(Pledge.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    held = Held(defaultdict(list))
    for pledge in db.session.execute(query).scalars():
        held.by_campaign[pledge.campaign_id].append(pledge)
    return held


def match(held: Held, settled: Sequence[SettledGift]) -> int:
    """Match gifts in the order in which they were booked; return how many were.

    Each match is an entry of its own (the matcher owes it) and a lot of its own on the gift's fund.
    """
    pairs = [(gift, pledge) for gift in settled if (pledge := _open_pledge(held, gift)) is not None]
    if not pairs:
        return 0
    watch = _Watch(pairs)
    made = [made for gift, pledge in pairs if (made := _make(gift, pledge, watch)) is not None]
    posted = ledger.post_many([_entry(gift, new) for gift, new in made])
    by_fund: dict[UUID, list[NewLot]] = defaultdict(list)
    for gift, new in made:
        new.entry_id = posted.ids[f"match:{new.id}"]
        lot = NewLot(LotSource.MATCH, new.id, Money(new.amount_fen), new.entry_id)
        by_fund[gift.fund_id].append(lot)
        db.session.add(new)
    for fund_id in sorted(by_fund):
        funds.add_lots(fund_id, by_fund[fund_id])
    db.session.flush()
    return len(made)


def void(gift_id: UUID, cause_id: UUID) -> None:
    """Void of a gift's match what the rule no longer gives after money went back; the pool has it again.

    ``cause_id`` names the refund, or the cheque that bounced.

    What a fund cannot give because its fen are spent stays due, and a person sees it.
    """
    found = db.session.execute(
        select(Match).where(Match.gift_id == gift_id).execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if found is None:
        return
    pledge = db.session.get_one(Pledge, found.pledge_id)
    left = db.session.execute(
        text("SELECT amount_fen - refunded_fen FROM giving_gift WHERE id = :id"), {"id": gift_id}
    ).scalar_one()
    standing = found.amount_fen - found.voided_fen
    excess = standing - min(standing, pledge.rule(left))
    if excess > 0:
        found.due_fen = excess
        _take_back(found, pledge, f"match-void:{cause_id}")


def void_due(match_id: UUID, actor_id: UUID) -> None:
    """Void what was left due when its fund held no free money. Raises PledgeNotFound, FundOverspent."""
    found = db.session.get(Match, match_id)
    if found is None or not found.due_fen:
        raise PledgeNotFound
    pledge = _lock(found.pledge_id)
    db.session.refresh(found)
    _take_back(found, pledge, f"match-void-due:{found.id}:{found.voided_fen}")
    if found.due_fen:
        raise FundOverspent
    audit.record("match.voided", f"match:{found.id}", actor_id, {})


# ------------------------------------------------------------------ inside


class _Watch:
    """How often each payer was matched today, and how often a match went back with a refund."""

    def __init__(self, pairs: Sequence[tuple[SettledGift, Pledge]]) -> None:
        keys = {_payer(gift) for gift, _ in pairs} - {None}
        pledges = {pledge.id for _, pledge in pairs}
        rows = db.session.execute(
            text(
                """
                SELECT pledge_id, payer_key, count(*) FILTER (WHERE matched_at > :since) AS today,
                       count(*) FILTER (WHERE voided_fen + due_fen > 0) AS loops
                FROM matching_match WHERE pledge_id = ANY(:pledges) AND payer_key = ANY(:keys)
                GROUP BY pledge_id, payer_key
                """
            ),
            {
                "since": clock.now() - timedelta(days=1),
                "pledges": list(pledges),
                "keys": list(keys),
            },
        ).all()
        self.today = Counter({(r.pledge_id, r.payer_key): r.today for r in rows})
        self.loops = Counter({(r.pledge_id, r.payer_key): r.loops for r in rows})

    def objects(self, pledge: Pledge, payer: str | None) -> Refusal | None:
        """Return why this payer's gift is not matched, None when it is."""
        if payer is None:
            return None
        if self.loops[pledge.id, payer] >= LOOPS:
            return Refusal.REFUND_LOOP
        if self.today[pledge.id, payer] >= pledge.most_a_day:
            return Refusal.TOO_OFTEN
        return None


def _payer(gift: SettledGift) -> str | None:
    return sealing.fingerprint("matched payer", gift.payer) if gift.payer else None


def _open_pledge(held: Held, gift: SettledGift) -> Pledge | None:
    return next(
        (
            pledge
            for pledge in held.by_campaign.get(gift.campaign_id, [])
            if gift.road in pledge.roads and pledge.covers(gift.at) and pledge.remaining_fen > 0
        ),
        None,
    )


def _make(gift: SettledGift, pledge: Pledge, watch: _Watch) -> tuple[SettledGift, Match] | None:
    payer = _payer(gift)
    reason = watch.objects(pledge, payer)
    if reason is not None and payer is not None:
        refused = Unmatched(gift_id=gift.id, pledge_id=pledge.id, payer_key=payer, reason=reason)
        db.session.add(refused)
        return None
    amount = min(pledge.rule(gift.amount.minor), pledge.remaining_fen)
    if amount <= 0:
        return None
    pledge.committed_fen += amount
    watch.today[pledge.id, payer] += 1
    made = Match(
        id=uuid7(), pledge_id=pledge.id, gift_id=gift.id, amount_fen=amount, payer_key=payer
    )
    return gift, made


def _entry(gift: SettledGift, new: Match) -> NewEntry:
    amount = Money(new.amount_fen)
    income = chart.income(gift.fund_kind)
    return NewEntry(
        f"match:{new.id}",
        EntryKind.MATCH_PLEDGED,
        gift.at,
        (debit(chart.MATCHERS, amount), credit(income, amount, gift.fund_id)),
        fund_id=gift.fund_id,
    )


def _take_back(found: Match, pledge: Pledge, key: str) -> None:
    """Reverse what is due of a match, in the books and on the lane; leave it due when the lane cannot."""
    amount = Money(found.due_fen)
    fund = db.session.execute(
        text(
            "SELECT f.id, f.kind FROM fund_lot l JOIN fund f ON f.id = l.fund_id WHERE l.source_id = :id"
        ),
        {"id": found.id},
    ).one()
    ledger.hold_months([])
    try:
        with db.session.begin_nested():
            funds.refund_lot(found.id, amount)
    except FundOverspent:
        audit.raise_alarm("matching:due", {"match": str(found.id), "due_fen": amount.minor})
        return
    ledger.post(
        NewEntry(
            key,
            EntryKind.MATCH_VOIDED,
            clock.now(),
            (debit(chart.income(fund.kind), amount, fund.id), credit(chart.MATCHERS, amount)),
            fund_id=fund.id,
            reason=VOIDED,
        )
    )
    found.voided_fen += amount.minor
    found.due_fen, found.voided_at = 0, clock.now()
    pledge.committed_fen -= amount.minor
    db.session.flush()


def _lock(pledge_id: UUID) -> Pledge:
    query = (
        select(Pledge)
        .where(Pledge.id == pledge_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    pledge = db.session.execute(query).scalar_one_or_none()
    if pledge is None:
        raise PledgeNotFound
    return pledge
