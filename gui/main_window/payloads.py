"""Reads what the contract's slots are given; it may come from anybody, so nothing is taken on trust."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.exchanges import EXCHANGES
from core.model import Side, Signal

log = logging.getLogger(__name__)


def read_signal(payload: Any) -> Signal | None:
    """The signal in `payload`; None, with a line in the log, for what is none."""
    try:
        signal = _signal(payload)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        log.warning("a signal that cannot be read was ignored: %s: %s", type(error).__name__, error)
        return None
    figures = (signal.price, signal.confidence, signal.reference_price, signal.change_pct, signal.gap)
    if signal.exchange not in EXCHANGES or signal.price <= 0 or not all(map(math.isfinite, figures)):
        log.warning("a signal with impossible figures was ignored: %s %r", signal.key, signal.price)
        return None
    return signal


def _signal(payload: Mapping[str, Any]) -> Signal:
    """The signal that a contract payload describes; the exchange defaults to BIST.

    Raises KeyError, TypeError or ValueError for a payload that is none.
    """
    price = float(payload["price"])
    when = payload.get("timestamp")
    return Signal(
        key=f"{payload.get('exchange') or 'BIST'}:{payload['symbol']}", side=Side(payload["type"]),
        price=price,
        confidence=float(payload.get("confidence", 0.0)),
        timestamp=datetime.fromisoformat(when).timestamp() if when else datetime.now(UTC).timestamp(),
        source=str(payload.get("source", "")), simulated=bool(payload.get("simulated", False)),
        reference_price=float(payload.get("reference_price") or price),
        change_pct=float(payload.get("change_pct") or 0.0), gap=float(payload.get("gap_sec") or 0.0),
    )  # fmt: skip
