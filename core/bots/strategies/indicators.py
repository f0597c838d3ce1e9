"""Indicators over a fixed number of closes, by the package talipp; both are computed from nothing each time.

An average that goes on for ever depends on where it began. Here it always begins at the first of the closes
that are given, so the same closes give the same figure on any computer and after any restart. Bots that look
at the same closes share one computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

Line = tuple[float | None, ...]
_SHARED = 256
"""Figures that are kept: those of the bots that wake at the same bar."""


def ema(closes: Sequence[float], period: int) -> Line:
    """The exponential moving average at each close, None for the first `period` - 1.

    It begins with the plain mean of the first `period` closes and then moves by 2 / (period + 1) of the
    distance to each new one.
    """
    return _ema(tuple(closes), period)


def rsi(closes: Sequence[float], period: int) -> Line:
    """Wilder's relative strength index at each close, 0 to 100, None for the first `period`.

    The averages of gains and losses begin with the plain mean of the first `period` changes and are then
    smoothed by 1 / period. Without any loss the index is 100. `period` is at least 2.
    """
    return _rsi(tuple(closes), period)


@lru_cache(maxsize=_SHARED)
def _ema(closes: tuple[float, ...], period: int) -> Line:
    from talipp.indicators.EMA import EMA

    return tuple(EMA(period, list(closes)))


@lru_cache(maxsize=_SHARED)
def _rsi(closes: tuple[float, ...], period: int) -> Line:
    from talipp.indicators.RSI import RSI

    return tuple(RSI(period, list(closes)))
