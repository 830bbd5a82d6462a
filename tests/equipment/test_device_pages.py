"""Pages about devices: the public ones, the installer's desk, and labels that a telephone reads."""

import io
import re
from collections.abc import Callable

import pypdf
import pytest
import zxingcpp
from flask.testing import FlaskClient
from PIL import Image

from fundraising import clock
from fundraising.equipment import labels, queries
from fundraising.equipment.labels import Label
from fundraising.procurement import queries as purchases
from tests.workshop import PDF, Workshop, photo

Open = Callable[..., FlaskClient]
INSTALLATION = {
    "place_zh": "承德市图书馆",
    "place_en": "City Library",
    "county": "双桥区",
    "address": "大佟沟街 1 号",
    "datum": "wgs84",
    "lat": "40.9560",
    "lon": "117.9630",
    "floor_zh": "一层门厅",
    "is_indoor": "y",
    "hours": "09:00-18:00",
    "access": "yes",
    "keeper": "市图书馆办公室",
}


def evidence() -> dict[str, object]:
    """Photo and note as a browser sends them."""
    return {
        "photo": (io.BytesIO(photo()), "IMG_1.jpg"),
        "handover": (io.BytesIO(PDF), "移交单.pdf"),
    }


def test_an_installer_accepts_hangs_and_inspects_a_device(
    workshop: Workshop, staff_client: Open, client: FlaskClient
) -> None:
    line = purchases.lines(workshop.approved(quantity=2).id)[0]
    installer = staff_client(workshop.installer)
    accepted = installer.post(
        f"/staff/devices/accept/{line.id}",
        data={"serials": "PAGE-1\nPAGE-2", "accepted_on": "2024-01-02"},
    )
    assert accepted.status_code == 422  # before its approval
    form = {"serials": "PAGE-1\nPAGE-2", "accepted_on": _today()}
    assert installer.post(f"/staff/devices/accept/{line.id}", data=form).status_code == 303
    no = next(d.no for d in queries.staff_devices(todo="install") if d.serial_public == "…E-1")

    hung = installer.post(
        f"/staff/devices/{no}/install", data=INSTALLATION | evidence() | {"installed_on": _today()}
    )
    assert hung.status_code == 303, hung.get_data(as_text=True)
    passed = {"result": "passed", "inspected_on": _today()}
    assert installer.post(f"/staff/devices/{no}/inspect", data=passed).status_code == 303

    page = client.get(f"/devices/{no}?lang=en").get_data(as_text=True)
    assert 'href="tel:120"' in page
    assert page.index("tel:120") < page.index("<h1>City Library")
    assert "In service" in page
    assert "¥11,576.00" in page
    assert "PAGE-1" not in page
    assert "uri.amap.com" in page
    assert installer.get(f"/staff/devices/{no}").status_code == 200


def _today() -> str:
    return clock.today().isoformat()


def test_known_serials_are_named_at_the_field(workshop: Workshop, staff_client: Open) -> None:
    known = workshop.accepted()[0].serial
    line = purchases.lines(workshop.approved(quantity=2).id)[0]

    answer = staff_client(workshop.installer).post(
        f"/staff/devices/accept/{line.id}",
        data={"serials": f"NEW-9\n{known.lower()}", "accepted_on": _today()},
    )

    assert answer.status_code == 422
    found = re.search(r'id="serials-error">([^<]*)<', answer.get_data(as_text=True))
    assert found is not None
    assert known in found.group(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lat", "north"),
        ("lat", "95"),
        ("hours", "<b>"),
        ("place_zh", ""),
        ("installed_on", "2999-01-01"),
    ],
)
def test_bad_installations_get_their_message_at_the_field(
    workshop: Workshop, staff_client: Open, field: str, value: str
) -> None:
    no = workshop.accepted()[0].no
    data = INSTALLATION | {"installed_on": _today()} | evidence() | {field: value}

    answer = staff_client(workshop.installer).post(f"/staff/devices/{no}/install", data=data)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.get_data(as_text=True)


def test_a_place_outside_its_county_and_a_broken_photo_are_refused_at_the_field(
    workshop: Workshop, staff_client: Open
) -> None:
    no = workshop.accepted()[0].no
    installer = staff_client(workshop.installer)
    for wrong, field in (
        ({"lat": "31.2", "lon": "121.5"}, "lat"),
        ({"photo": (io.BytesIO(b"%PDF-"), "x.jpg")}, "photo"),
    ):
        data = INSTALLATION | {"installed_on": _today()} | evidence() | wrong
        answer = installer.post(f"/staff/devices/{no}/install", data=data)
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.get_data(as_text=True)


def test_a_stranger_reports_a_problem_and_staff_close_it(
    workshop: Workshop, staff_client: Open, client: FlaskClient
) -> None:
    no = workshop.in_service().no
    assert client.post(f"/devices/{no}/report", data={"what": "x"}).status_code == 422
    sent = client.post(f"/devices/{no}/report", data={"kind": "alarm", "what": "红灯在闪<script>"})
    assert sent.status_code == 303
    installer = staff_client(workshop.installer)
    page = installer.get("/staff/devices/").get_data(as_text=True)
    assert "红灯在闪&lt;script&gt;" in page
    ((report, device_no),) = queries.open_reports()
    assert device_no == no

    closing = f"/staff/devices/reports/{report.id}/close"
    assert installer.post(closing, data={"reason": " "}).status_code == 422
    workshop.commit()
    assert installer.post(closing, data={"reason": "已更换电池"}).status_code == 303
    assert queries.open_reports() == []
    assert installer.post(closing, data={"reason": "再次"}).status_code == 404


def test_a_removed_device_keeps_a_page_that_says_so(
    workshop: Workshop, staff_client: Open, client: FlaskClient
) -> None:
    device = workshop.in_service()
    installer = staff_client(workshop.installer)
    assert installer.post(f"/staff/devices/{device.no}/remove", data={}).status_code == 422
    gone = installer.post(f"/staff/devices/{device.no}/remove", data={"reason": "装修"})
    assert gone.status_code == 303

    answer = client.get(f"/devices/{device.no}?lang=en")

    assert answer.status_code == 200
    assert "This device was taken down." in answer.get_data(as_text=True)


def test_the_public_list_works_in_both_languages_and_unknown_devices_are_not_found(
    workshop: Workshop, client: FlaskClient
) -> None:
    device = workshop.in_service()
    for language, words in (("zh", "急救"), ("en", "Emergency: call 120 first")):
        page = client.get(f"/devices?lang={language}").get_data(as_text=True)
        assert device.no in page
        assert words in page
    assert device.no in client.get("/devices?county=双桥区&in_service=1").get_data(as_text=True)
    assert device.no not in client.get("/devices?county=平泉市").get_data(as_text=True)
    assert client.get("/devices?county=' OR 1=1&after=%27").status_code == 200
    for unknown in ("AED-1900-001", "x" * 3000):
        assert client.get(f"/devices/{unknown}").status_code == 404
    for broken in ("%00", "AED-2024-1%00"):
        assert client.get(f"/devices/{broken}").status_code == 400


def test_public_pages_take_few_statements(
    workshop: Workshop, client: FlaskClient, statements: list[str]
) -> None:
    no = workshop.in_service().no
    statements.clear()
    client.get(f"/devices/{no}")
    queries_of_page = [s for s in statements if not s.startswith(("SAVEPOINT", "RELEASE"))]

    assert len(queries_of_page) <= 6


# ------------------------------------------------------------------ labels


def test_the_label_leads_to_the_device_and_carries_its_number() -> None:
    address = "https://juanzeng.example.org/devices/AED-2024-001"
    picture = labels.picture(
        Label("AED-2024-001", {"zh": "图书馆"}, address, is_demo=True), "红十字会"
    )

    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))

    assert code.text == address
    assert code.ec_level == "H"


def test_the_sheet_holds_every_label_and_marks_demonstrations(
    workshop: Workshop, staff_client: Open
) -> None:
    workshop.campaign.is_demo = True
    workshop.session.flush()
    numbers = [device.no for device in workshop.accepted(8)]
    workshop.make.money(workshop.campaign.fund_id, 5_000_000)
    numbers += [device.no for device in workshop.accepted(3)]

    answer = staff_client(workshop.installer).get(
        f"/staff/devices/labels?campaign={workshop.campaign.slug}"
    )

    assert answer.mimetype == "application/pdf"
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.data)).pages]
    assert len(pages) == 2
    assert all(no in "".join(pages) for no in numbers)
    assert "".join(pages).count("演示") == len(numbers)


def test_one_label_and_no_labels(workshop: Workshop, staff_client: Open) -> None:
    installer = staff_client(workshop.installer)
    assert installer.get("/staff/devices/labels").status_code == 422
    no = workshop.accepted()[0].no

    answer = installer.get(f"/staff/devices/{no}/label")

    text = pypdf.PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()
    assert no in text
    assert "演示" not in text
