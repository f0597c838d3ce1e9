"""What of a series is drawn: the bars in sight, joined where they would be narrower than a few pixels."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from gui.chart.series import BarSeries, Column

LEAST_PIXELS = 3.0
"""Bars that would stand closer than this are joined, so the cost is bounded by the width of the screen."""


class Groups(msgspec.Struct, frozen=True):
    """Columns over drawn candles; `x` is the middle of each in bars, `size` how many bars each joins."""

    size: int
    first: int
    x: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    ema: Column
    rsi: Column

    def part(self, start: int | None, stop: int | None) -> Groups:
        """Some of them, by slice."""
        at = slice(start, stop)
        columns = (self.x, self.open, self.high, self.low, self.close, self.volume, self.ema, self.rsi)
        return Groups(self.size, self.first, *(column[at] for column in columns))


def group_size(bars: float, pixels: float) -> int:
    """How many bars to join when `bars` share `pixels`."""
    spacing = pixels / max(bars, 1e-9)
    return max(1, math.ceil(LEAST_PIXELS / max(spacing, 1e-6))) if spacing < LEAST_PIXELS else 1


def take(series: BarSeries, low: float, high: float, size: int) -> Groups:
    """The groups of `size` bars that lie, at least in part, between the bars `low` and `high`.

    Groups begin at multiples of `size`, so that they stay what they are while the chart is moved.
    """
    first = max(0, math.floor(low) // size * size)
    last = min(len(series), (math.ceil(high) // size + 1) * size)
    if last <= first:
        empty = np.empty(0)
        return Groups(size, first, *(empty,) * 8)
    names = ("open", "high", "low", "close", "volume", "ema", "rsi")
    columns = {name: series.column(name)[first:last] for name in names}
    x = np.arange(first, last, dtype=float)
    if size > 1:
        starts = np.arange(0, last - first, size)
        ends = np.minimum(starts + size, last - first) - 1
        columns = {
            "open": columns["open"][starts],
            "high": np.maximum.reduceat(columns["high"], starts),
            "low": np.minimum.reduceat(columns["low"], starts),
            "volume": np.fmax.reduceat(columns["volume"], starts),
            **{name: columns[name][ends] for name in ("close", "ema", "rsi")},
        }
        x = first + starts + (size - 1) / 2
    return Groups(size, first, x, *(columns[name] for name in names))
