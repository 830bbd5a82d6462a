"""Whether the process lives, whether it can serve, and figures for the one who watches (loopback only)."""

from datetime import timedelta

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from fundraising import clock, revisions
from fundraising.access import public
from fundraising.audit import queries as audit
from fundraising.database import db
from fundraising.extensions import limiter
from fundraising.outbox import queries as outbox

bp = Blueprint("health", __name__)
limiter.exempt(bp)
OLDEST_WORK = timedelta(minutes=5)


@bp.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """Answer while the process lives."""
    return {"status": "ok"}


@bp.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Answer 200 when database and schema are right; says how old the oldest waiting work is."""
    try:
        is_current = revisions.current(db.session.connection()) == revisions.newest()
        oldest = outbox.oldest_due()
        notice = db.session.execute(
            text("SELECT min(due_at) FROM payment_inbox WHERE state = 'new'")
        ).scalar_one()
        beats = audit.heartbeats()
    except SQLAlchemyError:
        return {"status": "database away"}, 503
    ages = {
        name: round((clock.now() - at).total_seconds(), 1)
        for name, at in (("outbox", oldest), ("inbox", notice))
        if at is not None
    }
    late = {name: age for name, age in ages.items() if age > OLDEST_WORK.total_seconds()}
    body = {
        "status": "ready" if is_current else "schema is not at head",
        "oldest_seconds": ages,
        "late": sorted(late),
        "heartbeats": {name: at.isoformat() for name, at in beats.items()},
    }
    return body, 200 if is_current else 503


@bp.get("/metrics")
@public
def metrics() -> ResponseReturnValue:
    """Figures in Prometheus text, for callers on this machine that came through no proxy."""
    is_local = (
        request.remote_addr in ("127.0.0.1", "::1") and "X-Forwarded-For" not in request.headers
    )
    if not is_local:
        abort(404)
    registry = CollectorRegistry()
    waiting = Gauge("fundraising_waiting", "Rows that wait", ["where"], registry=registry)
    counts = text(
        "SELECT (SELECT count(*) FROM payment_inbox WHERE state = 'new') AS inbox, "
        "(SELECT count(*) FROM payment_inbox WHERE state = 'dead') AS inbox_dead, "
        "(SELECT count(*) FROM outbox_work WHERE done_at IS NULL AND dead_at IS NULL) AS outbox, "
        "(SELECT count(*) FROM outbox_work WHERE dead_at IS NOT NULL) AS outbox_dead, "
        "(SELECT count(*) FROM payment_review WHERE closed_at IS NULL) AS reviews, "
        "(SELECT count(*) FROM audit_alarm WHERE closed_at IS NULL) AS alarms"
    )
    for name, value in db.session.execute(counts).mappings().one().items():
        waiting.labels(name).set(value)
    beats = Gauge("fundraising_heartbeat_age_seconds", "Age", ["process"], registry=registry)
    for name, at in audit.heartbeats().items():
        beats.labels(name).set((clock.now() - at).total_seconds())
    Gauge("fundraising_up", "One while serving", registry=registry).set(1)
    assert current_app
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
