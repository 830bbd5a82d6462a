"""Matching: by rule and cap, exact in the pool, each its own lot, voided with its gift, no loops."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.funds.errors import FundOverspent
from fundraising.giving import booking, import_batches, settlement
from fundraising.giving import service as giving
from fundraising.giving.booking import WholeGift
from fundraising.giving.matching import queries, service
from fundraising.giving.matching.errors import (
    NothingOwed,
    PledgeNotFound,
    PledgeOver,
    PledgeRefused,
    SamePledger,
)
from fundraising.giving.matching.models import Match, Pledge, Road
from fundraising.giving.matching.service import NewPledge
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments import statements
from fundraising.payments.models import BankLine
from fundraising.payments.providers.base import Product
from fundraising.payments.statements import NewBankLine
from fundraising.twins import SentTwice
from tests import wechat
from tests.factories import Make
from tests.giving.test_imports import file_of, row
from tests.giving.test_refunds import back
from tests.giving.test_settlement import paid

Start = Callable[..., Gift]
Open = Callable[..., Any]


@pytest.fixture
def pledge(campaign: Campaign, make_staff: Callable[..., User]) -> Callable[..., Pledge]:
    """Makes an open pledge."""
    first, second = make_staff("finance"), make_staff("finance")

    def made(**changed: Any) -> Pledge:
        is_draft = changed.pop("is_draft", False)
        written = service.write(promised(campaign.id, **changed), first.id)
        if not is_draft:
            service.approve(written.id, second.id)
        return written

    return made


def promised(campaign_id: UUID, **changed: Any) -> NewPledge:
    values: dict[str, Any] = {
        "campaign_id": campaign_id,
        "matcher": "承德某企业",
        "adds": 1,
        "per": 1,
        "pool": Money(100_000),
        "starts_at": clock.now() - timedelta(days=1),
        "ends_at": clock.now() + timedelta(days=1),
    }
    return NewPledge(**{**values, **changed})


def test_a_pledge_sent_twice_is_one_until_it_has_ended(campaign: Campaign, make_staff: Any) -> None:
    actor, new = make_staff("finance").id, promised(campaign.id)
    pledge = service.write(new, actor)
    with pytest.raises(SentTwice):
        service.write(new, actor)
    service.end(pledge.id, actor)

    assert service.write(new, actor).id != pledge.id


def give(start: Start, fen: int, payer: str = "o-1") -> Gift:
    gift = start(fen)
    settlement.apply_facts([paid(gift, payer=payer)])
    return gift


def match_of(gift: Gift) -> Match | None:
    query = select(Match).where(Match.gift_id == gift.id)
    return db.session.execute(query).scalar_one_or_none()


def sources(campaign: Campaign) -> dict[str, int]:
    return funds.totals(campaign.fund_id).by_source


def all_hold() -> None:
    db.session.flush()
    assert checks.run_here() == []


def test_a_gift_is_matched_once_in_a_lot_of_its_own(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    open_one = pledge()
    gift = start(1_000)
    for _again in range(2):
        settlement.apply_facts([paid(gift)])

    totals = funds.totals(campaign.fund_id)
    assert totals.by_source == {"gift": 1_000, "match": 1_000}
    assert totals.gifts_count == 1
    assert ledger.balance(chart.MATCHERS) == Money(1_000)
    assert (open_one.committed_fen, open_one.remaining_fen) == (1_000, 99_000)
    trace = funds.trace(gift.id)
    assert trace is not None
    assert trace.amount_fen == 1_000
    all_hold()


@pytest.mark.parametrize(
    ("rule", "given", "added"),
    [
        ({"adds": 1, "per": 2}, 999, 499),
        ({"adds": 3, "per": 1}, 100, 300),
        ({"gift_cap": Money(50)}, 999, 50),
        ({"pool": Money(70)}, 999, 70),
        ({"adds": 1, "per": 1_000}, 999, 0),
        ({"is_draft": True}, 999, 0),
        ({"starts_at": clock.now() + timedelta(hours=1)}, 999, 0),
    ],
    ids=["one for two", "three for one", "cap", "pool", "less than a fen", "draft", "not yet"],
)
def test_the_rule_cap_pool_and_days(
    start: Start,
    campaign: Campaign,
    pledge: Callable[..., Pledge],
    rule: dict[str, Any],
    given: int,
    added: int,
) -> None:
    pledge(**rule)
    give(start, given)

    assert sources(campaign).get("match", 0) == added
    all_hold()


def test_a_set_never_spends_more_than_the_pool_and_then_the_next_pledge(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    first, second = pledge(pool=Money(150)), pledge(pool=Money(1_000))
    gifts = [start(100) for _ in range(3)]
    settlement.apply_facts([paid(g, payer=f"o-{n}") for n, g in enumerate(gifts)])
    give(start, 100, "o-9")

    assert (first.remaining_fen, sources(campaign)["match"]) == (0, 250)
    assert second.committed_fen == 100
    all_hold()


def test_a_match_goes_back_with_its_gift_and_the_pool_has_it_again(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    open_one = pledge(gift_cap=Money(800))
    gift = give(start, 1_000)
    settlement.apply_facts([back(gift, 100, "R1")])
    assert sources(campaign) == {"gift": 900, "match": 800}
    settlement.apply_facts([back(gift, 400, "R2")])
    assert sources(campaign) == {"gift": 500, "match": 500}
    for _again in range(2):
        settlement.apply_facts([back(gift, 500, "R3")])

    assert sources(campaign) == {}
    assert open_one.remaining_fen == 100_000
    assert ledger.balance(chart.MATCHERS) == Money(0)
    made = match_of(gift)
    assert made is not None
    assert (made.amount_fen, made.voided_fen, made.due_fen) == (800, 800, 0)
    all_hold()


def test_a_match_whose_fen_are_spent_stays_due_until_the_fund_can_give_it(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge], make: Make
) -> None:
    pledge()
    gift = give(start, 1_000)
    fund_service.draw(make.line(campaign.fund_id, 1_000).id, Money(1_000))
    settlement.apply_facts([back(gift, 1_000, "R1")])
    ((due, _gift),) = queries.due()
    assert due.due_fen == 1_000
    with pytest.raises(FundOverspent):
        service.void_due(due.id, uuid4())
    all_hold()
    make.money(campaign.fund_id, 5_000)
    service.void_due(due.id, uuid4())

    assert queries.due() == []
    assert ledger.balance(chart.MATCHERS) == Money(0)
    with pytest.raises(PledgeNotFound):
        service.void_due(due.id, uuid4())


def test_who_gives_and_refunds_again_and_again_is_matched_no_more(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    pledge()
    for number in range(2):
        gift = give(start, 100, "looper")
        settlement.apply_facts([back(gift, 100, f"R{number}")])
    third = give(start, 100, "looper")
    other = give(start, 100, "honest")

    assert match_of(third) is None
    assert match_of(other) is not None
    ((refused, seen),) = queries.unmatched()
    assert (refused.reason, seen.id) == ("refund_loop", third.id)
    all_hold()


def test_one_donor_is_matched_so_many_times_a_day_also_within_a_set(
    start: Start, campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    pledge(most_a_day=2)
    settlement.apply_facts([paid(start(100), payer="same") for _ in range(3)])
    give(start, 100, "same")

    assert sources(campaign)["match"] == 200
    assert [refused.reason for refused, _ in queries.unmatched()] == ["too_often"] * 2
    all_hold()


def test_a_pledge_needs_sense_and_two_people(
    campaign: Campaign, make_staff: Callable[..., User], session: Session
) -> None:
    first, second = make_staff("finance").id, make_staff("finance").id
    for wrong in (
        {"adds": 0},
        {"pool": Money(0)},
        {"gift_cap": Money(0)},
        {"matcher": " "},
        {"ends_at": clock.now() - timedelta(days=2)},
    ):
        with pytest.raises(PledgeRefused):
            service.write(promised(campaign.id, **wrong), first)
    written = service.write(promised(campaign.id), first)
    with pytest.raises(SamePledger):
        service.approve(written.id, first)
    with pytest.raises(IntegrityError, match="two_people"), session.begin_nested():
        session.execute(text("UPDATE matching_pledge SET approved_by = written_by"))
    service.approve(written.id, second)
    with pytest.raises(PledgeOver):
        service.approve(written.id, second)
    service.end(written.id, second)
    with pytest.raises(PledgeOver):
        service.end(written.id, second)
    with pytest.raises(PledgeNotFound):
        service.end(uuid4(), second)


def bank_line(fen: int, serial: str) -> BankLine:
    statements.import_lines("6222", [NewBankLine(serial, clock.now(), Money(fen), "企业", "配捐")])
    return statements.find("6222", serial)


def test_the_matcher_pays_by_a_line_of_the_bank_and_never_more_than_owed(
    start: Start, pledge: Callable[..., Pledge]
) -> None:
    open_one = pledge()
    gift = give(start, 1_000)
    with pytest.raises(NothingOwed):
        service.pay(open_one.id, bank_line(1_001, "1"), None)
    service.pay(open_one.id, bank_line(600, "2"), None)

    assert ledger.balance(chart.MATCHERS) == Money(400)
    assert ledger.balance(chart.BANK) == Money(600)
    settlement.apply_facts([back(gift, 1_000, "R1")])
    assert open_one.owed_fen == -600
    assert ledger.balance(chart.MATCHERS) == Money(-600)
    all_hold()


def test_the_pool_is_exact_whatever_settles_and_refunds_at_one_moment(own_database: Flask) -> None:
    with transaction():
        campaign = Make(db.session()).campaign()
        first = accounts.create("a@example.org", "finance").id
        second = accounts.create("b@example.org", "finance").id
        written = service.write(promised(campaign.id, pool=Money(1_234)), first)
        service.approve(written.id, second)
        own_database.extensions["providers"] = {"wechatpay": wechat.provider()}
        gifts = [
            giving.start_gift(
                StartGift(campaign.slug, Money(300), Product.WECHATPAY_NATIVE, f"key-{n:020}")
            )
            for n in range(8)
        ]
        facts = [paid(gift, payer=f"o-{n}") for n, gift in enumerate(gifts)]
        backs = [back(gift, 300, f"R{gift.id}") for gift in gifts[:3]]
        slug_fund = campaign.fund_id
    gate = Barrier(8)

    def settle(number: int) -> None:
        with own_database.app_context():
            gate.wait()
            with transaction():
                settlement.apply_facts([facts[number]])
            if number < len(backs):
                with transaction():
                    settlement.apply_facts([backs[number]])

    threads = [Thread(target=settle, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    db.session.rollback()
    db.session.expire_all()
    found = db.session.get_one(Pledge, written.id)
    matched = funds.totals(slug_fund).by_source.get("match", 0)
    assert found.committed_fen == matched <= 1_234
    assert matched >= 1_234 - 3 * 300
    db.session.rollback()
    assert checks.run_all() == []


# ---------------------------------------------------------------------- pages


def test_a_pledge_goes_its_way_in_the_browser_and_in_public(
    start: Start, campaign: Campaign, staff_client: Open, client: FlaskClient, session: Session
) -> None:
    session.commit()
    one, two = staff_client("finance"), staff_client("finance")
    today = clock.today()
    data: dict[str, Any] = {
        "campaign": str(campaign.id),
        "roads": ["online", "cash"],
        "matcher": "承德某企业",
        "is_named": "y",
        "adds": "1",
        "per": "1",
        "pool": "500",
        "most_a_day": "5",
        "starts_on": today.isoformat(),
        "ends_on": today.isoformat(),
    }
    assert one.get("/staff/matching/new").status_code == 200
    mistakes: list[dict[str, Any]] = [
        {"pool": "x"},
        {"gift_cap": "0"},
        {"ends_on": "2020-01-01"},
        {"roads": []},
    ]
    for wrong in mistakes:
        assert one.post("/staff/matching/new", data=data | wrong).status_code == 422
    assert one.post("/staff/matching/new", data=data).status_code == 303
    written = queries.pledges()[0]
    address = f"/staff/matching/{written.id}"
    one.post(f"{address}/approve")
    assert queries.pledges()[0].state == "draft"
    two.post(f"{address}/approve")
    give(start, 10_000)
    session.commit()
    page = client.get(f"/c/{campaign.slug}?lang=zh").get_data(as_text=True)
    assert "其中配捐：¥100.00" in page
    assert "承德某企业" in page
    assert "计入范围：本站在线支付、现金。" in page
    assert f"至 {today.year}年{today.month}月{today.day}日；" in page
    use = client.get("/transparency?lang=zh").get_data(as_text=True)
    assert use.count("¥100.00") >= 2
    answer = client.get(f"/api/v1/campaigns/{campaign.slug}").get_json()
    assert answer["sources"] == {"gift": 10_000, "match": 10_000}
    line = bank_line(10_000, "1")
    session.commit()
    assert "¥100.00" in one.get("/staff/matching/").get_data(as_text=True)
    one.post(f"{address}/pay", data={"line": str(line.id)})
    two.post(f"{address}/end")
    assert ledger.balance(chart.MATCHERS) == Money(0)
    assert queries.pledges()[0].state == "ended"
    one.post(f"/staff/matching/matches/{uuid4()}/void")


WHOLE = [
    ("cash", Road.CASH),
    ("cheque", Road.CHEQUE),
    ("bank", Road.BANK),
    ("gongyibao", Road.PLATFORM),
    ("wechatpay", Road.ONLINE),
]


@pytest.mark.parametrize(("channel", "road"), WHOLE)
def test_gifts_by_every_road_are_matched_where_the_pledge_counts_it(
    campaign: Campaign, pledge: Callable[..., Pledge], channel: str, road: Road
) -> None:
    others = [one for one in Road if one is not road]
    refusing = pledge(roads=others)
    open_one = pledge(roads=[road], pool=Money(1_500))
    gifts = [WholeGift(channel, f"N{n}", Money(1_000), clock.now()) for n in range(2)]

    for _again in range(2):
        booking.book_set(
            campaign,
            gifts,
            kind=EntryKind.GIFT_COUNTED,
            account=chart.clearing(channel),
        )

    assert (refusing.committed_fen, open_one.committed_fen) == (0, 1_500)
    assert sources(campaign) == {"gift": 2_000, "match": 1_500}


def test_a_pledge_counts_every_road_unless_it_says_otherwise(
    start: Start, pledge: Callable[..., Pledge], campaign: Campaign
) -> None:
    everything = pledge()
    assert everything.is_for_all
    everything.roads = [Road.CASH.value]
    db.session.flush()

    give(start, 1_000)

    assert everything.committed_fen == 0
    assert [one.roads for one in queries.public(campaign.id)] == [["cash"]]
    with pytest.raises(PledgeRefused):
        pledge(roads=[])


def test_a_platforms_refund_takes_the_match_back(
    campaign: Campaign, pledge: Callable[..., Pledge]
) -> None:
    open_one = pledge(starts_at=datetime(2024, 1, 1, tzinfo=clock.SHANGHAI))
    for rows in ([row("G1"), row("G2")], [row("G1", "-4.00")]):
        import_batches.take_over(campaign, "gongyibao", file_of(*rows), "g.csv", None)

    assert open_one.committed_fen == 1_600
    assert sources(campaign) == {"gift": 1_600, "match": 1_600}
    all_hold()
