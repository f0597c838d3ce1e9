"""What is stored of an instrument's sessions: the minutes of one, or its daily bar, and its close."""

from __future__ import annotations

import msgspec

from core.bars.derive import MINUTE
from core.bars.sessions import DAY, Sessions, Times
from core.model import Bar
from core.storage.base import Store

LOOK_BACK = 10 * 86_400.0
"""Seconds before the first bar in which the previous close is looked for, among the minutes."""
MOST_BARS = 200_000
ENOUGH = 0.5
"""With this share of a session's minutes we know more of it than its daily bar tells."""


class SessionBars(msgspec.Struct):
    """A session that something is known of."""

    times: Times
    minutes: list[Bar]
    daily: Bar | None = None

    @property
    def close(self) -> float:
        """The last price; the daily bar's, as our minutes may end before the session does."""
        return self.minutes[-1].close if self.daily is None else self.daily.close

    def best(self) -> tuple[list[Bar], float]:
        """The bars that tell most of the session, and their length in seconds."""
        daily, length = self.daily, self.times[1] - self.times[0]
        if daily is None or self._tells_enough(daily, length):
            return self.minutes, MINUTE
        return [daily], length

    def _tells_enough(self, daily: Bar, length: float) -> bool:
        """Whether the minutes are many, or hold all that the daily bar spans (others may have no trade)."""
        if not self.minutes:
            return False
        spanned = (
            min(bar.low for bar in self.minutes) <= daily.low
            and max(bar.high for bar in self.minutes) >= daily.high
        )
        return spanned or len(self.minutes) * MINUTE >= ENOUGH * length


def stored_sessions(
    store: Store, key: str, since: float, until: float, sessions: Sessions
) -> list[SessionBars]:
    """The sessions of `key` that are known between two Unix times, and some before them for their close,
    oldest first. Raises `StorageError`."""
    exchange = key.partition(":")[0]
    found: dict[float, SessionBars] = {}

    def of(bar: Bar) -> SessionBars | None:
        times = sessions.at(exchange, bar.start)
        return None if times is None else found.setdefault(times[0], SessionBars(times, []))

    for bar in store.bars(key, DAY, since - 3 * LOOK_BACK, until, MOST_BARS):
        if (session := of(bar)) is not None:
            session.daily = bar
    for bar in store.bars(key, MINUTE, since - LOOK_BACK, until, MOST_BARS):
        if (session := of(bar)) is not None:
            session.minutes.append(bar)
    return [found[opened] for opened in sorted(found)]


def previous_close(store: Store, key: str, opened: float, sessions: Sessions) -> float | None:
    """The close of the last known session before the one that `opened` then. Raises `StorageError`."""
    exchange = key.partition(":")[0]
    minute = next(iter(store.bars(key, MINUTE, opened - LOOK_BACK, opened, 1)), None)
    daily = next(iter(store.bars(key, DAY, opened - LOOK_BACK, opened, 1)), None)
    if minute is None or daily is None:
        known = minute or daily
        return None if known is None else known.close
    times = sessions.at(exchange, minute.start)
    return daily.close if times is None or times[0] <= daily.start else minute.close
