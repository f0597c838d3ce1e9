"""Says so when bots hold something and no price can come: their stops are not looked after then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.clock import Clock
from core.model import Notice

if TYPE_CHECKING:
    from core.engine.engine import Engine

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

    def look(self, engine: Engine, *, running: bool) -> None:
        """After each batch: whether positions have been without prices for too long."""
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

    def tell(self, engine: Engine) -> None:
        """The feed rests."""
        count = len(engine.bots.held())
        if count and not self._told:
            self._told = True
            engine.bus.publish(Notice("warning", "bots.no_feed", {"count": count}))
