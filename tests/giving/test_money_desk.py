"""The money desk: two people refund, somebody explains and somebody else closes, each road in the browser."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import settlement, words
from fundraising.giving.models import Gift
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.outbox.models import Work
from fundraising.payments.differences import Found, keep_differences
from fundraising.payments.models import AttemptState, Refund, RefundStage, Review, ReviewKind
from fundraising.payments.providers.base import FactKind, FactSource, Product
from fundraising.payments.reconciliation_models import Difference, DifferenceKind, Reconciliation
from fundraising.reports import words as report_words
from tests import wechat
from tests.giving.test_refunds import back
from tests.giving.test_settlement import paid, state_of

Start = Callable[..., Gift]
Open = Callable[..., FlaskClient]
Staff = Callable[..., User]


def one(model: Any) -> Any:
    return db.session.execute(select(model).execution_options(populate_existing=True)).scalar_one()


def test_two_people_refund_a_gift_in_the_browser(
    start: Start, staff_client: Open, make_staff: Staff
) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift)])
    first, second = make_staff("finance"), make_staff("finance")
    page = f"/staff/orders/{gift.ref}/refund"

    bad = staff_client(first).post(page, data={"amount": "1e3", "reason": "测试"})
    assert bad.status_code == 422
    assert "最多两位小数" in bad.text
    none = staff_client(first).post(page, data={"amount": "0", "reason": "测试"})
    assert "金额必须大于零" in none.text
    assert staff_client(first).post(page, data={"amount": "99", "reason": "x"}).status_code == 422
    asked = staff_client(first).post(page, data={"amount": "4.00", "reason": "捐赠人申请"})
    assert asked.status_code == 303
    refund = one(Refund)

    again = {"amount": "4.00", "reason": "捐赠人申请", "seen": "1000"}
    twice = staff_client(first).post(page, data=again)
    assert twice.status_code == 422
    assert "已有款项申请退回" in twice.text
    assert 'name="seen" value="600"' in twice.text

    same = staff_client(first).post(f"/staff/refunds/{refund.id}", data={"do": "approve"})
    assert same.status_code == 403
    assert "捐赠人申请" in same.text
    staff_client(second).post(f"/staff/refunds/{refund.id}", data={"do": "approve"})

    assert one(Refund).state == "approved"
    listed = staff_client(second).get("/staff/refunds").text
    assert "捐赠人申请" in listed
    assert "退款" in staff_client(second).get(f"/staff/orders/{gift.ref}").text


def test_a_refund_may_be_given_up(start: Start, staff_client: Open) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift)])
    browser = staff_client("finance")
    browser.post(f"/staff/orders/{gift.ref}/refund", data={"amount": "10", "reason": "测试"})

    browser.post(f"/staff/refunds/{one(Refund).id}", data={"do": "cancel"})

    assert one(Refund).state == "cancelled"


def test_another_amount_becomes_the_gift(start: Start, staff_client: Open) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift, amount=Money(900))])
    browser = staff_client("finance")
    assert "按实收金额" in browser.get("/staff/reviews").text

    answer = browser.post(
        f"/staff/reviews/{one(Review).id}", data={"do": "accept", "note": "捐赠人确认"}
    )

    assert answer.status_code == 303
    assert state_of(gift) == "paid"


def test_a_stray_becomes_a_gift_of_a_campaign(
    start: Start, campaign: Campaign, staff_client: Open
) -> None:
    gift = start(1000)
    stray = paid(gift, merchant_ref="NOBODY", fact_ref="T-X", source=FactSource.BILL)
    settlement.apply_facts([stray])

    staff_client("finance").post(
        f"/staff/reviews/{one(Review).id}",
        data={"do": "give", "campaign": campaign.slug, "note": "账单核对"},
    )

    assert ledger.balance(chart.SUSPENSE) == Money(0)


def test_a_review_is_taken_and_closed_only_with_words(start: Start, staff_client: Open) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift)])
    settlement.apply_facts([back(gift, 100, "CONSOLE1")])
    browser = staff_client("finance")
    address = f"/staff/reviews/{one(Review).id}"

    browser.post(address, data={"do": "take"})
    assert one(Review).owner_id is not None
    assert browser.post(address, data={"do": "close", "note": " "}).status_code == 422
    browser.post(address, data={"do": "close", "note": "后台退款，已核对"})
    assert one(Review).closed_at is not None


def test_a_review_stays_open_while_its_money_has_no_place(start: Start, staff_client: Open) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift, amount=Money(900))])
    browser, address = staff_client("finance"), f"/staff/reviews/{one(Review).id}"

    early = browser.post(address, data={"do": "close", "note": "以后再说"})

    assert early.status_code == 409
    assert "款项尚未处理" in early.text
    assert "以后再说" in early.text
    assert one(Review).closed_at is None
    browser.post(address, data={"do": "refund", "note": "退还捐赠人"})
    assert browser.post(address, data={"do": "close", "note": "已退还"}).status_code == 303


def test_whoever_comes_first_may_be_relieved_but_nothing_closed_is_taken(
    start: Start, staff_client: Open, make_staff: Staff
) -> None:
    gift = start(1000)
    settlement.apply_facts([paid(gift, amount=Money(900))])
    address, second = f"/staff/reviews/{one(Review).id}", make_staff("finance")

    for person in (make_staff("finance"), second):
        staff_client(person).post(address, data={"do": "take"})
    assert one(Review).owner_id == second.id
    staff_client(second).post(address, data={"do": "accept", "note": "捐赠人确认"})

    late = staff_client("finance").post(address, data={"do": "take"})
    assert late.status_code == 409
    assert "已经办结" in late.text
    assert one(Review).owner_id == second.id


def a_day() -> Reconciliation:
    day = Reconciliation(
        provider="wechatpay",
        account=wechat.MCHID,
        day=date(2026, 11, 10),
        state="differences",
        sums={"bill_paid_fen": 100, "our_paid_fen": 0},
    )
    db.session.add(day)
    db.session.flush()
    found = Found(DifferenceKind.OURS_ONLY, "T1", 100, {"ref": "T1", "amount_fen": 100})
    keep_differences(day, [found])
    return day


def test_one_explains_a_difference_and_another_closes_it(
    staff_client: Open, make_staff: Staff
) -> None:
    a_day()
    address = f"/staff/differences/{one(Difference).id}"
    first, second = make_staff("finance"), make_staff("finance")

    staff_client(first).post(address, data={"do": "explain", "explanation": "测试付款"})
    assert staff_client(first).post(address, data={"do": "close"}).status_code == 403
    staff_client(second).post(address, data={"do": "close"})

    assert one(Difference).closed_by == second.id
    page = staff_client("auditor").get("/staff/reconciliation/wechatpay/2026-11-10").text
    assert "测试付款" in page
    assert "账上有、账单无" in page


def test_what_was_said_of_a_closed_difference_stays(staff_client: Open, make_staff: Staff) -> None:
    a_day()
    address = f"/staff/differences/{one(Difference).id}"
    first, second = make_staff("finance"), make_staff("finance")
    staff_client(first).post(address, data={"do": "explain", "explanation": "测试付款"})
    staff_client(second).post(address, data={"do": "close"})

    late = staff_client(second).post(address, data={"do": "explain", "explanation": "另一说法"})

    assert late.status_code == 409
    assert (one(Difference).explanation, one(Difference).explained_by) == ("测试付款", first.id)
    assert staff_client(first).post(address, data={"do": "take"}).status_code == 409


def test_an_explanation_that_is_refused_is_asked_for_at_its_difference(staff_client: Open) -> None:
    a_day()

    empty = staff_client("finance").post(
        f"/staff/differences/{one(Difference).id}", data={"do": "explain", "explanation": " "}
    )

    assert empty.status_code == 422
    assert 'role="alert"' in empty.text
    assert "账上有、账单无" in empty.text


def test_taking_a_difference_or_a_review_keeps_what_was_typed(
    start: Start, staff_client: Open
) -> None:
    a_day()
    gift = start()
    settlement.apply_facts([paid(gift, amount=Money(900))])
    browser = staff_client("finance")
    forms = [
        (f"/staff/differences/{one(Difference).id}", "explanation"),
        (f"/staff/reviews/{one(Review).id}", "note"),
    ]

    for address, name in forms:
        taken = browser.post(address, data={"do": "take", name: "已致电银行"})
        assert taken.status_code == 200
        assert "已致电银行</textarea>" in taken.text
        assert 'role="alert"' not in taken.text
        assert browser.post(address, data={"do": "take", name: " "}).status_code == 303
    assert one(Difference).explained_by is None


def test_a_day_is_run_by_a_worker_and_never_today(staff_client: Open) -> None:
    browser = staff_client("finance")
    asked = {"channel": "wechatpay", "day": "2026-11-10"}

    assert browser.post("/staff/reconciliation", data=asked).status_code == 303
    assert browser.post("/staff/reconciliation", data={**asked, "day": "soon"}).status_code == 422
    future = {**asked, "day": "2999-01-01"}
    assert browser.post("/staff/reconciliation", data=future).status_code == 422

    assert [w.payload["day"] for w in db.session.execute(select(Work)).scalars()] == ["2026-11-10"]
    assert browser.get("/staff/reconciliation/wechatpay/soon").status_code == 404


def test_pages_without_anything_are_kind(staff_client: Open) -> None:
    browser = staff_client("finance")
    for page in ("reviews", "refunds", "reconciliation"):
        answer = browser.get(f"/staff/{page}?lang=en")
        assert answer.status_code == 200
        assert "yet" in answer.text or "Nothing waits" in answer.text


def test_every_kind_of_entry_has_its_word() -> None:
    assert [kind for kind in EntryKind if kind not in report_words.KINDS] == []


def test_every_state_of_money_has_a_word() -> None:
    tables: dict[type[StrEnum], dict[str, Any]] = {
        ReviewKind: words.REVIEWS,
        RefundStage: words.STAGES,
        DifferenceKind: words.DIFFERENCES,
        Product: words.PRODUCTS,
        AttemptState: words.ATTEMPTS,
        FactKind: words.FACTS,
        FactSource: words.SOURCES,
    }
    for names, table in tables.items():
        assert {str(name) for name in names} <= {str(name) for name in table}
