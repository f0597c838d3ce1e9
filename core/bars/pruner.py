"""Forgetting minute bars that are too old, a little at a time. Each day of theirs leaves a daily bar."""

from __future__ import annotations

from collections import deque

from core.bars.derive import MINUTE, derive
from core.bars.sessions import DAY, Sessions
from core.model import Bar
from core.storage.base import Store

STEP = 1500
"""Bars per step, the longest session (a day of a market that never closes) and a little more."""
LENGTHS = (MINUTE, 300, 900, 3600)


class Pruner:
    """Works through the instruments, one step per call. Belongs to the engine's thread."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._queue: deque[tuple[str, int]] = deque()

    def step(self, now: float, keep_days: int) -> bool:
        """Remove some bars from more than `keep_days` before the Unix time `now`; False when none is left.

        Raises `StorageError`.
        """
        if not self._queue:
            self._queue.extend((key, seconds) for key in self._store.bar_keys() for seconds in LENGTHS)
        before = (now - keep_days * DAY) // DAY * DAY
        while self._queue:
            if self._remove_some(*self._queue[0], before):
                return True
            self._queue.popleft()
        return False

    def _remove_some(self, key: str, seconds: int, before: float) -> bool:
        old = self._store.oldest_bars(key, seconds, before, STEP)
        if not old:
            return False
        if seconds == MINUTE:
            whole = self._whole_sessions(old) if len(old) == STEP else old
            self._store.add_bars(derive(whole, DAY, self._sessions), DAY, keep=True)
            old = whole
        self._store.remove_bars(key, seconds, old[-1].start + 1)
        return True

    def _whole_sessions(self, old: tuple[Bar, ...]) -> tuple[Bar, ...]:
        """`old` without the session at its end, of which more may follow."""
        session = self._sessions.at(old[-1].key.partition(":")[0], old[-1].start)
        if session is None or old[0].start >= session[0]:
            return old
        return tuple(bar for bar in old if bar.start < session[0])
