"""Public pages: few statements, the same for any number of gifts, and kept for a moment only."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from fundraising.campaigns.models import CampaignState
from fundraising.database import db
from fundraising.giving.queries import Day
from fundraising.web import charts
from fundraising.web.cache import KeptPages, Page, PageCache
from fundraising.web.routes import is_alike
from tests.factories import Make

MOST_STATEMENTS = 12


@pytest.fixture
def sent(app: Flask) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE")):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("gifts", [0, 1, 300])
def test_the_campaign_page_takes_few_statements(
    client: FlaskClient, make: Make, sent: list[str], gifts: int
) -> None:
    campaign = make.campaign()
    if gifts:
        make.money(campaign.fund_id, *([1314] * gifts))
    db.session.flush()
    sent.clear()

    assert client.get(f"/c/{campaign.slug}").status_code == 200
    assert len(sent) <= MOST_STATEMENTS


@pytest.mark.parametrize("state", list(CampaignState))
def test_a_campaign_is_shown_in_every_state_but_draft(
    client: FlaskClient, make: Make, state: CampaignState
) -> None:
    campaign = make.campaign(state)
    status = client.get(f"/c/{campaign.slug}").status_code

    assert status == (404 if state is CampaignState.DRAFT else 200)


def test_the_way_to_give_is_shown_only_while_it_is_open(client: FlaskClient, make: Make) -> None:
    opened, ended = make.campaign(), make.campaign(CampaignState.ENDED)

    assert f"/c/{opened.slug}/donate" in client.get(f"/c/{opened.slug}").text
    assert f"/c/{ended.slug}/donate" not in client.get(f"/c/{ended.slug}").text


def test_the_page_says_how_much_is_missing_to_the_next_device(
    client: FlaskClient, make: Make
) -> None:
    campaign = make.campaign()
    make.money(campaign.fund_id, 250_000)

    assert "再筹 ¥7,500" in client.get(f"/c/{campaign.slug}").text


def test_language_and_large_text_are_remembered(client: FlaskClient, make: Make) -> None:
    client.get("/?lang=en&elder=1")
    page = client.get("/").text

    assert '<html lang="en" class="elder">' in page
    assert "Large text" not in page


def test_every_answer_carries_the_security_headers(client: FlaskClient) -> None:
    for address in ("/", "/nowhere", "/static/css/app.css", "/api/v1/campaigns/none"):
        with client.get(address) as answer:
            headers = answer.headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


def test_atk_039_a_foreign_host_is_refused(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_the_campaign_page_stays_far_below_a_hundred_kilobytes(
    client: FlaskClient, make: Make
) -> None:
    campaign = make.campaign()
    make.money(campaign.fund_id, *([1314] * 50))
    page = client.get(f"/c/{campaign.slug}").data
    with client.get("/static/css/app.css") as answer:
        style = answer.data

    assert len(page) + len(style) < 60_000


KEY = ("localhost", "/", "zh", "")


def test_a_kept_page_is_shown_until_its_moment_is_over() -> None:
    cache = PageCache()
    first = Page(10.0, [], b"first")
    assert cache.find(KEY, 10.0, 1.0) is None
    cache.keep(KEY, first)

    assert cache.find(KEY, 10.9, 1.0) is first
    assert cache.find(KEY, 11.1, 1.0) is None
    assert cache.find(KEY, 11.1, 1.0) is first, "while one draws, others get the last page"


def test_a_page_that_could_not_be_drawn_is_drawn_again() -> None:
    cache = PageCache()
    cache.find(KEY, 1.0, 1.0)
    cache.keep(KEY, None)

    assert cache.find(KEY, 1.0, 1.0) is None


def test_only_what_is_alike_for_everybody_is_kept(
    app: Flask, client: FlaskClient, make: Make
) -> None:
    campaign = make.campaign()
    kept = KeptPages(app.wsgi_app, is_alike, 60.0)
    browser = Client(kept, Response)
    address = f"/c/{campaign.slug}"
    first = browser.get(address).text
    make.money(campaign.fund_id, 777)

    assert browser.get(address).text == first
    assert "¥7.77" in browser.get(f"{address}?lang=zh").text
    assert "¥7.77" in client.get(address).text
    assert "Set-Cookie" not in browser.get(address).headers
    assert browser.get("/c/nobody").status_code == 404
    assert browser.get("/c/nobody").status_code == 404


def test_pages_of_two_languages_and_hosts_are_kept_apart() -> None:
    @Request.application
    def echo(request: Request) -> Response:
        return Response(
            f"{request.host} {request.cookies.get('lang')} {request.cookies.get('elder')}"
        )

    browser = Client(KeptPages(echo, is_alike, 60.0), Response, use_cookies=False)
    seen = {
        browser.get("/", headers={"Host": host, "Cookie": f"lang={lang}; elder={elder}"}).text
        for host in ("a.example", "b.example")
        for lang in ("zh", "en")
        for elder in ("0", "1")
        for _ in range(2)
    }

    assert len(seen) == 8


@pytest.mark.parametrize("days", [1, 6, 7, 11, 31])
def test_the_days_under_the_columns_do_not_run_into_each_other(days: int) -> None:
    drawn = charts.columns([Day(f"2026-11-{n + 1:02}", 100, 1) for n in range(days)], "by day")

    assert drawn.count("<rect") == days
    assert 1 <= drawn.count("<text") <= charts.LABELS
