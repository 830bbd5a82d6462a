"""What is done for each kind of work, and what counts as waiting work for each queue."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from time import monotonic
from uuid import UUID

import structlog

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.campaigns import service as campaigns
from fundraising.database import db, transaction
from fundraising.floods import service as floods
from fundraising.giving import day_totals, import_batches, reconciling, settlement
from fundraising.giving.mandates import charging, contracts
from fundraising.giving.mandates import schedule as mandates
from fundraising.ledger import checks
from fundraising.ledger import service as ledger
from fundraising.mail import service as mail
from fundraising.outbox import queries as outbox_queries
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.outbox.service import Claimed
from fundraising.payments import inbox, polling, pursuing, reconciliation
from fundraising.payments import service as payments
from fundraising.receipts import service as receipts
from fundraising.receipts.fiscal import service as fiscal

LEASE = timedelta(seconds=120)
AT_ONCE = 10
NOON = 12
BUDGET = timedelta(seconds=5)
log = structlog.get_logger(__name__)


def _reconcile_day(work: Claimed) -> None:
    """Reconcile the day that somebody asked for."""
    day = date.fromisoformat(work.payload["day"])
    reconciling.run(payments.provider(work.payload["provider"]), day)


def _follow_payment(work: Claimed) -> None:
    """Issue a paid gift's receipt, and begin the promise it is the first gift of, whose donor looks at it now.

    The schedule notes by itself what is missed here.
    """
    receipts.handle(work)
    with transaction():
        mandates.note_paid(UUID(work.payload["gift_id"]))


HANDLERS: dict[Kind, Callable[[Claimed], None]] = {
    Kind.ISSUE_RECEIPT: _follow_payment,
    Kind.ISSUE_PERIOD_RECEIPT: receipts.handle_period,
    Kind.FOLLOW_REFUND: receipts.follow_refund,
    Kind.ADVANCE_FISCAL: fiscal.advance,
    Kind.RECONCILE: _reconcile_day,
    Kind.SIGN_MANDATE: charging.sign,
    Kind.LOOK_AT_CONTRACT: contracts.look,
    Kind.TELL_MONTH: contracts.tell,
    Kind.CHARGE_MONTH: charging.charge,
    Kind.END_CONTRACT: charging.end_contract,
    Kind.SEND_MAIL: mail.deliver,
    Kind.IMPORT_GIFTS: import_batches.handle,
}


def due_queues() -> set[str]:
    """Return the queues whose doorbell should ring."""
    due: set[str] = {queue for queue in Queue if outbox_queries.has_due(queue)}
    if _is_money_due():
        due.add(Queue.MONEY)
    db.session.rollback()
    return due


def _is_money_due() -> bool:
    return inbox.has_due() or polling.has_due() or pursuing.has_due()


def drain_money() -> None:
    """Settle waiting notices, charge what is due, then ask about payments whose notice has not come.

    Where notices come by the hundred a second the rest is seldom due, and looking is cheaper than trying.
    """
    settlement.drain(BUDGET)
    is_charging, is_asking = outbox_queries.has_due(Queue.MONEY), polling.has_due()
    is_refunding = pursuing.has_due()
    db.session.rollback()
    if is_charging:
        drain_outbox(Queue.MONEY)
    if is_asking:
        polling.poll_due(settlement.apply_facts)
    if is_refunding:
        pursuing.pursue_due(settlement.apply_facts)
    if is_charging or is_asking or is_refunding:
        settlement.drain(BUDGET)


def drain_outbox(queue: Queue) -> None:
    """Do the due work of a queue until none is left, five seconds are over, or money wants this worker.

    Little is claimed at once: what a killed worker held comes again only when its lease runs out.
    """
    deadline = monotonic() + BUDGET.total_seconds()
    while monotonic() < deadline:
        with transaction():
            claimed = outbox.claim(queue, AT_ONCE, LEASE)
        for work in claimed:
            _do(work)
        with transaction():
            if not claimed or _is_money_due():
                return


def _do(work: Claimed) -> None:
    try:
        HANDLERS[work.kind](work)
        with transaction():
            outbox.done([work.id])
    except Exception as error:
        db.session.rollback()
        log.exception("work_failed", kind=work.kind, work=work.id)
        with transaction():
            outbox.failed(work, f"{type(error).__name__}: {error}")
            if work.attempts >= outbox.MOST_ATTEMPTS:
                audit.raise_alarm(f"outbox:dead:{work.kind}", {"work": work.id})


def fold() -> None:
    """Fold the totals of the books and of the days."""
    with transaction():
        ledger.fold_totals()
    with transaction():
        day_totals.fold()


def reconcile() -> None:
    """Reconcile the days that were never compared, each channel by itself; alarm when one is late."""
    for adapter in payments.providers().values():
        if not adapter.bill_kinds:
            continue
        for day in list(reconciliation.open_days(adapter)):
            db.session.rollback()
            done = reconciling.run(adapter, day)
            log.info("reconciled", provider=done.provider, day=str(day), state=done.state)
        db.session.rollback()
    with transaction():
        audit.beat("reconciliation")
        for adapter in payments.providers().values():
            late = [str(day) for day in reconciliation.open_days(adapter)]
            if adapter.bill_kinds and late and clock.now().astimezone(clock.SHANGHAI).hour >= NOON:
                audit.raise_alarm(f"payments:reconciliation:late:{adapter.name}", {"days": late})


def check_books() -> None:
    """Prove the books and raise an alarm for what does not hold."""
    findings: Sequence[checks.Finding] = checks.run_all()
    db.session.rollback()
    with transaction():
        audit.beat("books")
        if findings:
            audit.raise_alarm(
                "books:check", {"findings": [f"{f.check}: {f.what}" for f in findings][:20]}
            )


def tidy() -> None:
    """What is done once a day: campaigns that end, old letters and notices."""
    with transaction():
        campaigns.end_due()
    with transaction():
        mail.forget_old()
        inbox.purge()
    with transaction():
        floods.forget()


def watch_floods() -> None:
    """Raise an alarm where most checkouts end unpaid."""
    with transaction():
        floods.watch()


def plan_receipts() -> None:
    """Plan the receipts of months and years that are over."""
    with transaction():
        receipts.plan_periods()


def monthly() -> None:
    """Monthly gifts: note those that came in, announce, remind, give up; letters by day only."""
    deadline = monotonic() + BUDGET.total_seconds()
    steps = mandates.ALWAYS + (mandates.BY_DAY if mandates.is_open_hour() else ())
    for step in steps:
        moved = 1
        while moved and monotonic() < deadline:
            with transaction():
                moved = step()
    with transaction():
        audit.beat("monthly")
