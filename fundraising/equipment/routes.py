"""Public pages of devices: where the next one hangs, and everything about one."""

from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from fundraising.access import public
from fundraising.database import transaction
from fundraising.equipment import counties, county_map, faults, geo, hours, queries
from fundraising.equipment.county_map import Pin
from fundraising.equipment.forms import ReportForm
from fundraising.equipment.models import FaultKind
from fundraising.equipment.queries import PublicDevice
from fundraising.extensions import limiter
from fundraising.funds import queries as funds
from fundraising.i18n import gettext as _
from fundraising.i18n import pick

bp = Blueprint("devices", __name__, url_prefix="/devices")
bp.add_app_template_filter(counties.name, "county")
PAGE, PINS, UNPROCESSABLE = 40, 500, 422
REPORTS = "6 per hour; 20 per day"


@dataclass(frozen=True)
class Way:
    """An address that shows the way in a map application."""

    name: str
    address: str


@bp.get("", strict_slashes=False)
@public
def index() -> ResponseReturnValue:
    """List devices, those of a county or those in service when asked, with a map of all that match."""
    county = request.args.get("county", "")
    county = county if county in geo.COUNTIES else ""
    is_in_service = request.args.get("in_service") == "1"
    after = queries.known_form(request.args.get("after", ""))
    found = queries.public_devices(
        county=county or None, after=after, limit=PAGE + 1, is_in_service=is_in_service
    )
    shown = found[:PAGE]
    more = ""
    if len(found) > PAGE:
        only = "1" if is_in_service else None
        more = url_for(".index", after=shown[-1].no, county=county or None, in_service=only)
    return render_template(
        "equipment/index.html",
        devices=shown,
        more=more,
        county=county,
        is_in_service=is_in_service,
        counties=geo.COUNTIES,
        counts=queries.counts(),
        is_open=hours.is_open,
        map=_map(county, is_in_service=is_in_service) if not after else "",
        demo=any(one.is_demo for one in shown),
    )


@bp.get("/<no>")
@public
def show(no: str) -> ResponseReturnValue:
    """Show one device: call 120, use it, find it, trust it, and who paid for it."""
    device = queries.get_public(no)
    installations, inspections = queries.history(device.id)
    return render_template(
        "equipment/show.html",
        device=device,
        funding=funds.unit_funding(device.id),
        installations=installations,
        inspections=inspections,
        is_open=hours.is_open(device.hours),
        ways=_ways(device),
        map=_pin_map(device),
        demo=device.is_demo,
    )


@bp.route("/<no>/report", methods=["GET", "POST"])
@public
@limiter.limit(REPORTS, methods=["POST"])
def report(no: str) -> ResponseReturnValue:
    """Take what somebody passing by found, without an account and without keeping who it was."""
    device = queries.get_public(no)
    form = ReportForm()
    if not form.validate_on_submit():
        status = UNPROCESSABLE if request.method == "POST" else 200
        return render_template(
            "equipment/report.html", device=device, form=form, demo=device.is_demo
        ), status
    with transaction():
        faults.report(device.id, FaultKind(form.kind.data), form.what.data or "")
    flash(_("Thank you. Our volunteers look into it."), "ok")
    return redirect(url_for(".show", no=no), 303)


def _ways(device: PublicDevice) -> list[Way]:
    """Return links to map applications; those that think in GCJ-02 get GCJ-02."""
    if device.lat is None or device.lon is None:
        return []
    lat, lon = geo.to_gcj02(device.lat, device.lon)
    name = quote(f"AED {pick(device.place)}", safe="")
    return [
        Way(
            _("Amap (高德)"),
            f"https://uri.amap.com/marker?position={lon:.6f},{lat:.6f}&name={name}&callnative=1",
        ),
        Way(
            _("Tencent (腾讯)"),
            f"https://apis.map.qq.com/uri/v1/marker?marker=coord:{lat:.6f},{lon:.6f};title:{name}",
        ),
        Way(
            _("Baidu (百度)"),
            f"https://api.map.baidu.com/marker?location={lat:.6f},{lon:.6f}&title={name}"
            f"&content={name}&coord_type=gcj02&output=html",
        ),
        Way(
            "OpenStreetMap",
            f"https://www.openstreetmap.org/?mlat={device.lat:.6f}&mlon={device.lon:.6f}"
            f"#map=18/{device.lat:.6f}/{device.lon:.6f}",
        ),
    ]


def _map(county: str, *, is_in_service: bool) -> str:
    found = queries.public_devices(county=county or None, limit=PINS, is_in_service=is_in_service)
    pins = [pin for pin in map(_pin, found) if pin is not None]
    return county_map.svg(pins, _("Map of the devices (a sketch)")) if pins else ""


def _pin_map(device: PublicDevice) -> str:
    pin = _pin(device)
    return county_map.svg([pin], _("Where it hangs (a sketch)")) if pin else ""


def _pin(device: PublicDevice) -> Pin | None:
    if device.lat is None or device.lon is None:
        return None
    return Pin(
        device.lat,
        device.lon,
        f"{device.no} {pick(device.place)}",
        url_for(".show", no=device.no),
        device.is_in_service,
    )
