"""The installer's desk: accept deliveries, hang and inspect devices, print labels, answer reports."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from config import Settings
from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card, Figure
from fundraising.campaigns import queries as campaigns
from fundraising.database import transaction
from fundraising.equipment import faults, labels, queries, service
from fundraising.equipment.acceptance import parse_serials
from fundraising.equipment.forms import (
    FAULTS,
    AcceptForm,
    InspectForm,
    InstallForm,
    ReasonForm,
    install_defaults,
)
from fundraising.equipment.labels import Label
from fundraising.equipment.models import Device
from fundraising.errors import DomainError, Invalid
from fundraising.i18n import count
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.procurement import queries as purchases
from fundraising.procurement.models import PurchaseState

bp = Blueprint("equipment_desk", __name__, url_prefix="/staff/devices")
INSTALL, INSPECT, BUY = "device.install", "device.inspect", "purchase.prepare"
SEE = "finance.view"
UNPROCESSABLE, PAGE = 422, 60
TABS = {"": _l("All"), "install": _l("To be installed"), "inspect": _l("Inspection due")}


@bp.get("/")
@staff_may(INSTALL, INSPECT, BUY, SEE)
def index() -> ResponseReturnValue:
    """List devices by number, what waits first: deliveries and reports."""
    todo = request.args.get("todo", "")
    todo = todo if todo in TABS else ""
    found = queries.staff_devices(
        todo=todo, after=queries.known_form(request.args.get("after", "")), limit=PAGE + 1
    )
    shown = found[:PAGE]
    more = url_for(".index", todo=todo or None, after=shown[-1].no) if len(found) > PAGE else ""
    return render_template(
        "equipment/desk.html",
        devices=shown,
        more=more,
        todo=todo,
        tabs=TABS,
        deliveries=purchases.deliveries(),
        reports=queries.open_reports(),
        fault_names=dict(FAULTS),
    )


@bp.route("/accept/<uuid:line_id>", methods=["GET", "POST"])
@staff_may(INSTALL, BUY)
def accept(line_id: UUID) -> ResponseReturnValue:
    """Accept the devices of a purchase line by their serial numbers."""
    line = purchases.line(line_id)
    purchase = purchases.get_by_id(line.purchase_id)
    form = AcceptForm(data=None if request.method == "POST" else {"accepted_on": clock.today()})
    page = {"form": form, "line": line, "purchase": purchase, "states": PurchaseState}
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("equipment/accept.html", **page), status
    try:
        with transaction():
            devices = service.accept(
                line_id,
                parse_serials(form.serials.data),
                current_user.id,
                on=form.accepted_on.data,
            )
    except DomainError as refused:
        form.serials.errors = [str(refused.message)]
        page |= {"line": purchases.line(line_id), "purchase": purchases.get_by_id(line.purchase_id)}
        return render_template("equipment/accept.html", **page), int(refused.status)
    first, last = devices[0].no, devices[-1].no
    many = _(
        "%(count)s devices accepted: %(first)s to %(last)s.",
        count=len(devices),
        first=first,
        last=last,
    )
    flash(many if len(devices) > 1 else _("Accepted: %(no)s.", no=first), "ok")
    return redirect(url_for(".index", todo="install"), 303)


@bp.get("/<no>")
@staff_may(INSTALL, INSPECT, BUY, SEE)
def show(no: str) -> ResponseReturnValue:
    """Show a device with its history and what can be done with it."""
    return _page(no)


@bp.route("/<no>/install", methods=["GET", "POST"])
@staff_may(INSTALL)
def install(no: str) -> ResponseReturnValue:
    """Hang a device, or move it."""
    device, view = queries.get(no), queries.staff_view(no)
    values = install_defaults(view) | {"version": device.version}
    form = InstallForm(data=None if request.method == "POST" else values)
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template("equipment/install.html", form=form, device=view), status
    photo, note = form.photo.data.read(), form.handover.data.read()
    try:
        with transaction():
            service.install(
                queries.get(no), form.where(), photo, note, current_user.id, version=_version()
            )
    except DomainError as refused:
        _blame(form, refused)
        return render_template("equipment/install.html", form=form, device=view), int(
            refused.status
        )
    flash(_("Installed. Now inspect it, so that it counts as in service."), "ok")
    return redirect(url_for(".show", no=no), 303)


@bp.post("/<no>/inspect")
@staff_may(INSPECT)
def inspect(no: str) -> ResponseReturnValue:
    """Write down an inspection."""
    form = InspectForm()
    if not form.validate():
        return _page(no, UNPROCESSABLE, inspect_form=form)
    photo = form.photo.data.read() if form.photo.data else None
    return _step(
        no,
        lambda device: service.inspect(
            device,
            form.inspected_on.data,
            current_user.id,
            is_passed=form.result.data == "passed",
            note=form.note.data or "",
            pads_expire_on=form.pads_expire_on.data,
            battery_expires_on=form.battery_expires_on.data,
            photo=photo or None,
            version=_version(),
        ),
        _("The inspection is kept."),
        inspect_form=form,
    )


@bp.post("/<no>/suspend")
@staff_may(INSTALL, INSPECT)
def suspend(no: str) -> ResponseReturnValue:
    """Take a device out of service until it passes an inspection."""
    form = ReasonForm()
    if not form.validate():
        return _page(no, UNPROCESSABLE, reason_form=form)
    return _step(
        no,
        lambda device: service.suspend(
            device, form.reason.data, current_user.id, version=_version()
        ),
        _("Out of service until it passes an inspection."),
    )


@bp.post("/<no>/remove")
@staff_may(INSTALL)
def remove(no: str) -> ResponseReturnValue:
    """Take a device down."""
    form = ReasonForm()
    if not form.validate():
        return _page(no, UNPROCESSABLE, reason_form=form)
    return _step(
        no,
        lambda device: service.remove(
            device, current_user.id, form.reason.data, version=_version()
        ),
        _("Removed. Its page says so."),
    )


@bp.post("/reports/<uuid:report_id>/close")
@staff_may(INSTALL, INSPECT)
def close_report(report_id: UUID) -> ResponseReturnValue:
    """Close a report with what was done."""
    with transaction():
        faults.close(report_id, request.form.get("reason", ""), current_user.id)
    flash(_("The report is closed."), "ok")
    return redirect(url_for(".index"), 303)


# ------------------------------------------------------------------ labels


@bp.get("/labels")
@staff_may(INSTALL)
def label_sheet() -> ResponseReturnValue:
    """Send labels of devices as a PDF to print: those named by ``no``, else all of a campaign, else all."""
    wanted = set(request.args.getlist("no"))
    slug = request.args.get("campaign", "")
    campaign_id = campaigns.get(slug).id if slug else None
    found = queries.staff_devices(limit=500)
    chosen = [
        one
        for one in found
        if one.state != "removed"
        and (not wanted or one.no in wanted)
        and (campaign_id is None or one.campaign_id == campaign_id)
    ]
    if not chosen:
        raise Invalid(_("There is no device to print a label for."))
    pdf = labels.sheet([_label(one) for one in chosen], _settings().organisation_name)
    return _pdf(pdf, "aed-labels.pdf")


@bp.get("/<no>/label")
@staff_may(INSTALL)
def label(no: str) -> ResponseReturnValue:
    """Send the label of one device."""
    pdf = labels.single(_label(queries.staff_view(no)), _settings().organisation_name)
    return _pdf(pdf, f"{no}.pdf")


def _label(device: queries.PublicDevice) -> Label:
    address = f"{_settings().public_url}/devices/{device.no}"
    return Label(device.no, device.place, address, device.is_demo)


def _pdf(data: bytes, name: str) -> Response:
    response = Response(data, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings


# ------------------------------------------------------------------ inside


def _version() -> int | None:
    asked = request.form.get("version", "")
    return int(asked) if asked.isascii() and asked.isdigit() else None


def _step(
    no: str, step: Callable[[Device], object], done: str, **forms: Any
) -> ResponseReturnValue:
    """Take a step in one transaction; a refusal is shown on the device's page with its status."""
    try:
        with transaction():
            step(queries.get(no))
    except DomainError as refused:
        return _page(no, int(refused.status), refused=str(refused.message), **forms)
    flash(done, "ok")
    return redirect(url_for(".show", no=no), 303)


BLAMED = {
    "outside_county": "lat",
    "picture_refused": "photo",
    "file_refused": "handover",
    "day_impossible": "installed_on",
}


def _blame(form: InstallForm, refused: DomainError) -> None:
    """Put a refusal at the field it speaks of, else on top of the page."""
    field = BLAMED.get(refused.code)
    if field is None:
        flash(str(refused.message), "error")
    else:
        form[field].errors = [str(refused.message)]


def _page(no: str, status: int = 200, *, refused: str = "", **forms: Any) -> ResponseReturnValue:
    device = queries.get(no)
    installations, inspections = queries.history(device.id)
    people = {device.accepted_by, *(one.installed_by for one in installations)}
    people |= {one.inspected_by for one in inspections}
    page = render_template(
        "equipment/desk_show.html",
        device=queries.staff_view(no),
        row=device,
        purchase=purchases.get_by_id(purchases.line(device.purchase_line_id).purchase_id),
        installations=installations,
        inspections=inspections,
        names=accounts.names_of(people),
        refused=refused,
        inspect_form=forms.get("inspect_form")
        or InspectForm(formdata=None, data={"inspected_on": clock.today()}),
        reason_form=forms.get("reason_form") or ReasonForm(formdata=None),
    )
    return page, status


def _card(label: Any, many: Callable[[], int], *, is_urgent: bool = False) -> Callable[[], Card]:
    return lambda: Card(label, many(), "equipment_desk.index", is_urgent=is_urgent)


nav.register_card(INSTALL, _card(_l("Deliveries to accept"), lambda: len(purchases.deliveries())))
nav.register_card(INSTALL, _card(_l("Devices to install"), lambda: queries.count_todo("install")))
nav.register_card(INSPECT, _card(_l("Inspections due"), lambda: queries.count_todo("inspect")))
nav.register_card(
    INSPECT,
    _card(
        _l("Problems reported by the public"), lambda: len(queries.open_reports()), is_urgent=True
    ),
)


def _figures() -> list[Figure]:
    """Return how many devices there are, by evidence."""
    found, here = queries.counts(), url_for("equipment_desk.index")
    return [
        Figure(_("Devices ready for use"), count(found.in_service), here),
        Figure(_("Devices installed"), count(found.installed), here),
        Figure(_("Devices bought"), count(found.purchased), here),
    ]


nav.register_figures(INSTALL, INSPECT, figures=_figures)
