"""Keeps `price_updated` to one emission per symbol and interval, always ending on the latest price."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from core.model import Tick

Emit = Callable[[str, float, float], None]


class PriceThrottle:
    """Belongs to the engine's thread; `interval` is in seconds."""

    def __init__(self, interval: float, monotonic: Callable[[], float], emit: Emit) -> None:
        self.interval = interval
        self._monotonic = monotonic
        self._emit = emit
        self._emitted: dict[str, float] = {}
        self._waiting: dict[str, Tick] = {}
        self._names: dict[str, str] = {}

    def name_by_symbol(self, keys: Sequence[str]) -> None:
        """Use the bare symbol where it is unique among `keys`, else the full key."""
        symbols = {key: key.partition(":")[2] for key in keys}
        times = Counter(symbols.values())
        self._names = {key: key if times[symbol] > 1 else symbol for key, symbol in symbols.items()}

    def put(self, tick: Tick) -> None:
        """Emit now if the symbol has rested long enough, else remember the tick for `flush`."""
        now = self._monotonic()
        if now - self._emitted.get(tick.key, -math.inf) >= self.interval:
            self._waiting.pop(tick.key, None)
            self._send(tick, now)
        else:
            self._waiting[tick.key] = tick

    def flush(self) -> None:
        """Emit what has rested long enough by now."""
        now = self._monotonic()
        due = [key for key in self._waiting if now - self._emitted[key] >= self.interval]
        for key in due:
            self._send(self._waiting.pop(key), now)

    def finish(self) -> None:
        """Emit all that waits, rested or not: nothing more will come."""
        now = self._monotonic()
        while self._waiting:
            self._send(self._waiting.popitem()[1], now)

    def next_due(self) -> float | None:
        """Seconds until `flush` has something to do, None if nothing waits."""
        if not self._waiting:
            return None
        soonest = min(self._emitted[key] for key in self._waiting) + self.interval
        return max(0.0, soonest - self._monotonic())

    def _send(self, tick: Tick, now: float) -> None:
        self._emitted[tick.key] = now
        self._emit(self._names.get(tick.key, tick.symbol), tick.price, tick.change_pct)
