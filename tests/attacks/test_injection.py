"""What donors and staff write is text everywhere: in pages, letters, papers and files."""

import csv
import io
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from fundraising import typesetting
from fundraising.campaigns.models import Campaign
from fundraising.giving import people, settlement
from fundraising.giving.errors import TextRefused
from fundraising.giving.models import Gift
from fundraising.mail import service as mail
from fundraising.mail.models import Letter
from fundraising.receipts import papers
from fundraising.receipts import service as receipts
from tests.giving.test_pages import post
from tests.giving.test_settlement import paid

EVIL = [
    '<script>alert("1")</script>',
    "<img src=x onerror=alert(1)>",
    "</title><svg/onload=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "{{ config }}{% raw %}",
    '#eval("1+1") #import "x"',
    '"); #panic("x")',
    "*bold* _it_ $x$ @ref \\ ]",
    '=HYPERLINK("//x",A1)',
    "%(amount)s %s {0.__class__}",
]


def given(client: FlaskClient, campaign: Campaign, session: Session, name: str) -> Gift:
    status, _ = post(client, campaign, display="full", name=name, email="a@example.org")
    assert status == 303
    gift = session.execute(select(Gift).order_by(Gift.id.desc()).limit(1)).scalar_one()
    settlement.apply_facts([paid(gift)])
    return gift


@pytest.mark.parametrize("name", EVIL, ids=range(len(EVIL)))
def test_atk_055_a_name_is_text_on_every_page(
    client: FlaskClient,
    campaign: Campaign,
    session: Session,
    staff_client: Callable[[str], FlaskClient],
    name: str,
) -> None:
    gift = given(client, campaign, session, name)
    receipt = receipts.issue(gift.id)
    staff = staff_client("finance")

    shown = [
        client.get(f"/c/{campaign.slug}").text,
        client.get(f"/t/{gift.token}").text,
        client.get(f"/thanks/{gift.token}").text,
        client.get(f"/v/{receipt.code}").text,
        staff.get(f"/staff/orders?q={gift.order_no}").text,
        staff.get(f"/staff/orders/{gift.order_no}").text,
    ]

    for page in shown:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<svg/onload" not in page
        assert 'onfocus="alert' not in page
    assert gift.display_name == name


@pytest.mark.parametrize("name", EVIL, ids=range(len(EVIL)))
def test_atk_037_a_name_is_text_on_the_receipt(
    client: FlaskClient, campaign: Campaign, session: Session, name: str
) -> None:
    """Typst would run ``#…`` if the name were put into its source."""
    gift = given(client, campaign, session, name)

    page = PdfReader(io.BytesIO(papers.pdf(receipts.issue(gift.id)))).pages[0].extract_text()

    squeezed = "".join(page.replace("\u200b", "").replace("“", '"').replace("”", '"').split())
    assert "".join(name.split())[:12] in squeezed


def test_atk_037_a_paper_reads_no_files_and_runs_no_data() -> None:
    template = "#let data = json(bytes(sys.inputs.data))\n#data.name"
    made = typesetting.pdf(template, {"name": '#read("/etc/passwd")'})

    assert "root:" not in PdfReader(io.BytesIO(made)).pages[0].extract_text()


@pytest.mark.parametrize("name", EVIL, ids=range(len(EVIL)))
def test_atk_087_a_name_is_no_formula_in_a_file(
    client: FlaskClient,
    campaign: Campaign,
    session: Session,
    staff_client: Callable[[str], FlaskClient],
    name: str,
) -> None:
    given(client, campaign, session, name)
    answer = staff_client("finance").get("/staff/exports/gifts.csv")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]
    answer.close()

    assert answer.status_code == 200
    assert any(name in cell for cell in cells)
    assert not any(cell.lstrip()[:1] in ("=", "+", "@", "\t") for cell in cells if cell)


@pytest.mark.parametrize(
    "subject",
    ["Hello\r\nBcc: victim@example.org", "Hello\nX: y", "Hello\u2028Bcc: x", "a\x0bb", "x" * 5000],
)
def test_a_subject_never_becomes_another_header(app: Flask, session: Session, subject: str) -> None:
    mail.send(
        "key", "kind", to="a@example.org", subject=subject, body="Bcc: victim@example.org\n.\nQUIT"
    )
    letter = session.execute(select(Letter)).scalar_one()
    raw = mail._compose(letter, current_app.extensions["settings"]).as_bytes()
    read = message_from_bytes(raw, policy=default)

    assert read["Bcc"] is None
    assert read["X"] is None
    assert read["To"] == "a@example.org"


@pytest.mark.parametrize(
    "address",
    ["a@example.org\r\nBcc: x@example.org", "a@example.org, b@example.org", "a@example.org\x00", "<a@example.org>",
     "a@@example.org", '"a b"@example.org', "a@example.org\ud800", "x" * 400 + "@example.org"],
)  # fmt: skip
def test_an_address_is_one_address(app: Flask, address: str) -> None:
    with pytest.raises(mail.AddressRefused):
        mail.normal_address(address)


@pytest.mark.parametrize(
    "name", ["\u202eevil", "\u2066x\u2069", "a\x00b", "\ud800", "\ufffe", "x" * 41, "a\u200fb"]
)
def test_atk_056_060_a_name_holds_no_direction_and_no_half_character(name: str) -> None:
    try:
        cleaned = people.clean(name, people.MAX_NAME)
    except TextRefused:
        return
    assert cleaned in ("evil", "x", "ab")


def test_atk_059_twins_of_one_name_are_one() -> None:
    assert people.clean("e\u0301", 40) == people.clean("\u00e9", 40)
