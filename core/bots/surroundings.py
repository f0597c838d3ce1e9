"""What the bots' desk needs of the engine around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.bars.keeper import BarKeeper
from core.bars.sessions import Sessions
from core.bots.setting import World
from core.clock import Clock
from core.config import Config
from core.events import EventBus
from core.market_calendar import MarketCalendar
from core.storage.base import Store


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The store, the clocks, the bus and what else the engine lends.

    `simulated`: made-up prices are what is traded on here (the chosen simulator, a replay);
    `round_the_clock`: its market never closes; `patient`: wait for every strategy's answer (see `Cycles`).
    """

    store: Store
    clock: Clock
    real_clock: Clock
    bus: EventBus
    calendar: MarketCalendar
    bars: BarKeeper
    holds: Callable[[str], bool]
    """Whether an instrument's sources disagree."""
    signal_memory: Callable[[str], list[Any] | None]
    """What the product's own signal rule remembers of an instrument."""
    age: Callable[[], None] = lambda: None
    """Tells whose prices are of this moment no more; before something is done on them without a new one."""
    simulated: bool = False
    round_the_clock: bool = False
    patient: bool = False

    def world(self, config: Config) -> World:
        """What all bots of this world share."""
        live = config.real_time
        return World(
            sessions=Sessions(self.calendar, round_the_clock=self.round_the_clock), exchange=config.exchange,
            threshold_pct=live.signal_threshold_pct, cooldown_sec=live.signal_cooldown_sec,
            noise=(live.noise_filter, live.noise_window), trade_simulation=self.simulated,
        )  # fmt: skip

    def is_open(self, exchange: str, now: float) -> bool:
        """Whether an exchange trades at the Unix time `now`."""
        return self.round_the_clock or self.calendar.state(exchange, now).is_open
