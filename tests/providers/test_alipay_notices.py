"""What Alipay's notices may say, and what is believed of them."""

import pytest

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers.alipay import signing
from fundraising.payments.providers.base import Fact, FactKind, Rejected, Unparsable
from tests import alipay, wechat
from tests.alipay import Notice


def authentic(raw: bytes) -> str:
    return alipay.provider().authenticate({}, raw, clock.now()).dedup_key


def told(notice: Notice) -> list[Fact]:
    raw = notice.raw()
    authentic(raw)
    return alipay.provider().parse(raw)


def test_a_payment_is_read_with_its_time_in_shanghai() -> None:
    notice = Notice("ORDER000000000000001", "13.14")

    (fact,) = told(notice)

    assert (fact.kind, fact.fact_ref, fact.merchant_ref) == (
        FactKind.PAID, notice.trade_no, "ORDER000000000000001",
    )  # fmt: skip
    assert (fact.account, fact.amount, fact.payer) == (alipay.SELLER, Money(1314), "open-payer")
    assert fact.occurred_at == notice.at.replace(microsecond=0)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(Notice("O1", "1.00").raw(total_amount="100.00"), id="case-16-amount"),
        pytest.param(Notice("O1", "1.00").raw() + b"&total_amount=1.00", id="case-17-doubled"),
        pytest.param(Notice("O1", "1.00").raw() + b"&extra=1", id="case-18-extra"),
        pytest.param(Notice("O1", "1.00", sign_type="RSA").raw(), id="case-19-rsa"),
        pytest.param(Notice("O1", "1.00", sign_type=None).raw(), id="case-19-absent"),
        pytest.param(Notice("O1", "1.00").raw(sign="not base64!"), id="case-20-sign"),
        pytest.param(Notice("O1", "1.00").raw(sign="签"), id="case-20-not-ascii"),
        pytest.param(Notice("O1", "1.00").raw(sign=""), id="no-sign"),
        pytest.param(Notice("O1", "1.00", signer="alipay-app").raw(), id="our-own-key"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="json"),
        pytest.param(b"a=%ff&sign_type=RSA2&sign=eA==", id="not-utf-8"),
        pytest.param(b"&".join(b"k%d=1" % n for n in range(200)), id="many-fields"),
    ],
)
def test_cases_16_to_20_what_is_not_signed_so_is_refused(raw: bytes) -> None:
    with pytest.raises(Rejected):
        authentic(raw)


def test_case_21_empty_and_unknown_fields_inside_the_signature_are_accepted() -> None:
    notice = Notice("O1", "1.00", changed={"body": "", "brand_new_field": "a=b&c 中文+%"})

    (fact,) = told(notice)

    assert fact.amount == Money(100)


@pytest.mark.parametrize("changed", [{"app_id": "2021999"}, {"seller_id": "2088999"}], ids=str)
def test_case_23_another_app_or_seller_of_the_same_key_is_no_money(
    changed: dict[str, str | None],
) -> None:
    with pytest.raises(Unparsable):
        told(Notice("O1", "1.00", changed=changed))


def test_case_41_a_success_with_refund_fee_is_a_refund_and_no_second_income() -> None:
    notice = Notice(
        "O1",
        "10.00",
        changed={
            "refund_fee": "4.00",
            "out_biz_no": "RF1",
            "gmt_refund": "2026-11-25 10:00:00.123",
        },
    )

    paid, seen = told(notice)

    assert (paid.kind, paid.fact_ref, paid.amount) == (FactKind.PAID, notice.trade_no, Money(1000))
    assert (seen.kind, seen.fact_ref) == (FactKind.REFUND_SEEN, "RF1")
    assert (seen.payment_ref, seen.merchant_ref) == (notice.trade_no, "O1")


def test_case_42_a_close_with_refund_fee_is_a_full_refund() -> None:
    notice = Notice("O1", "10.00", "TRADE_CLOSED", changed={"refund_fee": "10.00"})

    paid, seen = told(notice)

    assert (paid.kind, seen.kind) == (FactKind.PAID, FactKind.REFUND_SEEN)
    assert seen.fact_ref == notice.trade_no


def test_case_43_a_close_without_refund_fee_only_ends_the_order() -> None:
    (fact,) = told(Notice("O1", "10.00", "TRADE_CLOSED", changed={"gmt_payment": None}))

    assert (fact.kind, fact.amount) == (FactKind.CLOSED, Money(0))


def test_a_finished_trade_is_paid_and_a_waiting_one_says_nothing() -> None:
    assert [f.kind for f in told(Notice("O1", "1.00", "TRADE_FINISHED"))] == [FactKind.PAID]
    assert told(Notice("O1", "1.00", "WAIT_BUYER_PAY")) == []
    assert told(Notice("O1", "1.00", changed={"notify_type": "dut_user_sign"})) == []


@pytest.mark.parametrize(
    "amount",
    ["1e2", "１.00", "1.00\n", "1.005", "-1.00", "NaN", "", "0.00", "+1", "1,000.00", None],
)
def test_case_58_an_amount_that_is_none_is_never_money(amount: str | None) -> None:
    with pytest.raises(Unparsable):
        told(Notice("O1", "1.00", changed={"total_amount": amount}))


@pytest.mark.parametrize(
    "changed",
    [
        {"trade_status": "TRADE_UNHEARD_OF"},
        {"trade_no": None},
        {"out_trade_no": "x" * 65},
        {"gmt_payment": "yesterday"},
        {"refund_fee": "9.99", "total_amount": "1.00"},
        {"refund_fee": "0.00"},
    ],
    ids=str,
)
def test_an_authentic_notice_that_makes_no_sense_waits_for_a_person(
    changed: dict[str, str | None],
) -> None:
    with pytest.raises(Unparsable):
        told(Notice("O1", "1.00", changed=changed))


def test_a_repeat_has_the_same_number_and_one_without_is_refused() -> None:
    notice = Notice("O1", "1.00", changed={"notify_id": "n1"})
    assert authentic(notice.raw()) == authentic(notice.raw()) == "n1"

    with pytest.raises(Unparsable):
        authentic(Notice("O1", "1.00", changed={"notify_id": None}).raw())


def test_an_old_and_a_new_key_are_valid_at_once() -> None:
    both = alipay.provider(
        public_keys=[wechat.key("alipay-next").public_key(), wechat.key("alipay").public_key()]
    )

    assert both.authenticate({}, Notice("O1", "1.00").raw(), clock.now())


def test_the_answer_is_exactly_seven_letters() -> None:
    adapter = alipay.provider()

    kept, refused = adapter.reply(204), adapter.reply(401)

    assert (kept.status, kept.body, kept.mimetype) == (200, "success", "text/plain")
    assert (refused.status, refused.body) == (401, "failure")


# ---------------------------------------------------------------------- signed bytes of an answer


@pytest.mark.parametrize(
    "inner",
    [
        '{"subject":"a } b"}',
        '{"subject":"{"}',
        '{"s":"\\"}","n":{"sign":"x"}}',
        '{ "spaced" : [1, {"a": "]"}] }',
        "{}",
    ],
)
def test_the_signed_part_of_an_answer_is_its_very_characters(inner: str) -> None:
    text = f'{{ "the_response" : {inner} , "sign":"abc"}}'

    found = signing.members(text)

    assert found["the_response"][1] == inner
    assert found["sign"][0] == "abc"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", '{"a"', '{"a":1', '{"a":1,}', '{"a":1} x', '{"a":1,"a":2}', "{a:1}",
        '{"a":{"b":1,"b":2}}', '{"a":' + "[" * 300, '{"a" 1}', '{"a":1 "b":2}', '{"a', "{1:2}",
    ],
)  # fmt: skip
def test_what_is_not_one_object_is_no_answer(text: str) -> None:
    with pytest.raises(Unparsable):
        signing.members(text)
