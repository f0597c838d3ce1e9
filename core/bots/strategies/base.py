"""What most strategies have in common, so that one is written with little more than `decide`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from core.bots.strategy import Decision, View, Wake

NOTHING: Mapping[str, Any] = MappingProxyType({})
TIMEFRAMES = (60, 300, 900, 3600, 86_400)
"""The lengths of bars there are, in seconds: 1, 5 and 15 minutes, an hour, a session."""


class BaseStrategy:
    """A strategy that wakes at each finished bar; override what is different.

    `limits` are the least and the greatest value of a number, `choices` all the values that one may take;
    the form of a new bot and the check of the configuration both go by them. A parameter called
    `timeframe_sec` is the bars' length, one called `lookback` their number.
    """

    name: str = ""
    wake: Wake = Wake.BAR
    defaults: Mapping[str, Any] = NOTHING
    limits: Mapping[str, tuple[float, float]] = NOTHING
    choices: Mapping[str, Sequence[Any]] = NOTHING

    def check(self, params: Mapping[str, Any]) -> str:
        """What is wrong between parameters; each by itself has been checked."""
        return ""

    def bar_seconds(self, params: Mapping[str, Any]) -> int:
        """The bars' length: the parameter `timeframe_sec`, 0 (no bars) if there is none."""
        return int(self._value(params, "timeframe_sec", 0))

    def lookback(self, params: Mapping[str, Any]) -> int:
        """How many bars it sees: the parameter `lookback`, 0 if there is none."""
        return int(self._value(params, "lookback", 0))

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """What to do now. Must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no decide")

    def _value(self, params: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
        """A parameter's value: the one given, else its default."""
        return params.get(name, self.defaults.get(name, otherwise))

    def _begin(self, memory: dict[str, Any], params: Mapping[str, Any]) -> None:
        """Forget what was remembered under other parameters: it tells nothing under these."""
        now = {name: self._value(params, name) for name in self.defaults}
        if memory.get("params") != now:
            memory.clear()
            memory["params"] = now
