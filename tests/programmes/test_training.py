"""Training: people count once a second person has confirmed them; a cost draws from the fund."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fundraising import clock
from fundraising.funds import queries as funds
from fundraising.funds.errors import FundOverspent
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.procurement import queries as purchases
from fundraising.programmes import queries, service
from fundraising.programmes.errors import (
    AlreadyDecided,
    NotHeldYet,
    SameRecorder,
    SessionChanged,
    WithdrawalReasonMissing,
)
from fundraising.programmes.models import TrainingSession
from fundraising.programmes.service import Cost
from fundraising.twins import SentTwice
from tests.workshop import Workshop

Open = Callable[..., FlaskClient]


def recorded(workshop: Workshop, people: int = 40, cost: Cost | None = None) -> TrainingSession:
    """A session the buyer of the workshop wrote down."""
    made = service.record(
        workshop.campaign.id,
        {"zh": "应急救护培训", "en": "First-aid training"},
        {"zh": "市救护培训基地"},
        clock.today(),
        people,
        workshop.buyer.id,
        cost=cost,
    )
    workshop.commit()
    return made


def spent(fen: int) -> Cost:
    """A cost of so many fen, paid today."""
    return Cost(Money(fen), clock.today(), "B-1")


def test_people_count_once_another_person_has_confirmed_them(workshop: Workshop) -> None:
    session = recorded(workshop)
    assert queries.people_trained(workshop.campaign.id) == 0
    with pytest.raises(SameRecorder):
        service.confirm(session.id, workshop.buyer.id)

    service.confirm(session.id, workshop.approver.id)

    assert queries.people_trained(workshop.campaign.id) == 40
    assert queries.people_trained() == 40
    assert [s.people_trained for s in queries.sessions(workshop.campaign.id)] == [40]
    with pytest.raises(AlreadyDecided):
        service.confirm(session.id, workshop.approver.id)


def test_a_session_sent_twice_is_one_until_it_is_withdrawn(workshop: Workshop) -> None:
    session = recorded(workshop)
    with pytest.raises(SentTwice) as twice:
        recorded(workshop)
    assert twice.value.extra["id"] == session.id
    recorded(workshop, people=41)

    service.withdraw(session.id, "重复登记", workshop.buyer.id)
    assert recorded(workshop).id != session.id


def test_the_database_refuses_one_person_in_both_roles(workshop: Workshop) -> None:
    session = recorded(workshop)

    with pytest.raises(IntegrityError, match="two_people"), workshop.session.begin_nested():
        workshop.session.execute(
            text(
                "UPDATE training_session SET confirmed_by = recorded_by, confirmed_at = now() WHERE id = :id"
            ),
            {"id": session.id},
        )


def test_a_cost_is_drawn_and_booked_at_confirmation(workshop: Workshop) -> None:
    session = recorded(workshop, cost=spent(123_456))
    assert ledger.balance(chart.PROGRAMME_COST) == Money(0)

    service.confirm(session.id, workshop.approver.id)

    assert ledger.balance(chart.PROGRAMME_COST, fund_id=workshop.campaign.fund_id) == Money(123_456)
    assert ledger.balance(chart.BANK) == Money(-123_456)
    assert funds.totals(workshop.campaign.fund_id).spent_fen == 123_456
    (line,) = purchases.public_spending(workshop.campaign.fund_id)
    assert (line.kind, line.amount_fen, line.approved_by_two) == ("training", 123_456, True)


def test_a_cost_beyond_the_fund_is_refused(workshop: Workshop) -> None:
    session = recorded(workshop, cost=spent(10_000_001))

    with pytest.raises(FundOverspent):
        service.confirm(session.id, workshop.approver.id)


def test_a_session_is_withdrawn_with_a_reason_before_it_is_confirmed(workshop: Workshop) -> None:
    session = recorded(workshop)
    with pytest.raises(WithdrawalReasonMissing):
        service.withdraw(session.id, " ", workshop.buyer.id)
    service.withdraw(session.id, "人数有误", workshop.buyer.id)

    with pytest.raises(AlreadyDecided):
        service.confirm(session.id, workshop.approver.id)
    assert queries.people_trained() == 0


def test_a_session_of_tomorrow_or_an_older_version_is_refused(workshop: Workshop) -> None:
    with pytest.raises(NotHeldYet):
        service.record(
            workshop.campaign.id,
            {"zh": "x"},
            {"zh": "x"},
            clock.today() + timedelta(days=1),
            1,
            workshop.buyer.id,
        )
    session = recorded(workshop)
    with pytest.raises(SessionChanged):
        service.confirm(session.id, workshop.approver.id, version=session.version + 1)


def test_sessions_are_recorded_and_confirmed_in_the_browser(
    workshop: Workshop, staff_client: Open
) -> None:
    first, second = staff_client("campaign_editor"), staff_client("campaign_editor")
    data = {
        "campaign": workshop.campaign.slug,
        "title_zh": "应急救护培训",
        "place_zh": "市救护培训基地",
        "held_on": clock.today().isoformat(),
        "people_trained": "35",
    }
    assert first.post("/staff/training/new", data=data | {"people_trained": "0"}).status_code == 422
    assert first.post("/staff/training/new", data=data | {"cost": "10"}).status_code == 422
    address = first.post("/staff/training/new", data=data).headers["Location"]

    assert first.post(f"{address}/confirm").status_code == 403
    assert second.get(address).status_code == 200
    assert second.post(f"{address}/confirm").status_code == 303
    assert "35" in first.get("/staff/training/").get_data(as_text=True)
    assert queries.people_trained(workshop.campaign.id) == 35


def test_a_session_that_cost_money_is_confirmed_by_those_who_approve_payments(
    workshop: Workshop, staff_client: Open
) -> None:
    session = recorded(workshop, cost=spent(1_000))
    address = f"/staff/training/{session.id}/confirm"

    assert staff_client("campaign_editor").post(address).status_code == 403
    assert staff_client("finance").post(address).status_code == 303
