"""Tells of our own faults: the traceback goes into the log, one notice to the user."""

from __future__ import annotations

import logging

from core.events import EventBus
from core.model import Notice

log = logging.getLogger(__name__)


class BugTeller:
    """Belongs to the engine's thread."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._told: set[object] = set()

    def tell(self, bug: Exception, what: str) -> None:
        """Log the traceback of a bug in `what` and tell the user, once per kind: it may come with every
        tick."""
        frame = bug.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = (type(bug), None if frame is None else (frame.tb_frame.f_code, frame.tb_lineno))
        if place not in self._told:
            self._told.add(place)
            log.error("%s failed", what, exc_info=bug)
            error = f"{type(bug).__name__}: {bug}"
            self._bus.publish(Notice("error", "engine.internal", {"error": error}))
