"""Charging by agreement: told, charged once, declined, unknown, never by night and never twice."""

from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from fundraising import clock
from fundraising.database import db, transaction
from fundraising.giving import settlement
from fundraising.giving.mandates import charging, contracts, queries, schedule, service
from fundraising.giving.mandates.models import (
    Mandate,
    PeriodState,
)
from fundraising.giving.models import Gift
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.payments import charging as provider_charging
from fundraising.payments import service as payments
from fundraising.payments.providers import registry
from fundraising.payments.providers.base import Product
from fundraising.payments.simulators.papay import APIV2_KEY, PLAN_ID
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_settlement import paid
from tests.mandates.agreed import (
    DOOR,
    DUE,
    ask,
    asked,
    beat,
    charges,
    due,
    february,
    holds,
    notices,
    number_of,
    tick,
    work,
)
from tests.mandates.conftest import begun, letters
from tests.providers.sides import Side

# ---------------------------------------------------------------------- charging


def test_a_month_is_told_then_charged_once(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient
) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    beat()
    assert february(mandate).period.told_at is not None
    (notice,) = letters("-notice")
    assert "将由微信支付扣款 ¥50" in notice
    tap = f"/m/{mandate.token}/2026-02"
    assert 'name="product"' not in client.get(tap).text
    due(at)
    work()
    beat()
    assert february(mandate).period.state == PeriodState.ASKED, "accepted is not paid"
    attempt = payments.latest(february(mandate).gift.id)  # type: ignore[union-attr]
    assert attempt is not None
    assert (attempt.product, attempt.state) == (Product.WECHATPAY_CONTRACT, "pending")
    for raw in notices(side, number_of(mandate)) * 2:
        assert b"SUCCESS" in client.post(DOOR, data=raw).data
    settlement.drain(timedelta(seconds=5))
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    assert charges(side, mandate) == 1
    assert ledger.balance(chart.clearing("wechatpay")) == Money(10_000)
    assert letters("-due") == []
    holds()


def test_with_every_notice_withheld_a_query_finds_the_charge(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    work()
    ask(at)
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    holds()


def test_an_unknown_outcome_is_asked_about_and_never_charged_again(
    mandate: Mandate, side: Side, at: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(at)
    side.simulator.courier.policy.fail_papay = "timeout_after_commit"
    work()
    with monkeypatch.context() as patch:  # the same work a second time
        patch.setattr(provider_charging, "submit", lambda *_: pytest.fail("sent again"))
        again = {"mandate": str(mandate.id), "period": "2026-02"}
        charging.charge(Claimed(1, Kind.CHARGE_MONTH, again, 2))
    service.end(mandate.id)
    assert february(mandate).period.state == PeriodState.ASKED, "it was asked for before the end"
    ask(at)
    assert not february(mandate).is_paid
    side.simulator.courier.policy.fail_papay = ""
    ask(at)
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    assert charges(side, mandate) == 1


def test_case_93_a_charge_under_way_for_a_day_is_waited_for(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    policy = side.simulator.courier.policy
    policy.hold_charges = True
    work()
    for _ in range(3):
        ask(at, hours=8)
        beat()
    assert february(mandate).period.state == PeriodState.ASKED
    assert not service.is_givable(mandate, february(mandate).period)
    side.simulator.papay.charges.settle(policy)
    ask(at, hours=1)
    beat()
    assert february(mandate).period.state == PeriodState.PAID


def test_case_96_a_declined_charge_is_told_and_given_by_a_tap(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient
) -> None:
    due(at)
    side.simulator.courier.policy.decline = "NOTENOUGH"
    work()
    ask(at)
    beat()
    assert february(mandate).period.state == PeriodState.FAILED
    (letter,) = letters("-declined")
    tap = f"/m/{mandate.token}/2026-02"
    assert tap in letter
    assert client.post(tap, data={"product": "wechatpay"}).status_code == 303
    gift = february(mandate).gift
    assert gift is not None
    latest = payments.latest(gift.id)
    assert latest is not None
    assert latest.product == Product.WECHATPAY_NATIVE
    settlement.apply_facts([paid(gift, account=side.adapter.account)])
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    assert queries.by_ref(mandate.ref).is_charged, "the next month is charged again"
    holds()


def test_what_the_provider_was_not_told_of_is_not_charged(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due_at = DUE
    at.at = due_at - timedelta(days=3, hours=1)
    tick()
    db.session.execute(text("UPDATE outbox_work SET done_at = now() WHERE kind = 'mandates.tell'"))
    at.at = due_at
    beat()
    assert charges(side, mandate) == 0
    assert len(letters("-due")) == 1
    assert service.is_givable(mandate, february(mandate).period)


def test_a_template_without_the_providers_notice_is_charged_a_day_after_it_was_asked(
    app: Flask, mandate: Mandate, side: Side, at: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WECHATPAY_PLAN_NOTICE=false: our own letter announces the month, WeChat is told nothing before."""
    settings = app.extensions["settings"].model_copy(
        update={
            "wechatpay_plan_notice": False,
            "wechatpay_apiv2_key": APIV2_KEY,
            "wechatpay_plan_id": PLAN_ID,
        }
    )
    made = registry.agreements(settings, {"wechatpay": side.adapter})
    monkeypatch.setitem(app.extensions, "agreements", made)
    side.simulator.courier.policy.plan_notice = False
    due(at)
    assert february(mandate).period.told_at is None
    told = side.simulator.journal.run("SELECT * FROM told")
    assert len(letters("-notice")) == 1
    work()
    for _ in range(2):
        ask(at, hours=11)
        beat()
    assert february(mandate).period.state == PeriodState.ASKED, "it waits its day at WeChat"
    assert not service.is_givable(mandate, february(mandate).period), "or it would be given twice"
    ask(at, hours=2)
    beat()
    assert february(mandate).period.state == PeriodState.PAID
    assert charges(side, mandate) == 1
    assert side.simulator.journal.run("SELECT * FROM told") == told
    holds()


def test_told_late_it_is_charged_later(mandate: Mandate, side: Side, at: FrozenClock) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    tick()
    db.session.commit()
    at.at = DUE - timedelta(days=1)
    work()
    at.at = DUE
    beat()
    assert february(mandate).period.state == PeriodState.ANNOUNCED
    at.move(days=1)
    beat()
    assert charges(side, mandate) == 1


def test_case_94_by_night_nothing_is_charged_or_told(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    tick()
    db.session.commit()
    at.at = DUE - timedelta(days=3) + timedelta(hours=12)  # 22:00 in Shanghai
    work()
    assert february(mandate).period.told_at is None
    at.move(hours=10)
    work()
    assert february(mandate).period.told_at is not None
    at.at = DUE
    tick()
    db.session.commit()
    at.move(hours=13)
    work()
    assert charges(side, mandate) == 0
    at.move(hours=10)
    work()
    assert charges(side, mandate) == 1


def test_a_change_before_telling_is_charged_as_changed(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    tick()
    service.change(mandate.id, Money(3_000), 15)
    db.session.commit()
    work()
    at.at = DUE
    beat()
    gift = february(mandate).gift
    assert gift is not None
    assert gift.amount_fen == 3_000
    assert charges(side, mandate) == 1


def test_a_month_changed_after_the_provider_told_of_it_is_given_by_a_tap(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    due(at)
    service.change(mandate.id, Money(8_000), 15)
    db.session.commit()
    work()
    at.move(days=3, minutes=5)
    beat()
    assert charges(side, mandate) == 0
    assert len(letters("-due")) == 1
    assert service.is_givable(mandate, february(mandate).period)


# ---------------------------------------------------------------------- two at once


def test_case_91_two_beats_at_once_charge_once(
    own_database: Flask, served: Side, at: FrozenClock
) -> None:
    own_database.extensions["providers"] = {"wechatpay": served.adapter}
    own_database.extensions["agreements"] = served.agreements
    with transaction():
        campaign = Make(db.session()).campaign()
        campaign.ends_on = clock.today() + timedelta(days=90)
        mandate = begun(campaign, day=clock.today().day)
        first = db.session.execute(select(Gift)).scalar_one()
        settlement.apply_facts([paid(first, account=served.adapter.account)])
        schedule.note_paid()
    code = asked(mandate).code
    served.simulator.papay.agree(code, "o-twice")
    contracts.look(Claimed(1, Kind.LOOK_AT_CONTRACT, {"code": code}, 1))
    with transaction():
        db.session.execute(
            text(
                "INSERT INTO mandate_period (mandate_id, period, amount_fen, state, due_on, announced_at, "
                "not_before, asked_at, charge_way) SELECT mandate_id, '2020-01', amount_fen, 'asked', due_on, "
                "announced_at, not_before, asked_at, 'wechatpay' FROM mandate_period"
            )
        )
    barrier = Barrier(2)

    def twice() -> None:
        with own_database.app_context():
            barrier.wait()
            payload = {"mandate": str(mandate.id), "period": "2020-01"}
            with suppress(IntegrityError):  # the same month at one moment: the other one has it
                charging.charge(Claimed(1, Kind.CHARGE_MONTH, payload, 1))
            db.session.remove()

    threads = [Thread(target=twice) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction():
        gift = queries.month(mandate.id, "2020-01").gift
        assert gift is not None
        assert len(payments.attempts_of(gift.id)) == 1
    assert charges(served, mandate) == 1
