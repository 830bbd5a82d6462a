"""Redis away: the relay goes on looking and rings again when it is back, and the worker is back soon too."""

import subprocess
import sys

from local.stack import ROOT

RING = """
import gc
import sys
from fundraising.outbox.kinds import Queue
from worker import relay
def away(**_):
    raise relay.BrokerAway
relay.LOOK_EVERY = 0
bell = relay.Relay()
bell.ring(Queue.MONEY)
bell.redis.llen = lambda _queue: 0
relay.tasks.RING[Queue.MONEY].apply_async = away
bell.ring(Queue.MONEY)
print("collects" if gc.isenabled() else "", *sys.modules.keys() & {"alembic"}, "still here")
"""

SETTLE = """
from worker import relay
relay.LOOK_EVERY = 0
relay.handlers.due_queues = lambda: {"mail", "money"}
tries = []
def drain():
    tries.append(0)
    if len(tries) == 1:
        raise ValueError
    bell.is_running = False
    print("settled here")
relay.handlers.drain_money = drain
bell = relay.Relay()
bell.wait = bell.pulse.beat = lambda: None
bell.run()
"""

WAIT = """
import kombu.utils.functional
from worker.app import app
kombu.utils.functional.sleep = lambda _seconds: None
pauses = []
def away(_error, pause):
    pauses.append(pause)
    if len(pauses) == 40:
        raise SystemExit(print(max(pauses)))
app.connection_for_read().ensure_connection(away)
"""


def test_a_redis_that_is_away_does_not_end_the_relay() -> None:
    """Both ways of noticing: the look at the queue fails, or only the ring itself does.

    What makes a start quick is seen on the way: no tool for migrations, the collector at rest until the end.
    """
    done = _run(RING)

    assert done.stdout.endswith("collects still here\n"), done.stderr[-2000:]
    assert done.stdout.count("redis_away") + done.stderr.count("redis_away") == 2


def test_while_redis_is_away_the_relay_settles_money_itself_and_goes_on_when_that_fails() -> None:
    done = _run(SETTLE)

    assert done.stdout.endswith("settled here\n"), done.stderr[-2000:]


def test_a_worker_looks_for_a_lost_redis_every_two_seconds_however_long_it_was_away() -> None:
    assert _run(WAIT).stdout == "2.0\n"


def _run(script: str) -> "subprocess.CompletedProcess[str]":
    env = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": "for this test, long enough to be taken",
        "DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/x",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PUBLIC_URL": "http://localhost",
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
