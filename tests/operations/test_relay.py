"""The relay while Redis is away: it goes on looking, and rings again when Redis is back."""

import subprocess
import sys

from local.stack import ROOT

RING = """
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
print("still here")
"""


def test_a_redis_that_is_away_does_not_end_the_relay() -> None:
    """Both ways of noticing: the look at the queue fails, or only the ring itself does."""
    env = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": "for this test, long enough to be taken",
        "DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/x",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PUBLIC_URL": "http://localhost",
    }
    done = subprocess.run(
        [sys.executable, "-c", RING], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.stdout.endswith("still here\n"), done.stderr[-2000:]
    assert done.stdout.count("redis_away") + done.stderr.count("redis_away") == 2
