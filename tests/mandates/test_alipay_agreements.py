"""Agreements at Alipay for monthly gifts: the plan put off to the day, charged, declined, unknown, ended by either."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.mandates import contracts, queries, service
from fundraising.giving.mandates.models import (
    ContractState,
    Mandate,
    MandateContract,
    PeriodState,
    Way,
)
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.payments.door import NoticeDoor
from tests.conftest import FrozenClock
from tests.mandates.agreed import DUE, ask, beat, contract, due, february, holds, work
from tests.mandates.conftest import letters
from tests.payments.test_door import take
from tests.providers.sides import Side, open_side, plain

DOOR = "/payments/alipay/notify"
Promise = Callable[..., Mandate]


@pytest.fixture(scope="module")
def alipay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with open_side("alipay", tmp_path_factory.mktemp("cycle")) as opened:
        yield opened


@pytest.fixture
def side(app: Flask, alipay: Side, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """Alipay's simulator with its agreements turned on."""
    changed = app.extensions["settings"].model_copy(update={"alipay_monthly": True})
    monkeypatch.setitem(app.extensions, "settings", changed)
    monkeypatch.setitem(app.extensions, "agreements", alipay.agreements)
    app.extensions["providers"] |= {"alipay": alipay.adapter}
    yield alipay
    plain(alipay)


def opened(mandate: Mandate) -> MandateContract:
    """An agreement whose page was opened and is not signed yet."""
    made = contracts.ask(mandate.id, Way.ALIPAY, "as agreed")
    db.session.commit()
    url = contracts.open_page(made, return_url="http://localhost/m/x", client_ip="", agent="")
    assert httpx.get(url, trust_env=False).status_code == 302
    return made


@pytest.fixture
def mandate(promise: Promise, side: Side, at: FrozenClock) -> Mandate:
    """A mandate whose donor agreed to be charged by Alipay."""
    made = promise()
    db.session.commit()
    code = opened(made).code
    assert side.simulator.agreements.agree(code, f"open-{code}")
    at.move(minutes=2)
    beat()
    return queries.by_ref(made.ref)


def paid_trades(side: Side) -> int:
    """How often money moved by agreement, by the simulator's own book."""
    query = "SELECT * FROM orders WHERE product = 'cycle' AND state = 'TRADE_SUCCESS'"
    return len(side.simulator.journal.run(query))


def notices(side: Side, number: str) -> list[bytes]:
    rows = side.simulator.journal.run(
        "SELECT body FROM notices WHERE out_trade_no = ? ORDER BY rowid", number
    )
    return [side.simulator.courier.form(json.loads(row["body"])) for row in rows]


def test_a_month_is_charged_once_and_again_in_the_next(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient
) -> None:
    before = paid_trades(side)
    assert (mandate.way, contract(mandate).state) == (Way.ALIPAY, ContractState.STANDING)
    side.simulator.offset = DUE.timestamp() - time.time()
    due(at)
    assert february(mandate).period.told_at is not None
    (notice,) = letters("-notice")
    assert "将由支付宝扣款 ¥50" in notice
    work()
    work()
    assert february(mandate).is_paid
    gift = february(mandate).gift
    assert gift is not None
    for raw in notices(side, gift.order_no) * 2:
        assert client.post(DOOR, data=raw).text == "success"
    settlement.drain(timedelta(seconds=5))
    at.at = DUE + timedelta(days=25)
    beat()
    at.at = DUE + timedelta(days=28)
    beat()
    assert queries.month(mandate.id, "2026-03").is_paid
    assert paid_trades(side) - before == 2
    assert ledger.balance(chart.clearing("alipay")) == Money(10_000)
    holds()


def test_a_month_left_out_puts_the_plan_off(mandate: Mandate, side: Side, at: FrozenClock) -> None:
    before = paid_trades(side)
    service.pause(mandate.id)
    at.at = DUE + timedelta(days=2)
    service.resume(mandate.id)
    db.session.commit()
    at.at = DUE + timedelta(days=25)
    beat()
    at.at = DUE + timedelta(days=28)
    beat()
    assert queries.month(mandate.id, "2026-03").is_paid
    assert paid_trades(side) - before == 1


def test_an_unknown_outcome_is_asked_about_and_never_charged_again(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    before = paid_trades(side)
    due(at)
    side.fault("timeout_after_commit")
    work()
    beat()
    assert february(mandate).period.state == PeriodState.ASKED
    side.fault("")
    ask(at)
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    assert paid_trades(side) - before == 1


def test_a_declined_charge_is_told_and_given_by_a_tap(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    side.simulator.courier.policy.decline = "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    work()
    beat()
    assert february(mandate).period.state == PeriodState.FAILED
    (letter,) = letters("-declined")
    assert f"/m/{mandate.token}/2026-02" in letter
    assert service.is_givable(mandate, february(mandate).period)
    holds()


def test_ended_in_the_payers_app_it_goes_on_by_letter(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient, app: Flask
) -> None:
    code = contract(mandate).code
    assert side.simulator.agreements.end(code)
    app.extensions["providers"] = {"alipay": side.adapter}
    door = NoticeDoor(app)
    for raw in notices(side, code):
        head = {"PATH_INFO": DOOR, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(raw))}
        assert take(door, [(head, raw)]) == [[None]], "the route writes the question beside it"
        assert not door._is_kept(side.adapter, head, raw)
        assert client.post(DOOR, data=raw).text == "success"
    work()
    found = queries.by_ref(mandate.ref)
    assert (found.way, contract(mandate).state) == (Way.REMINDER, ContractState.ENDED)
    due(at)
    beat()
    assert len(letters("-due")) == 1


def test_the_end_is_told_to_the_provider(mandate: Mandate, side: Side) -> None:
    service.end(mandate.id)
    db.session.commit()
    work()
    assert side.simulator.agreements.find(contract(mandate).code)["state"] == "ENDED"


def test_beyond_the_agreed_amount_it_is_ended_and_offered_anew(
    mandate: Mandate, side: Side, client: FlaskClient
) -> None:
    service.change(mandate.id, Money(3_000), 15)
    assert queries.by_ref(mandate.ref).is_charged
    service.change(mandate.id, Money(9_000), 15)
    db.session.commit()
    work()
    assert queries.by_ref(mandate.ref).way == Way.REMINDER
    assert side.simulator.agreements.find(contract(mandate).code)["state"] == "ENDED"
    assert "/agree" in client.get(f"/m/{mandate.token}").text
    holds()


def test_it_is_offered_outside_wechat_and_up_to_the_28th(
    promise: Promise, side: Side, client: FlaskClient, campaign: Campaign, app: Flask
) -> None:
    mandate, late = promise(), promise(day=29, email="e@example.org")
    db.session.commit()
    assert "由支付宝自动扣款" in client.get(f"/c/{campaign.slug}/donate").text
    assert "/agree" not in client.get(f"/m/{late.token}").text
    page = f"/m/{mandate.token}"
    assert "由支付宝扣款" in client.get(page).text
    assert contracts.offered(mandate, "iPhone MicroMessenger") is None
    client.post(f"{page}/agree")
    shown = client.get(f"{page}/sign").text
    assert "alipay.user.agreement.page.sign" in shown
    both = {"wechatpay": side.agreements["alipay"], **side.agreements}
    settings = app.extensions["settings"].model_copy(update={"wechatpay_monthly": True})
    app.extensions |= {"agreements": both, "settings": settings}
    inside = client.get(page, headers={"User-Agent": "iPhone MicroMessenger"}).text
    assert "正在等待支付宝确认" in inside
    assert "由支付宝扣款" in inside
