"""JSON version 1: starting a gift, opening its payment, asking for its state."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.access import public
from fundraising.api import pages
from fundraising.api.document import CHANNELS
from fundraising.campaigns import queries as campaigns
from fundraising.extensions import csrf, limiter
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import Visit
from fundraising.giving import entrance, ways
from fundraising.giving import queries as giving
from fundraising.giving.models import Display, Gift
from fundraising.giving.service import StartGift
from fundraising.money import Money, MoneyError
from fundraising.payments import service as payments

bp = Blueprint("api_checkout", __name__, url_prefix="/api")
MAX_OPENID = 128


@bp.get("/v1/orders/<order_no>")
@public
@limiter.limit("120 per minute")
def order(order_no: str) -> ResponseReturnValue:
    """Give the state of an order; with the gift's token also the gift."""
    gift = giving.by_order_no(order_no)
    body: dict[str, Any] = {"order_no": gift.order_no, "state": gift.state}
    if request.args.get("token") == gift.token:
        body["gift"] = {"ref": gift.ref, "amount_fen": gift.amount_fen, "currency": gift.currency}
    answer = jsonify(body)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.post("/v1/checkout")
@csrf.exempt
@limiter.limit("600 per minute")
@public
def checkout() -> ResponseReturnValue:
    """Start a gift and open its payment; the same key and body give the same order.

    Where many unpaid orders were opened before, the answer is 429 with a challenge; its solution goes
    along with the same request (`challenge`: token and number, or token and answer).
    """
    asked = _body()
    command = _command(asked)
    gift = entrance.start(command, lambda: _visit(command), _solution(asked))
    return jsonify(_opened(gift, asked)), 201


def _body() -> dict[str, Any]:
    """Return the request's JSON object: each name once, real numbers, whole characters. Raises BadInput."""
    try:
        asked = json.loads(request.get_data(), object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(asked, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise pages.BadInput(fields=["body"]) from None
    if not request.is_json or not isinstance(asked, dict):
        raise pages.BadInput(fields=["body"])
    return asked


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_number(name: str) -> None:
    raise ValueError(name)


def _visit(command: StartGift) -> Visit:
    found = campaigns.get_public(command.campaign_slug)
    return Visit(request.remote_addr or "", None, found.id, command.amount.minor)


def _solution(asked: Mapping[str, Any]) -> Solution | None:
    told = asked.get("challenge")
    if not isinstance(told, dict):
        return None
    return Solution(*(str(told.get(name, ""))[:200] for name in ("token", "number", "answer")))


def _opened(gift: Gift, asked: Mapping[str, Any]) -> dict[str, Any]:
    attempt = payments.latest(gift.id)
    assert attempt is not None
    title = campaigns.get_by_id(gift.campaign_id).title["zh"]
    instruction = payments.open_checkout(
        attempt.id,
        title,
        return_url=ways.return_url(gift.order_no),
        openid=asked.get("openid"),
        client_ip=request.remote_addr,
    )
    pay: dict[str, Any] = {
        "kind": instruction.kind.value,
        "expires_at": pages.time(attempt.expires_at),
    }
    if instruction.kind.value == "jsapi":
        adapter = payments.in_app_provider(attempt.provider)
        pay["params"] = adapter.jsapi_params(instruction.value, clock.now())
    elif instruction.kind.value == "transfer":
        pay |= {"code": instruction.value, "account": attempt.account}
    else:
        pay["code_url" if instruction.kind.value == "qr" else "url"] = instruction.value
    return {"order_no": gift.order_no, "token": gift.token, "pay": pay}


def _command(asked: Mapping[str, Any]) -> StartGift:
    """Read a checkout's JSON. Raises BadInput."""
    texts = {
        name: asked.get(name) or ""
        for name in ("campaign", "name", "message", "email", "idempotency_key")
    }
    bad = [name for name, value in texts.items() if not isinstance(value, str)]
    amount = _amount(asked, bad)
    if not isinstance(asked.get("channel"), str) or asked["channel"] not in CHANNELS:
        bad.append("channel")
    if asked.get("display", "anonymous") not in [display.value for display in Display]:
        bad.append("display")
    openid = asked.get("openid")
    if openid is not None and not (isinstance(openid, str) and 1 <= len(openid) <= MAX_OPENID):
        bad.append("openid")
    if not bad and not 16 <= len(texts["idempotency_key"]) <= 80:
        bad.append("idempotency_key")
    if bad or amount is None:
        raise pages.BadInput(fields=bad)
    return StartGift(
        campaign_slug=texts["campaign"],
        amount=amount,
        product=CHANNELS[asked["channel"]],
        idempotency_key=f"api:{texts['idempotency_key']}",
        display=Display(asked.get("display", "anonymous")),
        name=texts["name"],
        email=texts["email"],
        message=texts["message"],
    )


def _amount(asked: Mapping[str, Any], bad: list[str]) -> Money | None:
    try:
        return Money(asked.get("amount_fen"), asked.get("currency", "CNY"))  # type: ignore[arg-type]
    except (MoneyError, TypeError):
        bad.append("amount_fen")
        return None
