"""Longer bars from one-minute bars, and the merging of two tellings of the same time.

A bar's stretch begins at its session's opening or a whole number of its lengths after it and never reaches
into another session; a daily bar (86,400 s) is a session.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from core.bars.sessions import Sessions
from core.model import Bar

MINUTE = 60


def start_of(bar: Bar) -> float:
    """The key by which bars are sorted."""
    return bar.start


def end_of(bar: Bar, seconds: int, sessions: Sessions) -> float:
    """Where a provider's bar ends: after its length or with its session."""
    session = sessions.at(bar.key.partition(":")[0], bar.start)
    if session is None:
        return bar.start + seconds
    return session[1] if seconds >= 86_400 else min(bar.start + seconds, session[1])


def combine(bars: Sequence[Bar], start: float) -> Bar:
    """One bar over `bars` (at least one, oldest first); its volume is the sum of those that are known."""
    volumes = [bar.volume for bar in bars if bar.volume is not None]
    return Bar(
        bars[0].key, start, bars[0].open, max(bar.high for bar in bars), min(bar.low for bar in bars),
        bars[-1].close, sum(volumes) if volumes else None,
    )  # fmt: skip


def derive(minutes: Iterable[Bar], seconds: int, sessions: Sessions) -> list[Bar]:
    """Bars of `seconds` from `minutes` of one instrument, oldest first; those of no session are left out."""
    return merge((), minutes, seconds, sessions)


def merge(told: Sequence[Bar], minutes: Iterable[Bar], seconds: int, sessions: Sessions) -> list[Bar]:
    """The provider's finished bars `told`, and where they leave something open, bars made of `minutes`.

    Both are of one instrument and oldest first. Where a provider's bars do not begin where ours would, the
    bar next to them is shorter, so that no minute is in two bars and none is lost.
    """
    starts = [bar.start for bar in told]
    ends = [end_of(bar, seconds, sessions) for bar in told]
    result = list(told)
    group: list[Bar] = []
    begin, where = 0.0, (-1.0, -1)
    for minute in minutes:
        index = bisect_right(starts, minute.start)
        if index and minute.start < ends[index - 1]:
            continue
        stretch = sessions.stretch(minute.key.partition(":")[0], minute.start, seconds)
        if stretch is None:
            continue
        here = (stretch[0], index)
        if here != where:
            if group:
                result.append(combine(group, begin))
            group, where = [], here
            begin = max(stretch[0], ends[index - 1]) if index else stretch[0]
        group.append(minute)
    if group:
        result.append(combine(group, begin))
    result.sort(key=start_of)
    return result


def union(ours: Sequence[Bar], theirs: Sequence[Bar]) -> list[Bar]:
    """Bars of one length, oldest first; where both have one of the same start, `theirs` counts."""
    if ours and theirs and ours[-1].start < theirs[0].start:
        return [*ours, *theirs]
    by_start = {bar.start: bar for bar in ours}
    by_start.update((bar.start, bar) for bar in theirs)
    return sorted(by_start.values(), key=start_of)


def since(bars: Sequence[Bar], start: float) -> Sequence[Bar]:
    """The bars that begin at `start` or later."""
    return bars[bisect_left(bars, start, key=start_of) :]
