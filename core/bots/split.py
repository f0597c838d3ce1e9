"""Recognises a split or a bonus issue by the previous close that the first price of a day names."""

from __future__ import annotations

LEAST_CHANGE = 0.2
"""More than a session may move a share on BIST; smaller bonus issues pass as falls."""
USUAL_MOVE = 0.2
LONGEST = 4 * 86_400.0
"""Seconds since the last price: a weekend and a day. What happened in longer ones cannot be told apart."""


def may_be_split(seen: float, apart: float, close: float, price: float) -> bool:
    """Whether the previous `close` is that of another share than the one that was last `seen`, `apart`
    seconds before the session: the two lie far apart, while `price` has hardly moved from the close."""
    if apart > LONGEST or min(seen, close) <= 0.0:
        return False
    changed = max(seen, close) / min(seen, close) - 1.0
    return changed > LEAST_CHANGE and abs(price / close - 1.0) < USUAL_MOVE
