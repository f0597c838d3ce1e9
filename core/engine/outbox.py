"""The engine's side of the outbox: what is told is written down first, and settled when it was delivered.

A signal and a bot's alert are accepted in the transaction that stores them, an error and a risk by command.
The channels deliver and report; the reports are written here, all of a batch in one transaction. What nobody
has delivered, because the program was killed or because another process without channels accepted it, is
handed out again by `OutboxDue`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence

from core.clock import Clock
from core.commands import OutboxDue
from core.errors import StorageError
from core.events import EventBus
from core.model import Delivery, OutboxLine
from core.notifications.message import Message
from core.notifications.routes import LEASE, Routes
from core.storage.base import Store

log = logging.getLogger(__name__)

MAX_KEPT = 10_000
"""More unwritten reports than this are dropped, oldest first, and logged."""
LOOK_EVERY = 2.0
"""Seconds between two looks for what another process has accepted, where there can be one."""
DAY = 86_400.0
KEEP_DAYS = 90
KEEP_ROWS = 20_000
"""Signals, reports and settled messages stay so long, and not more of each than that."""
PRUNE_FIRST = 90.0
PRUNE_EVERY = 6 * 3600.0
PRUNE_LATEST = 3600.0
"""Seconds for which a step of pruning waits at most for a quiet moment."""


class Outbox:
    """Belongs to the engine's thread. Without `routes` nothing is accepted and nothing handed out."""

    def __init__(self, store: Store, clock: Clock, bus: EventBus, routes: Routes | None) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._routes = routes
        self._reports: deque[Delivery] = deque()
        self._accepted: deque[OutboxLine] = deque()
        self._failing = False
        self._next_try = self._next_look = 0.0
        self._next_prune = clock.monotonic() + PRUNE_FIRST
        if routes is not None:
            store.route(routes.lines)

    def accept(self, message: Message, channels: Sequence[str]) -> None:
        """Take an error or a risk in; it is written with the next `flush`."""
        if self._routes is not None:
            self._accepted.extend(self._routes.message_lines(message, channels))

    def record(self, deliveries: Iterable[Delivery]) -> None:
        """Note what became of messages; it is written with the next `flush`."""
        self._reports.extend(deliveries)

    def flush(self) -> None:
        """Write what was noted, in one transaction. What cannot be written now is kept and tried again."""
        if not self._reports and not self._accepted:
            return
        if self._failing and self._clock.monotonic() < self._next_try:
            return
        self._drop_excess()
        try:
            self._store.record_deliveries(tuple(self._reports), tuple(self._accepted))
        except StorageError as error:
            self._failing = True
            self._next_try = self._clock.monotonic() + LOOK_EVERY
            log.warning("%d reports of notifications could not be stored yet: %s", len(self._reports), error)
        else:
            self._failing = False
            self._reports.clear()
            self._accepted.clear()

    def look(self, *, quiet: bool) -> None:
        """Once a second: hand out what nobody delivers; in a `quiet` moment, forget what is too old."""
        now = self._clock.monotonic()
        try:
            if self._routes is not None and self._routes.holder and now >= self._next_look:
                self._hand_out(self._routes, now)
            late = now >= self._next_prune + PRUNE_LATEST
            if now >= self._next_prune and (quiet or late):
                before = self._clock.time() - KEEP_DAYS * DAY
                more = self._store.prune(before, KEEP_ROWS)
                self._next_prune = now + (0.0 if more else PRUNE_EVERY)
        except StorageError as error:
            log.warning("the outbox cannot be read or pruned yet: %s", error)
            self._next_look = self._next_prune = now + LOOK_EVERY

    def close(self) -> None:
        """Write for the last time; what cannot be written is lost, and the log says so."""
        self._next_try = 0.0
        self.flush()
        if self._reports:
            log.error("%d reports of notifications were never stored", len(self._reports))
        self._reports.clear()
        self._accepted.clear()

    def _hand_out(self, routes: Routes, now: float) -> None:
        wall = self._clock.time()
        lines = self._store.claim_outbox(routes.holder, wall, wall + LEASE, routes.channels)
        if lines:
            log.info("%d messages were left undelivered; they are handed out again", len(lines))
            self._bus.publish(OutboxDue(lines))
        elif not self._store.shared:
            self._next_look = float("inf")  # nobody else writes here
            return
        self._next_look = now + (0.0 if lines else LOOK_EVERY)

    def _drop_excess(self) -> None:
        excess = len(self._reports) - MAX_KEPT
        if excess > 0:
            log.error("%d reports of notifications were never stored, as too many wait", excess)
            for _ in range(excess):
                self._reports.popleft()
