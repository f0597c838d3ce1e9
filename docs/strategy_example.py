"""An example of a strategy of your own: buys the breakout above the highest price of the last bars.

Copy this file into the folder `strategies` of the data directory (`python3 run.py doctor` names that), give
the class another `name`, and change `decide`. docs/strategies.md tells the rest.
"""

from core.bots.strategies.base import TIMEFRAMES, BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, View


class Breakout(BaseStrategy):
    """In when a bar closes above the highs of `entry` bars before it, out below the lows of `exit` bars."""

    name = "breakout"  # how a bot's configuration calls it: "strategy": "breakout"
    defaults = {"timeframe_sec": 3600, "entry": 20, "exit": 10}  # a bot's "params" may change these
    limits = {"entry": (2, 500), "exit": (2, 500)}
    choices = {"timeframe_sec": TIMEFRAMES}

    def lookback(self, params):
        """So many finished bars are wanted: the longer channel, and the one that breaks out of it."""
        return max(params["entry"], params["exit"]) + 1

    def decide(self, view: View, params: dict, memory: dict) -> Decision:
        """Asked once per finished bar and instrument. `view` is all there is to see."""
        if len(view.bars) < self.lookback(params):
            return HOLD  # too little history yet
        *before, last = view.bars
        if view.position is None:
            if last.close > max(bar.high for bar in before[-params["entry"] :]):
                memory["entries"] = memory.get("entries", 0) + 1  # still there after a restart
                return Decision(action=Action.BUY, reason=f"breakout no. {memory['entries']}")
        elif last.close < min(bar.low for bar in before[-params["exit"] :]):
            return Decision(action=Action.EXIT, reason="fell out of the channel")
        return HOLD
