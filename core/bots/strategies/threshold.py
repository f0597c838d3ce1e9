"""Follows the BUY and SELL signals of the product (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, View, Wake
from core.model import Side


class Threshold(BaseStrategy):
    """Long at a BUY, out (or short, where the bot may) at a SELL; each signal is followed once.

    Signals with less than `min_confidence` are passed over, and those after a silence of more than
    `max_gap_sec` seconds (0: however long).
    """

    name = "threshold"
    wake = Wake.SIGNAL
    defaults: Mapping[str, Any] = {"min_confidence": 0.0, "max_gap_sec": 0.0}
    limits: Mapping[str, tuple[float, float]] = {"min_confidence": (0.0, 1.0), "max_gap_sec": (0.0, 86_400.0)}

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """What the signal says, if there is a new one."""
        signal = view.signal
        if signal is None or memory.get("followed") == signal.timestamp:
            return HOLD
        memory["followed"] = signal.timestamp
        longest = self._value(params, "max_gap_sec")
        if signal.confidence < self._value(params, "min_confidence") or 0 < longest < signal.gap:
            return HOLD
        action = Action.BUY if signal.side is Side.BUY else Action.SELL
        return Decision(action=action, reason=f"signal {signal.side.value} {signal.change_pct:+.2f}%")
