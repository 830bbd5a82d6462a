"""Notices are believed only when they are genuine: the cases that attackers and accidents bring."""

from datetime import timedelta

import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.base import (
    FactKind,
    FactSource,
    Rejected,
    Undecryptable,
    Unparsable,
)
from tests import wechat
from tests.conftest import FrozenClock
from tests.wechat import Notice


def refused(headers: dict[str, str], raw: bytes) -> bool:
    try:
        wechat.provider().authenticate(headers, raw, clock.now())
    except Rejected:
        return True
    return False


def test_case_1_header_names_may_come_in_any_case() -> None:
    notice = Notice("ORDER00000000000001", 1314)
    raw = notice.raw()
    headers = {name.upper(): value for name, value in notice.headers(raw).items()}

    envelope = wechat.provider().authenticate(headers, raw, clock.now())
    (fact,) = wechat.provider().parse(envelope.raw)

    assert (fact.kind, fact.amount, fact.source) == (FactKind.PAID, Money(1314), FactSource.NOTICE)
    assert fact.merchant_ref == "ORDER00000000000001"
    assert fact.fact_ref == notice.transaction_id


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_cases_2_and_3_an_old_or_future_timestamp_is_refused(
    frozen_clock: FrozenClock, seconds: int
) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert refused(notice.headers(raw, timestamp=int(frozen_clock.at.timestamp()) + seconds), raw)


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_inside_five_minutes_is_accepted(frozen_clock: FrozenClock, seconds: int) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert not refused(
        notice.headers(raw, timestamp=int(frozen_clock.at.timestamp()) + seconds), raw
    )


def test_case_5_a_signature_probe_fails_like_any_bad_signature() -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert refused(notice.headers(raw, signature="WECHATPAY/SIGNTEST/abc"), raw)
    assert not refused(notice.headers(raw), raw)


@pytest.mark.parametrize("missing", ["Timestamp", "Nonce", "Serial", "Signature"])
def test_case_7_a_missing_header_is_refused(missing: str) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()
    headers = notice.headers(raw)
    del headers[f"Wechatpay-{missing}"]

    assert refused(headers, raw)


@pytest.mark.parametrize("serial", ["PUB_KEY_ID_UNKNOWN", "", "0"])
def test_case_7_an_unknown_serial_is_refused_without_asking_anybody(serial: str) -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert refused(notice.headers(raw) | {"Wechatpay-Serial": serial}, raw)


def test_case_8_the_signature_type_may_be_absent_but_not_another() -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()
    headers = notice.headers(raw)
    del headers["Wechatpay-Signature-Type"]

    assert not refused(headers, raw)
    assert refused(notice.headers(raw, type="none"), raw)


def test_case_9_a_signature_by_the_merchants_own_key_is_refused() -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert refused(notice.headers(raw, signer=wechat.key("merchant")), raw)


def test_case_11_a_body_that_was_written_anew_is_refused() -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()

    assert refused(notice.headers(raw), raw + b" ")


def test_every_single_flipped_bit_of_the_body_is_seen() -> None:
    notice = Notice("ORDER00000000000001", 100)
    raw = notice.raw()
    headers = notice.headers(raw)
    provider = wechat.provider()

    for place in range(0, len(raw), 7):
        for bit in (1, 128):
            bent = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
            with pytest.raises(Rejected):
                provider.authenticate(headers, bent, clock.now())


def test_case_13_event_and_resource_must_agree() -> None:
    notice = Notice("ORDER00000000000001", 100, event="REFUND.SUCCESS")

    with pytest.raises(Unparsable):
        wechat.provider().parse(notice.raw())


def test_case_60_another_merchants_money_is_not_ours() -> None:
    for more in ({"mchid": "1900000999"}, {"appid": "wxother"}):
        with pytest.raises(Unparsable):
            wechat.provider().parse(Notice("ORDER00000000000001", 100, more=more).raw())


@pytest.mark.parametrize("total", [0, -1, "100", 100.0, 10**20, None, True])
def test_atk_010_an_amount_that_is_none_is_never_read(total: object) -> None:
    notice = Notice("ORDER00000000000001", 100)
    notice.more = {"amount": {"total": total, "currency": "CNY"}}

    with pytest.raises(Unparsable):
        wechat.provider().parse(notice.raw())


def test_atk_018_duplicate_keys_and_deep_nesting_are_refused() -> None:
    provider = wechat.provider()
    for raw in (
        b'{"id":"1","id":"2","event_type":"X"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[]",
        b"\xff",
    ):
        headers = Notice("x", 1).headers(raw)
        with pytest.raises(Unparsable):
            provider.authenticate(headers, raw, clock.now())


def test_a_genuine_notice_under_an_unknown_apiv3_key_must_come_again() -> None:
    notice = Notice("ORDER00000000000001", 100, apiv3=b"f" * 32)
    raw = notice.raw()

    with pytest.raises(Undecryptable):
        wechat.provider().authenticate(notice.headers(raw), raw, clock.now())


def test_two_apiv3_keys_hold_while_they_rotate() -> None:
    notice = Notice("ORDER00000000000001", 100, apiv3=b"f" * 32)
    provider = wechat.provider(apiv3_keys=[wechat.APIV3, b"f" * 32])

    assert provider.parse(notice.raw())[0].amount == Money(100)


def test_certificate_and_public_key_hold_together_during_the_switch() -> None:
    for serial in (wechat.SERIAL, wechat.PUBLIC_KEY_ID):
        notice = Notice("ORDER00000000000001", 100)
        raw = notice.raw()
        assert not refused(notice.headers(raw, serial=serial), raw)


def test_an_event_we_do_not_know_means_nothing() -> None:
    assert wechat.provider().parse(Notice("ORDER00000000000001", 1, event="PAYSCORE.X").raw()) == []


def test_the_time_of_payment_is_the_providers() -> None:
    then = clock.now() - timedelta(hours=20)
    (fact,) = wechat.provider().parse(Notice("ORDER00000000000001", 1, at=then).raw())

    assert abs(fact.occurred_at - then) < timedelta(seconds=1)
