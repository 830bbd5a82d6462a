"""The money desk of staff: what does not fit, what goes back, and each channel's day against bill and bank."""

from datetime import date, timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import transaction
from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.giving import (
    foreign_refunds,
    platform_refunds,
    queries,
    refunds,
    resolving,
    transfer_refunds,
    words,
)
from fundraising.giving.errors import PaidInForeignMoney
from fundraising.giving.forms import RefundForm
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger
from fundraising.money import Money, MoneyError
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.payments import differences, facts, reconciliation
from fundraising.payments import refunds as payment_refunds
from fundraising.payments import reviews as review_desk
from fundraising.payments import service as payments
from fundraising.payments.models import Refund, RefundStage
from fundraising.payments.reconciliation_models import Reconciliation

bp = Blueprint("money_desk", __name__, url_prefix="/staff")
HELD = (
    (chart.SUSPENSE, _l("Nobody can place it yet")),
    (chart.UNAPPLIED, _l("Paid twice, to go back")),
    (chart.TO_BE_COVERED, _l("Refunds the chapter must cover")),
)


@bp.app_context_processor
def _words() -> dict[str, object]:
    return {"money_words": words}


# ---------------------------------------------------------------------- money to look into


@bp.get("/reviews")
@staff_may("finance.post")
def reviews() -> ResponseReturnValue:
    """Show money that does not fit its order, with its owner and what may be done."""
    return _reviews_page()


def _reviews_page(at: UUID | None = None, refused: str = "") -> str:
    """Return the queue; at one of its reviews what was typed, and why it was refused."""
    found = review_desk.open_reviews()
    return render_template(
        "giving/desk_reviews.html",
        reviews=found,
        names=accounts.names_of({r.owner_id for r in found if r.owner_id}),
        gifts=refunds.gifts_of_attempts({r.attempt_id for r in found if r.attempt_id}),
        campaigns=campaigns.list_all(),
        held=[(label, ledger.balance(account)) for account, label in HELD],
        at=at,
        refused=refused,
        elsewhere=PaidInForeignMoney.message,
    )


@bp.post("/reviews/<uuid:review_id>")
@staff_may("finance.post")
def decide_review(review_id: UUID) -> ResponseReturnValue:
    """Take a review, do what it asks for, or close it with a note; taking it keeps what was typed."""
    what, note = request.form.get("do", "close"), request.form.get("note", "")
    try:
        with transaction():
            done = _decide(review_id, what, note)
    except NotFound:
        raise
    except DomainError as refused:
        return _reviews_page(review_id, str(refused.message)), int(refused.status)
    flash(done, "ok")
    if what == "take" and note.strip():
        return _reviews_page(review_id)
    return redirect(url_for(".reviews"), 303)


def _decide(review_id: UUID, what: str, note: str) -> str:
    """Do one thing about a review and return what was done, in words."""
    actor_id = current_user.id
    match what:
        case "take":
            review_desk.take(review_id, actor_id)
            audit.record("review.taken", f"review:{review_id}", actor_id, {})
            return str(_("It is yours now."))
        case "accept":
            resolving.accept_amount(review_id, note=note, actor_id=actor_id)
            return str(_("It is the gift’s amount now."))
        case "give":
            campaign = campaigns.get(request.form.get("campaign", ""))
            resolving.give_to(review_id, campaign, note=note, actor_id=actor_id)
            return str(_("It is a gift of this campaign now."))
        case "refund":
            refunds.propose_for(review_id, reason=note, actor_id=actor_id)
            return str(_("The refund waits for a second person."))
        case "book":
            platform_refunds.book_told(review_id, note=note, actor_id=actor_id)
            return str(_("The refund is booked."))
        case "take_back":
            foreign_refunds.take_back(review_id, note=note, actor_id=actor_id)
            return str(_("The gift is taken back."))
        case "cover":
            refunds.cover(review_id, actor_id)
            review_desk.close(review_id, actor_id, note or str(_("Covered.")))
            return str(_("Covered and closed."))
        case _:
            resolving.close(review_id, note=note, actor_id=actor_id)
            return str(_("Closed."))


# ---------------------------------------------------------------------- refunds


@bp.get("/refunds")
@staff_may("finance.view")
def refund_list() -> ResponseReturnValue:
    """Show refunds that wait, those on their way, and the latest that are over."""
    return _refunds_page()


def _refunds_page(refused: str = "") -> str:
    waiting, over = payment_refunds.waiting(), payment_refunds.finished()
    people = {r.requested_by for r in [*waiting, *over]} | {
        r.approved_by for r in [*waiting, *over]
    }
    return render_template(
        "giving/desk_refunds.html",
        waiting=waiting,
        over=over,
        gifts=refunds.gifts_of([*waiting, *over]),
        disputes=facts.disputes([r.attempt_id for r in [*waiting, *over] if r.is_external]),
        names=accounts.names_of({person for person in people if person}),
        to_send=transfer_refunds.waiting(),
        refused=refused,
    )


@bp.route("/orders/<ref>/refund", methods=["GET", "POST"])
@staff_may("finance.post")
def ask_refund(ref: str) -> ResponseReturnValue:
    """Ask for money of a gift to go back to the payment it came from."""
    gift = queries.by_ref(ref)
    attempt = refunds.payment_of(gift)
    form = RefundForm()
    status = 200
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                with transaction():
                    asked = refunds.request(
                        gift,
                        _amount(form.amount.data or ""),
                        reason=form.reason.data or "",
                        actor_id=current_user.id,
                        seen_fen=form.seen.data,
                    )
                flash(_asked(asked), "ok")
                return redirect(url_for(".refund_list"), 303)
            except DomainError as refused:
                form.amount.errors = [str(refused.message)]
    page = render_template(
        "giving/desk_refund.html",
        gift=gift,
        attempt=attempt,
        form=form,
        foreign=facts.foreign_payment(attempt.id) if attempt else None,
        elsewhere=PaidInForeignMoney.message,
    )
    return page, status


def _asked(refund: Refund) -> str:
    is_waiting = refund.state == RefundStage.PROPOSED
    return str(_("The refund waits for a second person.") if is_waiting else _("It is on its way."))


@bp.post("/refunds/<uuid:refund_id>")
@staff_may("finance.post")
def decide_refund(refund_id: UUID) -> ResponseReturnValue:
    """Let a refund go, as a second person, or give it up."""
    is_approved = request.form.get("do") == "approve"
    try:
        with transaction():
            if is_approved:
                refunds.approve(refund_id, current_user.id)
            else:
                payment_refunds.cancel(refund_id, current_user.id)
    except NotFound:
        raise
    except DomainError as refused:
        return _refunds_page(str(refused.message)), int(refused.status)
    flash(_("Approved. It is on its way.") if is_approved else _("The refund is given up."), "ok")
    return redirect(url_for(".refund_list"), 303)


def _amount(text: str) -> Money:
    try:
        amount = Money.parse_yuan(text.strip())
    except MoneyError:
        raise Invalid(_l("Write an amount in yuan with at most two decimals.")) from None
    if not amount.minor:
        raise Invalid(_l("The amount must be more than zero."))
    return amount


# ---------------------------------------------------------------------- reconciliation


@bp.get("/reconciliation")
@staff_may("finance.view")
def days() -> ResponseReturnValue:
    """Show the latest days of every channel, and what still waits there."""
    channels = [p.name for p in payments.providers().values() if p.bill_kinds]
    return render_template(
        "giving/desk_days.html",
        days=reconciliation.days(),
        channels=channels,
        waiting=[(name, ledger.balance(chart.clearing(name))) for name in channels],
        held=[(label, ledger.balance(account)) for account, label in HELD],
        open_count=differences.count_open(),
        yesterday=clock.today() - timedelta(days=1),
    )


@bp.post("/reconciliation")
@staff_may("finance.post")
def run_day() -> ResponseReturnValue:
    """Let a worker reconcile a channel's day, now; again changes nothing."""
    channel = payments.provider(request.form.get("channel", ""))
    day = _day(request.form.get("day", ""))
    if day is None or day >= clock.today():
        raise Invalid(_l("A day can be reconciled when it is over."))
    with transaction():
        key = f"reconcile:{channel.name}:{day}:{clock.now().isoformat()}"
        outbox.add(Kind.RECONCILE, key, {"provider": channel.name, "day": day.isoformat()})
        audit.record("day.reconciled", f"{channel.name}:{day}", current_user.id, {})
    flash(_("The day is being reconciled. Open this page again in a moment."), "ok")
    return redirect(url_for(".days"), 303)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@bp.get("/reconciliation/<provider>/<day>")
@staff_may("finance.view")
def one_day(provider: str, day: str) -> ResponseReturnValue:
    """Show what bill, books and bank say of a day, and every difference it ever had."""
    asked = _day(day)
    found = reconciliation.find_day(provider, asked) if asked else None
    if found is None:
        raise NotFound
    return _day_page(found)


def _day_page(day: Reconciliation, at: UUID | None = None, refused: str = "") -> str:
    """Return a day; at one of its differences what was typed, and why it was refused."""
    listed = differences.of_day(day.id)
    people = {p for d in listed for p in (d.owner_id, d.explained_by, d.closed_by) if p}
    return render_template(
        "giving/desk_day.html",
        day=day,
        differences=listed,
        names=accounts.names_of(people),
        at=at,
        refused=refused,
    )


@bp.post("/differences/<uuid:difference_id>")
@staff_may("finance.post")
def decide_difference(difference_id: UUID) -> ResponseReturnValue:
    """Own a difference, say what it is, or close what somebody else explained.

    Who takes it has not said anything yet: what was typed stays in its box.
    """
    day = reconciliation.get(differences.get(difference_id).reconciliation_id)
    what, actor_id = request.form.get("do", ""), current_user.id
    said = request.form.get("explanation", "")
    try:
        with transaction():
            match what:
                case "take":
                    differences.take(difference_id, actor_id)
                case "explain":
                    differences.explain(difference_id, said, actor_id)
                case "close":
                    differences.close(difference_id, actor_id)
    except DomainError as refused:
        return _day_page(day, difference_id, str(refused.message)), int(refused.status)
    if what == "take":
        flash(_("It is yours now."), "ok")
        if said.strip():
            return _day_page(day, difference_id)
    return redirect(url_for(".one_day", provider=day.provider, day=day.day), 303)


nav.register_card(
    "finance.post",
    lambda: Card(
        _l("Money to look into"), review_desk.count_open(), "money_desk.reviews", is_urgent=True
    ),
)
nav.register_card(
    "finance.view",
    lambda: Card(
        _l("Differences to explain"), differences.count_open(), "money_desk.days", is_urgent=True
    ),
)
nav.register_card(
    "finance.post",
    lambda: Card(
        _l("Refunds to approve"), payment_refunds.count_proposed(), "money_desk.refund_list"
    ),
)
