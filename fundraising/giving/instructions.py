"""How to pay, as the payment page shows it: a code to scan, an address, WeChat's bridge, words for the bank."""

from urllib.parse import quote
from uuid import UUID

from flask import current_app

from config import Settings
from fundraising import clock
from fundraising.giving import browsers, queries, ways
from fundraising.payments import service as payments
from fundraising.payments import transfer_codes
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import Instruction, PayKind, Product
from fundraising.qr import data_uri


def other_ways(attempt: Attempt | None) -> list[ways.Way]:
    """Return the ways to give other than the one chosen."""
    chosen = attempt.provider if attempt is not None else ""
    return [way for way in ways.offered(browsers.agent()) if way.provider != chosen]


def transfer(instruction: Instruction) -> dict[str, object]:
    """Return what a donor types at the bank."""
    adapter = payments.provider(Product.BANK_TRANSFER.provider)
    return {
        "bank": adapter,
        "code": transfer_codes.shown(instruction.value),
    }


def shown(attempt: Attempt, instruction: Instruction) -> dict[str, object]:
    """Return what the payment page needs for an instruction."""
    settings: Settings = current_app.extensions["settings"]
    addresses = {
        "wechatpay": settings.wechatpay_simulator_url,
        "alipay": settings.alipay_simulator_url,
        "stripe": settings.stripe_simulator_url,
    }
    simulator = addresses.get(attempt.provider, "").rstrip("/")
    is_own_page = attempt.provider != "wechatpay" and instruction.kind is PayKind.REDIRECT
    values: dict[str, object] = {
        "kind": instruction.kind.value,
        "is_alipay": attempt.provider == "alipay",
        "is_card": attempt.provider == "stripe",
    }
    if simulator and not is_own_page:
        values["cashier"] = (
            f"{simulator}/cashier/{attempt.merchant_ref}?return={_return(attempt.order_id)}"
        )
    if instruction.kind is PayKind.QR:
        values["qr"] = data_uri(instruction.value)
    elif is_own_page:
        values["address"] = instruction.value  # whole, with the way back in it
    elif instruction.kind is PayKind.REDIRECT:
        values["address"] = f"{instruction.value}&redirect_url={_return(attempt.order_id)}"
    else:
        adapter = payments.in_app_provider(attempt.provider)
        values["bridge"] = adapter.jsapi_params(instruction.value, clock.now())
    return values


def _return(gift_id: UUID) -> str:
    """Return the result page's address as it may stand inside another address."""
    gift = queries.by_id(gift_id)
    settings: Settings = current_app.extensions["settings"]
    return quote(f"{settings.public_url}/pay/{gift.order_no}/result", safe="")
