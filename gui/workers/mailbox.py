"""Latest values on their way to the window: however fast prices come, a frame holds one per instrument."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from core.bots.model import BotState
from core.model import FreshnessChange, Tick


class Frame(msgspec.Struct, frozen=True):
    """What changed since the last frame: the newest tick of each instrument, then what has aged since.

    `bots` holds the newest state of each bot that changed.
    """

    ticks: tuple[Tick, ...]
    aged: tuple[FreshnessChange, ...]
    bots: tuple[BotState, ...] = ()


class Mailbox:
    """Filled and announced by the engine's thread, emptied by the window's.

    `on_waiting` is called by `announce`, once until somebody takes what waits.
    """

    def __init__(self, on_waiting: Callable[[], None]) -> None:
        self._on_waiting = on_waiting
        self._lock = threading.Lock()
        self._ticks: dict[str, Tick] = {}
        self._aged: dict[str, FreshnessChange] = {}
        self._bots: dict[str, BotState] = {}
        self._announced = False

    def put_tick(self, tick: Tick) -> None:
        """Replace the instrument's waiting tick."""
        with self._lock:
            self._ticks[tick.key] = tick
            if self._aged:
                self._aged.pop(tick.key, None)

    def put_aged(self, change: FreshnessChange) -> None:
        """Replace the instrument's waiting change of freshness."""
        with self._lock:
            self._aged[change.key] = change

    def put_bot(self, state: BotState) -> None:
        """Replace the bot's waiting state."""
        with self._lock:
            self._bots[state.bot_id] = state

    def announce(self) -> None:
        """At the end of a batch: say that something waits, unless that was said already."""
        with self._lock:
            if self._announced or not (self._ticks or self._aged or self._bots):
                return
            self._announced = True
        self._on_waiting()

    def take(self) -> Frame:
        """Everything that waits; the mailbox is empty afterwards."""
        with self._lock:
            ticks, self._ticks = self._ticks, {}
            aged, self._aged = self._aged, {}
            bots, self._bots = self._bots, {}
            self._announced = False
        return Frame(tuple(ticks.values()), tuple(aged.values()), tuple(bots.values()))
