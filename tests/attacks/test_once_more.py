"""What a colleague typed is kept when their session, or the key of the form, ended meanwhile."""

import re

from flask import Flask

TYPED = {"email": "new@example.org", "name": "承德<b>", "role": "buyer", "csrf_token": "x"}
OWN = {"Sec-Fetch-Site": "same-origin"}


def test_a_form_of_staff_that_was_open_for_too_long_is_kept_to_be_sent_again(
    guarded: Flask,
) -> None:
    answer = guarded.test_client().post("/staff/people/invite?a=1", data=TYPED, headers=OWN)

    assert answer.status_code == 400
    assert 'name="email" hidden aria-hidden="true">new@example.org<' in answer.text
    assert "承德&lt;b&gt;" in answer.text
    assert 'action="/staff/people/invite?a=1"' in answer.text
    assert 'href="/staff/login"' in answer.text
    assert re.search(r'name="csrf_token" value="[^"]{30}', answer.text)


def test_only_what_the_browser_says_came_from_a_page_of_ours_is_shown_again(
    guarded: Flask,
) -> None:
    browser = guarded.test_client()

    for address, headers in (("/staff/people/invite", {}), ("/find", OWN), ("/staff/login", OWN)):
        answer = browser.post(address, data=TYPED, headers=headers)
        assert answer.status_code == 400
        assert "new@example.org" not in answer.text


def test_a_large_file_sent_after_the_session_ended_asks_to_sign_in(guarded: Flask) -> None:
    paper = {"csrf_token": "x", "paper": "x" * 400_000}

    answer = guarded.test_client().post("/staff/finance/bank/files", data=paper, headers=OWN)

    assert answer.status_code == 413
    assert "您已退出登录" in answer.text
