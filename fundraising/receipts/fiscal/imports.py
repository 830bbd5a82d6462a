"""Issued bills from a file, for departments without an interface: first what would happen, then doing it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from fundraising import references
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.errors import DomainError, Invalid
from fundraising.giving import queries as gifts
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, MoneyError
from fundraising.payments import statement_files
from fundraising.receipts.fiscal import queries, service
from fundraising.receipts.fiscal.department import Answer, Outcome
from fundraising.receipts.fiscal.models import BillState, FiscalBill

HEADINGS = {
    "order_no": ("订单号", "order_no"),
    "code": ("票据代码", "code"),
    "number": ("票据号码", "number"),
    "check_code": ("校验码", "check_code"),
    "issued_on": ("开票日期", "issued_on"),
    "amount": ("金额", "金额(元)", "amount"),
    "url": ("链接", "url"),
    "state": ("状态", "state"),
    "red_code": ("红票代码", "red_code"),
    "red_number": ("红票号码", "red_number"),
}
NEEDED = ("order_no", "code", "number", "check_code", "issued_on", "amount")
STATES = {"": BillState.ISSUED, "正常": BillState.ISSUED, "issued": BillState.ISSUED}
STATES |= {"红冲": BillState.RED_ISSUED, "red": BillState.RED_ISSUED}
STATES |= {"作废": BillState.VOID, "void": BillState.VOID}
DAY = re.compile(r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})日?")


class UnreadableBills(Invalid):
    """No file of issued bills."""

    code = "unreadable_bills"
    message = _l(
        "This file cannot be read. It needs the columns 订单号, 票据代码, 票据号码, 校验码, 开票日期, 金额."
    )


@dataclass(frozen=True)
class Line:
    """One bill of the file."""

    at: int
    gift_id: UUID
    state: BillState
    answer: Answer
    red_code: str = ""
    red_number: str = ""


@dataclass(frozen=True)
class Problem:
    """A line that cannot be used."""

    line: int
    problem: Any


@dataclass(frozen=True)
class Plan:
    """What taking the file over would do."""

    new: list[Line] = field(default_factory=list)
    known: int = 0
    errors: list[Problem] = field(default_factory=list)


class _Bad(Exception):
    def __init__(self, problem: Any) -> None:
        super().__init__()
        self.problem = problem


def plan(data: bytes) -> Plan:
    """Read a file and say what it would change; nothing is written. Raises UnreadableBills."""
    try:
        table = statement_files.table_of(data)
    except Invalid as bad:
        raise UnreadableBills from bad
    columns = _columns(table[0]) if table else {}
    if not set(NEEDED) <= set(columns):
        raise UnreadableBills
    found, seen = Plan(), set[tuple[str, str]]()
    known = 0
    for at, row in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            line = _line(at, {n: _cell(row, columns.get(n)) for n in HEADINGS}.__getitem__, seen)
        except _Bad as bad:
            found.errors.append(Problem(at, bad.problem))
            continue
        if _is_known(line):
            known += 1
        else:
            found.new.append(line)
    return Plan(found.new, known, found.errors)


def apply(planned: Plan, actor_id: UUID) -> int:
    """Take over what was planned in the caller's transaction; the same file again changes nothing."""
    for line in planned.new:
        _apply(line)
    audit.record("fiscal.imported", "fiscal", actor_id, {"bills": len(planned.new)})
    return len(planned.new)


def _columns(headings: list[str]) -> dict[str, int]:
    plain = [cell.strip().strip("\ufeff") for cell in headings]
    return {
        name: plain.index(heading)
        for name, headings_of in HEADINGS.items()
        for heading in headings_of
        if heading in plain
    }


def _cell(row: list[str], at: int | None) -> str:
    return row[at].strip().lstrip("'") if at is not None and at < len(row) else ""


def _line(at: int, cell: Callable[[str], str], seen: set[tuple[str, str]]) -> Line:
    try:
        gift = gifts.by_order_no(cell("order_no"))
        amount = Money.parse_yuan(cell("amount")).minor
    except DomainError:
        raise _Bad(_l("There is no order with this number.")) from None
    except MoneyError:
        raise _Bad(_l("The amount is no amount.")) from None
    state, code, number = STATES.get(cell("state")), cell("code"), cell("number")
    if state is None or not code or not number or (code, number) in seen:
        raise _Bad(_l("Code, number or state is missing, unknown or doubled."))
    seen.add((code, number))
    red = (cell("red_code"), cell("red_number"))
    if state is BillState.RED_ISSUED and not all(red):
        raise _Bad(_l("A red bill needs its own code and number."))
    known = _known(code, number)
    if known is None and (state is not BillState.ISSUED or amount != gift.kept_fen):
        raise _Bad(
            _l("The amount is not what is left of this gift, or the bill is not known here.")
        )
    if known is not None and (known.gift_id != gift.id or known.amount_fen != amount):
        raise _Bad(_l("This bill is known here with another gift or amount."))
    answer = Answer(
        Outcome.ISSUED,
        amount,
        code,
        number,
        cell("check_code"),
        _day(cell("issued_on")),
        cell("url"),
    )
    return Line(at, gift.id, state, answer, *red)


def _day(text: str) -> date:
    found = DAY.fullmatch(text)
    try:
        return date(*map(int, found.groups())) if found else date.fromisoformat(text)
    except ValueError:
        raise _Bad(_l("The date is no date.")) from None


def _known(code: str, number: str) -> FiscalBill | None:
    query = select(FiscalBill).where(FiscalBill.code == code, FiscalBill.number == number)
    return db.session.execute(query).scalar_one_or_none()


def _is_known(line: Line) -> bool:
    known = _known(line.answer.code, line.answer.number)
    if known is None:
        return False
    done = {
        BillState.ISSUED: True,
        BillState.RED_ISSUED: known.state == BillState.RED_ISSUED,
        BillState.VOID: known.state == BillState.VOID,
    }
    return done[line.state]


def _apply(line: Line) -> None:
    service.lock_gift(line.gift_id)
    known = _known(line.answer.code, line.answer.number)
    if known is not None and line.state is BillState.VOID:
        known.state = BillState.VOID
        db.session.flush()
    elif known is not None and line.state is BillState.RED_ISSUED:
        service.record_red(known, line.red_code, line.red_number)
    elif known is None:
        service.record_issued(_open(line), line.answer)


def _open(line: Line) -> FiscalBill:
    """Return the request this bill answers: the one that waits, or a new one."""
    waiting = queries.find_open(line.gift_id)
    if waiting is not None and waiting.state == BillState.REQUESTED:
        return waiting
    bill = FiscalBill(
        gift_id=line.gift_id,
        request_no=references.order_number(),
        amount_fen=line.answer.amount_fen,
    )
    db.session.add(bill)
    db.session.flush()
    return bill
