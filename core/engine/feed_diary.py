"""What state each price source was in during the last 24 hours, remembered in the store across restarts."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from core.clock import Clock
from core.errors import StorageError
from core.events import EventBus
from core.model import FeedStatus
from core.storage.base import Store

log = logging.getLogger(__name__)

KEY = "feed.day"
DAY = 86_400.0
MOST_CHANGES = 500
"""Changes of state that are remembered per source."""
WRITE_EVERY = 10.0
"""Seconds at least between two writes of changes."""
SEEN_EVERY = 60.0
"""Seconds between two signs of life: by so much at most a state seems to end too early after a crash."""
STOPPED = "stopped"

Changes = tuple[tuple[float, str], ...]


class FeedDay(msgspec.Struct, frozen=True):
    """`changes` are, by source, its (Unix time, state since then), oldest first, of the last 24 hours."""

    changes: Mapping[str, Changes] = {}


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    seen: float = 0.0
    changes: dict[str, list[tuple[float, str]]] = {}


class FeedDiary:
    """Belongs to the engine's thread; tells the whole day at each change."""

    def __init__(self, clock: Clock, bus: EventBus) -> None:
        self._clock = clock
        self._bus = bus
        self._page = _Page()
        self._dirty = False
        self._next = -math.inf

    def open(self, store: Store) -> None:
        """Go on with what `store` remembers; what was going on when that ended had stopped then."""
        self._page = _read(store, self._clock.time() - DAY)
        self._dirty = False
        self._next = self._clock.monotonic()
        for name in self._page.changes:
            self._change(name, STOPPED, self._page.seen)
        self.publish()

    def publish(self) -> None:
        """Tell the day."""
        self._bus.publish(FeedDay({name: tuple(found) for name, found in self._page.changes.items()}))

    def note(self, status: FeedStatus) -> None:
        """Take what the feed says of its sources."""
        now = self._clock.time()
        states = dict.fromkeys(self._page.changes, STOPPED)
        if status.state != STOPPED:
            states |= {source.name: source.state for source in status.sources}
        if [name for name, state in states.items() if self._change(name, state, now)]:
            self.publish()

    def look(self, store: Store) -> None:
        """After each batch: store what is new, or give a sign of life, if it is time."""
        mono = self._clock.monotonic()
        if mono >= self._next and (self._dirty or self._working()):
            self._next = mono + WRITE_EVERY
            self.write(store)

    def close(self, store: Store) -> None:
        """All sources stop now."""
        self.note(FeedStatus(state=STOPPED))
        if self._dirty:
            self.write(store)

    def _working(self) -> bool:
        """Whether a source has done something since the last sign of life, by and by."""
        if self._clock.time() - self._page.seen < SEEN_EVERY:
            return False
        return any(found[-1][1] != STOPPED for found in self._page.changes.values())

    def _change(self, name: str, state: str, now: float) -> bool:
        found = self._page.changes.setdefault(name, [])
        changed = not found or found[-1][1] != state
        if changed:
            # The clock may have been set back: nothing began before what came before it.
            found.append((max(now, found[-1][0]) if found else now, state))
            self._dirty = True
        while len(found) > 1 and (found[1][0] < self._clock.time() - DAY or len(found) > MOST_CHANGES):
            del found[0]
        return changed

    def write(self, store: Store) -> None:
        """Store the day as it is known now."""
        self._page.seen = self._clock.time()
        try:
            store.set_value(KEY, msgspec.to_builtins(self._page))
        except StorageError as error:
            log.warning("the day of the price sources cannot be stored: %s", error)
            return
        self._dirty = False


def _read(store: Store, since: float) -> _Page:
    """What is remembered and not older than `since`; nothing, if it is not what this program wrote."""
    try:
        kept: Any = store.value(KEY, {})
        page = msgspec.convert(kept, _Page)
    except (StorageError, msgspec.ValidationError) as error:
        log.warning("the day of the price sources cannot be read: %s", error)
        return _Page()
    page.changes = {
        name: found for name, found in page.changes.items()
        if found and (found[-1][1] != STOPPED or found[-1][0] >= since)
    }  # fmt: skip
    return page
