"""Taking hold of a device, and the small rules that every step shares."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm.attributes import flag_modified

from fundraising import clock
from fundraising.database import db
from fundraising.equipment.errors import (
    DayImpossible,
    DeviceChanged,
    DeviceNotFound,
    ReasonNeeded,
)
from fundraising.equipment.models import Device, Inspection, Installation

NOON = time(12, 0)


def hold(device_id: UUID, *, version: int | None = None) -> Device:
    """Lock a device.

    Raises:
        DeviceNotFound: no such device.
        DeviceChanged: it is no longer the version that the person saw.
    """
    query = (
        select(Device)
        .where(Device.id == device_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    device = db.session.execute(query).scalar_one_or_none()
    if device is None:
        raise DeviceNotFound
    if version is not None and device.version != version:
        raise DeviceChanged
    return device


def current_installation(device_id: UUID) -> Installation | None:
    """Return where a locked device hangs now, None when nowhere."""
    query = (
        select(Installation)
        .where(Installation.device_id == device_id, Installation.ended_on.is_(None))
        .execution_options(populate_existing=True)
    )
    return db.session.execute(query).scalar_one_or_none()


def day(chosen: date | None, *, earliest: date | None = None) -> date:
    """Return the day chosen, today when none. Raises DayImpossible: in the future or too early."""
    picked = chosen or clock.today()
    if picked > clock.today() or (earliest is not None and picked < earliest):
        raise DayImpossible
    return picked


def instant(picked: date) -> datetime:
    """Return the instant under which something of that day is booked: now, or that day's noon."""
    if picked == clock.today():
        return clock.now()
    return datetime.combine(picked, NOON, clock.SHANGHAI)


def reason(text: str) -> str:
    """Return the reason without blanks around it. Raises ReasonNeeded when nothing is left."""
    kept = text.strip()
    if not kept:
        raise ReasonNeeded
    return kept


def subject(device: Device) -> str:
    """Return how the audit log names a device."""
    return f"device:{device.no}"


def was_inspected_after(device_id: UUID, picked: date) -> bool:
    """Whether a later inspection of the device is known."""
    query = select(Inspection.id).where(
        Inspection.device_id == device_id, Inspection.inspected_on > picked
    )
    return db.session.execute(query.limit(1)).first() is not None


def touch(device: Device) -> None:
    """Note a change to something of the device, so that its version moves on."""
    flag_modified(device, "state")
    db.session.flush()
