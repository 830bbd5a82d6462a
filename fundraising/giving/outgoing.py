"""Money that goes back: refunds, disputes, and what returns after them. Called by settlement only.

The provider has moved the money when it tells us, so nothing here may be refused: what a fund cannot give
any more is booked as a receivable that the chapter's own funds must cover, and a person is asked to look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text

from fundraising.database import db
from fundraising.funds import service as funds
from fundraising.funds.errors import FundOverspent
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving.matching import service as matching
from fundraising.giving.orders import Order, Orders
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import Line, NewEntry, credit, debit
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import facts, refunds, reviews, service
from fundraising.payments.facts import LEAVING, Kept
from fundraising.payments.models import Attempt, RefundOrigin, ReviewKind
from fundraising.payments.providers.base import Fact, FactKind, FactSource
from fundraising.references import uuid7

ORDER = {kind: place for place, kind in enumerate(FactKind)}
ORIGINS = {
    "settled": RefundOrigin.GIFT,
    "duplicate": RefundOrigin.UNAPPLIED,
    "suspense": RefundOrigin.SUSPENSE,
}
HELD_IN = {RefundOrigin.UNAPPLIED: chart.UNAPPLIED, RefundOrigin.SUSPENSE: chart.SUSPENSE}
MOVING = (FactKind.PAID, *LEAVING, FactKind.RETURNED)


@dataclass(frozen=True)
class _Back:
    """A fact about money going back, with the payment it left and where that money was booked."""

    id: UUID
    fact: Fact
    order: Order
    origin: RefundOrigin


@dataclass(frozen=True)
class Given:
    """The gift that money leaves; ``attempt_id`` where it was paid through a payment of ours."""

    gift_id: UUID
    fund_id: UUID
    fund_kind: str
    attempt_id: UUID | None


def apply(told: Sequence[Fact], found: Orders) -> tuple[list[str], list[Fact]]:
    """Apply facts about money going back; return how each ended, and those that came too early.

    A fact about a payment we have not seen paid is put back, and the provider is asked about the payment.
    A set is applied as it happened: a dispute that was won leaves room for the refund after it.
    """
    paid = facts.paid_outcomes(
        [order.attempt_id for fact in told if (order := found.of(fact)) is not None]
    )
    outcomes: list[str] = []
    parked: list[Fact] = []
    for fact in sorted(told, key=lambda fact: (fact.occurred_at, ORDER[fact.kind])):
        order = found.of(fact)
        if order is None and _may_still_come(fact):
            parked.append(fact)
        elif order is None:
            outcomes += keep_strays([fact])
        elif order.attempt_id not in paid:
            service.ask_now(order.gift_id)
            parked.append(fact)
        else:
            back = _Back(uuid7(), fact, order, ORIGINS[paid[order.attempt_id]])
            outcomes.append(VERBS[fact.kind](back))
    return outcomes, parked


def _may_still_come(fact: Fact) -> bool:
    """Whether a notice names a payment only by the provider's number, which we learn when it is paid."""
    return fact.source is FactSource.NOTICE and fact.merchant_ref is None and bool(fact.payment_ref)


def keep_strays(told: Sequence[Fact]) -> list[str]:
    """Deal with facts about payments that are not ours to know.

    A notice only opens a review, because anybody's money may be named there. A line of our own bill is
    money on our account: it is booked to suspense, once.
    """
    outcomes: list[str] = []
    for fact in told:
        if fact.kind is FactKind.CLOSED:
            continue
        key = f"{fact.provider}:{fact.account}:{fact.fact_ref}"
        detail = {"merchant_ref": fact.merchant_ref, "amount_fen": fact.amount.minor}
        if fact.source is FactSource.BILL and fact.kind in MOVING:
            kept = Kept(uuid7(), fact, None, "suspense")
            facts.keep([kept])
            _post(kept.id, fact, chart.SUSPENSE, EntryKind.SUSPENSE_RECEIVED)
            reviews.open_review(ReviewKind.ORPHAN, key, detail, fact_id=kept.id)
            reviews.attach(key, kept.id)
            outcomes.append("suspense")
        else:
            reviews.open_review(ReviewKind.ORPHAN, key, detail)
    return outcomes


# ---------------------------------------------------------------------- what each kind means


def _seen(back: _Back) -> str:
    refunds.seen(back.fact.fact_ref, refunds.lock_attempt(back.order.attempt_id))
    return "seen"


def _left(back: _Back) -> str:
    """Book money that left: from the gift's fund, or from where a payment nobody could place was held."""
    attempt = refunds.lock_attempt(back.order.attempt_id)
    gone_fen = facts.gone_fen(attempt.id) + back.fact.amount.minor
    refund = refunds.settle(back.fact.fact_ref, attempt, back.fact, back.origin, gone_fen)
    if not refund.is_external:
        back = replace(back, origin=RefundOrigin(refund.origin))
    if gone_fen > attempt.paid_fen:
        return _too_much(back)
    outcome = "refunded"
    if back.origin is RefundOrigin.GIFT:
        outcome = _from_gift(back)
    else:
        _keep(back, "refunded")
        _post(back.id, back.fact, HELD_IN[back.origin], EntryKind.REFUND)
    if refund.is_external:
        is_dispute = back.fact.kind is FactKind.DISPUTED
        _review(back, ReviewKind.DISPUTE if is_dispute else ReviewKind.EXTERNAL_REFUND)
    return outcome


def _from_gift(back: _Back) -> str:
    order = back.order
    given = Given(order.gift_id, order.fund_id, order.fund_kind, order.attempt_id)
    return take_off(back.id, back.fact, given)


def take_off(fact_id: UUID, fact: Fact, given: Given) -> str:
    """Book money that left a gift: its fund lets the fen go, spent ones are taken over by another lot.

    What the fund can no longer give is booked as a receivable, and a person is asked to look. The gift is
    locked by now, as are the pledges of its campaign and the months.
    """
    is_covered = True
    try:
        with db.session.begin_nested():
            funds.refund_lot(given.gift_id, fact.amount)
    except FundOverspent:
        is_covered = False
    outcome = "refunded" if is_covered else "uncovered"
    facts.keep([Kept(fact_id, fact, given.attempt_id, outcome)])
    if is_covered:
        _post(fact_id, fact, chart.income(given.fund_kind), EntryKind.REFUND, given.fund_id)
    else:
        _post(fact_id, fact, chart.TO_BE_COVERED, EntryKind.REFUND)
        _open_review(ReviewKind.REFUND_UNCOVERED, fact_id, fact, given.attempt_id)
    follow(fact_id, given, fact.amount)
    return outcome


def follow(fact_id: UUID, given: Given, amount: Money) -> None:
    """Let the gift, its match and its receipts say what went back."""
    _change_gift(given.gift_id, given.fund_id, amount.minor)
    matching.void(given.gift_id, fact_id)
    outbox.add(Kind.FOLLOW_REFUND, f"receipt-refund:{fact_id}", {"gift_id": str(given.gift_id)})


def _too_much(back: _Back) -> str:
    """Book what exceeds the payment as money missing from suspense: never a crash, always a person."""
    _keep(back, "excess")
    _post(back.id, back.fact, chart.SUSPENSE, EntryKind.REFUND)
    _review(back, ReviewKind.REFUND_EXCESS)
    return "excess"


def _failed(back: _Back) -> str:
    attempt = refunds.lock_attempt(back.order.attempt_id)
    _keep(back, "failed")
    if refunds.fail(back.fact.fact_ref, attempt) is not None:
        _review(back, ReviewKind.REFUND_FAILED)
    return "failed"


def _stuck(back: _Back) -> str:
    _keep(back, "stuck")
    if refunds.stick(back.fact.fact_ref) is not None:
        _review(back, ReviewKind.REFUND_STUCK)
    return "stuck"


def _returned(back: _Back) -> str:
    """Book money that came back: a new lot of the gift's fund under its own name.

    What exceeded the payment when it left was taken from suspense, and goes back there, as does foreign money.
    """
    attempt: Attempt = refunds.lock_attempt(back.order.attempt_id)
    left_as = facts.outcome_of_leaving(attempt.id, back.fact.fact_ref)
    gone_fen = facts.gone_fen(attempt.id) - back.fact.amount.minor
    refunds.returned(back.fact.fact_ref, attempt, gone_fen)
    _keep(back, "returned")
    if left_as == "excess" or back.fact.amount.currency != attempt.currency:
        _post(back.id, back.fact, chart.SUSPENSE, EntryKind.MONEY_RETURNED)
    elif back.origin is RefundOrigin.GIFT:
        _return_to_gift(back)
    else:
        _post(back.id, back.fact, HELD_IN[back.origin], EntryKind.MONEY_RETURNED)
    _review(back, ReviewKind.MONEY_RETURNED)
    return "returned"


def _return_to_gift(back: _Back) -> None:
    fund_id = back.order.fund_id
    income = chart.income(back.order.fund_kind)
    entry_id = _post(back.id, back.fact, income, EntryKind.MONEY_RETURNED, fund_id)
    lot = NewLot(LotSource.RETURNED, back.id, back.fact.amount, entry_id)
    funds.add_lots(fund_id, [lot])
    gift_id = back.order.gift_id
    _change_gift(gift_id, fund_id, -back.fact.amount.minor)
    outbox.add(Kind.FOLLOW_REFUND, f"receipt-return:{back.id}", {"gift_id": str(gift_id)})


VERBS: dict[FactKind, Callable[[_Back], str]] = {
    FactKind.REFUND_SEEN: _seen,
    FactKind.REFUNDED: _left,
    FactKind.DISPUTED: _left,
    FactKind.REFUND_FAILED: _failed,
    FactKind.REFUND_STUCK: _stuck,
    FactKind.RETURNED: _returned,
}


# ---------------------------------------------------------------------- writing


def _keep(back: _Back, outcome: str) -> None:
    facts.keep([Kept(back.id, back.fact, back.order.attempt_id, outcome)])


def _post(
    fact_id: UUID, fact: Fact, account: str, kind: EntryKind, fund_id: UUID | None = None
) -> UUID:
    """Post one gross entry for a fact between the channel's clearing account and ``account``."""
    clearing = chart.clearing(fact.provider)
    is_out = fact.kind in LEAVING
    lines: tuple[Line, Line] = (
        (debit(account, fact.amount, fund_id), credit(clearing, fact.amount))
        if is_out
        else (debit(clearing, fact.amount), credit(account, fact.amount, fund_id))
    )
    return ledger.post(NewEntry(f"fact:{fact_id}", kind, fact.occurred_at, lines, fund_id=fund_id))


def _change_gift(gift_id: UUID, fund_id: UUID, back_fen: int) -> None:
    """Say what of a gift went back; one that went back whole is no gift received any more."""
    crossed = db.session.execute(
        text(
            """
            UPDATE giving_gift g
            SET refunded_fen = t.back,
                state = CASE WHEN t.back = 0 THEN 'paid' WHEN t.back < g.amount_fen THEN 'partly_refunded'
                             ELSE 'refunded' END
            FROM (SELECT state, greatest(0, least(amount_fen, refunded_fen + :fen)) AS back FROM giving_gift
                  WHERE id = :id) AS t
            WHERE g.id = :id
            RETURNING (g.state = 'refunded')::int - (t.state = 'refunded')::int
            """
        ),
        {"id": gift_id, "fen": back_fen},
    ).scalar_one()
    if crossed:
        funds.count_gone(fund_id, crossed)


def _review(back: _Back, kind: ReviewKind) -> None:
    _open_review(kind, back.id, back.fact, back.order.attempt_id)


def _open_review(kind: ReviewKind, fact_id: UUID, fact: Fact, attempt_id: UUID | None) -> None:
    reviews.open_review(
        kind,
        f"{kind}:{fact_id}",
        {
            "refund_no": fact.fact_ref,
            "amount_fen": fact.amount.minor,
            "currency": fact.amount.currency,
        },
        fact_id=fact_id,
        attempt_id=attempt_id,
    )
