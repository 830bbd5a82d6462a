"""Gifts by bank transfer that go back: sent at the bank by hand, told by its statement, booked once.

Two people let such a refund go like any other. Then it waits until somebody has sent the money at the bank
and the statement's line is given to it: nothing else moves the books.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.transfers import BANK
from fundraising.money import Money
from fundraising.payments import refunds, statements
from fundraising.payments.models import Attempt, BankLine, Refund, RefundStage
from fundraising.payments.providers.base import Fact, FactKind, FactSource

MOST = 200


@dataclass(frozen=True)
class ToSend:
    """A refund to be sent at the bank, with whose account the money came from."""

    refund_id: UUID
    refund_no: str
    amount_fen: int
    gift_ref: str
    name: str
    account: str


def waiting() -> list[ToSend]:
    """Return the refunds that wait for somebody to send them at the bank, the oldest first."""
    rows = db.session.execute(
        text(
            """
            SELECT r.id, r.refund_no, r.amount_fen, g.ref, coalesce(p.counterparty, ''),
                   coalesce(p.counterparty_account, '')
            FROM payment_refund r
            JOIN payment_attempt a ON a.id = r.attempt_id AND a.provider = :bank
            JOIN giving_gift g ON g.id = a.order_id
            LEFT JOIN LATERAL (
                SELECT b.counterparty, b.counterparty_account FROM payment_fact f
                JOIN payment_bank_line b ON (b.bank_account, b.serial) = (f.account, f.fact_ref)
                WHERE f.attempt_id = a.id AND f.kind = 'paid'
                ORDER BY f.outcome = CASE r.origin WHEN 'unapplied' THEN 'duplicate'
                                     WHEN 'suspense' THEN 'suspense' ELSE 'settled' END DESC,
                         f.recorded_at LIMIT 1) AS p ON true
            WHERE r.state = 'submitted' ORDER BY r.created_at LIMIT :most
            """
        ),
        {"bank": BANK, "most": MOST},
    )
    return [ToSend(*row) for row in rows]


def suggest(lines: Sequence[BankLine]) -> dict[UUID, list[ToSend]]:
    """Return for each line of money out the refunds of exactly its amount."""
    went = [line for line in lines if line.amount_fen < 0 and not line.is_reversal]
    open_ones = waiting() if went else []
    return {
        line.id: [one for one in open_ones if one.amount_fen == -line.amount_fen] for line in went
    }


def book(line_id: UUID, refund_id: UUID, actor_id: UUID) -> None:
    """Book a refund by the line of the statement that a person says it is.

    Raises:
        BankLineNotFound, RefundNotFound: there is no such line or refund.
        NotWaiting: the refund does not wait for that, or the line is not exactly its amount going out.
        AlreadyMatched: the line was booked before.
    """
    line = statements.hold(statements.get(line_id))
    attempt = refunds.lock_attempt(refunds.get(refund_id).attempt_id)
    refund = refunds.lock(refund_id)
    is_waiting = attempt.provider == BANK and refund.state == RefundStage.SUBMITTED
    if not is_waiting or line.is_reversal or line.amount_fen != -refund.amount_fen:
        raise statements.NotWaiting(serial=line.serial)
    settlement.apply_facts([_fact(line, refund, attempt)])
    line.entry_id = _entry(refund)
    db.session.flush()
    detail = {"refund": refund.refund_no}
    audit.record("bank.paid_back", f"bank:{line.serial}", actor_id, detail)


def _fact(line: BankLine, refund: Refund, attempt: Attempt) -> Fact:
    return Fact(
        provider=BANK,
        account=attempt.account,
        kind=FactKind.REFUNDED,
        fact_ref=refund.refund_no,
        merchant_ref=attempt.merchant_ref,
        amount=Money(refund.amount_fen, refund.currency),
        occurred_at=line.booked_at,
        source=FactSource.BILL,
    )


def _entry(refund: Refund) -> UUID:
    query = text(
        "SELECT e.id FROM payment_fact f JOIN ledger_entry e ON e.key = 'fact:' || f.id "
        "WHERE f.attempt_id = :attempt AND f.kind = 'refunded' AND f.fact_ref = :ref"
    )
    asked = {"attempt": refund.attempt_id, "ref": refund.refund_no}
    found: UUID = db.session.execute(query, asked).scalar_one()
    return found
