"""Giving: the form, the payment page, the result, thanks."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from urllib.parse import quote
from uuid import UUID

from flask import (
    Blueprint,
    Response,
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

from config import Settings
from fundraising import clock, references
from fundraising.access import public
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.extensions import limiter, visitor
from fundraising.floods.errors import PuzzleWanted
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import Visit
from fundraising.giving import entrance, people, queries, ways
from fundraising.giving.entrance import Along
from fundraising.giving.errors import IdempotencyConflict
from fundraising.giving.forms import DonateForm
from fundraising.giving.mandates import queries as mandate_queries
from fundraising.giving.mandates import service as mandates
from fundraising.giving.mandates import words as monthly_words
from fundraising.giving.mandates.models import Mandate
from fundraising.giving.models import Display, Gift
from fundraising.giving.service import StartGift
from fundraising.i18n import gettext as _
from fundraising.i18n import language
from fundraising.payments import service as payments
from fundraising.payments import transfer_codes
from fundraising.payments.errors import AttemptOver, PaymentUnavailable
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import (
    Instruction,
    PayKind,
    Product,
    ProviderRejected,
    ProviderUnavailable,
)
from fundraising.qr import data_uri

bp = Blueprint("giving", __name__)
UNPAID_KEPT = 5
CHECKOUTS = "40 per minute; 400 per hour"
CROWD = "2000 per minute; 20000 per hour"
"""What one address may send in all. Checkouts have their gate; this only spares the machine, and five
hundred donors of one work unit must fit in, each with a puzzle, within a minute."""
PUZZLE_FIELDS = ("csrf_token", "puzzle", "puzzle_number", "puzzle_answer")


def device() -> str:
    """Name the browser for limits: its own cookie, else its address (many donors may share one)."""
    known = session.get("device")
    _know_device()
    return f"device:{known}" if known else f"address:{visitor()}"


def _know_device() -> None:
    """Give the browser its signed cookie with the form, so that its first gift is counted as its own."""
    session.setdefault("device", references.secret_token())


def _visit(campaign: Campaign, amount_fen: int) -> Visit:
    return Visit(request.remote_addr or "", session.get("device"), campaign.id, amount_fen)


def _solution() -> Solution | None:
    if not request.form.get("puzzle"):
        return None
    names = ("puzzle", "puzzle_number", "puzzle_answer")
    return Solution(*(request.form.get(name, "")[:200] for name in names))


def _puzzle_page(wanted: PuzzleWanted, campaign: Campaign, amount_fen: int) -> ResponseReturnValue:
    """Ask for the puzzle before the same form is sent again; what was filled in goes along."""
    page = render_template(
        "giving/puzzle.html",
        puzzle=wanted.puzzle,
        campaign=campaign,
        demo=campaign.is_demo,
        amount_fen=amount_fen,
        action=request.path,
        kept=[(n, v) for n, v in request.form.items() if n not in PUZZLE_FIELDS],
        is_wrong=_solution() is not None,
    )
    return _not_kept(page, int(wanted.status))


@bp.route("/c/<slug>/donate", methods=["GET", "POST"])
@public
@limiter.limit(CROWD, methods=["POST"])
@limiter.limit(CHECKOUTS, key_func=device, methods=["POST"])
def donate(slug: str) -> ResponseReturnValue:
    """Show the form, or start the gift it describes and go to pay."""
    campaign = campaigns.get_public(slug)
    if not campaign.is_open:
        raise CampaignNotOpen
    form = DonateForm(campaign, may_repeat=mandates.is_offered(campaign))
    if request.method == "GET":
        _know_device()
        if _is_stranger_inside_wechat():
            return _become_known(request.full_path)
        _prefill(form, campaign)
        return _form_page(form, campaign)
    if not form.validate():
        return _form_page(form, campaign, 422)
    try:
        gift = _start(form, campaign)
    except PuzzleWanted as wanted:
        return _puzzle_page(wanted, campaign, form.amount.minor if form.amount else 0)
    except DomainError as refused:
        form.own_amount.errors = [str(refused.message)]
        return _form_page(form, campaign, int(refused.status))
    _remember(gift)
    _open(gift, campaign)
    return redirect(url_for(".pay", order_no=gift.order_no), 303)


def _open(gift: Gift, campaign: Campaign) -> None:
    """Open the order at its provider, if it answers; the payment page offers to try again."""
    attempt = payments.latest(gift.id)
    if attempt is None or _needs_openid(attempt):
        return
    with suppress(PaymentUnavailable, AttemptOver):
        payments.open_checkout(
            attempt.id,
            campaign.title["zh"],
            return_url=ways.return_url(gift.order_no),
            openid=_openid(),
            client_ip=request.remote_addr,
        )


def _needs_openid(attempt: Attempt) -> bool:
    is_inside = attempt.product == Product.WECHATPAY_JSAPI
    return is_inside and _openid() is None and not attempt.instruction


def _start(form: DonateForm, campaign: Campaign) -> Gift:
    amount = form.amount
    assert amount is not None
    along: Along = entrance.alone
    often = ""
    if form.is_monthly:
        along, often = monthly_words.promised(form, campaign), f":m{form.day.data}"
    asked = StartGift(
        campaign_slug=campaign.slug,
        amount=amount,
        product=_product(form.product.data),
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
        visit = partial(_visit, campaign, amount.minor)
        return entrance.start(order, visit, _solution(), along)

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
    unpaid = _unpaid(campaign) if request.method == "GET" else None
    page = render_template(
        "giving/donate.html",
        form=form,
        campaign=campaign,
        demo=campaign.is_demo,
        unpaid=unpaid,
        ways=ways.offered(_agent()),
    )
    return _not_kept(page, status)


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
    values = {"gift": gift, "campaign": campaign, "attempt": attempt, "demo": campaign.is_demo}
    if attempt is None or not attempt.is_live or attempt.expires_at <= clock.now():
        return _not_kept(render_template("giving/pay_over.html", **values))
    if _needs_openid(attempt) and not session.get("oauth_failed"):
        return _become_known(url_for(".pay", order_no=order_no))
    if not attempt.instruction:
        is_known = attempt.product == Product.WECHATPAY_JSAPI and _openid() is not None
        page = render_template("giving/pay_away.html", is_known=is_known, **values)
        return _not_kept(page, 200 if is_known else 503)
    instruction = payments.instruction_of(attempt)
    if instruction.kind is PayKind.TRANSFER:
        return _not_kept(
            render_template("giving/pay_transfer.html", **values, **_transfer(instruction))
        )
    return _not_kept(render_template("giving/pay.html", **values, **_ways(attempt, instruction)))


def _transfer(instruction: Instruction) -> dict[str, object]:
    """Return what a donor types at the bank."""
    adapter = payments.provider(Product.BANK_TRANSFER.provider)
    return {
        "bank": adapter,
        "code": transfer_codes.shown(instruction.value),
        "others": [way for way in ways.offered(_agent()) if way.provider != adapter.name],
    }


def _ways(attempt: Attempt, instruction: Instruction) -> dict[str, object]:
    """Return what the payment page needs for an instruction."""
    settings: Settings = current_app.extensions["settings"]
    addresses = {
        "wechatpay": settings.wechatpay_simulator_url,
        "alipay": settings.alipay_simulator_url,
        "stripe": settings.stripe_simulator_url,
    }
    simulator = addresses.get(attempt.provider, "").rstrip("/")
    is_own_page = attempt.provider != "wechatpay" and instruction.kind is PayKind.REDIRECT
    shown: dict[str, object] = {
        "kind": instruction.kind.value,
        "is_alipay": attempt.provider == "alipay",
        "is_card": attempt.provider == "stripe",
        "others": [way for way in ways.offered(_agent()) if way.provider != attempt.provider],
    }
    if simulator and not is_own_page:
        shown["cashier"] = (
            f"{simulator}/cashier/{attempt.merchant_ref}?return={_return(attempt.order_id)}"
        )
    if instruction.kind is PayKind.QR:
        shown["qr"] = data_uri(instruction.value)
    elif is_own_page:
        shown["address"] = instruction.value  # whole, with the way back in it
    elif instruction.kind is PayKind.REDIRECT:
        shown["address"] = f"{instruction.value}&redirect_url={_return(attempt.order_id)}"
    else:
        adapter = payments.in_app_provider(attempt.provider)
        shown["bridge"] = adapter.jsapi_params(instruction.value, clock.now())
    return shown


def _return(gift_id: UUID) -> str:
    """Return the result page's address as it may stand inside another address."""
    gift = queries.by_id(gift_id)
    settings: Settings = current_app.extensions["settings"]
    return quote(f"{settings.public_url}/pay/{gift.order_no}/result", safe="")


@bp.post("/pay/<order_no>/again")
@public
@limiter.limit(CROWD)
@limiter.limit(CHECKOUTS, key_func=device)
def pay_again(order_no: str) -> ResponseReturnValue:
    """Start another attempt: another way to pay, or because the first one's time was over."""
    gift = queries.by_order_no(order_no)
    if gift.is_paid:
        return redirect(url_for(".result", order_no=order_no), 303)
    campaign = campaigns.get_by_id(gift.campaign_id)
    try:
        entrance.again(
            gift,
            _product(request.form.get("product")),
            _visit(campaign, gift.amount_fen),
            _solution(),
        )
    except PuzzleWanted as wanted:
        return _puzzle_page(wanted, campaign, gift.amount_fen)
    _open(gift, campaign)
    return redirect(url_for(".pay", order_no=order_no), 303)


@bp.post("/pay/<order_no>/open")
@public
@limiter.limit("30 per minute", key_func=device)
def open_again(order_no: str) -> ResponseReturnValue:
    """Open an order whose provider did not answer before; the same number, so nothing is charged twice."""
    gift = queries.by_order_no(order_no)
    session.pop("oauth_failed", None)
    _open(gift, campaigns.get_by_id(gift.campaign_id))
    return redirect(url_for(".pay", order_no=order_no), 303)


@bp.post("/pay/<order_no>/check")
@public
@limiter.limit("30 per minute", key_func=device)
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
    return _not_kept(page)


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
    return _not_kept(page)


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
        has_email=bool(people.read(gift.id).email),
    )
    return _secret(page)


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


def _is_stranger_inside_wechat() -> bool:
    """Whether this browser could be known silently, and is not: asked once, so a failure stops nobody."""
    agent = request.user_agent.string or ""
    is_inside = "wechatpay" in payments.providers() and "micromessenger" in agent.lower()
    return is_inside and _openid() is None and not session.get("oauth_asked")


def _become_known(back: str) -> ResponseReturnValue:
    session["oauth_asked"] = True
    session["oauth_state"], session["oauth_back"] = references.secret_token(), back
    settings: Settings = current_app.extensions["settings"]
    adapter = payments.in_app_provider("wechatpay")
    returned = f"{settings.public_url}{url_for('giving.openid_return')}"
    return redirect(adapter.openid_url(returned, session["oauth_state"]), 302)


def _openid() -> str | None:
    known: str | None = session.get("openid")
    return known


def _product(asked: str | None) -> Product:
    """Return the way to pay: the one asked for, else the one this browser can do."""
    return ways.chosen(asked, _agent())


def _agent() -> str:
    return request.user_agent.string or ""


def _remember(gift: Gift) -> None:
    orders = [n for n in session.get("orders", []) if n != gift.order_no]
    session["orders"] = [*orders, gift.order_no][-UNPAID_KEPT:]


def _unpaid(campaign: Campaign) -> Gift | None:
    """Return an order of this browser that still waits to be paid, for a second tab."""
    for order_no in reversed(session.get("orders", [])):
        try:
            gift = queries.by_order_no(order_no)
        except DomainError:
            continue
        is_waiting = gift.state in ("created", "pending") and gift.campaign_id == campaign.id
        if is_waiting and gift.expires_at and gift.expires_at > clock.now():
            return gift
    db.session.rollback()
    return None


def _not_kept(page: str, status: int = 200) -> Response:
    response = Response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _secret(page: str, status: int = 200) -> Response:
    """A page whose address is the permission: not kept, not indexed, its address told to no other site."""
    response = _not_kept(page, status)
    response.headers["Referrer-Policy"] = (
        "same-origin"  # with none, its own forms would come without an origin
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response
