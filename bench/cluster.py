"""The status stream through a real Redis: under load, and how soon it heals when Redis fails.

The engine, the relaying server and the clients are processes of their own on the same machine. The faults are
measured with the real times (`core.cluster.link.Timings`), on the listener that every server has.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.children import ROOT
from bench.figures import Figure, percentile
from bench.stream import ALL, Server
from bench.stream_load import Crowd
from bench.stream_server import allow_files, token
from core.bots.model import BotState
from core.cluster.listener import FleetListener
from tests.loopback.redis_server import RedisServer

USERS = 1000
CLIENTS = 2000
FREEZE_SECONDS = 20.0
OUTAGE_SECONDS = 5.0
ALIVE_SECONDS = 5.0
PATIENCE = 40.0


def run() -> list[Figure]:
    """The load, then the faults."""
    allow_files()
    with RedisServer() as redis:
        return [*through_redis(redis), *faults(redis)]


class Engine:
    """The child whose bots change."""

    def __init__(self, url: str, users: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.cluster_engine", url, str(users)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tell(self, line: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answered(self) -> dict[str, Any]:
        """What it says to the last command."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def kill(self) -> None:
        """As the power cord would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        """End it in good order."""
        if self.process.poll() is None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(10)


@contextmanager
def _engine(url: str, users: int) -> Iterator[Engine]:
    engine = Engine(url, users)
    try:
        yield engine
    finally:
        engine.close()


def through_redis(redis: RedisServer) -> list[Figure]:
    """Clients of a server that only relays, 50 changes a second in all."""
    with _engine(redis.url, USERS) as engine, Server(USERS, redis.url) as server:
        engine.tell("states")
        engine.answered()
        _until(lambda: server.ask("known")["bots"] == USERS)
        crowd = Crowd(server.port)
        crowd.join([(ALL, token(i % USERS), f"bot-{i % USERS:06d}") for i in range(CLIENTS)])
        before = server.ask("cpu")
        engine.tell(f"publish 50 10 {USERS}")
        crowd.run(lambda: False, 10.5)
        after = server.ask("cpu")
        done = engine.answered()
        engine.tell("states")
        states = engine.answered()
        wrong = sum(client.version != states[client.bot_id] and states[client.bot_id] > 1
                    for client in crowd.clients)  # fmt: skip
        lost = done["published"] * CLIENTS // USERS - sum(client.updates for client in crowd.clients)
        milli = [1000 * value for value in crowd.latencies]
        crowd.leave()
    cpu = 100 * (after["cpu"] - before["cpu"]) / (after["at"] - before["at"])
    note = f"{CLIENTS} clients, one listener"
    return [
        Figure("through Redis: change to client, p50", percentile(milli, 0.5), "ms", note=note),
        Figure("through Redis: change to client, p99", percentile(milli, 0.99), "ms", 20, note=note),
        Figure("relaying server's CPU", cpu, "%", 20, note=note),
        Figure("updates lost", lost, "", 0), Figure("clients wrong at the end", wrong, "", 0),
    ]  # fmt: skip


class _Screen:
    """What a server would show, and when it changed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.versions: dict[str, int] = {}
        self.told_at = 0.0
        self.beat_at = 0.0

    def on_bots(self, _engine: str, states: Sequence[BotState]) -> None:
        """See `FleetSink`."""
        with self._changed:
            self.told_at = time.monotonic()
            self.versions = {state.bot_id: state.version for state in states}

    def on_state(self, _engine: str, state: BotState) -> None:
        """See `FleetSink`."""
        with self._changed:
            self.versions[state.bot_id] = state.version

    def on_alive(self, _engine: str, age: float = 0.0) -> None:
        """See `FleetSink`."""
        self.beat_at = time.monotonic() - age

    def on_silent(self, engine: str) -> None:
        """See `FleetSink`."""

    def on_ready(self, ready: bool) -> None:
        """See `FleetSink`."""


def faults(redis: RedisServer) -> list[Figure]:
    """Redis killed, away and frozen; the listener's connection cut; the engine killed."""
    screen = _Screen()
    listener = FleetListener(redis.url, screen)
    with _engine(redis.url, 20) as engine:
        listener.start()
        try:
            _until(lambda: len(screen.versions) == 20)
            return [
                _cut(redis, listener, screen), _killed(redis, engine, screen),
                *_frozen(redis, engine, listener, screen), _orphaned(engine, screen),
            ]  # fmt: skip
        finally:
            listener.stop()


def _cut(redis: RedisServer, listener: FleetListener, screen: _Screen) -> Figure:
    sessions, began = listener.sessions, time.monotonic()
    redis.cut()
    _until(lambda: listener.sessions > sessions)
    return Figure("listener cut off: snapshot after", screen.told_at - began, "s", 1)


def _killed(redis: RedisServer, engine: Engine, screen: _Screen) -> Figure:
    redis.kill()
    right = _change(engine)
    time.sleep(OUTAGE_SECONDS)
    redis.start()
    began = time.monotonic()
    _until(lambda: screen.versions == right)
    note = f"away for {OUTAGE_SECONDS:g} s, back empty"
    return Figure("Redis killed: right state after its return", time.monotonic() - began, "s", 1, note=note)


def _frozen(redis: RedisServer, engine: Engine, listener: FleetListener, screen: _Screen) -> Iterator[Figure]:
    note = f"frozen for {FREEZE_SECONDS:g} s"
    began = time.monotonic()
    redis.freeze()
    right = _change(engine)
    _until(lambda: not listener.connected)
    noticed = time.monotonic() - began
    time.sleep(max(0.0, began + FREEZE_SECONDS - time.monotonic()))
    redis.thaw()
    thawed = time.monotonic()
    _until(lambda: screen.versions == right and listener.connected)
    yield Figure("Redis frozen: noticed after", noticed, "s", 15, note=note)
    yield Figure("Redis frozen: right state after its return", time.monotonic() - thawed, "s", 1, note=note)


def _orphaned(engine: Engine, screen: _Screen) -> Figure:
    """A server greys the bots of an engine that was silent for `ALIVE_SECONDS`."""
    _until(lambda: time.monotonic() - screen.beat_at < 0.1)
    engine.kill()
    began = time.monotonic()
    _until(lambda: time.monotonic() - screen.beat_at > ALIVE_SECONDS)
    return Figure("engine killed: its bots grey after", time.monotonic() - began, "s", 5)


def _change(engine: Engine) -> dict[str, int]:
    """Change every bot a few times; the versions they have then."""
    engine.tell("publish 100 1 20")
    engine.answered()
    engine.tell("states")
    return engine.answered()


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the benchmark waited in vain")
        time.sleep(0.01)
