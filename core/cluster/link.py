"""How this program speaks to Redis: the names it uses there, how long it waits, how it connects.

redis-py's own reconnecting is switched off. It tries a few times and then gives up for good, and it never
notices a Redis that is frozen; so each of our threads watches over its connection itself and makes a new one.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

log = logging.getLogger(__name__)

CUT_EVERY = 0.05
"""Seconds between two cuts of the connections of a thread that is to end."""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. Tests take shorter ones.

    An engine's heartbeat comes every `beat`. A listener publishes its own every `ping` and connects anew
    after `dead` without hearing anything: within 15 seconds, even if its heartbeat waits for its reply just
    then. `reply` and `connect` bound each call; a broken connection is tried again after a random pause that
    grows from `first_pause` to `longest_pause`.
    """

    beat: float = 2.0
    ping: float = 5.0
    dead: float = 12.0
    reply: float = 2.0
    connect: float = 1.0
    first_pause: float = 0.05
    longest_pause: float = 0.5


class Names(msgspec.Struct, frozen=True):
    """Keys and channels. Channels do not belong to a Redis database, hence its number in the prefix."""

    prefix: str

    @classmethod
    def of(cls, url: str) -> Names:
        """The names in the Redis database of `url`."""
        return cls(f"swing:{_database(url)}")

    @property
    def events(self) -> str:
        """The channel on which everything is published."""
        return f"{self.prefix}:events"

    @property
    def states(self) -> str:
        """The hash of the last `StateMessage` per bot."""
        return f"{self.prefix}:states"

    @property
    def versions(self) -> str:
        """The hash of "VERSION ENGINE" per bot."""
        return f"{self.prefix}:versions"

    @property
    def engine_prefix(self) -> str:
        """What the name of an engine's key begins with."""
        return f"{self.prefix}:engine:"

    def engine(self, engine_id: str) -> str:
        """The key that is there as long as the engine lives."""
        return self.engine_prefix + engine_id

    def commands(self, engine_id: str) -> str:
        """The list of the commands that wait for an engine."""
        return f"{self.prefix}:commands:{engine_id}"

    def seen(self, command_id: str) -> str:
        """The key that tells that a command was given already."""
        return f"{self.prefix}:command:{command_id}"

    def answer(self, command_id: str) -> str:
        """The list that holds a command's answer."""
        return f"{self.prefix}:answer:{command_id}"

    def tape(self, engine_id: str, topic: str) -> str:
        """The stream of an engine's prices of an instrument, or of its commands for a bot."""
        return f"{self.prefix}:tape:{engine_id}:{topic}"

    def tape_marker(self, engine_id: str) -> str:
        """The key that tells that the engine's streams are whole."""
        return f"{self.prefix}:tape:{engine_id}"

    def lock(self, bot_id: str) -> str:
        """The key that a bot's worker holds."""
        return f"{self.prefix}:lock:{bot_id}"

    def queued(self, bot_id: str) -> str:
        """The key that tells that a cycle of the bot waits or runs."""
        return f"{self.prefix}:queued:{bot_id}"

    def tape_last(self, engine_id: str) -> str:
        """The key that holds the last number of the engine's tape."""
        return f"{self.prefix}:tape-last:{engine_id}"

    @property
    def celery(self) -> str:
        """What Celery's keys begin with."""
        return f"{self.prefix}:celery:"

    @property
    def queue(self) -> str:
        """The list of the cycles that wait for a worker; Celery's."""
        return f"{self.celery}bots"

    @property
    def done(self) -> str:
        """The hash of the tape's last number per bot that its last finished cycle knew."""
        return f"{self.prefix}:done"

    @property
    def homes(self) -> str:
        """The hash of the engine per bot, for workers."""
        return f"{self.prefix}:homes"

    @property
    def workers(self) -> str:
        """The sorted set of the living workers, by their last sign of life."""
        return f"{self.prefix}:workers"


def _database(url: str) -> int:
    from redis.connection import parse_url

    parts: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return int(parts.get("db", 0))


def connect(url: str, timings: Timings, *, reply: float | None = None) -> Any:
    """A client that fails at once rather than try again; nothing is sent yet. Raises `ValueError` for a
    bad URL."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, socket_timeout=reply or timings.reply, socket_connect_timeout=timings.connect,
        retry=Retry(NoBackoff(), 0), health_check_interval=0,
    )  # fmt: skip


def cut(client: Any) -> None:
    """Break a client's connections from another thread, so that a call that waits for Redis fails at once."""
    pool = client.connection_pool
    try:
        connections = [*pool._available_connections, *pool._in_use_connections]
    except RuntimeError:  # it is just getting another one
        return
    for connection in connections:
        sock = getattr(connection, "_sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def end_thread(
    thread: threading.Thread, client: Callable[[], Any], patience: float, timings: Timings
) -> None:
    """Wait `patience` seconds for a thread that was asked to end, then cut its connections and wait again.

    `client` tells whose connections: the thread may make itself another one, and redis-py another
    connection in place of the one that was cut, so they are cut until the thread has ended.
    """
    if not thread.is_alive():
        return
    thread.join(patience)
    end = time.monotonic() + timings.connect + 0.5
    while thread.is_alive() and time.monotonic() < end:
        connected = client()
        if connected is not None:
            cut(connected)
        thread.join(CUT_EVERY)
    if thread.is_alive():
        log.error("the thread %s did not end", thread.name)


def faults() -> tuple[type[Exception], ...]:
    """What a call to Redis raises for the world's fault."""
    from redis.exceptions import RedisError

    return (RedisError, OSError)


class Pauses:
    """How long to wait before the next try: a random part of a bound that doubles."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self._bound = timings.first_pause

    def next(self) -> float:
        """The seconds to wait now."""
        bound, self._bound = self._bound, min(self._bound * 2, self._timings.longest_pause)
        return random.uniform(bound / 2, bound)

    def reset(self) -> None:
        """It works again."""
        self._bound = self._timings.first_pause
