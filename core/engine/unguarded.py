"""Says so when bots hold something and no price can come: their stops are not looked after then.

A scan that a crash has cut off is told of at the start, so that it can be taken up again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.clock import Clock
from core.engine.scan_marker import ScanMarker
from core.model import Notice

if TYPE_CHECKING:
    from core.engine.engine import Engine
    from core.storage.base import Store

PATIENCE = 3.0
"""Seconds after which it is said that nobody has started the scan yet."""
LOOK_EVERY = 1.0


class Unguarded:
    """Belongs to the engine's thread. Each rest of the feed is told of once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._next = 0.0
        self._told = False
        self._scan = ScanMarker()

    def look(self, engine: Engine, *, running: bool) -> None:
        """After each batch: whether positions have been without prices for too long."""
        self._scan.look(engine, running=running)
        if running:
            self._since, self._told = None, False
            return
        now = self._clock.monotonic()
        if self._told or now < self._next:
            return
        self._next = now + LOOK_EVERY
        if not engine.bots.held():
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= PATIENCE:
            self.tell(engine)

    def close(self, store: Store, *, in_order: bool) -> None:
        """The engine is done with `store`; not `in_order` if it failed."""
        self._scan.close(store, in_order=in_order)

    def tell(self, engine: Engine) -> None:
        """The feed rests."""
        count = len(engine.bots.held())
        if count and not self._told:
            self._told = True
            engine.bus.publish(Notice("warning", "bots.no_feed", {"count": count}))
