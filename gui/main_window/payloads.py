"""Reads what the contract's slots are given; it may come from anybody, so nothing is taken on trust."""

from __future__ import annotations

import logging
import math
from typing import Any

from core.exchanges import EXCHANGES
from core.model import Signal, signal_from_payload

log = logging.getLogger(__name__)


def read_signal(payload: Any) -> Signal | None:
    """The signal in `payload`; None, with a line in the log, for what is none."""
    try:
        signal = signal_from_payload(payload)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        log.warning("a signal that cannot be read was ignored: %s: %s", type(error).__name__, error)
        return None
    figures = (signal.price, signal.confidence, signal.reference_price, signal.change_pct, signal.gap)
    if signal.exchange not in EXCHANGES or signal.price <= 0 or not all(map(math.isfinite, figures)):
        log.warning("a signal with impossible figures was ignored: %s %r", signal.key, signal.price)
        return None
    return signal
