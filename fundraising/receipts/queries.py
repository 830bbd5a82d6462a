"""Reading receipts: by gift, by code, by secret token; gifts whose month or year is over."""

import re
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import aliased

from fundraising import clock
from fundraising.database import db
from fundraising.giving.models import PERIOD_RULES, Gift, ReceiptRule
from fundraising.receipts.errors import ReceiptNotFound
from fundraising.receipts.models import Receipt, ReceiptLine, ReceiptState

PRINTED = re.compile(r"R([0-9]{4})-([0-9]{1,9})")


@dataclass(frozen=True)
class Waiting:
    """A donor's gifts of one period that are on no receipt yet."""

    group: str
    rule: ReceiptRule
    period: str


def get(receipt_id: UUID) -> Receipt:
    """Return a receipt. Raises ReceiptNotFound."""
    found = db.session.get(Receipt, receipt_id)
    if found is None:
        raise ReceiptNotFound
    return found


def find_valid(gift_id: UUID) -> Receipt | None:
    """Return the valid receipt a gift is on, None when there is none."""
    query = (
        select(Receipt)
        .join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
        .where(ReceiptLine.gift_id == gift_id, ReceiptLine.is_valid)
    )
    return _one(query)


def find_by_code(code: str) -> Receipt | None:
    """Return the receipt of a verification code, whatever its letters' case and spacing."""
    plain = "".join(c for c in code.upper() if c.isalnum())
    return _one(select(Receipt).where(Receipt.code == plain))


def find_by_token(token: str) -> Receipt | None:
    """Return the receipt of its own secret token, None when there is none."""
    return _one(select(Receipt).where(Receipt.token == token))


def replacement_of(receipt: Receipt) -> Receipt | None:
    """Return the receipt that took the place of a void one, None when none did."""
    return _one(select(Receipt).where(Receipt.replaces_id == receipt.id))


def find_void(gift_id: UUID) -> Receipt | None:
    """Return the void receipt that a new one for this gift would take the place of, None when there is none."""
    later = aliased(Receipt)
    query = (
        select(Receipt)
        .join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
        .where(ReceiptLine.gift_id == gift_id, Receipt.state == ReceiptState.VOID)
        .where(Receipt.period == "", ~exists().where(later.replaces_id == Receipt.id))
        .order_by(Receipt.id.desc())
        .limit(1)
    )
    return _one(query)


def find_by_number(text: str) -> Receipt | None:
    """Return the receipt of a printed number such as ``R2026-000001``, or of its verification code."""
    printed = PRINTED.fullmatch(text.strip().upper())
    if printed is None:
        return find_by_code(text)
    year, number = int(printed[1]), int(printed[2])
    return _one(select(Receipt).where(Receipt.year == year, Receipt.number == number))


def latest(limit: int = 50) -> list[Receipt]:
    """Return receipts, those issued last first."""
    query = select(Receipt).order_by(Receipt.id.desc()).limit(limit)
    return list(db.session.execute(query).scalars())


def lines_of(receipt_id: UUID) -> list[ReceiptLine]:
    """Return the gifts on a receipt, in one order."""
    query = select(ReceiptLine).where(ReceiptLine.receipt_id == receipt_id)
    return list(db.session.execute(query.order_by(ReceiptLine.gift_id)).scalars())


def waiting(limit: int = 1000) -> list[Waiting]:
    """Return whose month or year is over and has gifts on no receipt, valid or void."""
    today = clock.today()
    begins = {
        ReceiptRule.MONTHLY: today.replace(day=1),
        ReceiptRule.YEARLY: today.replace(month=1, day=1),
    }
    found: list[Waiting] = []
    for rule in PERIOD_RULES:
        begin = datetime.combine(begins[rule], time(), clock.SHANGHAI)
        period = period_of(rule)
        query = (
            select(Gift.receipt_group, period)
            .where(*unreceipted(rule), Gift.paid_at < begin)
            .distinct()
            .order_by(period, Gift.receipt_group)
            .limit(limit)
        )
        found += [Waiting(row[0] or "", rule, row[1]) for row in db.session.execute(query)]
    return found[:limit]


def gifts_of(waiting_for: Waiting) -> list[UUID]:
    """Return the gifts of a donor's period that are on no receipt yet."""
    query = select(Gift.id).where(
        *unreceipted(waiting_for.rule),
        Gift.receipt_group == waiting_for.group,
        period_of(waiting_for.rule) == waiting_for.period,
    )
    return list(db.session.execute(query.order_by(Gift.id)).scalars())


def period_of(rule: ReceiptRule) -> ColumnElement[str]:
    """Return the expression that names the Shanghai month or year of a gift's payment."""
    form = "YYYY-MM" if rule is ReceiptRule.MONTHLY else "YYYY"
    return func.to_char(func.timezone("Asia/Shanghai", Gift.paid_at), form)


def unreceipted(rule: ReceiptRule) -> tuple[ColumnElement[bool], ...]:
    """Return what makes a gift wait for a receipt of that rule."""
    return (
        Gift.receipt_rule == rule,
        Gift.paid_at.is_not(None),
        Gift.refunded_fen < Gift.amount_fen,
        ~exists().where(ReceiptLine.gift_id == Gift.id),
    )


def _one(query: Select[Receipt]) -> Receipt | None:
    return db.session.execute(query).scalar_one_or_none()
