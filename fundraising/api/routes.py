"""JSON version 1: campaigns, gifts, spending, devices, traces, orders, checkout, the books.

Amounts are whole fen with their currency; times carry their offset; lists are
``{"items": [...], "next": cursor or null}``; errors are RFC 9457 problem documents with a stable code.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer

from fundraising import clock
from fundraising.access import public
from fundraising.api.document import CHANNELS, openapi
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.equipment import queries as equipment
from fundraising.equipment.queries import PublicDevice
from fundraising.errors import Invalid
from fundraising.extensions import csrf, limiter
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import Visit
from fundraising.funds import queries as funds
from fundraising.giving import entrance, ways
from fundraising.giving import queries as giving
from fundraising.giving.errors import GiftNotFound
from fundraising.giving.models import Display, Gift
from fundraising.giving.service import StartGift
from fundraising.goods import queries as goods
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import JournalEntry
from fundraising.money import Money, MoneyError
from fundraising.payments import service as payments
from fundraising.procurement import queries as procurement
from fundraising.programmes import queries as programmes

bp = Blueprint("api", __name__, url_prefix="/api")
LIMIT, MOST = 50, 100
MAX_OPENID = 128


class BadInput(Invalid):
    """The request's JSON is not what the document says; ``fields`` names what is wrong."""

    code = "bad_input"
    message = _l("The request is not as described in /api/v1/openapi.json.")


@bp.get("/docs")
@public
def docs() -> ResponseReturnValue:
    """Show the document for people."""
    return render_template("api/docs.html", document=openapi())


@bp.get("/v1/openapi.json")
@public
def document() -> ResponseReturnValue:
    """Give the OpenAPI document."""
    return jsonify(openapi())


@bp.get("/v1/campaigns")
@public
def list_campaigns() -> ResponseReturnValue:
    """List public campaigns."""
    return jsonify({"items": [_campaign(c) for c in campaigns.list_public()], "next": None})


@bp.get("/v1/campaigns/<slug>")
@public
def campaign(slug: str) -> ResponseReturnValue:
    """Give one campaign's figures."""
    return jsonify(_campaign(campaigns.get_public(slug)))


@bp.get("/v1/campaigns/<slug>/gifts")
@public
def gifts(slug: str) -> ResponseReturnValue:
    """Give public gifts, the newest first."""
    found = campaigns.get_public(slug)
    cursor = _read_cursor()
    before = (datetime.fromisoformat(cursor[0]), UUID(cursor[1])) if cursor else None
    limit = _limit()
    items = giving.recent_public(found.id, limit, before)
    last = items[-1] if len(items) == limit else None
    return jsonify(
        {
            "items": [
                {
                    "ref": g.ref,
                    "display_name": g.display_name,
                    "amount_fen": g.amount_fen,
                    "currency": "CNY",
                    "at": _time(g.at),
                    "message": g.message,
                    "demo": found.is_demo,
                }
                for g in items
            ],
            "next": _cursor([last.at.isoformat(), str(last.id)]) if last else None,
        }
    )


@bp.get("/v1/campaigns/<slug>/spending")
@public
def spending(slug: str) -> ResponseReturnValue:
    """Give what a campaign's fund has spent."""
    found = campaigns.get_public(slug)
    return jsonify(
        {
            "items": [
                {
                    "id": str(line.id),
                    "kind": line.kind,
                    "supplier": line.supplier,
                    "item": line.item,
                    "quantity": line.quantity,
                    "unit_price_fen": line.unit_price_fen,
                    "amount_fen": line.amount_fen,
                    "currency": "CNY",
                    "approved_by_two": line.approved_by_two,
                    "documents": [
                        {"kind": d.kind, "name": d.name, "url": f"/files/{d.file_id}/file"}
                        for d in line.documents
                    ],
                    "devices": line.devices,
                    "demo": found.is_demo,
                }
                for line in procurement.public_spending(found.fund_id)
            ],
            "next": None,
        }
    )


@bp.get("/v1/devices")
@public
def devices() -> ResponseReturnValue:
    """List devices by number."""
    cursor = _read_cursor()
    limit = _limit()
    found = equipment.public_devices(
        county=request.args.get("county"), after=cursor[0] if cursor else "", limit=limit
    )
    after = _cursor([found[-1].no]) if len(found) == limit else None
    return jsonify({"items": [_device(d) for d in found], "next": after})


@bp.get("/v1/devices.geojson")
@public
def devices_geojson() -> ResponseReturnValue:
    """Give devices as GeoJSON with the keys of OpenStreetMap."""
    answer = jsonify(equipment.geojson(equipment.public_devices(limit=500)))
    answer.mimetype = "application/geo+json"
    return answer


@bp.get("/v1/devices/<no>")
@public
def device(no: str) -> ResponseReturnValue:
    """Give one device."""
    return jsonify(_device(equipment.get_public(no)))


@bp.get("/v1/devices/<no>/funding")
@public
def funding(no: str) -> ResponseReturnValue:
    """Give what paid a device; the sources add up to its cost."""
    found = equipment.get_public(no)
    paid = funds.unit_funding(found.id)
    return jsonify(
        {
            "device": found.no,
            "campaign": found.campaign_slug,
            "cost_fen": paid.cost_fen,
            "currency": "CNY",
            "gifts_count": paid.gifts_count,
            "draws": [{"source": s, "fen": f} for s, f in sorted(paid.by_source.items())],
            "demo": found.is_demo,
        }
    )


@bp.get("/v1/gifts/<token>/trace")
@public
def trace(token: str) -> ResponseReturnValue:
    """Give where a gift's fen went; draws, refunds and what is unspent add up to the amount."""
    gift = giving.by_token(token)
    found = funds.trace(gift.id)
    if found is None:
        raise GiftNotFound
    places = equipment.places([d.unit_id for d in found.draws if d.unit_id])
    answer = jsonify(
        {
            "ref": gift.ref,
            "amount_fen": found.amount_fen,
            "currency": gift.currency,
            "fee_fen": sum(d.fen for d in found.draws if d.kind == "fee"),
            "refunded_fen": found.refunded_fen,
            "draws": [
                {
                    "fen": d.fen,
                    "spending_line": str(d.spending_line_id),
                    "title": d.title,
                    "kind": d.kind,
                    "device_no": places[d.unit_id].no if d.unit_id in places else None,
                    "place": places[d.unit_id].place if d.unit_id in places else None,
                }
                for d in found.draws
            ],
            "unspent_fen": found.unspent_fen,
            "demo": campaigns.get_by_id(gift.campaign_id).is_demo,
        }
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


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
        raise BadInput(fields=["body"]) from None
    if not request.is_json or not isinstance(asked, dict):
        raise BadInput(fields=["body"])
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
    pay: dict[str, Any] = {"kind": instruction.kind.value, "expires_at": _time(attempt.expires_at)}
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
        raise BadInput(fields=bad)
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


@bp.get("/v1/ledger/trial-balance")
@public
def trial_balance() -> ResponseReturnValue:
    """Give every account's balance; they sum to zero per currency."""
    rows = ledger.trial_balance()
    return jsonify(
        {
            "as_of": _time(clock.now()),
            "accounts": [
                {
                    "account": r.account,
                    "name": r.name,
                    "type": r.type,
                    "currency": r.currency,
                    "balance_minor": r.amount_minor,
                }
                for r in rows
            ],
            "sum_minor": sum(r.amount_minor for r in rows),
            "demo": campaigns.holds_demo(),
        }
    )


@bp.get("/v1/ledger/entries")
@public
def entries() -> ResponseReturnValue:
    """Give journal entries with their postings, the latest first; they hold no personal data."""
    cursor = _read_cursor()
    limit = _limit()
    found = ledger.entries(
        before=UUID(cursor[0]) if cursor else None, limit=limit, kind=request.args.get("kind")
    )
    after = _cursor([str(found[-1].id)]) if len(found) == limit else None
    slugs = campaigns.slugs_of_funds({e.fund_id for e in found if e.fund_id})
    items = [_entry(e, slugs.get(e.fund_id) if e.fund_id else None) for e in found]
    return jsonify({"items": items, "next": after, "demo": campaigns.holds_demo()})


# ---------------------------------------------------------------------- shapes


def _in_kind(c: Campaign) -> dict[str, int]:
    """Return the stated value of goods tied to a campaign; it is no part of what was raised in money."""
    fen = goods.in_kind_fen(c.id)
    return {"in_kind": fen} if fen else {}


def _campaign(c: Campaign) -> dict[str, Any]:
    totals, counts = funds.totals(c.fund_id), equipment.counts(c.id)
    return {
        "slug": c.slug,
        "title": c.title,
        "state": c.state,
        "goal_fen": c.goal_fen,
        "raised_fen": totals.raised_fen,
        "currency": "CNY",
        "gifts_count": totals.gifts_count,
        "people_count": giving.people_count(c.id),
        "sources": totals.by_source | _in_kind(c),
        "fees_fen": totals.fees_fen,
        "spent_fen": totals.spent_fen,
        "refunded_fen": totals.refunded_fen,
        "unspent_fen": totals.unspent_fen,
        "devices": {
            "purchased": counts.purchased,
            "installed": counts.installed,
            "in_service": counts.in_service,
        },
        "people_trained": programmes.people_trained(c.id),
        "filing_no": c.filing_no,
        "demo": c.is_demo,
        "as_of": _time(clock.now()),
    }


def _device(d: PublicDevice) -> dict[str, Any]:
    return {
        "number": d.no,
        "serial": d.serial_public,
        "model": d.model,
        "state": d.state,
        "place": d.place,
        "county": d.county,
        "lat": d.lat,
        "lon": d.lon,
        "floor": d.floor,
        "hours": d.hours,
        "last_inspected_at": d.last_inspected_on.isoformat() if d.last_inspected_on else None,
        "funded_by": d.campaign_slug,
        "demo": d.is_demo,
    }


def _entry(e: JournalEntry, campaign: str | None) -> dict[str, Any]:
    return {
        "id": str(e.id),
        "voucher": e.voucher,
        "kind": e.kind,
        "booked_on": e.booked_on.isoformat(),
        "recorded_at": _time(e.recorded_at),
        "fund": str(e.fund_id) if e.fund_id else None,
        "campaign": campaign,
        "reason": e.reason,
        "reverses": str(e.reverses_id) if e.reverses_id else None,
        "postings": [
            {"account": p.account, "amount_minor": p.amount_minor, "currency": p.currency}
            for p in e.postings
        ],
    }


def _time(at: datetime) -> str:
    return at.astimezone(clock.SHANGHAI).isoformat(timespec="seconds")


def _limit() -> int:
    asked = request.args.get("limit", type=int)
    return min(max(asked or LIMIT, 1), MOST)


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="cursor")


def _cursor(values: list[str]) -> str:
    signed = _signer().dumps([request.endpoint, *values])
    return str(signed)


def _read_cursor() -> list[str]:
    """Return the values of the cursor asked for, none without one. Raises BadInput when it is not ours."""
    asked = request.args.get("cursor")
    if not asked:
        return []
    try:
        endpoint, *values = _signer().loads(asked)
    except (BadSignature, ValueError, TypeError):
        raise BadInput(fields=["cursor"]) from None
    if endpoint != request.endpoint:
        raise BadInput(fields=["cursor"])
    return [str(value) for value in values]
