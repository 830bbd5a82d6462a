"""Bank statements, first form: lines taken over once, a platform's lump sum closed against its clearing account."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import Text2, db
from fundraising.errors import Invalid, NotFound
from fundraising.funds import service as funds
from fundraising.funds.models import SpendingKind
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money, MoneyError
from fundraising.payments.models import BankLine
from fundraising.references import uuid7

HEADINGS = {
    "serial": ("交易流水号", "流水号", "serial"),
    "at": ("交易时间", "记账时间", "time"),
    "amount": ("收入金额", "贷方金额", "amount"),
    "counterparty": ("对方户名", "对方名称", "counterparty"),
    "memo": ("摘要", "附言", "memo"),
}
TIME_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y%m%d %H:%M:%S", "%Y-%m-%d")


class UnreadableStatement(Invalid):
    """The file is no statement, or a line of it makes no sense; nothing of it is taken."""

    code = "unreadable_statement"
    message = _l("This file cannot be read as a bank statement.")


class AlreadyMatched(Invalid):
    """The line was booked before."""

    code = "already_matched"
    message = _l("This bank line has been booked already.")


@dataclass(frozen=True)
class NewBankLine:
    """Money that came in at the bank, by the bank's own number of the line."""

    serial: str
    booked_at: datetime
    amount: Money
    counterparty: str = ""
    memo: str = ""


@dataclass(frozen=True)
class Taken:
    """How many lines were new and how many were known."""

    new_count: int
    known_count: int


def import_lines(bank_account: str, lines: Sequence[NewBankLine]) -> Taken:
    """Keep lines by the bank's own numbers; known ones change nothing."""
    taken = 0
    for line in lines:
        statement = insert(BankLine).values(
            id=uuid7(),
            bank_account=bank_account,
            serial=line.serial,
            booked_at=line.booked_at,
            amount_fen=line.amount.minor,
            counterparty=line.counterparty,
            memo=line.memo,
            imported_at=clock.now(),
        )
        kept = statement.on_conflict_do_nothing(
            index_elements=[BankLine.bank_account, BankLine.serial]
        ).returning(BankLine.id)
        taken += db.session.execute(kept).first() is not None
    return Taken(taken, len(lines) - taken)


def import_csv(bank_account: str, data: bytes) -> Taken:
    """Take over a CSV statement (UTF-8 or GBK) of money received. Raises UnreadableStatement."""
    return import_lines(bank_account, read_csv(data))


def read_csv(data: bytes) -> list[NewBankLine]:
    """Read a CSV statement by its headings; lines without an amount received are left out.

    Raises:
        UnreadableStatement: with the number of the first bad line.
    """
    rows = list(csv.reader(io.StringIO(_decoded(data), newline="")))
    if not rows:
        raise UnreadableStatement
    known = {heading: name for name, many in HEADINGS.items() for heading in many}
    columns = {known[cell.strip()]: i for i, cell in enumerate(rows[0]) if cell.strip() in known}
    if not {"serial", "at", "amount"} <= set(columns):
        raise UnreadableStatement
    return [
        line
        for number, cells in enumerate(rows[1:], start=2)
        if (
            line := _read_line(
                number, {name: cells[i].strip() for name, i in columns.items() if i < len(cells)}
            )
        )
    ]


def find(bank_account: str, serial: str) -> BankLine:
    """Return a line by the bank's number. Raises NotFound."""
    query = select(BankLine).where(BankLine.bank_account == bank_account, BankLine.serial == serial)
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def unmatched(limit: int = 100) -> list[BankLine]:
    """Return lines that are not booked yet, the oldest first."""
    query = (
        select(BankLine)
        .where(BankLine.entry_id.is_(None))
        .order_by(BankLine.booked_at, BankLine.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def match_payout(line: BankLine, provider: str, actor_id: UUID | None) -> UUID:
    """Book a provider's lump sum from its clearing account to the bank, as the statement says.

    Raises:
        AlreadyMatched: the line was booked before.
    """
    if line.entry_id is not None:
        raise AlreadyMatched
    amount = Money(line.amount_fen)
    line.entry_id = ledger.post(
        NewEntry(
            f"bank:{line.bank_account}:{line.serial}",
            EntryKind.PAYOUT_RECEIVED,
            line.booked_at,
            (debit(chart.BANK, amount), credit(chart.clearing(provider), amount)),
            actor=str(actor_id or "system"),
        )
    )
    db.session.flush()
    audit.record("bank.matched", f"bank:{line.serial}", actor_id, {"provider": provider})
    return line.entry_id


def book_fee(
    fund_id: UUID, provider: str, amount: Money, key: str, at: datetime, title: Text2
) -> UUID:
    """Book what a provider or platform kept, on its own line, and draw it from the fund like any cost."""
    entry_id = ledger.post(
        NewEntry(
            f"fee:{key}",
            EntryKind.FEE_CHARGED,
            at,
            (
                debit(chart.FUNDRAISING_COST, amount, fund_id),
                credit(chart.clearing(provider), amount),
            ),
            fund_id=fund_id,
        )
    )
    line = funds.open_spending_line(fund_id, SpendingKind.FEE, title, amount, entry_id)
    funds.draw(line.id, amount)
    return entry_id


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableStatement


def _read_line(number: int, values: dict[str, str]) -> NewBankLine | None:
    amount = values.get("amount", "").replace(",", "")
    if not amount:
        return None
    try:
        return NewBankLine(
            values["serial"],
            _instant(values["at"]),
            Money.parse_yuan(amount),
            values.get("counterparty", ""),
            values.get("memo", ""),
        )
    except (KeyError, ValueError, MoneyError):
        raise UnreadableStatement(
            _l("Line %(line)s of the statement makes no sense.", line=number)
        ) from None


def _instant(text: str) -> datetime:
    for form in TIME_FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=clock.SHANGHAI)
        except ValueError:
            continue
    raise ValueError(text)
