"""The gift desk of staff: orders and their history, messages, money to look into."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select

from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.giving import history, queries, refunds, returns, service
from fundraising.giving.models import Gift
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments import facts
from fundraising.payments import service as payments

bp = Blueprint("gift_desk", __name__, url_prefix="/staff")
AT_ONCE, PAGE = 200, 50


@bp.get("/orders")
@staff_may("gift.view")
def orders() -> ResponseReturnValue:
    """Find an order by any of its numbers; without one, show the latest, or those before one of them."""
    asked = request.args.get("q", "").strip()
    if asked:
        found = _find(asked)
        if found is not None:
            return redirect(url_for(".order", ref=found.ref), 303)
        flash(_("There is no order with this number."), "error")
    gifts = queries.latest(before=request.args.get("before", type=UUID), limit=PAGE + 1)
    older = url_for(".orders", before=gifts[PAGE - 1].id) if len(gifts) > PAGE else ""
    return render_template("giving/desk_orders.html", gifts=gifts[:PAGE], q=asked, older=older)


@bp.get("/orders/<ref>")
@staff_may("gift.view")
def order(ref: str) -> ResponseReturnValue:
    """Show an order with everything that was said and booked about it."""
    gift = queries.by_ref(ref)
    given_back = refunds.of_gift(gift)
    return render_template(
        "giving/desk_order.html",
        gift=gift,
        campaign=campaigns.get_by_id(gift.campaign_id),
        steps=history.of(gift),
        trace=funds.trace(gift.id),
        again=returns.of_gift(gift.id),
        refunds=given_back,
        disputes=facts.disputes([r.attempt_id for r in given_back if r.is_external]),
        payment=refunds.payment_of(gift),
    )


def _find(number: str) -> Gift | None:
    attempt = payments.find(number)
    if attempt is not None:
        return queries.by_id(attempt.order_id)
    query = select(Gift).where(
        (Gift.order_no == number) | (Gift.ref == number) | (Gift.external_ref == number)
    )
    return db.session.execute(query.limit(1)).scalar_one_or_none()


@bp.get("/messages")
@staff_may("campaign.edit")
def messages() -> ResponseReturnValue:
    """Show messages that nobody has looked at."""
    return render_template(
        "giving/desk_messages.html",
        gifts=queries.waiting_messages(),
        waiting=queries.count_waiting_messages(),
    )


@bp.post("/messages")
@staff_may("campaign.edit")
def moderate() -> ResponseReturnValue:
    """Let the messages of a page be seen, except those that were not ticked."""
    seen = request.form.getlist("seen", type=UUID)[:AT_ONCE]
    ticked = set(request.form.getlist("show", type=UUID))
    with transaction():
        for gift_id in seen:
            service.moderate(gift_id, current_user.id, is_approved=gift_id in ticked)
    shown = sum(gift_id in ticked for gift_id in seen)
    flash(_("%(shown)s shown, %(hidden)s not shown.", shown=shown, hidden=len(seen) - shown), "ok")
    return redirect(url_for(".messages"), 303)


def _messages_card() -> Card:
    return Card(_l("Messages to read"), queries.count_waiting_messages(), "gift_desk.messages")


nav.register_card("campaign.edit", _messages_card)
