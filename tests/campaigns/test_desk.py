"""The editor's desk: what is written in a browser reaches donors as it was meant."""

from collections.abc import Callable

from flask.testing import FlaskClient

from tests.factories import Make


def test_an_update_written_in_a_browser_keeps_its_paragraphs(
    make: Make, staff_client: Callable[[str], FlaskClient]
) -> None:
    campaign, browser = make.campaign(), staff_client("campaign_editor")
    written = {"title_zh": "第一台已安装", "body_zh": "第一段。\r\n\r\n第二段\r\n第二行。\r\n"}

    made = browser.post(f"/staff/campaigns/{campaign.slug}/updates/new", data=written)
    assert made.status_code == 303
    preview = browser.get(made.location)
    assert '<p class="lines">第一段。</p><p class="lines">第二段\n第二行。</p>' in preview.text
    browser.post(f"{made.location}/publish")
    again = browser.post(f"/staff/campaigns/{campaign.slug}/updates/new", data=written)
    assert again.location == made.location
    assert "已保存，重复提交" in browser.get(again.location).text

    assert '<p class="lines">第一段。</p>' in browser.get(f"/c/{campaign.slug}").text
