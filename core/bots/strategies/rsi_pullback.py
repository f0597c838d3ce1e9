"""Buys the dip in a rising trend: above a long average, when a low relative strength turns up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.bots.model import BotPosition
from core.bots.strategies.base import TIMEFRAMES, BaseStrategy
from core.bots.strategies.indicators import ema, rsi
from core.bots.strategy import HOLD, Action, Decision, View
from core.i18n import tr

SEED_PERIODS = 4
"""The average is made of so many trend periods, so that its beginning weighs less than half a percent."""


class RsiPullback(BaseStrategy):
    """BUY at the first rise after the index fell below `entry_below`, if the close is above the trend's
    average; EXIT when the index reaches `exit_above`.

    The mirror image opens short positions, where the bot may: SELL at the first fall after the index rose
    above 100 - `entry_below`, under the average, and EXIT at 100 - `exit_above`. `memory` holds the last bar
    that was judged, so that each is judged once.
    """

    name = "rsi_pullback"
    defaults: Mapping[str, Any] = {
        "timeframe_sec": 3600, "trend": 50, "period": 7, "entry_below": 40.0, "exit_above": 65.0,
    }  # fmt: skip
    limits: Mapping[str, tuple[float, float]] = {
        "trend": (5, 400), "period": (2, 100), "entry_below": (1.0, 50.0), "exit_above": (50.0, 99.0),
    }  # fmt: skip
    choices: Mapping[str, Sequence[Any]] = {"timeframe_sec": TIMEFRAMES}

    def check(self, params: Mapping[str, Any]) -> str:
        """The trend must be longer than the index looks back."""
        trend, period = self._value(params, "trend"), self._value(params, "period")
        return "" if period < trend else tr("strategies.period_below_trend", period=period, trend=trend)

    def lookback(self, params: Mapping[str, Any]) -> int:
        """Exactly this many bars are used, and fewer never decide."""
        return SEED_PERIODS * int(self._value(params, "trend")) + 1

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """Judge the last finished bar, once."""
        self._begin(memory, params)
        count = self.lookback(params)
        if len(view.bars) < count or view.bars[-1].start <= memory.get("bar", 0.0):
            return HOLD
        memory["bar"] = view.bars[-1].start
        closes = [bar.close for bar in view.bars[-count:]]
        index = [50.0 if value is None else value for value in rsi(closes, self._value(params, "period"))]
        if view.position is not None:
            return self._leave(view.position, index[-1], params)
        low = self._value(params, "entry_below")
        up = _turns(closes, index, low)
        if not up and not _turns([-close for close in closes], [100.0 - value for value in index], low):
            return HOLD
        trend = ema(closes, self._value(params, "trend"))[-1]
        if trend is None or closes[-1] == trend or (closes[-1] > trend) is not up:
            return HOLD
        if up:
            return Decision(action=Action.BUY, reason=f"RSI {index[-2]:.1f} turned up above the trend")
        return Decision(action=Action.SELL, reason=f"RSI {index[-2]:.1f} turned down below the trend")

    def _leave(self, position: BotPosition, index: float, params: Mapping[str, Any]) -> Decision:
        high = self._value(params, "exit_above")
        if (position.quantity > 0 and index >= high) or (position.quantity < 0 and index <= 100.0 - high):
            return Decision(action=Action.EXIT, reason=f"RSI {index:.1f} reached its exit level")
        return HOLD


def _turns(closes: Sequence[float], index: Sequence[float], level: float) -> bool:
    """Whether the last close is the first to rise since the index went below `level`.

    The index rises exactly when the close does; the closes are compared because they bear no rounding.
    """
    if closes[-1] <= closes[-2] or index[-2] >= level:
        return False
    at = len(closes) - 2
    while at > 0 and index[at] < level:
        if index[at - 1] < level and closes[at] > closes[at - 1]:
            return False
        at -= 1
    return True
