"""A bot's day: which session of its exchange it is, and what everything was worth when it began."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from core.bots.spot import Spot


class TradingDay:
    """`session` is when the day's session opened (-inf before there was any), `base` what the bot was worth
    at the close before it."""

    def __init__(self, base: float) -> None:
        self.session = -math.inf
        self.base = base

    @property
    def known(self) -> bool:
        """Whether a day has begun."""
        return self.session > 0

    def begin(self, session: float, equity: float, held: Iterable[Spot]) -> None:
        """A session has opened. What is held counts at the last price that was seen, and those of `held` at
        their previous close as soon as it is told: the bot may have missed the end of the day before."""
        self.session, self.base = session, equity
        for spot in held:
            spot.counted = spot.entry if spot.price is None else spot.price

    def count_from(self, spot: Spot, close: float) -> None:
        """The instrument's previous close is told."""
        if spot.counted is not None:
            self.base += (close - spot.counted) * spot.quantity
            spot.counted = None

    def dump(self) -> dict[str, Any]:
        """What a restart must not lose, in JSON's types."""
        known = {"day": self.session} if self.known else {}
        return {"day_base": self.base} | known

    def restore(self, data: dict[str, Any], equity: float) -> None:
        """Go on with what `dump` told; `equity` stands in for what was not stored."""
        self.session = data.get("day", -math.inf)
        self.base = data.get("day_base", equity)
