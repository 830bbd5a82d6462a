"""Staff get in by a letter, get out by a button, and nobody stays for ever."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.audit import queries as audit
from fundraising.database import db
from fundraising.mail import service as mail
from fundraising.mail.models import Letter
from tests.conftest import made, settings_for
from tests.fixtures import PASSWORD

NEW = "a quite different pass phrase"
Staff = Callable[[str], FlaskClient]


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The letters that are written while the test runs, in the clear."""
    written: list[dict[str, str]] = []
    real = mail.send

    def send(key: str, kind: str, *, to: str, subject: str, body: str) -> None:
        written.append({"to": to, "subject": subject, "body": body})
        real(key, kind, to=to, subject=subject, body=body)

    monkeypatch.setattr(mail, "send", send)
    return written


def sign_in(browser: FlaskClient, email: str, password: str, **more: str) -> int:
    answer = browser.post("/staff/login", data={"email": email, "password": password, **more})
    return answer.status_code


def address(letter: dict[str, str]) -> str:
    found = re.search(r"http://localhost(/staff/reset/\S+)", letter["body"])
    assert found
    return found[1]


def test_an_invited_colleague_sets_a_password_and_comes_in(
    client: FlaskClient, staff_client: Staff, letters: list[dict[str, str]]
) -> None:
    administrator = staff_client("administrator")
    invited = {"email": "new@example.org", "name": "新同事", "role": "buyer"}
    assert administrator.post("/staff/people/invite", data=invited).status_code == 303
    (letter,) = letters
    page = client.get(address(letter))
    assert "设置密码" in page.text

    answer = client.post(address(letter), data={"password": NEW, "password_confirm": NEW})

    assert answer.status_code == 302
    assert sign_in(client, "new@example.org", NEW) == 302
    assert client.get("/staff/purchases/").status_code == 200
    assert "staff.password_set" in {event.action for event in audit.events()}


def test_a_forgotten_password_is_set_anew_by_letter(
    client: FlaskClient, make_staff: Callable[..., User], letters: list[dict[str, str]]
) -> None:
    user = make_staff("finance")

    assert client.post("/staff/reset", data={"email": user.email}).status_code in (200, 302)
    (letter,) = letters
    assert (letter["to"], "重设" in letter["subject"]) == (user.email, True)
    assert (
        client.post(address(letter), data={"password": NEW, "password_confirm": NEW}).status_code
        == 302
    )

    assert sign_in(client, user.email, PASSWORD) == 200
    assert sign_in(client, user.email, NEW) == 302


def test_a_letter_to_nobody_is_not_written_and_not_told(
    client: FlaskClient, letters: list[dict[str, str]]
) -> None:
    answer = client.post(
        "/staff/reset", data={"email": "nobody@example.org"}, follow_redirects=True
    )

    assert answer.status_code == 200
    assert "邮件已发出" in answer.text
    assert letters == []


def test_an_administrator_sends_the_link_again(
    staff_client: Staff, make_staff: Callable[..., User], letters: list[dict[str, str]]
) -> None:
    user = make_staff("buyer")

    answer = staff_client("administrator").post(f"/staff/people/{user.id}/link")

    assert answer.status_code == 303
    assert letters[0]["to"] == user.email
    assert "staff.link_sent" in {event.action for event in audit.events()}


@pytest.mark.parametrize(
    ("invited", "word"),
    [
        ({"email": "", "role": "buyer"}, "请填写此项"),
        ({"email": "no address", "role": "buyer"}, "邮箱"),
        ({"email": "x@example.org", "role": "king"}, "请检查"),
    ],
)
def test_a_bad_invitation_says_why(staff_client: Staff, invited: dict[str, str], word: str) -> None:
    answer = staff_client("administrator").post("/staff/people/invite", data=invited)

    assert answer.status_code == 422
    assert word in answer.text


def test_the_same_address_is_not_invited_twice(
    staff_client: Staff, make_staff: Callable[..., User]
) -> None:
    known = make_staff("buyer")

    answer = staff_client("administrator").post(
        "/staff/people/invite", data={"email": known.email.upper(), "role": "finance"}
    )

    assert answer.status_code == 422
    assert "该邮箱已有账号" in answer.text


def test_a_wrong_password_says_so_in_the_readers_language(
    client: FlaskClient, make_staff: Callable[..., User]
) -> None:
    email = make_staff("buyer").email
    wrong = {"email": email, "password": "not the password"}

    assert "邮箱或密码不正确" in client.post("/staff/login", data=wrong).text
    page = client.post("/staff/login?lang=en", data=wrong).text
    assert "E-mail or password is wrong." in page


def test_pages_of_the_password_are_in_chinese(staff_client: Staff) -> None:
    browser = staff_client("buyer")

    page = browser.post(
        "/staff/change",
        data={"password": "wrong", "new_password": "short", "new_password_confirm": "other"},
    ).text

    assert "当前密码" in page
    assert not re.search(r"Password|Retype|must be", page)


def test_signing_out_takes_a_button(staff_client: Staff) -> None:
    browser = staff_client("buyer")

    assert browser.get("/staff/logout").status_code == 405
    assert browser.get("/staff").status_code == 200
    assert browser.post("/staff/logout").status_code == 302
    assert browser.get("/staff").status_code == 302


def test_a_session_ends_when_nobody_works_for_eight_hours(
    app: Flask, client: FlaskClient, make_staff: Callable[..., User]
) -> None:
    sign_in(client, make_staff("buyer").email, PASSWORD)

    assert client.get("/staff").status_code == 200
    cookie = client.get_cookie("session")
    assert cookie is not None
    assert cookie.max_age is None or cookie.max_age <= timedelta(hours=8).total_seconds()
    assert cookie.expires is not None
    assert app.permanent_session_lifetime == timedelta(hours=8)


def test_whoever_is_shut_out_is_out_at_once(
    staff_client: Staff, make_staff: Callable[..., User], client: FlaskClient
) -> None:
    user = make_staff("buyer")
    assert sign_in(client, user.email, PASSWORD) == 302
    assert client.get("/staff/purchases/").status_code == 200

    staff_client("administrator").post(f"/staff/people/{user.id}", data={"active": "0"})

    assert client.get("/staff/purchases/").status_code == 302
    assert sign_in(client, user.email, PASSWORD) == 200


def test_a_changed_role_ends_the_session(
    staff_client: Staff, make_staff: Callable[..., User], client: FlaskClient
) -> None:
    user = make_staff("buyer")
    sign_in(client, user.email, PASSWORD)

    staff_client("administrator").post(f"/staff/people/{user.id}", data={"roles": ["installer"]})

    assert client.get("/staff/purchases/").status_code == 302
    sign_in(client, user.email, PASSWORD)
    assert client.get("/staff/devices/").status_code == 200
    assert client.get("/staff/purchases/").status_code == 403


def test_the_last_administrator_stays(staff_client: Staff, session: Session) -> None:
    browser = staff_client("administrator")
    me = session.execute(select(User).order_by(User.id.desc())).scalars().first()
    assert me is not None

    answer = browser.post(f"/staff/people/{me.id}", data={"active": "0"})

    assert answer.status_code == 409
    assert "至少" in answer.text
    found = accounts.find(me.email)
    assert found is not None
    assert found.active


def test_guessing_passwords_is_slowed_down(own_database: Flask, tmp_path: Path) -> None:
    url = own_database.config["SQLALCHEMY_DATABASE_URI"]
    app = made(settings_for(url, tmp_path, ratelimit_enabled=True))
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        browser = app.test_client()
        answers = [sign_in(browser, "somebody@example.org", f"guess number {n}") for n in range(12)]
        db.session.remove()
        db.engine.dispose()

    assert answers[:10] == [200] * 10
    assert answers[10:] == [429] * 2


def test_letters_of_accounts_are_sealed(
    session: Session, client: FlaskClient, make_staff: Callable[..., User]
) -> None:
    user = make_staff("buyer")
    client.post("/staff/reset", data={"email": user.email})

    letter = db.session.execute(select(Letter).order_by(Letter.id.desc())).scalars().first()

    assert letter is not None
    assert user.email not in repr(letter.__dict__)
