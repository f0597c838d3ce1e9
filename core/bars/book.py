"""The bars that somebody looks at: stored, told by a provider and live ones, without gap or overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from core.bars.derive import MINUTE, end_of, merge, since, union
from core.bars.sessions import DAY, Sessions
from core.commands import BarsLoaded, BarUpdated
from core.model import Bar

MOST_BARS = 5000
"""So many bars of a series are loaded and asked for."""
MOST_MINUTES = 20_000
Load = Callable[[str, int, int], Sequence[Bar]]
"""The newest bars (key, seconds, limit) that are known, oldest first."""


class Hole(NamedTuple):
    """Minutes of sessions that are missing: the first one begins at `begin`, the last one ends at `end`."""

    key: str
    begin: float
    end: float


class _Series:
    """The bars of one length; `told` are the provider's (of minutes, they stand among the minutes)."""

    def __init__(self, told: list[Bar]) -> None:
        self.told = told
        self.shown: Bar | None = None
        self.changed = False


class _Shelf:
    """All that is known of one instrument."""

    def __init__(self) -> None:
        self.minutes: list[Bar] = []
        self.loaded = 0
        self.series: dict[int, _Series] = {}


class BarBook:
    """Keeps the watched series up to date. Belongs to the engine's thread."""

    def __init__(self, sessions: Sessions, load: Load) -> None:
        self._sessions = sessions
        self._load = load
        self._shelves: dict[str, _Shelf] = {}

    def watched(self) -> list[tuple[str, int]]:
        """The series that are watched, as (key, seconds)."""
        return [(key, seconds) for key, shelf in self._shelves.items() for seconds in shelf.series]

    def open(self, key: str, seconds: int) -> BarsLoaded:
        """Watch a series from now on; all that is known of it. Raises `StorageError`."""
        shelf = self._shelves.get(key) or _Shelf()
        wanted = min(MOST_BARS * max(1, seconds // MINUTE), MOST_MINUTES)
        if wanted > shelf.loaded:
            shelf.minutes = union(self._load(key, MINUTE, wanted), shelf.minutes)
            shelf.loaded = wanted
        told = [] if seconds == MINUTE else list(self._load(key, seconds, MOST_BARS))
        shelf.series[seconds] = _Series(told)
        self._shelves[key] = shelf
        return self._loaded(key, seconds)

    def shut(self, key: str, seconds: int) -> None:
        """Nobody looks at the series any more."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            shelf.series.pop(seconds, None)
            if not shelf.series:
                del self._shelves[key]

    def add_minutes(self, bars: Iterable[Bar]) -> list[Hole]:
        """Take in live one-minute bars; the result is what is missing right before them."""
        holes = []
        for bar in bars:
            shelf = self._shelves.get(bar.key)
            if shelf is None:
                continue
            minutes = shelf.minutes
            if not minutes or bar.start > minutes[-1].start:
                holes += self._before(bar, minutes[-1] if minutes else None)
                minutes.append(bar)
            elif bar.start == minutes[-1].start:
                minutes[-1] = bar
            else:
                shelf.minutes = union(minutes, (bar,))
            for series in shelf.series.values():
                series.changed = True
        return holes

    def add_history(self, key: str, seconds: int, bars: Sequence[Bar]) -> list[BarsLoaded]:
        """Take in a provider's finished bars; they win over ours. The result are the series that changed."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return []
        if seconds == MINUTE:
            shelf.minutes = union(shelf.minutes, bars)
            return [self._loaded(key, length) for length in shelf.series]
        series = shelf.series.get(seconds)
        if series is None:
            return []
        series.told = union(series.told, bars)
        return [self._loaded(key, seconds)]

    def hole(self, key: str, after: float, now: float | None = None) -> Hole | None:
        """What is missing after a moment, from the first to the last missing minute, in the session of the
        newest minute or of `now`: before that minute, or up to `now`. No minute is missing where a provider's
        own bar stands in each watched series."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return None
        newest = shelf.minutes[-1].start if shelf.minutes else None
        session = None
        for moment in (now, newest):
            if moment is not None and session is None:
                session = self._sessions.at(key.partition(":")[0], moment)
        until = newest if now is None else now - now % MINUTE
        if session is None or until is None:
            return None
        begin = max(after, session[0], min(self._told_until(n, s) for n, s in shelf.series.items()))
        return _missing(key, since(shelf.minutes, begin), begin, min(until, session[1]))

    def updates(self) -> list[BarUpdated]:
        """What has changed since the last call: of each series its last bars, oldest first."""
        result = []
        for key, shelf in self._shelves.items():
            for seconds, series in shelf.series.items():
                if series.changed:
                    series.changed = False
                    result += self._updates(key, shelf, seconds, series)
        return result

    def _updates(self, key: str, shelf: _Shelf, seconds: int, series: _Series) -> list[BarUpdated]:
        shown = series.shown
        minutes = shelf.minutes if shown is None else since(shelf.minutes, shown.start)
        bars = merge(series.told[-1:], minutes, seconds, self._sessions)
        new = [bar for bar in bars if shown is None or (bar.start >= shown.start and bar != shown)]
        if new:
            series.shown = new[-1]
        return [BarUpdated(key, seconds, bar) for bar in new]

    def _loaded(self, key: str, seconds: int) -> BarsLoaded:
        shelf = self._shelves[key]
        series = shelf.series[seconds]
        bars = merge(series.told, shelf.minutes, seconds, self._sessions)[-MOST_BARS:]
        series.shown = bars[-1] if bars else None
        series.changed = False
        return BarsLoaded(key, seconds, tuple(bars))

    def _before(self, bar: Bar, last: Bar | None) -> list[Hole]:
        """What is missing between the `last` minute and `bar`, and should have been there."""
        exchange = bar.key.partition(":")[0]
        session = self._sessions.at(exchange, bar.start)
        opened = session[0] if session is not None else bar.start
        begin = opened if last is None else last.start + MINUTE
        if begin < opened and begin >= self._sessions.closed_before(exchange, bar.start):
            begin = opened  # nothing is missing but the night
        return [Hole(bar.key, begin, bar.start)] if bar.start - begin >= MINUTE else []

    def _told_until(self, seconds: int, series: _Series) -> float:
        """Up to where the provider's own bars reach in a series that is made of minutes after them."""
        return end_of(series.told[-1], seconds, self._sessions) if series.told else -math.inf


def _missing(key: str, minutes: Sequence[Bar], begin: float, until: float) -> Hole | None:
    """From the first to the last minute between two moments that is not among `minutes`, oldest first."""
    first = last = None
    expected = begin
    for start in (*(bar.start for bar in minutes if bar.start < until), until):
        if start - expected >= MINUTE:
            first, last = (expected if first is None else first), start
        expected = start + MINUTE
    return None if first is None or last is None else Hole(key, first, last)


def known_length(seconds: int) -> bool:
    """Whether bars can be this long: whole minutes up to an hour or more, or a session."""
    return seconds == DAY or (0 < seconds < DAY and seconds % MINUTE == 0)
