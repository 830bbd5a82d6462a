"""Settlement: the only place where a provider's word becomes money in the books.

The same function serves notice, query and bill line. It works on sets: whatever their number, facts are
settled with a handful of statements in one transaction. Locks are taken in one order: attempts by id,
gifts by id, pledges by id, payers by key, months of the books, lanes of funds. The books come last, because two workers
wait for each other from there to the commit.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from fundraising import clock, sealing
from fundraising.audit import service as audit
from fundraising.database import db, transaction
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving import contradictions, day_totals, foreign, orders, outgoing
from fundraising.giving.matching import service as matching
from fundraising.giving.matching.models import Road
from fundraising.giving.matching.service import SettledGift
from fundraising.giving.orders import Order, Orders
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import facts, inbox, reviews
from fundraising.payments.facts import FactKey, Kept
from fundraising.payments.inbox import ClaimedNotice
from fundraising.payments.models import ReviewKind
from fundraising.payments.providers.base import Fact, FactKind, Unparsable
from fundraising.payments.service import reader
from fundraising.references import uuid7

AT_ONCE = 400
log = structlog.get_logger(__name__)

SETTLED, SUSPENSE, DUPLICATE, CLOSED, IGNORED = (
    "settled",
    "suspense",
    "duplicate",
    "closed",
    "ignored",
)


MONEY = (SETTLED, SUSPENSE, DUPLICATE)
INCOMING = (FactKind.PAID, FactKind.CLOSED)
STRENGTH = {CLOSED: 0, SUSPENSE: 1, DUPLICATE: 2, SETTLED: 3}


@dataclass
class _Judged:
    """A fact with what is to be done about it."""

    fact: Fact
    row: Order
    outcome: str
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True)
class SettleResult:
    """How many facts ended in each way, and which came before what they speak of and must come again."""

    outcomes: dict[str, int]
    parked: frozenset[FactKey] = frozenset()


def apply_facts(told: Sequence[Fact]) -> SettleResult:
    """Apply facts in the caller's transaction; the same fact again, by whatever road, changes nothing."""
    unique = {facts.key(fact): fact for fact in told}
    found = orders.lock(list(unique.values()))
    held = matching.hold(found.campaigns())
    known = facts.known(unique)
    fresh = [fact for key, fact in unique.items() if key not in known]
    contradictions.look(unique, known)
    going = [fact for fact in fresh if fact.kind not in INCOMING]
    if going:
        ledger.hold_months([fact.occurred_at for fact in fresh])
    judged, strays = _judge([fact for fact in fresh if fact.kind in INCOMING], found)
    facts.keep(
        [Kept(j.id, j.fact, j.row.attempt_id, j.outcome) for j in judged if j.outcome != IGNORED]
    )
    _write_attempts(judged)
    _write_gifts(judged)
    _open_reviews(judged)
    settled = [j for j in judged if j.outcome == SETTLED]
    _count_people(settled)
    outbox.add_many(
        Kind.ISSUE_RECEIPT,
        [(f"receipt:{j.row.gift_id}", {"gift_id": str(j.row.gift_id)}) for j in settled],
    )
    suspended = outgoing.keep_strays(strays)
    _book(judged)
    matching.match(held, [_settled_gift(j) for j in settled])
    gone, parked = outgoing.apply(going, found)
    counted = Counter([*(j.outcome for j in judged), *gone, *suspended])
    return SettleResult(dict(counted), frozenset(facts.key(fact) for fact in parked))


def drain(budget: timedelta, at_once: int = AT_ONCE) -> int:
    """Apply waiting notices in sets, each in its own transaction, until none is left or time is over."""
    deadline = monotonic() + budget.total_seconds()
    applied = 0
    while monotonic() < deadline:
        with transaction():
            notices = inbox.claim(at_once)
            _apply_notices(notices)
            is_more = inbox.wake() or len(notices) == at_once
        applied += len(notices)
        if not is_more:
            break
    return applied


# ---------------------------------------------------------------------- notices


def _apply_notices(notices: Sequence[ClaimedNotice]) -> None:
    readable: list[tuple[ClaimedNotice, list[Fact]]] = []
    copies: list[tuple[ClaimedNotice, list[Fact]]] = []
    for notice in notices:
        try:
            told = reader(notice.provider).parse(notice.raw or b"")
            if inbox.is_copy(notice):
                copies.append((notice, told))
            else:
                readable.append((notice, told))
        except Unparsable as bad:
            key = f"{notice.provider}:{notice.dedup_key}"
            reviews.open_review(
                ReviewKind.UNPARSABLE, key, {"notice": notice.id, "reason": str(bad)}
            )
            inbox.done([notice.id])
        except Exception as error:
            _put_back(notice, error)
    if readable:
        _apply_set(readable)
    for notice, told in copies:
        contradictions.compare(notice, told)


def _apply_set(readable: Sequence[tuple[ClaimedNotice, list[Fact]]]) -> None:
    """Apply notices at once or, when one of them cannot be, each alone."""
    try:
        with db.session.begin_nested():
            inbox.done([notice.id for notice, _ in readable])
            result = apply_facts([fact for _, told in readable for fact in told])
            _put_early_back(readable, result)
    except Exception as error:
        log.warning("set_failed", error=type(error).__name__, size=len(readable))
        for notice, told in readable:
            _apply_alone(notice, told)


def _put_early_back(
    readable: Sequence[tuple[ClaimedNotice, list[Fact]]], result: SettleResult
) -> None:
    """Put back notices that came before the payment they speak of; whose payment never comes is a stray."""
    for notice, told in readable:
        early = [fact for fact in told if facts.key(fact) in result.parked]
        if not early or not inbox.park(
            notice.id, early[0].merchant_ref or early[0].payment_ref or ""
        ):
            continue
        if early[0].merchant_ref is None:
            outgoing.keep_strays(early)
            inbox.done([notice.id])
        else:
            audit.raise_alarm("payments:inbox:dead", {"notice": notice.id})


def _apply_alone(notice: ClaimedNotice, told: Sequence[Fact]) -> None:
    try:
        with db.session.begin_nested():
            inbox.done([notice.id])
            _put_early_back([(notice, list(told))], apply_facts(told))
    except Exception as error:
        _put_back(notice, error)


def _put_back(notice: ClaimedNotice, error: Exception) -> None:
    log.error("notice_failed", notice=notice.id, error=type(error).__name__, exc_info=error)
    if inbox.failed(notice.id, f"{type(error).__name__}: {error}"):
        audit.raise_alarm("payments:inbox:dead", {"notice": notice.id})


# ---------------------------------------------------------------------- judging


def _judge(told: Sequence[Fact], found: Orders) -> tuple[list[_Judged], list[Fact]]:
    """Say what each fact means; return those without an order apart."""
    judged: list[_Judged] = []
    strays: list[Fact] = []
    paid_gifts: set[UUID] = set()
    for fact in sorted(told, key=lambda fact: fact.kind is not FactKind.PAID):
        row = found.of(fact)
        if row is None:
            strays.append(fact)
            continue
        outcome = _outcome(fact, row, is_paid=row.is_paid or row.gift_id in paid_gifts)
        if outcome == SETTLED:
            paid_gifts.add(row.gift_id)
        judged.append(_Judged(fact, row, outcome))
    return judged, strays


def _outcome(fact: Fact, row: Order, *, is_paid: bool) -> str:
    if fact.kind is FactKind.CLOSED:
        return CLOSED if row.attempt_state in ("created", "pending") else IGNORED
    if fact.amount != row.amount:
        return SUSPENSE
    if is_paid:
        return DUPLICATE
    return SETTLED


# ---------------------------------------------------------------------- writing


def _strongest(judged: Sequence[_Judged], subjects: dict[UUID, UUID]) -> list[_Judged]:
    """Return one fact per subject (attempt or gift) of a set: money before doubt, doubt before a close."""
    chosen: dict[UUID, _Judged] = {}
    for j in judged:
        if j.outcome == IGNORED:
            continue
        known = chosen.get(subjects[j.id])
        if known is None or STRENGTH[j.outcome] > STRENGTH[known.outcome]:
            chosen[subjects[j.id]] = j
    return list(chosen.values())


def _write_attempts(judged: Sequence[_Judged]) -> None:
    """Move attempts: money makes them paid, a mismatch asks for review, a close ends unpaid ones."""
    states = {SETTLED: "paid", DUPLICATE: "paid", SUSPENSE: "review", CLOSED: "closed"}
    moved = _strongest(judged, {j.id: j.row.attempt_id for j in judged})
    if not moved:
        return
    paid: Counter[UUID] = Counter()
    for j in judged:
        is_ours = j.outcome in MONEY and j.fact.amount.currency == j.row.amount.currency
        paid[j.row.attempt_id] += j.fact.amount.minor if is_ours else 0
    db.session.execute(
        text(
            """
            UPDATE payment_attempt a
            SET state = CASE WHEN a.state = 'paid' THEN a.state ELSE t.state END, query_due_at = NULL,
                provider_ref = CASE WHEN t.state <> 'closed' THEN coalesce(a.provider_ref, t.ref)
                                    ELSE a.provider_ref END,
                paid_at = CASE WHEN t.state = 'paid' THEN coalesce(a.paid_at, t.at) ELSE a.paid_at END,
                paid_fen = a.paid_fen + t.fen
            FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:refs AS text[]),
                        CAST(:ats AS timestamptz[]), CAST(:fens AS bigint[])) AS t(id, state, ref, at, fen)
            WHERE a.id = t.id
            """
        ),
        {
            "ids": [j.row.attempt_id for j in moved],
            "states": [states[j.outcome] for j in moved],
            "refs": [j.fact.fact_ref for j in moved],
            "ats": [j.fact.occurred_at for j in moved],
            "fens": [paid[j.row.attempt_id] for j in moved],
        },
    )


def _write_gifts(judged: Sequence[_Judged]) -> None:
    states = {SETTLED: "paid", SUSPENSE: "review", CLOSED: "closed"}
    told = [j for j in judged if j.outcome in states]
    moved = _strongest(told, {j.id: j.row.gift_id for j in told})
    if not moved:
        return
    db.session.execute(
        text(
            """
            UPDATE giving_gift g
            SET state = t.state, paid_at = CASE WHEN t.state = 'paid' THEN t.at ELSE NULL END,
                channel = CASE WHEN t.state = 'paid' THEN t.channel ELSE g.channel END
            FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:ats AS timestamptz[]),
                        CAST(:channels AS text[])) AS t(id, state, at, channel)
            WHERE g.id = t.id AND g.paid_at IS NULL
              AND (t.state <> 'closed' OR NOT EXISTS (
                    SELECT FROM payment_attempt a
                    WHERE a.order_id = g.id AND a.state IN ('created', 'pending')))
            """
        ),
        {
            "ids": [j.row.gift_id for j in moved],
            "states": [states[j.outcome] for j in moved],
            "ats": [j.fact.occurred_at for j in moved],
            "channels": [j.fact.provider for j in moved],
        },
    )


def _book(judged: Sequence[_Judged]) -> None:
    """Post one gross entry per fact and put settled money on its fund's lane."""
    booked = [j for j in judged if j.outcome in MONEY]
    posted = ledger.post_many([_entry(j) for j in booked])
    by_fund: dict[UUID, list[NewLot]] = defaultdict(list)
    for j in booked:
        if j.outcome == SETTLED:
            lot = NewLot(LotSource.GIFT, j.row.gift_id, j.fact.amount, posted.ids[f"fact:{j.id}"])
            by_fund[j.row.fund_id].append(lot)
    for fund_id in sorted(by_fund):
        funds.add_lots(fund_id, by_fund[fund_id])


def _settled_gift(j: _Judged) -> SettledGift:
    return SettledGift(
        j.row.gift_id,
        j.row.campaign_id,
        j.row.fund_id,
        j.row.fund_kind,
        j.fact.amount,
        j.fact.occurred_at,
        j.fact.payer,
        Road.of(j.fact.provider),
    )


def _entry(j: _Judged) -> NewEntry:
    kinds = {
        SETTLED: (EntryKind.GIFT_RECEIVED, chart.income(j.row.fund_kind), j.row.fund_id),
        SUSPENSE: (EntryKind.SUSPENSE_RECEIVED, chart.SUSPENSE, None),
        DUPLICATE: (EntryKind.SUSPENSE_RECEIVED, chart.UNAPPLIED, None),
    }
    kind, account, fund_id = kinds[j.outcome]
    return NewEntry(
        key=f"fact:{j.id}",
        kind=kind,
        occurred_at=j.fact.occurred_at,
        lines=(
            debit(chart.clearing(j.fact.provider), j.fact.amount),
            credit(account, j.fact.amount, fund_id),
        ),
        fund_id=fund_id,
    )


def _open_reviews(judged: Sequence[_Judged]) -> None:
    for j in judged:
        kind = _review_kind(j)
        if kind is not None:
            detail: dict[str, Any] = {
                "asked_fen": j.row.amount.minor,
                **foreign.told(j.fact.amount),
            }
            reviews.open_review(
                kind, f"{kind}:{j.id}", detail, fact_id=j.id, attempt_id=j.row.attempt_id
            )


def _review_kind(j: _Judged) -> ReviewKind | None:
    if j.outcome == SUSPENSE:
        return ReviewKind.MISMATCH
    if j.outcome == DUPLICATE:
        return ReviewKind.DUPLICATE
    if j.outcome == SETTLED and j.row.attempt_state in ("closed", "failed"):
        return ReviewKind.PAID_AFTER_CLOSE
    return None


def _count_people(settled: Sequence[_Judged]) -> None:
    """Add what came in to the day's totals, with the payers not seen before in the campaign."""
    if not settled:
        return
    payers = {
        (j.row.campaign_id, sealing.fingerprint("payer", j.fact.payer)): j
        for j in reversed(settled)
        if j.fact.payer
    }
    rows = db.session.execute(
        text(
            """
            INSERT INTO giving_campaign_payer (campaign_id, payer_key)
            SELECT * FROM unnest(CAST(:campaigns AS uuid[]), CAST(:keys AS text[])) AS t(campaign, key)
            ORDER BY campaign, key
            ON CONFLICT DO NOTHING RETURNING campaign_id, payer_key
            """
        ),
        {"campaigns": [key[0] for key in payers], "keys": [key[1] for key in payers]},
    )
    first_gifts = {id(payers[r.campaign_id, r.payer_key]) for r in rows}
    days: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for j in settled:
        day = days[j.row.campaign_id, clock.shanghai_date(j.fact.occurred_at).isoformat()]
        day[0] += j.fact.amount.minor
        day[1] += 1
        day[2] += id(j) in first_gifts
        day[3] += j.fact.payer is None
    day_totals.add(days)
