"""What production refuses, how it starts, and that image, compose file and examples speak of this code."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from pydantic import ValidationError

from config import Settings
from fundraising.outbox.kinds import Queue
from tests.conftest import serving, settings_for

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
GOOD: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql+psycopg://app@db/fundraising",
    "public_url": "https://give.example.org",
    "secret_key": SECRET,
}
PAYS: dict[str, Any] = {"wechatpay_mchid": "1900000001", "wechatpay_apiv3_key": "k" * 32}


def test_good_settings_are_accepted() -> None:
    assert Settings(**GOOD, **PAYS).is_production


@pytest.mark.parametrize(
    "wrong",
    [
        {"debug": True},
        {"ratelimit_enabled": False},
        {"secret_key": "a" * 40},
        {"secret_key": "short"},
        {"secret_key_fallbacks": "a" * 40},
        {"public_url": "http://give.example.org"},
        {"public_url": "https://localhost"},
        {"public_url": "https://10.0.0.7"},
        {"trusted_hosts": "*.example.org"},
        {"wechatpay_simulator_url": "http://127.0.0.1:9000"},
        {**PAYS, "wechatpay_base_url": "http://api.mch.weixin.qq.com"},
        {**PAYS, "wechatpay_base_url": "https://127.0.0.2"},
        {**PAYS, "wechatpay_base_url": "https://localhost."},
        {**PAYS, "wechatpay_oauth_api_url": "https://[::1]"},
        {**PAYS, "wechatpay_oauth_url": "https://192.168.1.2/authorize"},
        {**PAYS, "wechatpay_apiv3_key": "SIMULATOR".ljust(32, "0")},
        {"alipay_app_id": "2021", "alipay_gateway_url": "http://openapi.alipay.com/gateway.do"},
        {"alipay_app_id": "2021", "alipay_gateway_url": "https://127.0.0.1/gateway.do"},
        {"alipay_app_id": "2021SIMULATOR"},
        {"alipay_app_id": "2021", "alipay_seller_id": "2088SIMULATOR"},
        {"alipay_simulator_url": "http://127.0.0.1:9000"},
        {"stripe_account_id": "acct_1", "stripe_api_base": "http://api.stripe.com"},
        {"stripe_account_id": "acct_1", "stripe_api_base": "https://127.0.0.1"},
        {"stripe_account_id": "acct_SIMULATOR"},
        {"stripe_secret_key": "sk_test_" + "x" * 24},
        {"stripe_webhook_secrets": "whsec_SIMULATOR"},
        {"stripe_simulator_url": "http://127.0.0.1:9000"},
    ],
    ids=str,
)
def test_case_99_unsafe_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**{**GOOD, **wrong})


def test_a_refusal_names_no_secret() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{**GOOD, "debug": True, "wechatpay_app_secret": "hush hush"})

    assert "DEBUG" in str(refused.value)
    assert "hush" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_slash_behind_the_public_address_does_no_harm() -> None:
    assert (
        Settings(**{**GOOD, "public_url": "https://give.example.org/"}).public_url
        == GOOD["public_url"]
    )


def test_production_keeps_its_cookies_and_its_visitors_on_https(
    own_database: Flask, tmp_path: Path
) -> None:
    settings = settings_for(
        own_database.config["SQLALCHEMY_DATABASE_URI"],
        tmp_path,
        **{n: v for n, v in GOOD.items() if n != "database_url"},
        trusted_hosts="",
        ratelimit_enabled=True,
    )
    with serving(settings) as site:
        browser = site.test_client()

        answer = browser.get("/staff/login?lang=en", base_url="https://give.example.org")
        cookies = answer.headers.getlist("Set-Cookie")

        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert any(cookie.startswith("__Host-session=") for cookie in cookies)
        for cookie in cookies:
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert browser.get("/", base_url="https://other.example.org").status_code == 400


# ---------------------------------------------------------------------- files beside the code


def test_the_example_of_settings_names_every_one() -> None:
    named = set(
        re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )

    assert named == {name.upper() for name in Settings.model_fields}


def test_every_setting_is_used() -> None:
    folders = ("fundraising", "worker")
    code = "".join(
        p.read_text()
        for f in folders
        for p in (ROOT / f).rglob("*.*")
        if p.suffix in (".py", ".html")
    )
    code += (ROOT / "config.py").read_text().partition("@property")[2]
    code += (ROOT / "rsgi.py").read_text()
    code += "".join(p.read_text() for p in (ROOT / "templates").rglob("*.html"))

    assert [name for name in Settings.model_fields if f".{name}" not in code] == []


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", text, re.MULTILINE))

    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        shown = rows[name.upper()].strip("`*")
        given = getattr(field.default, "value", field.default)
        default = "–" if given in ("", None) else str(given)
        assert shown == ("required" if field.is_required() else default), name


def test_the_compose_file_starts_what_there_is() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    commands = {name: shlex.split(service["command"]) for name, service in services.items()}

    assert set(services) == {"prepare", "web", "relay", "worker", "beat"}
    for words in commands.values():
        if words[:2] == ["python", "-m"]:
            assert find_spec(words[2]) is not None
    queues = commands["worker"][commands["worker"].index("--queues") + 1]
    assert set(queues.split(",")) == set(Queue)
    assert "fundraising db upgrade" in services["prepare"]["command"]
    for name, service in services.items():
        assert service["volumes"] == ["var:/app/var"]  # web keeps files that the worker reads
        waits = service.get("depends_on", {}).get("prepare", {}).get("condition")
        assert waits == (None if name == "prepare" else "service_completed_successfully")


def test_the_image_holds_no_secret_and_runs_as_nobody_special() -> None:
    kept_out = (ROOT / ".dockerignore").read_text().split("\n")
    steps = (ROOT / "Dockerfile").read_text()

    assert {".env", ".git", ".venv", "var"} <= set(kept_out)
    assert "--require-hashes" in steps
    assert (
        steps.index("chown app:app var") < steps.index("USER app") < steps.index("VOLUME /app/var")
    )
