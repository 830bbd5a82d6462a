"""Card-testers are stopped, donors are not: the gate before each checkout."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.audit.models import Alarm
from fundraising.campaigns.models import Campaign
from fundraising.floods import puzzles
from fundraising.floods import service as floods
from fundraising.floods.errors import PuzzleWanted, TooManyCheckouts
from fundraising.floods.models import OpenedCheckout
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import FREE_ADDRESS, FREE_CAMPAIGN, FREE_DEVICE_SOON, Visit
from fundraising.giving import entrance
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.money import Money
from fundraising.payments import service as payments
from fundraising.payments.providers.base import Product
from tests.conftest import FrozenClock
from tests.floods.conftest import Counter
from tests.floods.test_puzzles import count

Attempt = Callable[..., None]


@pytest.fixture
def attempt(campaign: Campaign) -> Attempt:
    """Somebody who opens a checkout, and solves the puzzle when they can."""

    def tried(
        address: str,
        device: str | None = None,
        *,
        solves: str = "",
        fen: int = 100,
        pays: bool = False,
    ) -> None:
        visit = Visit(address, device, campaign.id, fen)
        try:
            floods.enter(visit, None)
        except PuzzleWanted as wanted:
            if not solves:
                raise
            floods.enter(visit, solution(wanted, solves))
        expires = clock.now() + timedelta(minutes=30)
        made = payments.create_attempt(uuid4(), Product.WECHATPAY_NATIVE, Money(fen), expires)
        floods.note(made.id, visit)
        if pays:
            made.state = "paid"

    return tried


def solution(wanted: PuzzleWanted, by: str = "sum") -> Solution:
    puzzle = wanted.puzzle
    if by == "sum":
        return Solution(puzzle.token, answer=str(sum(puzzle.addends)))
    return Solution(puzzle.token, number=count(puzzle))


def opened(session: Session) -> int:
    return session.execute(select(func.count()).select_from(OpenedCheckout)).scalar_one()


def bot(attempt: Attempt, address: str, tries: int, **more: Any) -> int:
    """A machine that tries and never solves; return how many checkouts it opened."""
    done = 0
    for _ in range(tries):
        try:
            attempt(address, **more)
        except (PuzzleWanted, TooManyCheckouts):
            continue
        done += 1
    return done


# ---------------------------------------------------------------------- limits


def test_atk_045_one_address_opens_ten_unpaid_checkouts_in_an_hour(
    attempt: Attempt, session: Session, frozen_clock: FrozenClock
) -> None:
    assert bot(attempt, "203.0.113.7", 60) == FREE_ADDRESS
    assert opened(session) == FREE_ADDRESS
    frozen_clock.move(minutes=61)
    assert bot(attempt, "203.0.113.7", 60) == FREE_ADDRESS


def test_one_browser_fails_three_times_in_three_minutes_before_a_puzzle(
    attempt: Attempt, frozen_clock: FrozenClock
) -> None:
    tries = [bot(attempt, f"203.0.113.{n}", 1, device="one") for n in range(8)]

    assert sum(tries) == FREE_DEVICE_SOON
    frozen_clock.move(minutes=4)
    assert bot(attempt, "203.0.113.99", 1, device="one") == 1


def test_atk_045_many_addresses_meet_the_limit_of_the_campaign(attempt: Attempt) -> None:
    total = sum(bot(attempt, f"10.0.{n // 250}.{n % 250}", 1) for n in range(FREE_CAMPAIGN + 60))

    assert total == FREE_CAMPAIGN


def test_a_well_liked_campaign_is_not_taken_for_a_flooded_one(
    attempt: Attempt, session: Session
) -> None:
    for n in range(FREE_CAMPAIGN + 5):
        attempt(f"10.1.{n // 250}.{n % 250}", pays=n % 3 != 0)
    for n in range(FREE_CAMPAIGN):
        attempt(f"10.2.{n // 250}.{n % 250}", pays=n % 3 != 0)


def test_addresses_of_ipv6_are_counted_by_house(attempt: Attempt) -> None:
    tries = [bot(attempt, f"2001:db8:0:7::{n:x}", 1) for n in range(1, 21)]

    assert sum(tries) == FREE_ADDRESS


def test_patience_ends_even_with_puzzles_solved(attempt: Attempt) -> None:
    for _ in range(floods.MOST_DEVICE):
        attempt("203.0.113.7", "one", solves="sum")

    with pytest.raises(TooManyCheckouts):
        attempt("203.0.113.7", "one", solves="sum")


# ---------------------------------------------------------------------- donors


def test_500_donors_behind_one_address_all_give(attempt: Attempt, session: Session) -> None:
    for n in range(500):
        attempt("198.51.100.1", f"device {n}", solves="sum", pays=n % 2 == 0)

    assert opened(session) == 500


def test_500_donors_behind_one_address_who_all_wait_with_paying_all_give(attempt: Attempt) -> None:
    asked = 0
    for n in range(500):
        try:
            attempt("198.51.100.1", f"device {n}")
        except PuzzleWanted:
            asked += 1
            attempt("198.51.100.1", f"device {n}", solves="sum")

    assert asked == 490


def test_atk_047_a_donor_who_fails_four_times_then_passes(attempt: Attempt) -> None:
    for _ in range(4):
        attempt("198.51.100.1", "mine", solves="number")

    attempt("198.51.100.1", "mine", solves="number", pays=True)


@pytest.mark.parametrize(("addresses", "most"), [(1, 10), (20, 200), (600, 200)])
def test_rel_231_a_bot_gets_no_further_than_stated_while_donors_pass(
    attempt: Attempt, session: Session, addresses: int, most: int
) -> None:
    """800 attempts from 1, 20 and 600 addresses, with 40 donors among them, who all pass."""
    by_bot = passed = 0
    for n in range(800):
        by_bot += bot(attempt, f"10.{n % addresses // 250}.0.{n % addresses % 250}", 1)
        if n % 20 == 0:
            attempt(f"172.16.0.{n // 20}", f"donor {n}", solves="sum", pays=True)
            passed += 1

    assert passed == 40
    assert by_bot <= most
    assert opened(session) == by_bot + passed


# ---------------------------------------------------------------------- puzzles once


def test_atk_046_a_solution_opens_one_checkout(attempt: Attempt, campaign: Campaign) -> None:
    bot(attempt, "203.0.113.7", FREE_ADDRESS)
    visit = Visit("203.0.113.7", None, campaign.id, 100)

    def asked(fen: int = 100) -> StartGift:
        return StartGift(campaign.slug, Money(fen), Product.WECHATPAY_NATIVE, uuid4().hex)

    with pytest.raises(PuzzleWanted) as wanted:
        entrance.start(asked(), lambda: visit, None)
    solved = solution(wanted.value)
    entrance.start(asked(), lambda: visit, solved)

    with pytest.raises(PuzzleWanted):
        entrance.start(asked(), lambda: visit, solved)
    other = Visit("203.0.113.7", None, campaign.id, 200)
    with pytest.raises(PuzzleWanted):
        entrance.start(asked(200), lambda: other, solved)


def test_a_sum_answered_wrongly_cannot_be_tried_again(attempt: Attempt, campaign: Campaign) -> None:
    bot(attempt, "203.0.113.7", FREE_ADDRESS)
    visit = Visit("203.0.113.7", None, campaign.id, 100)
    asked = StartGift(campaign.slug, Money(100), Product.WECHATPAY_NATIVE, uuid4().hex)
    puzzle = puzzles.make(visit.bound, 500)
    right = Solution(puzzle.token, answer=str(sum(puzzle.addends)))

    with pytest.raises(PuzzleWanted):
        entrance.start(asked, lambda: visit, Solution(puzzle.token, answer="99"))
    with pytest.raises(PuzzleWanted):
        entrance.start(asked, lambda: visit, right)


def test_a_form_sent_twice_is_not_asked_again(attempt: Attempt, campaign: Campaign) -> None:
    asked = StartGift(campaign.slug, Money(100), Product.WECHATPAY_NATIVE, uuid4().hex)
    visit = Visit("203.0.113.7", None, campaign.id, 100)
    first = entrance.start(asked, lambda: visit, None)
    bot(attempt, "203.0.113.7", FREE_ADDRESS)

    assert entrance.start(asked, lambda: visit, None).id == first.id


# ---------------------------------------------------------------------- pages and JSON


@pytest.fixture
def flooded(attempt: Attempt) -> None:
    bot(attempt, "127.0.0.1", FREE_ADDRESS)


def test_the_form_shows_the_puzzle_and_goes_on_without_scripts(
    client: FlaskClient, campaign: Campaign, flooded: None, session: Session, provider: Counter
) -> None:
    page = client.get(f"/c/{campaign.slug}/donate").text
    (key,) = re.findall(r'name="key"[^>]*value="([^"]+)"', page)
    values = {"key": key, "own_amount": "88", "display": "full", "name": "王芳", "consent": "y"}
    asked = client.post(f"/c/{campaign.slug}/donate", data=values)
    before = provider.opened
    carried = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.text))
    words = re.findall(r"([二三四五六七八九])加([二三四五六七八九])等于几", asked.text)[0]
    answer = sum("零一二三四五六七八九".index(word) for word in words)
    done = client.post(f"/c/{campaign.slug}/donate", data={**carried, "puzzle_answer": str(answer)})

    gift = session.execute(select(Gift).order_by(Gift.id.desc()).limit(1)).scalar_one()
    assert asked.status_code == 429
    assert (before, provider.opened) == (0, 1)
    assert done.status_code == 303
    assert (gift.amount_fen, gift.display_name) == (8800, "王芳")


def test_the_json_gets_a_problem_with_the_challenge_and_passes_with_its_solution(
    client: FlaskClient, campaign: Campaign, flooded: None, provider: Counter
) -> None:
    body = {
        "campaign": campaign.slug,
        "amount_fen": 100,
        "channel": "wechatpay.native",
        "idempotency_key": uuid4().hex,
    }
    asked = client.post("/api/v1/checkout", json=body)
    problem = asked.get_json(force=True)
    challenge = problem["challenge"]
    before = provider.opened
    number = next(
        n
        for n in range(challenge["most"])
        if puzzles._hash(challenge["nonce"], n) == challenge["target"]
    )
    done = client.post(
        "/api/v1/checkout",
        json={**body, "challenge": {"token": challenge["token"], "number": number}},
    )

    assert (asked.status_code, asked.mimetype) == (429, "application/problem+json")
    assert (problem["code"], before) == ("challenge", 0)
    assert done.status_code == 201


def test_another_attempt_for_one_order_passes_the_same_gate(
    client: FlaskClient,
    attempt: Attempt,
    session: Session,
    campaign: Campaign,
    frozen_clock: FrozenClock,
) -> None:
    visit = Visit("127.0.0.1", None, campaign.id, 100)
    asked = StartGift(campaign.slug, Money(100), Product.WECHATPAY_NATIVE, uuid4().hex)
    gift = entrance.start(asked, lambda: visit, None)
    frozen_clock.move(minutes=31)
    bot(attempt, "127.0.0.1", FREE_ADDRESS)
    order_no = gift.order_no
    answer = client.post(f"/pay/{order_no}/again")

    assert answer.status_code == 429
    assert "data-puzzle" in answer.text
    assert opened(session) == FREE_ADDRESS


# ---------------------------------------------------------------------- alarm


def test_an_alarm_is_raised_when_most_checkouts_end_unpaid(
    attempt: Attempt, session: Session, campaign: Campaign, frozen_clock: FrozenClock
) -> None:
    for n in range(60):
        attempt(f"10.3.0.{n}", pays=n % 10 == 0)
    floods.watch()
    early = session.execute(select(Alarm)).first()
    frozen_clock.move(minutes=5)
    floods.watch()
    alarm = session.execute(select(Alarm)).scalar_one()

    assert early is None
    assert alarm.key == f"floods:failure_ratio:{campaign.id}"
    assert alarm.detail == {"opened": 60, "unpaid": 54}


def test_no_alarm_while_donors_pay(
    attempt: Attempt, session: Session, frozen_clock: FrozenClock
) -> None:
    for n in range(60):
        attempt(f"10.3.0.{n}", pays=n % 3 != 0)
    frozen_clock.move(minutes=5)
    floods.watch()

    assert session.execute(select(Alarm)).first() is None


def test_what_is_older_than_a_day_is_forgotten(
    attempt: Attempt, session: Session, frozen_clock: FrozenClock, app: Flask
) -> None:
    attempt("10.3.0.1")
    frozen_clock.move(hours=25)
    floods.forget()

    assert opened(session) == 0
