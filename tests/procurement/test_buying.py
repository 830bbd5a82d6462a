"""Buying with two signatures: what each step allows, refuses and books."""

from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.funds import queries as funds
from fundraising.funds.errors import FundOverspent
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.procurement import payouts, queries, service
from fundraising.procurement.errors import (
    NothingToBuy,
    NotYours,
    PapersMissing,
    PurchaseChanged,
    ReasonMissing,
    SamePerson,
    TooMuch,
    WrongState,
)
from fundraising.procurement.models import DocumentKind, Purchase, PurchaseState
from fundraising.procurement.service import NewLine
from tests.factories import Make
from tests.workshop import PDF, PRICE, Workshop


def reserved(workshop: Workshop) -> int:
    """What the fund has set aside."""
    lane = funds.lane(workshop.campaign.fund_id)
    db.session.refresh(lane)
    return lane.reserved_fen


def state(purchase: Purchase) -> str:
    """The state in the database."""
    return queries.get(purchase.number).state


def test_the_person_who_prepared_a_purchase_cannot_approve_it(workshop: Workshop) -> None:
    purchase = workshop.submitted()

    with pytest.raises(SamePerson):
        service.approve(purchase, workshop.buyer.id)

    assert state(purchase) == PurchaseState.SUBMITTED


def test_the_database_refuses_one_person_in_both_roles(
    workshop: Workshop, session: Session
) -> None:
    purchase = workshop.submitted()

    with pytest.raises(IntegrityError, match="two_people"), session.begin_nested():
        session.execute(
            text("UPDATE purchase SET approved_by = prepared_by WHERE id = :id"),
            {"id": purchase.id},
        )
    with pytest.raises(IntegrityError, match="approved_has_approver"), session.begin_nested():
        session.execute(
            text("UPDATE purchase SET state = 'approved' WHERE id = :id"), {"id": purchase.id}
        )


def test_approval_sets_the_money_aside_in_the_fund(workshop: Workshop) -> None:
    workshop.approved(quantity=3)

    assert reserved(workshop) == 3 * PRICE


def test_more_than_the_fund_holds_is_refused_with_both_amounts(workshop: Workshop) -> None:
    workshop.approved(quantity=8)
    purchase = workshop.submitted(quantity=1)

    with pytest.raises(FundOverspent) as refused:
        service.approve(purchase, workshop.approver.id)

    assert refused.value.extra == {"needed_fen": PRICE, "free_fen": 10_000_000 - 8 * PRICE}
    assert "¥11,576.00" in str(refused.value.message)
    assert state(purchase) == PurchaseState.SUBMITTED


def test_a_purchase_without_lines_or_contract_is_not_handed_in(workshop: Workshop) -> None:
    seller = service.supplier("测试供应商")
    empty = service.create(workshop.campaign, seller, {"zh": "空"}, [], workshop.buyer.id)
    with pytest.raises(NothingToBuy):
        service.submit(empty, workshop.buyer.id)

    with pytest.raises(PapersMissing):
        service.submit(workshop.draft(), workshop.buyer.id)


def test_a_draft_is_changed_only_by_the_person_who_prepares_it(workshop: Workshop) -> None:
    purchase = workshop.draft()
    line = NewLine({"zh": "外箱"}, 1, 50_000)

    with pytest.raises(NotYours):
        service.add_line(purchase.id, line, workshop.approver.id)
    service.add_line(purchase.id, line, workshop.buyer.id)

    assert [one.position for one in queries.lines(purchase.id)] == [1, 2]


def test_an_approver_who_saw_an_older_version_is_told(workshop: Workshop) -> None:
    purchase = workshop.submitted()
    seen = queries.get(purchase.number).version
    service.reopen(purchase, workshop.buyer.id)
    service.add_line(purchase.id, NewLine({"zh": "外箱"}, 1, 50_000), workshop.buyer.id)
    service.submit(purchase, workshop.buyer.id)

    with pytest.raises(PurchaseChanged):
        service.approve(purchase, workshop.approver.id, version=seen)


def test_sending_back_needs_a_reason_and_the_preparer_may_try_again(workshop: Workshop) -> None:
    purchase = workshop.submitted()
    with pytest.raises(ReasonMissing):
        service.reject(purchase, "  ", workshop.approver.id)

    service.reject(purchase, "报价过高", workshop.approver.id)
    service.reopen(purchase, workshop.buyer.id)

    assert state(purchase) == PurchaseState.DRAFT


def test_cancelling_before_acceptance_gives_the_money_back(workshop: Workshop) -> None:
    purchase = workshop.approved()

    service.cancel(purchase, "供应商停产", workshop.buyer.id)

    assert (state(purchase), reserved(workshop)) == (PurchaseState.CANCELLED, 0)


def test_goods_are_booked_to_programme_cost_as_they_are_accepted(workshop: Workshop) -> None:
    purchase = workshop.approved(quantity=5, price=20_000, is_device=False)
    line = queries.lines(purchase.id)[0]

    service.accept(line.id, 2, workshop.buyer.id)
    service.accept(line.id, 3, workshop.buyer.id)

    cost = ledger.balance(chart.PROGRAMME_COST, fund_id=workshop.campaign.fund_id)
    assert cost == Money(100_000)
    assert ledger.balance(chart.PAYABLE) == Money(-100_000)
    assert state(purchase) == PurchaseState.RECEIVED
    assert funds.totals(workshop.campaign.fund_id).spent_fen == 100_000
    assert reserved(workshop) == 0


def test_more_than_was_ordered_is_not_accepted(workshop: Workshop) -> None:
    line = queries.lines(workshop.approved(quantity=2, price=20_000, is_device=False).id)[0]

    with pytest.raises(TooMuch):
        service.accept(line.id, 3, workshop.buyer.id)


def test_nothing_is_accepted_before_approval_or_after_cancelling(workshop: Workshop) -> None:
    purchase = workshop.submitted(is_device=False)
    line = queries.lines(purchase.id)[0]
    with pytest.raises(WrongState):
        service.accept(line.id, 1, workshop.buyer.id)

    service.cancel(purchase, "不再需要", workshop.buyer.id)
    with pytest.raises(WrongState):
        service.accept(line.id, 1, workshop.buyer.id)


def test_a_purchase_closed_short_frees_the_rest(workshop: Workshop) -> None:
    purchase = workshop.approved(quantity=5, price=20_000, is_device=False)
    service.accept(queries.lines(purchase.id)[0].id, 2, workshop.buyer.id)

    with pytest.raises(WrongState):
        service.cancel(purchase, "余下不再供货", workshop.buyer.id)
    service.close_short(purchase, "余下不再供货", workshop.buyer.id)

    assert (state(purchase), reserved(workshop)) == (PurchaseState.RECEIVED, 0)
    assert payouts.payable_fen(purchase.id) == 40_000


def test_a_payment_needs_invoice_acceptance_and_a_second_person(workshop: Workshop) -> None:
    purchase = workshop.approved(quantity=2, price=20_000, is_device=False)
    day, buyer = clock.today(), workshop.buyer.id
    with pytest.raises(TooMuch):
        service.prepare_payment(purchase, Money(1), day, "B-1", buyer)
    service.accept(queries.lines(purchase.id)[0].id, 2, buyer)

    payment = service.prepare_payment(purchase, Money(40_000), day, "B-1", buyer)
    with pytest.raises(TooMuch):
        service.prepare_payment(purchase, Money(1), day, "B-2", buyer)
    with pytest.raises(SamePerson):
        service.decide_payment(payment.id, buyer, is_approved=True)
    service.decide_payment(payment.id, workshop.approver.id, is_approved=True)
    with pytest.raises(WrongState):
        service.decide_payment(payment.id, workshop.approver.id, is_approved=True)

    assert ledger.balance(chart.PAYABLE) == Money(0)
    assert ledger.balance(chart.BANK) == Money(-40_000)


def test_a_payment_without_invoice_is_refused(workshop: Workshop) -> None:
    purchase = workshop.submitted(quantity=1, price=20_000, is_device=False)
    service.approve(purchase, workshop.approver.id)
    service.accept(queries.lines(purchase.id)[0].id, 1, workshop.buyer.id)

    with pytest.raises(PapersMissing):
        service.prepare_payment(purchase, Money(1), clock.today(), "B-1", workshop.buyer.id)


def test_numbers_of_a_year_have_no_gaps(workshop: Workshop) -> None:
    first, second = workshop.draft(), workshop.draft()

    year, number = first.number.rpartition("-")[::2]
    assert second.number == f"{year}-{int(number) + 1:03d}"


def test_the_public_sees_accepted_lines_public_papers_and_two_signatures(
    workshop: Workshop,
) -> None:
    workshop.submitted()
    purchase = workshop.approved(quantity=4, price=20_000, is_device=False)
    service.attach(
        purchase, DocumentKind.OTHER, PDF + b"2", "secret.pdf", workshop.buyer.id, is_public=False
    )
    assert queries.public_spending(workshop.campaign.fund_id) == []
    line = queries.lines(purchase.id)[0]
    service.accept(line.id, 3, workshop.buyer.id)
    paid = service.prepare_payment(purchase, Money(50_000), clock.today(), "B", workshop.buyer.id)
    service.decide_payment(paid.id, workshop.approver.id, is_approved=True)

    (shown,) = queries.public_spending(workshop.campaign.fund_id)

    assert (shown.kind, shown.quantity, shown.amount_fen) == ("purchase", 3, 60_000)
    assert (shown.approved_by_two, shown.paid_fen) == (True, 50_000)
    assert sorted(paper.kind for paper in shown.documents) == ["contract", "invoice"]


def test_the_books_agree_after_buying(workshop: Workshop) -> None:
    purchase = workshop.approved(quantity=4, price=20_000, is_device=False)
    service.accept(queries.lines(purchase.id)[0].id, 3, workshop.buyer.id)
    workshop.accepted(2)

    without_gifts = [name for name in checks.names() if "paid gift" not in name]
    assert [f for name in without_gifts for f in checks._checks[name]()] == []


def test_a_line_whose_acceptance_was_not_drawn_is_found(
    workshop: Workshop, session: Session
) -> None:
    purchase = workshop.approved(quantity=4, price=20_000, is_device=False)
    session.execute(
        text("UPDATE purchase_line SET accepted = 1 WHERE purchase_id = :id"), {"id": purchase.id}
    )

    found = checks._checks["accepted purchase lines are their draws"]()

    assert [f.what.split(":")[1] for f in found] == [" accepted 20000, drawn 0"]


def test_two_approvals_at_once_never_spend_the_same_money(own_database: Flask) -> None:
    with transaction():
        workshop = Workshop(db.session(), Make(db.session()), _colleague)
    waiting = [workshop.submitted(quantity=5).number for _ in range(2)]
    outcomes: list[str] = []

    def approve(number: str) -> None:
        with own_database.app_context():
            try:
                with transaction():
                    service.approve(queries.get(number), workshop.approver.id)
                outcomes.append("approved")
            except DomainError as refused:
                outcomes.append(refused.code)
            finally:
                db.session.remove()

    threads = [Thread(target=approve, args=(number,)) for number in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(outcomes) == ["approved", "fund_overspent"]
    assert reserved(workshop) == 5 * PRICE


def _colleague(role: str) -> User:
    return accounts.create(f"{role}@example.org", role, password_hash="unused")
