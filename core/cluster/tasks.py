"""The Celery application: one kind of task, a bot's cycle, over Redis. Imported only by who uses Celery."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs

from core.cluster.link import Names

TASK = "swing_hunter.run_bot_strategy_cycle"
QUEUE = "bots"
CYCLE_SECONDS = 5.0
"""After so long a cycle ends and is put into the queue again, if there is more to do."""
SPARE_SECONDS = 5.0
"""What a cycle may take longer than planned before it is ended by force."""
LOCK_SECONDS = 10.0
"""A worker that dies holds its bot for so long, and for the strategy's time limit on top."""
LONGEST_PAUSE = 2.0
"""Seconds between two tries of a worker to reach Redis."""
_BROKER_SECONDS = 3.0


def make_app(url: str) -> Any:
    """The application on the broker `url`. Results are not kept: they are in the database."""
    from celery import Celery

    app = Celery("swing_hunter", broker=broker_of(url), set_as_current=False)
    app.amqp.Connection = _eager_connection()
    if url.startswith("rediss:"):
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    app.conf.update(
        task_default_queue=QUEUE, task_serializer="json", accept_content=["json"], task_ignore_result=True,
        # A task counts as done when it is done: what a killed worker had is given to another.
        task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_connection_retry=True, broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None, broker_connection_timeout=_BROKER_SECONDS,
        broker_transport_options={
            "visibility_timeout": LOCK_SECONDS * 2, "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1, "socket_timeout": _BROKER_SECONDS,
            "socket_connect_timeout": _BROKER_SECONDS, "health_check_interval": 5,
            "global_keyprefix": Names.of(url).celery,
        },
        worker_hijack_root_logger=False, worker_redirect_stdouts=False, worker_send_task_events=False,
        worker_enable_remote_control=False, enable_utc=True,
    )  # fmt: skip
    return app


def _eager_connection() -> Any:
    """A connection that tries again soon: Celery's own waits for up to 30 seconds between two tries."""
    from kombu.connection import Connection

    class EagerConnection(Connection):
        def _ensure_connection(
            self, errback: Any = None, max_retries: Any = None, *_pauses: Any, **options: Any
        ) -> Any:
            options |= {"interval_start": 0.2, "interval_step": 0.2, "interval_max": LONGEST_PAUSE}
            return super()._ensure_connection(errback, max_retries, **options)  # type: ignore[no-untyped-call]

    return EagerConnection


def broker_of(url: str) -> str:
    """Celery's name for the same Redis: it writes those behind a file system's socket in its own way."""
    if not url.startswith("unix://"):
        return url
    place, _, query = url.removeprefix("unix://").partition("?")
    base = f"redis+socket://{place}"
    number = parse_qs(query).get("db", ["0"])[0]
    return f"{base}?virtual_host={number}"


def close_app(app: Any) -> None:
    """Let go of the broker. Idempotent."""
    pool = app.amqp.producer_pool
    app.close()
    pool.force_close_all()
    pool.connections.force_close_all()


def lock_seconds(time_limit_sec: float) -> float:
    """For how long a bot's worker may be silent before another takes over."""
    return LOCK_SECONDS + time_limit_sec


def send_cycle(app: Any, bot_id: str, time_limit_sec: float) -> None:
    """Put a cycle of a bot into the queue. Raises what the broker raises."""
    soft = CYCLE_SECONDS + time_limit_sec + SPARE_SECONDS
    app.send_task(
        TASK, args=[bot_id], queue=QUEUE, retry=False, soft_time_limit=soft, time_limit=soft + SPARE_SECONDS
    )
