"""An engine with bots that a test drives price by price, on a clock and a store of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.bots import registry
from core.bots.model import BotAlert, BotAlertKind, BotFill, BotState, BotTrade
from core.bots.registry import find_strategy
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, View, Wake
from core.clock import FakeClock
from core.commands import BotHistory, BotsLoaded
from core.config import BotConfig, Config, RealTimeConfig
from core.engine.engine import Engine
from core.errors import StorageError
from core.events import EventBus
from core.model import Instrument, Notice
from core.storage.base import Store
from core.storage.memory_store import MemoryStore
from tests.scripted import ASELS, WEDNESDAY, Events, quote

BOT_EVENTS = (BotState, BotTrade, BotFill, BotAlert, BotsLoaded, BotHistory, Notice)


class Puppet(BaseStrategy):
    """Does what the test wants: `wants` by instrument, asked at every price unless told otherwise."""

    name = "puppet"
    wake = Wake.TICK

    def __init__(self) -> None:
        self.wants: dict[str, Decision | Exception] = {}
        self.views: list[View] = []
        self.seconds = 0
        self.count = 0

    def bar_seconds(self, params: Any) -> int:
        """See `Strategy.bar_seconds`."""
        return self.seconds

    def lookback(self, params: Any) -> int:
        """See `Strategy.lookback`."""
        return self.count

    def decide(self, view: View, params: Any, memory: dict[str, Any]) -> Decision:
        """Once what is wanted, then HOLD."""
        self.views.append(view)
        memory["asked"] = memory.get("asked", 0) + 1
        want = self.wants.pop(view.key, HOLD)
        if isinstance(want, Exception):
            raise want
        return want


# The host trusts, and so calls directly, what comes from the package of built-in strategies.
Puppet.__module__ = "core.bots.strategies.puppet"


class BotStore(MemoryStore):
    """Cannot write bots while `broken`; `commits` counts the steps of each transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.commits: list[int] = []

    def commit_bots(self, changes: Any) -> None:
        """See `Store.commit_bots`."""
        if self.broken:
            raise StorageError("the disk is full")
        super().commit_bots(changes)
        self.commits.append(len(changes))

    def close(self) -> None:
        """The next engine opens it again."""


def bot(bot_id: str = "b1", *symbols: str, **fields: Any) -> BotConfig:
    """A bot that starts at once, trades 100 shares and has neither fees nor limits unless told."""
    values: dict[str, Any] = {
        "name": bot_id.upper(), "symbols": symbols or ("ASELS",), "strategy": "puppet", "autostart": True,
        "cash": 100_000.0, "quantity": 100.0, "fee_pct": 0.0, "slippage_pct": 0.0, "stop_loss_pct": 0.0,
    } | fields  # fmt: skip
    return BotConfig(id=bot_id, **values)


class BotRig:
    """An engine, its clock and everything that it publishes about bots."""

    def __init__(
        self, *bots: BotConfig, store: Store | None = None, now: float = WEDNESDAY,
        source: str = "tvdatafeed", clock: FakeClock | None = None, config: Config | None = None,
        **real_time: Any,
    ) -> None:  # fmt: skip
        self.clock = clock or FakeClock(now)
        self.store: Any = store or BotStore()
        self.config = config or Config(
            bots=tuple(bots), real_time=RealTimeConfig(**{"live_data_source": source} | real_time)
        )
        self.bus = EventBus()
        self.events = Events(self.bus, *BOT_EVENTS)
        self.engine = Engine(self.config, self.open, self.clock, self.bus)

    def open(self, _: Config) -> Store:
        """The store of whatever world."""
        store: Store = self.store
        return store

    @property
    def puppet(self) -> Puppet:
        """The strategy of the bots."""
        strategy = find_strategy("puppet")
        assert isinstance(strategy, Puppet)
        return strategy

    def see(self, price: float, on: Instrument = ASELS, **fields: Any) -> None:
        """One quote of this moment, in a batch of its own."""
        now = self.clock.time()
        values: dict[str, Any] = {"stamp": now, "received": now, "previous_close": 100.0} | fields
        self.engine.begin_batch()
        self.engine.on_quote(quote(on, price, **values))
        self.engine.end_batch()

    def pass_by(self, *prices: float, on: Instrument = ASELS, every: float = 1.0, **fields: Any) -> None:
        """Prices in a row, `every` so many seconds."""
        for price in prices:
            self.clock.advance(every)
            self.see(price, on, **fields)

    def want(self, action: Action | Exception, on: Instrument = ASELS, limit: float | None = None) -> None:
        """Let the strategy answer so, once, when it is asked about `on`."""
        self.puppet.wants[on.key] = (
            action if isinstance(action, Exception) else Decision(action=action, limit=limit)
        )

    def buy(self, price: float = 100.0, on: Instrument = ASELS, **fields: Any) -> None:
        """Have the bot go long at `price`."""
        self.want(Action.BUY, on)
        self.pass_by(price, on=on, **fields)

    def wait(self, seconds: float) -> None:
        """Let time pass without prices."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            self.engine.end_batch()
            seconds -= 1.0

    def execute(self, command: Any) -> None:
        """Carry out a command."""
        self.engine.bots.execute(command)

    def apply(self, *bots: BotConfig, **fields: Any) -> None:
        """Work with other bots."""
        self.config = Config(bots=tuple(bots), real_time=self.config.real_time, **fields)
        self.engine.apply(self.config)

    def state(self, bot_id: str = "b1") -> BotState:
        """The last published state."""
        return next(state for state in reversed(self.events.of(BotState)) if state.bot_id == bot_id)

    def stored(self, bot_id: str = "b1") -> BotState:
        """The last stored state."""
        state: BotState = next(r.state for r in self.store.bots() if r.state.bot_id == bot_id)
        return state

    def fills(self) -> list[BotFill]:
        """All published fills."""
        return self.events.of(BotFill)

    def trades(self) -> list[BotTrade]:
        """All published trades."""
        return self.events.of(BotTrade)

    def alerts(self, kind: BotAlertKind | None = None) -> list[BotAlert]:
        """All published alerts (of a kind)."""
        return [a for a in self.events.of(BotAlert) if kind is None or a.kind is kind]

    def notices(self) -> list[str]:
        """The names of all published notices."""
        return [notice.key for notice in self.events.of(Notice)]

    def settle(self) -> None:
        """Let whatever is conflated be stored."""
        self.clock.advance(1.0)
        self.engine.end_batch()

    def reborn(self, **fields: Any) -> BotRig:
        """Another engine on the same store and clock, after this one has ended in whatever way."""
        return BotRig(*self.config.bots, store=self.store, clock=self.clock, **fields)


def money(text: str) -> Decimal:
    """An exact amount."""
    return Decimal(text)


def add_puppet(patch: pytest.MonkeyPatch) -> Puppet:
    """Let "puppet" name a strategy until the test ends."""
    strategy = Puppet()
    patch.setitem(registry.BUILT_IN, "puppet", lambda: strategy)
    patch.setitem(registry._built_in, "puppet", strategy)
    return strategy
