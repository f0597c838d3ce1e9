"""The bars that a strategy sees: finished ones, made of nothing but the prices that the bot may trade on.

They are the bot's own and stored with it, so that the same prices always give the same bars, whatever happens
in between: the finished ones when there is a new one, the growing one with every change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from core.bars.derive import MINUTE, start_of
from core.bars.sessions import Sessions
from core.bots.risk import average_true_range
from core.model import Bar, Quote, Tick


class BarSeries:
    """Bars of one length of one instrument. `bars` are the finished ones, oldest first, at most `most`.

    `changed` tells that a bar was finished since `dump` was last called.
    """

    __slots__ = (
        "_exchange", "atr", "bars", "changed", "close", "current", "end", "high", "key", "low",
        "most", "open", "seconds", "sessions", "settled", "start", "told", "total", "volumed",
    )  # fmt: skip

    def __init__(self, key: str, seconds: int, most: int, sessions: Sessions) -> None:
        self.key = key
        self.seconds = seconds
        self.most = most
        self.sessions = sessions
        self._exchange = key.partition(":")[0]
        self.bars: list[Bar] = []
        self.atr: float | None = None
        self.changed = False
        self.start = self.end = -math.inf
        self.open = self.high = self.low = self.close = 0.0
        # The volume: what is settled, and that of the provider's bar which still grows.
        self.settled = self.current = 0.0
        self.volumed = False
        self.told = -math.inf
        self.total: float | None = None

    def fits(self, seconds: int, most: int) -> bool:
        """Whether it is one of such bars, and of so many."""
        return (self.seconds, self.most) == (seconds, most)

    def add(self, tick: Tick, quote: Quote) -> bool:
        """Take in a true price; whether a bar is finished by it."""
        told = quote.span == MINUTE
        moment = quote.stamp
        if not told:
            stamp, received = tick.stamp, tick.received
            moment = received if received < stamp else stamp
        finished = False
        if not self.start <= moment < self.end:
            if moment < self.start:
                return False
            stretch = self.sessions.stretch(self._exchange, moment, self.seconds)
            if stretch is None:
                return False
            finished = self._finish()
            self._begin(stretch[0], stretch[1], quote.open if told and quote.open else tick.price)
        price = tick.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        if told:
            self._add_told(quote)
        elif tick.volume is not None:
            self._add_total(tick.volume)
        return finished

    def restore(self, finished: Iterable[Sequence[Any]], growing: Sequence[Any] | None) -> None:
        """Go on with what was stored."""
        self.bars = [
            Bar(self.key, start, open_, high, low, close, volume)
            for start, open_, high, low, close, volume in finished
        ][-self.most :]
        self.atr = average_true_range(self.bars)
        if growing:
            (self.start, self.end, self.open, self.high, self.low, self.close, self.settled, self.current,
             told, self.total, self.volumed) = growing  # fmt: skip
            self.told = -math.inf if told is None else told

    def fill(self, known: Iterable[Bar], now: float) -> bool:
        """Put bars of the past where there are none yet; whether something is new.

        `known` may end with the bar that still grows: it is taken as the beginning of ours.
        """
        added = False
        if 0 < self.end <= now - self.seconds:  # at least one bar was missed
            added = self._finish()
            self.start = self.end = -math.inf
        mine = {bar.start for bar in self.bars}
        for bar in known:
            stretch = self.sessions.stretch(self._exchange, bar.start, self.seconds)
            if stretch is None or bar.start in mine or (self.end > 0 and bar.start >= self.start):
                continue
            if stretch[1] <= now:
                self.bars.append(bar)
                added = True
            elif self.end < 0 and stretch[0] <= now:
                self._begin(stretch[0], stretch[1], bar.open)
                self.high, self.low, self.close = bar.high, bar.low, bar.close
                self.settled, self.volumed = bar.volume or 0.0, bar.volume is not None
        if added:
            self.bars.sort(key=start_of)
            del self.bars[: -self.most]
            self.atr = average_true_range(self.bars)
            self.changed = True
        return added

    def dump(self) -> list[list[Any]]:
        """The finished bars, to be stored."""
        self.changed = False
        return [[b.start, b.open, b.high, b.low, b.close, b.volume] for b in self.bars]

    def dump_growing(self) -> list[Any] | None:
        """The growing bar, to be stored."""
        if self.end < 0:
            return None
        told = None if self.told < 0 else self.told
        return [
            self.start, self.end, self.open, self.high, self.low, self.close, self.settled, self.current,
            told, self.total, self.volumed,
        ]  # fmt: skip

    def _finish(self) -> bool:
        if self.end < 0:
            return False
        volume = self.settled + self.current if self.volumed else None
        self.bars.append(Bar(self.key, self.start, self.open, self.high, self.low, self.close, volume))
        if len(self.bars) > self.most:
            del self.bars[0]
        self.atr = average_true_range(self.bars)
        self.changed = True
        return True

    def _begin(self, start: float, end: float, price: float) -> None:
        self.start, self.end = start, end
        self.open = self.high = self.low = self.close = price
        self.settled = self.current = 0.0
        self.volumed = False

    def _add_told(self, quote: Quote) -> None:
        """A provider's one-minute bar, finished or not, within ours."""
        open_, high, low = quote.open or quote.price, quote.high or quote.price, quote.low or quote.price
        if 0.0 < low <= min(open_, quote.price) and max(open_, quote.price) <= high < math.inf:
            self.high, self.low = max(self.high, high), min(self.low, low)
        if quote.stamp != self.told:
            self.settled += self.current
            self.current, self.told = 0.0, quote.stamp
        if quote.volume is not None and 0.0 <= quote.volume < math.inf:
            self.current = max(self.current, quote.volume)
            self.volumed = True

    def _add_total(self, total: float) -> None:
        """The day's volume so far: what was traded since the price before belongs to the bar."""
        if self.total is not None and total >= self.total:
            self.settled += total - self.total
            self.volumed = True
        self.total = total
