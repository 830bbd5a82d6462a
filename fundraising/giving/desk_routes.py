"""The gift desk of staff: orders and their history, messages, imports, money to look into."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from sqlalchemy import func, select
from wtforms import SelectField
from wtforms.validators import InputRequired

from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.errors import DomainError, Invalid
from fundraising.files import service as files
from fundraising.funds import queries as funds
from fundraising.giving import imports, queries, refunds, service
from fundraising.giving.models import Gift, GiftImport, MessageState
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger.models import JournalEntry
from fundraising.payments import service as payments
from fundraising.payments.models import ProviderFact

bp = Blueprint("gift_desk", __name__, url_prefix="/staff")


class ImportForm(FlaskForm):
    """A gift file and where it belongs."""

    campaign = SelectField(_l("Campaign"), [InputRequired(_l("Please fill this in."))])
    file = FileField(_l("Gift file (CSV or XLSX)"), [FileRequired(_l("Choose a file first."))])


@bp.get("/orders")
@staff_may("gift.view")
def orders() -> ResponseReturnValue:
    """Find an order by any of its numbers; without one, show the latest."""
    asked = request.args.get("q", "").strip()
    if asked:
        found = _find(asked)
        if found is not None:
            return redirect(url_for(".order", ref=found.ref), 303)
        flash(_("There is no order with this number."), "error")
    latest = select(Gift).order_by(Gift.id.desc()).limit(50)
    return render_template(
        "giving/desk_orders.html", gifts=list(db.session.execute(latest).scalars()), q=asked
    )


@bp.get("/orders/<ref>")
@staff_may("gift.view")
def order(ref: str) -> ResponseReturnValue:
    """Show an order with everything that was said and booked about it."""
    gift = queries.by_ref(ref)
    attempts = payments.attempts_of(gift.id)
    facts = list(
        db.session.execute(
            select(ProviderFact)
            .where(ProviderFact.attempt_id.in_([a.id for a in attempts]))
            .order_by(ProviderFact.recorded_at)
        ).scalars()
    )
    keys = [f"fact:{f.id}" for f in facts] + [f"gift:{gift.channel}:{gift.external_ref}"]
    booked = select(JournalEntry).where(JournalEntry.key.in_(keys)).order_by(JournalEntry.id)
    return render_template(
        "giving/desk_order.html",
        gift=gift,
        campaign=campaigns.get_by_id(gift.campaign_id),
        attempts=attempts,
        facts=facts,
        entries=list(db.session.execute(booked).scalars()),
        trace=funds.trace(gift.id),
        refunds=refunds.of_gift(gift),
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
    return render_template("giving/desk_messages.html", gifts=queries.waiting_messages())


@bp.post("/messages/<uuid:gift_id>")
@staff_may("campaign.edit")
def moderate(gift_id: UUID) -> ResponseReturnValue:
    """Let a message be seen, or not."""
    with transaction():
        service.moderate(gift_id, current_user.id, is_approved=request.form.get("show") == "1")
    return redirect(url_for(".messages"), 303)


@bp.route("/imports", endpoint="imports", methods=["GET", "POST"])
@staff_may("gift.import")
def import_page() -> ResponseReturnValue:
    """Take a gift file, show what importing it would do, and keep it until that is confirmed."""
    form = ImportForm()
    form.campaign.choices = [(c.slug, c.title["zh"]) for c in campaigns.list_all()]
    done = select(GiftImport).order_by(GiftImport.id.desc()).limit(20)
    history = list(db.session.execute(done).scalars())
    if request.method == "GET":
        return render_template("giving/desk_import.html", form=form, history=history)
    if not form.validate():
        return render_template("giving/desk_import.html", form=form, history=history), 422
    data, name = form.file.data.read(), form.file.data.filename or "gifts.csv"
    try:
        planned = imports.plan(campaigns.get(form.campaign.data), data, name)
    except DomainError as refused:
        form.file.errors = [str(refused.message)]
        return render_template("giving/desk_import.html", form=form, history=history), 422
    with transaction():
        kept = files.store_upload(data, name)
    return render_template(
        "giving/desk_import_plan.html", plan=planned, campaign=form.campaign.data, file_id=kept.id
    )


@bp.post("/imports/apply")
@staff_may("gift.import")
def apply_import() -> ResponseReturnValue:
    """Book the gifts of a file that was looked at."""
    file_id = request.form.get("file_id", type=UUID)
    if file_id is None:
        raise Invalid
    campaign = campaigns.get(request.form.get("campaign", ""))
    stored = files.get(file_id)
    planned = imports.plan(campaign, files.read(file_id), stored.name)
    record = imports.apply(campaign, planned, current_user.id)
    flash(_("%(count)s gifts were booked.", count=record.new_count), "ok")
    return redirect(url_for(".imports"), 303)


def _messages_card() -> Card:
    query = select(func.count()).select_from(Gift)
    query = query.where(Gift.message_state == MessageState.PENDING, Gift.paid_at.is_not(None))
    return Card(
        _l("Messages to read"), db.session.execute(query).scalar_one(), "gift_desk.messages"
    )


nav.register_card("campaign.edit", _messages_card)
