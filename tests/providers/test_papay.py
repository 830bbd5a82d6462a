"""委托代扣 against its simulator and the documentation's own signatures: agreements, charges, notices."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.agreements import AgreementState, SignRequest
from fundraising.payments.providers.base import (
    ChargeRequest,
    CloseResult,
    Contract,
    OrderState,
    ProviderRejected,
    ProviderUnavailable,
    Rejected,
    Unparsable,
)
from fundraising.payments.providers.papay import Papay, wire
from tests.conftest import FrozenClock
from tests.providers.sides import Side, open_side, plain

NOON = datetime(2026, 1, 15, 4, tzinfo=UTC)
DOCUMENTED = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "device_info": "1000",
    "body": "test",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
DOCUMENTED_KEY = "192006250b4c09247ec02edce69f6a2d"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with open_side("wechatpay", tmp_path_factory.mktemp("papay")) as side:
        yield side


@pytest.fixture
def side(served: Side, frozen_clock: FrozenClock) -> Iterator[Side]:
    frozen_clock.at = NOON
    yield served
    plain(served)


@pytest.fixture
def papay(side: Side) -> Papay:
    found = side.agreements["wechatpay"]
    assert isinstance(found, Papay)
    return found


def wish(code: str, **changed: Any) -> SignRequest:
    values: dict[str, Any] = {
        "code": code,
        "shown_as": "M月捐😀",
        "amount": Money(5_000),
        "first_on": clock.today(),
        "notify_url": "http://127.0.0.1:9/payments/wechatpay/contract",
        "return_url": "",
        "client_ip": "10.1.1.12",
        "is_in_app": True,
    }
    return SignRequest(**{**values, **changed})


def signed(side: Side, papay: Papay, code: str) -> Contract:
    """An agreement that somebody signed in the simulator."""
    assert httpx.get(papay.sign_url(wish(code)), trust_env=False).status_code == 302
    assert side.simulator.papay.agree(code, f"o-{code}")
    found = papay.look(code).contract
    assert found is not None
    return found


def charge(contract: Contract, number: str, fen: int = 5_000) -> ChargeRequest:
    url = "http://127.0.0.1:9/payments/wechatpay/contract"
    return ChargeRequest(number, contract, Money(fen), "为承德捐 AED 😀 {", url)


def notices(side: Side, number: str) -> list[bytes]:
    """The notices about an agreement or a charge, as they are sent."""
    rows = side.simulator.journal.run(
        "SELECT body FROM notices WHERE out_trade_no = ? ORDER BY rowid", number
    )
    return [side.simulator.courier.xml(json.loads(row["body"])["papay"]) for row in rows]


# ---------------------------------------------------------------------- signatures and documents


def test_the_documentations_own_signatures_are_ours() -> None:
    """Values of pay.weixin.qq.com/doc/v2/merchant/4011985891, which its own page of trial computes."""
    md5 = wire.sign(DOCUMENTED | {"attach": ""}, DOCUMENTED_KEY)
    assert md5 == "9A0A8659F005D6984697E2CA0A9CF3B7"
    assert wire.sign(DOCUMENTED, DOCUMENTED_KEY, wire.HMAC) == (
        "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"
    )
    wire.verify(DOCUMENTED | {"sign": md5.lower()}, ["0" * 32, DOCUMENTED_KEY])


@pytest.mark.parametrize(
    "bent",
    [
        {"body": "test2"},
        {"unknown": "1"},
        {"sign": ""},
        {"sign": "Ä" * 32},
        {"sign": "9" * 40},
        {"sign_type": "HMAC-SHA256"},
    ],
)
def test_what_is_not_signed_so_is_refused(bent: dict[str, str]) -> None:
    good = DOCUMENTED | {"sign": wire.sign(DOCUMENTED, DOCUMENTED_KEY)}
    with pytest.raises(Rejected):
        wire.verify(good | bent, [DOCUMENTED_KEY])


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><body>&a;</body></xml>',
        b"<!DOCTYPE xml><xml><a>1</a></xml>",
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"<html><a>1</a></html>",
        b"\xff\xfe",
        b"<xml><a>",
        b"",
    ],
)
def test_case_31_xml_with_a_document_type_or_of_another_form_is_not_read(raw: bytes) -> None:
    with pytest.raises(Unparsable):
        wire.read(raw)


def test_what_is_written_is_read_again() -> None:
    fields = {"body": "a<b>&\"'", "mch_id": "1"}
    assert wire.read(wire.write(fields)) == fields
    assert wire.read(b"<xml><a> <![CDATA[SUCCESS]]> </a></xml>") == {"a": "SUCCESS"}


# ---------------------------------------------------------------------- agreements


def test_inside_wechat_the_page_is_an_address_signed_by_md5(papay: Papay) -> None:
    asked = urlsplit(papay.sign_url(wish("INAPP1")))
    fields = {name: values[0] for name, values in parse_qs(asked.query).items()}
    assert asked.path == "/papay/entrustweb"
    assert fields["sign"] == wire.sign(fields, papay.keys[0])
    assert fields["contract_display_account"] == "M月捐", "no characters of four bytes"
    assert fields["request_serial"].isdigit()
    assert "%2F%2F127.0.0.1" in asked.query


def test_outside_the_address_is_asked_for(side: Side, papay: Papay) -> None:
    url = papay.sign_url(wish("H5A", is_in_app=False))
    assert "同意并开通" in httpx.get(url, trust_env=False).text
    with pytest.raises(ProviderRejected):
        papay.sign_url(wish("H5A", is_in_app=False))


def test_an_agreement_is_what_the_provider_says_it_is(side: Side, papay: Papay) -> None:
    assert papay.look("NEVER").state is AgreementState.ABSENT
    httpx.get(papay.sign_url(wish("LOOK")), trust_env=False)
    assert papay.look("LOOK").state is AgreementState.WAITING
    assert side.simulator.papay.agree("LOOK", "o-look")
    found = papay.look("LOOK")
    assert found.state is AgreementState.STANDING
    assert found.contract is not None
    assert found.contract.payer_ref == "o-look"
    papay.end("LOOK")
    papay.end("LOOK")
    assert papay.look("LOOK").state is AgreementState.ABSENT


@pytest.mark.parametrize("fault", ["500", "unsigned", "timeout_after_commit"])
def test_an_answer_that_cannot_be_believed_is_unknown(side: Side, papay: Papay, fault: str) -> None:
    contract = signed(side, papay, f"B{fault}")
    side.simulator.courier.policy.fail_papay = fault
    for asked in (
        lambda: papay.look(f"B{fault}"),
        lambda: papay.charge(charge(contract, f"ORDER{fault}")),
        lambda: papay.query(f"ORDER{fault}"),
        lambda: papay.end("NEVER"),
    ):
        with pytest.raises(ProviderUnavailable):
            asked()


# ---------------------------------------------------------------------- charges


def test_a_charge_is_accepted_then_paid_and_told_as_one_fact(side: Side, papay: Papay) -> None:
    contract = signed(side, papay, "CHARGE")
    side.simulator.courier.policy.hold_charges = True
    assert papay.charge(charge(contract, "PAID01")) == []
    assert papay.query("PAID01").state is OrderState.NOTPAY
    with pytest.raises(ProviderUnavailable):  # its number is taken: what became of it is asked
        papay.charge(charge(contract, "PAID01"))
    assert side.simulator.papay.charges.settle(side.simulator.courier.policy) == 1
    asked = papay.query("PAID01")
    (raw,) = notices(side, "PAID01")
    envelope = papay.authenticate({}, raw, clock.now())
    assert (envelope.event_type, envelope.contract) == ("charge", "")
    (told,) = papay.parse(raw)
    assert [(f.fact_ref, f.amount, f.merchant_ref, f.payer) for f in asked.facts] == [
        (told.fact_ref, Money(5_000), "PAID01", "o-CHARGE")
    ]
    assert told.occurred_at == NOON
    assert papay.close("PAID01") is CloseResult.ALREADY_PAID


def test_a_charge_that_failed_is_closed_and_its_notice_alone_is_no_fact(
    side: Side, papay: Papay
) -> None:
    contract = signed(side, papay, "POOR")
    side.simulator.courier.policy.decline = "NOTENOUGH"
    papay.charge(charge(contract, "POOR01"))
    assert papay.query("POOR01").state is OrderState.CLOSED
    assert papay.close("POOR01") is CloseResult.CLOSED
    assert [papay.parse(raw) for raw in notices(side, "POOR01")] == [[]]
    assert papay.query("NEVER1").state is OrderState.NOT_EXIST
    assert papay.close("NEVER1") is CloseResult.NOT_EXIST


def test_a_charge_waits_five_minutes_before_it_can_be_closed(
    side: Side, papay: Papay, frozen_clock: FrozenClock
) -> None:
    contract = signed(side, papay, "WAIT")
    side.simulator.courier.policy.hold_charges = True
    papay.charge(charge(contract, "WAIT01"))
    with pytest.raises(ProviderUnavailable):
        papay.close("WAIT01")
    frozen_clock.move(minutes=6)
    assert papay.close("WAIT01") is CloseResult.CLOSED


def test_the_providers_days_of_notice_are_kept(
    side: Side, papay: Papay, frozen_clock: FrozenClock
) -> None:
    contract = signed(side, papay, "TOLD")
    frozen_clock.move(days=2)
    with pytest.raises(ProviderRejected):
        papay.charge(charge(contract, "EARLY0"))
    papay.tell("", contract, Money(5_000), clock.today())
    papay.tell("", contract, Money(5_000), clock.today())
    frozen_clock.move(days=1)
    with pytest.raises(ProviderRejected):
        papay.charge(charge(contract, "EARLY1"))
    frozen_clock.move(days=1)
    with pytest.raises(ProviderRejected):
        papay.charge(charge(contract, "MORE01", 6_000))
    papay.charge(charge(contract, "TOLD01"))
    assert papay.query("TOLD01").state is OrderState.PAID
    frozen_clock.move(hours=11)  # 23:00 in Shanghai
    with pytest.raises(ProviderRejected):
        papay.tell("", contract, Money(5_000), clock.today())


def test_nothing_is_charged_after_the_payer_ended_it(side: Side, papay: Papay) -> None:
    contract = signed(side, papay, "GONE")
    assert side.simulator.papay.end("GONE", "2")
    with pytest.raises(ProviderRejected, match="CONTRACT_NOT_EXIST"):
        papay.charge(charge(contract, "GONE01"))
    with pytest.raises(ProviderRejected):
        papay.tell("", contract, Money(5_000), clock.today())


# ---------------------------------------------------------------------- notices


def test_notices_of_an_agreement_name_it_and_are_no_money(side: Side, papay: Papay) -> None:
    signed(side, papay, "NOTICE")
    side.simulator.papay.end("NOTICE", "2")
    told = [papay.authenticate({}, raw, clock.now()) for raw in notices(side, "NOTICE")]
    assert [(e.event_type, e.contract) for e in told] == [
        ("contract.add", "NOTICE"),
        ("contract.delete", "NOTICE"),
    ]
    assert [papay.parse(e.raw) for e in told] == [[], []]


@pytest.mark.parametrize("bent", ["wrong_key", "tamper"])
def test_a_forged_notice_is_refused(side: Side, papay: Papay, bent: str) -> None:
    contract = signed(side, papay, f"F{bent}")
    papay.charge(charge(contract, f"F{bent}"[:6]))
    setattr(side.simulator.courier.policy, bent, True)
    for number in (f"F{bent}", f"F{bent}"[:6]):
        for raw in notices(side, number):
            with pytest.raises(Rejected):
                papay.authenticate({}, raw, clock.now())


@pytest.mark.parametrize(
    ("bent", "error"),
    [
        ({"mch_id": "10000100"}, Rejected),
        ({"change_type": "MOVE"}, Unparsable),
        ({"contract_code": ""}, Unparsable),
    ],
)
def test_a_signed_notice_of_somebody_or_something_else(
    papay: Papay, bent: dict[str, str], error: type[Exception]
) -> None:
    fields = {"mch_id": papay.v3.account, "change_type": "ADD", "contract_code": "C"} | bent
    raw = wire.write(fields | {"sign": wire.sign(fields, papay.keys[0])})
    with pytest.raises(error):
        papay.authenticate({}, raw, NOON + timedelta(days=9))


@pytest.mark.parametrize(
    "bent",
    [
        {"total_fee": "1e2"},
        {"total_fee": "-5"},
        {"total_fee": "５"},
        {"total_fee": "0"},
        {"time_end": "now"},
        {"appid": "another"},
        {"fee_type": "usd"},
        {"out_trade_no": None},
    ],
)
def test_a_charge_of_no_form_waits_for_a_person(papay: Papay, bent: dict[str, Any]) -> None:
    fields = {
        "result_code": "SUCCESS",
        "appid": papay.v3.appid,
        "mch_id": papay.v3.account,
        "out_trade_no": "N",
        "total_fee": "5",
        "transaction_id": "4200",
        "time_end": "20260115120000",
        **bent,
    }
    with pytest.raises(Unparsable):
        papay.parse(wire.write({k: v for k, v in fields.items() if v is not None}))


def test_it_answers_in_xml(papay: Papay) -> None:
    good, bad = papay.reply(204), papay.reply(401)
    assert (good.status, wire.read(good.body.encode())["return_code"]) == (200, "SUCCESS")
    assert (bad.status, wire.read(bad.body.encode())["return_code"]) == (401, "FAIL")
