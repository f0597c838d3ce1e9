"""How long to wait before the next try after failures."""

from __future__ import annotations

import random

BASE = 2.0
CAP = 30.0
RATE_LIMIT_PAUSE = 120.0
"""Seconds to rest after a refusal for asking too often that names no time of its own."""


def delay_after(failures: int, jitter: random.Random, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after `failures` (>= 1) in a row: exponential up to `cap`, spread by +-25 %.

    The spread keeps many clients of one provider from coming back in step.
    """
    doubled = min(cap, base * 2.0 ** min(failures - 1, 30))
    return float(doubled * jitter.uniform(0.75, 1.25))
