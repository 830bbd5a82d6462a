"""Every page, public and of staff, in a real browser: read by all, no wider than the screen, light to load."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Response

from fundraising import demo
from local.stack import Stack

Person = Callable[..., BrowserContext]
PAGES = (
    "/", "/c/aed-2024", "/c/aed-2025", "/c/aed-2025/donate", "/transparency", "/devices", "/devices/AED-2024-001",
    "/find", "/v", "/updates", "/learn", "/about", "/privacy", "/accessibility", "/api/docs", "/nowhere",
)  # fmt: skip
DESKS = (
    "", "/campaigns/", "/campaigns/aed-2025/edit", "/messages", "/imports", "/platforms", "/counter/",
    "/purchases/P-2024-001", "/devices/AED-2024-001/install", "/training/", "/refunds",
    "/reconciliation", "/finance", "/finance/bank", "/people", "/log",
)  # fmt: skip
MOST_BYTES = 100_000
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def complaints(page: Page) -> list[str]:
    """Return what is wrong with the page that is open."""
    found = [f"axe {one['id']}" for one in Axe().run(page).response["violations"]]
    wider = page.evaluate(WIDER)
    return [f"{page.url} {text}" for text in [*found, *([f"{wider}px too wide"] if wider else [])]]


@pytest.mark.parametrize(
    ("width", "language", "elder", "colours"),
    [(320, "zh", "1", "dark"), (390, "en", "0", "light"), (1280, "zh", "0", "dark")],
)
def test_every_public_page_can_be_read_by_everybody(
    person: Person, stack: Stack, width: int, language: str, elder: str, colours: str
) -> None:
    context = person(
        viewport={"width": width, "height": 844}, color_scheme=colours, bypass_csp=True
    )
    context.add_cookies(
        [
            {"name": "lang", "value": language, "url": stack.base_url},
            {"name": "elder", "value": elder, "url": stack.base_url},
        ]
    )
    page, wrong = context.new_page(), []
    for address in PAGES:
        page.goto(address)
        wrong += complaints(page)

    assert wrong == []


def test_every_desk_of_staff_can_be_read_and_left_on_a_phone(person: Person, stack: Stack) -> None:
    page, wrong = person(viewport={"width": 390, "height": 844}, bypass_csp=True).new_page(), []
    page.goto("/staff/login")
    page.fill("#email", "admin@aed.example.org")
    page.fill("#password", demo.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff")
    for address in DESKS:
        page.goto(f"/staff{address}")
        wrong += complaints(page)
        if page.locator(".side-fold summary").count() != 1:
            wrong.append(f"{address} has no menu")

    assert wrong == []


@pytest.mark.parametrize("slug", ["aed-2024", "aed-2025"])
def test_a_campaign_weighs_less_than_a_hundred_kilobytes_with_all_it_loads(
    person: Person, stack: Stack, slug: str
) -> None:
    page = person(viewport={"width": 390, "height": 844}).new_page()
    answers: list[Response] = []

    def came(answer: Response) -> None:
        answers.append(answer)

    page.on("response", came)
    page.goto(f"{stack.base_url}/c/{slug}")
    page.wait_for_load_state("networkidle")

    assert 10_000 < sum(len(answer.body()) for answer in answers) < MOST_BYTES


def test_a_gift_can_be_given_with_the_keyboard_alone(person: Person, stack: Stack) -> None:
    page = person(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{stack.base_url}/c/aed-2025/donate")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.name")
        if focused == "own_amount":
            page.keyboard.type("13.14")
        elif focused == "consent":
            page.keyboard.press("Space")
            page.keyboard.press("Enter")
            break
    page.wait_for_url("**/pay/**")

    assert "¥13.14" in page.inner_text("main")
