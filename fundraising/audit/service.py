"""Recording actions, raising and closing alarms, beating hearts."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import case
from sqlalchemy.dialects.postgresql import insert

from fundraising import clock
from fundraising.audit.models import Alarm, AuditEvent, Heartbeat
from fundraising.database import db

log = structlog.get_logger(__name__)


def record(action: str, subject: str, actor_id: UUID | None, detail: dict[str, Any]) -> None:
    """Write that somebody did something; ``detail`` holds ids and names of fields, no personal data."""
    db.session.add(AuditEvent(action=action, subject=subject, actor_id=actor_id, detail=detail))
    db.session.flush()


def raise_alarm(key: str, detail: dict[str, Any]) -> None:
    """Raise an alarm, or note that an open one came again. Also an error line in the log."""
    log.error("alarm", alarm=key, **detail)
    now = clock.now()
    statement = insert(Alarm).values(key=key, raised_at=now, seen_at=now, times=1, detail=detail)
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[Alarm.key],
            set_={
                "seen_at": now,
                "times": Alarm.times + 1,
                "detail": detail,
                "raised_at": case((Alarm.closed_at.is_not(None), now), else_=Alarm.raised_at),
                "closed_at": None,
                "closed_by": None,
            },
        )
    )


def close_alarm(key: str, actor_id: UUID) -> None:
    """Close an alarm that was looked into."""
    alarm = db.session.get(Alarm, key)
    if alarm is not None and alarm.closed_at is None:
        alarm.closed_at, alarm.closed_by = clock.now(), actor_id
        record("alarm.closed", f"alarm:{key}", actor_id, {"times": alarm.times})


def beat(process: str) -> None:
    """Note that a process works."""
    statement = insert(Heartbeat).values(process=process, at=clock.now())
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[Heartbeat.process], set_={"at": statement.excluded.at}
        )
    )
