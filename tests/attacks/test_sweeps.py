"""Every door at once: no form is taken without its token, and WeChat's silent step follows nobody else."""

import re

from flask import Flask
from flask.testing import FlaskClient

from fundraising.extensions import csrf
from tests.architecture.test_rules import rules

CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def test_atk_035_no_form_anywhere_is_taken_without_its_token(guarded: Flask) -> None:
    browser = guarded.test_client()
    taken, tried = [], 0
    for rule in rules(guarded):
        view = guarded.view_functions[rule.endpoint]
        if f"{view.__module__}.{view.__name__}" in csrf._exempt_views:
            continue
        for method in set(rule.methods or ()) & set(CHANGING):
            address = re.sub(r"<[^>]+>", "018f0000-0000-7000-8000-000000000000", rule.rule)
            tried += 1
            answer = browser.open(address, method=method, data={"x": "1"})
            if answer.status_code not in (400, 404):
                taken.append((method, rule.rule, answer.status_code))

    assert taken == []
    assert tried > 80


def test_wechats_silent_step_is_taken_once_and_only_by_the_browser_that_began_it(
    client: FlaskClient, app: Flask
) -> None:
    class Adapter:
        def openid(self, code: str) -> str:
            return f"openid of {code}"

    app.extensions["providers"] = {"wechatpay": Adapter()}
    with client.session_transaction() as cookie:
        cookie["oauth_state"], cookie["oauth_back"] = "mine", "/c/x/donate?a=1"

    def known() -> object:
        with client.session_transaction() as cookie:
            return cookie.get("openid")

    stranger = client.get("/wechat/openid?code=evil&state=other")
    assert (stranger.status_code, known()) == (303, None)
    again = client.get("/wechat/openid?code=evil&state=mine")
    assert (again.headers["Location"], known()) == ("/", None)
    assert client.get("/wechat/openid?code=evil&state=").status_code == 303
    assert known() is None
