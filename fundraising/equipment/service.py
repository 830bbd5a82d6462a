"""Caring for devices: hang them, move them, inspect them, take them down; the history is kept."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from fundraising import twins
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import Text2, db
from fundraising.equipment import county_map, geo, holding
from fundraising.equipment.acceptance import accept
from fundraising.equipment.errors import NotInstalled, OutsideCounty, PartsExpired
from fundraising.equipment.models import (
    Access,
    Datum,
    Device,
    DeviceState,
    Inspection,
    Installation,
)
from fundraising.files import service as files
from fundraising.files.models import StoredFile
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money

INSPECTION_DAYS = 31
"""How long a passed inspection holds. 国卫办医函〔2021〕602号 leaves the interval to the place; some
cities ask for a daily look, others for one in half a year. A chapter changes it here."""
ITS_PLACE = (
    "device_id", "place", "address", "county", "lat", "lon", "floor", "hours", "access", "is_indoor", "keeper",
    "keeper_role", "phone", "photo_file_id", "handover_file_id", "installed_on",
)  # fmt: skip
ITS_FINDING = (
    "device_id", "inspected_on", "passed", "valid_until", "pads_expire_on", "battery_expires_on",
    "note", "photo_file_id", "inspected_by",
)  # fmt: skip

__all__ = [
    "INSPECTION_DAYS",
    "NewInstallation",
    "accept",
    "inspect",
    "install",
    "remove",
    "suspend",
]


@dataclass(frozen=True)
class NewInstallation:
    """Where a device hangs. Coordinates are in ``datum`` degrees; ``hours`` is an OSM opening_hours.

    ``keeper`` is the receiving unit and ``keeper_role`` the post in it that answers for the device.
    """

    place: Text2
    address: str
    county: str
    lat: float
    lon: float
    floor: Text2
    hours: str
    keeper: str
    installed_on: date
    keeper_role: str = ""
    phone: str = ""
    access: Access = Access.EVERYBODY
    is_indoor: bool = True
    datum: Datum = Datum.WGS84


def install(
    device: Device,
    where: NewInstallation,
    photo: bytes,
    handover: bytes,
    actor_id: UUID,
    *,
    version: int | None = None,
) -> Installation:
    """Put a device at a place, or move it there; its first handover turns stock into programme cost.

    The photo is public, re-encoded and stripped of metadata; the handover note (移交单) holds a
    signature and stays with staff.

    Raises:
        OutsideCounty: the position does not lie in the named county.
        PictureRefused, FileRefused: photo or note cannot be kept.
        DayImpossible: in the future, or before acceptance or the place it hung at before.
        DeviceChanged: somebody changed it after ``version``.
        SentTwice: it hangs just so, with the same photo and note.
    """
    lat, lon = _point(where)
    picture = files.store_photo(photo, f"{device.no}.webp", is_public=True)
    note = files.store(handover, f"{device.no}-handover.pdf", is_public=False)
    held = holding.hold(device.id, version=version)
    day = holding.day(where.installed_on, earliest=held.accepted_on)
    hung = _row(held.id, where, (lat, lon), (picture, note))
    hung.installed_by, hung.installed_on = actor_id, day
    twins.refuse_second(hung, *ITS_PLACE, among=Installation.ended_on.is_(None))
    _end_current(held, day, "moved")
    db.session.add(hung)
    held.state, held.state_note = DeviceState.INSTALLED, ""
    db.session.flush()
    _book_handover(held, day)
    audit.record(
        "device.installed",
        holding.subject(held),
        actor_id,
        {"county": where.county, "photo": picture.sha256, "handover": note.sha256},
    )
    return hung


def inspect(
    device: Device,
    inspected_on: date,
    actor_id: UUID,
    *,
    is_passed: bool,
    note: str = "",
    pads_expire_on: date | None = None,
    battery_expires_on: date | None = None,
    photo: bytes | None = None,
    version: int | None = None,
) -> Inspection:
    """Write down how a device was found; a passed inspection puts it in service until out of date.

    It holds ``INSPECTION_DAYS``, but never beyond the date on pads or battery. A failed one takes the
    device out of service. One that was made before a later inspection changes nothing of today.

    Raises:
        NotInstalled: the device hangs nowhere.
        PartsExpired: it cannot pass with pads or battery past their date.
        DayImpossible: in the future or before it was hung.
        DeviceChanged, SentTwice: changed after ``version``; the same was written before and nothing came since.
    """
    picture = files.store_photo(photo, is_public=False) if photo else None
    held = holding.hold(device.id, version=version)
    hung = holding.current_installation(held.id)
    if hung is None:
        raise NotInstalled
    day = holding.day(inspected_on, earliest=hung.installed_on)
    parts = [part for part in (pads_expire_on, battery_expires_on) if part is not None]
    is_latest = not holding.was_inspected_after(held.id, day)
    seen = Inspection(
        device_id=held.id,
        inspected_on=day,
        passed=is_passed,
        valid_until=_valid_until(day, parts) if is_passed else day,
        pads_expire_on=pads_expire_on,
        battery_expires_on=battery_expires_on,
        note=note,
        photo_file_id=picture.id if picture else None,
        inspected_by=actor_id,
    )
    _refuse_second(seen, held, hung)
    db.session.add(seen)
    if is_latest:
        held.state = _state_after(seen)
        held.state_note = "" if is_passed else note
    holding.touch(held)
    audit.record("device.inspected", holding.subject(held), actor_id, {"passed": is_passed})
    return seen


def _state_after(seen: Inspection) -> DeviceState:
    return DeviceState.INSTALLED if seen.passed else DeviceState.OUT_OF_SERVICE


def _refuse_second(seen: Inspection, held: Device, hung: Installation) -> None:
    if held.state == _state_after(seen):
        twins.refuse_second(seen, *ITS_FINDING, among=Inspection.id > hung.id)


def suspend(device: Device, reason: str, actor_id: UUID, *, version: int | None = None) -> None:
    """Take an installed device out of service (used, faulty) until it passes an inspection again.

    Raises:
        NotInstalled: it hangs nowhere.
        ReasonNeeded: no reason is given.
        DeviceChanged: somebody changed it after ``version``.
    """
    held = holding.hold(device.id, version=version)
    if holding.current_installation(held.id) is None:
        raise NotInstalled
    held.state, held.state_note = DeviceState.OUT_OF_SERVICE, holding.reason(reason)
    db.session.flush()
    audit.record("device.suspended", holding.subject(held), actor_id, {})


def remove(device: Device, actor_id: UUID, note: str, *, version: int | None = None) -> None:
    """Take a device down today; its page stays and says so, and it may be hung again elsewhere.

    Raises:
        NotInstalled: it hangs nowhere.
        ReasonNeeded: no reason is given.
        DeviceChanged: somebody changed it after ``version``.
    """
    held = holding.hold(device.id, version=version)
    if holding.current_installation(held.id) is None:
        raise NotInstalled
    why = holding.reason(note)
    _end_current(held, holding.day(None), why)
    held.state, held.state_note = DeviceState.REMOVED, why
    db.session.flush()
    audit.record("device.removed", holding.subject(held), actor_id, {})


def _point(where: NewInstallation) -> tuple[float, float]:
    lat, lon = where.lat, where.lon
    if where.datum == Datum.GCJ02:
        lat, lon = geo.to_wgs84(lat, lon)
    if where.county not in geo.COUNTIES or not county_map.contains(where.county, lat, lon):
        raise OutsideCounty
    return round(lat, 7), round(lon, 7)


def _row(
    device_id: UUID,
    where: NewInstallation,
    point: tuple[float, float],
    evidence: tuple[StoredFile, StoredFile],
) -> Installation:
    picture, note = evidence
    return Installation(
        device_id=device_id,
        place=where.place,
        address=where.address,
        county=where.county,
        lat=point[0],
        lon=point[1],
        floor=where.floor,
        hours=where.hours,
        access=where.access,
        is_indoor=where.is_indoor,
        keeper=where.keeper,
        keeper_role=where.keeper_role,
        phone=where.phone,
        source_datum=where.datum,
        photo_file_id=picture.id,
        handover_file_id=note.id,
        installed_on=where.installed_on,
    )


def _end_current(device: Device, day: date, why: str) -> None:
    hung = holding.current_installation(device.id)
    if hung is not None:
        hung.ended_on = holding.day(day, earliest=hung.installed_on)
        hung.ended_reason = why
        db.session.flush()


def _book_handover(device: Device, day: date) -> None:
    """Book the first handover; a later move has the same key and body and changes nothing."""
    fund_id = campaigns.get_by_id(device.campaign_id).fund_id
    cost = Money(device.cost_fen)
    ledger.post(
        NewEntry(
            f"device-handed-over:{device.id}",
            EntryKind.DEVICE_HANDED_OVER,
            holding.instant(day),
            (debit(chart.PROGRAMME_COST, cost, fund_id), credit(chart.INVENTORY, cost, fund_id)),
            fund_id=fund_id,
            actor="equipment",  # the same entry whoever moves the device again
        )
    )


def _valid_until(day: date, parts: list[date]) -> date:
    if any(part < day for part in parts):
        raise PartsExpired
    return min([day + timedelta(days=INSPECTION_DAYS), *parts])
