"""Money never waits behind receipts and letters."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.outbox.models import Work
from fundraising.payments import inbox
from fundraising.payments.providers.base import Envelope
from worker import handlers


@pytest.mark.parametrize(("is_money_due", "done"), [(True, handlers.AT_ONCE), (False, 25)])
@pytest.mark.usefixtures("frozen_clock")
def test_a_worker_leaves_its_letters_when_money_comes(
    session: Session, monkeypatch: pytest.MonkeyPatch, *, is_money_due: bool, done: int
) -> None:
    monkeypatch.setitem(handlers.HANDLERS, Kind.SEND_MAIL, lambda _work: None)
    outbox.add_many(
        Kind.SEND_MAIL, [(f"letter-{n}", {}) for n in range(25)], clock.now() - timedelta(seconds=1)
    )
    if is_money_due:
        inbox.put(Envelope("wechatpay", "account", "notice-1", "TRANSACTION.SUCCESS", b"{}"))

    handlers.drain_outbox(Queue.MAIL)

    query = select(func.count()).select_from(Work).where(Work.done_at.is_not(None))
    assert session.execute(query).scalar_one() == done


def test_no_more_is_claimed_than_asked_for_however_the_database_reads(session: Session) -> None:
    outbox.add_many(
        Kind.SEND_MAIL, [(f"letter-{n}", {}) for n in range(25)], clock.now() - timedelta(seconds=1)
    )
    for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "indexscan"):
        session.execute(text(f"SET LOCAL enable_{way} = off"))

    claimed = outbox.claim(Queue.MAIL, 10, timedelta(minutes=2))

    assert len({work.id for work in claimed}) == 10
