"""Latest values on their way to the window: however fast prices come, a frame holds one per instrument."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from core.model import FreshnessChange, Tick


class Frame(msgspec.Struct, frozen=True):
    """What changed since the last frame: the newest tick of each instrument, then what has aged since."""

    ticks: tuple[Tick, ...]
    aged: tuple[FreshnessChange, ...]


class Mailbox:
    """Filled by the engine's thread, emptied by the window's; `on_first` is called when it fills."""

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._lock = threading.Lock()
        self._ticks: dict[str, Tick] = {}
        self._aged: dict[str, FreshnessChange] = {}

    def put_tick(self, tick: Tick) -> None:
        """Replace the instrument's waiting tick."""
        with self._lock:
            first = not (self._ticks or self._aged)
            self._ticks[tick.key] = tick
            if self._aged:
                self._aged.pop(tick.key, None)
        if first:
            self._on_first()

    def put_aged(self, change: FreshnessChange) -> None:
        """Replace the instrument's waiting change of freshness."""
        with self._lock:
            first = not (self._ticks or self._aged)
            self._aged[change.key] = change
        if first:
            self._on_first()

    def take(self) -> Frame:
        """Everything that waits; the mailbox is empty afterwards."""
        with self._lock:
            ticks, self._ticks = self._ticks, {}
            aged, self._aged = self._aged, {}
        return Frame(tuple(ticks.values()), tuple(aged.values()))
