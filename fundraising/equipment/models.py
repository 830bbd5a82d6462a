"""Devices by serial number, where they hang, how they were found, and what people report."""

from datetime import date, datetime
from enum import StrEnum
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
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def serial_public(self) -> str:
        """The serial number as the public sees it: its last four characters."""
        return f"…{self.serial[-4:]}"


class Installation(Base):
    """A device at a place, with the evidence: photo, coordinates, handover note of the receiving unit."""

    __tablename__ = "installation"
    __table_args__ = (
        CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="on_earth"),
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
    keeper: Mapped[str]
    photo_file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    handover_file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id"))
    installed_on: Mapped[date]
    installed_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    ended_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Inspection(Base):
    """How a device was found; it is in service while its latest inspection passed and is in date."""

    __tablename__ = "inspection"
    __table_args__ = (
        CheckConstraint("valid_until >= inspected_on", name="valid_after_inspection"),
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
    inspected_by: Mapped[UUID] = mapped_column(ForeignKey("account_user.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class FaultReport(Base):
    """What somebody passing by reported about a device."""

    __tablename__ = "device_fault_report"
    __table_args__ = (
        Index(
            "ix_device_fault_report_open", "reported_at", postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    what: Mapped[str]
    reported_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account_user.id"))
    note: Mapped[str | None]
