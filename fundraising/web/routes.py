"""Public pages that join slices: the first page, campaigns, fund use, updates, and what must be said."""

import re

from flask import Blueprint, Response, current_app, render_template
from flask.typing import ResponseReturnValue

from config import Settings
from fundraising.access import public
from fundraising.campaigns import queries as campaigns
from fundraising.equipment import queries as equipment
from fundraising.funds import queries as funds
from fundraising.goods import queries as goods
from fundraising.ledger import queries as ledger
from fundraising.procurement import queries as procurement
from fundraising.programmes import queries as programmes
from fundraising.web import pages

bp = Blueprint("web", __name__)
ALIKE = re.compile(r"/(c/[a-z0-9-]+)?")
bp.add_app_template_global(campaigns.holds_demo)
STATEMENTS = frozenset({"about", "privacy", "accessibility", "learn"})


def is_alike(path: str) -> bool:
    """Whether an address shows everybody the same: the first page and the pages of campaigns."""
    return ALIKE.fullmatch(path) is not None


@bp.get("/")
@public
def home() -> str:
    """Show the campaigns and what has come of them."""
    shown = campaigns.list_public(12)
    totals = {c.id: funds.totals(c.fund_id) for c in shown}
    return render_template(
        "web/home.html",
        campaigns=shown,
        totals=totals,
        demo=any(c.is_demo for c in shown),
        counts=equipment.counts(),
        people_trained=programmes.people_trained(),
        updates=campaigns.updates(limit=3),
    )


@bp.get("/c/<slug>")
@public
def campaign(slug: str) -> str:
    """Show a campaign: what came in, where it went, what hangs where."""
    page = pages.campaign_page(slug)
    return render_template(
        "web/campaign.html", page=page, c=page.campaign, demo=page.campaign.is_demo
    )


@bp.get("/transparency")
@public
def transparency() -> ResponseReturnValue:
    """Show fund by fund what came in, what it became, and the trial balance behind it."""
    shown = campaigns.list_public(50)
    rows = [(c, funds.totals(c.fund_id), procurement.public_spending(c.fund_id)) for c in shown]
    return render_template(
        "web/transparency.html",
        rows=rows,
        balance=ledger.trial_balance(),
        goods=goods.public_kinds(),
        handovers=goods.public_handovers(),
        demo=any(c.is_demo for c in shown),
    )


@bp.get("/updates")
@public
def updates() -> ResponseReturnValue:
    """Show the news of all campaigns."""
    titles = {c.id: c for c in campaigns.list_public()}
    demo = any(c.is_demo for c in titles.values())
    return render_template(
        "web/updates.html", updates=campaigns.updates(limit=50), titles=titles, demo=demo
    )


@bp.get("/updates.atom")
@public
def feed() -> ResponseReturnValue:
    """Give the news to feed readers."""
    settings: Settings = current_app.extensions["settings"]
    titles = {c.id: c for c in campaigns.list_public()}
    text = render_template(
        "web/updates.atom",
        updates=campaigns.updates(limit=30),
        titles=titles,
        site=settings.public_url,
    )
    return Response(text, mimetype="application/atom+xml")


@bp.get("/<any(about, privacy, accessibility, learn):name>")
@public
def statement(name: str) -> ResponseReturnValue:
    """Show a page that hardly changes."""
    assert name in STATEMENTS
    return render_template(f"web/{name}.html", settings=current_app.extensions["settings"])


@bp.get("/robots.txt")
@public
def robots() -> ResponseReturnValue:
    """Keep personal and staff pages out of search engines."""
    text = "User-agent: *\n" + "".join(
        f"Disallow: {path}\n"
        for path in ("/staff", "/t/", "/pay/", "/thanks/", "/receipts/", "/find")
    )
    return Response(text, mimetype="text/plain")
