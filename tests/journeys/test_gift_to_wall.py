"""The whole way in a real browser: from 100 yuan to the device on a wall, and the books at the end."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from fundraising import demo
from fundraising.demo import papers
from fundraising.demo.places import PLACES
from local.stack import Stack

WECHAT = (
    "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116 Mobile "
    "Safari/537.36 MicroMessenger/8.0.47"
)
PHONE = {"width": 390, "height": 844}
Person = Callable[..., BrowserContext]


def give(page: Page, stack: Stack, *, email: str = "") -> str:
    """Give 100 yuan and return the secret token of the gift."""
    page.goto("/c/aed-2025")
    expect(page.locator("h1")).to_contain_text("博爱AED")
    page.click(".cta a")
    page.fill("#own_amount", "100")
    expect(page.locator("[data-submit]")).to_have_text("捐赠 ¥100")
    page.check("#consent")
    if email:
        page.fill("#email", email)
    page.click("[data-submit]")
    page.wait_for_url("**/pay/**")
    page.click(".notice.wait a")
    page.click("#pay")
    page.wait_for_url("**/thanks/**")
    return page.url.rpartition("/")[2]


def sign_in(person: Person, role: str) -> Page:
    """Open a browser in which a member of the demonstration's staff is signed in."""
    page = person().new_page()
    page.goto("/staff/login")
    email = next(email for email, known, _ in demo.STAFF if known == role)
    page.fill("#email", email)
    page.fill("#password", demo.PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/staff")
    return page


def choose(page: Page, field: str, name: str, data: bytes, mime: str) -> None:
    """Attach a file made in memory."""
    page.set_input_files(field, {"name": name, "mimeType": mime, "buffer": data})


def unfold(page: Page, section: str) -> None:
    """Open the folded form of a section."""
    folded = page.locator(f"{section} details:not([open]) summary")
    if folded.count():
        folded.first.click()


def buy(person: Person) -> str:
    """Prepare a purchase as the buyer, approve it as finance; return its address."""
    buyer = sign_in(person, "buyer")
    buyer.goto("/staff/purchases/new")
    buyer.select_option("#campaign", index=_option(buyer, "#campaign", "二期"))
    buyer.select_option("#supplier", index=_option(buyer, "#supplier", "演示医疗"))
    buyer.fill("#title_zh", "七台 AED")
    buyer.click("main button[type=submit]")
    buyer.wait_for_url("**/staff/purchases/P*")
    buyer.fill("#item_zh", "自动体外除颤器（AED）")
    buyer.fill("#quantity", "7")
    buyer.fill("#price", "10615.20")
    buyer.check("#is_device")
    buyer.click("form[action$='/lines'] button")
    for kind in ("contract", "invoice"):
        unfold(buyer, "#papers")
        buyer.select_option("#papers select", kind)
        choose(
            buyer,
            "#papers input[type=file]",
            f"{kind}.pdf",
            papers.paper("合同", "1", [], ()),
            "application/pdf",
        )
        buyer.click("#papers form button")
    address = buyer.url.partition("#")[0]
    buyer.click("form[action$='/submit'] button")
    expect(buyer.locator("form[action$='/approve']")).to_have_count(0)
    finance = sign_in(person, "finance")
    finance.goto(address)
    finance.click("form[action$='/approve'] button")
    expect(finance.locator("main")).to_contain_text("七台 AED")
    return address


def _option(page: Page, field: str, text: str) -> int:
    names = page.locator(f"{field} option").all_inner_texts()
    return next(i for i, name in enumerate(names) if text in name)


def install(person: Person, stack: Stack, address: str) -> str:
    """Accept seven devices and install the first; return its number."""
    installer = sign_in(person, "installer")
    installer.goto(address)
    installer.click("a[href*='/accept/']")
    installer.fill("#serials", "\n".join(f"JOURNEY-{n:04d}" for n in range(7)))
    installer.click("main form button[type=submit]")
    installer.goto("/staff/devices/")
    number = installer.locator("a[href*='/staff/devices/AED-']").all_inner_texts()
    first = min(n for n in number if n.startswith(f"AED-{time.gmtime().tm_year}"))
    installer.goto(f"/staff/devices/{first}/install")
    place = PLACES[0]
    for field, value in {
        "#place_zh": "双桥区演示中学", "#address": "武烈路 1 号", "#lat": str(place.lat), "#lon": str(place.lon),
        "#floor_zh": "一层门厅", "#hours": "06:00-22:00", "#keeper": "演示中学", "#keeper_role": "安全办公室",
    }.items():  # fmt: skip
        installer.fill(field, value)
    installer.select_option("#county", place.county)
    choose(installer, "#photo", "p.jpg", papers.installation_photo(place, first), "image/jpeg")
    choose(
        installer,
        "#handover",
        "h.pdf",
        papers.handover_note(place, first, "J", "2026-01-01"),
        "application/pdf",
    )
    installer.click("main form button[type=submit]")
    expect(installer.locator("main")).to_contain_text("双桥区演示中学")
    return first


def test_a_hundred_yuan_become_a_device_on_a_wall(person: Person, stack: Stack) -> None:
    page = person(viewport=PHONE).new_page()
    token = give(page, stack, email="donor@example.org")
    page.goto(f"/t/{token}")
    expect(page.locator("main")).to_contain_text("尚未使用")
    assert_receipt_is_genuine(page, token)
    wait_for_letter(page, stack, "donor@example.org")

    first = install(person, stack, buy(person))

    page.goto(f"/t/{token}")
    devices = page.locator("a[href^='/devices/AED-']").all_inner_texts()
    assert devices
    trace = json.loads(page.request.get(f"/api/v1/gifts/{token}/trace").text())
    assert (
        trace["amount_fen"]
        == 10_000
        == sum(d["fen"] for d in trace["draws"]) + trace["unspent_fen"]
    )
    page.goto(f"/devices/{first}")
    expect(page.locator("main")).to_contain_text("双桥区演示中学")
    assert json.loads(stack.command("books", "check", "--json").splitlines()[-1])["ok"]


def test_the_same_inside_wechat(person: Person, stack: Stack) -> None:
    """Inside WeChat the payer becomes known silently and pays through the bridge's order."""
    page = person(viewport=PHONE, user_agent=WECHAT, is_mobile=True).new_page()
    token = give(page, stack)

    page.goto(f"/t/{token}")
    expect(page.locator("main")).to_contain_text("¥100.00")
    journal = json.loads(page.request.get(f"{stack.simulator_url}/_ctl/journal").text())
    assert any(o["product"] == "jsapi" and o["state"] == "SUCCESS" for o in journal["orders"])


def test_the_figures_are_those_of_the_mission(person: Person, stack: Stack) -> None:
    page = person(viewport=PHONE).new_page()
    page.goto("/c/aed-2024")
    for figure in ("393,600.00", "34", "7,471"):
        expect(page.locator("main")).to_contain_text(figure)
    figures = json.loads(page.request.get("/api/v1/campaigns/aed-2024").text())
    assert figures["raised_fen"] == 39_360_000
    assert figures["devices"] == {"purchased": 34, "installed": 34, "in_service": 34}
    assert (figures["people_trained"], figures["unspent_fen"], figures["people_count"]) == (
        7471,
        0,
        None,
    )
    assert 29_000 <= figures["gifts_count"] <= 30_000


def assert_receipt_is_genuine(page: Page, token: str) -> None:
    """Scan the code on the receipt's picture and open what it says."""
    deadline = time.monotonic() + 15
    answer: Any = page.request.get(f"/receipts/{token}.png")
    while not answer.ok and time.monotonic() < deadline:
        page.wait_for_timeout(300)
        answer = page.request.get(f"/receipts/{token}.png")
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(answer.body())))
    page.goto(code.text)
    expect(page.locator("main")).to_contain_text("真实有效")
    expect(page.locator("main")).to_contain_text("¥100.00")


def wait_for_letter(page: Page, stack: Stack, to: str) -> None:
    """Wait until the letter with the receipt lies in the mailbox."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        letters = json.loads(page.request.get(f"{stack.mailbox_url}/api/letters").text())
        if any(letter["to"] == to for letter in letters):
            return
        page.wait_for_timeout(300)
    raise AssertionError(f"no letter to {to} in {Path(stack.folder)}")
