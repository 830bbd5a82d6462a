"""Receipts by rule, frozen at issue, void and replaced openly, for their donor alone."""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising.campaigns.models import Campaign
from fundraising.giving import people
from fundraising.giving.errors import AddressNeeded
from fundraising.giving.models import Display, Gift, ReceiptRule
from fundraising.mail.models import Letter
from fundraising.mail.service import _open
from fundraising.outbox.kinds import Kind
from fundraising.outbox.models import Work
from fundraising.outbox.service import Claimed
from fundraising.receipts import letters, papers, queries, service
from fundraising.receipts.errors import AlreadyVoid, NotPaidYet
from fundraising.receipts.models import Receipt, ReceiptLine
from fundraising.receipts.template import LAYOUTS
from tests.conftest import FrozenClock

MakeGift = Callable[..., Gift]
MAY = datetime(2026, 5, 20, 4, tzinfo=UTC)
MONTHLY = {"receipt_rule": ReceiptRule.MONTHLY, "email": "wang@example.org", "name": "王芳"}


def words(data: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def work(session: Session, kind: Kind) -> list[Claimed]:
    found = session.execute(select(Work).where(Work.kind == kind).order_by(Work.id)).scalars()
    return [Claimed(w.id, kind, w.payload, 1) for w in found]


def receipts(session: Session) -> list[Receipt]:
    return list(session.execute(select(Receipt).order_by(Receipt.number)).scalars())


def at(frozen_clock: FrozenClock, *moment: int) -> None:
    frozen_clock.at = datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type, misc]


# ---------------------------------------------------------------------- rules


def test_a_receipt_at_once_is_made_and_sent_when_the_money_comes(
    paid_gift: MakeGift, session: Session
) -> None:
    gift = paid_gift(email="wang@example.org")
    for claimed in work(session, Kind.ISSUE_RECEIPT) * 2:
        service.handle(claimed)

    (receipt,) = receipts(session)
    letters = session.execute(select(func.count()).select_from(Letter)).scalar_one()
    assert queries.find_valid(gift.id) is receipt
    assert letters == 1


@pytest.mark.parametrize("rule", [ReceiptRule.MONTHLY, ReceiptRule.YEARLY, ReceiptRule.ON_REQUEST])
def test_other_rules_issue_nothing_at_once(
    paid_gift: MakeGift, session: Session, rule: ReceiptRule
) -> None:
    paid_gift(receipt_rule=rule, email="wang@example.org")
    for claimed in work(session, Kind.ISSUE_RECEIPT):
        service.handle(claimed)

    assert receipts(session) == []


def test_a_month_is_one_document_with_one_number_and_the_sum_in_capitals(
    paid_gift: MakeGift, session: Session, frozen_clock: FrozenClock
) -> None:
    gifts = [paid_gift(10_000, MAY + timedelta(days=day), **MONTHLY) for day in (0, 1, 2)]
    paid_gift(70_000, MAY, **{**MONTHLY, "email": "other@example.org"})
    at(frozen_clock, 2026, 6, 1, 1, 40)
    service.plan_periods()
    planned = work(session, Kind.ISSUE_PERIOD_RECEIPT)
    for claimed in planned * 2:
        service.handle_period(claimed)

    receipt = queries.find_valid(gifts[0].id)
    assert receipt is not None
    said = words(papers.pdf(receipt))
    assert len(planned) == 2
    assert len(receipts(session)) == 2
    assert {queries.find_valid(g.id) for g in gifts} == {receipt}
    assert receipt.amount_fen == 30_000
    assert "叁佰元整" in said
    assert all(gift.order_no in said for gift in gifts)
    assert "2026 年 5 月，共 3 笔" in said


def test_a_month_ends_at_midnight_in_shanghai(
    paid_gift: MakeGift, session: Session, frozen_clock: FrozenClock
) -> None:
    may = paid_gift(100, datetime(2026, 5, 31, 15, 59, tzinfo=UTC), **MONTHLY)
    june = paid_gift(100, datetime(2026, 5, 31, 16, 0, tzinfo=UTC), **MONTHLY)
    at(frozen_clock, 2026, 6, 1, 1, 40)
    service.plan_periods()
    for claimed in work(session, Kind.ISSUE_PERIOD_RECEIPT):
        service.handle_period(claimed)

    assert queries.find_valid(may.id) is not None
    assert queries.find_valid(june.id) is None


def test_nothing_is_planned_before_the_year_is_over(
    paid_gift: MakeGift, frozen_clock: FrozenClock
) -> None:
    gift = paid_gift(100, MAY, **{**MONTHLY, "receipt_rule": ReceiptRule.YEARLY})
    at(frozen_clock, 2026, 12, 31, 15, 59)
    assert service.plan_periods() == 0
    at(frozen_clock, 2026, 12, 31, 16, 1)
    assert service.plan_periods() == 1
    found = service.issue_period(queries.waiting()[0])
    assert found is not None
    assert [line.gift_id for line in queries.lines_of(found.id)] == [gift.id]
    assert found.period == "2026"
    assert found.year == 2027  # the number is of the year of issue, on Shanghai's calendar


def test_a_payment_settled_late_gets_a_receipt_of_its_own_on_the_next_day(
    paid_gift: MakeGift, session: Session, frozen_clock: FrozenClock
) -> None:
    first, late = paid_gift(100, MAY, **MONTHLY), paid_gift(200, MAY, **MONTHLY)
    late.paid_at = None
    at(frozen_clock, 2026, 6, 1, 1, 40)
    service.plan_periods()
    for claimed in work(session, Kind.ISSUE_PERIOD_RECEIPT):
        service.handle_period(claimed)
    late.paid_at = MAY
    frozen_clock.move(days=1)
    service.plan_periods()
    for claimed in work(session, Kind.ISSUE_PERIOD_RECEIPT):
        service.handle_period(claimed)

    one, two = queries.find_valid(first.id), queries.find_valid(late.id)
    assert one is not None
    assert two is not None
    assert one.id != two.id


def test_a_receipt_by_month_needs_an_address(start: MakeGift) -> None:
    with pytest.raises(AddressNeeded):
        start(100, receipt_rule=ReceiptRule.MONTHLY)


def test_a_receipt_on_request_is_made_from_the_donors_page(
    client: FlaskClient, paid_gift: MakeGift
) -> None:
    gift = paid_gift(receipt_rule=ReceiptRule.ON_REQUEST)
    before = client.get(f"/receipts/{gift.token}.pdf").status_code
    page = client.get(f"/t/{gift.token}").text
    client.post(f"/receipts/{gift.token}/request")

    assert before == 409
    assert f"/receipts/{gift.token}/request" in page
    assert client.get(f"/receipts/{gift.token}.pdf").data.startswith(b"%PDF")


def test_the_form_asks_for_the_rule_and_the_address_that_goes_with_it(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    page = client.get(f"/c/{campaign.slug}/donate").text
    (key,) = re.findall(r'name="key"[^>]*value="([^"]+)"', page)
    values = {"key": key, "own_amount": "100", "display": "anonymous", "consent": "y"}
    values |= {"receipt_rule": "monthly"}
    refused = client.post(f"/c/{campaign.slug}/donate", data=values)
    taken = client.post(f"/c/{campaign.slug}/donate", data=values | {"email": "w@example.org"})

    gift = session.execute(select(Gift)).scalar_one()
    assert refused.status_code == 422
    assert taken.status_code == 303
    assert gift.receipt_rule == ReceiptRule.MONTHLY
    assert gift.receipt_group


def test_erasing_a_person_takes_their_gifts_out_of_the_group(
    paid_gift: MakeGift, frozen_clock: FrozenClock
) -> None:
    people.erase(paid_gift(100, MAY, **MONTHLY))
    at(frozen_clock, 2026, 6, 2, 1, 40)

    assert service.plan_periods() == 0


# ---------------------------------------------------------------------- for the donor alone


def test_one_gift_does_not_open_the_list_of_a_donors_month(
    client: FlaskClient, paid_gift: MakeGift, frozen_clock: FrozenClock, session: Session
) -> None:
    gift = paid_gift(100, MAY, **MONTHLY)
    at(frozen_clock, 2026, 6, 2, 1, 40)
    service.plan_periods()
    for claimed in work(session, Kind.ISSUE_PERIOD_RECEIPT):
        service.handle_period(claimed)
    receipt = queries.find_valid(gift.id)
    assert receipt is not None
    letter = session.execute(select(Letter)).scalar_one()

    assert client.get(f"/receipts/{gift.token}.pdf").status_code == 409
    assert client.get(f"/receipts/{receipt.token}.pdf").data == papers.pdf(receipt)
    assert f"/receipts/{receipt.token}.pdf" in _open(letter.sealed or b"")
    assert receipt.token not in client.get(f"/t/{gift.token}").text


def test_verification_says_nothing_of_who_gave(client: FlaskClient, paid_gift: MakeGift) -> None:
    gift = paid_gift(name="欧阳震华", email="o@example.org", display=Display.FULL)
    receipt = service.issue(gift.id)
    page = client.get(f"/v/{receipt.code}").text

    assert "真实有效" in page
    assert "欧阳" not in page
    assert gift.token not in page
    assert receipt.token not in page


# ---------------------------------------------------------------------- frozen


def test_a_receipt_stays_the_same_bytes_whatever_changes_later(
    client: FlaskClient, paid_gift: MakeGift, monkeypatch: pytest.MonkeyPatch
) -> None:
    gift = paid_gift(name="王芳", display=Display.FULL)
    first = papers.pdf(service.issue(gift.id))
    gift.display_name = "别人"
    monkeypatch.setitem(LAYOUTS, "gift-2", "#panic()")

    assert papers.pdf(service.issue(gift.id)) == first
    assert client.get(f"/receipts/{gift.token}.pdf").data == first
    assert "王芳" in words(first)


def test_rule_073_a_crash_between_number_and_page_leaves_no_gap(
    paid_gift: MakeGift, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = paid_gift(), paid_gift()
    before = service.issue(one.id).number

    def crash(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(papers, "_set", crash)
        nested = session.begin_nested()
        with pytest.raises(RuntimeError):
            service.issue(two.id)
        nested.rollback()

    assert service.issue(two.id).number == before + 1


def test_the_database_keeps_a_gift_on_one_valid_receipt(
    paid_gift: MakeGift, session: Session
) -> None:
    gift, other = paid_gift(), paid_gift()
    service.issue(gift.id)
    second = service.issue(other.id)
    line = ReceiptLine(receipt_id=second.id, gift_id=gift.id, amount_fen=1)

    nested = session.begin_nested()
    session.add(line)
    with pytest.raises(IntegrityError, match="uq_receipt_line_valid_gift"):
        session.flush()
    nested.rollback()


# ---------------------------------------------------------------------- void and replaced


def follow(gift: Gift) -> None:
    service.follow_refund(Claimed(1, Kind.FOLLOW_REFUND, {"gift_id": str(gift.id)}, 1))


def test_a_refund_voids_the_receipt_openly_and_a_new_one_says_what_is_left(
    client: FlaskClient, paid_gift: MakeGift, refund: Callable[..., None], session: Session
) -> None:
    gift = paid_gift(10_000, email="wang@example.org")
    old = service.issue(gift.id)
    kept = papers.pdf(old)
    refund(gift, 4_000)
    for _ in range(2):
        follow(gift)
    new = queries.find_valid(gift.id)

    assert new is not None
    assert (new.amount_fen, new.replaces_id, new.number) == (6_000, old.id, old.number + 1)
    assert len(receipts(session)) == 2
    page = client.get(f"/v/{old.code}").text
    assert "已作废" in page
    assert new.label in page
    assert f"/v/{new.code}" in page
    assert old.label in words(papers.pdf(new))
    assert papers.pdf(old) == kept
    letter = session.execute(select(Letter).order_by(Letter.id.desc()).limit(1)).scalar_one()
    told = json.loads(_open(letter.sealed or b""))
    assert old.label in told["body"]
    assert told["subject"] == f"您的收款确认已更换，新编号 {new.label}"


def test_a_whole_refund_leaves_no_receipt(
    client: FlaskClient, paid_gift: MakeGift, refund: Callable[..., None], session: Session
) -> None:
    gift = paid_gift(10_000)
    old = service.issue(gift.id)
    refund(gift, 10_000)
    for _ in range(2):
        follow(gift)

    assert queries.find_valid(gift.id) is None
    assert [r.state for r in receipts(session)] == ["void"]

    assert "退回" in client.get(f"/v/{old.code}").text
    assert "没有有效" in client.get(f"/t/{gift.token}").text
    with pytest.raises(NotPaidYet):
        service.issue(gift.id)

    refund(gift, -10_000)  # a dispute was won
    for _ in range(2):
        follow(gift)

    new = queries.find_valid(gift.id)
    assert new is not None
    assert (new.amount_fen, new.replaces_id) == (10_000, old.id)


def test_a_receipt_that_staff_took_back_for_good_is_not_made_again(
    paid_gift: MakeGift, refund: Callable[..., None]
) -> None:
    gift = paid_gift(10_000)
    service.issue(gift.id)
    service.void(gift.id, "issued to somebody else")
    refund(gift, 1_000)

    follow(gift)

    assert queries.find_valid(gift.id) is None


def test_money_that_goes_back_before_the_receipt_is_left_out_of_it(
    paid_gift: MakeGift, refund: Callable[..., None]
) -> None:
    gift = paid_gift(10_000, receipt_rule=ReceiptRule.ON_REQUEST)
    refund(gift, 1_000)
    follow(gift)

    assert service.issue(gift.id).amount_fen == 9_000


def test_a_month_is_replaced_whole_without_what_went_back(
    paid_gift: MakeGift,
    refund: Callable[..., None],
    frozen_clock: FrozenClock,
) -> None:
    gifts = [paid_gift(10_000, MAY, **MONTHLY) for _ in range(3)]
    at(frozen_clock, 2026, 6, 2, 1, 40)
    old = service.issue_period(queries.waiting()[0])
    refund(gifts[0], 10_000)
    refund(gifts[1], 2_500)
    follow(gifts[1])
    follow(gifts[0])
    new = queries.find_valid(gifts[2].id)

    assert new is not None
    assert old is not None
    assert (new.amount_fen, new.replaces_id, new.period) == (17_500, old.id, "2026-05")
    assert queries.find_valid(gifts[0].id) is None
    assert service.plan_periods() == 0


def test_a_receipt_voided_by_hand_is_replaced_by_the_next_one(
    paid_gift: MakeGift, session: Session
) -> None:
    gift = paid_gift(email="wang@example.org")
    old = service.issue(gift.id)
    service.void(gift.id, "金额写错")
    with pytest.raises(AlreadyVoid):
        service.void(gift.id, "again")

    new = service.issue(gift.id)

    assert new.replaces_id == old.id
    assert letters.send(new, gift)
    told = json.loads(_open(session.execute(select(Letter.sealed)).scalar_one() or b""))["body"]
    assert f"您的收款确认 {old.label} 已作废" in told
    assert "款项退回" not in told


def test_numbers_are_one_row_of_a_year(paid_gift: MakeGift, session: Session) -> None:
    numbers = [service.issue(paid_gift().id).number for _ in range(4)]
    last = session.execute(text("SELECT max(last_number) FROM receipt_year")).scalar_one()

    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert last == numbers[-1]
