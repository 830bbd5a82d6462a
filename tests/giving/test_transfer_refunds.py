"""A gift by bank transfer that goes back: two people, a person at the bank, and the statement's line."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import queries, refunds, settlement, transfer_refunds, transfers
from fundraising.giving.models import Gift, GiftState
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments import pursuing, reviews, statements
from fundraising.payments import refunds as payment_refunds
from fundraising.payments import service as payments
from fundraising.payments.errors import RefundTooLarge
from fundraising.payments.models import Attempt, BankLine, Refund, ReviewKind
from fundraising.payments.providers.bank import BankTransfer
from fundraising.payments.statement_files import NewBankLine
from tests.conftest import FrozenClock
from tests.giving.test_pages import post
from tests.giving.test_settlement import state_of

ACCOUNT = "1305000000000001314"


@pytest.fixture(autouse=True)
def bank(app: Flask) -> Iterator[None]:
    app.extensions["providers"] = {"bank": BankTransfer(ACCOUNT, "承德市红十字会", "某银行")}
    yield
    app.extensions["providers"] = {}


@pytest.fixture
def paid_twice(client: FlaskClient, campaign: Campaign) -> tuple[Gift, Attempt]:
    """A gift of 100 yuan whose code came on two lines of the statement."""
    _, where = post(client, campaign, product="bank.transfer")
    gift = queries.by_order_no(where.rsplit("/", 1)[1])
    attempt = payments.latest(gift.id)
    assert attempt is not None
    line("S1", 10_000, attempt.merchant_ref, "王芳")
    line("S2", 10_000, attempt.merchant_ref, "王芳的母亲")
    return gift, attempt


def line(serial: str, fen: int, memo: str = "", name: str = "") -> BankLine:
    new = NewBankLine(
        serial, clock.now(), Money(fen), name, memo, counterparty_account=f"6222{serial}"
    )
    transfers.take_over(ACCOUNT, [new])
    db.session.commit()
    return statements.find(ACCOUNT, serial)


def asked(gift: Gift, fen: int, actor: User) -> Refund:
    return refunds.request(gift, Money(fen), reason="sent twice", actor_id=actor.id)


def sent(refund: Refund, second: User) -> None:
    """Let a second person approve, and the worker pass it on."""
    refunds.approve(refund.id, second.id)
    db.session.commit()
    pursuing.pursue_due(settlement.apply_facts)


def test_what_was_paid_twice_goes_back_by_two_lines_each_to_its_own_account(
    paid_twice: tuple[Gift, Attempt], make_staff: Callable[..., User], frozen_clock: FrozenClock
) -> None:
    gift, _ = paid_twice
    first, second = make_staff("finance"), make_staff("finance")
    with pytest.raises(RefundTooLarge):
        asked(gift, 20_000, first)
    (review,) = (r for r in reviews.open_reviews() if r.kind == ReviewKind.DUPLICATE)
    again = refunds.propose_for(review.id, reason="sent twice", actor_id=first.id)
    part = asked(gift, 4_000, first)
    with pytest.raises(RefundTooLarge):
        asked(gift, 6_001, first)
    sent(again, second)
    assert [(one.amount_fen, one.name) for one in transfer_refunds.waiting()] == [
        (10_000, "王芳的母亲")
    ]

    wrong = line("S3", -9_999)
    with pytest.raises(statements.NotWaiting):
        transfer_refunds.book(wrong.id, again.id, first.id)
    transfer_refunds.book(line("S4", -10_000, again.refund_no).id, again.id, first.id)

    assert (state_of(gift), ledger.balance(chart.UNAPPLIED)) == (GiftState.PAID, Money(0))
    assert ledger.balance(chart.BANK) == Money(10_000)
    payment_refunds.cancel(part.id, first.id)
    frozen_clock.move(minutes=2)
    whole = asked(gift, 10_000, first)
    sent(whole, second)
    assert [one.name for one in transfer_refunds.waiting()] == ["王芳"]
    transfer_refunds.book(line("S5", -10_000).id, whole.id, second.id)
    with pytest.raises(statements.NotWaiting):
        transfer_refunds.book(line("S6", -10_000).id, whole.id, second.id)

    assert (state_of(gift), ledger.balance(chart.BANK)) == (GiftState.REFUNDED, Money(0))
    assert transfer_refunds.waiting() == []
    assert checks.run_here() == []
