"""Staff pages: money from the bank that waits to be placed, what somebody proposed, and the second person's word."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving import placing, queries
from fundraising.giving.people import PersonData
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger

bp = Blueprint("placing", __name__, url_prefix="/staff/suspense")


@bp.get("")
@staff_may("finance.post")
def index() -> ResponseReturnValue:
    """Show bank lines in suspense, and what somebody says they are."""
    return _page(), 200


@bp.post("/lines/<uuid:line_id>")
@staff_may("finance.post")
def propose(line_id: UUID) -> ResponseReturnValue:
    """Say that a line is a gift to a campaign; a second person books it."""
    told = request.form
    try:
        with transaction():
            placing.propose(
                line_id,
                campaigns.get(told.get("campaign", "")),
                PersonData(name=told.get("name", ""), email=told.get("email", "")),
                reason=told.get("reason", ""),
                actor_id=current_user.id,
                is_named="is_named" in told,
            )
    except DomainError as refused:
        return _page(line_id, str(refused.message)), int(refused.status)
    flash(_("It waits for a second person."), "ok")
    return redirect(url_for(".index"), 303)


@bp.post("/<uuid:placing_id>")
@staff_may("finance.post")
def decide(placing_id: UUID) -> ResponseReturnValue:
    """Book what another person proposed, or give the proposal up."""
    with transaction():
        if request.form.get("do") != "book":
            placing.withdraw(placing_id, current_user.id)
            return redirect(url_for(".index"), 303)
        gift = queries.by_id(placing.book(placing_id, current_user.id))
        target = url_for("gift_desk.order", ref=gift.ref)
    flash(_("Booked as a gift."), "ok")
    return redirect(target, 303)


def _page(refused_line: UUID | None = None, refused: str = "") -> str:
    found = placing.waiting()
    proposers = {row.placing.proposed_by for row in found if row.placing}
    return render_template(
        "giving/desk_suspense.html",
        rows=found,
        campaigns=campaigns.list_all(),
        titles={one.id: one.title for one in campaigns.list_all()},
        names=accounts.names_of(proposers),
        balance=-ledger.balance(chart.SUSPENSE).minor,
        refused_line=refused_line,
        refused=refused,
        told=request.form,
    )


nav.register_card(
    "finance.post",
    lambda: Card(_l("Money from the bank to place"), placing.count_waiting(), "placing.index"),
)
