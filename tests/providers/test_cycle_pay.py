"""周期扣款 against its simulator: agreements, plans, charges, notices."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.agreements import AgreementState, SignRequest
from fundraising.payments.providers.alipay import CyclePay
from fundraising.payments.providers.base import (
    ChargeRequest,
    CloseResult,
    Contract,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    Rejected,
)
from tests.conftest import FrozenClock
from tests.providers.sides import Side, open_side, plain

NOON = datetime(2026, 1, 15, 4, tzinfo=UTC)
FIRST = date(2026, 2, 15)
NOTIFY = "http://127.0.0.1:9/payments/alipay/notify"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with open_side("alipay", tmp_path_factory.mktemp("cycle")) as side:
        yield side


@pytest.fixture
def side(served: Side, frozen_clock: FrozenClock) -> Iterator[Side]:
    frozen_clock.at = NOON
    yield served
    plain(served)


@pytest.fixture
def cycle(side: Side) -> CyclePay:
    found = side.agreements["alipay"]
    assert isinstance(found, CyclePay)
    return found


def page(cycle: CyclePay, code: str, **changed: Any) -> httpx.Response:
    values: dict[str, Any] = {
        "code": code,
        "shown_as": "M1",
        "amount": Money(5_000),
        "first_on": FIRST,
        "notify_url": NOTIFY,
        "return_url": "http://127.0.0.1:9/m/secret",
        "client_ip": "",
        "is_in_app": False,
    }
    url = cycle.sign_url(SignRequest(**{**values, **changed}))
    return httpx.get(url, trust_env=False, follow_redirects=True)


def signed(side: Side, cycle: CyclePay, code: str) -> Contract:
    """An agreement that somebody signed in the simulator."""
    assert "同意并开通" in page(cycle, code).text
    assert side.simulator.agreements.agree(code, f"open-{code}")
    found = cycle.look(code).contract
    assert found is not None
    return found


def charge(contract: Contract, number: str, fen: int = 5_000) -> ChargeRequest:
    return ChargeRequest(number, contract, Money(fen), "为承德捐 AED {", NOTIFY)


def notices(side: Side, number: str) -> list[bytes]:
    rows = side.simulator.journal.run(
        "SELECT body FROM notices WHERE out_trade_no = ? ORDER BY rowid", number
    )
    return [side.simulator.courier.form(json.loads(row["body"])) for row in rows]


def test_an_agreement_is_what_the_provider_says_it_is(side: Side, cycle: CyclePay) -> None:
    assert cycle.look("NEVER").state is AgreementState.ABSENT
    page(cycle, "LOOK", is_phone=True)
    assert cycle.look("LOOK").state is AgreementState.WAITING
    side.simulator.agreements.agree("LOOK", "open-look")
    found = cycle.look("LOOK")
    assert found.state is AgreementState.STANDING
    assert found.contract is not None
    assert found.contract.payer_ref == "open-look"
    cycle.end("LOOK")
    cycle.end("LOOK")
    assert cycle.look("LOOK").state is AgreementState.ABSENT


def test_a_charge_is_paid_at_once_and_told_as_the_same_fact(
    side: Side, cycle: CyclePay, frozen_clock: FrozenClock
) -> None:
    contract = signed(side, cycle, "PAID")
    frozen_clock.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    (fact,) = cycle.charge(charge(contract, "PAID01"))
    (asked,) = cycle.query("PAID01").facts
    (raw,) = notices(side, "PAID01")
    envelope = cycle.authenticate({}, raw, clock.now())
    (told,) = cycle.parse(raw)
    assert envelope.contract == ""
    assert {(f.fact_ref, f.amount, f.merchant_ref) for f in (fact, asked, told)} == {
        (fact.fact_ref, Money(5_000), "PAID01")
    }
    with pytest.raises(ProviderUnavailable):  # its number is taken: what became of it is asked
        cycle.charge(charge(contract, "PAID01"))
    with pytest.raises(ProviderRejected, match="DATE_NOT_MATCH"):  # once in a period
        cycle.charge(charge(contract, "PAID02"))
    assert cycle.close("PAID01") is CloseResult.ALREADY_PAID


def test_the_plan_is_put_off_to_the_day_of_a_charge(
    side: Side, cycle: CyclePay, frozen_clock: FrozenClock
) -> None:
    contract = signed(side, cycle, "PLAN")
    later = FIRST + timedelta(days=5)
    frozen_clock.at = datetime(2026, 2, 20, 4, tzinfo=UTC)
    with pytest.raises(ProviderRejected, match="DATE_NOT_MATCH"):
        cycle.charge(charge(contract, "PLAN01"))
    cycle.tell("PLAN", contract, Money(5_000), later)
    cycle.tell("PLAN", contract, Money(5_000), later)
    with pytest.raises(ProviderRejected):
        cycle.tell("PLAN", contract, Money(5_000), date(2026, 3, 29))
    with pytest.raises(ProviderRejected, match="FEE_EXCEED"):
        cycle.charge(charge(contract, "PLAN02", 6_000))
    assert cycle.charge(charge(contract, "PLAN03"))


@pytest.mark.parametrize("why", ["ACQ.BUYER_BALANCE_NOT_ENOUGH", "ended"])
def test_a_refused_charge_leaves_nothing_that_could_be_paid(
    side: Side, cycle: CyclePay, frozen_clock: FrozenClock, why: str
) -> None:
    code = f"NO{len(why)}"
    contract = signed(side, cycle, code)
    frozen_clock.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    if why == "ended":
        assert side.simulator.agreements.end(code)
    else:
        side.simulator.courier.policy.decline = why
    with pytest.raises(ProviderRejected):
        cycle.charge(charge(contract, f"{code}A1"))
    assert cycle.query(f"{code}A1").state is OrderState.NOT_EXIST


@pytest.mark.parametrize("fault", ["500", "unsigned", "bad_signature", "timeout_after_commit"])
def test_an_answer_that_cannot_be_believed_is_unknown(
    side: Side, cycle: CyclePay, frozen_clock: FrozenClock, fault: str
) -> None:
    code = f"B{fault.replace('_', '')}"
    contract = signed(side, cycle, code)
    frozen_clock.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    side.fault(fault)
    for asked in (
        lambda: cycle.look(code),
        lambda: cycle.charge(charge(contract, f"{code}N1")),
        lambda: cycle.tell(code, contract, Money(5_000), FIRST),
        lambda: cycle.end(code),
    ):
        with pytest.raises(ProviderUnavailable):
            asked()


def test_a_refusal_that_is_not_certain_is_asked_about(
    side: Side, cycle: CyclePay, frozen_clock: FrozenClock
) -> None:
    contract = signed(side, cycle, "SYS")
    frozen_clock.at = datetime(2026, 2, 15, 4, tzinfo=UTC)
    side.simulator.courier.policy.decline = "ACQ.SYSTEM_ERROR"
    with pytest.raises(ProviderUnavailable):
        cycle.charge(charge(contract, "SYS001"))


def test_notices_of_an_agreement_name_it_and_are_no_money(side: Side, cycle: CyclePay) -> None:
    signed(side, cycle, "NOTICE")
    side.simulator.agreements.end("NOTICE")
    told = [cycle.authenticate({}, raw, clock.now()) for raw in notices(side, "NOTICE")]
    assert [(e.event_type, e.contract) for e in told] == [
        ("dut_user_sign", "NOTICE"),
        ("dut_user_unsign", "NOTICE"),
    ]
    assert [cycle.parse(e.raw) for e in told] == [[], []]
    side.simulator.courier.policy.wrong_key = True
    for raw in notices(side, "NOTICE"):
        with pytest.raises(Rejected):
            cycle.authenticate({}, raw, clock.now())
