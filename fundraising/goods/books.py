"""The books of goods: accounts of their own, never a fund's lane. What has no value is not booked."""

from datetime import date, datetime, time

from fundraising import clock
from fundraising.goods.models import Movement, MovementKind
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money

NOON = time(12)


def received(step: Movement, on: date) -> None:
    """Book goods that came in at their stated value."""
    amount = Money(step.value_fen)
    if amount:
        lines = (debit(chart.GOODS, amount), credit(chart.INCOME_GOODS, amount))
        at = datetime.combine(on, NOON, clock.SHANGHAI)
        ledger.post(
            NewEntry(f"goods:{step.id}", EntryKind.GOODS_RECEIVED, at, lines, actor=_by(step))
        )


def left(step: Movement) -> None:
    """Book goods that were handed out or written off at what they stood for."""
    amount = Money(step.value_fen)
    if not amount:
        return
    is_given = step.kind == MovementKind.HANDED_OUT
    account = chart.GOODS_HANDED_OUT if is_given else chart.GOODS_LOST
    kind = EntryKind.GOODS_HANDED_OUT if is_given else EntryKind.GOODS_WRITTEN_OFF
    lines = (debit(account, amount), credit(chart.GOODS, amount))
    ledger.post(NewEntry(f"goods:{step.id}", kind, step.at, lines, actor=_by(step)))


def _by(step: Movement) -> str:
    return f"staff:{step.approved_by or step.recorded_by}"
