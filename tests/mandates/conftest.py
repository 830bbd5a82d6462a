"""Monthly giving on a clock that stands still, with a provider that opens every order."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import service as giving
from fundraising.giving import settlement
from fundraising.giving.mandates import queries, service
from fundraising.giving.mandates.models import Mandate
from fundraising.giving.mandates.service import Promise
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.mail.models import Letter
from fundraising.mail.service import _open
from fundraising.money import Money
from fundraising.payments.providers.base import Instruction, OrderRequest, PayKind, Product
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_settlement import paid
from tests.mandates.agreed import asked, beat, tick
from tests.providers.sides import Side, open_side, plain
from tests.wechat import MCHID

NOON = datetime(2026, 1, 15, 4, tzinfo=UTC)
"""Noon of a January day in Shanghai."""


class Desk:
    """A provider that opens every order."""

    name, account = "wechatpay", MCHID
    bill_kinds = ()

    def open_order(self, order: OrderRequest) -> Instruction:
        return Instruction(PayKind.QR, f"weixin://pay?id={order.merchant_ref}")

    def openid_url(self, redirect_uri: str, state: str) -> str:
        return f"https://open.weixin.example/?to={redirect_uri}&state={state}"

    def openid(self, code: str) -> str:
        return f"o-{code}"

    def jsapi_params(self, prepay_id: str, now: datetime) -> dict[str, str]:
        return {"package": prepay_id, "timeStamp": str(now.timestamp())}


@pytest.fixture(autouse=True)
def desk(app: Flask) -> Iterator[Desk]:
    made = Desk()
    app.extensions["providers"] = {"wechatpay": made}
    yield made
    app.extensions["providers"] = {}


@pytest.fixture
def at(frozen_clock: FrozenClock) -> FrozenClock:
    frozen_clock.at = NOON
    return frozen_clock


@pytest.fixture
def campaign(make: Make, at: FrozenClock, session: Session) -> Campaign:
    made = make.campaign()
    made.ends_on = clock.today() + timedelta(days=1200)
    session.flush()
    return made


def begun(
    campaign: Campaign, day: int = 15, fen: int = 5_000, email: str = "d@example.org"
) -> Mandate:
    """A mandate whose first gift waits to be paid."""
    asked = StartGift(campaign.slug, Money(fen), Product.WECHATPAY_NATIVE, uuid4().hex, email=email)
    return service.begin(Promise(day, "as agreed"), giving.start_gift(asked))


@pytest.fixture
def promise(campaign: Campaign) -> Callable[..., Mandate]:
    """Makes an active mandate: promised, its first gift paid, noted."""

    def made(day: int = 15, fen: int = 5_000, email: str = "d@example.org") -> Mandate:
        mandate = begun(campaign, day, fen, email)
        (gift,) = db.session.execute(select(Gift).order_by(Gift.id.desc()).limit(1)).scalars()
        settlement.apply_facts([paid(gift)])
        tick()
        return mandate

    return made


def letters(kind: str = "") -> list[str]:
    """The letters written so far, the first first, as the donor reads them."""
    found = db.session.execute(select(Letter).order_by(Letter.created_at, Letter.id)).scalars()
    chosen = [letter for letter in found if letter.key.startswith(f"monthly{kind}")]
    return ["\n".join(json.loads(_open(letter.sealed or b"")).values()) for letter in chosen]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with open_side("wechatpay", tmp_path_factory.mktemp("agreements")) as opened:
        yield opened


@pytest.fixture
def side(
    app: Flask, served: Side, promise: Callable[..., Mandate], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Side]:
    """WeChat Pay's simulator with its agreements turned on; promises were made before at the desk."""
    changed = app.extensions["settings"].model_copy(update={"wechatpay_monthly": True})
    monkeypatch.setitem(app.extensions, "settings", changed)
    monkeypatch.setitem(app.extensions, "agreements", served.agreements)
    yield served
    plain(served)
    served.simulator.journal.run("UPDATE contracts SET state = 'ended' WHERE state = 'standing'")


@pytest.fixture
def mandate(app: Flask, promise: Callable[..., Mandate], side: Side, at: FrozenClock) -> Mandate:
    """A mandate whose donor agreed to be charged by WeChat Pay."""
    made = promise()
    app.extensions["providers"] = {"wechatpay": side.adapter}
    db.session.commit()
    code = asked(made).code
    assert side.simulator.papay.agree(code, f"o-{code}")
    at.move(minutes=2)
    beat()
    return queries.by_ref(made.ref)
