"""The donor's pages, as a browser without scripts meets them."""

import io
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import zxingcpp
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.giving import people, queries, settlement
from fundraising.giving.models import Gift
from fundraising.mail.models import Letter
from fundraising.mail.service import _open
from fundraising.payments.providers.base import (
    Instruction,
    OrderRequest,
    PayKind,
    ProviderUnavailable,
)
from fundraising.receipts import papers
from fundraising.receipts import service as receipts
from fundraising.receipts.capitals import in_capitals
from tests.conftest import FrozenClock
from tests.giving.test_settlement import paid
from tests.wechat import MCHID


class Desk:
    """A provider that opens every order, or none."""

    name, account = "wechatpay", MCHID
    is_away = False
    kind = PayKind.QR

    def open_order(self, order: OrderRequest) -> Instruction:
        if self.is_away:
            raise ProviderUnavailable("away")
        return Instruction(self.kind, f"weixin://pay?id={order.merchant_ref}")


@pytest.fixture(autouse=True)
def desk(app: Flask) -> Iterator[Desk]:
    made = Desk()
    app.extensions["providers"] = {"wechatpay": made}
    yield made
    app.extensions["providers"] = {}


def form(client: FlaskClient, campaign: Campaign, **values: str) -> dict[str, str]:
    page = client.get(f"/c/{campaign.slug}/donate").text
    (key,) = re.findall(r'name="key"[^>]*value="([^"]+)"', page)
    return {
        "key": key,
        "own_amount": "100",
        "display": "anonymous",
        "fiscal": "no",
        "consent": "y",
        **values,
    }


def post(client: FlaskClient, campaign: Campaign, **values: str) -> "tuple[int, str]":
    answer = client.post(f"/c/{campaign.slug}/donate", data=form(client, campaign, **values))
    return answer.status_code, answer.headers.get("Location") or answer.text


def gifts(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Gift)).scalar_one()


def test_a_form_starts_a_gift_and_leads_to_the_qr_code(
    client: FlaskClient, campaign: Campaign
) -> None:
    status, where = post(client, campaign)
    page = client.get(where)

    assert status == 303
    assert page.status_code == 200
    assert "¥100.00" in page.text
    assert "data:image/png;base64," in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_atk_032_a_doubled_form_makes_one_order(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    values = form(client, campaign)
    first = client.post(f"/c/{campaign.slug}/donate", data=values)
    second = client.post(f"/c/{campaign.slug}/donate", data=values)

    assert first.headers["Location"] == second.headers["Location"]
    assert gifts(session) == 1


def test_a_second_tab_is_offered_the_unpaid_order(client: FlaskClient, campaign: Campaign) -> None:
    _, where = post(client, campaign)

    assert where in client.get(f"/c/{campaign.slug}/donate").text


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-5",
        "0.001",
        "1,000",
        "１００",
        "1e3",
        "0x10",
        "5\n5",
        "∞",
        "1000000000000",
        "٣",
        "abc",
        "",
        "100.",
        "0.5",
    ],
)
def test_atk_029_a_bad_amount_gets_its_message_and_loses_nothing(
    client: FlaskClient, campaign: Campaign, session: Session, amount: str
) -> None:
    status, page = post(client, campaign, own_amount=amount, message="加油")

    assert status == 422
    assert 'id="own_amount-error"' in page
    assert "加油" in page
    assert gifts(session) == 0


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "请填写"), ("en", "Choose or write an amount")]
)
def test_errors_speak_the_readers_language(
    client: FlaskClient, campaign: Campaign, language: str, words: str
) -> None:
    client.get(f"/?lang={language}")
    _, page = post(client, campaign, own_amount="")

    assert words in page or "请选择或填写金额" in page


def test_atk_031_an_ended_campaign_takes_nothing(client: FlaskClient, campaign: Campaign) -> None:
    campaign.state = CampaignState.ENDED

    assert client.get(f"/c/{campaign.slug}/donate").status_code == 409


def test_consent_is_needed(client: FlaskClient, campaign: Campaign, session: Session) -> None:
    values = form(client, campaign)
    del values["consent"]

    assert client.post(f"/c/{campaign.slug}/donate", data=values).status_code == 422
    assert gifts(session) == 0


def test_atk_033_what_the_form_does_not_ask_is_not_read(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, state="paid", paid_at="2026-01-01", token="mine", amount_fen="1")
    gift = session.execute(select(Gift)).scalar_one()

    assert (gift.state, gift.amount_fen) == ("created", 10_000)
    assert gift.token != "mine"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{7*7}}", "O'Neil", "ลำไย", "李", "null"]
)
def test_atk_037_names_are_shown_as_they_are_written(
    client: FlaskClient, campaign: Campaign, session: Session, name: str
) -> None:
    post(client, campaign, display="full", name=name)
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    page = client.get(f"/c/{campaign.slug}").text

    assert "<script>alert" not in page
    assert gift.display_name == name


@pytest.mark.parametrize("message", ["http://evil.example", "www.evil.cn", "x" * 61, "a\x00b"])
def test_messages_with_links_or_too_long_are_refused(
    client: FlaskClient, campaign: Campaign, message: str
) -> None:
    assert post(client, campaign, message=message)[0] == 422


def test_atk_056_direction_marks_are_taken_out_of_names() -> None:
    assert people.clean("\u202eevil", 40) == "evil"


def test_a_message_is_public_only_after_somebody_read_it(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, message="愿每一次心跳都被守护")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    assert "愿每一次心跳" not in client.get(f"/c/{campaign.slug}").text

    gift.message_state = "approved"
    session.flush()
    assert "愿每一次心跳" in client.get(f"/c/{campaign.slug}").text


def test_a_provider_that_is_away_keeps_the_order(
    client: FlaskClient, campaign: Campaign, desk: Desk
) -> None:
    desk.is_away = True
    _, where = post(client, campaign)
    assert client.get(where).status_code == 503

    desk.is_away = False
    assert client.get(where).status_code == 503  # looking opens nothing
    assert client.post(f"{where}/open").status_code == 303
    assert client.get(where).status_code == 200


def test_atk_021_the_browsers_return_proves_nothing(
    client: FlaskClient, campaign: Campaign
) -> None:
    _, where = post(client, campaign)
    page = client.get(where + "/result?status=success&amount=10000")

    assert "正在确认" in page.text


def test_after_payment_back_says_so(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    _, where = post(client, campaign)
    settlement.apply_facts([paid(session.execute(select(Gift)).scalar_one())])

    assert client.get(where).headers["Location"].endswith("/result")
    assert "/thanks/" in client.get(where + "/result").headers["Location"]
    form_again = client.get(f"/c/{campaign.slug}/donate").text
    assert "您的 ¥100 捐赠已收到" in form_again
    assert "/thanks/" in form_again


def test_a_stranger_who_sees_the_order_number_does_not_get_the_gift(
    app: Flask, client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    _, where = post(client, campaign)
    settlement.apply_facts([paid(session.execute(select(Gift)).scalar_one())])
    page = app.test_client().get(where + "/result")

    assert page.status_code == 200
    assert "/t/" not in page.text


def test_an_expired_order_offers_another_try(
    client: FlaskClient, campaign: Campaign, frozen_clock: FrozenClock
) -> None:
    _, where = post(client, campaign)
    frozen_clock.move(minutes=31)
    assert "已超时" in client.get(where).text

    assert client.post(where + "/again").status_code == 303
    assert "data:image/png" in client.get(where).text


def test_my_gift_shows_every_fen(client: FlaskClient, campaign: Campaign, session: Session) -> None:
    post(client, campaign, email="a@example.org", display="full", name="王小明")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    answer = client.get(f"/t/{gift.token}")

    assert "¥100.00" in answer.text
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert client.get("/t/nobody").status_code == 404


def test_erasure_destroys_the_person_and_keeps_the_gift(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, email="a@example.org", display="full", name="王小明")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    assert people.read(gift.id).email == "a@example.org"

    client.post(f"/t/{gift.token}/erase")

    assert people.read(gift.id) == people.PersonData()
    assert queries.by_id(gift.id).display_name is None
    assert queries.by_id(gift.id).is_paid


def code_of(session: Session) -> str:
    letter = session.execute(select(Letter).where(Letter.kind == "find")).scalars().all()[-1]
    (code,) = re.findall(r"\b(\d{6})\b", _open(letter.sealed or b""))
    return str(code)


def test_a_lost_gift_is_found_by_the_number_in_the_bill(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign)
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    copied = f"{gift.order_no[:12].lower()} {gift.order_no[12:]} "
    asked = {"number": copied, "amount": "100", "email": "me@example.org"}

    client.post("/find", data=asked)
    answer = client.post("/find/code", data={"code": code_of(session)})

    assert answer.headers["Location"].endswith(f"/t/{gift.token}")
    assert client.post("/find/code", data={"code": "000000"}).status_code == 422


def test_finding_answers_the_same_whether_or_not_there_is_a_gift(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    answer = client.post(
        "/find", data={"number": "X" * 24, "amount": "1", "email": "me@example.org"}
    )

    assert answer.headers["Location"].endswith("/find/code")
    assert session.execute(select(func.count()).select_from(Letter)).scalar_one() == 0


def test_the_code_goes_to_the_address_on_file_and_holds_ten_minutes(
    client: FlaskClient, campaign: Campaign, session: Session, frozen_clock: FrozenClock
) -> None:
    post(client, campaign, email="owner@example.org")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    client.post(
        "/find", data={"number": gift.order_no, "amount": "100", "email": "thief@example.org"}
    )

    letter = session.execute(select(Letter)).scalar_one()
    assert "owner@example.org" in _open(letter.sealed or b"")
    frozen_clock.move(minutes=11)
    assert client.post("/find/code", data={"code": code_of(session)}).status_code == 422


def test_a_receipt_is_issued_once_numbered_without_gaps_and_verified(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    numbers = []
    for _ in range(3):
        post(client, campaign)
        gift = session.execute(select(Gift).order_by(Gift.id.desc()).limit(1)).scalar_one()
        settlement.apply_facts([paid(gift, fact_ref=gift.order_no, attempt=None)])
        first = receipts.issue(gift.id)
        assert receipts.issue(gift.id).id == first.id
        numbers.append(first.number)

    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert papers.pdf(first) == papers.pdf(first)
    assert client.get(f"/receipts/{gift.token}.pdf").data.startswith(b"%PDF")
    assert "真实有效" in client.get(f"/v/{first.code}").text
    assert client.get("/v/ABCDEFGHJKLM").status_code == 404
    typed = client.get("/v", query_string={"code": f" {first.code[:4].lower()} {first.code[4:]} "})
    assert typed.headers["Location"] == f"/v/{first.code}"
    receipts.void(gift.id, "测试")
    assert "已作废" in client.get(f"/v/{first.code}").text


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (1, "壹分"),
        (10_000, "壹佰元整"),
        (1_157_650, "壹万壹仟伍佰柒拾陆元伍角整"),
        (1_001_001, "壹万零壹拾元零壹分"),
        (10_000_000_000, "壹亿元整"),
        (10_050, "壹佰元伍角整"),
        (100_000_001, "壹佰万元零壹分"),
    ],
)
def test_amounts_in_capitals(fen: int, words: str) -> None:
    assert in_capitals(fen) == words


def test_the_orders_json_tells_nothing_personal(client: FlaskClient, campaign: Campaign) -> None:
    _, where = post(client, campaign, email="a@example.org")
    body = client.get(f"/api/v1/orders/{where.rpartition('/')[2]}").get_json()

    assert set(body) == {"order_no", "state"}
    assert clock.now() - timedelta(minutes=1) < clock.now()


@pytest.mark.parametrize("name", ["W" * 40, "诶" * 40, "Wolfeschlegelsteinhausenbergerdorff A"])
def test_a_long_name_leaves_the_receipts_code_readable(
    client: FlaskClient, campaign: Campaign, session: Session, name: str
) -> None:
    post(client, campaign, display="full", name=name)
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    receipt = receipts.issue(gift.id)
    picture = Image.open(io.BytesIO(papers.png(receipt)))

    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [receipt.snapshot["verify"]]


def test_a_receipt_not_yet_written_is_not_called_unpaid(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign)
    gift = session.execute(select(Gift)).scalar_one()
    assert "尚未支付" in client.get(f"/receipts/{gift.token}.pdf").text

    settlement.apply_facts([paid(gift)])
    assert "正在开具" in client.get(f"/receipts/{gift.token}.pdf").text


def test_a_form_sent_again_with_another_amount_is_another_order_once(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    address, values = f"/c/{campaign.slug}/donate", form(client, campaign)
    first = client.post(address, data=values)
    changed = [client.post(address, data={**values, "own_amount": "200"}) for _ in range(2)]

    assert {answer.status_code for answer in changed} == {303}
    assert len({answer.headers["Location"] for answer in changed}) == 1
    assert changed[0].headers["Location"] != first.headers["Location"]
    assert gifts(session) == 2


def test_back_after_payment_says_that_nothing_more_is_charged(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    _, where = post(client, campaign)
    settlement.apply_facts([paid(session.execute(select(Gift)).scalar_one())])

    assert "不会重复扣款" in client.get(where, follow_redirects=True).text


def test_without_scripts_the_qr_code_stays_on_the_page(
    client: FlaskClient, campaign: Campaign
) -> None:
    _, where = post(client, campaign)

    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in client.get(where).text


def test_the_way_back_is_escaped_inside_the_providers_address(
    client: FlaskClient, campaign: Campaign, desk: Desk
) -> None:
    desk.kind = PayKind.REDIRECT
    _, where = post(client, campaign)

    assert "&amp;redirect_url=http%3A%2F%2F" in client.get(where).text


def test_every_page_of_a_demonstrations_gift_says_that_it_is_one(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    campaign.is_demo = True
    _, where = post(client, campaign)
    gift = session.execute(select(Gift)).scalar_one()
    pages = [f"/c/{campaign.slug}/donate", where, f"{where}/result"]
    assert [page for page in pages if 'class="demo"' not in client.get(page).text] == []

    settlement.apply_facts([paid(gift)])
    code = receipts.issue(gift.id).code
    secret = [f"/{page}/{gift.token}" for page in ("thanks", "t")]
    pages = [*secret, f"/t/{gift.token}/erase", f"/v/{code}", "/find", "/about", "/staff/login"]
    assert [page for page in pages if 'class="demo"' not in client.get(page).text] == []
    assert client.get(f"/api/v1/gifts/{gift.token}/trace").get_json()["demo"] is True
