"""Who works for a bot: a lock in Redis that expires, and the mark that a cycle waits or runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

from core.cluster import scripts
from core.cluster.link import Names


class BotLock:
    """Held by one worker at a time, for `seconds` from the last `keep`.

    It saves work and keeps the order; that nothing is booked twice is the database's doing, which takes a
    bot's step only on top of the one before. Every method raises what `faults` names.
    """

    def __init__(self, client: Any, names: Names, bot_id: str, seconds: float) -> None:
        self._client = client
        self._key = names.lock(bot_id)
        self._token = secrets.token_hex(12)
        self._seconds = seconds
        self._renew_at = 0.0

    def take(self) -> bool:
        """Whether it is ours now."""
        self._renew_at = time.monotonic() + self._seconds / 3
        return bool(self._client.set(self._key, self._token, nx=True, px=round(self._seconds * 1000)))

    def keep(self) -> bool:
        """Whether it is ours still; it is made to last when a third of its time has passed."""
        now = time.monotonic()
        if now < self._renew_at:
            return True
        self._renew_at = now + self._seconds / 3
        milliseconds = round(self._seconds * 1000)
        return bool(self._client.eval(scripts.EXTEND, 1, self._key, self._token, milliseconds))

    def give_back(self) -> None:
        """Let others have it."""
        self._client.eval(scripts.RELEASE, 1, self._key, self._token)


def mark_queued(client: Any, names: Names, bots: Sequence[tuple[str, float]]) -> list[str]:
    """Mark bots as waiting for their cycle, each for so many seconds; those that were not marked already."""
    with client.pipeline(transaction=False) as pipeline:
        for bot_id, seconds in bots:
            pipeline.set(names.queued(bot_id), "1", nx=True, px=round(seconds * 1000))
        marked = pipeline.execute()
    return [bot_id for (bot_id, _), new in zip(bots, marked, strict=True) if new]


def keep_queued(client: Any, names: Names, bot_id: str, seconds: float) -> None:
    """The cycle still waits or runs."""
    client.set(names.queued(bot_id), "1", px=round(seconds * 1000))


def unmark(client: Any, names: Names, bot_ids: Iterable[str]) -> None:
    """The cycles are over: the next one may be put into the queue."""
    keys = [names.queued(bot_id) for bot_id in bot_ids]
    if keys:
        client.delete(*keys)


def note_done(client: Any, names: Names, bot_id: str, number: int) -> None:
    """The cycle is over; it has taken in the tape up to `number`."""
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hset(names.done, bot_id, number)
        pipeline.delete(names.queued(bot_id))
        pipeline.execute()


WORKER_BEAT_SECONDS = 1.0
WORKER_SILENT_SECONDS = 3.0
"""A worker that was silent for longer is dead: its bots turn grey within five seconds, this included."""


def worker_beat(client: Any, names: Names, worker: str) -> None:
    """A worker lives."""
    client.eval(scripts.WORKER_BEAT, 1, names.workers, worker, WORKER_SILENT_SECONDS)


def living_workers(client: Any, names: Names) -> int:
    """How many workers live."""
    return int(client.eval(scripts.WORKERS, 1, names.workers, WORKER_SILENT_SECONDS))
