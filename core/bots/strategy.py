"""What a strategy is: a function from what it may see to what it wants, found by its name.

A strategy holds no state of its own. Whatever it must remember goes into `memory`, plain JSON that is stored
with the bot, so that a restart, a kill or another computer changes nothing. It never sees a price on which
the bot may not trade.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from core.bots.model import BotPosition
from core.model import Bar, Signal


class Action(StrEnum):
    """What a strategy can want."""

    HOLD = "hold"
    BUY = "buy"
    """Be long: open a long position, or close a short one."""
    SELL = "sell"
    """Be short, where the bot may: open a short position, or close a long one."""
    EXIT = "exit"
    """Be out, whichever way one is in."""


class Wake(StrEnum):
    """When a strategy is asked."""

    TICK = "tick"
    BAR = "bar"
    """When a bar of its length is finished."""
    SIGNAL = "signal"
    """When the signal rule (SPEC section 6) gives one for the instrument."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy may see of one instrument. `bars` are finished ones, oldest first, at most `lookback`.

    `at` is the Unix time by which it is judged; `position` is the bot's own, None if it holds nothing here.
    """

    key: str
    price: float
    at: float
    position: BotPosition | None
    bars: tuple[Bar, ...] = ()
    signal: Signal | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy wants now. `reason` is a short remark for the log; `limit` asks for a limit order."""

    action: Action = Action.HOLD
    reason: str = ""
    limit: float | None = None


HOLD = Decision()


class Strategy(Protocol):
    """One way of trading. The built-in ones are trusted; a user's own runs under a time limit.

    `name` is how the configuration calls it; `defaults` are its parameters with their default values, all
    JSON scalars, of the types that are accepted.
    """

    name: str
    wake: Wake
    defaults: Mapping[str, Any]

    def check(self, params: Mapping[str, Any]) -> str:
        """What is wrong with `params`, as one sentence in the interface's language; "" if nothing is."""
        ...

    def bar_seconds(self, params: Mapping[str, Any]) -> int:
        """The length of the bars it wants (60, 300, 900, 3600, 86400), 0 if none."""
        ...

    def lookback(self, params: Mapping[str, Any]) -> int:
        """How many finished bars it wants to see."""
        ...

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """What to do now. May change `memory`, the strategy's own per bot and instrument."""
        ...
