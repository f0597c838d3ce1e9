"""What the tests of several machines share: quick timings, sample states, a sink that can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from core.bots.model import BotState, BotStatus
from core.cluster.fleet import LONG_AGO
from core.cluster.link import Timings
from tests.loopback.redis_server import RedisServer
from tests.patience import PATIENCE
from tests.scripted import WEDNESDAY

QUICK = Timings(beat=0.1, ping=0.1, dead=1.5, reply=0.5, connect=0.5, first_pause=0.01, longest_pause=0.05)
PATIENT = Timings(beat=0.1, ping=0.5)
"""Where Redis is not the matter: a busy machine is not taken for a silent Redis."""


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of its own for one test."""
    if not RedisServer.available():
        pytest.skip("needs redis-server (package redis-server)")
    with RedisServer() as server:
        yield server


def state(bot_id: str = "b1", version: int = 1, **fields: Any) -> BotState:
    """A running bot of the user "local"."""
    named: dict[str, Any] = {
        "owner": "local", "name": bot_id.upper(), "status": BotStatus.RUNNING, "key": "BIST:ASELS",
        "updated_at": WEDNESDAY + version, "daily_pnl": float(version),
    } | fields  # fmt: skip
    return BotState(bot_id=bot_id, version=version, **named)


class Screen:
    """A sink that remembers what a user would see: the bots of each engine, and its last sign of life."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.bots: dict[str, dict[str, BotState]] = {}
        self.alive: dict[str, list[float]] = {}
        self.versions: list[tuple[str, int]] = []
        self.ready = False

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """See `FleetSink.on_bots`."""
        with self._changed:
            self.bots[engine] = {state.bot_id: state for state in states}
            self._changed.notify_all()

    def on_state(self, engine: str, state: BotState) -> None:
        """See `FleetSink.on_state`."""
        with self._changed:
            self.bots.setdefault(engine, {})[state.bot_id] = state
            self.versions.append((state.bot_id, state.version))
            self._changed.notify_all()

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """See `FleetSink.on_alive`."""
        with self._changed:
            self.alive.setdefault(engine, []).append(age)
            self._changed.notify_all()

    def on_silent(self, engine: str) -> None:
        """See `FleetSink.on_silent`."""
        self.on_alive(engine, LONG_AGO)

    def on_ready(self, ready: bool) -> None:
        """See `FleetSink.on_ready`."""
        with self._changed:
            self.ready = ready
            self._changed.notify_all()

    def wait(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition` holds; fail if it does not come to that."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), self.bots

    def version(self, bot_id: str, engine: str = "e1") -> int:
        """The version on the screen, 0 if there is no such bot."""
        known = self.bots.get(engine, {}).get(bot_id)
        return 0 if known is None else known.version

    def beats(self, engine: str = "e1") -> int:
        """How many fresh signs of life came."""
        return sum(age < 1.0 for age in self.alive.get(engine, []))
