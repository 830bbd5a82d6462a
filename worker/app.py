"""The Celery application. Redis carries only doorbells; every setting here keeps it that way."""

import gc
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import setup_logging, worker_process_init
from flask import Flask
from kombu.connection import Connection
from kombu.entity import Queue as KombuQueue

import config
from fundraising import logs
from fundraising.app import create_app
from fundraising.database import db
from fundraising.outbox.kinds import Queue

RING_EXPIRES_SECONDS = 30
SOCKET_SECONDS = 2.0

AWAY_PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
RINGING = {"socket_timeout": SOCKET_SECONDS, "max_retries": 0}
"""How whoever only rings speaks to Redis: once, because the next ring is never far away."""


class Line(Connection):
    """A connection to Redis that is tried again every two seconds, however long Redis was away.

    Kombu's own pauses grow to half a minute: for so long a worker would miss every ring after an outage.
    """

    def _ensure_connection(self, *args: Any, **more: Any) -> Any:
        return super()._ensure_connection(*args, **(AWAY_PAUSES if len(args) < 3 else {}) | more)


class Lines(AMQP):
    """Makes our kind of connection."""

    Connection = Line


settings = config.load()
flask_app: Flask = create_app(settings)

app = Celery(
    "fundraising",
    broker=settings.redis_url or "memory://",
    include=["worker.tasks"],
    amqp=Lines,
)
app.conf.update(
    # A message says only "look": losing, doubling or delaying one means nothing.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    event_serializer="json",
    result_backend=None,
    # Nothing runs longer than this; the visibility time-out is far above it.
    task_soft_time_limit=60,
    task_time_limit=90,
    broker_transport_options={
        "visibility_timeout": 300,
        "socket_timeout": SOCKET_SECONDS * 5,
        "socket_connect_timeout": 1.0,
        "retry_policy": {"max_retries": 1},
        "unacked_restore_interval": 5,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_max_tasks_per_child=2000,
    task_publish_retry=False,
    task_create_missing_queues=False,
    task_queues=[KombuQueue(queue) for queue in Queue],
    task_default_queue=Queue.MAINTENANCE,
    timezone="UTC",
    enable_utc=True,
)


def only_ring() -> None:
    """Let this process, which takes no rings, wait no longer for Redis than a ring is worth."""
    app.conf.broker_transport_options.update(RINGING)


@setup_logging.connect
def _logging(**_: object) -> None:
    logs.setup()


@worker_process_init.connect
def _fresh_connections(**_: object) -> None:
    with flask_app.app_context():
        db.engine.dispose(close=False)


gc.freeze()  # what is loaded stays, and is not copied into the workers' children by looking at it
gc.enable()
