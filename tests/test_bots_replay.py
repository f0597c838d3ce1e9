"""The same day gives the same trades and the same ledger, however often the program is killed in between.

A day of quotes is fed to an engine with three bots, once without a break and once with 50 kills at random
moments, in the middle of a batch too. Whoever starts again feeds on from the first quote of which some bot
has not stored the effects; the bots know what they have seen.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import BotConfig
from core.model import Instrument, Quote
from core.storage import open_store
from tests.bots_day import Batch, Run, compare, in_memory
from tests.scripted import at

KILLS = 50
SYMBOLS = [Instrument("BIST", name) for name in ("ASELS", "THYAO", "GARAN", "SISE")]
OPENING = at("2026-11-18 10:00")
BOTS = (
    BotConfig(
        id="signals", name="Signals", symbols=("ASELS", "THYAO"), direction="both", autostart=True,
        size=15_000.0, max_open_positions=2, stop_loss_pct=1.5, take_profit_pct=2.5, slippage_pct=0.05,
        fee_pct=0.1, fee_min=2.0, cooldown_after_loss_sec=300.0,
    ),
    BotConfig(
        id="ema", name="Averages", symbols=("ASELS", "GARAN", "SISE"), strategy="ema_cross",
        params={"timeframe_sec": 60, "fast": 3, "slow": 8}, direction="both", autostart=True, size=0.5,
        quantity=70.0, max_open_positions=3, stop_loss_pct=0.0, trailing_stop_atr=3.0, fee_pct=0.05,
        check_interval_sec=0.0, daily_target=9_000.0,
    ),
    BotConfig(
        id="rsi", name="Pullbacks", symbols=("SISE", "THYAO"), strategy="rsi_pullback",
        params={"timeframe_sec": 60, "trend": 5, "period": 3, "entry_below": 45.0, "exit_above": 60.0},
        direction="long", autostart=True, size=12_000.0, max_open_positions=2, trailing_stop_pct=1.0,
        max_daily_loss=1_500.0,
    ),
)  # fmt: skip


def day(seed: int, hours: float) -> list[Batch]:
    """A day's batches: pushed prices of most instruments, one-minute bars of one, silences, late prices."""
    dice = random.Random(seed)
    prices = {each.key: 100.0 + 30.0 * n for n, each in enumerate(SYMBOLS)}
    closes = dict(prices)
    volumes = dict.fromkeys(prices, 0.0)
    batches: list[Batch] = []
    now = OPENING + 5.0
    while now < OPENING + hours * 3600:
        quotes = []
        for each in SYMBOLS[:3]:
            if dice.random() < 0.8:
                prices[each.key] = round(prices[each.key] * math.exp(dice.gauss(0.0, 0.0022)), 2)
                volumes[each.key] += dice.randrange(1000)
                quotes.append(Quote(
                    key=each.key, price=prices[each.key], stamp=now - dice.random(), received=now,
                    source="push", previous_close=closes[each.key], volume=volumes[each.key],
                ))  # fmt: skip
        quotes += told_bar(dice, now, prices, closes)
        batches.append((now, quotes))
        now += dice.choice((7.0, 12.0, 12.0, 25.0, 180.0 if dice.random() < 0.02 else 10.0))
    return batches


def told_bar(
    dice: random.Random, now: float, prices: dict[str, float], closes: dict[str, float]
) -> Iterator[Quote]:
    """Now and then a polled one-minute bar of the last instrument."""
    if dice.random() < 0.4:
        key = SYMBOLS[3].key
        before = prices[key]
        prices[key] = round(before * math.exp(dice.gauss(0.0, 0.003)), 2)
        yield Quote(
            key=key, price=prices[key], stamp=now - now % 60.0, received=now, source="polled", span=60.0,
            open=before, high=max(before, prices[key]) + 0.05, low=min(before, prices[key]) - 0.05,
            volume=float(dice.randrange(500)), previous_close=closes[key],
        )  # fmt: skip


@pytest.mark.allow_log("core.bots")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_with_50_kills_is_the_day_without(seed: int):
    whole, broken = (Run(in_memory(), day(seed, 7.9), BOTS) for _ in range(2))
    compare(whole, broken, seed, KILLS, least=20)


@pytest.mark.allow_log("core.bots")
def test_so_it_is_with_a_database_that_is_opened_again(tmp_path: Path):
    files = [lambda name=name: open_store("", tmp_path / name) for name in ("whole", "broken")]
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole, broken = (Run(file, day(4, 0.5), BOTS) for file in files)
    compare(whole, broken, 4, 10)


def test_the_same_day_twice_is_the_same():
    ledgers = []
    for _ in range(2):
        run = Run(in_memory(), day(3, 3.0), BOTS)
        run.feed(0)
        run.end()
        ledgers.append(run.ledger())
    assert ledgers[0] == ledgers[1]
