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
from fundraising.giving.mandates import schedule, service
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


def tick() -> None:
    """What the worker does in a minute."""
    steps = schedule.ALWAYS + (schedule.BY_DAY if schedule.is_open_hour() else ())
    for step in steps:
        step()


def letters(kind: str = "") -> list[str]:
    """The letters written so far, the first first, as the donor reads them."""
    found = db.session.execute(select(Letter).order_by(Letter.created_at, Letter.id)).scalars()
    chosen = [letter for letter in found if letter.key.startswith(f"monthly{kind}")]
    return ["\n".join(json.loads(_open(letter.sealed or b"")).values()) for letter in chosen]
