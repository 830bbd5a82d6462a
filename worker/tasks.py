"""The tasks: one per queue and one per timed duty; none takes an argument."""

from typing import Any

from celery import shared_task

from fundraising.database import db
from fundraising.outbox.kinds import Queue
from worker import handlers
from worker.app import RING_EXPIRES_SECONDS, flask_app
from worker.pulse import Pulse

PULSE = Pulse("worker")


def _task(name: str, queue: Queue) -> Any:
    return shared_task(name=name, queue=queue, expires=RING_EXPIRES_SECONDS)


@_task("money.drain", Queue.MONEY)
def drain_money() -> None:
    """Settle what providers said."""
    with flask_app.app_context():
        handlers.drain_money()
        PULSE.beat()


@_task("receipts.drain", Queue.RECEIPTS)
def drain_receipts() -> None:
    """Issue receipts."""
    with flask_app.app_context():
        handlers.drain_outbox(Queue.RECEIPTS)


@_task("mail.drain", Queue.MAIL)
def drain_mail() -> None:
    """Send letters."""
    with flask_app.app_context():
        handlers.drain_outbox(Queue.MAIL)


@_task("maintenance.drain", Queue.MAINTENANCE)
def drain_maintenance() -> None:
    """Do other work of the outbox."""
    with flask_app.app_context():
        handlers.drain_outbox(Queue.MAINTENANCE)


@_task("maintenance.fold", Queue.MAINTENANCE)
def fold() -> None:
    """Fold totals."""
    with flask_app.app_context():
        handlers.fold()
        PULSE.beat()


@_task("maintenance.check_books", Queue.MAINTENANCE)
def check_books() -> None:
    """Prove the books."""
    with flask_app.app_context():
        handlers.check_books()
        db.session.remove()


@_task("maintenance.reconcile", Queue.MAINTENANCE)
def reconcile() -> None:
    """Compare the channels' days with their bills and the bank."""
    with flask_app.app_context():
        handlers.reconcile()


@_task("maintenance.tidy", Queue.MAINTENANCE)
def tidy() -> None:
    """The daily duties."""
    with flask_app.app_context():
        handlers.tidy()


@_task("receipts.plan", Queue.RECEIPTS)
def plan_receipts() -> None:
    """Receipts by month and year, once a day."""
    with flask_app.app_context():
        handlers.plan_receipts()


@_task("maintenance.watch_floods", Queue.MAINTENANCE)
def watch_floods() -> None:
    """Look whether checkouts are being paid."""
    with flask_app.app_context():
        handlers.watch_floods()


@_task("maintenance.monthly", Queue.MAINTENANCE)
def monthly() -> None:
    """Monthly gifts: announced, asked for, noted."""
    with flask_app.app_context():
        handlers.monthly()


RING = {
    Queue.MONEY: drain_money,
    Queue.RECEIPTS: drain_receipts,
    Queue.MAIL: drain_mail,
    Queue.MAINTENANCE: drain_maintenance,
}
