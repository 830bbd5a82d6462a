"""Staff pages of gift files: choose one, see what would happen, say yes, look at it later."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import func, select

from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.files import service as files
from fundraising.files.errors import FileNotFound
from fundraising.giving import import_batches, import_forms, imports, platform_payouts
from fundraising.giving.errors import NotReady
from fundraising.giving.import_forms import ImportForm
from fundraising.giving.import_models import GiftImport, ImportLine, ImportState
from fundraising.giving.models import Gift
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.payments.platforms import gift_files, tables
from fundraising.payments.platforms import queries as platforms
from fundraising.payments.platforms import service as registry
from fundraising.payments.platforms.mapping import Mapping

bp = Blueprint("gift_imports", __name__, url_prefix="/staff/imports")
UNPROCESSABLE = 422
REFRESH_SECONDS = "2"
PAGE = 50
AT_WORK = (ImportState.LOOKING, ImportState.BOOKING)
MAPPABLE = (ImportState.UNMAPPED, ImportState.REFUSED, ImportState.READY)


@bp.route("", methods=["GET", "POST"])
@staff_may("gift.import")
def index() -> ResponseReturnValue:
    """Take a gift file and keep it; what importing it would do is shown on its own page."""
    form = ImportForm()
    form.platform.choices = [(p.code, pick(p.name)) for p in platforms.list_platforms()]
    form.campaign.choices = [(c.slug, pick(c.title)) for c in campaigns.list_all()]
    if request.method == "GET":
        return _index(form)
    if not form.validate():
        return _index(form), UNPROCESSABLE
    upload = form.file.data
    try:
        with transaction():
            batch = import_batches.receive(
                campaigns.get(form.campaign.data),
                form.platform.data,
                upload.read(),
                upload.filename or "gifts.csv",
                current_user.id,
            )
        if batch.state == ImportState.DONE:
            flash(_("This file was taken over before; nothing changed."), "ok")
        _look(batch)
    except DomainError as refused:
        form.file.errors = [str(refused.message)]
        return _index(form), UNPROCESSABLE
    return redirect(url_for(".show", import_id=batch.id), 303)


@bp.get("/<uuid:import_id>")
@staff_may("gift.import")
def show(import_id: UUID) -> ResponseReturnValue:
    """Show a file: what would happen, how far it is, or what was booked from which line."""
    batch = import_batches.get(import_id)
    after = request.args.get("after", 0, type=int)
    lines = _lines(import_id, after)
    is_stuck = clock.now() - batch.progressed_at > import_batches.STUCK_AFTER
    page = make_response(
        render_template(
            "giving/import_show.html",
            batch=batch,
            campaign=campaigns.get_by_id(batch.campaign_id),
            platform=platforms.get(batch.platform),
            problem=_problem(batch),
            errors=imports.listed(batch.detail.get("errors", [])),
            refunds=batch.detail.get("refunds", []),
            days=batch.detail.get("days", []),
            lines=lines,
            more=lines[-1][0].line if len(lines) == PAGE else 0,
            closed=platform_payouts.payouts_of(batch.id),
            names=accounts.names_of({batch.imported_by} if batch.imported_by else set()),
            is_at_work=batch.state in AT_WORK,
            is_stuck=is_stuck,
            **_mapping_help(batch),
        )
    )
    if batch.state in AT_WORK and not is_stuck:
        page.headers["Refresh"] = REFRESH_SECONDS
    return page


@bp.post("/<uuid:import_id>/apply")
@staff_may("gift.import")
def apply(import_id: UUID) -> ResponseReturnValue:
    """Book the gifts of a file that was looked at; a large one is left to the worker."""
    with transaction():
        batch = import_batches.confirm(import_id, current_user.id)
        is_small = import_batches.is_small(batch)
        if not is_small:
            import_batches.hand_over(batch)
    if is_small:
        import_batches.book(import_id)
        count = import_batches.get(import_id).new_count
        flash(_("%(count)s gifts were booked.", count=count), "ok")
    return redirect(url_for(".show", import_id=import_id), 303)


@bp.post("/<uuid:import_id>/resume")
@staff_may("gift.import")
def resume(import_id: UUID) -> ResponseReturnValue:
    """Give a file that stands still to the worker again; what is booked stays booked once."""
    with transaction():
        batch = import_batches.get(import_id, lock=True)
        if batch.state in AT_WORK:
            import_batches.hand_over(batch)
    return redirect(url_for(".show", import_id=import_id), 303)


@bp.post("/<uuid:import_id>/mapping")
@staff_may("gift.import")
def save_mapping(import_id: UUID) -> ResponseReturnValue:
    """Save which heading holds what as a new version, and look at the file again with it."""
    try:
        with transaction():
            batch = import_batches.get(import_id, lock=True)
            if batch.state not in MAPPABLE:
                raise NotReady
            mapping = import_forms.said(request.form, _headings(batch), _mapping(batch))
            registry.save_mapping(mapping, current_user.id)
            batch = import_batches.map_anew(batch)
        _look(batch)
        flash(_("The mapping is saved; the next file is read with it."), "ok")
    except DomainError as refused:
        flash(str(refused.message), "error")
        return redirect(url_for(".show", import_id=import_id), 303)
    return redirect(url_for(".show", import_id=batch.id), 303)


# ---------------------------------------------------------------------- inside


def _index(form: ImportForm) -> str:
    return render_template(
        "giving/import_index.html",
        form=form,
        history=import_batches.latest(),
        names=platforms.names(),
        titles={c.id: c.title for c in campaigns.list_all()},
    )


def _look(batch: GiftImport) -> None:
    """Look at a file that is not booked: a small one now, a large one by the worker."""
    if batch.state in (ImportState.DONE, ImportState.BOOKING):
        return
    if import_batches.is_small(batch):
        import_batches.look(batch.id)
        return
    with transaction():
        kept = import_batches.get(batch.id, lock=True)
        kept.state = ImportState.LOOKING
        import_batches.hand_over(kept)


def _lines(import_id: UUID, after: int) -> list[tuple[ImportLine, Gift]]:
    query = (
        select(ImportLine, Gift)
        .join(Gift, Gift.id == ImportLine.gift_id)
        .where(ImportLine.import_id == import_id, ImportLine.line > after)
        .order_by(ImportLine.line)
        .limit(PAGE)
    )
    return [(row[0], row[1]) for row in db.session.execute(query)]


def _problem(batch: GiftImport) -> str:
    """Return why a file cannot be read, in the reader's language."""
    kept: list[Any] = batch.detail.get("problem", [])
    return _(kept[0], **kept[1]) if kept else ""


def _mapping(batch: GiftImport) -> Mapping:
    return platforms.mapping_labelled(batch.platform, batch.mapping)


def _headings(batch: GiftImport) -> list[str]:
    if batch.file_id is None:
        return []
    try:
        return gift_files.headings(files.read(batch.file_id), batch.filename)
    except (tables.UnreadableFile, FileNotFound):
        return []


def _mapping_help(batch: GiftImport) -> dict[str, Any]:
    """Return what a person needs to say which heading holds what, where that can still be said."""
    if batch.state not in MAPPABLE or batch.file_id is None:
        return {"headings": [], "choices": [], "mapping": None}
    headings, mapping = _headings(batch), _mapping(batch)
    return {
        "headings": headings,
        "choices": import_forms.choices(headings, mapping),
        "mapping": mapping,
    }


@bp.app_template_global("channel_name")
def channel_name(code: str) -> str:
    """Return the name of a registered platform, empty for a channel that is none."""
    if "platform_names" not in g:
        g.platform_names = platforms.names()
    name = g.platform_names.get(code.partition(".")[0])
    return pick(name) if name else ""


def _ready_card() -> Card:
    query = select(func.count()).select_from(GiftImport)
    query = query.where(GiftImport.state == ImportState.READY)
    return Card(
        _l("Gift files to book"), db.session.execute(query).scalar_one(), "gift_imports.index"
    )


nav.register_card("gift.import", _ready_card)
