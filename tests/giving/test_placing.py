"""Money from the bank that nobody could place becomes a gift on two people's word."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.giving import (
    people,
    placing,
    queries,
    refunds,
    resolving,
    settlement,
    transfer_refunds,
)
from fundraising.giving.errors import (
    LineNotInSuspense,
    PlacingNotFound,
    PlacingOver,
    PlacingReasonMissing,
)
from fundraising.giving.models import Gift, Placing
from fundraising.giving.people import PersonData
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as books
from fundraising.mail.service import AddressRefused
from fundraising.money import Money
from fundraising.outbox.models import Work
from fundraising.payments import bank_booking, pursuing, reviews, statements
from fundraising.payments.errors import SamePerson
from fundraising.payments.models import BankLine
from fundraising.payments.providers.bank import BankTransfer
from fundraising.payments.providers.base import FactKind, FactSource
from fundraising.payments.statement_files import NewBankLine
from fundraising.references import uuid7
from tests.factories import Make
from tests.giving.test_settlement import paid, state_of

Staff = Callable[..., User]
Open = Callable[..., FlaskClient]
NOON = datetime(2026, 11, 3, 12, 0, tzinfo=clock.SHANGHAI)
LI = PersonData(name="李女士", email="li@example.org")


@pytest.fixture
def line(session: Session) -> BankLine:
    statements.import_lines("13050000", [NewBankLine("S9", NOON, Money(8800), "李女士", "献爱心")])
    found = statements.find("13050000", "S9")
    bank_booking.book_suspense(found, None)
    return found


@pytest.fixture
def two(make_staff: Staff) -> tuple[UUID, UUID]:
    return make_staff("finance").id, make_staff("finance").id


def test_one_proposes_another_books_and_the_gift_is_like_any_other(
    line: BankLine, campaign: Campaign, two: tuple[UUID, UUID], make: Make
) -> None:
    first, second = two
    asked = placing.propose(line.id, campaign, LI, reason="电话核实", actor_id=first)
    assert books.balance(chart.SUSPENSE) == Money(-8800)
    with pytest.raises(SamePerson):
        placing.book(asked.id, first)

    gift = queries.by_id(placing.book(asked.id, second))

    assert books.balance(chart.SUSPENSE) == Money(0)
    assert (gift.amount_fen, gift.paid_at, gift.channel) == (8800, NOON, "bank")
    assert people.read(gift.id).email == "li@example.org"
    assert (asked.wrapped_key, asked.sealed) == (None, None)
    kinds = {work.kind for work in db.session.execute(select(Work)).scalars()}
    assert "receipts.issue" in kinds
    spent = make.line(campaign.fund_id, 5000)
    fund_service.draw(spent.id, Money(5000))
    traced = funds.trace(gift.id)
    assert traced is not None
    assert (traced.draws[0].fen, traced.unspent_fen) == (5000, 3800)
    assert placing.waiting() == []
    assert checks.run_here() == []
    with pytest.raises(PlacingOver):
        placing.book(asked.id, second)


def test_a_placed_gift_goes_back_to_the_account_it_came_from(
    app: Flask, line: BankLine, campaign: Campaign, two: tuple[UUID, UUID]
) -> None:
    app.extensions["providers"] = {"bank": BankTransfer("13050000", "承德市红十字会", "某银行")}
    asked = placing.propose(line.id, campaign, LI, reason="电话核实", actor_id=two[0])
    gift = queries.by_id(placing.book(asked.id, two[1]))
    back = refunds.request(gift, Money(3000), reason="汇错了", actor_id=two[0])
    refunds.approve(back.id, two[1])
    db.session.commit()
    pursuing.pursue_due(settlement.apply_facts)
    (one,) = transfer_refunds.waiting()
    assert (one.refund_id, one.amount_fen, one.name) == (back.id, 3000, "李女士")
    assert checks.run_here() == []

    statements.import_lines("13050000", [NewBankLine("S10", clock.now(), Money(-3000), "李女士")])
    transfer_refunds.book(statements.find("13050000", "S10").id, back.id, two[0])

    db.session.refresh(gift)
    assert (gift.state, gift.refunded_fen) == ("partly_refunded", 3000)
    assert books.balance(chart.BANK) == Money(5800)
    assert checks.run_here() == []
    app.extensions["providers"] = {}


def test_a_gift_made_of_an_orphan_goes_back_to_the_payment_on_the_providers_bill(
    start: Callable[..., Gift], campaign: Campaign, two: tuple[UUID, UUID]
) -> None:
    named = {"merchant_ref": "NOBODY", "fact_ref": "T-STRAY"}
    other = start(1000)
    settlement.apply_facts([paid(other, source=FactSource.BILL, **named)])
    (review,) = reviews.open_reviews()
    resolving.give_to(review.id, campaign, note="账单核对", actor_id=two[0])
    gift = db.session.execute(select(Gift).where(Gift.id != other.id)).scalar_one()

    back = refunds.request(gift, Money(400), reason="捐赠人要求", actor_id=two[0])
    refunds.approve(back.id, two[1])
    kind = {"kind": FactKind.REFUNDED, "fact_ref": back.refund_no, "amount": Money(400)}
    settlement.apply_facts([paid(other, **{**named, **kind})])

    assert (state_of(gift), state_of(other)) == ("partly_refunded", "created")
    assert funds.totals(campaign.fund_id).raised_fen == 600
    assert checks.run_here() == []


def test_what_makes_no_sense_is_refused(
    line: BankLine, campaign: Campaign, two: tuple[UUID, UUID]
) -> None:
    first, second = two
    with pytest.raises(PlacingReasonMissing):
        placing.propose(line.id, campaign, LI, reason=" ", actor_id=first)
    with pytest.raises(AddressRefused):
        placing.propose(line.id, campaign, PersonData(email="nobody"), reason="x", actor_id=first)
    with pytest.raises(LineNotInSuspense):
        placing.propose(uuid7(), campaign, LI, reason="x", actor_id=first)
    with pytest.raises(PlacingNotFound):
        placing.book(uuid7(), first)

    asked = placing.propose(line.id, campaign, LI, reason="电话核实", actor_id=first)
    with pytest.raises(LineNotInSuspense):
        placing.propose(line.id, campaign, LI, reason="x", actor_id=second)
    placing.withdraw(asked.id, first)
    assert asked.sealed is None
    placing.propose(line.id, campaign, PersonData(), reason="无名氏", actor_id=second)
    assert [row.person for row in placing.waiting()] == [PersonData()]


def test_both_people_do_it_on_the_page(
    line: BankLine, campaign: Campaign, make_staff: Staff, staff_client: Open
) -> None:
    first, second = staff_client(make_staff("finance")), staff_client(make_staff("finance"))
    told = {"campaign": campaign.slug, "name": "李女士", "email": "li@", "reason": "电话核实"}
    refused = first.post(f"/staff/suspense/lines/{line.id}", data=told)
    assert refused.status_code == 422
    assert "电话核实" in refused.text

    told["email"], told["is_named"] = "li@example.org", "on"
    first.post(f"/staff/suspense/lines/{line.id}", data=told)
    asked = db.session.execute(select(Placing)).scalar_one()
    assert "按此入账为捐赠" not in first.get("/staff/suspense").text
    assert "按此入账为捐赠" in second.get("/staff/suspense").text
    answer = second.post(f"/staff/suspense/{asked.id}", data={"do": "book"})

    gift = db.session.execute(select(Gift)).scalar_one()
    assert answer.location.endswith(f"/staff/orders/{gift.ref}")
    assert gift.display_name == "李女士"
    assert "凭证" in second.get(answer.location).text


def test_a_proposal_is_given_up_on_the_page(
    line: BankLine, campaign: Campaign, two: tuple[UUID, UUID], staff_client: Open
) -> None:
    asked = placing.propose(line.id, campaign, LI, reason="电话核实", actor_id=two[0])

    staff_client("finance").post(f"/staff/suspense/{asked.id}", data={"do": "withdraw"})

    assert [row.placing for row in placing.waiting()] == [None]


def test_its_donor_sees_that_a_receipt_comes(
    line: BankLine, campaign: Campaign, two: tuple[UUID, UUID], client: FlaskClient
) -> None:
    asked = placing.propose(line.id, campaign, LI, reason="电话核实", actor_id=two[0])
    gift = queries.by_id(placing.book(asked.id, two[1]))

    assert "正在开具收款确认" in client.get(f"/t/{gift.token}").text
