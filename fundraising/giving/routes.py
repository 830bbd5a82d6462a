"""Giving: the form, the payment page, the result, thanks."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising import clock
from fundraising.access import public
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.extensions import limiter
from fundraising.floods.errors import PuzzleWanted
from fundraising.giving import browsers, checkouts, entrance, instructions, people, queries, ways
from fundraising.giving.entrance import Along
from fundraising.giving.errors import IdempotencyConflict
from fundraising.giving.forms import DonateForm
from fundraising.giving.mandates import contracts
from fundraising.giving.mandates import queries as mandate_queries
from fundraising.giving.mandates import service as mandates
from fundraising.giving.mandates import words as monthly_words
from fundraising.giving.mandates.models import Mandate
from fundraising.giving.models import Display, Gift
from fundraising.giving.service import StartGift
from fundraising.i18n import gettext as _
from fundraising.i18n import language
from fundraising.payments import service as payments
from fundraising.payments.providers.base import (
    PayKind,
    Product,
    ProviderRejected,
    ProviderUnavailable,
)

bp = Blueprint("giving", __name__)
JUST_NOW = timedelta(minutes=30)


@bp.route("/c/<slug>/donate", methods=["GET", "POST"])
@public
@limiter.limit(checkouts.CROWD, methods=["POST"])
@limiter.limit(checkouts.CHECKOUTS, key_func=browsers.device, methods=["POST"])
def donate(slug: str) -> ResponseReturnValue:
    """Show the form, or start the gift it describes and go to pay."""
    campaign = campaigns.get_public(slug)
    if not campaign.is_open:
        raise CampaignNotOpen
    form = DonateForm(campaign, may_repeat=mandates.is_offered(campaign))
    if request.method == "GET":
        browsers.know()
        if browsers.is_stranger_inside_wechat():
            return browsers.become_known(request.full_path)
        _prefill(form, campaign)
        return _form_page(form, campaign)
    if not form.validate():
        return _form_page(form, campaign, 422)
    try:
        gift = _start(form, campaign)
    except PuzzleWanted as wanted:
        return checkouts.puzzle_page(wanted, campaign, form.amount.minor if form.amount else 0)
    except DomainError as refused:
        form.own_amount.errors = [str(refused.message)]
        return _form_page(form, campaign, int(refused.status))
    browsers.remember(gift)
    checkouts.open_order(gift, campaign)
    return redirect(url_for(".pay", order_no=gift.order_no), 303)


def _start(form: DonateForm, campaign: Campaign) -> Gift:
    amount = form.amount
    assert amount is not None
    along: Along = entrance.alone
    often = ""
    product = checkouts.product(form.product.data)
    if form.is_monthly:
        product = ways.kept(product)
        along, often = (
            monthly_words.promised(form, campaign, product),
            f":m{form.day.data}{product.provider[:1]}",
        )
    asked = StartGift(
        campaign_slug=campaign.slug,
        amount=amount,
        product=product,
        idempotency_key=f"{form.key.data[:60]}{often}",
        display=Display(form.display.data),
        name=form.name.data or "",
        email=form.email.data or "",
        message=form.message.data or "",
        wants_fiscal_receipt=form.fiscal.data == "yes",
        locale=language(),
        receipt_rule=form.rule,
        payer_name=form.payer_name.data or "",
        payer_tax_no=form.payer_tax_no.data or "",
    )

    def entered(order: StartGift) -> Gift:
        visit = partial(checkouts.visit, campaign, amount.minor)
        return entrance.start(order, visit, checkouts.solution(), along)

    try:
        return entered(asked)
    except IdempotencyConflict:  # Back, changed, sent again: another order, but that one once too
        key = f"{form.key.data[:40]}:{asked.body_hash()[:32]}{often}"
        return entered(replace(asked, idempotency_key=key))


def _prefill(form: DonateForm, campaign: Campaign) -> None:
    wanted = request.args.get("amount", "")
    offered = [f"{fen / 100:.2f}".removesuffix(".00") for fen in campaign.preset_amounts_fen]
    if wanted in offered:
        form.preset.data = wanted
    elif wanted:
        form.own_amount.data = wanted[:16]


def _form_page(form: DonateForm, campaign: Campaign, status: int = 200) -> ResponseReturnValue:
    unpaid, given = _orders_here(campaign) if request.method == "GET" else (None, None)
    page = render_template(
        "giving/donate.html",
        form=form,
        campaign=campaign,
        demo=campaign.is_demo,
        unpaid=unpaid,
        given=given,
        ways=ways.offered(browsers.agent()),
        may_agree=contracts.may_offer(browsers.agent()),
        words=monthly_words,
        may_charge=ways.kept(Product.STRIPE_CHECKOUT) is Product.STRIPE_KEEP,
    )
    return browsers.not_kept(page, status)


@bp.get("/pay/<order_no>")
@public
def pay(order_no: str) -> ResponseReturnValue:
    """Show how to pay, until it is paid or its time is over."""
    gift = queries.by_order_no(order_no)
    if gift.is_paid:
        flash(_("You have paid this gift already; nothing more is charged."), "ok")
        return redirect(url_for(".result", order_no=order_no), 303)
    attempt = payments.latest(gift.id)
    campaign = campaigns.get_by_id(gift.campaign_id)
    others = instructions.other_ways(attempt)
    values = {
        "gift": gift,
        "campaign": campaign,
        "attempt": attempt,
        "others": others,
        "demo": campaign.is_demo,
    }
    if attempt is None or not attempt.is_live or attempt.expires_at <= clock.now():
        return browsers.not_kept(render_template("giving/pay_over.html", **values))
    if checkouts.needs_openid(attempt) and not session.get("oauth_failed"):
        return browsers.become_known(url_for(".pay", order_no=order_no))
    if not attempt.instruction:
        is_known = attempt.product == Product.WECHATPAY_JSAPI and browsers.openid() is not None
        page = render_template("giving/pay_away.html", is_known=is_known, **values)
        return browsers.not_kept(page, 200 if is_known else 503)
    instruction = payments.instruction_of(attempt)
    if instruction.kind is PayKind.TRANSFER:
        return browsers.not_kept(
            render_template(
                "giving/pay_transfer.html", **values, **instructions.transfer(instruction)
            )
        )
    return browsers.not_kept(
        render_template("giving/pay.html", **values, **instructions.shown(attempt, instruction))
    )


@bp.post("/pay/<order_no>/again")
@public
@limiter.limit(checkouts.CROWD)
@limiter.limit(checkouts.CHECKOUTS, key_func=browsers.device)
def pay_again(order_no: str) -> ResponseReturnValue:
    """Start another attempt: another way to pay, or because the first one's time was over."""
    gift = queries.by_order_no(order_no)
    if gift.is_paid:
        return redirect(url_for(".result", order_no=order_no), 303)
    campaign = campaigns.get_by_id(gift.campaign_id)
    try:
        entrance.again(
            gift,
            checkouts.product(request.form.get("product")),
            checkouts.visit(campaign, gift.amount_fen),
            checkouts.solution(),
        )
    except PuzzleWanted as wanted:
        return checkouts.puzzle_page(wanted, campaign, gift.amount_fen)
    checkouts.open_order(gift, campaign)
    return redirect(url_for(".pay", order_no=order_no), 303)


@bp.post("/pay/<order_no>/open")
@public
@limiter.limit("30 per minute", key_func=browsers.device)
def open_again(order_no: str) -> ResponseReturnValue:
    """Open an order whose provider did not answer before; the same number, so nothing is charged twice."""
    gift = queries.by_order_no(order_no)
    session.pop("oauth_failed", None)
    checkouts.open_order(gift, campaigns.get_by_id(gift.campaign_id))
    return redirect(url_for(".pay", order_no=order_no), 303)


@bp.post("/pay/<order_no>/check")
@public
@limiter.limit("30 per minute", key_func=browsers.device)
def check(order_no: str) -> ResponseReturnValue:
    """Let the provider be asked now; the result page shows what it says."""
    gift = queries.by_order_no(order_no)
    with transaction():
        payments.ask_now(gift.id)
    return redirect(url_for(".result", order_no=order_no), 303)


@bp.get("/pay/<order_no>/result")
@public
def result(order_no: str) -> ResponseReturnValue:
    """Show what the books say of an order; what the browser brings along proves nothing."""
    gift = queries.by_order_no(order_no)
    campaign = campaigns.get_by_id(gift.campaign_id)
    is_own = order_no in session.get("orders", []) or current_user.is_authenticated
    if gift.is_paid and is_own:
        return redirect(url_for(".thanks", token=gift.token), 303)
    page = render_template(
        "giving/result.html",
        gift=gift,
        campaign=campaign,
        demo=campaign.is_demo,
        is_transfer=gift.channel == Product.BANK_TRANSFER.provider,
    )
    return browsers.not_kept(page)


@bp.get("/pay/<order_no>/back")
@public
def back(order_no: str) -> ResponseReturnValue:
    """Take a browser back from a provider's page: what it brings only decides whether we ask at once."""
    gift = queries.by_order_no(order_no)
    brought = request.args.get("out_trade_no", "")
    if gift.is_paid or not payments.is_genuine_return(gift.id, request.query_string, brought):
        return redirect(url_for(".result", order_no=order_no), 303)
    campaign = campaigns.get_by_id(gift.campaign_id)
    page = render_template("giving/back.html", gift=gift, campaign=campaign, demo=campaign.is_demo)
    return browsers.not_kept(page)


@bp.get("/thanks/<token>")
@public
def thanks(token: str) -> ResponseReturnValue:
    """Thank the donor, and say what comes next."""
    gift = queries.by_token(token)
    if not gift.is_paid:
        return redirect(url_for(".result", order_no=gift.order_no), 303)
    campaign = campaigns.get_by_id(gift.campaign_id)
    page = render_template(
        "giving/thanks.html",
        gift=gift,
        campaign=campaign,
        demo=campaign.is_demo,
        link=f"{current_app.extensions['settings'].public_url}/t/{gift.token}",
        monthly=_monthly(gift),
        may_agree=contracts.may_offer(browsers.agent()),
        has_email=bool(people.read(gift.id).email),
    )
    return browsers.secret(page)


def _monthly(gift: Gift) -> Mandate | None:
    """Return the promise of which this gift is part, only in the browser that gave it: the page may be shown around."""
    return mandate_queries.of_gift(gift.id) if gift.order_no in session.get("orders", []) else None


@bp.get("/wechat/openid")
@public
def openid_return() -> ResponseReturnValue:
    """Take the code that WeChat gives silently, and go on to where the browser came from."""
    expected, back = session.pop("oauth_state", None), session.pop("oauth_back", "/")
    if expected and request.args.get("state") == expected:
        try:
            code = request.args.get("code", "")
            session["openid"] = payments.in_app_provider("wechatpay").openid(code)
        except (ProviderUnavailable, ProviderRejected):
            session["oauth_failed"] = True
    return redirect(back, 303)


def _orders_here(campaign: Campaign) -> tuple[Gift | None, Gift | None]:
    """Return this browser's order that waits to be paid, for a second tab, and the one just paid, for Back."""
    found = [
        gift
        for gift in queries.by_order_nos(session.get("orders", []))
        if gift.campaign_id == campaign.id
    ]
    now = clock.now()
    unpaid = [
        g
        for g in found
        if g.state in ("created", "pending") and g.expires_at and g.expires_at > now
    ]
    given = [g for g in found if g.paid_at and g.state == "paid" and g.paid_at > now - JUST_NOW]
    return (unpaid[0] if unpaid else None), (given[0] if given else None)
