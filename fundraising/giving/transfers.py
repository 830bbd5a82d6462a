"""Transfers on bank statements: a code decides by itself, everything else is suggested and a person decides.

A line's money is settled like any other payment: it becomes a fact and ``settlement.apply_facts`` says what it
means. The line is locked first and gets the entry in the same transaction, so it is booked once whoever asks.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.errors import NotFound
from fundraising.giving import people, queries, settlement
from fundraising.giving.errors import GiftNotFound
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money
from fundraising.payments import statement_files, statements, transfer_codes
from fundraising.payments.models import Attempt, BankLine
from fundraising.payments.providers.base import Fact, FactKind, FactSource, Product
from fundraising.payments.statement_files import NewBankLine

BANK = Product.BANK_TRANSFER.provider
AT_ONCE = 400
MOST_CANDIDATES = 2000
MOST_SHOWN = 4
LONGEST = timedelta(days=60)
SAME_AMOUNT, ONLY_ONE, SAME_NAME, EXACT_CODE, NEAR_CODE = 40, 15, 25, 50, 45
NEARNESS = ((1, 15), (3, 10), (30, 5))
TIED, SUREST = 50, 95


class TransferNotFound(NotFound):
    """No order of that number waits for a transfer."""

    message = _l("No gift by bank transfer has this number or code.")


@dataclass(frozen=True)
class TakenOver:
    """What became of a statement: lines that were new, known, and found to be gifts by their code."""

    new_count: int
    known_count: int
    settled_count: int


@dataclass(frozen=True)
class Suggestion:
    """An order that a line may pay, with how sure that is (of 100) and why, in words."""

    attempt_id: UUID
    order_no: str
    amount_fen: int
    ordered_at: datetime
    score: int
    reasons: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    attempt_id: UUID
    gift_id: UUID
    order_no: str
    code: str
    amount_fen: int
    ordered_at: datetime


def take_over(bank_account: str, lines: Sequence[NewBankLine]) -> TakenOver:
    """Keep the lines of a statement and settle those whose memo holds a code. Again, it changes nothing.

    Raises:
        BankLineChanged: a known serial number comes with another amount.
    """
    keyed = statement_files.keyed(bank_account, lines)
    taken = statements.import_lines(bank_account, keyed)
    settled = settle_coded(bank_account, [line.serial for line in keyed if line.amount.minor > 0])
    return TakenOver(taken.new_count, taken.known_count, settled)


def settle_coded(bank_account: str, serials: Sequence[str]) -> int:
    """Settle the lines among these whose memo names exactly one order; return how many."""
    settled = 0
    for start in range(0, len(serials), AT_ONCE):
        lines = _hold(bank_account, serials[start : start + AT_ONCE])
        codes = {line.id: transfer_codes.found_in(line.memo) for line in lines}
        attempts = _by_code({code for found in codes.values() for code in found})
        pairs: list[tuple[BankLine, Attempt]] = []
        for line in lines:
            named = [attempts[code] for code in codes[line.id] if code in attempts]
            if len(named) == 1:
                pairs.append((line, named[0]))
        settled += _settle(pairs)
    return settled


def confirm(line_id: UUID, attempt_id: UUID, actor_id: UUID) -> None:
    """Settle a line for the order that a person says it pays.

    Raises:
        BankLineNotFound, TransferNotFound: there is no such line or order.
        NotWaiting: the line is no money in.
        AlreadyMatched: the line was booked before.
    """
    line = statements.hold(statements.get(line_id))
    attempt = db.session.get(Attempt, attempt_id)
    if attempt is None or attempt.provider != BANK:
        raise TransferNotFound
    if line.amount_fen <= 0 or line.is_reversal or not _settle([(line, attempt)]):
        raise statements.NotWaiting(serial=line.serial)
    detail = {"attempt": str(attempt_id)}
    audit.record("bank.confirmed", f"bank:{line.serial}", actor_id, detail)


def find_order(number: str) -> UUID:
    """Return the transfer that a code or an order number names. Raises TransferNotFound."""
    for attempt in _by_code(set(transfer_codes.found_in(number))).values():
        return attempt.id
    try:
        gift = queries.by_order_no(number.strip().upper())
    except GiftNotFound:
        raise TransferNotFound from None
    query = (
        select(Attempt.id)
        .where(Attempt.order_id == gift.id, Attempt.provider == BANK)
        .order_by(Attempt.id.desc())
        .limit(1)
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise TransferNotFound
    return found


# ---------------------------------------------------------------------- suggestions


def suggest(lines: Sequence[BankLine]) -> dict[UUID, list[Suggestion]]:
    """Return for each line the orders it may pay, the likeliest first. Nothing is decided here."""
    came = [line for line in lines if line.amount_fen > 0 and not line.is_reversal]
    candidates = _candidates(came) if came else []
    by_amount: dict[int, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_amount[candidate.amount_fen].append(candidate)
    return {line.id: _ranked(line, by_amount[line.amount_fen], candidates) for line in came}


def _ranked(
    line: BankLine, same_amount: Sequence[_Candidate], all_of_them: Sequence[_Candidate]
) -> list[Suggestion]:
    others = [c for c in all_of_them if c.amount_fen != line.amount_fen and _code_reason(line, c)]
    found = [
        suggestion
        for candidate in (*same_amount[: MOST_SHOWN * 5], *others)
        if (suggestion := _suggestion(line, candidate, len(same_amount))) is not None
    ]
    best: dict[str, Suggestion] = {}
    for one in sorted(found, key=lambda s: (-s.score, s.ordered_at, s.order_no)):
        best.setdefault(one.order_no, one)
    ranked = list(best.values())[:MOST_SHOWN]
    if len(ranked) > 1 and ranked[0].score == ranked[1].score:
        return [replace(one, score=min(one.score, TIED)) for one in ranked]
    return ranked


def _suggestion(line: BankLine, candidate: _Candidate, rivals: int) -> Suggestion | None:
    """Weigh an order against a line; None when it was ordered after the money came, or long before."""
    days = (clock.shanghai_date(line.booked_at) - clock.shanghai_date(candidate.ordered_at)).days
    if not 0 <= days <= LONGEST.days:
        return None
    weighed = list(_reasons(line, candidate, rivals, days))
    score = sum(points for points, _ in weighed)
    return Suggestion(
        candidate.attempt_id,
        candidate.order_no,
        candidate.amount_fen,
        candidate.ordered_at,
        min(score, SUREST),
        [reason for _, reason in weighed],
    )


def _reasons(
    line: BankLine, candidate: _Candidate, rivals: int, days: int
) -> Iterator[tuple[int, Any]]:
    by_code = _code_reason(line, candidate)
    if by_code is not None:
        yield by_code
    if candidate.amount_fen != line.amount_fen:
        yield 0, _l("another amount")
    elif rivals == 1:
        yield SAME_AMOUNT + ONLY_ONE, _l("the only open gift of this amount")
    else:
        yield SAME_AMOUNT, _l("one of %(count)s open gifts of this amount", count=rivals)
    told = people.read(candidate.gift_id).name
    if told and _plain(told) == _plain(line.counterparty):
        yield SAME_NAME, _l("the same name")
    near = next((points for most, points in NEARNESS if days <= most), 0)
    yield near, (_l("ordered %(days)s days before", days=days) if days else _l("ordered that day"))


def _code_reason(line: BankLine, candidate: _Candidate) -> tuple[int, Any] | None:
    if candidate.code in transfer_codes.found_in(line.memo):
        return EXACT_CODE, _l("its code is in the memo, among others")
    if transfer_codes.nearly_in(line.memo, candidate.code):
        return NEAR_CODE, _l("its code with one wrong character")
    return None


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _candidates(lines: Sequence[BankLine]) -> list[_Candidate]:
    """Return unpaid transfers around these lines: those of their amounts first, then the newest."""
    rows = db.session.execute(
        text(
            """
            SELECT a.id, a.order_id, g.order_no, a.merchant_ref, a.amount_fen, a.created_at
            FROM payment_attempt a JOIN giving_gift g ON g.id = a.order_id
            WHERE a.provider = 'bank' AND a.state <> 'paid' AND g.paid_at IS NULL
              AND a.created_at BETWEEN :since AND :until
            ORDER BY (a.amount_fen = ANY(:fens)) DESC, a.created_at DESC, a.id DESC LIMIT :most
            """
        ),
        {
            "since": min(line.booked_at for line in lines) - LONGEST,
            "until": max(line.booked_at for line in lines) + timedelta(days=1),
            "fens": [line.amount_fen for line in lines],
            "most": MOST_CANDIDATES,
        },
    )
    return [_Candidate(*row) for row in rows]


# ---------------------------------------------------------------------- settling


def _hold(bank_account: str, serials: Sequence[str]) -> list[BankLine]:
    """Lock the lines among these that are money in and not booked yet, in order."""
    query = (
        select(BankLine)
        .where(
            BankLine.bank_account == bank_account,
            BankLine.serial.in_(serials),
            BankLine.entry_id.is_(None),
            BankLine.amount_fen > 0,
            BankLine.is_reversal.is_(False),
        )
        .order_by(BankLine.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(db.session.execute(query).scalars())


def _by_code(codes: set[str]) -> dict[str, Attempt]:
    if not codes:
        return {}
    query = select(Attempt).where(Attempt.provider == BANK, Attempt.merchant_ref.in_(codes))
    return {attempt.merchant_ref: attempt for attempt in db.session.execute(query).scalars()}


def _settle(pairs: Sequence[tuple[BankLine, Attempt]]) -> int:
    """Apply the facts of held lines and tie each line to the entry that its fact was booked by."""
    facts = [_fact(line, attempt) for line, attempt in pairs]
    if not facts:
        return 0
    settlement.apply_facts(facts)
    db.session.flush()
    entries = _entries(facts)
    tied = 0
    for (line, _), fact in zip(pairs, facts, strict=True):
        line.entry_id = entries.get((fact.account, fact.fact_ref))
        tied += line.entry_id is not None
    db.session.flush()
    return tied


def _entries(facts: Sequence[Fact]) -> dict[tuple[str, str], UUID]:
    """Return the entries by which payments by transfer were booked."""
    rows = db.session.execute(
        text(
            """
            SELECT f.account, f.fact_ref, e.id
            FROM unnest(CAST(:accounts AS text[]), CAST(:refs AS text[])) AS t(account, ref)
            JOIN payment_fact f ON (f.provider, f.account, f.kind, f.fact_ref)
                                 = ('bank', t.account, 'paid', t.ref)
            JOIN ledger_entry e ON e.key = 'fact:' || f.id
            """
        ),
        {"accounts": [fact.account for fact in facts], "refs": [fact.fact_ref for fact in facts]},
    )
    return {(row.account, row.fact_ref): row.id for row in rows}


def _fact(line: BankLine, attempt: Attempt) -> Fact:
    """Say what a line says. Where money came to another of our accounts, its number keeps serials apart."""
    is_same = line.bank_account == attempt.account
    return Fact(
        provider=BANK,
        account=attempt.account,
        kind=FactKind.PAID,
        fact_ref=line.serial if is_same else f"{line.bank_account}:{line.serial}",
        merchant_ref=attempt.merchant_ref,
        amount=Money(line.amount_fen),
        occurred_at=line.booked_at,
        source=FactSource.BILL,
        payer=line.counterparty_account or None,
    )
