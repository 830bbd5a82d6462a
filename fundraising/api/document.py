"""The OpenAPI document, written beside the routes and held to them by a test."""

from typing import Any

from fundraising.payments.providers.base import Product

CHANNELS = {
    "stripe" if product is Product.STRIPE_CHECKOUT else product.value: product
    for product in Product
    if product.is_asked_for
}
"""Ways to pay by the names they have in JSON."""

FEN = {"type": "integer", "description": "whole fen"}
TEXT2 = {"type": "object", "description": "Chinese (zh, always) and English (en)"}
CAMPAIGN = {
    "type": "object",
    "properties": {
        "slug": {"type": "string"},
        "title": TEXT2,
        "state": {"enum": ["upcoming", "open", "ended", "completed"]},
        "goal_fen": FEN,
        "raised_fen": FEN,
        "gifts_count": {
            "type": "integer",
            "description": "gifts received (人次), not people; one that went back whole is not counted",
        },
        "people_count": {"type": ["integer", "null"]},
        "fees_fen": FEN,
        "spent_fen": FEN,
        "unspent_fen": FEN,
    },
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "title": {"type": "string"},
    },
}


def openapi() -> dict[str, Any]:
    """Return the document of version 1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fundraising", "version": "1", "license": {"name": "Apache-2.0"}},
        "paths": _paths(),
        "components": {"schemas": {"Campaign": CAMPAIGN, "Problem": PROBLEM}},
    }


def _paths() -> dict[str, Any]:
    return {
        "/api/v1/campaigns": _get("Public campaigns", "list"),
        "/api/v1/campaigns/{slug}": _get("Figures of a campaign", "Campaign", "slug"),
        "/api/v1/campaigns/{slug}/gifts": _get(
            "Public gifts, newest first", "list", "slug", is_paged=True
        ),
        "/api/v1/campaigns/{slug}/spending": _get("What the fund has spent", "list", "slug"),
        "/api/v1/devices": _get("Devices by number", "list", is_paged=True),
        "/api/v1/devices.geojson": _get("Devices as GeoJSON with OpenStreetMap keys", "object"),
        "/api/v1/devices/{no}": _get("A device", "object", "no"),
        "/api/v1/devices/{no}/funding": _get("What paid a device", "object", "no"),
        "/api/v1/gifts/{token}/trace": _get("Where a gift's fen went", "object", "token"),
        "/api/v1/orders/{order_no}": _get("State of an order", "object", "order_no"),
        "/api/v1/checkout": {"post": _checkout()},
        "/api/v1/ledger/trial-balance": _get(
            "Balances of all accounts; their sum is zero", "object"
        ),
        "/api/v1/ledger/entries": _get("Journal entries, latest first", "list", is_paged=True),
    }


def _get(summary: str, shape: str, *names: str, is_paged: bool = False) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if is_paged:
        parameters += [
            {"name": "cursor", "in": "query", "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
        ]
    schema: dict[str, Any] = {"type": "object"}
    if shape == "list":
        schema["properties"] = {"items": {"type": "array"}, "next": {"type": ["string", "null"]}}
    elif shape != "object":
        schema = {"$ref": f"#/components/schemas/{shape}"}
    answers = {
        "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
        "4XX": _problem(),
    }
    return {"get": {"summary": summary, "parameters": parameters, "responses": answers}}


def _checkout() -> dict[str, Any]:
    properties = {
        "campaign": {"type": "string"},
        "amount_fen": FEN,
        "currency": {"const": "CNY"},
        "channel": {"enum": list(CHANNELS)},
        "display": {"enum": ["anonymous", "masked", "full"]},
        "name": {"type": "string"},
        "message": {"type": "string", "maxLength": 60},
        "email": {"type": "string"},
        "openid": {"type": "string", "description": "wechatpay.jsapi only"},
        "idempotency_key": {"type": "string", "minLength": 16, "maxLength": 80},
        "challenge": {
            "type": "object",
            "description": "answer to a 429 with code challenge: its token, and number n with "
            "sha256(nonce + ':' + n) = target, or the answer to the question; holds once",
            "properties": {
                "token": {"type": "string"},
                "number": {"type": "integer"},
                "answer": {"type": "integer"},
            },
        },
    }
    schema = {
        "type": "object",
        "required": ["campaign", "amount_fen", "channel", "idempotency_key"],
        "properties": properties,
    }
    return {
        "summary": "Start a gift and open its payment",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"201": {"description": "order_no, token, pay"}, "4XX": _problem()},
    }


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "Refused", "content": {"application/problem+json": {"schema": schema}}}
