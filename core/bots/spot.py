"""What a bot knows of one of its instruments: the last price, its bars, what the strategy remembers."""

from __future__ import annotations

import math
from typing import Any

from core.bots.model import BotPosition
from core.bots.risk import enforced_stop
from core.bots.series import BarSeries
from core.model import Freshness, Signal

FUTURE = 60.0
"""Seconds by which a stored price may be ahead of the clock, as clocks differ a little."""


class Spot:
    """One instrument of one bot. Prices between `low` and `high` touch no level of its position."""

    __slots__ = (
        "counted", "cycle_at", "doubted", "effective", "entry", "filled", "freshness", "high", "key", "low",
        "memory", "other_rules", "price", "quantity", "received", "series", "signal", "simulated", "tradable",
        "working",
    )  # fmt: skip

    def __init__(self, key: str) -> None:
        self.key = key
        self.price: float | None = None
        self.effective = -math.inf
        """Up to when the last price was good, by its provider: an older one moves nothing any more."""
        self.received = -math.inf
        self.freshness: Freshness | None = None
        self.simulated = False
        self.tradable = False
        """Whether the last price is true and of this moment."""
        self.low = -math.inf
        self.high = math.inf
        self.quantity = self.entry = 0.0
        """Those of the position, for the screen."""
        self.counted: float | None = None
        """At which price the position counts in the day's base, until the previous close is told."""
        self.doubted: float | None = None
        """The previous close that looks like one after a split: its prices are not traded on."""
        self.other_rules = False
        """Whether the trailing stop is one of former rules, as that of the present ones is not known yet."""
        self.working = False
        """Whether orders wait for a price."""
        self.series: BarSeries | None = None
        self.filled = False
        """Whether the strategy has not seen yet that bars of the past have come."""
        self.signal: Signal | None = None
        """A signal that the strategy has not seen yet."""
        self.cycle_at = -math.inf
        """When the strategy was last asked."""
        self.memory: dict[str, Any] = {}

    def guard(self, position: BotPosition | None, *, trailing: bool) -> None:
        """Set the prices between which nothing is to be done for `position`."""
        self.low, self.high = -math.inf, math.inf
        self.quantity = self.entry = 0.0
        if position is None:
            self.other_rules, self.counted, self.doubted = False, None, None
            return
        self.quantity, self.entry = float(position.quantity), float(position.entry_price)
        stop, _ = enforced_stop(position)
        long = position.quantity > 0
        near = float(stop) if stop is not None else -math.inf if long else math.inf
        far = [float(level) for level in (position.target, position.high_water if trailing else None)
               if level is not None]  # fmt: skip
        if long:
            self.low, self.high = near, min(far, default=math.inf)
        else:
            self.low, self.high = max(far, default=-math.inf), near

    def forget_future(self, now: float) -> None:
        """What was stored by a clock that was far ahead must not make every price look old."""
        if self.effective > now + FUTURE:
            self.effective = self.received = now

    def dump(self) -> dict[str, Any]:
        """What a restart must not lose, in JSON's types."""
        data: dict[str, Any] = {}
        if self.price is not None:
            data = {"price": self.price, "effective": self.effective, "received": self.received}
        if self.cycle_at > 0:
            data["cycle"] = self.cycle_at
        if self.simulated:
            data["simulated"] = True
        if self.doubted is not None:
            data["doubted"] = self.doubted
        if self.other_rules:
            data["other_rules"] = True
        if self.counted is not None:
            data["counted"] = self.counted
        if self.memory:
            data["memory"] = self.memory
        if self.series is not None and (growing := self.series.dump_growing()) is not None:
            data["bar"] = growing
        return data

    def restore(self, data: dict[str, Any]) -> None:
        """Go on with what `dump` told; the price is one of the past, so it is not traded on."""
        if "price" in data:
            self.price, self.effective, self.received = data["price"], data["effective"], data["received"]
            self.freshness = Freshness.STALE
        self.cycle_at = data.get("cycle", -math.inf)
        self.simulated = bool(data.get("simulated", False))
        self.counted, self.doubted = data.get("counted"), data.get("doubted")
        self.other_rules = bool(data.get("other_rules", False))
        self.memory = dict(data.get("memory", {}))

    @property
    def open_pnl(self) -> float:
        """The open profit or loss at the last price, for the screen; 0 while there is none."""
        return 0.0 if self.price is None else (self.price - self.entry) * self.quantity
