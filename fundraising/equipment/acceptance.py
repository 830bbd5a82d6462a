"""Accepting devices by serial number: each unit gets its number, its fen of the fund and its voucher."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.equipment import holding
from fundraising.equipment.errors import SerialsRefused
from fundraising.equipment.models import Device, DeviceYear
from fundraising.funds import service as funds
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.procurement import acceptance as procurement
from fundraising.procurement.acceptance import Acceptance
from fundraising.references import uuid7

SERIAL = re.compile(r"[0-9A-Z][0-9A-Z ./_-]{2,39}")
SEPARATORS = re.compile(r"[\r\n,;，；、\t]+")
AT_MOST = 500


def parse_serials(text: str) -> list[str]:
    """Split what a person typed or scanned: one serial number a line, or separated by commas."""
    return [word for word in (normal(part) for part in SEPARATORS.split(text)) if word]


def normal(serial: str) -> str:
    """Return a serial number in the form that is compared and stored: half-width capitals."""
    return " ".join(unicodedata.normalize("NFKC", serial).upper().split())


def accept(
    line_id: UUID, serials: Sequence[str], actor_id: UUID, *, on: date | None = None
) -> list[Device]:
    """Accept one device per serial number on a purchase line, all or none.

    Each unit draws its price from what was set aside, inventory is booked against payable, and it is
    numbered ``AED-<year>-<nnn>`` without gaps.

    Raises:
        SerialsRefused: unreadable, twice in the list, or known already; ``extra['serials']`` says which.
        TooMuch, WrongState, PurchaseNotFound: as for ``procurement.acceptance.hold``.
        DayImpossible: in the future or before the approval.
    """
    wanted = [normal(serial) for serial in serials]
    _require_readable(wanted)
    held = procurement.hold(line_id, len(wanted), is_device=True)
    approved = held.purchase.approved_at
    earliest = clock.shanghai_date(approved) if approved else None
    picked = holding.day(on, earliest=earliest)
    _require_new(wanted)
    devices = _add(held, wanted, actor_id, picked)
    ledger.post_many([_entry(device, held.purchase.fund_id, actor_id) for device in devices])
    for device in devices:
        funds.draw(held.spending_line_id, held.unit_price, unit_id=device.id, from_reserved=True)
    held.take(len(devices))
    numbers = [device.no for device in devices]
    audit.record(
        "purchase.devices_accepted",
        f"purchase:{held.purchase.number}",
        actor_id,
        {"devices": numbers},
    )
    return devices


def _require_readable(serials: list[str]) -> None:
    if not serials or len(serials) > AT_MOST:
        raise SerialsRefused(_l("Write between 1 and 500 serial numbers, one a line."))
    bad = [serial for serial in serials if not SERIAL.fullmatch(serial)]
    if bad:
        raise _refused(_l("These are not serial numbers: %(serials)s", serials=_some(bad)), bad)
    twice = [serial for serial, times in Counter(serials).items() if times > 1]
    if twice:
        raise _refused(_l("Twice in this list: %(serials)s", serials=_some(twice)), twice)


def _require_new(serials: list[str]) -> None:
    query = select(Device.serial).where(Device.serial.in_(serials)).order_by(Device.serial)
    known = list(db.session.execute(query).scalars())
    if known:
        raise _refused(_l("Accepted before: %(serials)s", serials=_some(known)), known)


def _add(held: Acceptance, serials: list[str], actor_id: UUID, picked: date) -> list[Device]:
    first = _take_numbers(picked.year, len(serials))
    devices = [
        Device(
            id=uuid7(),
            no=f"AED-{picked.year}-{first + place:03d}",
            serial=serial,
            model=held.line.model or held.line.item.get("zh", ""),
            purchase_line_id=held.line.id,
            unit_no=held.line.accepted + place + 1,
            campaign_id=held.purchase.campaign_id,
            cost_fen=held.line.unit_price_fen,
            accepted_on=picked,
            accepted_by=actor_id,
        )
        for place, serial in enumerate(serials)
    ]
    try:
        with db.session.begin_nested():
            db.session.add_all(devices)
    except IntegrityError:
        _require_new(serials)  # somebody accepted them while we waited
        raise
    return devices


def _take_numbers(year: int, count: int) -> int:
    """Take the next ``count`` numbers of a year and return the first; the row is locked till commit."""
    statement = insert(DeviceYear).values(year=year, last_number=count)
    last = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[DeviceYear.year],
            set_={"last_number": DeviceYear.last_number + count},
        ).returning(DeviceYear.last_number)
    ).scalar_one()
    return last - count + 1


def _entry(device: Device, fund_id: UUID, actor_id: UUID) -> NewEntry:
    cost = Money(device.cost_fen)
    return NewEntry(
        f"device-accepted:{device.id}",
        EntryKind.PURCHASE_ACCEPTED,
        holding.instant(device.accepted_on),
        (debit(chart.INVENTORY, cost, fund_id), credit(chart.PAYABLE, cost)),
        fund_id=fund_id,
        actor=f"staff:{actor_id}",
    )


def _refused(message: object, serials: list[str]) -> SerialsRefused:
    return SerialsRefused(message, serials=serials)


def _some(serials: list[str], most: int = 10) -> str:
    shown = ", ".join(serials[:most])
    return f"{shown} …" if len(serials) > most else shown
