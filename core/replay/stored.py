"""Stored bars as prices again: a day of them as a recording, a month of them for the threshold's preview.

The path inside a bar is not stored. It is taken as open, low, high, close for one that rose and open, high,
low, close for one that fell, the usual convention; so a swing inside one bar may count that never happened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import msgspec

from core.bars.derive import MINUTE
from core.bars.sessions import Sessions
from core.config import Config
from core.engine.noise import make_filter
from core.engine.signals import SignalRule
from core.errors import InputError
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import Bar, Freshness, Instrument, Quote, Tick
from core.replay.format import MarkRecord, QuoteRecord, Record
from core.replay.session_bars import MOST_BARS, SessionBars, previous_close, stored_sessions
from core.storage.base import Store

PREFIX = "bars:"
"""What `real_time.replay_file` begins with when it names a stored day: "bars:2026-11-20"."""

Cancelled = Callable[[], bool]


class ThresholdCount(msgspec.Struct, frozen=True):
    """How often a threshold would have fired: in all, in how many sessions, and per symbol, most first."""

    total: int
    sessions: int
    symbols: tuple[tuple[str, int], ...]


class StoredDay:
    """A day of stored minute bars, read like a recording. `open_store` is called in the reading thread."""

    def __init__(self, text: str, config: Config, open_store: Callable[[], Store]) -> None:
        """`text` is "bars:2026-11-20". Raises `InputError` for no day."""
        try:
            self._day = date.fromisoformat(text.removeprefix(PREFIX).strip())
        except ValueError:
            raise InputError(tr("replay.bad_day", text=text)) from None
        self.path = Path(f"{PREFIX}{self._day}")
        self._config = config
        self._open_store = open_store

    def records(self) -> Iterator[Record]:
        """All quotes of the day, a mark after each moment. Raises `StorageError`."""
        store = self._open_store()
        try:
            quotes = self._quotes(store)
        finally:
            store.close()
        by_moment: dict[float, list[Quote]] = defaultdict(list)
        for quote in quotes:
            by_moment[quote.received].append(quote)
        for at in sorted(by_moment):
            for quote in by_moment[at]:
                yield QuoteRecord(at=at, mono=at, quote=quote)
            yield MarkRecord(at=at, mono=at)

    def _quotes(self, store: Store) -> list[Quote]:
        calendar = MarketCalendar(self._config.extra_closures)
        sessions = Sessions(calendar)
        quotes: list[Quote] = []
        for key in store.bar_keys():
            session = calendar.session(key.partition(":")[0], self._day)
            if session is None:
                continue
            close = previous_close(store, key, session[0], sessions)
            quotes += _told(store.bars(key, MINUTE, session[0], session[1], MOST_BARS), close)
        return quotes


def _told(bars: Sequence[Bar], close: float | None) -> Iterator[Quote]:
    """The quotes of one session's `bars` after the previous `close`, as a provider tells them: with the
    session's running total of what was traded. A bar's own part is in it from the bar's last price on."""
    total = 0.0
    for bar in bars:
        before, total = total, total + (bar.volume or 0.0)
        for (at, price), told in zip(path(bar, MINUTE), (before, before, before, total), strict=True):
            yield Quote(
                key=bar.key, price=price, stamp=at, received=at, source="bars", previous_close=close,
                volume=None if bar.volume is None else told,
            )  # fmt: skip


def path(bar: Bar, seconds: float) -> Iterator[tuple[float, float]]:
    """The moments and prices through which a bar of `seconds` is taken to have gone."""
    inner = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    for part, price in enumerate((bar.open, *inner, bar.close)):
        yield bar.start + part * seconds / 4, price


def count_signals(
    store: Store, instruments: Sequence[Instrument], config: Config, since: float, until: float,
    cancelled: Cancelled,
) -> ThresholdCount | None:  # fmt: skip
    """What the signal rule of `config` would have told of the stored bars between two Unix times.

    None if `cancelled` says so meanwhile. Of each session the minutes are used if enough of them are known,
    else the daily bar. Raises `StorageError`.
    """
    sessions = Sessions(MarketCalendar(config.extra_closures))
    counts: Counter[str] = Counter()
    days: set[tuple[str, float]] = set()
    for instrument in instruments:
        if cancelled():
            return None
        known = stored_sessions(store, instrument.key, since, until, sessions)
        fired, seen = _count(known, config, since, cancelled)
        counts[instrument.symbol] += fired
        days |= {(instrument.exchange, day) for day in seen}
    most: Counter[str] = Counter(exchange for exchange, _ in days)
    symbols = tuple((symbol, count) for symbol, count in counts.most_common() if count)
    return ThresholdCount(counts.total(), max(most.values(), default=0), symbols)


def _count(
    known: Sequence[SessionBars], config: Config, since: float, cancelled: Cancelled
) -> tuple[int, set[float]]:
    """How often the rule fires on one instrument's bars from `since` on, and the sessions they lie in."""
    live = config.real_time
    rule = SignalRule(live.signal_threshold_pct, live.signal_cooldown_sec, trade_simulation=False)
    rule.noise = make_filter(live.noise_filter, live.noise_window)
    fired = 0
    seen: set[float] = set()
    for before, session in pairwise(known):
        if cancelled():
            break
        bars, seconds = session.best()
        for bar in bars:
            if bar.start < since:
                continue
            seen.add(session.times[0])
            for at, price in path(bar, seconds):
                tick = _tick(bar.key, price, at, before.close)
                fired += rule.check(tick, session.times[0]) is not None
    return fired, seen


def _tick(key: str, price: float, at: float, close: float) -> Tick:
    return Tick(
        key, price, (price / close - 1.0) * 100.0, at, at, "bars", False, Freshness.LIVE, None,
        "previous_close", close, None, None, None, None,
    )  # fmt: skip
