"""The buyer's desk in the browser: forms with errors at fields, refusals with their status."""

import io
import re
from collections.abc import Callable

from flask.testing import FlaskClient

from fundraising.audit import queries as audit
from fundraising.procurement import queries
from fundraising.procurement.models import PurchaseState
from tests.workshop import PDF, Workshop

Open = Callable[..., FlaskClient]


def upload(kind: str, name: str = "合同.pdf") -> dict[str, object]:
    """A paper as a browser sends it."""
    return {"kind": kind, "paper": (io.BytesIO(PDF + kind.encode()), name), "is_public": "y"}


def test_a_purchase_goes_from_draft_to_payment_between_two_people(
    workshop: Workshop, staff_client: Open
) -> None:
    buyer, approver = staff_client(workshop.buyer), staff_client(workshop.approver)
    buyer.post("/staff/purchases/suppliers/new", data={"name": "承德医疗器械有限公司"})
    seller = next(s for s in queries.suppliers() if s.name == "承德医疗器械有限公司")
    begun = buyer.post(
        "/staff/purchases/new",
        data={
            "campaign": workshop.campaign.slug,
            "supplier": str(seller.id),
            "title_zh": "急救培训耗材",
        },
    )
    address = begun.headers["Location"]
    number = address.rpartition("/")[2]
    line = {"item_zh": "除颤电极片", "quantity": "10", "price": "380.50"}
    assert buyer.post(f"{address}/lines", data=line).status_code == 303
    assert buyer.post(f"{address}/papers", data=upload("contract")).status_code == 303
    assert buyer.post(f"{address}/submit").status_code == 303
    assert approver.post(f"{address}/approve").status_code == 303
    kept = queries.get(number).lines[0]
    assert (
        buyer.post(f"{address}/lines/{kept.id}/accept", data={"quantity": "10"}).status_code == 303
    )
    assert buyer.post(f"{address}/papers", data=upload("invoice")).status_code == 303
    payment = {"amount": "3805.00", "paid_on": "2024-01-02", "reference": "B-77"}
    assert buyer.post(f"{address}/payments", data=payment).status_code == 303
    prepared = queries.get(number).payments[0]
    decide = f"{address}/payments/{prepared.id}"
    assert approver.post(decide, data={"decision": "approve"}).status_code == 303

    page = buyer.get(address).get_data(as_text=True)
    assert "¥3,805.00" in page
    assert queries.get(number).state == PurchaseState.RECEIVED
    actions = [event.action for event in audit.events(subject=f"purchase:{number}")]
    assert actions[0] == "purchase.payment_approved"
    assert actions[-1] == "purchase.created"


def test_the_server_refuses_the_preparer_and_says_so_on_the_page(
    workshop: Workshop, staff_client: Open
) -> None:
    purchase = workshop.submitted()

    answer = staff_client(workshop.buyer).post(f"/staff/purchases/{purchase.number}/approve")

    assert answer.status_code == 403
    assert "须由另一人审批" in answer.get_data(as_text=True)
    assert queries.get(purchase.number).state == PurchaseState.SUBMITTED


def test_an_older_version_of_the_page_is_answered_with_409(
    workshop: Workshop, staff_client: Open
) -> None:
    purchase = workshop.submitted()

    answer = staff_client(workshop.approver).post(
        f"/staff/purchases/{purchase.number}/approve?lang=en", data={"version": "1"}
    )

    assert answer.status_code == 409
    assert "Someone else changed this" in answer.get_data(as_text=True)


def test_a_purchase_beyond_the_fund_is_refused_with_the_amounts(
    workshop: Workshop, staff_client: Open
) -> None:
    purchase = workshop.submitted(quantity=9)

    answer = staff_client(workshop.approver).post(f"/staff/purchases/{purchase.number}/approve")

    assert answer.status_code == 409
    assert "¥104,184.00" in answer.get_data(as_text=True)
    assert "¥100,000.00" in answer.get_data(as_text=True)


def test_bad_input_gets_its_message_at_the_field_in_both_languages(
    workshop: Workshop, staff_client: Open
) -> None:
    purchase = workshop.draft()
    buyer = staff_client(workshop.buyer)
    for language, message in (("zh", "请用半角数字填写金额"), ("en", "Write the amount in yuan")):
        answer = buyer.post(
            f"/staff/purchases/{purchase.number}/lines?lang={language}",
            data={"item_zh": "x", "quantity": "1", "price": "1,000"},
        )
        page = answer.get_data(as_text=True)
        assert answer.status_code == 422
        assert re.search(rf'id="price-error">{message}', page)
    assert len(queries.lines(purchase.id)) == 1


def test_a_paper_that_is_a_web_page_is_refused(workshop: Workshop, staff_client: Open) -> None:
    purchase = workshop.draft()
    bad = upload("contract") | {"paper": (io.BytesIO(b"<html>"), "contract.pdf")}

    answer = staff_client(workshop.buyer).post(
        f"/staff/purchases/{purchase.number}/papers", data=bad
    )

    assert answer.status_code == 422
    assert queries.documents(purchase.id) == []


def test_pages_are_closed_to_those_who_may_not(
    workshop: Workshop, staff_client: Open, client: FlaskClient
) -> None:
    purchase = workshop.submitted()
    address = f"/staff/purchases/{purchase.number}"

    assert client.get(address).status_code == 302
    assert staff_client("campaign_editor").get(address).status_code == 403
    assert staff_client("auditor").get(address).status_code == 200
    assert staff_client("auditor").post(f"{address}/approve").status_code == 403
    assert staff_client("installer").post(f"{address}/submit").status_code == 403


def test_lists_and_unknown_numbers(workshop: Workshop, staff_client: Open) -> None:
    purchase = workshop.submitted()
    buyer = staff_client(workshop.buyer)

    assert purchase.number in buyer.get("/staff/purchases/?state=submitted").get_data(as_text=True)
    assert purchase.number not in buyer.get("/staff/purchases/?state=draft").get_data(as_text=True)
    assert buyer.get("/staff/purchases/?state=x&before=nonsense").status_code == 200
    assert buyer.get("/staff/purchases/P-1999-001").status_code == 404
    assert buyer.get("/staff/purchases/suppliers").status_code == 200
    assert buyer.get(f"/staff/purchases/{purchase.number}/edit").status_code == 200


def test_a_form_sent_twice_buys_accepts_and_pays_once(
    workshop: Workshop, staff_client: Open
) -> None:
    buyer, payer = staff_client(workshop.buyer), staff_client(workshop.approver)
    purchase = workshop.approved(quantity=5, price=20_000, is_device=False)
    address, line = f"/staff/purchases/{purchase.number}", queries.lines(purchase.id)[0]
    buyer.post(f"{address}/papers", data=upload("invoice"))
    begun = {
        "campaign": workshop.campaign.slug,
        "supplier": str(purchase.supplier_id),
        "title_zh": "急救培训耗材",
    }

    def seen(browser: FlaskClient) -> str:
        found = re.search(r'name="version" value="(\d+)"', browser.get(address).text)
        assert found
        return found[1]

    drafts = [buyer.post("/staff/purchases/new", data=begun).location for _ in range(2)]
    part = {"quantity": "2", "version": seen(buyer)}
    took = [buyer.post(f"{address}/lines/{line.id}/accept", data=part) for _ in range(2)]
    paid = {
        "amount": "100.00",
        "paid_on": "2024-01-02",
        "reference": "B-77",
        "version": seen(payer),
    }
    sent = [payer.post(f"{address}/payments", data=paid) for _ in range(2)]

    assert drafts[0] == drafts[1]
    assert [answer.status_code for answer in (*took, *sent)] == [303, 409, 303, 409]
    assert "B-77" in sent[1].text
    assert queries.lines(purchase.id)[0].accepted == 2
    assert len(queries.get(purchase.number).payments) == 1
