"""The donor's own page, the letter's one tap, the form, and the desk, as browsers without scripts meet them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.mandates import queries
from fundraising.giving.mandates.models import Mandate, MandateState
from fundraising.giving.models import Gift
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Queue
from tests.conftest import FrozenClock
from tests.giving.test_pages import form
from tests.giving.test_settlement import paid
from tests.mandates.agreed import tick
from tests.mandates.conftest import letters
from worker import handlers

Promise = Callable[..., Mandate]
WECHAT = {"User-Agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0"}
VERBS = ("change", "pause", "resume", "end", "erase")


@pytest.fixture
def waiting(promise: Promise, at: FrozenClock) -> Mandate:
    """A mandate whose February is due today."""
    mandate = promise()
    at.at = datetime(2026, 2, 12, 1, tzinfo=UTC)
    tick()
    at.move(days=3)
    tick()
    return mandate


def only_mandate() -> Mandate:
    return db.session.execute(select(Mandate)).scalar_one()


def count_gifts() -> int:
    return db.session.execute(select(func.count()).select_from(Gift)).scalar_one()


def test_the_form_offers_once_and_monthly_alike(client: FlaskClient, campaign: Campaign) -> None:
    page = client.get(f"/c/{campaign.slug}/donate").text
    assert re.findall(r'name="often" value="(\w+)" (checked)?', page) == [
        ("once", "checked"),
        ("monthly", ""),
    ]
    assert 'value="15" ' in page or "selected" in page
    campaign.ends_on = clock.today() + timedelta(days=20)
    db.session.flush()
    assert 'name="often"' not in client.get(f"/c/{campaign.slug}/donate").text


def test_a_monthly_form_begins_a_mandate_with_its_first_gift(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    values = form(client, campaign, often="monthly", day="31", email="D@Example.org")
    first = client.post(f"/c/{campaign.slug}/donate", data=values)
    assert first.status_code == 303
    assert client.post(f"/c/{campaign.slug}/donate", data=values).location == first.location
    mandate = only_mandate()
    assert (mandate.day, mandate.amount_fen, mandate.state) == (31, 10_000, "pending")
    assert "每月 31 日" in mandate.consent
    once = client.post(f"/c/{campaign.slug}/donate", data=values | {"often": "once"})
    assert once.location != first.location, "the same page sent as a single gift is another order"
    (month,) = queries.months(mandate.id)
    assert month.gift is not None
    settlement.apply_facts([paid(month.gift)])
    session.commit()
    for work in outbox.claim(Queue.RECEIPTS, 10, timedelta(minutes=2)):
        handlers.HANDLERS[work.kind](
            work
        )  # what follows every payment: no need to wait for the schedule
    assert only_mandate().state == "active"
    thanks = client.get(f"/pay/{month.gift.order_no}/result", follow_redirects=True).text
    assert f"/m/{mandate.token}" in thanks
    stranger = client.application.test_client()
    assert mandate.token not in stranger.get(f"/thanks/{month.gift.token}").text
    assert mandate.token not in stranger.get(f"/t/{month.gift.token}").text


@pytest.mark.parametrize("wrong", [{"email": ""}, {"email": "no"}, {"day": "32"}, {"day": "x"}])
def test_a_monthly_form_needs_an_address_and_a_day(
    client: FlaskClient, campaign: Campaign, wrong: dict[str, str]
) -> None:
    values = {"often": "monthly", "day": "5", "email": "d@example.org", **wrong}
    answer = client.post(f"/c/{campaign.slug}/donate", data=form(client, campaign, **values))
    assert answer.status_code == 422
    assert 'value="monthly" checked' in answer.text
    assert count_gifts() == 0


@pytest.mark.parametrize("agent", [{}, WECHAT], ids=["plain", "in wechat"])
def test_the_letters_link_gives_by_one_tap(
    client: FlaskClient, waiting: Mandate, agent: dict[str, str]
) -> None:
    (letter,) = letters("-due")
    (address,) = re.findall(r"http://localhost(/m/\S+/2026-02)", letter)
    page = client.get(address, headers=agent)
    if agent:  # known silently first, then back here
        assert page.location.startswith("https://open.weixin.example/")
        (state,) = re.findall(r"state=(\S+)", page.location)
        back = client.get(f"/wechat/openid?code=1&state={state}", headers=agent)
        assert back.location.rstrip("?") == address
        page = client.get(address, headers=agent)
    assert "¥50" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert count_gifts() == 1, "looking begins nothing"
    (way,) = re.findall(r'name="product" value="(\w+)"', page.text)
    first = client.post(address, data={"product": way}, headers=agent)
    again = client.post(address, data={"product": way}, headers=agent)
    assert first.status_code == 303
    assert first.location == again.location
    assert count_gifts() == 2
    assert client.get(first.location, headers=agent).status_code == 200
    gift = queries.month(waiting.id, "2026-02").gift
    assert gift is not None
    assert gift.channel == "wechatpay"
    settlement.apply_facts([paid(gift)])
    db.session.commit()
    assert f"/t/{gift.token}" in client.get(address, headers=agent).text
    assert client.post(address, headers=agent).location == address
    assert f"/t/{gift.token}" in client.get(f"/m/{waiting.token}").text


def test_an_order_that_ran_out_is_opened_again_for_the_same_month(
    client: FlaskClient, waiting: Mandate, at: FrozenClock
) -> None:
    address = f"/m/{waiting.token}/2026-02"
    first = client.post(address)
    at.move(hours=2)
    assert client.post(address).location == first.location
    assert client.get(first.location).status_code == 200
    assert count_gifts() == 2


def test_a_tap_after_the_end_begins_nothing(client: FlaskClient, waiting: Mandate) -> None:
    address = f"/m/{waiting.token}/2026-02"
    client.post(f"/m/{waiting.token}/end")
    answer = client.post(address, follow_redirects=True)
    assert "这项月捐已暂停或已结束" in answer.text
    assert count_gifts() == 1
    assert "<button" not in client.get(address).text.split("<main")[1].split("</main")[0]


def test_a_tap_on_a_closed_campaign_begins_nothing(
    client: FlaskClient, waiting: Mandate, campaign: Campaign
) -> None:
    campaign.state = CampaignState.ENDED
    db.session.flush()
    answer = client.post(f"/m/{waiting.token}/2026-02", follow_redirects=True)
    assert answer.status_code == 200
    assert count_gifts() == 1


def test_the_donor_alone_changes_rests_goes_on_ends_and_erases(
    client: FlaskClient, waiting: Mandate
) -> None:
    own = f"/m/{waiting.token}"

    def said(verb: str, **data: str) -> str:
        return client.post(f"{own}/{verb}", data=data, follow_redirects=True).text

    assert client.post(f"{own}/change", data={"amount": "0", "day": "5"}).status_code == 422
    assert client.post(f"{own}/change", data={"amount": "50", "day": "99"}).status_code == 422
    assert "已修改" in said("change", amount="66", day="20")
    assert (waiting.amount_fen, waiting.day) == (6_600, 20)
    assert "月捐已暂停" in said("pause")
    assert "月捐已恢复" in said("resume")
    assert client.post(f"{own}/erase").status_code == 409
    page = client.get(own).text
    assert page.count(f'action="{own}/end"') == 1, "one page, two taps"
    assert "月捐已结束" in said("end")
    assert said("change", amount="1", day="1")
    assert "/change" not in client.get(own).text
    assert "删除" in said("erase")
    assert only_mandate().email_key is None
    assert only_mandate().state == MandateState.ENDED


def test_a_campaign_that_is_over_says_so_instead_of_going_on(
    client: FlaskClient, waiting: Mandate, campaign: Campaign
) -> None:
    campaign.state = CampaignState.ENDED
    client.post(f"/m/{waiting.token}/pause")
    assert client.post(f"/m/{waiting.token}/resume", follow_redirects=True).status_code == 200
    assert only_mandate().state == MandateState.PAUSED


def test_a_wrong_key_opens_nothing_and_every_way_answers_alike(
    client: FlaskClient, waiting: Mandate
) -> None:
    gift = queries.months(waiting.id)[-1].gift
    assert gift is not None
    for token in (
        gift.token,
        waiting.ref,
        str(waiting.id),
        waiting.token[:-1],
        waiting.token + "x",
    ):
        assert client.get(f"/m/{token}").status_code == 404
        assert client.get(f"/m/{token}/2026-02").status_code == 404
        assert client.post(f"/m/{token}/2026-02").status_code == 404
        for verb in VERBS:
            assert client.post(f"/m/{token}/{verb}").status_code == 404
    for month in ("2031-01", "2026-2", "end", "2026-13"):
        assert client.get(f"/m/{waiting.token}/{month}").status_code == 404
    for verb in VERBS:
        assert client.get(f"/m/{waiting.token}/{verb}").status_code == 404
    assert only_mandate().state == MandateState.ACTIVE


def test_no_other_site_can_speak_for_the_donor(
    client: FlaskClient, app: Flask, waiting: Mandate
) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        for verb in (*VERBS, "2026-02"):
            assert client.post(f"/m/{waiting.token}/{verb}").status_code == 400
    finally:
        app.config["WTF_CSRF_ENABLED"] = False
    assert only_mandate().state == MandateState.ACTIVE
    assert count_gifts() == 1
    page = client.get(f"/m/{waiting.token}")
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_a_lost_link_comes_by_letter_and_the_page_says_nothing(
    client: FlaskClient, waiting: Mandate
) -> None:
    for address in ("d@example.org", "D@EXAMPLE.org ", "stranger@example.org"):
        answer = client.post("/monthly", data={"email": address}, follow_redirects=True)
        assert "如果这个邮箱有月捐" in answer.text
    (letter,) = letters("-link")
    assert f"/m/{waiting.token}" in letter
    assert client.post("/monthly", data={"email": "x"}).status_code == 422
    assert client.get("/monthly").status_code == 200


@pytest.mark.parametrize(("language", "word"), [("zh", "结束月捐"), ("en", "End my monthly gift")])
def test_the_page_speaks_both_languages(
    client: FlaskClient, waiting: Mandate, language: str, word: str
) -> None:
    page = client.get(f"/m/{waiting.token}?lang={language}").text
    assert word in page


def test_staff_see_figures_and_months_but_neither_name_nor_key(
    staff_client: Callable[[str], FlaskClient], waiting: Mandate
) -> None:
    browser = staff_client("finance")
    page = browser.get("/staff/monthly/").text
    assert waiting.ref in page
    assert "¥50.00" in page
    assert waiting.ref not in browser.get("/staff/monthly/?state=ended").text
    assert browser.get(f"/staff/monthly/?state=nonsense&before={waiting.id}").status_code == 200
    one = browser.get(f"/staff/monthly/{waiting.ref}").text
    gift = queries.months(waiting.id)[-1].gift
    assert gift is not None
    assert gift.ref in one
    assert waiting.token not in page + one
    assert "example.org" not in page + one
    assert browser.get("/staff/monthly/MNONE").status_code == 404
