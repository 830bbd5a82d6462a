"""The schedule. Celery's beat runs it under a lock in PostgreSQL, so that a second beat only waits.

Daily duties never fall between midnight in Shanghai (16:00 UTC) and midnight UTC, where "today" means
two things. Run as ``python -m worker.beat``.
"""

import time

import psycopg
import structlog
from celery.apps.beat import Beat
from celery.beat import Scheduler
from celery.schedules import crontab, schedule

from fundraising import logs
from worker.app import app, only_ring, settings

ONE_BEAT = 7_310_404
SCHEDULE = {
    "fold": {"task": "maintenance.fold", "schedule": schedule(5.0)},
    "check-books": {"task": "maintenance.check_books", "schedule": schedule(600.0)},
    # Bills come from 10:00 in Shanghai on; every half an hour from 10:30 to 23:30.
    "reconcile": {
        "task": "maintenance.reconcile",
        "schedule": crontab(hour="2-15", minute="30"),
    },
    "watch-floods": {"task": "maintenance.watch_floods", "schedule": schedule(60.0)},
    "monthly": {"task": "maintenance.monthly", "schedule": schedule(60.0)},
    "tidy": {"task": "maintenance.tidy", "schedule": crontab(hour="1", minute="20")},
    "plan-receipts": {"task": "receipts.plan", "schedule": crontab(hour="1", minute="40")},
}
log = structlog.get_logger(__name__)
app.conf.beat_schedule = {
    name: {**entry, "options": {"queue": "maintenance", "expires": 60, "retry": False}}
    for name, entry in SCHEDULE.items()
}


class OnlyBeat(Scheduler):
    """A scheduler without a file that works only while it holds the lock."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.lock = hold_lock()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Take the schedule from the settings."""
        self.merge_inplace(self.app.conf.beat_schedule)

    def tick(self, *args: object, **kwargs: object) -> float:
        """Send what is due, or take the lock again when the database went away."""
        try:
            self.lock.execute("SELECT 1")
        except psycopg.Error:
            self.lock = hold_lock()
        return float(super().tick(*args, **kwargs))

    def apply_async(self, entry: object, *args: object, **kwargs: object) -> object:
        """Send one task; with Redis away this run is missed and the next one makes up for it."""
        try:
            return super().apply_async(entry, *args, **kwargs)
        except Exception as away:  # whatever Redis does, the beat goes on
            log.warning("beat_not_sent", error=type(away).__name__)
            return None


def hold_lock() -> psycopg.Connection:
    """Wait until this process is the only beat, and stay it as long as the connection lives."""
    url = settings.database_url.replace("postgresql+psycopg", "postgresql")
    while True:
        try:
            connection = psycopg.connect(url, autocommit=True, connect_timeout=3)
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ONE_BEAT,)).fetchone()
            if row is not None and row[0]:
                return connection
            connection.close()
        except psycopg.Error as away:
            log.warning("database_away", error=type(away).__name__)
        time.sleep(2.0)


if __name__ == "__main__":
    logs.setup()
    only_ring()
    Beat(app=app, scheduler_cls=OnlyBeat, max_interval=5, loglevel="WARNING", quiet=True).run()
