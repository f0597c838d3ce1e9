"""What of a provider's history may stand among our bars."""

from __future__ import annotations

import math
from collections.abc import Iterable

from core.bars.derive import start_of
from core.bars.sessions import DAY, Sessions
from core.model import Bar


def usable(bars: Iterable[Bar], key: str, seconds: int, sessions: Sessions, now: float) -> list[Bar]:
    """The finished and believable bars among a provider's `bars` of `key`, oldest first, without overlap.

    A daily bar is moved to its session's opening, a longer one that begins before the opening is cut there.
    """
    exchange = key.partition(":")[0]
    result: list[Bar] = []
    until = -math.inf
    for bar in sorted(bars, key=start_of):
        if bar.key != key or not is_sane(bar):
            continue
        session = sessions.of_daily(exchange, bar.start) if seconds >= DAY else (
            sessions.at(exchange, bar.start) or sessions.at(exchange, bar.start + seconds - 1)
        )  # fmt: skip
        if session is None:
            continue
        start = session[0] if seconds >= DAY else max(bar.start, session[0])
        end = session[1] if seconds >= DAY else min(bar.start + seconds, session[1])
        if start < until or end > now:
            continue
        until = end
        result.append(Bar(key, start, bar.open, bar.high, bar.low, bar.close, bar.volume))
    return result


def is_sane(bar: Bar) -> bool:
    """Whether all figures are finite, the prices positive and between low and high."""
    low, high = min(bar.open, bar.close), max(bar.open, bar.close)
    volume = 0.0 if bar.volume is None else bar.volume
    return 0.0 < bar.low <= low and high <= bar.high < math.inf and 0.0 <= volume < math.inf
