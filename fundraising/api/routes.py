"""JSON version 1: what the public may read of campaigns, gifts, spending, devices and traces.

Amounts are whole fen with their currency; times carry their offset; lists are
``{"items": [...], "next": cursor or null}``; errors are RFC 9457 problem documents with a stable code.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.access import public
from fundraising.api import pages
from fundraising.api.document import openapi
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.equipment import queries as equipment
from fundraising.equipment.queries import PublicDevice
from fundraising.funds import queries as funds
from fundraising.giving import queries as giving
from fundraising.giving.errors import GiftNotFound
from fundraising.goods import queries as goods
from fundraising.procurement import queries as procurement
from fundraising.programmes import queries as programmes

bp = Blueprint("api", __name__, url_prefix="/api")


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
    cursor = pages.read_cursor()
    before = (datetime.fromisoformat(cursor[0]), UUID(cursor[1])) if cursor else None
    limit = pages.limit()
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
                    "at": pages.time(g.at),
                    "message": g.message,
                    "demo": found.is_demo,
                }
                for g in items
            ],
            "next": pages.cursor([last.at.isoformat(), str(last.id)]) if last else None,
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
    cursor = pages.read_cursor()
    limit = pages.limit()
    found = equipment.public_devices(
        county=request.args.get("county"), after=cursor[0] if cursor else "", limit=limit
    )
    after = pages.cursor([found[-1].no]) if len(found) == limit else None
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
        "as_of": pages.time(clock.now()),
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
