"""Who is let in and what every answer carries: headers, hosts, foreign forms, sign-in, other people's gifts."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from traceback import format_exception

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.files import service as files
from fundraising.giving import settlement
from fundraising.giving.models import Gift
from fundraising.mail.models import Letter
from fundraising.mail.service import _open
from tests.conftest import serving, settings_for
from tests.fixtures import PASSWORD
from tests.giving.test_pages import post
from tests.giving.test_settlement import paid

Staff = Callable[..., FlaskClient]
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def fresh(guarded: Flask) -> FlaskClient:
    return guarded.test_client()


def token(browser: FlaskClient, page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(page).text)
    assert found is not None
    return found.group(1)


# ---------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "/", 200),
        ("get", "/nowhere", 404),
        ("get", "/static/css/nothing.css", 404),
        ("get", "/static/js/pay.js", 200),
        ("put", "/", 405),
        ("get", "/payments/wechatpay/notify", 405),
        ("get", "/staff", 302),
        ("get", "/healthz", 200),
        ("get", "/api/v1/campaigns/none", 404),
        ("get", "/c/a%00b", 400),
    ],
)
def test_every_answer_carries_the_security_headers(
    client: FlaskClient, method: str, address: str, status: int
) -> None:
    answer = getattr(client, method)(address)
    policy = answer.headers["Content-Security-Policy"]
    answer.close()

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_an_answer_to_a_body_without_end_carries_them_too(client: FlaskClient) -> None:
    answer = client.post("/find", data=b"x" * 300_000)

    assert answer.status_code == 413
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE


def test_atk_120_an_error_of_ours_is_generic_and_carries_them_too(
    app: Flask,
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken() -> str:
        raise RuntimeError("a secret of ours")

    monkeypatch.setitem(app.view_functions, "web.transparency", broken)
    app.testing, app.config["PROPAGATE_EXCEPTIONS"] = False, False
    try:
        answer = client.get("/transparency")
    finally:
        app.testing, app.config["PROPAGATE_EXCEPTIONS"] = True, None

    assert answer.status_code == 500
    assert "a secret of ours" not in answer.text
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE


def test_atk_120_a_database_that_is_away_is_no_error_of_ours(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> str:
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    monkeypatch.setitem(app.view_functions, "web.transparency", away)
    answer = client.get("/transparency")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_atk_092_errors_of_the_database_do_not_name_people(session: Session) -> None:
    session.add(Letter(key="k", kind=None, sealed=b"person@example.org"))
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    session.rollback()

    text = "".join(format_exception(caught.value))
    assert "parameters hidden" in text
    assert "person@example.org" not in text


def test_atk_119_nothing_of_the_machinery_is_served(client: FlaskClient) -> None:
    for address in (
        "/.git/config",
        "/.env",
        "/console",
        "/var/secret",
        "/static/",
        "/static/../config.py",
        "/static/%2e%2e/config.py",
        "/static/..%2fconfig.py",
    ):
        answer = client.get(address)
        answer.close()
        assert answer.status_code == 404, address
    assert client.open("/", method="TRACE").status_code == 405


def test_metrics_are_for_this_machine_only(client: FlaskClient) -> None:
    far = {"REMOTE_ADDR": "203.0.113.9"}

    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_overrides=far).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


# ---------------------------------------------------------------------- hosts and addresses


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example:80"]
)
def test_atk_039_another_host_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})

    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_atk_039_a_forwarded_host_means_nothing(client: FlaskClient, campaign: Campaign) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }

    for page in (
        "/",
        f"/c/{campaign.slug}",
        f"/c/{campaign.slug}/donate",
        "/staff/login",
        "/updates.atom",
    ):
        assert "evil.example" not in client.get(page, headers=headers).text


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/", "/\\evil.example", "/%2f%2fevil.example",
                                  "//evil.example/%2e%2e", "/staff//evil.example"])  # fmt: skip
def test_an_address_never_leads_to_another_site(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert not re.match(r"(https?:)?[/\\]{2}evil", answer.headers.get("Location", ""))
    assert not re.search(r'href="(https?:)?[/\\]{2}evil', answer.text)


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "http://localhost@evil.example",
        "http:///evil.example",
    ],
)
def test_signing_in_never_leads_to_another_site(
    client: FlaskClient, make_staff: Callable[..., User], after: str
) -> None:
    user = make_staff("auditor")
    answer = client.post(
        "/staff/login",
        query_string={"next": after},
        data={"email": user.email, "password": PASSWORD, "next": after},
    )
    where = answer.headers.get("Location", "")

    assert answer.status_code == 200 or re.match(r"(http://localhost)?/(?![/\\\t])|%5C", where), (
        where
    )


# ---------------------------------------------------------------------- foreign forms


def test_atk_035_a_form_without_or_with_a_foreign_token_is_refused(guarded: Flask) -> None:
    browser, other = fresh(guarded), fresh(guarded)
    stolen = token(other, "/find")
    values = {"number": "X" * 24, "amount": "1", "email": "a@example.org"}

    assert browser.post("/find", data=values).status_code == 400
    assert browser.post("/find", data={**values, "csrf_token": stolen}).status_code == 400
    assert browser.post("/find", data={**values, "csrf_token": "x"}).status_code == 400
    own = {**values, "csrf_token": token(browser, "/find")}
    assert browser.post("/find", data=own).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_atk_035_a_form_sent_by_another_site_is_refused(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    values = {"number": "X" * 24, "amount": "1", "email": "a@example.org"}

    assert client.post("/find", data=values, headers=headers).status_code == 403
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/find", data=values, headers=own).status_code == 303


def test_a_provider_may_send_its_notice_from_anywhere(client: FlaskClient) -> None:
    headers = {"Origin": "https://pay.example", "Sec-Fetch-Site": "cross-site"}

    assert client.post("/api/v1/checkout", json={}, headers=headers).status_code == 422


def test_forms_of_secret_pages_work_over_https(own_database: Flask, tmp_path: Path) -> None:
    """Their pages hide their address from other sites, so the browser sends an origin and no referrer."""
    settings = settings_for(
        own_database.config["SQLALCHEMY_DATABASE_URI"], tmp_path, public_url="https://localhost"
    )
    with serving(settings) as site:
        browser = site.test_client()
        found = re.search(
            r'name="csrf_token"[^>]*value="([^"]+)"',
            browser.get("/find", base_url="https://localhost").text,
        )
        assert found is not None
        values = {
            "number": "X" * 24,
            "amount": "1",
            "email": "a@example.org",
            "csrf_token": found.group(1),
        }

        answer = browser.post(
            "/find",
            data=values,
            base_url="https://localhost",
            headers={"Origin": "https://localhost"},
        )

    assert answer.status_code == 303


# ---------------------------------------------------------------------- limits


def test_atk_040_a_forwarded_address_does_not_widen_a_limit(guarded: Flask) -> None:
    browser = fresh(guarded)

    answers = [
        browser.get("/v/2222-2222-2222", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(70)
    ]

    assert answers[-1] == 429


def test_atk_045_new_cookies_do_not_widen_a_limit_for_ever(guarded: Flask) -> None:
    guarded.config["WTF_CSRF_ENABLED"] = False
    values = {"number": "X" * 24, "amount": "1", "email": "a@example.org"}

    answers: list[int] = []
    for _ in range(12):
        browser = fresh(guarded)
        answers += [browser.post("/find", data=values).status_code for _ in range(9)]

    assert answers.count(303) <= 60
    assert answers[-1] == 429


def test_atk_045_a_stranger_cannot_fill_a_donors_mailbox(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, email="owner@example.org")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    values = {"number": gift.order_no, "amount": "100", "email": "thief@example.org"}

    answers = {client.post("/find", data=values).headers["Location"] for _ in range(12)}

    letters = session.execute(select(Letter).where(Letter.kind == "find")).scalars().all()
    assert len(answers) == 1
    assert len(letters) == 5


# ---------------------------------------------------------------------- sign-in


def test_atk_107_passwords_are_not_guessed_for_ever(guarded: Flask) -> None:
    guarded.config["WTF_CSRF_ENABLED"] = False
    by_address = [
        fresh(guarded)
        .post("/staff/login", data={"email": f"u{n}@example.org", "password": "x"})
        .status_code
        for n in range(25)
    ]
    by_account = [
        fresh(guarded)
        .post(
            "/staff/login",
            data={"email": "Admin@example.org " if n % 2 else "admin@example.org", "password": "x"},
            environ_overrides={"REMOTE_ADDR": f"198.51.100.{n}"},
        )
        .status_code
        for n in range(12)
    ]

    assert by_address[-1] == 429
    assert by_account[-1] == 429
    assert 429 not in by_account[:10]


def test_atk_107_an_unknown_account_answers_like_a_wrong_password(
    client: FlaskClient, make_staff: Callable[..., User]
) -> None:
    user = make_staff("auditor")
    texts, times = [], []
    for email in (user.email, "nobody@example.org"):
        spent = []
        for _ in range(5):
            start = time.process_time()
            page = client.post(
                "/staff/login", data={"email": email, "password": "a wrong password"}
            )
            spent.append(time.process_time() - start)
        times.append(median(spent))
        shown = re.sub(r'value="[^"]*"', "", re.sub(r"<code>\w+</code>", "", page.text))
        texts.append((page.status_code, shown.replace(email, "")))

    assert texts[0] == texts[1]
    assert 0.4 < times[0] / times[1] < 2.5


def test_atk_107_asking_for_a_new_password_tells_nothing(
    client: FlaskClient, make_staff: Callable[..., User], session: Session
) -> None:
    user = make_staff("auditor")
    known = client.post("/staff/reset", data={"email": user.email})
    unknown = client.post("/staff/reset", data={"email": "nobody@example.org"})

    assert known.status_code == unknown.status_code == 200
    assert known.text.replace(user.email, "") == unknown.text.replace("nobody@example.org", "")
    letter = session.execute(select(Letter)).scalar_one()
    assert "http://localhost/staff/reset/" in _open(letter.sealed or b"")


def test_atk_102_a_copied_cookie_is_worthless_after_signing_out(
    client: FlaskClient, make_staff: Callable[..., User], app: Flask
) -> None:
    user = make_staff("auditor")
    client.post("/staff/login", data={"email": user.email, "password": PASSWORD})
    copied = client.get_cookie("session")
    assert copied is not None
    thief = app.test_client()
    thief.set_cookie("session", copied.value)
    assert thief.get("/staff").status_code == 200

    client.post("/staff/logout")

    assert client.get("/staff").status_code == 302
    assert thief.get("/staff").status_code == 302


def test_signing_out_is_no_link(staff_client: Staff) -> None:
    browser = staff_client("auditor")

    assert browser.get("/staff/logout").status_code == 405
    assert 'action="/staff/logout"' in browser.get("/staff").text


def test_atk_102_a_cookie_set_before_signing_in_is_not_the_one_after(
    client: FlaskClient, make_staff: Callable[..., User], app: Flask
) -> None:
    user = make_staff("auditor")
    client.get("/staff/login")
    before = client.get_cookie("session")
    assert before is not None
    client.post("/staff/login", data={"email": user.email, "password": PASSWORD})

    planted = app.test_client()
    planted.set_cookie("session", before.value)
    assert planted.get("/staff").status_code == 302


@pytest.mark.parametrize("field", ["password", "email"])
def test_atk_107_a_password_without_end_is_refused(client: FlaskClient, field: str) -> None:
    values = {"email": "a@example.org", "password": "x", field: "x" * 5000}

    assert client.post("/staff/login", data=values).status_code == 422


# ---------------------------------------------------------------------- what belongs to others


def test_atk_050_what_is_not_yours_does_not_exist(
    client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, email="owner@example.org")
    gift = session.execute(select(Gift)).scalar_one()
    settlement.apply_facts([paid(gift)])
    guesses = (gift.order_no, gift.ref, str(gift.id), gift.token[:-1], gift.token.lower() + "x")

    for guess in guesses:
        for page in (f"/t/{guess}", f"/thanks/{guess}", f"/receipts/{guess}.pdf", f"/t/{guess}/erase",
                     f"/api/v1/gifts/{guess}/trace"):  # fmt: skip
            assert client.get(page).status_code == 404, page
        assert client.post(f"/t/{guess}/display", data={"display": "full"}).status_code == 404
        assert client.post(f"/receipts/{guess}/send").status_code == 404


def test_atk_050_the_order_number_shows_no_person(
    app: Flask, client: FlaskClient, campaign: Campaign, session: Session
) -> None:
    post(client, campaign, email="owner@example.org", name="王小明", display="masked")
    gift = session.execute(select(Gift)).scalar_one()
    stranger = app.test_client()

    for page in (
        f"/pay/{gift.order_no}",
        f"/pay/{gift.order_no}/result",
        f"/api/v1/orders/{gift.order_no}?token=x",
    ):
        text = stranger.get(page).text
        assert "owner@" not in text
        assert "王小明" not in text
        assert gift.token not in text


def test_atk_050_private_files_are_for_staff(
    client: FlaskClient, staff_client: Staff, session: Session
) -> None:
    stored = files.store(b"%PDF-1.7 contract", "contract.pdf", is_public=False)
    address = f"/files/{stored.id}/contract.pdf"
    nothing = client.get("/files/018f0000-0000-7000-8000-000000000000/contract.pdf")
    private = client.get(address)

    assert (private.status_code, nothing.status_code) == (404, 404)
    hidden = re.compile(r"<code>\w+</code>|/files/[^\"&?]+")
    assert hidden.sub("", private.text) == hidden.sub("", nothing.text)
    opened = staff_client("auditor").get(address)
    assert opened.status_code == 200
    assert "no-store" in opened.headers["Cache-Control"]
    assert "sandbox" in opened.headers["Content-Security-Policy"]
    opened.close()


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "x/y"]
)
def test_atk_044_paths_are_no_files(client: FlaskClient, path: str) -> None:
    assert client.get(f"/files/{path}").status_code == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00.jpg", "con.jpg", "x" * 5000 + ".pdf", "\u202efdp.exe",
                                  'a"; filename="evil.html', "a\r\nSet-Cookie: x=1.pdf"])  # fmt: skip
def test_atk_082_a_files_name_is_only_a_name(
    staff_client: Staff, session: Session, name: str
) -> None:
    stored = files.store(b"%PDF-1.7 " + name.encode(), name, is_public=True)
    answer = staff_client("auditor").get(f"/files/{stored.id}/file")
    shown = answer.headers["Content-Disposition"]
    answer.close()

    assert len(stored.name) <= 80
    assert not set(stored.name) & set("/\\\r\n\x00\u202e")
    assert "x=1" not in answer.headers.get("Set-Cookie", "")
    assert not set(shown) & set("\r\n")


def test_the_session_of_another_database_is_nobodys(guarded: Flask) -> None:
    browser = fresh(guarded)
    with browser.session_transaction() as cookie:
        cookie["_user_id"] = "' OR 1=1--"
        cookie["_fresh"] = True

    assert browser.get("/staff").status_code == 302
    db.session.remove()
