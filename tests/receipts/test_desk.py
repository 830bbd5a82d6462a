"""The receipt desk: found by number or code, void with a reason everybody reads, replaced where wanted."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising.accounts.models import User
from fundraising.audit.models import AuditEvent
from fundraising.database import db
from fundraising.giving.models import Gift
from fundraising.receipts import queries, service
from fundraising.receipts.errors import AlreadyVoid, VoidReasonMissing

Make = Callable[..., Gift]
Open = Callable[..., FlaskClient]


def test_a_receipt_is_void_with_its_reason_on_every_page(
    paid_gift: Make, staff_client: Open, client: FlaskClient
) -> None:
    gift = paid_gift()
    receipt = service.issue(gift.id)
    browser = staff_client("finance")
    found = browser.get(f"/staff/receipts?number={receipt.label.lower()}")
    assert found.location == f"/staff/receipts/{receipt.id}"
    assert browser.get(f"/staff/receipts?number={receipt.code}").location == found.location
    assert receipt.label in browser.get("/staff/receipts").text
    address = f"{found.location}/void"
    assert browser.post(address, data={"reason": " "}).status_code == 422

    assert browser.post(address, data={"reason": "项目名称有误"}).status_code == 303

    shown = client.get(f"/v/{receipt.code}").text
    assert "已作废" in shown
    assert "项目名称有误" in shown
    assert "项目名称有误" in client.get(f"/t/{gift.token}").text
    assert "项目名称有误" in browser.get(found.location).text
    event = db.session.execute(
        select(AuditEvent).where(AuditEvent.action == "receipt.voided")
    ).scalar_one()
    assert event.actor_id is not None
    assert browser.post(address, data={"reason": "再次"}).status_code == 409


def test_a_replacement_is_issued_and_named_where_wanted(
    paid_gift: Make, staff_client: Open
) -> None:
    gift = paid_gift()
    old = service.issue(gift.id)

    answer = staff_client("finance").post(
        f"/staff/receipts/{old.id}/void", data={"reason": "姓名有误", "replace": "on"}
    )

    new = queries.find_valid(gift.id)
    assert new is not None
    assert new.replaces_id == old.id
    assert answer.location == f"/staff/receipts/{new.id}"


def test_only_what_stands_is_made_void(paid_gift: Make, make_staff: Callable[..., User]) -> None:
    gift, person = paid_gift(), make_staff("finance").id
    old = service.issue(gift.id)
    with pytest.raises(VoidReasonMissing):
        service.void_by_hand(old.id, "", person, is_replaced=False)
    service.void_by_hand(old.id, "姓名有误", person, is_replaced=True)

    with pytest.raises(AlreadyVoid):
        service.void_by_hand(old.id, "再次", person, is_replaced=True)
