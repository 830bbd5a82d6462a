"""Reading devices. The public numbers come only from evidence, computed here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.database import Text2, db
from fundraising.equipment.errors import DeviceNotFound
from fundraising.equipment.models import Device, FaultReport, Inspection, Installation, public_part

IN_SERVICE = "in_service"
NUMBER = re.compile(r"AED-[0-9]{4}-[0-9]{3,6}")
VIEW = """
    SELECT d.id, d.no, d.serial, d.model, d.cost_fen, d.campaign_id, c.slug, c.title, c.is_demo,
           i.place, i.address, i.county, i.lat, i.lon, i.floor, i.hours, i.keeper, i.installed_on,
           i.access, i.is_indoor, i.keeper_role, i.phone, i.photo_file_id, i.handover_file_id,
           n.inspected_on, n.valid_until, n.pads_expire_on, n.battery_expires_on, d.accepted_on,
           f.thumbnail_id,
           CASE WHEN d.state IN ('removed', 'out_of_service') THEN d.state
                WHEN i.id IS NULL THEN 'accepted'
                WHEN n.passed AND n.valid_until >= :today AND n.id > i.id THEN 'in_service'
                ELSE 'installed' END AS state
    FROM device d
    JOIN campaign c ON c.id = d.campaign_id AND c.state <> 'draft'
    LEFT JOIN installation i ON i.device_id = d.id AND i.ended_on IS NULL
    LEFT JOIN LATERAL (SELECT * FROM inspection WHERE device_id = d.id
                       ORDER BY inspected_on DESC, id DESC LIMIT 1) AS n ON true
    LEFT JOIN file f ON f.id = i.photo_file_id
"""
"""Ids are ordered by time: only an inspection written after the device was hung here speaks for it here."""

STAFF_VIEW = VIEW.replace(" AND c.state <> 'draft'", "")
STEPS = {
    "install": "d.state = 'accepted'",
    "inspect": "(d.state = 'out_of_service' OR (d.state = 'installed' AND "
    "(n.id IS NULL OR NOT n.passed OR n.valid_until < :today OR n.id < i.id)))",
}
"""What staff filter by: devices to hang, devices to inspect."""


@dataclass(frozen=True)
class PublicDevice:
    """A device as everybody sees it."""

    id: UUID
    no: str
    serial_public: str
    model: str
    state: str
    cost_fen: int
    campaign_id: UUID
    campaign_slug: str
    campaign_title: Text2
    is_demo: bool
    place: Text2 | None
    address: str | None
    county: str | None
    lat: float | None
    lon: float | None
    floor: Text2 | None
    hours: str | None
    keeper: str | None
    installed_on: date | None
    last_inspected_on: date | None
    photo_file_id: UUID | None
    handover_file_id: UUID | None
    accepted_on: date
    thumbnail_id: UUID | None = None
    valid_until: date | None = None
    pads_expire_on: date | None = None
    battery_expires_on: date | None = None
    access: str | None = None
    is_indoor: bool | None = None
    keeper_role: str | None = None
    phone: str | None = None

    @property
    def is_in_service(self) -> bool:
        """Whether it hangs somewhere and passed an inspection that is in date."""
        return self.state == IN_SERVICE


@dataclass(frozen=True)
class DeviceCounts:
    """How many devices have the evidence for each step."""

    purchased: int = 0
    installed: int = 0
    in_service: int = 0


@dataclass(frozen=True)
class DevicePlace:
    """Which device a unit is and where it hangs."""

    no: str
    place: Text2 | None


def get(no: str) -> Device:
    """Return a device by its number. Raises DeviceNotFound."""
    _require_number(no)
    found = db.session.execute(select(Device).where(Device.no == no)).scalar_one_or_none()
    if found is None:
        raise DeviceNotFound
    return found


def get_public(no: str) -> PublicDevice:
    """Return a device as everybody sees it. Raises DeviceNotFound."""
    _require_number(no)
    row = db.session.execute(
        text(f"{VIEW} WHERE d.no = :no"), {"today": clock.today(), "no": no}
    ).first()
    if row is None:
        raise DeviceNotFound
    return _public(row)


def public_devices(
    *,
    campaign_id: UUID | None = None,
    county: str | None = None,
    after: str = "",
    limit: int = 100,
    is_in_service: bool = False,
) -> list[PublicDevice]:
    """Return devices by number; ``after`` is the last number seen."""
    conditions = ["d.no > :after"]
    if campaign_id is not None:
        conditions.append("d.campaign_id = :campaign_id")
    if county:
        conditions.append("i.county = :county")
    if is_in_service:
        conditions.append(
            "d.state = 'installed' AND n.passed AND n.valid_until >= :today AND n.id > i.id"
        )
    rows = db.session.execute(
        text(f"{VIEW} WHERE {' AND '.join(conditions)} ORDER BY d.no LIMIT :most"),
        {
            "today": clock.today(),
            "after": after,
            "campaign_id": campaign_id,
            "county": county,
            "most": min(limit, 500),
        },
    )
    return [_public(row) for row in rows]


def counts(campaign_id: UUID | None = None) -> DeviceCounts:
    """Count devices by evidence: approved purchase and acceptance; serial, place, photo and handover
    note; a passed inspection in date."""
    only = "AND d.campaign_id = :campaign_id" if campaign_id else ""
    row = db.session.execute(
        text(
            f"""
            SELECT count(*) AS purchased,
                   count(*) FILTER (WHERE s.state IN ('installed', 'in_service', 'out_of_service')
                                    AND s.photo_file_id IS NOT NULL AND s.handover_file_id IS NOT NULL)
                       AS installed,
                   count(*) FILTER (WHERE s.state = 'in_service') AS in_service
            FROM ({VIEW}) AS s
            JOIN device d ON d.id = s.id {only}
            JOIN purchase_line l ON l.id = d.purchase_line_id
            JOIN purchase p ON p.id = l.purchase_id AND p.approved_by IS NOT NULL
            """
        ),
        {"today": clock.today(), "campaign_id": campaign_id},
    ).one()
    return DeviceCounts(row.purchased, row.installed, row.in_service)


def places(unit_ids: Iterable[UUID]) -> dict[UUID, DevicePlace]:
    """Return the devices of units with their places."""
    ids = list(unit_ids)
    if not ids:
        return {}
    rows = db.session.execute(
        text(
            "SELECT d.id, d.no, i.place FROM device d "
            "LEFT JOIN installation i ON i.device_id = d.id AND i.ended_on IS NULL WHERE d.id = ANY(:ids)"
        ),
        {"ids": ids},
    )
    return {r.id: DevicePlace(r.no, r.place) for r in rows}


def staff_devices(*, todo: str = "", after: str = "", limit: int = 50) -> list[PublicDevice]:
    """Return devices by number, those of draft campaigns too; ``todo`` keeps what waits for a step."""
    conditions = ["d.no > :after", STEPS.get(todo, "true")]
    rows = db.session.execute(
        text(f"{STAFF_VIEW} WHERE {' AND '.join(conditions)} ORDER BY d.no LIMIT :most"),
        {"today": clock.today(), "after": after, "most": min(limit, 500)},
    )
    return [_public(row) for row in rows]


def staff_view(no: str) -> PublicDevice:
    """Return a device as staff see it. Raises DeviceNotFound."""
    _require_number(no)
    row = db.session.execute(
        text(f"{STAFF_VIEW} WHERE d.no = :no"), {"today": clock.today(), "no": no}
    ).first()
    if row is None:
        raise DeviceNotFound
    return _public(row)


def count_todo(todo: str) -> int:
    """Return how many devices wait for a step of ``STEPS``."""
    found = db.session.execute(
        text(f"SELECT count(*) FROM ({STAFF_VIEW} WHERE {STEPS[todo]}) AS v"),
        {"today": clock.today()},
    )
    return int(found.scalar_one())


def history(device_id: UUID) -> tuple[list[Installation], list[Inspection]]:
    """Return where a device has hung and how it was found, the latest first."""
    hung = select(Installation).where(Installation.device_id == device_id)
    found = select(Inspection).where(Inspection.device_id == device_id)
    return (
        list(db.session.execute(hung.order_by(Installation.id.desc())).scalars()),
        list(
            db.session.execute(found.order_by(Inspection.inspected_on.desc()).limit(50)).scalars()
        ),
    )


def open_reports(limit: int = 100) -> list[tuple[FaultReport, str]]:
    """Return open reports with the number of their device, the oldest first."""
    query = (
        select(FaultReport, Device.no)
        .join(Device, Device.id == FaultReport.device_id)
        .where(FaultReport.closed_at.is_(None))
        .order_by(FaultReport.reported_at)
        .limit(limit)
    )
    return [(report, no) for report, no in db.session.execute(query)]


def geojson(devices: Iterable[PublicDevice]) -> dict[str, Any]:
    """Return devices as GeoJSON with the keys of OpenStreetMap (emergency=defibrillator)."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [d.lon, d.lat]},
                "properties": {
                    "emergency": "defibrillator",
                    "ref": d.no,
                    "access": d.access,
                    "opening_hours": d.hours,
                    "indoor": "yes" if d.is_indoor else "no",
                    "defibrillator:location:zh": (d.floor or {}).get("zh"),
                    "defibrillator:location:en": (d.floor or {}).get("en"),
                    "name": (d.place or {}).get("zh"),
                    "name:en": (d.place or {}).get("en"),
                    "addr:full": d.address,
                    "addr:county": d.county,
                    "model": d.model,
                    "operator": d.keeper,
                    "phone": d.phone or None,
                    "emergency:phone": "120",
                    "locked": "no",
                    "check_date": d.last_inspected_on.isoformat() if d.last_inspected_on else None,
                    "state": d.state,
                    "demo": d.is_demo,
                },
            }
            for d in devices
            if d.lat is not None
        ],
    }


def _public(r: Any) -> PublicDevice:
    return PublicDevice(
        id=r.id,
        no=r.no,
        serial_public=public_part(r.serial),
        model=r.model,
        state=r.state,
        cost_fen=r.cost_fen,
        campaign_id=r.campaign_id,
        campaign_slug=r.slug,
        campaign_title=r.title,
        is_demo=r.is_demo,
        place=r.place,
        address=r.address,
        county=r.county,
        lat=r.lat,
        lon=r.lon,
        floor=r.floor,
        hours=r.hours,
        keeper=r.keeper,
        installed_on=r.installed_on,
        last_inspected_on=r.inspected_on,
        photo_file_id=r.photo_file_id,
        handover_file_id=r.handover_file_id,
        accepted_on=r.accepted_on,
        thumbnail_id=r.thumbnail_id or r.photo_file_id,
        valid_until=r.valid_until,
        pads_expire_on=r.pads_expire_on,
        battery_expires_on=r.battery_expires_on,
        access=r.access,
        is_indoor=r.is_indoor,
        keeper_role=r.keeper_role,
        phone=r.phone,
    )


def known_form(no: str) -> str:
    """Return a number from an address if it has the form of one, else nothing."""
    return no if NUMBER.fullmatch(no) else ""


def _require_number(no: str) -> None:
    if not NUMBER.fullmatch(no):
        raise DeviceNotFound
