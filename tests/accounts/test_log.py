"""The audit log is read by people: every action has its words, every page of it leads on."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising.accounts.models import User
from fundraising.audit import service as audit
from fundraising.audit import words
from tests.workshop import Workshop

Staff = Callable[[str], FlaskClient]


def test_every_subject_has_its_words() -> None:
    kinds = {action.partition(".")[0] for action in words.ACTIONS}

    assert kinds - set(words.SUBJECTS) - {"day", "gifts", "message", "paper", "suspense"} == set()


def calls(name: str) -> Iterator[ast.Call]:
    """Yield every place in the product that writes to the audit log, or raises an alarm."""
    for path in [*Path("fundraising").rglob("*.py"), *Path("worker").rglob("*.py")]:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if f"audit.{name}(" in source else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"audit.{name}":
                yield node


def beginning(node: ast.expr) -> str:
    """Return the part of a text that is the same each time."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return str(first.value) if isinstance(first, ast.Constant) else ""


def names_in(call: ast.Call) -> set[str]:
    written = [argument for argument in call.args if isinstance(argument, ast.Dict)]
    return {str(key.value) for d in written for key in d.keys if isinstance(key, ast.Constant)}


def test_whatever_the_product_writes_down_has_its_words() -> None:
    written = list(calls("record"))
    subjects = {beginning(call.args[1]).partition(":")[0] for call in written}
    details = set[str]().union(*map(names_in, [*written, *calls("raise_alarm")]))
    alarms = {ast.unparse(call.args[0]).lstrip("f").strip("'") for call in calls("raise_alarm")}

    assert len(written) > 60
    assert len(alarms) > 10
    assert subjects - {""} - set(words.SUBJECTS) == set()
    assert details - set(words.DETAILS) == set()
    assert [key for key in alarms if words.alarm(key) == key and " if " not in key] == []


def test_an_alarm_is_read_as_a_sentence(staff_client: Staff, session: Session) -> None:
    audit.raise_alarm("payments:wechatpay:bill_broken", {"day": "2026-11-01", "reason": "SHA-1"})
    session.commit()

    page = staff_client("auditor").get("/staff").text

    assert "账单不可信" in page
    assert "日期 2026-11-01" in page
    assert "{&#34;" not in page


def test_the_log_says_who_did_what_to_whom(
    staff_client: Staff, workshop: Workshop, make_staff: Callable[..., User]
) -> None:
    device = workshop.in_service()
    user = make_staff("buyer", "王采购")
    browser = staff_client("auditor")

    page = browser.get("/staff/log").text

    assert all(word in page for word in ("设备已验收", "已安装设备", device.no, "王采购", "角色"))
    assert "device.installed" not in page
    assert str(user.id) not in page.replace(f"subject=staff:{user.id}", "")
    one = browser.get(f"/staff/log?subject=device:{device.no}").text
    assert "已巡检设备" in one
    assert "王采购" not in one
    assert f"/staff/devices/{device.no}" in one


def test_the_log_goes_on_over_pages_with_its_filter(staff_client: Staff, session: Session) -> None:
    for number in range(103):
        audit.record("work.revived", "work:7", None, {"number": number})
    session.commit()
    browser = staff_client("auditor")

    first = browser.get("/staff/log?subject=work:7").text
    older = first.partition("before=")[2].partition('"')[0].replace("&amp;", "&")

    assert first.count("已重试失败任务") == 100
    assert "subject=work" in older
    second = browser.get(f"/staff/log?before={older}").text
    assert second.count("已重试失败任务") == 3
    assert 'class="button plain" href="/staff/log' not in second


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"amount_fen": 131_400}, "¥1,314.00"),
        ({"passed": True}, "是"),
        ({"sha256": "a" * 64}, "aaaaaaaaaaaa…"),
        ({"roles": ["buyer", "finance"]}, "采购员, 财务"),
        ({"kind": "invoice"}, "发票"),
        ({"payment": "018f0000-0000-7000-8000-0123456789ab"}, "…0123456789ab"),
        ({"unheard_of": 3}, "unheard_of 3"),
    ],
)
def test_details_are_shown_as_people_write_them(facts: dict[str, object], shown: str) -> None:
    assert shown in words.detail(facts)
