"""My gift: where its fen went, how I am named, my data; and finding it again."""

import secrets
from datetime import timedelta

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from fundraising import clock, references, sealing
from fundraising.access import public
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.equipment import queries as equipment
from fundraising.extensions import limiter
from fundraising.funds import queries as funds
from fundraising.giving import browsers, panels, people, queries, returns, service
from fundraising.giving.forms import CodeForm, DisplayForm, FindForm
from fundraising.giving.models import Display, FindCode, Gift
from fundraising.i18n import gettext as _
from fundraising.mail import service as mail
from fundraising.money import Money
from fundraising.payments import service as payments

bp = Blueprint("mine", __name__)
CODE_MINUTES = 10
MOST_TRIES = 5
MOST_LETTERS = 5
ADDRESS_TRIES = "60 per minute; 300 per hour"


@bp.get("/t/<token>")
@public
def trace(token: str) -> ResponseReturnValue:
    """Show a gift to the fen: what it paid, where that hangs, what is unspent."""
    gift = queries.by_token(token)
    campaign = campaigns.get_by_id(gift.campaign_id)
    traced = funds.trace(gift.id)
    again = returns.of_gift(gift.id)
    traces = [found for found in (traced, *(one.trace for one in again)) if found]
    places = equipment.places([d.unit_id for found in traces for d in found.draws if d.unit_id])
    person = people.read(gift.id)
    page = render_template(
        "giving/trace.html",
        gift=gift,
        campaign=campaign,
        demo=campaign.is_demo,
        trace=traced,
        places=places,
        again=again,
        disputed_fen=min(returns.disputed_fen(gift.id), traced.refunded_fen) if traced else 0,
        panels=panels.panels(gift),
        has_person=bool(person.name or person.email),
        form=DisplayForm(display=gift.display),
    )
    return browsers.secret(page)


@bp.post("/t/<token>/display")
@public
@limiter.limit("20 per minute", key_func=browsers.device)
def display(token: str) -> ResponseReturnValue:
    """Change how the donor is named, or take the message away."""
    gift = queries.by_token(token)
    with transaction():
        if "withdraw" in request.form:
            service.withdraw_message(gift)
        else:
            asked = request.form.get("display", "")
            wanted = Display(asked) if asked in set(Display) else Display.ANONYMOUS
            service.change_display(gift, wanted, request.form.get("name", ""))
    flash(_("Saved."), "ok")
    return redirect(url_for(".trace", token=token), 303)


@bp.route("/t/<token>/erase", methods=["GET", "POST"])
@public
@limiter.limit("20 per minute", key_func=browsers.device, methods=["POST"])
def erase(token: str) -> ResponseReturnValue:
    """Destroy the donor's personal data after a page that says what that means."""
    gift = queries.by_token(token)
    if request.method == "GET":
        campaign = campaigns.get_by_id(gift.campaign_id)
        return browsers.secret(
            render_template("giving/erase.html", gift=gift, demo=campaign.is_demo)
        )
    with transaction():
        people.erase(gift)
    flash(_("Your name, address and message are gone. The gift stays in the books."), "ok")
    return redirect(url_for(".trace", token=token), 303)


# ---------------------------------------------------------------------- finding


@bp.route("/find", methods=["GET", "POST"])
@public
@limiter.limit(ADDRESS_TRIES, methods=["POST"])
@limiter.limit("10 per minute", key_func=browsers.device, methods=["POST"])
def find() -> ResponseReturnValue:
    """Find a gift by a number from the payer's bill, its amount, and a one-time code by e-mail.

    The numbers are 24 random characters that stand only in the payer's own bill, so whoever knows
    number and amount is taken for the payer. Where an address is on file the code goes only there;
    otherwise to the address written now. The answer is the same whether or not there is such a gift.
    """
    form = FindForm()
    if not form.validate_on_submit():
        status = 422 if request.method == "POST" else 200
        return browsers.not_kept(render_template("giving/find.html", form=form), status)
    gift = _gift_as_typed(form.number.data, Money.parse_yuan(form.amount.data))
    with transaction():
        if gift is not None and _has_enough_letters(gift):
            gift = None
        row, code = _new_code(gift)
        if gift is not None:
            to = people.read(gift.id).email or form.email.data
            mail.send(
                f"find:{row.id}",
                "find",
                to=to,
                subject=_("Your code to find your gift"),
                body=_("Your code is %(code)s. It holds for ten minutes.", code=code),
            )
    session["find"] = str(row.id)
    return redirect(url_for(".find_code"), 303)


@bp.route("/find/code", methods=["GET", "POST"])
@public
@limiter.limit(ADDRESS_TRIES, methods=["POST"])
@limiter.limit("20 per minute", key_func=browsers.device, methods=["POST"])
def find_code() -> ResponseReturnValue:
    """Take the code and open the gift; five tries, ten minutes, one use."""
    form = CodeForm()
    if not form.validate_on_submit():
        status = 422 if request.method == "POST" else 200
        return browsers.not_kept(render_template("giving/find_code.html", form=form), status)
    with transaction():
        gift = _redeem(session.get("find", ""), form.code.data.strip())
    if gift is None:
        form.code.errors = [_("This code is wrong or no longer valid.")]
        return browsers.not_kept(render_template("giving/find_code.html", form=form), 422)
    session.pop("find", None)
    return redirect(url_for(".trace", token=gift.token), 303)


def _gift_as_typed(number: str, amount: Money) -> Gift | None:
    """Return the gift of a number that somebody copied by hand: our own have capitals and no spaces."""
    joined = "".join(number.split())
    return _gift_of(joined, amount) or _gift_of(joined.upper(), amount)


def _gift_of(number: str, amount: Money) -> Gift | None:
    attempt = payments.find(number)
    if attempt is not None:
        gift: Gift | None = queries.by_id(attempt.order_id)
    else:
        query = select(Gift).where(
            (Gift.order_no == number) | (Gift.external_ref == number),
            Gift.amount_fen == amount.minor,  # two platforms may use one number
        )
        gift = db.session.execute(query.order_by(Gift.id).limit(1)).scalar_one_or_none()
    is_right = gift is not None and gift.is_paid and gift.amount_fen == amount.minor
    return gift if is_right else None


def _has_enough_letters(gift: Gift) -> bool:
    """Whether this hour's codes for a gift are used up: nobody fills a donor's mailbox or guesses on and on."""
    since = clock.now() + timedelta(minutes=CODE_MINUTES) - timedelta(hours=1)
    query = select(func.count()).select_from(FindCode)
    recent = query.where(FindCode.gift_id == gift.id, FindCode.expires_at > since)
    return db.session.execute(recent).scalar_one() >= MOST_LETTERS


def _new_code(gift: Gift | None) -> tuple[FindCode, str]:
    code = references.one_time_code()
    row = FindCode(
        gift_id=gift.id if gift else None,
        code_hash="",
        expires_at=clock.now() + timedelta(minutes=CODE_MINUTES),
    )
    db.session.add(row)
    db.session.flush()
    row.code_hash = sealing.fingerprint("find", f"{row.id}:{code}")
    db.session.flush()
    return row, code


def _redeem(row_id: str, code: str) -> Gift | None:
    query = select(FindCode).where(FindCode.id == row_id).with_for_update()
    row = db.session.execute(query).scalar_one_or_none() if row_id else None
    if row is None or row.used_at or row.tries >= MOST_TRIES or row.expires_at < clock.now():
        return None
    row.tries += 1
    is_right = secrets.compare_digest(
        row.code_hash, sealing.fingerprint("find", f"{row.id}:{code}")
    )
    if not is_right or row.gift_id is None:
        return None
    row.used_at = clock.now()
    return queries.by_id(row.gift_id)
