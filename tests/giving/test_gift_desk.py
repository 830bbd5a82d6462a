"""Staff look up an order with its history, and decide which messages everybody may read."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising.audit import queries as audit
from fundraising.giving import settlement
from fundraising.giving.models import Gift
from tests.giving.test_settlement import paid

Staff = Callable[[str], FlaskClient]
Start = Callable[..., Gift]


@pytest.fixture
def messages(start: Start, session: Session) -> list[Gift]:
    """Three gifts with messages that nobody has read."""
    gifts = [start(message=f"留言第{n}条") for n in range(3)]
    settlement.apply_facts([paid(gift) for gift in gifts])
    session.commit()
    return gifts


def test_the_history_of_an_order_is_told_in_words_and_in_order(
    staff_client: Staff, start: Start, session: Session
) -> None:
    gift = start()
    settlement.apply_facts([paid(gift)])
    session.commit()
    browser = staff_client("finance")

    page = browser.get(f"/staff/orders/{gift.ref}").text

    told = [
        "订单已创建",
        "已开启支付方式：微信支付（扫码）",
        "支付渠道告知：已付款",
        "计入捐赠",
        "凭证",
    ]
    history = page.split("历史记录")[1]
    places = [history.index(words) for words in told]
    assert places == sorted(places)
    assert "/staff/ledger/" in history
    assert not any(raw in page for raw in ("settled", "wechatpay.native", "gift_received"))
    english = browser.get(f"/staff/orders/{gift.ref}?lang=en").text
    assert "The provider said: paid" in english


def test_an_editor_sees_the_history_without_links_into_the_books(
    staff_client: Staff, start: Start, session: Session
) -> None:
    gift = start()
    settlement.apply_facts([paid(gift)])
    session.commit()

    page = staff_client("campaign_editor").get(f"/staff/orders/{gift.ref}").text

    assert "计入捐赠" in page
    assert "/staff/ledger/" not in page


def test_a_page_of_messages_is_decided_at_once(
    staff_client: Staff, messages: list[Gift], session: Session
) -> None:
    browser = staff_client("campaign_editor")
    assert all(f"留言第{n}条" in browser.get("/staff/messages").text for n in range(3))
    seen: dict[str, Any] = {
        "seen": [str(gift.id) for gift in messages[:2]],
        "show": [str(messages[0].id), str(messages[2].id)],
    }

    assert browser.post("/staff/messages", data=seen).status_code == 303

    for gift in messages:
        session.refresh(gift)
    assert [gift.message_state for gift in messages] == ["approved", "hidden", "pending"]
    assert {event.action for event in audit.events()} >= {"message.approved", "message.hidden"}


def test_what_a_colleague_decided_meanwhile_stays(
    staff_client: Staff, messages: list[Gift], session: Session
) -> None:
    gift_id = str(messages[0].id)
    staff_client("campaign_editor").post("/staff/messages", data={"seen": gift_id})

    staff_client("campaign_editor").post("/staff/messages", data={"seen": gift_id, "show": gift_id})

    session.refresh(messages[0])
    assert messages[0].message_state == "hidden"


def test_nonsense_among_the_messages_is_passed_over(staff_client: Staff) -> None:
    answer = staff_client("campaign_editor").post("/staff/messages", data={"seen": "nonsense"})

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("channel", "name"), [("gongyibao", "公益宝"), ("wechatpay", "微信支付"), ("cash", "现金")]
)
def test_orders_of_every_road_are_listed_by_its_name(
    staff_client: Staff, start: Start, session: Session, channel: str, name: str
) -> None:
    gift = start()
    gift.channel = channel
    session.commit()
    browser = staff_client("finance")

    assert name in browser.get("/staff/orders").text.split("<tbody>")[1]
    assert name in browser.get(f"/staff/orders/{gift.ref}").text


def test_older_orders_are_a_page_away(staff_client: Staff, start: Start, session: Session) -> None:
    gifts = [start() for _ in range(52)]
    session.commit()
    browser = staff_client("finance")

    first = browser.get("/staff/orders").text
    older = browser.get(f"/staff/orders?before={gifts[2].id}").text

    assert f"before={gifts[2].id}" in first
    assert [gift.ref in first for gift in gifts[:3]] == [False, False, True]
    assert [gift.ref in older for gift in gifts[:3]] == [True, True, False]
    assert "更早" not in older
    assert "更早" in first
