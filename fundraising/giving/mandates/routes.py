"""The donor's own page of a monthly gift: give a month, change, pause, go on, end; all by its secret address."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from config import Settings
from fundraising.access import public
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign
from fundraising.database import transaction
from fundraising.extensions import limiter
from fundraising.floods.errors import PuzzleWanted
from fundraising.giving import browsers, checkouts, entrance, ways
from fundraising.giving.mandates import contracts, donors, letters, queries, service, words
from fundraising.giving.mandates.errors import AgreementOff, MandateOver, MonthOver
from fundraising.giving.mandates.forms import ChangeForm, LinkForm
from fundraising.giving.mandates.models import Mandate, MandateState
from fundraising.giving.mandates.queries import Month
from fundraising.giving.models import Gift
from fundraising.i18n import gettext as _
from fundraising.payments.providers.base import Product

bp = Blueprint("monthly", __name__)
TRIES = "20 per minute"


@bp.get("/m/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Show a monthly gift to its donor: what is promised, what was given, and every way out."""
    mandate = queries.by_token(token)
    return _page(mandate, ChangeForm(campaigns.get_by_id(mandate.campaign_id), mandate))


@bp.post("/m/<token>/change")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def change(token: str) -> ResponseReturnValue:
    """Change amount and day."""
    mandate = queries.by_token(token)
    form = ChangeForm(campaigns.get_by_id(mandate.campaign_id), mandate)
    if not form.validate():
        return _page(mandate, form, 422)
    with transaction():
        service.change(mandate.id, form.money(), form.day.data)
    flash(_("Changed. A letter of confirmation is on its way."), "ok")
    return redirect(url_for(".show", token=token), 303)


@bp.post("/m/<token>/pause")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def pause(token: str) -> ResponseReturnValue:
    """Let it rest until the donor goes on."""
    return _do(
        token, service.pause, _("Your monthly gift rests. Nothing is asked of you until you go on.")
    )


@bp.post("/m/<token>/resume")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def resume(token: str) -> ResponseReturnValue:
    """Go on."""
    mandate = queries.by_token(token)
    try:
        with transaction():
            service.resume(mandate.id)
        flash(_("Your monthly gift goes on. Thank you!"), "ok")
    except CampaignNotOpen as refused:
        flash(str(refused.message), "error")
    return redirect(url_for(".show", token=token), 303)


@bp.post("/m/<token>/end")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def end(token: str) -> ResponseReturnValue:
    """End it, with the second of two taps on one page."""
    return _do(
        token, service.end, _("Your monthly gift has ended. Nothing is asked or charged any more.")
    )


@bp.post("/m/<token>/erase")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def erase(token: str) -> ResponseReturnValue:
    """Destroy name and address of a monthly gift that has ended."""
    return _do(token, service.erase, _("Your name and address are gone from this monthly gift."))


def _do(token: str, verb: Callable[[UUID], None], said: str) -> ResponseReturnValue:
    mandate = queries.by_token(token)
    with transaction():
        verb(mandate.id)
    flash(said, "ok")
    return redirect(url_for(".show", token=token), 303)


# ---------------------------------------------------------------------- agreeing to be charged


def _site() -> str:
    """Return our own address as it is set, whatever host a request names."""
    settings: Settings = current_app.extensions["settings"]
    return settings.public_url


@bp.post("/m/<token>/agree")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def agree(token: str) -> ResponseReturnValue:
    """Write an agreement to be signed and fetch its page, if one is offered in this browser."""
    mandate = queries.by_token(token)
    way = contracts.offered(mandate, browsers.agent())
    try:
        if way is None:
            raise AgreementOff
        campaign = campaigns.get_by_id(mandate.campaign_id)
        with transaction():
            asked = contracts.ask(mandate.id, way, words.agreement(mandate, campaign, way))
        contracts.open_page(
            asked,
            return_url=f"{_site()}{url_for('.show', token=token)}",
            client_ip=request.remote_addr or "",
            agent=browsers.agent(),
        )
    except (AgreementOff, MandateOver) as refused:
        flash(str(refused.message), "error")
        return redirect(url_for(".show", token=token), 303)
    return redirect(url_for(".sign", token=token), 303)


@bp.get("/m/<token>/sign")
@public
def sign(token: str) -> ResponseReturnValue:
    """Show what is agreed to, with the way to the provider's page; back from there it shows what became of it."""
    mandate = queries.by_token(token)
    waiting = [c for c in contracts.of(mandate.id) if contracts.is_openable(c)]
    if mandate.is_charged or not waiting:
        return redirect(url_for(".show", token=token), 303)
    campaign = campaigns.get_by_id(mandate.campaign_id)
    page = render_template(
        "monthly/sign.html",
        mandate=mandate,
        campaign=campaign,
        demo=campaign.is_demo,
        contract=waiting[0],
        words=words,
    )
    answer = browsers.secret(page)
    answer.headers["Referrer-Policy"] = (
        "strict-origin"  # the provider asks from which site one comes
    )
    return answer


@bp.post("/m/<token>/signed")
@public
@limiter.limit(TRIES, key_func=browsers.device)
def signed(token: str) -> ResponseReturnValue:
    """Let the provider be asked now whether the donor agreed; its answer alone counts."""
    mandate = queries.by_token(token)
    with transaction():
        contracts.look_soon(service.lock(mandate.id))
    return redirect(url_for(".show", token=token), 303)


# ---------------------------------------------------------------------- one tap


@bp.route("/m/<token>/<period>", methods=["GET", "POST"])
@public
@limiter.limit(checkouts.CROWD, methods=["POST"])
@limiter.limit(checkouts.CHECKOUTS, key_func=browsers.device, methods=["POST"])
def give(token: str, period: str) -> ResponseReturnValue:
    """Give a month's gift: the letter's link leads here, one tap begins the order or finds the one begun."""
    mandate = queries.by_token(token)
    month = queries.month(mandate.id, period)
    campaign = campaigns.get_by_id(mandate.campaign_id)
    if request.method == "GET":
        if browsers.is_stranger_inside_wechat():
            return browsers.become_known(request.full_path)
        return _give_page(mandate, month, campaign)
    if month.is_paid:
        return redirect(url_for(".give", token=token, period=period), 303)
    try:
        gift = _begin(mandate, month, campaign, checkouts.product(request.form.get("product")))
    except PuzzleWanted as wanted:
        return checkouts.puzzle_page(wanted, campaign, month.period.amount_fen)
    except (MandateOver, MonthOver, CampaignNotOpen) as refused:
        flash(str(refused.message), "error")
        return redirect(url_for(".show", token=token), 303)
    browsers.remember(gift)
    checkouts.open_order(gift, campaign)
    return redirect(url_for("giving.pay", order_no=gift.order_no), 303)


def _begin(mandate: Mandate, month: Month, campaign: Campaign, product: Product) -> Gift:
    """Begin the month's order through the same gate as any gift; the same month again is the same order."""
    amount_fen, solution = month.period.amount_fen, checkouts.solution()
    if not service.is_givable(mandate, month.period):
        raise MandateOver if mandate.state != MandateState.ACTIVE else MonthOver
    if month.gift is not None:
        entrance.again(month.gift, product, checkouts.visit(campaign, amount_fen), solution)
        return month.gift
    asked = service.gift_of(mandate, month.period, product)
    along = service.tie(mandate.id, month.period.period)
    return entrance.start(asked, lambda: checkouts.visit(campaign, amount_fen), solution, along)


def _give_page(mandate: Mandate, month: Month, campaign: Campaign) -> ResponseReturnValue:
    offered = ways.offered(browsers.agent())
    usual = [way for way in offered if way.provider == mandate.channel]
    others = [way for way in offered if way not in usual]
    page = render_template(
        "monthly/give.html",
        mandate=mandate,
        month=month,
        campaign=campaign,
        demo=campaign.is_demo,
        ways=usual + others,
        is_givable=service.is_givable(mandate, month.period) and campaign.is_open,
        words=words,
    )
    return browsers.secret(page)


# ---------------------------------------------------------------------- finding the link again


@bp.route("/monthly", methods=["GET", "POST"])
@public
@limiter.limit("60 per minute; 300 per hour", methods=["POST"])
@limiter.limit("10 per minute", key_func=browsers.device, methods=["POST"])
def find() -> ResponseReturnValue:
    """Send the donor's links to the address written; the answer is the same whether or not there are any."""
    form = LinkForm()
    if not form.validate_on_submit():
        status = 422 if request.method == "POST" else 200
        return browsers.not_kept(render_template("monthly/find.html", form=form), status)
    with transaction():
        for mandate in queries.of_address(donors.email_key(form.address())):
            letters.link(mandate, campaigns.get_by_id(mandate.campaign_id))
    flash(
        _("If there is a monthly gift with this address, a letter with its link is on its way."),
        "ok",
    )
    return redirect(url_for(".find"), 303)


def _page(mandate: Mandate, form: ChangeForm, status: int = 200) -> ResponseReturnValue:
    campaign = campaigns.get_by_id(mandate.campaign_id)
    months = queries.months(mandate.id)
    waiting = [m for m in months if m.period.is_open and not m.is_paid]
    page = render_template(
        "monthly/show.html",
        mandate=mandate,
        campaign=campaign,
        demo=campaign.is_demo,
        months=months,
        waiting=[m for m in waiting if service.is_givable(mandate, m.period)],
        next_on=min([mandate.next_on, *(m.period.due_on for m in waiting)]),
        given_fen=sum(m.gift.kept_fen for m in months if m.gift and m.is_paid),
        words=words,
        form=form,
        offer=contracts.offered(mandate, browsers.agent()),
        signing=next((c for c in contracts.of(mandate.id) if contracts.is_openable(c)), None),
        has_person=mandate.wrapped_key is not None,
    )
    return browsers.secret(page, status)
