"""Two sources that quote one instrument check each other.

They disagree when, at comparable times, their prices lie further apart than `tolerance` percent, or when they
name previous closes of the same day that do: after a split one source may be adjusted and the other not, and
the difference would look like a crash. The tolerance grows with the time between the two prices: by once its
size per minute, and prices more than `COMPARABLE` apart say nothing about each other. A disagreement lasts
until the same two sources agree again, or until one of them has been silent about it for `FORGET_AFTER`.

Simulated prices take no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime

import msgspec

from core.exchanges import exchange_of
from core.model import Quote, SourceConflict

COMPARABLE = 120.0
"""Seconds between the provider's times of two prices up to which they can be compared."""
FORGET_AFTER = 600.0
"""Seconds after which what a source said counts no more."""


class CrossCheck:
    """What each source said last, and where two of them disagree. Belongs to the engine's thread."""

    def __init__(self, tolerance: float) -> None:
        """`tolerance` in percent; 0 turns the check off."""
        self.tolerance = tolerance
        self._words: dict[str, dict[str, Quote]] = {}
        self._conflicts: dict[str, SourceConflict] = {}

    def hear(self, quote: Quote) -> SourceConflict | None:
        """Take note of `quote`; a conflict that begins, changes its prices or ends (`over`), else None."""
        if self.tolerance <= 0 or quote.simulated or not (0.0 < quote.price < math.inf):
            return None
        words = self._words.get(quote.key)
        if words is None:
            words = self._words[quote.key] = {}
        words[quote.source] = quote
        if len(words) == 1:
            return None
        known = self._conflicts.get(quote.key)
        for other in words.values():
            if other.source == quote.source or quote.received - other.received > FORGET_AFTER:
                continue
            found = self._compare(quote, other)
            if found is not None:
                return self._begin(found, known)
            same = known is not None and known.sources == _names(quote, other)
            if known is not None and same and _apart(quote, other) <= COMPARABLE:
                return self._end(known)
        return None

    def holds(self, key: str) -> bool:
        """Whether the signals of `key` are held because its sources disagree."""
        return key in self._conflicts

    def conflicts(self) -> list[SourceConflict]:
        """All disagreements that last."""
        return list(self._conflicts.values())

    def expire(self, now: float) -> list[SourceConflict]:
        """Once a second: the conflicts of which nobody has spoken for too long end."""
        old = []
        for key, conflict in self._conflicts.items():
            words = self._words.get(key, {})
            heard = [words[name].received for name in conflict.sources if name in words]
            if len(heard) < 2 or now - min(heard) > FORGET_AFTER:
                old.append(conflict)
        return [self._end(conflict) for conflict in old]

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget all instruments but these."""
        wanted = set(keys)
        self._words = {key: words for key, words in self._words.items() if key in wanted}
        self._conflicts = {key: conflict for key, conflict in self._conflicts.items() if key in wanted}

    def _begin(self, found: SourceConflict, known: SourceConflict | None) -> SourceConflict | None:
        if known is not None and known.sources == found.sources:
            found = msgspec.structs.replace(found, since=known.since)
            if found == known:
                return None
        self._conflicts[found.key] = found
        return found

    def _end(self, known: SourceConflict) -> SourceConflict:
        del self._conflicts[known.key]
        return msgspec.structs.replace(known, over=True)

    def _compare(self, one: Quote, two: Quote) -> SourceConflict | None:
        """The conflict between two sources' words, None where there is none or they cannot be compared."""
        apart = _apart(one, two)
        if apart <= COMPARABLE and _percent(one.price, two.price) > self.tolerance * (1.0 + apart / 60.0):
            return _conflict(one, two, (one.price, two.price))
        first, second = _usable(one.previous_close), _usable(two.previous_close)
        if first and second and _percent(first, second) > self.tolerance and _day(one) == _day(two):
            return _conflict(one, two, (first, second), of_closes=True)
        return None


def _apart(one: Quote, two: Quote) -> float:
    """Seconds between the times up to which the providers vouch for two prices."""
    first, second = min(one.stamp + one.span, one.received), min(two.stamp + two.span, two.received)
    return abs(first - second)


def _day(quote: Quote) -> date:
    """The date of the quote at its exchange."""
    zone = exchange_of(quote.key.partition(":")[0]).zone
    return datetime.fromtimestamp(quote.stamp, UTC).astimezone(zone).date()


def _usable(close: float | None) -> float | None:
    return close if close is not None and 0.0 < close < math.inf else None


def _names(one: Quote, two: Quote) -> tuple[str, str]:
    first, second = sorted((one.source, two.source))
    return first, second


def _percent(one: float, two: float) -> float:
    return abs(one - two) / min(one, two) * 100.0


def _conflict(
    one: Quote, two: Quote, figures: tuple[float, float], *, of_closes: bool = False
) -> SourceConflict:
    """The conflict with its sources in the order of their names, whoever spoke last."""
    if one.source > two.source:
        one, two, figures = two, one, figures[::-1]
    since = max(one.received, two.received)
    return SourceConflict(one.key, (one.source, two.source), figures, since, of_closes)
