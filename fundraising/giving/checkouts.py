"""What every page that starts a payment shares: the gate with its puzzle, the way to pay, the order at its provider."""

from contextlib import suppress

from flask import render_template, request, session
from flask.typing import ResponseReturnValue

from fundraising.campaigns.models import Campaign
from fundraising.floods.errors import PuzzleWanted
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import Visit
from fundraising.giving import browsers, ways
from fundraising.giving.models import Gift
from fundraising.payments import service as payments
from fundraising.payments.errors import AttemptOver, PaymentUnavailable
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import Product

CHECKOUTS = "40 per minute; 400 per hour"
CROWD = "2000 per minute; 20000 per hour"
"""What one address may send in all. Checkouts have their gate; this only spares the machine, and five
hundred donors of one work unit must fit in, each with a puzzle, within a minute."""
PUZZLE_FIELDS = ("csrf_token", "puzzle", "puzzle_number", "puzzle_answer")


def visit(campaign: Campaign, amount_fen: int) -> Visit:
    """Return who is at the gate: address, device, and what they want to give, in fen."""
    return Visit(request.remote_addr or "", session.get("device"), campaign.id, amount_fen)


def solution() -> Solution | None:
    """Return the solved puzzle that the form carries, None without one."""
    if not request.form.get("puzzle"):
        return None
    names = ("puzzle", "puzzle_number", "puzzle_answer")
    return Solution(*(request.form.get(name, "")[:200] for name in names))


def puzzle_page(wanted: PuzzleWanted, campaign: Campaign, amount_fen: int) -> ResponseReturnValue:
    """Ask for the puzzle before the same form is sent again; what was filled in goes along."""
    page = render_template(
        "giving/puzzle.html",
        puzzle=wanted.puzzle,
        campaign=campaign,
        demo=campaign.is_demo,
        amount_fen=amount_fen,
        action=request.path,
        kept=[(n, v) for n, v in request.form.items() if n not in PUZZLE_FIELDS],
        is_wrong=solution() is not None,
    )
    return browsers.not_kept(page, int(wanted.status))


def open_order(gift: Gift, campaign: Campaign) -> None:
    """Open the order at its provider, if it answers; the payment page offers to try again."""
    attempt = payments.latest(gift.id)
    if attempt is None or needs_openid(attempt):
        return
    with suppress(PaymentUnavailable, AttemptOver):
        payments.open_checkout(
            attempt.id,
            campaign.title["zh"],
            return_url=ways.return_url(gift.order_no),
            openid=browsers.openid(),
            client_ip=request.remote_addr,
        )


def needs_openid(attempt: Attempt) -> bool:
    """Return whether WeChat must first say who pays."""
    is_inside = attempt.product == Product.WECHATPAY_JSAPI
    return is_inside and browsers.openid() is None and not attempt.instruction


def product(asked: str | None) -> Product:
    """Return the way to pay: the one asked for, else the one this browser can do."""
    return ways.chosen(asked, browsers.agent())
