"""Devices by serial number, where they hang, how they were found, and what people report."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, Text2, fen, uuid_pk


class DeviceState(StrEnum):
    """Where a device stands; *in service* is not stored but follows from an inspection in date."""

    ACCEPTED = "accepted"
    INSTALLED = "installed"
    OUT_OF_SERVICE = "out_of_service"
    REMOVED = "removed"


class Access(StrEnum):
    """Who may reach a device, in the words of OpenStreetMap's key ``access``."""

    EVERYBODY = "yes"
    VISITORS = "customers"
    ON_REQUEST = "permissive"
    STAFF_ONLY = "private"


class Datum(StrEnum):
    """The system in which coordinates were typed; WGS-84 is what is stored."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"


def public_part(serial: str) -> str:
    """Return the end of a serial number: four characters, fewer of a short one, never all of it."""
    return f"…{serial[-min(4, len(serial) // 2) :]}"


class DeviceYear(Base):
    """The last device number of a year."""

    __tablename__ = "device_year"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int]


class Device(Base):
    """One accepted device; its cost is what was drawn for it, to the fen."""

    __tablename__ = "device"
    __table_args__ = (
        UniqueConstraint("purchase_line_id", "unit_no"),
        UniqueConstraint("serial"),
        CheckConstraint(
            "state IN ('accepted', 'installed', 'out_of_service', 'removed')", name="state_known"
        ),
        Index("ix_device_campaign", "campaign_id", "no"),
    )

    id: Mapped[UUID] = uuid_pk()
    no: Mapped[str] = mapped_column(unique=True)
    serial: Mapped[str]
    model: Mapped[str]
    purchase_line_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_line.id"))
    unit_no: Mapped[int]
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    cost_fen: Mapped[int] = fen()
    state: Mapped[str] = mapped_column(default=DeviceState.ACCEPTED)
    accepted_on: Mapped[date]
    accepted_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    state_note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own name and form

    @property
    def serial_public(self) -> str:
        """The serial number as the public sees it."""
        return public_part(self.serial)


class Installation(Base):
    """A device at a place, with the evidence: photo, coordinates, handover note of the receiving unit.

    Latitude and longitude are WGS-84 degrees. ``keeper`` is the receiving unit, ``keeper_role`` the
    post in it that answers for the device, never a person's name. ``hours`` is an OSM opening_hours.
    """

    __tablename__ = "installation"
    __table_args__ = (
        CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="on_earth"),
        CheckConstraint("ended_on >= installed_on", name="ends_after_start"),
        CheckConstraint(
            "access IN ('yes', 'customers', 'permissive', 'private')", name="access_known"
        ),
        Index(
            "uq_installation_current",
            "device_id",
            unique=True,
            postgresql_where=text("ended_on IS NULL"),
        ),
        Index("ix_installation_county", "county"),
    )

    id: Mapped[UUID] = uuid_pk()
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    place: Mapped[Text2]
    address: Mapped[str]
    county: Mapped[str]
    lat: Mapped[float] = mapped_column(Double)
    lon: Mapped[float] = mapped_column(Double)
    floor: Mapped[Text2]
    hours: Mapped[str]
    access: Mapped[str] = mapped_column(default=Access.EVERYBODY)
    is_indoor: Mapped[bool] = mapped_column(default=True)
    keeper: Mapped[str]
    keeper_role: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    source_datum: Mapped[str] = mapped_column(default=Datum.WGS84)
    photo_file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    handover_file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    installed_on: Mapped[date]
    installed_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    ended_on: Mapped[date | None]
    ended_reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Inspection(Base):
    """How a device was found; it is in service while its latest inspection passed and is in date."""

    __tablename__ = "inspection"
    __table_args__ = (
        CheckConstraint("valid_until >= inspected_on", name="valid_after_inspection"),
        CheckConstraint(
            "NOT passed OR (coalesce(pads_expire_on, 'infinity') >= valid_until "
            "AND coalesce(battery_expires_on, 'infinity') >= valid_until)",
            name="parts_outlive_validity",
        ),
        Index("ix_inspection_device", "device_id", text("inspected_on DESC"), text("id DESC")),
    )

    id: Mapped[UUID] = uuid_pk()
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    inspected_on: Mapped[date]
    passed: Mapped[bool]
    valid_until: Mapped[date]
    pads_expire_on: Mapped[date | None]
    battery_expires_on: Mapped[date | None]
    note: Mapped[str]
    photo_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.id"))
    inspected_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class FaultKind(StrEnum):
    """What can be wrong with a device for somebody who stands before it."""

    MISSING = "missing"
    ALARM = "alarm"
    DAMAGED = "damaged"
    USED = "used"
    WRONG_FACTS = "wrong_facts"
    OTHER = "other"


class FaultReport(Base):
    """What somebody passing by reported about a device; nothing about the person is kept."""

    __tablename__ = "device_fault_report"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('missing', 'alarm', 'damaged', 'used', 'wrong_facts', 'other')",
            name="kind_known",
        ),
        Index(
            "ix_device_fault_report_open", "reported_at", postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[str] = mapped_column(default=FaultKind.OTHER)
    what: Mapped[str]
    reported_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    note: Mapped[str | None]
