"""Reading the books: balances from folded totals plus what is not folded yet, vouchers by key."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import selectinload

from fundraising.database import Text2, db
from fundraising.ledger.errors import EntryNotFound
from fundraising.ledger.models import Account, EntryKind, JournalEntry, Period, Posting
from fundraising.money import Money

BOTH = """
    SELECT account, currency, fund_id, kind, amount_minor, posting_count FROM ledger_total
    UNION ALL
    SELECT account, currency, fund_id, kind, amount_minor, posting_count FROM ledger_total_delta
"""
"""Folded and unfolded rows in one snapshot: exact at any moment, whatever the folding does."""


@dataclass(frozen=True)
class TotalRow:
    """A sum of postings of one account and kind; debits positive, in minor units."""

    account: str
    kind: str
    amount_minor: int
    posting_count: int


@dataclass(frozen=True)
class BalanceRow:
    """One line of the trial balance, in minor units; exactly one of debit and credit is not zero."""

    account: str
    name: Text2
    type: str
    currency: str
    amount_minor: int

    @property
    def debit_minor(self) -> int:
        """The balance if it stands on the debit side."""
        return max(self.amount_minor, 0)

    @property
    def credit_minor(self) -> int:
        """The balance if it stands on the credit side."""
        return max(-self.amount_minor, 0)


def totals(fund_id: UUID) -> list[TotalRow]:
    """Return the sums of a fund's postings by account and kind. Cost does not grow with gifts."""
    rows = db.session.execute(
        text(
            f"SELECT account, kind, sum(amount_minor)::bigint AS amount_minor, "
            f"sum(posting_count)::bigint AS posting_count FROM ({BOTH}) AS t "
            "WHERE fund_id = :fund_id GROUP BY account, kind ORDER BY account, kind"
        ),
        {"fund_id": fund_id},
    )
    return [TotalRow(r.account, r.kind, r.amount_minor, r.posting_count) for r in rows]


def sum_under(kind: EntryKind, key_prefix: str, account: str) -> int:
    """Return what entries of a kind whose key begins so moved on an account, in minor units."""
    query = text(
        "SELECT coalesce(sum(p.amount_minor), 0)::bigint FROM ledger_entry e "
        "JOIN ledger_posting p ON p.entry_id = e.id AND p.account = :account "
        "WHERE e.kind = :kind AND starts_with(e.key, :prefix)"
    )
    values = {"kind": kind, "prefix": key_prefix, "account": account}
    return int(db.session.execute(query, values).scalar_one())


def balance(account: str, currency: str = "CNY", fund_id: UUID | None = None) -> Money:
    """Return the balance of an account, of one fund's part of it when asked; debits positive."""
    only_fund = "AND fund_id = :fund_id" if fund_id else ""
    amount = db.session.execute(
        text(
            f"SELECT coalesce(sum(amount_minor), 0)::bigint FROM ({BOTH}) AS t "
            f"WHERE account = :account AND currency = :currency {only_fund}"
        ),
        {"account": account, "currency": currency, "fund_id": fund_id},
    )
    return Money(amount.scalar_one(), currency)


def trial_balance() -> list[BalanceRow]:
    """Return every account with a balance or movement; the amounts sum to zero per currency."""
    rows = db.session.execute(
        text(
            f"SELECT t.account, a.name, a.type, t.currency, sum(t.amount_minor)::bigint AS amount_minor "
            f"FROM ({BOTH}) AS t JOIN ledger_account a ON a.code = t.account "
            "GROUP BY t.account, a.name, a.type, t.currency ORDER BY t.account, t.currency"
        )
    )
    return [BalanceRow(r.account, r.name, r.type, r.currency, r.amount_minor) for r in rows]


def accounts() -> list[Account]:
    """Return the chart of accounts."""
    return list(db.session.execute(select(Account).order_by(Account.code)).scalars())


def periods(limit: int = 60) -> list[Period]:
    """Return the months of the books, the latest first."""
    return list(
        db.session.execute(select(Period).order_by(Period.period.desc()).limit(limit)).scalars()
    )


def entry(entry_id: UUID) -> JournalEntry:
    """Return an entry with its postings. Raises EntryNotFound."""
    query = (
        select(JournalEntry)
        .where(JournalEntry.id == entry_id)
        .options(selectinload(JournalEntry.postings))
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise EntryNotFound
    return found


def find_key(key: str) -> JournalEntry | None:
    """Return the entry of a cause, None when it is not booked."""
    return db.session.execute(select(JournalEntry).filter_by(key=key)).scalar_one_or_none()


def find_voucher(number: str) -> JournalEntry | None:
    """Return the entry with a voucher number such as ``2024-05-00017``, None when there is none."""
    period, _, voucher_no = number.strip().rpartition("-")
    if not (voucher_no.isascii() and voucher_no.isdigit() and len(voucher_no) <= 9):
        return None
    query = select(JournalEntry).filter_by(period=period, voucher_no=int(voucher_no))
    return db.session.execute(query).scalar_one_or_none()


def find_reversal(entry_id: UUID) -> JournalEntry | None:
    """Return the entry that reverses this one, None when it stands."""
    query = select(JournalEntry).filter_by(reverses_id=entry_id)
    return db.session.execute(query).scalar_one_or_none()


def entries_moving(account: str, amounts: Iterable[int], limit: int = 500) -> list[JournalEntry]:
    """Return entries with a line of one of these amounts (minor units) on the account, the oldest first."""
    touching = select(Posting.entry_id).where(
        Posting.account == account, Posting.amount_minor.in_(set(amounts))
    )
    query = (
        select(JournalEntry)
        .where(JournalEntry.id.in_(touching))
        .options(selectinload(JournalEntry.postings))
        .order_by(JournalEntry.booked_on, JournalEntry.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def entries(
    *,
    before: UUID | None = None,
    limit: int = 50,
    kind: str | None = None,
    account: str | None = None,
    fund_id: UUID | None = None,
) -> list[JournalEntry]:
    """Return entries with postings, the latest recorded first; ``before`` is the last id seen."""
    query = (
        select(JournalEntry)
        .options(selectinload(JournalEntry.postings))
        .order_by(JournalEntry.id.desc())
        .limit(min(limit, 200))
    )
    if before is not None:
        query = query.where(JournalEntry.id < before)
    if kind:
        query = query.where(JournalEntry.kind == kind)
    if account:
        touching = select(Posting.entry_id).where(Posting.account == account)
        query = query.where(JournalEntry.id.in_(touching))
    if fund_id:
        query = query.where(JournalEntry.fund_id == fund_id)
    return list(db.session.execute(query).scalars())
