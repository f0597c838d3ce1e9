"""Trades the crossing of a fast and a slow exponential moving average of finished bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.bots.model import BotPosition
from core.bots.strategies.base import TIMEFRAMES, BaseStrategy
from core.bots.strategies.indicators import ema
from core.bots.strategy import HOLD, Action, Decision, View
from core.i18n import tr

SEED_PERIODS = 4
"""The average is made of so many slow periods, so that its beginning weighs less than half a percent."""


class EmaCross(BaseStrategy):
    """BUY when the fast average rises above the slow one, SELL when it falls below.

    A position that stands against the averages without a crossing (one that was missed while the bot rested)
    is given up. `memory` holds the last bar that was judged and on which side the fast average then was: each
    bar is judged once, and a crossing is never missed or seen twice because the window moved on by a bar.
    """

    name = "ema_cross"
    defaults: Mapping[str, Any] = {"timeframe_sec": 3600, "fast": 12, "slow": 26}
    limits: Mapping[str, tuple[float, float]] = {"fast": (2, 200), "slow": (3, 400)}
    choices: Mapping[str, Sequence[Any]] = {"timeframe_sec": TIMEFRAMES}

    def check(self, params: Mapping[str, Any]) -> str:
        """The fast average must be the faster one."""
        fast, slow = self._value(params, "fast"), self._value(params, "slow")
        return "" if fast < slow else tr("strategies.fast_below_slow", fast=fast, slow=slow)

    def lookback(self, params: Mapping[str, Any]) -> int:
        """Exactly this many bars are used, and fewer never decide."""
        return SEED_PERIODS * int(self._value(params, "slow")) + 1

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """Judge the last finished bar, once."""
        self._begin(memory, params)
        count = self.lookback(params)
        if len(view.bars) < count or view.bars[-1].start <= memory.get("bar", 0.0):
            return HOLD
        bars = view.bars[-count:]
        closes = [bar.close for bar in bars]
        fast, slow = self._value(params, "fast"), self._value(params, "slow")
        above = [_side(*pair) for pair in zip(ema(closes, fast)[-2:], ema(closes, slow)[-2:], strict=True)]
        before = memory["side"] if memory.get("bar") == bars[-2].start else above[0]
        now = above[1] or before
        memory.update(bar=bars[-1].start, side=now)
        if now != before and before:
            action, word = (Action.BUY, "above") if now > 0 else (Action.SELL, "below")
            return Decision(action=action, reason=f"EMA {fast} crossed {word} EMA {slow}")
        if _against(view.position, now):
            return Decision(action=Action.EXIT, reason=f"EMA {fast} and EMA {slow} are against the position")
        return HOLD


def _side(fast: float | None, slow: float | None) -> int:
    """1 where the fast average is above the slow one, -1 where below, 0 where neither."""
    if fast is None or slow is None or fast == slow:
        return 0
    return 1 if fast > slow else -1


def _against(position: BotPosition | None, side: int) -> bool:
    return position is not None and position.quantity * side < 0
