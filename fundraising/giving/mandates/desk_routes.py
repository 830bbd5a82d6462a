"""The desk of monthly gifts: how many there are, what they should bring, and each one's history."""

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from fundraising.access import staff_may
from fundraising.campaigns import queries as campaigns
from fundraising.giving.mandates import contracts, queries, words
from fundraising.giving.mandates.models import MandateState

bp = Blueprint("monthly_desk", __name__, url_prefix="/staff/monthly")
AT_ONCE = 100


@bp.get("/")
@staff_may("gift.view")
def index() -> ResponseReturnValue:
    """List monthly gifts with the figures over all of them."""
    state = request.args.get("state", "")
    wanted = state if state in set(MandateState) else None
    found = queries.list_for_staff(wanted, request.args.get("before", type=UUID), AT_ONCE + 1)
    shown = found[:AT_ONCE]
    return render_template(
        "monthly/desk.html",
        mandates=shown,
        figures=queries.figures(),
        state=wanted,
        older=shown[-1].id if len(found) > AT_ONCE else None,
        titles={c.id: c.title for c in campaigns.list_all()},
        words=words,
    )


@bp.get("/<ref>")
@staff_may("gift.view")
def show(ref: str) -> ResponseReturnValue:
    """Show one monthly gift with its months, without the donor's name or link."""
    mandate = queries.by_ref(ref)
    return render_template(
        "monthly/desk_show.html",
        mandate=mandate,
        campaign=campaigns.get_by_id(mandate.campaign_id),
        months=queries.months(mandate.id),
        contracts=contracts.of(mandate.id),
        words=words,
    )
