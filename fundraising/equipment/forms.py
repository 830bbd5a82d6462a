"""Forms about devices: for staff who accept, hang and inspect them, and for people passing by."""

from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateField,
    FloatField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    ValidationError,
)

from fundraising import clock
from fundraising.campaigns.forms import NEEDED, both, strip
from fundraising.equipment.geo import COUNTIES
from fundraising.equipment.models import Access, Datum, FaultKind
from fundraising.equipment.queries import PublicDevice
from fundraising.equipment.service import NewInstallation
from fundraising.i18n import lazy_gettext as _l

ACCESS = (
    (Access.EVERYBODY, _l("Everybody")),
    (Access.VISITORS, _l("Visitors of the place")),
    (Access.ON_REQUEST, _l("On request at the desk")),
    (Access.STAFF_ONLY, _l("Staff of the place only")),
)
DATUMS = (
    (Datum.WGS84, _l("GPS device or phone (WGS-84)")),
    (Datum.GCJ02, _l("高德, 腾讯 or WeChat map (GCJ-02)")),
)
FAULTS = (
    (FaultKind.MISSING, _l("It is not there, or cannot be reached")),
    (FaultKind.ALARM, _l("It beeps, or a red light shows")),
    (FaultKind.DAMAGED, _l("It is damaged or was opened")),
    (FaultKind.USED, _l("It was just used")),
    (FaultKind.WRONG_FACTS, _l("Something on this page is wrong")),
    (FaultKind.OTHER, _l("Something else")),
)
RESULTS = (
    ("passed", _l("Passed: ready for use")),
    ("failed", _l("Failed: take it out of service")),
)
LATITUDE = _l("Degrees with decimals, such as 40.9868.")
LONGITUDE = _l("Degrees with decimals, such as 117.9392.")
HOURS = Regexp(
    r"^(24/7|[0-9A-Za-z ,;:+-]{3,80})$",
    message=_l("Write 24/7, or times such as 08:30-17:30."),
)


def _not_future(_form: FlaskForm, field: DateField) -> None:
    if field.data and field.data > clock.today():
        raise ValidationError(_l("This date lies in the future."))


class AcceptForm(FlaskForm):
    """Serial numbers of what was delivered."""

    serials = TextAreaField(
        _l("Serial numbers, one a line"),
        [NEEDED, Length(max=30_000)],
        render_kw={"rows": 10, "spellcheck": "false", "autocapitalize": "characters"},
    )
    accepted_on = DateField(_l("Day of acceptance"), [NEEDED, _not_future])


class InstallForm(FlaskForm):
    """Where a device hangs, with the evidence."""

    place_zh = StringField(
        _l("Name of the place (Chinese)"), [NEEDED, Length(max=80)], filters=[strip]
    )
    place_en = StringField(_l("Name of the place (English)"), [Length(max=160)], filters=[strip])
    county = SelectField(_l("County or district"), choices=list(COUNTIES))
    address = StringField(_l("Street address"), [NEEDED, Length(max=160)], filters=[strip])
    datum = RadioField(
        _l("Where the coordinates come from"), choices=list(DATUMS), default=Datum.WGS84
    )
    lat = FloatField(
        _l("Latitude"),
        [InputRequired(LATITUDE), NumberRange(-90, 90, LATITUDE)],
        render_kw={"inputmode": "decimal"},
    )
    lon = FloatField(
        _l("Longitude"),
        [InputRequired(LONGITUDE), NumberRange(-180, 180, LONGITUDE)],
        render_kw={"inputmode": "decimal"},
    )
    floor_zh = StringField(
        _l("Floor and spot (Chinese)"), [NEEDED, Length(max=80)], filters=[strip]
    )
    floor_en = StringField(_l("Floor and spot (English)"), [Length(max=160)], filters=[strip])
    is_indoor = BooleanField(_l("Inside a building"), default=True)
    hours = StringField(_l("Hours"), [NEEDED, HOURS], filters=[strip])
    access = SelectField(_l("Who may take it"), choices=list(ACCESS))
    keeper = StringField(_l("Receiving unit"), [NEEDED, Length(max=80)], filters=[strip])
    keeper_role = StringField(
        _l("Who answers for it there (post, no name)"), [Length(max=80)], filters=[strip]
    )
    phone = StringField(_l("Telephone of the unit"), [Length(max=30)], filters=[strip])
    installed_on = DateField(_l("Day of installation"), [NEEDED, _not_future])
    photo = FileField(
        _l("Photo of the device at its place"), [FileRequired(_l("Choose a picture first."))]
    )
    handover = FileField(
        _l("Signed handover note (PDF or picture)"), [FileRequired(_l("Choose a file first."))]
    )
    version = HiddenField()

    def where(self) -> NewInstallation:
        """Return what was entered; call only after validation."""
        return NewInstallation(
            place=both(self.place_zh, self.place_en),
            address=self.address.data or "",
            county=self.county.data,
            lat=float(self.lat.data),
            lon=float(self.lon.data),
            floor=both(self.floor_zh, self.floor_en),
            hours=self.hours.data or "",
            keeper=self.keeper.data or "",
            installed_on=self.installed_on.data,
            keeper_role=self.keeper_role.data or "",
            phone=self.phone.data or "",
            access=Access(self.access.data),
            is_indoor=bool(self.is_indoor.data),
            datum=Datum(self.datum.data),
        )


class InspectForm(FlaskForm):
    """How a device was found."""

    result = RadioField(_l("Result"), [NEEDED], choices=list(RESULTS))
    inspected_on = DateField(_l("Day of inspection"), [NEEDED, _not_future])
    pads_expire_on = DateField(_l("Date on the pads"), [Optional()])
    battery_expires_on = DateField(_l("Date on the battery"), [Optional()])
    note = TextAreaField(_l("Note"), [Length(max=500)], filters=[strip])
    photo = FileField(_l("Photo (optional)"))
    version = HiddenField()

    def validate_note(self, field: TextAreaField) -> None:
        """A device that fails needs words about why."""
        if self.result.data == "failed" and not field.data:
            raise ValidationError(_l("Please say what is wrong."))


class ReasonForm(FlaskForm):
    """Why a device leaves its place or service, or what was done about a report."""

    reason = TextAreaField(_l("Reason"), [NEEDED, Length(max=300)], filters=[strip])
    version = HiddenField()


class ReportForm(FlaskForm):
    """What somebody passing by found."""

    kind = RadioField(_l("What is wrong?"), [NEEDED], choices=list(FAULTS))
    what = TextAreaField(
        _l("In your words (optional)"),
        [Length(max=300, message=_l("At most 300 characters."))],
        filters=[strip],
    )


def install_defaults(device: PublicDevice) -> dict[str, Any]:
    """Return the values of the form for hanging a device again, from where it hangs now."""
    values: dict[str, Any] = {"installed_on": clock.today(), "hours": "24/7", "is_indoor": True}
    if device.place is None:
        return values
    plain = ("county", "address", "lat", "lon", "hours", "access", "keeper", "keeper_role", "phone")
    values |= {name: getattr(device, name) for name in plain}
    values |= {f"place_{code}": device.place.get(code) for code in ("zh", "en")}
    values |= {f"floor_{code}": (device.floor or {}).get(code) for code in ("zh", "en")}
    return values | {"is_indoor": device.is_indoor}
