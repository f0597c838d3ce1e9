"""A worker: a Celery process that runs bots' cycles. `run_worker` returns when it is told to end."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from typing import Any, Protocol

from core.cluster.link import Names, Pauses, Timings, connect, faults
from core.cluster.locks import WORKER_BEAT_SECONDS, worker_beat
from core.cluster.tasks import TASK, make_app, send_cycle
from core.errors import WorldError

log = logging.getLogger(__name__)

MOST_TRIES = 8
LONGEST_PAUSE = 10
BUSY_PAUSE = 0.5
"""Seconds until a cycle is tried again whose bot another worker holds."""


class Runner(Protocol):
    """Does a bot's cycle. Lives in the process that runs the task, and is made there."""

    def run(self, bot_id: str) -> str:
        """Do a cycle: "done", "more" (there is more to be done) or "busy" (another worker holds the bot).

        Raises `WorldError` or what `faults` names where another try may help.
        """
        ...

    def give_up(self, bot_id: str, error: str) -> None:
        """The cycle took too long: the bot goes no further, and says why."""
        ...

    def time_limit(self, bot_id: str) -> float:
        """The strategy's time limit in seconds."""
        ...


class MakeRunner(Protocol):
    """Makes the runner of a process."""

    def __call__(self) -> Runner:
        """Make it. Raises `WorldError`."""
        ...


class _PerProcess:
    """One runner per process: connections do not survive a fork."""

    def __init__(self, make: MakeRunner) -> None:
        self._make = make
        self._owner = 0
        self._runner: Runner | None = None

    def get(self) -> Runner:
        """This process's runner."""
        if self._runner is None or self._owner != os.getpid():
            self._runner, self._owner = self._make(), os.getpid()
        return self._runner


def make_worker_app(url: str, make_runner: MakeRunner, *, too_long: str) -> Any:
    """The application with its task. `too_long` is what a bot says whose cycle had to be ended by force."""
    from celery.exceptions import SoftTimeLimitExceeded

    app = make_app(url)
    runners = _PerProcess(make_runner)

    @app.task(
        name=TASK, bind=True, autoretry_for=(WorldError, *faults()), retry_backoff=1,
        retry_backoff_max=LONGEST_PAUSE, retry_jitter=True, max_retries=MOST_TRIES,
    )  # type: ignore[untyped-decorator]  # fmt: skip
    def run_bot_strategy_cycle(self: Any, bot_id: str) -> None:
        """Take in what is new on the tape, let the strategy decide, store the steps, tell them."""
        runner = runners.get()
        try:
            outcome = runner.run(bot_id)
        except SoftTimeLimitExceeded:
            log.error("the cycle of the bot %s took too long", bot_id)
            runner.give_up(bot_id, too_long)
            return
        if outcome == "busy":
            raise self.retry(countdown=BUSY_PAUSE, max_retries=None)
        if outcome == "more":
            send_cycle(app, bot_id, runner.time_limit(bot_id))

    return app


class Heart:
    """Tells Redis that this worker lives, in a thread of the main process."""

    def __init__(self, url: str, *, timings: Timings | None = None) -> None:
        self._url = url
        self._timings = timings or Timings()
        self._names = Names.of(url)
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker-heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Take leave and end, within a second. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        pauses = Pauses(self._timings)
        while not self._stop.is_set():
            client = connect(self._url, self._timings)
            try:
                while True:
                    worker_beat(client, self._names, self._worker)
                    pauses.reset()
                    if self._stop.wait(WORKER_BEAT_SECONDS):
                        client.zrem(self._names.workers, self._worker)
                        return
            except faults() as error:
                log.debug("Redis does not take the worker's heartbeat: %s", type(error).__name__)
            finally:
                client.close()
            self._stop.wait(pauses.next())


def run_worker(app: Any, url: str, *, pool: str, processes: int, log_level: str) -> None:
    """Work until SIGTERM or Ctrl-C; a cycle that runs is finished then."""
    from celery.signals import worker_ready

    heart = Heart(url)

    def begin(**_: Any) -> None:
        heart.start()

    worker_ready.connect(begin)
    name = f"bots-{os.getpid()}@{socket.gethostname()}"
    try:
        worker = app.Worker(
            pool=pool, concurrency=processes, loglevel=log_level, quiet=True, without_gossip=True,
            without_mingle=True, without_heartbeat=True, hostname=name,
        )  # fmt: skip
        worker.start()
    finally:
        worker_ready.disconnect(begin)
        heart.stop()
