"""Watches the computer's clocks: when it has slept or they were set, prices seem to jump."""

from __future__ import annotations

from core.clock import Clock
from core.events import EventBus
from core.model import Notice

LONG_PAUSE = 30.0
"""Seconds between two looks from which on the computer must have slept, or its clock was set."""


class ClockWatch:
    """Belongs to the engine's thread."""

    def __init__(self, clock: Clock, bus: EventBus) -> None:
        self._clock = clock
        self._bus = bus
        self._looked: tuple[float, float] | None = None
        self._warned = False

    def look(self) -> None:
        """Say so when the computer has slept or its clock was set since the last look."""
        now, mono = self._clock.time(), self._clock.monotonic()
        before, self._looked = self._looked, (now, mono)
        if before is None:
            return
        wall, real = now - before[0], mono - before[1]
        if wall < real - LONG_PAUSE:
            self._bus.publish(Notice("warning", "engine.clock_set_back"))
        elif max(wall, real) > LONG_PAUSE:
            minutes = max(1, round(max(wall, real) / 60.0))
            self._bus.publish(Notice("info", "engine.slept", {"minutes": minutes}))

    def suspect(self, wrong: bool) -> None:
        """Whether the clock seems to be wrong by what the prices say; told when it begins."""
        if wrong and not self._warned:
            self._bus.publish(Notice("error", "engine.clock_wrong"))
        self._warned = wrong

    def start_over(self) -> None:
        """What comes next has nothing to do with the last look."""
        self._looked = None
