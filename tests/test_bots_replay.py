"""The same day gives the same trades and the same ledger, however often the program is killed in between.

A day of quotes is fed to an engine with three bots, once without a break and once with 50 kills at random
moments, in the middle of a batch too. Whoever starts again feeds on from the first quote of which some bot
has not stored the effects; the bots know what they have seen.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotFill, BotState, BotTrade
from core.clock import FakeClock
from core.config import BotConfig, Config, RealTimeConfig
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Instrument, Quote
from core.storage import open_store
from core.storage.base import Store
from tests.bot_rig import BotStore
from tests.scripted import Events, at

KILLS = 50
SYMBOLS = [Instrument("BIST", name) for name in ("ASELS", "THYAO", "GARAN", "SISE")]
OPENING = at("2026-11-18 10:00")
Batch = tuple[float, list[Quote]]
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


class Run:
    """A program that feeds the day to an engine on a database file, and can be killed."""

    def __init__(self, open_: Callable[[], Store], batches: list[Batch]) -> None:
        self.open = open_
        self.batches = batches
        self.clock = FakeClock(OPENING)
        self.mono = self.clock.monotonic()
        self.told: list[Any] = []
        self.states: list[BotState] = []
        self.begin()

    def begin(self) -> None:
        """Start the program."""
        bus = EventBus()
        self.events = Events(bus, BotFill, BotTrade, BotState)
        self.store = self.open()
        config = Config(bots=BOTS, real_time=RealTimeConfig(live_data_source="tvdatafeed"))
        self.engine = Engine(config, lambda _: self.store, self.clock, bus)

    def feed(self, start: int, kill_at: tuple[int, int] | None = None) -> int:
        """Feed batches from `start` on; the one at which the program was killed, else their number."""
        for number in range(start, len(self.batches)):
            now, quotes = self.batches[number]
            self.clock.advance(max(0.0, now - self.clock.time()))
            self.clock.set_time(now)
            self.engine.begin_batch()
            for place, quote in enumerate(quotes):
                if kill_at == (number, place):
                    return number
                self.engine.on_quote(quote)
            if kill_at is not None and kill_at[0] == number and kill_at[1] >= len(quotes):
                return number
            self.engine.end_batch()
        return len(self.batches)

    def kill(self) -> None:
        """End at once: nothing is written any more."""
        self.note()
        self.store.close()

    def note(self) -> None:
        self.told += [*self.events.of(BotFill), *self.events.of(BotTrade)]
        self.states += self.events.of(BotState)

    def resume_at(self) -> int:
        """The batch after the last one of which every bot has stored the effects."""
        cursors = []
        for record in self.store.bots():
            seen = [spot["received"] for spot in record.memory["spots"].values() if "received" in spot]
            cursors.append(max(seen, default=-math.inf))
        cursor = min(cursors)
        return next((n for n, (at_, _) in enumerate(self.batches) if at_ > cursor), len(self.batches))

    def end(self) -> None:
        self.engine.close()
        self.note()
        self.store = self.open()

    def ledger(self) -> dict[str, Any]:
        """Everything that the trades have left behind."""
        store = self.store
        cut = {"updated_at": 0.0, "version": 0}
        states = [replace(record.state, **cut) for record in store.bots()]
        return {
            "orders": store.bot_orders(), "fills": store.bot_fills(), "trades": store.bot_trades(),
            "days": store.bot_days(), "states": states, "cash": [each.cash for each in store.bots()],
            "series": [each.series for each in store.bots()],
        }  # fmt: skip


def in_memory() -> Callable[[], Store]:
    """A store that outlives the engine."""
    store = BotStore()
    return lambda: store


@pytest.mark.allow_log("core.bots")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_with_50_kills_is_the_day_without(seed: int):
    compare(Run(in_memory(), day(seed, 7.9)), Run(in_memory(), day(seed, 7.9)), seed, KILLS)


@pytest.mark.allow_log("core.bots")
def test_so_it_is_with_a_database_that_is_opened_again(tmp_path: Path):
    files = [lambda name=name: open_store("", tmp_path / name) for name in ("whole", "broken")]
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole, broken = (Run(file, day(4, 0.5)) for file in files)
    compare(whole, broken, 4, 10)


def compare(whole: Run, broken: Run, seed: int, kills: int) -> None:
    """Feed the same day to both; `broken` is killed so often."""
    batches = whole.batches
    whole.feed(0)
    whole.end()
    expected = whole.ledger()
    if kills == KILLS:
        assert len(expected["trades"]) >= 20
        assert len({trade.bot_id for trade in expected["trades"]}) == 3

    dice = random.Random(seed)
    moments = sorted(dice.sample(range(2, len(batches)), kills))
    at_batch = 0
    for moment in moments:
        broken.feed(at_batch, (moment, dice.randrange(4)))
        broken.kill()
        broken.begin()
        at_batch = broken.resume_at()
    broken.feed(at_batch)
    broken.end()
    found = broken.ledger()
    for name, value in expected.items():
        assert found[name] == value, name

    stored = [*broken.store.bot_fills(), *broken.store.bot_trades()]
    assert sorted(map(repr, broken.told)) == sorted(map(repr, stored))  # each told once, none unstored
    for bot in BOTS:
        versions = [state.version for state in broken.states if state.bot_id == bot.id]
        assert versions == sorted(set(versions))
    broken.store.close()
    whole.store.close()


def test_the_same_day_twice_is_the_same():
    ledgers = []
    for _ in range(2):
        run = Run(in_memory(), day(3, 3.0))
        run.feed(0)
        run.end()
        ledgers.append(run.ledger())
    assert ledgers[0] == ledgers[1]
