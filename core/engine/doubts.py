"""Tells what makes prices doubtful: that they have aged, or that two sources contradict each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.engine.portfolio import Portfolio
from core.events import EventBus
from core.model import FreshnessChange, Notice, SourceConflict

if TYPE_CHECKING:
    from core.bots.desk import BotDesk
    from core.cluster.remote_desk import RemoteDesk

log = logging.getLogger(__name__)


class Doubts:
    """Belongs to the engine's thread."""

    def __init__(self, bus: EventBus, portfolio: Portfolio, bots: Callable[[], BotDesk | RemoteDesk]) -> None:
        """`bots` tells whose desk it is now; each world has its own."""
        self._bus = bus
        self._portfolio = portfolio
        self._bots = bots
        self._unguarded: set[str] = set()
        """The disputed instruments of which it was told that bots hold them."""

    def tell_aged(self, changes: Sequence[FreshnessChange]) -> None:
        """Prices have aged without a new one."""
        for change in changes:
            self._portfolio.on_freshness(change.key, change.freshness)
            self._bots().on_freshness(change)
            self._bus.publish(change)

    def tell_conflict(self, conflict: SourceConflict) -> None:
        """A conflict has begun, changed its prices or ended."""
        log.info("%s: %s and %s %s: %g and %g", conflict.key, *conflict.sources,
                 "agree again" if conflict.over else "disagree", *conflict.prices)  # fmt: skip
        if conflict.over:
            self._unguarded.discard(conflict.key)
        else:
            self._bots().on_conflict(conflict.key)
            self._tell_unguarded(conflict)
        self._bus.publish(conflict)

    def tell_dropped(self, conflicts: Sequence[SourceConflict]) -> None:
        """These are over because the sources are compared anew, not because they agree."""
        self._unguarded.clear()
        for conflict in conflicts:
            self._bus.publish(conflict)

    def _tell_unguarded(self, conflict: SourceConflict) -> None:
        """Say once that nobody looks after the stops of what bots hold."""
        key = conflict.key
        if key in self._unguarded or key not in self._bots().held():
            return
        self._unguarded.add(key)
        told = " / ".join(
            f"{source} {price:g}" for source, price in zip(conflict.sources, conflict.prices, strict=True)
        )
        self._bus.publish(Notice("error", "bots.disputed", {"symbol": key.partition(":")[2], "told": told}))
