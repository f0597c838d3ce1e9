"""Bars on their way into the store: gathered in memory, written in batches, kept while the disk refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from core.errors import StorageError
from core.model import Bar
from core.storage.base import Store

log = logging.getLogger(__name__)

EVERY = 1.5
"""Seconds between two writings; what a killed process loses, with the time that one takes, is under two."""
LONGEST_REST = 30.0
MAX_KEPT = 100_000
"""More unwritten bars than this are dropped, oldest first, and logged."""


class BarWriter:
    """Writes what was put into it, one transaction per length of bars. Belongs to the engine's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[tuple[int, str, float], Bar] = {}
        self._failures = 0
        self.next_write = 0.0
        """When to write next, by the monotonic clock."""
        self.error = ""

    def put(self, bars: Iterable[Bar], seconds: int) -> None:
        """Have `bars` written, in the place of what is there and of what waits."""
        self._waiting.update(((seconds, bar.key, bar.start), bar) for bar in bars)
        excess = len(self._waiting) - MAX_KEPT
        if excess > 0:
            log.error("%d bars were never stored, as too many wait", excess)
            for key in list(self._waiting)[:excess]:
                del self._waiting[key]

    @property
    def waiting_any(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting)

    def waiting(self, key: str, seconds: int) -> list[Bar]:
        """The bars of one series that are not in the store yet, oldest first."""
        found = [bar for (length, name, _), bar in self._waiting.items() if (length, name) == (seconds, key)]
        return sorted(found, key=lambda bar: bar.start)

    def write(self, now: float) -> str:
        """Write all that waits at the monotonic time `now`; the error's sentence, "" if there is none.

        After a failure the pauses grow, as a store that cannot write may take its time to say so.
        """
        self.next_write = now + EVERY
        lengths = {seconds for seconds, _, _ in self._waiting}
        try:
            for length in lengths:
                some = {key: bar for key, bar in self._waiting.items() if key[0] == length}
                self._store.add_bars(tuple(some.values()), length)
                for key in some:
                    del self._waiting[key]
        except StorageError as error:
            self._failures += 1
            self.next_write = now + min(LONGEST_REST, EVERY * 2.0**self._failures)
            log.warning("%d bars could not be stored yet: %s", len(self._waiting), error)
            self.error = str(error)
            return self.error
        self._failures = 0
        self.error = ""
        return ""

    def abandon(self) -> None:
        """The store is about to be closed: what could not be written by now is lost, and the log says so."""
        if self._waiting:
            log.error("%d bars were never stored", len(self._waiting))
            self._waiting.clear()
