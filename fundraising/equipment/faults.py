"""What people passing by report: a few words without an account, a list for staff, one closing."""

from uuid import UUID

from sqlalchemy import select

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.equipment.errors import ReasonNeeded, ReportNotFound
from fundraising.equipment.models import FaultKind, FaultReport

OPEN_PER_DEVICE = 20


def report(device_id: UUID, kind: FaultKind, what: str = "") -> FaultReport | None:
    """Keep what somebody reported; None once a device has many open reports that say enough."""
    query = (
        select(FaultReport.id)
        .where(FaultReport.device_id == device_id, FaultReport.closed_at.is_(None))
        .limit(OPEN_PER_DEVICE)
    )
    if len(db.session.execute(query).all()) >= OPEN_PER_DEVICE:
        return None
    kept = FaultReport(device_id=device_id, kind=kind, what=what.strip())
    db.session.add(kept)
    db.session.flush()
    return kept


def close(report_id: UUID, note: str, actor_id: UUID) -> FaultReport:
    """Close a report with what was done. Raises ReportNotFound, ReasonNeeded."""
    query = select(FaultReport).where(FaultReport.id == report_id).with_for_update()
    found = db.session.execute(query).scalar_one_or_none()
    if found is None or found.closed_at is not None:
        raise ReportNotFound
    if not note.strip():
        raise ReasonNeeded
    found.closed_at, found.closed_by, found.note = clock.now(), actor_id, note.strip()
    db.session.flush()
    audit.record("fault.closed", f"fault:{found.id}", actor_id, {"device": str(found.device_id)})
    return found
