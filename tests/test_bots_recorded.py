"""A recorded real day through three bots: the same trades and the same ledger, 50 kills or none.

The day is one of `tests/data/intraday_1min.csv`, minute by minute as it was traded; within a minute the
prices go from its open over its extremes to its close. The other recorded day plays a second instrument.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core.config import BotConfig
from core.model import Quote
from core.storage import open_store
from core.storage.base import Store
from tests.bots_day import Batch, Run, compare
from tests.loopback.market import Bar
from tests.loopback.recorded import recorded_days
from tests.scripted import AAPL

KILLS = 50
OTHER = "NASDAQ:MSFT"
DAY = 86_400.0
LIVE = {"signal_threshold_pct": 0.15, "signal_cooldown_sec": 30.0}
BOTS = (
    BotConfig(
        id="signals", name="Signals", symbols=(AAPL.key, OTHER), direction="both", autostart=True,
        size=15_000.0, max_open_positions=2, stop_loss_pct=0.2, take_profit_pct=0.4, slippage_pct=0.01,
        fee_pct=0.02, fee_min=1.0, cooldown_after_loss_sec=300.0,
    ),
    BotConfig(
        id="ema", name="Averages", symbols=(AAPL.key, OTHER), strategy="ema_cross",
        params={"timeframe_sec": 60, "fast": 3, "slow": 8}, direction="both", autostart=True,
        quantity=70.0, max_open_positions=2, stop_loss_pct=0.0, trailing_stop_atr=3.0, fee_pct=0.01,
    ),
    BotConfig(
        id="rsi", name="Pullbacks", symbols=(AAPL.key,), strategy="rsi_pullback",
        params={"timeframe_sec": 60, "trend": 5, "period": 3, "entry_below": 45.0, "exit_above": 60.0},
        direction="long", autostart=True, size=12_000.0, trailing_stop_pct=0.2, max_daily_loss=1_500.0,
    ),
)  # fmt: skip


def recorded() -> list[Batch]:
    """The last recorded day; what the day before it traded comes a day later, as another instrument."""
    *_, before, day = sorted(recorded_days())
    series = {AAPL.key: (recorded_days()[day], 0.0), OTHER: (recorded_days()[before], DAY)}
    close = recorded_days()[before][-1].close
    batches: dict[float, list[Quote]] = {}
    for key, (bars, shift) in series.items():
        total = 0.0
        for bar in bars:
            for second, price in zip((5.0, 20.0, 40.0, 55.0), path(bar), strict=True):
                now = bar.stamp + shift + second
                total += bar.volume / 4
                batches.setdefault(now, []).append(Quote(
                    key=key, price=price, stamp=now - 0.4, received=now, source="push",
                    previous_close=close, volume=total,
                ))  # fmt: skip
    return sorted(batches.items())


def path(bar: Bar) -> tuple[float, float, float, float]:
    """Four prices of the minute; which extreme came first was not recorded."""
    turns = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    return bar.open, *turns, bar.close


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory, if there is such a place: each of the day's steps is a transaction."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


@pytest.mark.allow_log("core.bots")
def test_a_recorded_day_with_50_kills_is_the_day_without(folder: Path):
    def file(name: str) -> Store:
        (folder / name).mkdir(exist_ok=True)
        return open_store("", folder / name)

    day = recorded()
    whole, broken = (Run(lambda name=name: file(name), day, BOTS, **LIVE) for name in ("whole", "broken"))
    compare(whole, broken, 16, KILLS, least=100)
