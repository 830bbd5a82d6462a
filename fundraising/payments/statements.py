"""Bank statements: every line is kept once, and a payout line closes what waited at a provider.

A bank balance is never invented: money reaches account 1002 only by a line of the bank's statement.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text

from fundraising import clock
from fundraising.database import db
from fundraising.errors import DomainError, NotFound
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.ledger.models import JournalEntry
from fundraising.payments import statement_files
from fundraising.payments.models import BankLine
from fundraising.payments.statement_files import (
    NewBankLine,
    StatementFile,
    UnreadableStatement,
)
from fundraising.references import uuid7

__all__ = ["NewBankLine", "UnreadableStatement"]


class BankLineNotFound(NotFound):
    """No such line of a bank statement."""

    message = _l("We could not find that line of the bank statement.")


class BankLineChanged(DomainError):
    """A line came again under the same serial number with another amount: an alarm, never a correction."""

    code = "bank_line_changed"
    message = _l("A line with this serial number is here already, with another amount.")


class AlreadyMatched(DomainError):
    """The line was booked before."""

    code = "already_matched"
    message = _l("This bank line has been booked already.")


class NotWaiting(DomainError):
    """The bank line is larger than what waits at the provider, or does not fit the entry."""

    code = "not_waiting"
    message = _l("That much money does not wait there.")


@dataclass(frozen=True)
class Taken:
    """How many lines were new and how many were known."""

    new_count: int
    known_count: int


def import_csv(bank_account: str, data: bytes) -> Taken:
    """Keep the lines of a CSV statement (UTF-8 or GBK), all or none.

    Raises:
        UnreadableStatement: the file is no statement, or a line of it makes no sense (it is named).
        BankLineChanged: a known serial number comes with another amount.
    """
    file = statement_files.read(data)
    require_whole(file)
    return import_lines(bank_account, file.lines)


def require_whole(file: StatementFile) -> None:
    """Refuse a file of which one line makes no sense. Raises UnreadableStatement with the lines named."""
    if file.errors:
        first = file.errors[0]
        raise UnreadableStatement(
            _l("Line %(line)s: %(problem)s", line=first.line, problem=first.problem),
            errors=[f"{error.line}: {error.problem}" for error in file.errors],
        )


def import_lines(bank_account: str, lines: Sequence[NewBankLine]) -> Taken:
    """Keep lines of an account, once per serial number of the bank or key of ours. Importing again changes nothing.

    Raises:
        BankLineChanged: a known serial number comes with another amount, here or in the same file.
    """
    unique: dict[str, NewBankLine] = {}
    for line in statement_files.keyed(bank_account, lines):
        if unique.setdefault(line.serial, line).amount != line.amount:
            raise BankLineChanged(serial=line.serial)
    rows = sorted(
        unique.values(), key=lambda row: row.serial
    )  # two imports take locks in one order
    columns = {
        "account": bank_account,
        "serials": [row.serial for row in rows],
        "fens": [row.amount.minor for row in rows],
    }
    inserted = db.session.execute(
        text(
            """
            INSERT INTO payment_bank_line (id, bank_account, serial, booked_at, amount_fen, counterparty, memo,
                                           counterparty_account, balance_fen, is_reversal, imported_at)
            SELECT id, :account, serial, at, fen, party, memo, party_account, balance, reversal, :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:serials AS text[]), CAST(:ats AS timestamptz[]),
                        CAST(:fens AS bigint[]), CAST(:parties AS text[]), CAST(:memos AS text[]),
                        CAST(:party_accounts AS text[]), CAST(:balances AS bigint[]),
                        CAST(:reversals AS boolean[]))
                 AS t(id, serial, at, fen, party, memo, party_account, balance, reversal)
            ON CONFLICT (bank_account, serial) DO NOTHING RETURNING id
            """
        ),
        {
            "now": clock.now(),
            "ids": [uuid7() for _ in rows],
            "ats": [row.booked_at for row in rows],
            "parties": [row.counterparty for row in rows],
            "memos": [row.memo for row in rows],
            "party_accounts": [row.counterparty_account for row in rows],
            "balances": [row.balance.minor if row.balance is not None else None for row in rows],
            "reversals": [row.is_reversal for row in rows],
            **columns,
        },
    )
    new = len(inserted.all())
    if new < len(rows):
        _require_unchanged(columns)
    return Taken(new, len(lines) - new)


def find(bank_account: str, serial: str) -> BankLine:
    """Return a line by the bank's number. Raises BankLineNotFound."""
    query = select(BankLine).where(BankLine.bank_account == bank_account, BankLine.serial == serial)
    return _found(db.session.execute(query).scalar_one_or_none())


def get(line_id: UUID) -> BankLine:
    """Return a line. Raises BankLineNotFound."""
    return _found(db.session.get(BankLine, line_id))


def unmatched(limit: int = 100) -> list[BankLine]:
    """Return lines that are not booked yet, the oldest first."""
    query = (
        select(BankLine)
        .where(BankLine.entry_id.is_(None))
        .order_by(BankLine.booked_at, BankLine.serial)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def booked(limit: int = 100) -> list[tuple[BankLine, JournalEntry]]:
    """Return the lines that are booked with their entries, the latest first."""
    query = (
        select(BankLine, JournalEntry)
        .join(JournalEntry, JournalEntry.id == BankLine.entry_id)
        .order_by(BankLine.booked_at.desc(), BankLine.serial.desc())
        .limit(limit)
    )
    return [(line, entry) for line, entry in db.session.execute(query)]


def count_unmatched() -> int:
    """Return how many lines wait for their entry."""
    query = select(func.count()).select_from(BankLine).where(BankLine.entry_id.is_(None))
    return db.session.execute(query).scalar_one()


def candidates(lines: Sequence[BankLine]) -> dict[UUID, list[JournalEntry]]:
    """Return for each line the entries without a bank line that move exactly its amount on the bank account."""
    entries = books.entries_moving(chart.BANK, {line.amount_fen for line in lines})
    query = select(BankLine.entry_id).where(BankLine.entry_id.in_([entry.id for entry in entries]))
    taken = set(db.session.execute(query).scalars())
    by_amount: dict[int, list[JournalEntry]] = defaultdict(list)
    for entry in entries:
        if entry.id not in taken:
            by_amount[moved(entry)].append(entry)
    return {line.id: by_amount[line.amount_fen] for line in lines}


# ---------------------------------------------------------------------- inside


def moved(entry: JournalEntry) -> int:
    """Return what an entry moves on the bank account, in fen."""
    return sum(line.amount_minor for line in entry.postings if line.account == chart.BANK)


def _found(line: BankLine | None) -> BankLine:
    if line is None:
        raise BankLineNotFound
    return line


def _require_unchanged(columns: Mapping[str, object]) -> None:
    changed = db.session.execute(
        text(
            """
            SELECT t.serial
            FROM unnest(CAST(:serials AS text[]), CAST(:fens AS bigint[])) AS t(serial, fen)
            JOIN payment_bank_line b ON b.bank_account = :account AND b.serial = t.serial
            WHERE b.amount_fen <> t.fen LIMIT 1
            """
        ),
        columns,
    ).first()
    if changed is not None:
        raise BankLineChanged(serial=changed.serial)


def hold(line: BankLine) -> BankLine:
    """Lock the line and require that it is not booked. Raises AlreadyMatched."""
    query = (
        select(BankLine)
        .where(BankLine.id == line.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    held = db.session.execute(query).scalar_one()
    if held.entry_id is not None:
        raise AlreadyMatched
    return held
