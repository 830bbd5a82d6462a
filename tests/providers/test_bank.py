"""Bank transfer as a provider: off unless set up, set up whole or not at all, and with nobody to ask."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from fundraising import clock
from fundraising.money import Money
from fundraising.payments.providers import registry
from fundraising.payments.providers.base import (
    CloseResult,
    OrderRequest,
    OrderState,
    PayKind,
    Product,
    RefundRequest,
    RefundState,
    Rejected,
)
from tests.conftest import settings_for

WHOLE = {
    "bank_account_number": "1305 0000 0000 1314",
    "bank_account_name": "某红十字会",
    "bank_name": "某银行",
}


def build(tmp_path: Path, **changed: str) -> dict[str, object]:
    return dict(registry.build(settings_for("postgresql://", tmp_path, **{**WHOLE, **changed})))


def test_a_transfer_is_off_without_an_account(tmp_path: Path) -> None:
    assert "bank" not in build(tmp_path, bank_account_number="")
    assert "bank" in build(tmp_path)


@pytest.mark.parametrize(
    "missing", [{"bank_account_name": ""}, {"bank_name": ""}, {"bank_account_number": "13/05"}]
)
def test_half_an_account_stops_the_start(tmp_path: Path, missing: dict[str, str]) -> None:
    with pytest.raises(registry.BadProviderSettings):
        build(tmp_path, **missing)


def test_the_demonstration_account_is_refused_in_production(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="BANK_"):
        settings_for(
            "postgresql://",
            tmp_path,
            **{**WHOLE, "bank_name": "演示银行", "environment": "production"},
        )


def test_nobody_is_asked_and_no_notice_is_believed(tmp_path: Path) -> None:
    bank = registry.build(settings_for("postgresql://", tmp_path, **WHOLE))["bank"]
    order = OrderRequest("K7M2QX9TP", Product.BANK_TRANSFER, Money(1), "", clock.now(), "")
    refund = RefundRequest("R1", "K7M2QX9TP", None, Money(1), Money(1), "", "")

    assert bank.account == "1305000000001314"
    assert bank.open_order(order).kind is PayKind.TRANSFER
    assert bank.query("K7M2QX9TP").state is OrderState.NOTPAY
    assert bank.close("K7M2QX9TP") is CloseResult.NOT_EXIST
    assert bank.bill_kinds == ()
    with pytest.raises(Rejected):
        bank.authenticate({}, b"{}", clock.now())
    assert {bank.refund(refund).state, bank.query_refund(refund).state} == {RefundState.PROCESSING}
