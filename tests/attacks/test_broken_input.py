"""Input that is no input: metacharacters, NUL, half characters, depth, size. Refused, never an error of ours."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.giving.models import Gift
from tests import wechat
from tests.architecture.test_rules import rules

HOSTILE = [
    "' OR 1=1--",
    '"; DROP TABLE gift; --',
    "1; SELECT pg_sleep(5)",
    "a\x00b",
    "%00",
    "{{7*7}}",
    "${7*7}",
    "%s%n",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "\u202ecod.exe",
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
    "x" * 5000,
]
PARAMETERS = (
    "cursor", "limit", "county", "kind", "before", "after", "account", "subject", "q", "page", "month",
    "year", "number", "amount", "lang", "elder", "next", "state", "code", "token", "fund", "from", "to",
)  # fmt: skip


def gifts(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Gift)).scalar_one()


@pytest.mark.parametrize("evil", HOSTILE, ids=range(len(HOSTILE)))
def test_atk_036_metacharacters_in_every_address_are_text(
    app: Flask, client: FlaskClient, campaign: Campaign, evil: str
) -> None:
    """Every public and staff address with a text in it, and every query parameter known anywhere."""
    wrong = []
    for rule in rules(app):
        if "GET" not in (rule.methods or ()) or not rule.arguments:
            continue
        address = re.sub(r"<[^>]+>", lambda _: quote(evil, safe=""), rule.rule)
        status = client.get(address).status_code
        if status >= 500:
            wrong.append((rule.rule, status))

    assert wrong == []


@pytest.mark.parametrize("evil", HOSTILE, ids=range(len(HOSTILE)))
def test_atk_036_metacharacters_in_every_parameter_are_text(
    app: Flask,
    session: Session,
    campaign: Campaign,
    staff_client: Callable[[str], FlaskClient],
    evil: str,
) -> None:
    browser = staff_client("administrator")
    query = "&".join(f"{name}={quote(evil)}" for name in PARAMETERS)
    values = {"slug": campaign.slug, "name": "about", "form": "pdf"}
    wrong = []
    for rule in rules(app):
        if "GET" not in (rule.methods or ()) or rule.arguments - set(values):
            continue
        built = rule.build({a: values[a] for a in rule.arguments})
        assert built is not None
        answer = browser.get(f"{built[1]}?{query}")
        if answer.status_code >= 500:
            wrong.append((rule.rule, answer.status_code))
        answer.close()

    assert wrong == []


CHECKOUT = {
    "campaign": "",
    "amount_fen": 1000,
    "channel": "wechatpay.native",
    "idempotency_key": "k" * 20,
    "display": "anonymous",
}
STRANGE: list[Any] = [
    None,
    True,
    [],
    {},
    [[]],
    0,
    -1,
    1.5,
    10**30,
    "",
    "\ud800",
    "a\x00b",
    "x" * 100_000,
    {"a": [1]},
]


@pytest.mark.parametrize("field", ["campaign", "amount_fen", "channel", "idempotency_key", "display", "currency",
                                   "name", "message", "email", "openid"])  # fmt: skip
def test_atk_018_a_checkout_with_a_field_of_another_kind_is_refused(
    client: FlaskClient, campaign: Campaign, field: str
) -> None:
    wrong = []
    for position, value in enumerate(STRANGE):
        body = {
            **CHECKOUT,
            "campaign": campaign.slug,
            "idempotency_key": f"{field}-{position:020d}",
            field: value,
        }
        status = client.post("/api/v1/checkout", json=body).status_code
        if status >= 500:
            wrong.append((value if len(str(value)) < 50 else "long", status))

    assert wrong == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{" * 50_000,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"amount_fen": NaN}',
        b'{"amount_fen": Infinity}',
        b'{"amount_fen": 1e400}',
        b'{"amount_fen": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"campaign": "\\ud800"}',
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
    ],
    ids=range(16),
)
def test_atk_018_a_body_that_is_no_object_is_refused(client: FlaskClient, raw: bytes) -> None:
    answer = client.post("/api/v1/checkout", data=raw, content_type="application/json")

    assert 400 <= answer.status_code < 500
    assert answer.mimetype == "application/problem+json"


def test_atk_018_a_key_written_twice_is_refused(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    body = json.dumps({**CHECKOUT, "campaign": campaign.slug})
    doubled = body[:-1] + ', "amount_fen": 1}'

    answer = client.post("/api/v1/checkout", data=doubled, content_type="application/json")

    assert answer.status_code == 422
    assert gifts(session) == 0


FIELDS = (
    "preset",
    "own_amount",
    "display",
    "name",
    "message",
    "email",
    "fiscal",
    "product",
    "key",
    "consent",
)


@pytest.mark.parametrize("field", FIELDS)
def test_atk_060_hostile_text_in_every_field_of_the_form_is_no_error_of_ours(
    client: FlaskClient, campaign: Campaign, field: str
) -> None:
    good = {"own_amount": "100", "display": "full", "name": "王", "fiscal": "no", "consent": "y"}
    wrong = []
    for position, evil in enumerate(
        [*HOSTILE, "\ud800".encode("utf-8", "surrogatepass"), "👨‍👩‍👧" * 30]
    ):
        values = {**good, "key": f"{field}-{position:030d}", field: evil}
        status = client.post(f"/c/{campaign.slug}/donate", data=values).status_code
        if status >= 500:
            wrong.append((evil, status))

    assert wrong == []


@pytest.mark.parametrize("page", ["/find", "/find/code", "/staff/login", "/staff/reset", "/t/x/display", "/t/x/erase",
                                  "/receipts/x/send", "/pay/x/again", "/pay/x/check"])  # fmt: skip
@pytest.mark.parametrize("evil", ["a\x00b", "x" * 5000, "' OR 1=1--"], ids=range(3))
def test_atk_036_hostile_text_in_small_forms_is_no_error_of_ours(
    client: FlaskClient, page: str, evil: str
) -> None:
    values = dict.fromkeys(
        ("number", "amount", "email", "code", "password", "name", "display", "product", "remember"),
        evil,
    )

    assert client.post(page, data=values).status_code < 500
    assert (
        client.post(page, data={**values, "email": "a@example.org", "amount": "1"}).status_code
        < 500
    )


def test_atk_042_bodies_without_end_are_cut(client: FlaskClient, campaign: Campaign) -> None:
    page = f"/c/{campaign.slug}/donate"
    many = "&".join(f"f{n}=1" for n in range(100_000))

    assert client.post("/find", data={"number": "x" * (2 * 1024 * 1024)}).status_code == 413
    assert client.post("/api/v1/checkout", data=b" " * (2 * 1024 * 1024),
                       content_type="application/json").status_code == 413  # fmt: skip
    assert (
        client.post(page, data=many, content_type="application/x-www-form-urlencoded").status_code
        == 413
    )


def test_atk_042_a_thousand_parts_are_refused(client: FlaskClient, campaign: Campaign) -> None:
    part = '--b\r\nContent-Disposition: form-data; name="f{}"\r\n\r\n1\r\n'
    body = "".join(part.format(n) for n in range(1000)) + "--b--\r\n"

    answer = client.post(
        f"/c/{campaign.slug}/donate", data=body, content_type="multipart/form-data; boundary=b"
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("limit", ["1000000000", "-1", "0", "abc", "1e9"])
def test_atk_052_a_limit_beyond_reason_is_capped(
    client: FlaskClient, campaign: Campaign, limit: str
) -> None:
    answer = client.get(f"/api/v1/campaigns/{campaign.slug}/gifts?limit={limit}")

    assert answer.status_code == 200
    assert len(answer.get_json()["items"]) <= 100


def test_atk_052_a_forged_cursor_is_refused(client: FlaskClient, campaign: Campaign) -> None:
    for cursor in ("abc", "WyJhcGkuZ2lmdHMiXQ.forged", "\x00", "é"):
        answer = client.get(
            f"/api/v1/campaigns/{campaign.slug}/gifts", query_string={"cursor": cursor}
        )
        assert 400 <= answer.status_code < 500


def test_json_too_large_or_deep_is_refused_wherever_it_is_sent(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    app.extensions["providers"] = {"wechatpay": wechat.provider()}
    bodies = (b"[" * 30_000 + b"]" * 30_000, b'{"auth_token": "' + b"a" * 3_000_000 + b'"}')
    places = ("/payments/wechatpay/notify", f"/c/{campaign.slug}/donate", "/find", "/staff/refunds")
    for place in places:
        for body in bodies:
            answer = client.post(place, data=body, content_type="application/json")

            assert 400 <= answer.status_code < 500, (place, len(body))


def test_nobody_signs_in_by_a_token_in_address_or_header(
    client: FlaskClient, make_staff: Callable[..., User]
) -> None:
    token: Any = make_staff("finance").get_auth_token()

    by_address = client.get(f"/staff/refunds?auth_token={token}")
    by_header = client.get("/staff/refunds", headers={"Authentication-Token": token})

    assert {by_address.status_code, by_header.status_code} == {302}
