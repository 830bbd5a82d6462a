"""Staff pages of campaigns: edit with preview, move through the life cycle, write updates."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Figure
from fundraising.campaigns import queries, service
from fundraising.campaigns.errors import ImpossibleStep
from fundraising.campaigns.forms import CampaignForm, ImageForm, StepForm, UpdateForm, defaults
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.files import service as files
from fundraising.funds import queries as funds
from fundraising.i18n import fen, pick
from fundraising.i18n import gettext as _
from fundraising.twins import SentTwice

bp = Blueprint("campaigns", __name__, url_prefix="/staff/campaigns")
MAY_EDIT = "campaign.edit"
UNPROCESSABLE = 422


@bp.get("/")
@staff_may(MAY_EDIT)
def index() -> ResponseReturnValue:
    """List every campaign, drafts included."""
    return render_template("campaigns/index.html", campaigns=queries.list_all())


@bp.route("/new", methods=["GET", "POST"])
@staff_may(MAY_EDIT)
def new() -> ResponseReturnValue:
    """Write a new draft."""
    form = CampaignForm(
        data=None if request.method == "POST" else {"minimum": "1", "maximum": "50000"}
    )
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("campaigns/edit.html", form=form, campaign=None), status
    try:
        with transaction():
            campaign = service.create(form.slug.data, form.facts(), current_user.id)
    except IntegrityError:
        form.slug.errors = [_("Another campaign has this address already.")]
        return render_template("campaigns/edit.html", form=form, campaign=None), UNPROCESSABLE
    flash(_("The draft is kept."), "ok")
    return redirect(url_for(".show", slug=campaign.slug), 303)


@bp.get("/<slug>")
@staff_may(MAY_EDIT)
def show(slug: str) -> ResponseReturnValue:
    """Show what a campaign lacks before it can go public, its updates and its next steps."""
    campaign = queries.get(slug)
    return render_template(
        "campaigns/show.html",
        campaign=campaign,
        missing=service.missing_legal_facts(campaign),
        steps=sorted(service.STEPS[CampaignState(campaign.state)]),
        updates=queries.staff_updates(campaign.id),
        step_form=StepForm(),
        image_form=ImageForm(),
    )


@bp.route("/<slug>/edit", methods=["GET", "POST"])
@staff_may(MAY_EDIT)
def edit(slug: str) -> ResponseReturnValue:
    """Edit a campaign; *preview* shows it without keeping it."""
    campaign = queries.get(slug)
    form = CampaignForm(data=None if request.method == "POST" else defaults(campaign))
    if request.method == "GET":
        return render_template("campaigns/edit.html", form=form, campaign=campaign)
    if not form.validate():
        return render_template("campaigns/edit.html", form=form, campaign=campaign), UNPROCESSABLE
    if "preview" in request.form:
        facts = form.facts()
        return render_template("campaigns/edit.html", form=form, campaign=campaign, preview=facts)
    return _save(campaign, form)


def _save(campaign: Campaign, form: CampaignForm) -> ResponseReturnValue:
    slug = campaign.slug
    try:
        with transaction():
            service.edit(
                campaign, form.facts(), version=form.version.data or 0, actor_id=current_user.id
            )
    except DomainError as refused:
        flash(str(refused.message), "error")
        page = render_template("campaigns/edit.html", form=form, campaign=queries.get(slug))
        return page, int(refused.status)
    flash(_("The campaign is saved."), "ok")
    return redirect(url_for(".show", slug=slug), 303)


@bp.post("/<slug>/move")
@staff_may(MAY_EDIT)
def move(slug: str) -> ResponseReturnValue:
    """Take the campaign to another state."""
    asked = request.form.get("to", "")
    with transaction():
        service.move(queries.get(slug), _state(asked), current_user.id)
    flash(_("The campaign has a new state."), "ok")
    return redirect(url_for(".show", slug=slug), 303)


def _state(name: str) -> CampaignState:
    if name not in set(CampaignState):
        raise ImpossibleStep(to=name)
    return CampaignState(name)


@bp.post("/<slug>/image")
@staff_may(MAY_EDIT)
def image(slug: str) -> ResponseReturnValue:
    """Put a picture on top of the campaign; it is re-encoded and loses its metadata."""
    form = ImageForm()
    if not form.validate():
        flash(_("Choose a picture first."), "error")
        return redirect(url_for(".show", slug=slug), 303)
    with transaction():
        stored = files.store_photo(form.image.data.read(), is_public=True)
        service.set_image(queries.get(slug), stored.id, current_user.id)
    flash(_("The picture is shown."), "ok")
    return redirect(url_for(".show", slug=slug), 303)


@bp.route("/<slug>/updates/new", methods=["GET", "POST"])
@staff_may(MAY_EDIT)
def new_update(slug: str) -> ResponseReturnValue:
    """Write an update; it stays a draft until it is published from its preview."""
    campaign = queries.get(slug)
    form = UpdateForm()
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("campaigns/update_edit.html", form=form, campaign=campaign), status
    try:
        with transaction():
            draft = service.write_update(campaign, form.title(), form.body(), current_user.id)
    except SentTwice as twice:
        flash(str(twice.message), "wait")
        return redirect(url_for(".preview_update", slug=slug, update_id=twice.extra["id"]), 303)
    return redirect(url_for(".preview_update", slug=slug, update_id=draft.id), 303)


@bp.get("/<slug>/updates/<uuid:update_id>")
@staff_may(MAY_EDIT)
def preview_update(slug: str, update_id: UUID) -> ResponseReturnValue:
    """Show an update as donors will see it, with the button that publishes it."""
    return render_template(
        "campaigns/update_preview.html",
        campaign=queries.get(slug),
        update=queries.get_update(update_id),
        form=StepForm(),
    )


@bp.route("/<slug>/updates/<uuid:update_id>/edit", methods=["GET", "POST"])
@staff_may(MAY_EDIT)
def edit_update(slug: str, update_id: UUID) -> ResponseReturnValue:
    """Change an update."""
    campaign, written = queries.get(slug), queries.get_update(update_id)
    values = {
        "title_zh": written.title.get("zh"),
        "title_en": written.title.get("en"),
        "body_zh": written.body.get("zh"),
        "body_en": written.body.get("en"),
    }
    form = UpdateForm(data=None if request.method == "POST" else values)
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("campaigns/update_edit.html", form=form, campaign=campaign), status
    with transaction():
        service.edit_update(written, form.title(), form.body(), current_user.id)
    return redirect(url_for(".preview_update", slug=slug, update_id=update_id), 303)


@bp.post("/<slug>/updates/<uuid:update_id>/publish")
@staff_may(MAY_EDIT)
def publish_update(slug: str, update_id: UUID) -> ResponseReturnValue:
    """Show an update to everybody."""
    with transaction():
        service.publish_update(queries.get_update(update_id), current_user.id)
    flash(_("The update is public now."), "ok")
    return redirect(url_for(".show", slug=slug), 303)


def _figures() -> list[Figure]:
    """Return what each open campaign has raised."""
    shown = [campaign for campaign in queries.list_all() if campaign.is_open]
    totals = funds.totals_of([campaign.fund_id for campaign in shown])
    return [
        Figure(
            pick(campaign.title),
            fen(totals[campaign.fund_id].raised_fen),
            url_for("campaigns.show", slug=campaign.slug),
            _("of %(goal)s", goal=fen(campaign.goal_fen)),
        )
        for campaign in shown
    ]


nav.register_figures(MAY_EDIT, figures=_figures)
