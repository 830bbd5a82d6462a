"""The relay rings the doorbell: a few messages without arguments while work waits in PostgreSQL.

It listens for NOTIFY and looks by itself twice a second. With Redis away it goes on looking and settles money
itself; receipts and letters wait. Run as ``python -m worker.relay``.
"""

import select
import signal
import time
from types import FrameType

import psycopg
import redis
import structlog
from kombu.exceptions import OperationalError as BrokerAway
from sqlalchemy.exc import SQLAlchemyError

from fundraising import logs
from fundraising.database import db
from fundraising.outbox.kinds import Queue
from fundraising.outbox.service import CHANNEL
from worker import handlers, tasks
from worker.app import flask_app, only_ring, settings
from worker.pulse import Pulse

LONGEST_QUEUE = 4
LOOK_EVERY = 0.5
GATHER = 0.1
LONGEST_ANSWER = 1.0
log = structlog.get_logger(__name__)


class Relay:
    """Looks for due work and rings for it."""

    def __init__(self) -> None:
        self.redis = redis.Redis.from_url(
            settings.redis_url, socket_timeout=LONGEST_ANSWER, socket_connect_timeout=LONGEST_ANSWER
        )
        self.listener: psycopg.Connection | None = None
        self.is_running = True
        self.pulse = Pulse("relay")

    def run(self) -> None:
        """Ring until asked to stop."""
        while self.is_running:
            self.wait()
            try:
                with flask_app.app_context():
                    due = handlers.due_queues()
                    self.pulse.beat()
                    db.session.remove()
            except SQLAlchemyError as away:
                log.warning("database_away", error=type(away).__name__)
                time.sleep(LOOK_EVERY)
                continue
            for queue in sorted(due):
                if not self.ring(Queue(queue)):
                    self.settle(due)
                    break
            if due:
                time.sleep(GATHER)  # what comes in meanwhile is done as one set

    def ring(self, queue: Queue) -> bool:
        """Ring one queue unless enough rings wait there; False when Redis is away, which is no error."""
        try:
            if self.redis.llen(queue) < LONGEST_QUEUE:
                tasks.RING[queue].apply_async(queue=queue, retry=False)
        except (redis.RedisError, OSError, BrokerAway) as away:
            log.warning("redis_away", queue=queue, error=type(away).__name__)
            time.sleep(LOOK_EVERY)
            return False
        return True

    def settle(self, due: set[str]) -> None:
        """Do here what is due of the money while Redis takes no ring; workers and this never do a thing twice."""
        if Queue.MONEY not in due:
            return
        try:
            with flask_app.app_context():
                handlers.drain_money()
        except Exception as failed:  # whatever it was, it is due again at the next look
            log.exception("not_settled", error=type(failed).__name__)

    def wait(self) -> None:
        """Sleep until NOTIFY or half a second, whichever is first."""
        try:
            if self.listener is None:
                url = settings.database_url.replace("postgresql+psycopg", "postgresql")
                self.listener = psycopg.connect(url, autocommit=True, connect_timeout=3)
                self.listener.execute(f"LISTEN {CHANNEL}")
            ready, _, _ = select.select([self.listener.fileno()], [], [], LOOK_EVERY)
            if ready:
                for _ in self.listener.notifies(timeout=0, stop_after=1000):
                    pass
        except (psycopg.Error, OSError, ValueError):
            self.listener = None
            time.sleep(LOOK_EVERY)

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """End after this round."""
        self.is_running = False


if __name__ == "__main__":
    logs.setup()
    only_ring()
    relay = Relay()
    signal.signal(signal.SIGTERM, relay.stop)
    signal.signal(signal.SIGINT, relay.stop)
    relay.run()
