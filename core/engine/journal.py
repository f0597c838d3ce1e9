"""Signals on their way into the store. What cannot be written now is kept and tried again."""

from __future__ import annotations

import logging
from collections import deque

from core.errors import StorageError
from core.model import Signal
from core.storage.base import Store

log = logging.getLogger(__name__)

MAX_KEPT = 10_000
"""More unwritten signals than this are dropped, oldest first, and logged."""


class SignalJournal:
    """Writes signals in batches, one transaction each, and remembers those that could not be written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._waiting: deque[Signal] = deque(maxlen=MAX_KEPT)

    def add(self, signals: list[Signal]) -> str:
        """Write `signals` and what is left from before; the result is the error's sentence, "" if none."""
        dropped = len(self._waiting) + len(signals) - MAX_KEPT
        if dropped > 0:
            log.error("%d signals were never stored, as too many wait", dropped)
        self._waiting.extend(signals)
        return self.flush()

    def flush(self) -> str:
        """Try once more to write what is waiting."""
        if not self._waiting:
            return ""
        try:
            self.store.add_signals(tuple(self._waiting))
        except StorageError as error:
            log.warning("%d signals could not be stored yet: %s", len(self._waiting), error)
            return str(error)
        self._waiting.clear()
        return ""

    def abandon(self) -> None:
        """The store is about to be closed: what could not be written by now is lost, and the log says so."""
        if self._waiting:
            log.error("%d signals were never stored", len(self._waiting))
            self._waiting.clear()
