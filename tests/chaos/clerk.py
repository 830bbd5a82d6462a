"""Somebody at the chapter who sends gifts back all through the storm, through the product's own service."""

import random
import threading
import time

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from fundraising.database import db, transaction
from fundraising.money import Money
from fundraising.payments import facts, refunds
from fundraising.payments.models import Attempt, AttemptState, RefundOrigin


class Clerk(threading.Thread):
    """Asks for so many refunds over so many seconds; a database that is away is tried again."""

    def __init__(self, app: Flask, count: int, seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.app, self.count, self.seconds = app, count, seconds
        self.chance = random.Random(seed)

    def run(self) -> None:
        """Ask for one after another, until all are asked for or time is over."""
        start, asked = time.monotonic(), 0
        while asked < self.count and time.monotonic() - start < self.seconds:
            time.sleep(max(0.0, start + self.seconds * asked / self.count - time.monotonic()))
            with self.app.app_context():
                try:
                    asked += _ask(self.chance)
                except SQLAlchemyError:
                    time.sleep(0.3)
                db.session.remove()


def _ask(chance: random.Random) -> bool:
    """Send a part of some paid gift back; False when none is paid yet."""
    with transaction():
        query = (
            select(Attempt)
            .where(Attempt.state == AttemptState.PAID, Attempt.refunded_fen == 0)
            .where(Attempt.refund_reserved_fen == 0)
            .order_by(Attempt.paid_at.desc())
            .limit(20)
        )
        found = list(db.session.execute(query).scalars())
        if not found:
            time.sleep(0.3)
            return False
        attempt = chance.choice(found)
        refunds.request(
            attempt.id,
            Money(chance.randint(1, attempt.refundable_fen)),
            origin=_origin(attempt),
            reason="chaos",
            actor_id=None,
            is_small=True,
        )
    return True


def _origin(attempt: Attempt) -> RefundOrigin:
    is_second = facts.paid_outcomes([attempt.id])[attempt.id] == "duplicate"
    return RefundOrigin.UNAPPLIED if is_second else RefundOrigin.GIFT
