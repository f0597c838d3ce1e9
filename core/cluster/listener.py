"""Hears what all engines tell, in one thread per process that is never silently dead.

Each session subscribes first and reads the hashes then, so nothing falls in between; a message that is older
than what the hashes told changes nothing. Every few seconds the listener publishes a heartbeat of its own and
reads the versions in the same step: when it hears itself, it has heard everything before, so a version that
it does not know was lost on the way and all is read anew. If it hears nothing at all for long, Redis is
frozen or the connection is dead, whatever the socket says, and it connects anew.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from core.cluster import scripts
from core.cluster.fleet import Fleet, FleetSink, Life
from core.cluster.link import Names, Pauses, Timings, connect, end_thread, faults
from core.cluster.messages import (
    UNREADABLE,
    PingMessage,
    StateMessage,
    StepsMessage,
    decode_beat,
    decode_message,
    decode_state,
    encode,
)
from core.cluster.publisher import EXPIRE_FACTOR
from core.secrets import redactor

log = logging.getLogger(__name__)

LOOK = 0.2
"""Seconds between two looks at whether to end."""


class SilentError(OSError):
    """Nothing was heard for too long."""


class FleetListener:
    """Tells `sink` what the bots do. The sink is called in the listener's thread and must not wait."""

    def __init__(
        self, url: str, sink: FleetSink, *, timings: Timings | None = None,
        on_steps: Callable[[StepsMessage], None] = lambda steps: None,
    ) -> None:  # fmt: skip
        self._url = url
        self._timings = timings or Timings()
        self._names = Names.of(url)
        self._sink = sink
        self._fleet = Fleet(sink)
        self._on_steps = on_steps
        self._name = secrets.token_hex(6)
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._client: Any = None
        self._trouble = ""
        self._number = 0
        self._checked: tuple[int, dict[str, str]] = (0, {})
        self._unreadable: set[str] = set()
        self._complaints: set[str] = set()
        self.sessions = 0
        """How often it connected."""
        self._thread = threading.Thread(target=self._run, name="redis-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End, in little more than a second whatever Redis does. Idempotent."""
        self._stop.set()
        end_thread(self._thread, lambda: self._client, 0.0, self._timings)

    @property
    def connected(self) -> bool:
        """Whether it hears."""
        return self._connected.is_set()

    @property
    def trouble(self) -> str:
        """Why it does not, "" while it does."""
        return self._trouble

    def owner_of(self, bot_id: str) -> str | None:
        """Whose the bot is, None if there is none. May be called from any thread."""
        return self._fleet.owner_of(bot_id)

    # --- the listener's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        pauses = Pauses(self._timings)
        while not self._stop.is_set():
            try:
                self._session(pauses)
            except faults() as error:
                self._lost(error)
            except Exception:
                log.exception("listening to Redis failed")
            if self._connected.is_set():
                self._connected.clear()
                self._sink.on_ready(False)
            self._stop.wait(pauses.next())

    def _session(self, pauses: Pauses) -> None:
        client = self._client = connect(self._url, self._timings)
        pubsub = client.pubsub()
        try:
            pubsub.subscribe(self._names.events)
            self._await_subscription(pubsub)
            self._read_all(client)
            self._found()
            pauses.reset()
            self._listen(client, pubsub)
        finally:
            pubsub.close()
            client.close()

    def _await_subscription(self, pubsub: Any) -> None:
        message = pubsub.get_message(timeout=self._timings.reply)
        if message is None or message["type"] != "subscribe":
            raise SilentError("Redis did not confirm the subscription")

    def _read_all(self, client: Any) -> None:
        names = self._names
        states, alive = client.eval(scripts.SNAPSHOT, 2, names.states, names.versions, names.engine_prefix)
        read = {bot_id.decode(): self._read_state(data) for bot_id, data in _pairs(states)}
        self._unreadable = {bot_id for bot_id, message in read.items() if message is None}
        told = [message for message in read.values() if message is not None]
        expire = self._timings.beat * EXPIRE_FACTOR
        lives = {}
        for data, left in _pairs(alive):
            beat = decode_beat(data)
            age = max(0.0, expire - left / 1000) + beat.age
            lives[beat.engine] = Life(age, beat.serving, beat.complete)
        self._fleet.replace_all(told, lives)

    def _listen(self, client: Any, pubsub: Any) -> None:
        heard = time.monotonic()
        next_ping = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            if now - heard > self._timings.dead:
                raise SilentError("Redis is silent")
            if now >= next_ping:
                next_ping = now + self._timings.ping
                self._ping(client)
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=LOOK)
            if message is not None:
                heard = time.monotonic()
                if self._hear(message["data"]):
                    self._read_all(client)

    def _ping(self, client: Any) -> None:
        """Publish our own heartbeat, and read the versions at the same moment.

        A Redis that does not answer here is left to `dead`, since the messages may still come.
        """
        self._number += 1
        names = self._names
        ping = encode(PingMessage(self._name, self._number))
        try:
            told = client.eval(scripts.PING, 2, names.versions, names.events, ping)
        except faults() as error:
            log.debug("the listener's heartbeat was not taken: %s", type(error).__name__)
            return
        held = {bot_id.decode(): at.decode() for bot_id, at in _pairs(told)}
        self._checked = (self._number, held)

    def _hear(self, data: bytes) -> bool:
        """Take a message; whether everything must be read anew."""
        try:
            message = decode_message(data)
        except UNREADABLE as error:
            self._cannot_read(error)
            return False
        if isinstance(message, PingMessage):
            number, held = self._checked
            if message.listener != self._name or message.number != number:
                return False
            held = {bot_id: at for bot_id, at in held.items() if bot_id not in self._unreadable}
            if self._fleet.agrees(held):
                return False
            log.warning("a message of Redis was lost on its way; all bots are read anew")
            return True
        if isinstance(message, StepsMessage):
            self._on_steps(message)
        else:
            self._fleet.take(message)
        return False

    def _read_state(self, data: bytes) -> StateMessage | None:
        try:
            return decode_state(data)
        except UNREADABLE as error:
            self._cannot_read(error)
            return None

    def _cannot_read(self, error: Exception) -> None:
        """Told once per kind: another version of the program may speak in a way that we do not know."""
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            log.warning("a message in Redis cannot be read: %s", error)

    def _found(self) -> None:
        if self._trouble:
            log.info("Redis is back; all bots were read anew")
        self._trouble = ""
        self.sessions += 1
        self._connected.set()
        self._sink.on_ready(True)

    def _lost(self, error: Exception) -> None:
        if self._stop.is_set():
            return
        text = redactor.mask(f"{type(error).__name__}: {error}")
        if not self._trouble:
            log.warning("Redis is not heard: %s", text)
        self._trouble = text


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    """What Redis answers for a hash: name, value, name, value, ..."""
    return zip(values[::2], values[1::2], strict=True)
