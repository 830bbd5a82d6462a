"""Booking a line of a bank statement: a payout, cash paid in, money nobody can place; or tying it to its voucher.

A line is locked first and gets its one entry. What it closes was waiting somewhere, and never more than that.
"""

from uuid import UUID

from sqlalchemy import select, text

from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import statements
from fundraising.payments.models import BankLine


def match_payout(line: BankLine, provider: str, actor_id: UUID | None) -> UUID:
    """Book a provider's lump sum from its clearing account to the bank, as the statement says.

    Raises:
        NotWaiting: the line is no money in, or more than what waits at that provider.
        AlreadyMatched: the line was booked before.
    """
    return _close(line, EntryKind.PAYOUT_RECEIVED, chart.clearing(provider), actor_id)


def match_deposit(line: BankLine, method: str, actor_id: UUID | None) -> UUID:
    """Book ``cash`` that was paid in, or a ``cheque`` the bank credited; not more than is there.

    Raises:
        NotWaiting: the line is no money in, or more than the box or the cheques in collection hold.
        AlreadyMatched: the line was booked before.
    """
    return _close(line, EntryKind.CASH_DEPOSITED, chart.clearing(method), actor_id)


def match_returned_cheque(line: BankLine, actor_id: UUID | None) -> UUID:
    """Book a cheque the bank had credited and took back; its gift is reversed by then.

    Raises:
        NotWaiting: the line is no money out, or no reversed cheque of that much is open.
        AlreadyMatched: the line was booked before.
    """
    statements.hold(line)
    one_at_a_time(chart.CHEQUES)
    if line.amount_fen >= 0 or books.balance(chart.CHEQUES).minor > line.amount_fen:
        raise statements.NotWaiting(account=chart.CHEQUES)
    return post(line, EntryKind.CHEQUE_RETURNED, chart.CHEQUES, actor_id)


def book_into(line: BankLine, kind: EntryKind, account: str, actor_id: UUID | None) -> UUID:
    """Book money in against an account whose owner has checked what is owed there.

    Raises:
        NotWaiting: the line is no money in.
        AlreadyMatched: the line was booked before.
    """
    statements.hold(line)
    return _book(line, kind, account, actor_id)


def require_fitting(line: BankLine, *, is_out: bool) -> None:
    """Require money out (or in), or what the bank itself reversed of such. Raises NotWaiting, AlreadyMatched."""
    statements.hold(line)
    if ((line.amount_fen < 0) is not is_out) is not line.is_reversal:
        raise statements.NotWaiting(serial=line.serial)


def book_suspense(line: BankLine, actor_id: UUID | None) -> UUID:
    """Book money that came to the bank and that nobody can place yet.

    Raises:
        NotWaiting: the line is no money in.
        AlreadyMatched: the line was booked before.
    """
    statements.hold(line)
    return _book(line, EntryKind.SUSPENSE_RECEIVED, chart.SUSPENSE, actor_id)


def link(line: BankLine, entry_id: UUID, actor_id: UUID | None) -> None:
    """Note that a line is the bank's side of an entry that was booked before, such as a payment out.

    Raises:
        NotWaiting: the entry moves another amount on the bank account, or has its line already.
        AlreadyMatched: the line was booked before.
    """
    statements.hold(line)
    taken = select(BankLine.id).where(BankLine.entry_id == entry_id).limit(1)
    if (
        statements.moved(books.entry(entry_id)) != line.amount_fen
        or db.session.execute(taken).first() is not None
    ):
        raise statements.NotWaiting(entry=str(entry_id))
    line.entry_id = entry_id
    db.session.flush()
    audit.record("bank.linked", f"bank:{line.serial}", actor_id, {"entry": str(entry_id)})


def one_at_a_time(account: str) -> None:
    """Let two payouts of one clearing account wait for each other, so that neither overdraws it."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:account, 0))"), {"account": account}
    )


def _close(line: BankLine, kind: EntryKind, account: str, actor_id: UUID | None) -> UUID:
    """Let a line close what waits in an account, never more than that."""
    statements.hold(line)
    one_at_a_time(account)
    if books.balance(account).minor < line.amount_fen:
        raise statements.NotWaiting(account=account)
    return _book(line, kind, account, actor_id)


def _book(line: BankLine, kind: EntryKind, account: str, actor_id: UUID | None) -> UUID:
    if line.amount_fen <= 0:
        raise statements.NotWaiting(account=account)
    return post(line, kind, account, actor_id)


def post(line: BankLine, kind: EntryKind, account: str, actor_id: UUID | None) -> UUID:
    """Give a held line its entry, under the bank's own number."""
    amount = Money(line.amount_fen)
    line.entry_id = ledger.post(
        NewEntry(
            f"bank:{line.bank_account}:{line.serial}",
            kind,
            line.booked_at,
            (debit(chart.BANK, amount), credit(account, amount)),
            actor=f"staff:{actor_id}" if actor_id else "system",
        )
    )
    db.session.flush()
    audit.record("bank.matched", f"bank:{line.serial}", actor_id, {"account": account})
    return line.entry_id
