"""Ticks become one-minute bars, by the provider's time and within the exchange's sessions.

A tick belongs to the minute of its stamp. It may come late as long as no later minute has begun; then it is
too late for its bar and is only counted. Ticks from outside the sessions make no bars, and simulated ones
only where the user chose the simulator.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from core.bars.derive import MINUTE
from core.bars.sessions import Sessions
from core.model import Bar, Quote, Tick

LONGEST_SILENCE = 600.0
"""After this many seconds without a tick, what was traded meanwhile belongs to no single minute."""
LastStored = Callable[[str], Bar | None]


class Growing:
    """The bar that grows, and what the day's cumulative volume was at its last tick."""

    __slots__ = (
        "changed", "close", "day_volume", "end", "high", "key", "low", "open", "received", "session",
        "source", "start", "volume",
    )  # fmt: skip

    def __init__(self, key: str) -> None:
        self.key = key
        self.start = -math.inf
        self.end = -math.inf
        self.open = self.high = self.low = self.close = 0.0
        self.volume: float | None = None
        self.changed = False
        self.session = -math.inf
        self.source = ""
        self.day_volume: float | None = None
        self.received = -math.inf

    def bar(self) -> Bar:
        """The bar as it is now."""
        return Bar(self.key, self.start, self.open, self.high, self.low, self.close, self.volume)


class Aggregator:
    """The growing bar of every instrument. Belongs to the engine's thread."""

    def __init__(self, sessions: Sessions, last_stored: LastStored, *, simulated: bool = False) -> None:
        """`last_stored` names the newest one-minute bar that an earlier run left of an instrument."""
        self._sessions = sessions
        self._last_stored = last_stored
        self._simulated = simulated
        self._growing: dict[str, Growing] = {}
        self._changed: list[Growing] = []
        self._finished: list[Bar] = []
        self.refused: Counter[str] = Counter()

    def add(self, tick: Tick) -> None:
        """Take one tick in: its price, and what was traded since the tick before it."""
        if tick.simulated is not self._simulated:
            self.refused["simulated"] += 1
            return
        received = tick.received
        stamp, price = tick.stamp, tick.price
        stamp = stamp if stamp < received else received
        bar: Growing | None
        try:
            bar = self._growing[tick.key]
        except KeyError:
            bar = None
        if bar is None or not bar.start <= stamp < bar.end:
            bar = self._begin(tick.key, stamp, price)
            if bar is None:
                return
        if price > bar.high:
            bar.high = price
        elif price < bar.low:
            bar.low = price
        bar.close = price
        total = tick.volume
        if total is not None:
            self._add_volume(bar, tick.source, total, received)
        if not bar.changed:
            bar.changed = True
            self._changed.append(bar)

    def add_told(self, quote: Quote, tick: Tick) -> None:
        """Take in a quote that is a provider's one-minute bar, finished or not, and became `tick`.

        Its volume is that of the bar, not of the day.
        """
        if tick.simulated is not self._simulated or quote.span != MINUTE:
            return
        told = (quote.open, quote.high, quote.low)
        open_, high, low = (quote.price if value is None else value for value in told)
        if not 0.0 < low <= min(open_, quote.price) <= max(open_, quote.price) <= high < math.inf:
            open_ = high = low = quote.price
        bar = self._growing.get(quote.key)
        if bar is None or not bar.start <= quote.stamp < bar.end:
            bar = self._begin(quote.key, quote.stamp, open_)
            if bar is None:
                return
        bar.high, bar.low = max(bar.high, high), min(bar.low, low)
        bar.close = quote.price
        if quote.volume is not None and 0.0 <= quote.volume < math.inf:
            bar.volume = max(bar.volume or 0.0, quote.volume)
        if not bar.changed:
            bar.changed = True
            self._changed.append(bar)

    def current(self, key: str) -> Bar | None:
        """The bar of `key` that grows."""
        bar = self._growing.get(key)
        return bar.bar() if bar is not None and bar.end > bar.start else None

    @property
    def waiting(self) -> bool:
        """Whether `take_changed` has something to give."""
        return bool(self._changed or self._finished)

    def finish(self, key: str, start: float) -> None:
        """The provider has told the bar of `start`, finished: ours of then, or of before, is of no use."""
        bar = self._growing.get(key)
        if bar is not None and bar.start <= start:
            bar.start, bar.end = start, -math.inf
            bar.changed = False

    def take_changed(self) -> list[Bar]:
        """What has changed since the last call: bars that are finished, then those that still grow."""
        bars, self._finished = self._finished, []
        for growing in self._changed:
            if growing.changed:
                growing.changed = False
                bars.append(growing.bar())
        self._changed.clear()
        return bars

    def _begin(self, key: str, stamp: float, price: float) -> Growing | None:
        """The growing bar, now that of the minute of `stamp`; None where no bar may be."""
        exchange = key.partition(":")[0]
        stretch = self._sessions.stretch(exchange, stamp, MINUTE)
        if stretch is None:
            self.refused["closed"] += 1
            return None
        bar = self._growing.get(key)
        if bar is None:
            bar = self._growing[key] = self._resumed(key)
            if bar.start == stretch[0]:
                bar.end = stretch[1]
                return bar
        if stretch[0] <= bar.start:
            self.refused["late"] += 1
            return None
        if bar.changed:
            self._finished.append(bar.bar())
        bar.start, bar.end = stretch
        bar.open = bar.high = bar.low = bar.close = price
        bar.volume = None
        session = self._sessions.at(exchange, stamp)
        if session is not None and session[0] != bar.session:
            # Whoever sees the session's first minute has missed nothing: the count begins at zero.
            bar.day_volume = 0.0 if bar.start == session[0] else None
            bar.session = session[0]
            bar.source = ""
        return bar

    def _resumed(self, key: str) -> Growing:
        """An instrument's first bar of this run, continuing what an earlier run has stored."""
        growing = Growing(key)
        last = self._last_stored(key)
        if last is not None:
            growing.start = last.start
            growing.open, growing.high, growing.low = last.open, last.high, last.low
            growing.close, growing.volume = last.close, last.volume
            session = self._sessions.at(key.partition(":")[0], last.start)
            growing.session = session[0] if session else -math.inf
        return growing

    @staticmethod
    def _add_volume(bar: Growing, source: str, total: float, received: float) -> None:
        """What was traded since the last tick: the difference of two totals of one source."""
        known = bar.day_volume
        same = source == bar.source or (bar.source == "" and known == 0.0)
        recent = bar.source == "" or received - bar.received <= LONGEST_SILENCE
        if known is not None and same and recent and total >= known:
            bar.volume = (bar.volume or 0.0) + (total - known)
        bar.source = source
        bar.day_volume = total
        bar.received = received
