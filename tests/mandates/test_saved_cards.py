"""Saved cards: charged once after the notice, never after an end, never twice when the answer is lost."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.mandates import charging, contracts, queries, schedule, service
from fundraising.giving.mandates.models import Mandate, MandateState, PeriodState, Reason, Way
from fundraising.giving.models import Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.outbox.service import Claimed
from fundraising.payments import charging as provider_charging
from fundraising.payments import polling
from fundraising.payments import service as payments
from fundraising.payments.providers.base import Product, ProviderUnavailable
from tests.conftest import FrozenClock
from tests.giving.test_pages import form
from tests.mandates.agreed import tick
from tests.mandates.conftest import letters
from tests.providers.sides import Side, open_side

HANDLERS = {
    Kind.SIGN_MANDATE: charging.sign,
    Kind.CHARGE_MONTH: charging.charge,
    Kind.END_CONTRACT: charging.end_contract,
}
DUE = datetime(2026, 2, 15, 2, tzinfo=UTC)


@pytest.fixture
def side(
    app: Flask, at: FrozenClock, desk: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Side]:
    """Stripe's simulator, whose clock goes with the test's."""
    changed = app.extensions["settings"].model_copy(update={"stripe_monthly": True})
    monkeypatch.setitem(app.extensions, "settings", changed)
    with open_side("stripe", tmp_path) as opened:
        opened.simulator.offset = at.at.timestamp() - time.time()
        app.extensions["providers"] = {"stripe": opened.adapter}
        yield opened


def work() -> None:
    """Do what waits in the outbox for mandates, as the worker does; what fails stays."""
    for queue in (Queue.MONEY, Queue.MAINTENANCE):
        for claimed in outbox.claim(queue, 50, timedelta(seconds=120)):
            if claimed.kind in HANDLERS:
                db.session.commit()
                HANDLERS[claimed.kind](claimed)
                outbox.done([claimed.id])
    db.session.commit()


def hear(side: Side) -> None:
    """Take the simulator's events into the books."""
    rows = side.simulator.journal.run("SELECT body FROM notices ORDER BY rowid")
    told = [fact for row in rows for fact in side.adapter.parse(row["body"].encode())]
    settlement.apply_facts(told)
    db.session.commit()


def ask(at: FrozenClock) -> None:
    """Let a minute pass and every unknown order be asked about."""
    at.move(minutes=1)
    polling.poll_due(settlement.apply_facts)


@pytest.fixture
def mandate(client: FlaskClient, campaign: Campaign, side: Side, at: FrozenClock) -> Mandate:
    """A mandate whose first gift was paid by a card that was saved."""
    values = form(
        client, campaign, often="monthly", day="15", email="d@example.org", product="stripe"
    )
    client.post(f"/c/{campaign.slug}/donate", data=values)
    gift = db.session.execute(select(Gift)).scalar_one()
    assert side.pay(gift.order_no)
    hear(side)
    tick()
    db.session.commit()
    work()
    return db.session.execute(select(Mandate)).scalar_one()


def due(at: FrozenClock) -> None:
    """Announce February, and come to its day."""
    at.at = DUE - timedelta(days=3, hours=1)
    tick()
    at.at = DUE
    tick()
    db.session.commit()


def february(mandate: Mandate) -> queries.Month:
    return queries.month(mandate.id, "2026-02")


def charges(side: Side) -> int:
    """How often money moved without the donor, by the simulator's own book."""
    found = side.simulator.journal.all("intent")
    return sum(p["status"] == "succeeded" and p["metadata"].get("monthly") == "1" for p in found)


def test_the_card_is_kept_and_the_words_say_so(mandate: Mandate, client: FlaskClient) -> None:
    assert (mandate.way, mandate.state) == (Way.STRIPE, MandateState.ACTIVE)
    assert "留存我的银行卡" in mandate.consent
    (letter,) = letters("-begun")
    assert "从您的银行卡扣款" in letter
    page = client.get(f"/m/{mandate.token}").text
    assert "到期从银行卡扣款" in page
    assert str(mandate.means_ref) not in page


def test_a_month_is_charged_once_after_its_notice(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient
) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    tick()
    work()
    assert charges(side) == 0
    (notice,) = letters("-notice")
    assert "将从您的银行卡扣款 ¥100" in notice
    tap = f"/m/{mandate.token}/2026-02"
    assert 'name="product"' not in client.get(tap).text
    client.post(tap)
    assert february(mandate).gift is None, "the card is about to be charged: no tap beside it"
    due(at)
    work()
    work()
    hear(side)
    hear(side)
    tick()
    assert charges(side) == 1
    assert february(mandate).period.state == PeriodState.PAID
    assert ledger.balance(chart.clearing("stripe")) == Money(20_000)
    assert letters("-due") == []
    db.session.flush()
    assert checks.run_here() == []


def test_an_event_alone_settles_a_charge_whose_answer_was_lost(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    side.fault("timeout_after_commit")
    work()
    side.fault("")
    month = february(mandate)
    assert month.gift is not None
    assert not month.is_paid
    hear(side)
    assert february(mandate).is_paid
    assert charges(side) == 1


def test_an_unknown_outcome_is_asked_about_and_never_charged_again(
    mandate: Mandate, side: Side, at: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(at)
    side.fault("timeout_after_commit")
    work()
    with monkeypatch.context() as patch:  # the same work a second time
        patch.setattr(provider_charging, "submit", lambda *_: pytest.fail("sent again"))
        again = {"mandate": str(mandate.id), "period": "2026-02"}
        charging.charge(Claimed(1, Kind.CHARGE_MONTH, again, 2))
    tick()
    assert february(mandate).period.state == PeriodState.ASKED
    service.end(mandate.id)
    assert february(mandate).period.state == PeriodState.ASKED, "it was asked for before the end"
    db.session.commit()
    side.fault("")
    ask(at)
    tick()
    assert february(mandate).period.state == PeriodState.PAID
    assert charges(side) == 1


def test_a_charge_that_never_arrived_ends_as_declined_not_as_paid(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    side.fault("500")
    work()
    side.fault("")
    assert not february(mandate).is_paid
    at.move(minutes=40)
    ask(at)
    tick()
    assert february(mandate).period.state == PeriodState.FAILED
    assert charges(side) == 0


def test_a_lost_worker_sends_the_same_charge_again(
    mandate: Mandate, side: Side, at: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(at)
    with monkeypatch.context() as patch:
        patch.setattr(provider_charging, "submit", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            work()
    assert charges(side) == 0
    at.move(minutes=3)
    work()
    assert charges(side) == 1
    assert february(mandate).is_paid


def test_a_lost_worker_sends_nothing_after_an_end(
    mandate: Mandate, side: Side, at: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(at)
    with monkeypatch.context() as patch:
        patch.setattr(provider_charging, "submit", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            work()
    service.end(mandate.id)
    db.session.commit()
    at.move(minutes=3)
    work()
    assert charges(side) == 0


@pytest.mark.parametrize("verb", [service.end, service.pause])
def test_what_was_queued_is_not_charged_after_an_end_or_a_rest(
    mandate: Mandate, side: Side, at: FrozenClock, verb: Callable[..., None]
) -> None:
    due(at)
    verb(mandate.id)
    db.session.commit()
    work()
    assert february(mandate).period.state == PeriodState.SKIPPED
    assert charges(side) == 0


def test_a_change_after_queueing_needs_a_notice_again(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    service.change(mandate.id, Money(30_000), 15)
    db.session.commit()
    work()
    assert charges(side) == 0
    at.move(days=3, minutes=5)
    tick()
    db.session.commit()
    work()
    hear(side)
    assert charges(side) == 1
    gift = february(mandate).gift
    assert gift is not None
    assert gift.amount_fen == 30_000


def test_a_declined_card_is_told_and_given_by_a_tap(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient
) -> None:
    due(at)
    side.simulator.courier.policy.decline = "card_declined"
    work()
    hear(side)
    tick()
    db.session.commit()
    assert february(mandate).period.state == PeriodState.FAILED
    (letter,) = letters("-declined")
    side.simulator.offset = at.at.timestamp() - time.time()
    assert f"/m/{mandate.token}/2026-02" in letter
    answer = client.post(f"/m/{mandate.token}/2026-02", data={"product": "stripe"})
    assert answer.status_code == 303
    gift = february(mandate).gift
    assert gift is not None
    latest = payments.latest(gift.id)
    assert latest is not None
    assert latest.product == Product.STRIPE_CHECKOUT
    assert side.pay(latest.merchant_ref)
    hear(side)
    tick()
    assert february(mandate).period.state == PeriodState.PAID
    assert queries.by_ref(mandate.ref).missed == 0


def test_three_declined_months_let_it_rest(mandate: Mandate, side: Side, at: FrozenClock) -> None:
    side.simulator.courier.policy.decline = "expired_card"
    at.at = DUE - timedelta(days=4)
    for _ in range(14):
        tick()
        db.session.commit()
        work()
        at.move(days=8)
    assert (mandate.state, mandate.reason) == (MandateState.PAUSED, Reason.UNPAID)
    assert len(letters("-declined")) == 3


def test_the_end_forgets_the_card_at_the_provider(mandate: Mandate, side: Side) -> None:
    service.end(mandate.id)
    db.session.commit()
    side.fault("500")
    with pytest.raises(ProviderUnavailable):
        work()
    side.fault("")
    db.session.rollback()
    db.session.execute(text("UPDATE outbox_work SET due_at = :now"), {"now": clock.now()})
    work()
    (card,) = side.simulator.journal.all("card")
    assert card["customer"] is None
    contract = contracts.contract_of(mandate)
    payments.charging_provider("stripe").end_contract(contract)


def test_a_first_gift_paid_another_way_stays_with_reminders(
    client: FlaskClient, campaign: Campaign, side: Side
) -> None:
    values = form(
        client, campaign, often="monthly", day="15", email="d@example.org", product="stripe"
    )
    client.post(f"/c/{campaign.slug}/donate", data=values)
    gift = db.session.execute(select(Gift)).scalar_one()
    client.post(f"/pay/{gift.order_no}/again", data={"product": "stripe"})
    latest = payments.latest(gift.id)
    assert latest is not None
    assert latest.product == Product.STRIPE_CHECKOUT
    assert side.pay(latest.merchant_ref)
    hear(side)
    schedule.note_paid()
    db.session.commit()
    work()
    found = db.session.execute(select(Mandate)).scalar_one()
    assert (found.way, found.wished_way) == (Way.REMINDER, Way.STRIPE)
    assert "一键捐出" in letters("-begun")[0]


@pytest.mark.parametrize("product", ["stripe.keep", "stripe.saved"])
def test_nobody_asks_for_a_saved_card_by_name(
    client: FlaskClient, campaign: Campaign, side: Side, product: str
) -> None:
    client.post(f"/c/{campaign.slug}/donate", data=form(client, campaign, product=product))
    gift = db.session.execute(select(Gift)).scalar_one()
    latest = payments.latest(gift.id)
    assert latest is not None
    assert latest.product == Product.STRIPE_CHECKOUT
    body = {"campaign": campaign.slug, "amount": 100, "channel": product}
    answer = client.post("/api/v1/gifts", data=json.dumps(body), content_type="application/json")
    assert answer.status_code >= 400
