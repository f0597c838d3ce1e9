"""Recorded bars become prices again: a path through open, low, high and close, and the sessions around."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from core.bars.sessions import DAY, Sessions, Times
from core.exchanges import exchange_of
from core.market_calendar import MarketCalendar
from core.model import Bar

MOST_STEPS = 1000
"""Between two turns; a bar that moves so far is not worth more."""
DECIMALS = 6
"""The path's prices between those of the bar are rounded to so many."""


class RecordedSessions(Sessions):
    """The sessions that the bars themselves tell: a day on which there is a bar was a session."""

    def __init__(self, bars: Mapping[str, Sequence[Bar]], seconds: int) -> None:
        """`bars` are `seconds` long, per instrument, oldest first."""
        super().__init__(MarketCalendar())
        days: dict[str, dict[str, Times]] = {}
        for key, series in bars.items():
            exchange = key.partition(":")[0]
            for bar in series:
                _widen(days.setdefault(exchange, {}), exchange, bar, seconds)
        self._known = {exchange: sorted(times.values()) for exchange, times in days.items()}
        self._opened = {exchange: [opened for opened, _ in times] for exchange, times in self._known.items()}
        self._last: dict[str, Times] = {}

    def at(self, exchange: str, moment: float) -> Times | None:
        """See `Sessions.at`."""
        last = self._last.get(exchange)
        if last is not None and last[0] <= moment < last[1]:
            return last
        place = bisect_right(self._opened.get(exchange, ()), moment) - 1
        if place < 0:
            return None
        session = self._last[exchange] = self._known[exchange][place]
        return session if moment < session[1] else None


def _widen(days: dict[str, Times], exchange: str, bar: Bar, seconds: int) -> None:
    opened, closed = bar.start, bar.start + bar_length(exchange, seconds)
    day = datetime.fromtimestamp(bar.start, UTC).astimezone(exchange_of(exchange).zone).date().isoformat()
    known = days.get(day)
    days[day] = (opened, closed) if known is None else (min(known[0], opened), max(known[1], closed))


def bar_length(exchange: str, seconds: int) -> float:
    """How long a bar of `seconds` really is: a daily one is the exchange's session."""
    place = exchange_of(exchange)
    if seconds < DAY or place.open_minute is None or place.close_minute is None:
        return float(seconds)
    return (place.close_minute - place.open_minute) * 60.0


def path_after_open(bar: Bar, held: float, step_pct: float) -> Iterator[float]:
    """The prices of `bar` after its open, for somebody who holds `held` (negative: short).

    Nobody recorded which extreme came first. Who holds something meets the bad one first, so a stop goes
    before a target; who holds nothing meets the one that lies against the bar's direction first. No step
    between two turns is larger than `step_pct` percent.
    """
    low_first = held > 0 or (held == 0 and bar.close >= bar.open)
    turns = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    price = bar.open
    for turn in (*turns, bar.close):
        yield from _leg(price, turn, step_pct)
        price = turn


def _leg(begin: float, end: float, step_pct: float) -> Iterator[float]:
    if begin == end:
        return
    share = abs(end - begin) / min(begin, end)
    steps = min(MOST_STEPS, max(1, math.ceil(share * 100.0 / step_pct)))
    for number in range(1, steps):
        yield round(begin + (end - begin) * number / steps, DECIMALS)
    yield end


def by_start(bars: Mapping[str, Sequence[Bar]]) -> Iterable[tuple[float, list[Bar]]]:
    """The bars of all instruments that begin at the same time, time by time."""
    times: dict[float, list[Bar]] = {}
    for series in bars.values():
        for bar in series:
            times.setdefault(bar.start, []).append(bar)
    return sorted(times.items())
