"""Every role on every staff route: who may, who may not, and strangers sign in first."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from fundraising.accounts.roles import ROLES

NOBODYS = "018f0000-0000-7000-8000-000000000000"
VALUES: dict[str, str | int] = {
    "work_id": 999_999,
    "slug": "none",
    "no": "AED-2026-999",
    "number": "P-2026-999",
    "period": "2020-01",
    "ref": "GNONE",
}
EDITOR, BUYER, FINANCE = "campaign_editor", "buyer", "finance"
INSTALLER, AUDITOR, ADMINISTRATOR = "installer", "auditor", "administrator"
EVERYBODY = frozenset(ROLES)
MAY: dict[str, frozenset[str]] = {
    "accounts.today": EVERYBODY,
    "accounts.staff": frozenset(),
    "accounts.invite_staff": frozenset(),
    "accounts.change_staff": frozenset(),
    "accounts.send_password_link": frozenset(),
    "accounts.close_alarm": frozenset(),
    "accounts.revive": frozenset(),
    "accounts.log": frozenset({AUDITOR}),
    "campaigns.*": frozenset({EDITOR}),
    "gift_desk.orders": frozenset({EDITOR, FINANCE, AUDITOR}),
    "gift_desk.order": frozenset({EDITOR, FINANCE, AUDITOR}),
    "monthly_desk.*": frozenset({EDITOR, FINANCE, AUDITOR}),
    "gift_desk.messages": frozenset({EDITOR}),
    "gift_desk.moderate": frozenset({EDITOR}),
    "money_desk.refund_list": frozenset({FINANCE, AUDITOR}),
    "money_desk.days": frozenset({FINANCE, AUDITOR}),
    "money_desk.one_day": frozenset({FINANCE, AUDITOR}),
    "money_desk.*": frozenset({FINANCE}),
    "bank_desk.*": frozenset({FINANCE}),
    "placing.*": frozenset({FINANCE}),
    "receipt_desk.index": frozenset({FINANCE, AUDITOR}),
    "receipt_desk.show": frozenset({FINANCE, AUDITOR}),
    "receipt_desk.*": frozenset({FINANCE}),
    "fiscal.index": frozenset({FINANCE, AUDITOR}),
    "fiscal.*": frozenset({FINANCE}),
    "counter.index": frozenset({EDITOR, FINANCE, AUDITOR}),
    "counter.show": frozenset({EDITOR, FINANCE, AUDITOR}),
    "counter.book": frozenset({EDITOR, FINANCE, AUDITOR}),
    "counter.bounce": frozenset({FINANCE}),
    "counter.*": frozenset({EDITOR, FINANCE}),
    "matching.index": frozenset({FINANCE, AUDITOR}),
    "matching.*": frozenset({FINANCE}),
    "goods.index": frozenset({BUYER, INSTALLER, FINANCE, AUDITOR}),
    "goods.show": frozenset({BUYER, INSTALLER, FINANCE, AUDITOR}),
    "goods.*": frozenset({BUYER, INSTALLER, FINANCE}),
    "gift_imports.*": frozenset({FINANCE}),
    "platforms.*": frozenset({FINANCE}),
    "procurement.index": frozenset({BUYER, FINANCE, AUDITOR}),
    "procurement.show": frozenset({BUYER, FINANCE, AUDITOR, INSTALLER}),
    "procurement.approve": frozenset({BUYER, FINANCE}),
    "procurement.reject": frozenset({BUYER, FINANCE}),
    "procurement.accept": frozenset({BUYER, INSTALLER}),
    "procurement.prepare_payment": frozenset({BUYER, FINANCE}),
    "procurement.decide_payment": frozenset({FINANCE}),
    "procurement.list_suppliers": frozenset({BUYER, FINANCE, AUDITOR}),
    "procurement.*": frozenset({BUYER}),
    "equipment_desk.index": frozenset({INSTALLER, BUYER, FINANCE, AUDITOR}),
    "equipment_desk.show": frozenset({INSTALLER, BUYER, FINANCE, AUDITOR}),
    "equipment_desk.accept": frozenset({INSTALLER, BUYER}),
    "equipment_desk.*": frozenset({INSTALLER}),
    "programmes.index": frozenset({EDITOR, FINANCE, AUDITOR}),
    "programmes.show": frozenset({EDITOR, FINANCE, AUDITOR}),
    "programmes.confirm": frozenset({EDITOR, FINANCE}),
    "programmes.*": frozenset({EDITOR}),
    "reports.finance": frozenset({FINANCE, AUDITOR}),
    "reports.vouchers": frozenset({FINANCE, AUDITOR}),
    "reports.voucher": frozenset({FINANCE, AUDITOR}),
    "reports.ledger_csv": frozenset({FINANCE, AUDITOR}),
    "reports.vouchers_csv": frozenset({FINANCE, AUDITOR}),
    "reports.trial_balance_csv": frozenset({FINANCE, AUDITOR}),
    "reports.gifts_csv": frozenset({EDITOR, FINANCE, AUDITOR}),
    "reports.*": frozenset({FINANCE}),
}
"""Who may open what, beside the administrator, who may everything. An asterisk stands for the rest of a desk."""


def may(endpoint: str) -> frozenset[str]:
    desk = endpoint.partition(".")[0]
    return (MAY[endpoint] if endpoint in MAY else MAY[f"{desk}.*"]) | {ADMINISTRATOR}


def staff_rules(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/staff") and not rule.endpoint.startswith("security."):
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                yield rule, method


def address(rule: Rule) -> str:
    built = rule.build({name: VALUES.get(name, NOBODYS) for name in rule.arguments})
    assert built is not None
    return built[1]


def test_every_staff_route_stands_in_the_table_of_roles(app: Flask) -> None:
    endpoints = {rule.endpoint for rule, _method in staff_rules(app)}

    unnamed = [e for e in endpoints if e not in MAY and f"{e.partition('.')[0]}.*" not in MAY]
    assert unnamed == [], "Say in MAY which roles may open these."
    gone = {name for name in MAY if not name.endswith(".*")} - endpoints
    assert gone == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_own_routes_and_no_others(
    app: Flask, staff_client: Callable[[str], FlaskClient], role: str
) -> None:
    browser = staff_client(role)
    wrong = []
    for rule, method in staff_rules(app):
        answer = browser.open(address(rule), method=method)
        is_let_in = answer.status_code != 403
        answer.close()
        if is_let_in != (role in may(rule.endpoint)) or answer.status_code >= 500:
            wrong.append((method, rule.rule, answer.status_code))

    assert wrong == []


def test_strangers_are_sent_to_sign_in(app: Flask, client: FlaskClient) -> None:
    answers = {
        (method, rule.rule): client.open(address(rule), method=method)
        for rule, method in staff_rules(app)
    }

    open_to_strangers = {
        key: answer.status_code
        for key, answer in answers.items()
        if answer.status_code != 302 or "/staff/login" not in answer.headers["Location"]
    }
    assert open_to_strangers == {}


def test_an_account_without_a_role_may_only_see_its_first_page(
    app: Flask, staff_client: Callable[..., FlaskClient], make_staff: Callable[..., object]
) -> None:
    user = make_staff("buyer")
    user.roles = []  # type: ignore[attr-defined]
    browser = staff_client(user)

    opened = {
        rule.endpoint
        for rule, method in staff_rules(app)
        if browser.open(address(rule), method=method).status_code != 403
    }

    assert opened == {"accounts.today"}


def test_the_menu_leads_only_where_a_role_may_go(
    staff_client: Callable[[str], FlaskClient],
) -> None:
    for role in ROLES:
        browser = staff_client(role)
        page = browser.get("/staff").text
        links = {part.partition('"')[0] for part in page.split('href="')[1:]}
        for link in links:
            if link.startswith("/staff") and link != "/staff/change":
                assert browser.get(link).status_code == 200, (role, link)
