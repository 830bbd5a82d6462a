"""Agreements at WeChat Pay for monthly gifts: signed, refused, ended on either side, told and forged."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.mandates import contracts, queries, service
from fundraising.giving.mandates.errors import AgreementOff, MandateOver
from fundraising.giving.mandates.models import (
    ContractState,
    Mandate,
    MandateState,
    PeriodState,
    Way,
)
from fundraising.payments.models import InboxNotice
from tests.conftest import FrozenClock
from tests.mandates.agreed import (
    DOOR,
    DUE,
    IN_WECHAT,
    Promise,
    asked,
    beat,
    charges,
    contract,
    due,
    february,
    holds,
    notices,
    tick,
    work,
)
from tests.mandates.conftest import letters
from tests.providers.sides import Side

# ---------------------------------------------------------------------- signing


def test_signed_it_is_charged_from_the_next_notice_on(mandate: Mandate) -> None:
    assert (mandate.way, contract(mandate).state) == (Way.WECHATPAY, ContractState.STANDING)
    assert contract(mandate).code not in str(mandate.payer_ref), "a scrambled mark of the payer"
    (letter,) = letters(":")
    assert "微信支付" in letter
    holds()


def test_a_month_announced_before_is_still_given_by_a_tap(
    promise: Promise, side: Side, at: FrozenClock
) -> None:
    mandate = promise()
    at.at = DUE - timedelta(days=3)
    tick()
    db.session.commit()
    code = asked(mandate).code
    side.simulator.papay.agree(code, "o-late")
    at.at = DUE
    beat()
    assert queries.by_ref(mandate.ref).is_charged
    month = february(mandate).period
    assert (month.state, month.charge_way) == (PeriodState.ASKED, None)
    assert len(letters("-due")) == 1
    assert service.is_givable(mandate, month)
    assert charges(side, mandate) == 0


def test_refused_it_stays_with_letters_and_the_asking_ends(
    promise: Promise, side: Side, at: FrozenClock
) -> None:
    mandate = promise()
    db.session.commit()
    side.simulator.papay.refuse(asked(mandate).code)
    for _ in range(6):
        at.move(hours=12)
        beat()
    assert contract(mandate).state == ContractState.REFUSED
    assert contract(mandate).look_at is None
    assert not queries.by_ref(mandate.ref).is_charged
    assert letters(":") == []


def test_a_second_agreement_signed_beside_the_first_is_ended(
    promise: Promise, side: Side, at: FrozenClock
) -> None:
    mandate = promise()
    db.session.commit()
    first, second = asked(mandate).code, asked(mandate).code
    side.simulator.papay.agree(first, "o-one")
    side.simulator.papay.agree(second, "o-two")
    at.move(minutes=2)
    beat()
    beat()
    states = {c["code"]: c["state"] for c in side.simulator.journal.run("SELECT * FROM contracts")}
    assert sorted([states[first], states[second]]) == ["ended", "standing"]
    assert [c.state for c in contracts.of(mandate.id)].count(ContractState.STANDING) == 1
    with pytest.raises(AgreementOff):
        contracts.ask(mandate.id, Way.WECHATPAY, "again")


def test_what_is_signed_after_the_end_is_ended_at_the_provider(
    promise: Promise, side: Side, at: FrozenClock
) -> None:
    mandate = promise()
    db.session.commit()
    code = asked(mandate).code
    service.end(mandate.id)
    side.simulator.papay.agree(code, "o-too-late")
    at.move(minutes=2)
    beat()
    beat()
    assert side.simulator.papay.contract(code)["state"] == "ended"
    assert contract(mandate).state == ContractState.ENDED
    with pytest.raises(MandateOver):
        contracts.ask(mandate.id, Way.WECHATPAY, "again")


# ---------------------------------------------------------------------- ended on either side


@pytest.mark.parametrize("verb", [service.end, service.pause])
def test_what_was_queued_is_not_charged_after_an_end_or_a_rest(
    mandate: Mandate, side: Side, at: FrozenClock, verb: Callable[..., None]
) -> None:
    due(at)
    verb(mandate.id)
    db.session.commit()
    work()
    assert february(mandate).period.state == PeriodState.SKIPPED
    assert charges(side, mandate) == 0
    standing = side.simulator.papay.contract(contract(mandate).code)["state"]
    assert standing == ("ended" if verb is service.end else "standing")


def test_the_end_is_told_to_the_provider_as_soon_as_it_answers(
    mandate: Mandate, side: Side, at: FrozenClock
) -> None:
    service.end(mandate.id)
    db.session.commit()
    side.simulator.courier.policy.fail_papay = "500"
    with pytest.raises(Exception, match="500"):
        work()
    db.session.rollback()
    side.simulator.courier.policy.fail_papay = ""
    at.move(minutes=3)
    work()
    assert side.simulator.papay.contract(contract(mandate).code)["state"] == "ended"
    assert contract(mandate).state == ContractState.ENDED
    assert len(letters("-ended")) == 1


@pytest.mark.parametrize("by_notice", [True, False], ids=["told", "found"])
def test_ended_in_the_payers_app_it_goes_on_by_letter(
    mandate: Mandate, side: Side, at: FrozenClock, client: FlaskClient, *, by_notice: bool
) -> None:
    at.at = DUE - timedelta(days=3, hours=1)
    beat()
    code = contract(mandate).code
    assert side.simulator.papay.end(code, "2")
    if by_notice:
        told = notices(side, code)
        for raw in [*told, *reversed(told)]:  # doubled, and the first one after the last
            client.post(DOOR, data=raw)
        assert db.session.execute(select(func.count(InboxNotice.id))).scalar_one() == 2
        settlement.drain(timedelta(seconds=5))
        work()
    else:
        at.at = DUE - timedelta(days=1)
        beat()
    found = queries.by_ref(mandate.ref)
    assert (found.way, found.state, found.means_ref) == (Way.REMINDER, MandateState.ACTIVE, None)
    assert contract(mandate).state == ContractState.ENDED
    at.at = DUE
    beat()
    assert charges(side, mandate) == 0
    assert len(letters("-due")) == 1
    assert len(letters(":")) == 2, "agreed, and charged no more"
    assert service.is_givable(found, february(mandate).period)
    holds()


@pytest.mark.parametrize("is_seen_first", [True, False], ids=["seen first", "refused first"])
def test_ended_in_the_app_while_a_charge_was_queued_the_donor_is_sent_the_link(
    mandate: Mandate, side: Side, at: FrozenClock, *, is_seen_first: bool
) -> None:
    due(at)
    side.simulator.papay.end(contract(mandate).code, "2")
    if not is_seen_first:
        db.session.execute(
            text("UPDATE outbox_work SET done_at = now() WHERE kind = 'mandates.look'")
        )
    work()
    beat()
    beat()
    month = february(mandate).period
    assert queries.by_ref(mandate.ref).way == Way.REMINDER
    assert (month.state, len(letters("-due" if is_seen_first else "-declined"))) == (
        PeriodState.ASKED if is_seen_first else PeriodState.FAILED,
        1,
    )
    assert service.is_givable(mandate, month)
    assert charges(side, mandate) == 0


# ---------------------------------------------------------------------- notices, and the setting


def test_a_forged_notice_makes_nobody_ask(
    mandate: Mandate, side: Side, client: FlaskClient
) -> None:
    side.simulator.courier.policy.wrong_key = True
    for raw in notices(side, contract(mandate).code):
        assert client.post(DOOR, data=raw).status_code == 401
    assert client.post(DOOR, data=b"<!DOCTYPE a><xml/>").status_code == 400
    assert client.post(DOOR, data=b"x" * 70_000).status_code == 413
    assert client.get(DOOR).status_code == 405
    assert db.session.execute(select(func.count(InboxNotice.id))).scalar_one() == 0
    assert queries.by_ref(mandate.ref).is_charged


def test_a_notice_of_an_agreement_that_is_not_ours_changes_nothing(
    mandate: Mandate, side: Side, client: FlaskClient
) -> None:
    (raw,) = notices(side, contract(mandate).code)
    db.session.execute(text("UPDATE mandate_contract SET code = 'ANOTHER'"))
    assert client.post(DOOR, data=raw).status_code == 200
    work()
    assert queries.by_ref(mandate.ref).is_charged


def test_it_is_offered_inside_wechat_alone_and_only_when_turned_on(
    promise: Promise, campaign: Campaign, side: Side, app: Flask, client: FlaskClient
) -> None:
    mandate = promise()
    db.session.commit()
    with client.session_transaction() as session:
        session["openid"] = "o-known"
    page, agree = f"/m/{mandate.token}", f"/m/{mandate.token}/agree"
    form = f"/c/{campaign.slug}/donate"
    assert "agree" in client.get(page, headers=IN_WECHAT).text
    assert "由微信支付自动扣款" in client.get(form, headers=IN_WECHAT).text
    assert "/agree" not in client.get(page).text
    assert "由微信支付自动扣款" not in client.get(form).text
    client.post(agree)
    assert contracts.of(mandate.id) == []
    assert client.post(agree, headers=IN_WECHAT).location.endswith("/sign")
    shown = client.get(f"/m/{mandate.token}/sign", headers=IN_WECHAT)
    assert "/papay/entrustweb?" in shown.text
    assert shown.headers["Referrer-Policy"] == "strict-origin"
    made = contract(mandate)
    assert made.consent in shown.text.replace("&#34;", '"')
    client.post(f"/m/{mandate.token}/signed")
    app.extensions["settings"] = app.extensions["settings"].model_copy(
        update={"wechatpay_monthly": False}
    )
    assert "/agree" not in client.get(page, headers=IN_WECHAT).text
    client.post(agree, headers=IN_WECHAT)
    assert len(contracts.of(mandate.id)) == 1
    app.extensions["agreements"] = {}
    assert client.post(DOOR, data=b"<xml/>").status_code == 409
