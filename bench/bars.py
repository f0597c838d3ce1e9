"""The database after a year of 30 symbols: its size, the time to load a chart and to write a batch."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zlib import crc32

from bench.figures import Figure
from core.bars.derive import MINUTE
from core.bars.pruner import Pruner
from core.bars.sessions import DAY, Sessions
from core.config import BIST30, StorageConfig
from core.market_calendar import MarketCalendar
from core.model import Bar
from core.storage.sql_store import SqlStore

SYMBOLS = tuple(f"BIST:{symbol}" for symbol in BIST30)
LAST = date(2026, 10, 30)
DAYS = 365
BATCH = 235
"""Symbols whose bars all change within one batch."""
MEGABYTE = 1_000_000


def run() -> list[Figure]:
    """A year of trading days, in the store as the program keeps it: pruned as it goes along."""
    calendar = MarketCalendar()
    sessions = Sessions(calendar)
    keep = StorageConfig().keep_minute_bars_days
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        store = SqlStore("", data_dir=path)
        try:
            pruner = Pruner(store, sessions)
            steps: list[float] = []
            for number, (day, times) in enumerate(_trading_days(calendar)):
                for key in SYMBOLS:
                    store.add_bars(_session(key, *times, seed=day.toordinal()))
                if number % 5 == 4:
                    steps += _prune(pruner, times[1], keep)
            steps += _prune(pruner, _noon(LAST), keep)
            size = sum(file.stat().st_size for file in path.glob("swing_hunter.db*")) / MEGABYTE
            loads = _times(lambda: store.bars(SYMBOLS[7], MINUTE, limit=5000), 15)
            days = len(store.bars(SYMBOLS[7], DAY))
            batch = [Bar(f"CRYPTO:S{n}", 60.0 * 29e6, 1.5, 2.5, 0.5, 1.5, 10.0) for n in range(BATCH)]
            writes = _times(lambda: store.add_bars(batch), 30)
        finally:
            store.close()
    note = f"{len(SYMBOLS)} symbols, minutes of {keep} days and {days} daily bars each"
    return [
        Figure("database after a year", size, "MB", 100, note=note),
        Figure("loading 5000 bars", statistics.median(loads), "ms", 50),
        Figure("writing a batch", statistics.median(writes), "ms", 20, note=f"{BATCH} symbols, to the disk"),
        Figure("one step of pruning, longest", max(steps), "ms", 100),
    ]


def _trading_days(calendar: MarketCalendar) -> Iterator[tuple[date, tuple[float, float]]]:
    for back in range(DAYS - 1, -1, -1):
        day = LAST - timedelta(days=back)
        times = calendar.session("BIST", day)
        if times is not None:
            yield day, times


def _session(key: str, opened: float, closed: float, seed: int) -> list[Bar]:
    """A session's minutes, with prices on the exchange's steps and volumes in whole shares."""
    bars = []
    price, state = 30_025, (crc32(key.encode()) ^ seed * 2_654_435_761) & 0xFFFFFFFF
    for number in range(round((closed - opened) / MINUTE)):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        end = price + 25 * (state >> 30) - 37 if state & 1 else price + 25
        high, low = max(price, end) + (state >> 20) % 60, min(price, end) - (state >> 10) % 60
        bars.append(
            Bar(key, opened + MINUTE * number, price / 100, high / 100, low / 100, end / 100,
                float((state >> 8) % 90_000))
        )  # fmt: skip
        price = max(1_000, end)
    return bars


def _prune(pruner: Pruner, now: float, keep: int) -> list[float]:
    steps = []
    while True:
        began = time.perf_counter()
        more = pruner.step(now, keep)
        steps.append((time.perf_counter() - began) * 1000.0)
        if not more:
            return steps


def _noon(day: date) -> float:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()


def _times(work: Callable[[], object], rounds: int) -> list[float]:
    result = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        result.append((time.perf_counter() - began) * 1000.0)
    return result
