"""What a source said of an instrument lately: a range per minute for about an hour, in two kilobytes."""

from __future__ import annotations

import math
from array import array

STEP = 60.0
"""Seconds of a range; the prices within it are not told apart."""
KEPT_SECONDS = 3600.0
"""At least so far back it reaches, at most twice as far."""
LASTS = 600.0
"""Seconds for which a price stands where no later one is known; then nobody knows what it was."""
_FIELDS = 4


class RecentPrices:
    """Prices by the time up to which the provider vouches for them, oldest first. Cheap to add to."""

    __slots__ = ("end", "high", "last", "low", "past", "start")

    def __init__(self) -> None:
        self.start = self.end = -math.inf
        self.low = self.high = self.last = 0.0
        self.past: array[float] | None = None
        """Start, lowest, highest and last price of each earlier minute in which there was one."""

    def add(self, at: float, price: float) -> None:
        """The price of the Unix time `at`; what is older than the newest minute changes nothing."""
        if at >= self.end:
            self._turn(at, price)
        elif at >= self.start:
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
            self.last = price

    def between(self, begin: float, end: float) -> tuple[float, float] | None:
        """The lowest and the highest price that may have been valid between two Unix times.

        The price before `begin` stands until the next one; where there is none within the time itself, the
        first one after it counts too. None where what was valid at `begin` is not known.
        """
        before, found = None, []
        after = None
        for start, low, high, last in self._ranges():
            if start + STEP <= begin:
                before = (start, last)
            elif start <= end:
                found.append((start, low, high))
            else:
                after = (low, high)
                break
        known = before is not None and begin - before[0] <= LASTS + STEP
        if not known and not (found and found[0][0] <= begin):
            return None
        lows, highs = [low for _, low, _ in found], [high for _, _, high in found]
        if known and before is not None:
            lows.append(before[1])
            highs.append(before[1])
        if not found and after is not None:
            lows.append(after[0])
            highs.append(after[1])
        return min(lows), max(highs)

    def size(self) -> int:
        """How many minutes are remembered."""
        return sum(1 for _ in self._ranges())

    def _turn(self, at: float, price: float) -> None:
        past = self.past
        if past is None:
            past = self.past = array("d")
        else:
            past.extend((self.start, self.low, self.high, self.last))
            if len(past) > 2 * _FIELDS * KEPT_SECONDS / STEP:
                del past[: round(_FIELDS * KEPT_SECONDS / STEP)]
        self.start = at - at % STEP
        self.end = self.start + STEP
        self.low = self.high = self.last = price

    def _ranges(self) -> list[tuple[float, float, float, float]]:
        past = self.past
        if past is None:
            return []
        values = iter(past)
        ranges = list(zip(values, values, values, values, strict=True))
        ranges.append((self.start, self.low, self.high, self.last))
        return ranges
