"""A program that feeds a day to an engine with bots and can be killed, for tests of what survives."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from core.bots.model import BotFill, BotState, BotTrade
from core.clock import FakeClock
from core.config import BotConfig, Config, RealTimeConfig
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Quote
from core.storage.base import Store
from tests.bot_rig import BotStore
from tests.scripted import Events

Batch = tuple[float, list[Quote]]


class Run:
    """A program that feeds the day to an engine on a database file, and can be killed."""

    def __init__(
        self, open_: Callable[[], Store], batches: list[Batch], bots: tuple[BotConfig, ...], **live: Any
    ) -> None:
        self.open = open_
        self.batches = batches
        self.bots = bots
        self.live = RealTimeConfig(live_data_source="tvdatafeed", **live)
        self.clock = FakeClock(batches[0][0] - 5.0)
        self.told: list[Any] = []
        self.states: list[BotState] = []
        self.begin()

    def begin(self) -> None:
        """Start the program."""
        bus = EventBus()
        self.events = Events(bus, BotFill, BotTrade, BotState)
        self.store = self.open()
        config = Config(bots=self.bots, real_time=self.live)
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


def compare(whole: Run, broken: Run, seed: int, kills: int, least: int = 0) -> None:
    """Feed the same day to both; `broken` is killed so often. `least` so many trades come of it."""
    batches = whole.batches
    whole.feed(0)
    whole.end()
    expected = whole.ledger()
    assert len(expected["trades"]) >= least
    if least:
        assert {trade.bot_id for trade in expected["trades"]} == {bot.id for bot in whole.bots}

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
    for bot in broken.bots:
        versions = [state.version for state in broken.states if state.bot_id == bot.id]
        assert versions == list(range(1, len(versions) + 1))
    broken.store.close()
    whole.store.close()
