"""Browsers that give: how one is known again, and pages that are meant for one of them only."""

from flask import Response, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from config import Settings
from fundraising import references
from fundraising.extensions import visitor
from fundraising.giving.models import Gift
from fundraising.payments import service as payments

UNPAID_KEPT = 5


def device() -> str:
    """Name the browser for limits: its own cookie, else its address (many donors may share one)."""
    known = session.get("device")
    know()
    return f"device:{known}" if known else f"address:{visitor()}"


def know() -> None:
    """Give the browser its signed cookie with the form, so that its first gift is counted as its own."""
    session.setdefault("device", references.secret_token())


def is_stranger_inside_wechat() -> bool:
    """Whether this browser could be known silently, and is not: asked once, so a failure stops nobody."""
    is_inside = "wechatpay" in payments.providers() and "micromessenger" in agent().lower()
    return is_inside and openid() is None and not session.get("oauth_asked")


def become_known(back: str) -> ResponseReturnValue:
    """Send the browser through WeChat's silent step and then to ``back``."""
    session["oauth_asked"] = True
    session["oauth_state"], session["oauth_back"] = references.secret_token(), back
    settings: Settings = current_app.extensions["settings"]
    adapter = payments.in_app_provider("wechatpay")
    returned = f"{settings.public_url}{url_for('giving.openid_return')}"
    return redirect(adapter.openid_url(returned, session["oauth_state"]), 302)


def openid() -> str | None:
    """Return the payer's openid as WeChat told it, None when it did not."""
    known: str | None = session.get("openid")
    return known


def agent() -> str:
    """Return what the browser calls itself."""
    return request.user_agent.string or ""


def remember(gift: Gift) -> None:
    """Keep the order's number in the browser's session, among its last few."""
    orders = [n for n in session.get("orders", []) if n != gift.order_no]
    session["orders"] = [*orders, gift.order_no][-UNPAID_KEPT:]


def not_kept(page: str, status: int = 200) -> Response:
    """A page that no cache keeps."""
    response = Response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def secret(page: str, status: int = 200) -> Response:
    """A page whose address is the permission: not kept, not indexed, its address told to no other site."""
    response = not_kept(page, status)
    response.headers["Referrer-Policy"] = (
        "same-origin"  # with none, its own forms would come without an origin
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response
