"""How the last run ended and when it was last alive, remembered in the store."""

from __future__ import annotations

import logging
import math
from typing import Any

from core.bots.setting import Blind
from core.errors import StorageError
from core.storage.base import Store

log = logging.getLogger(__name__)

KEY = "bots.run"
BEAT = 20.0
"""Seconds between two signs of life, so nobody was blind for longer than is told by more than that."""


class RunMarker:
    """A run begins, gives signs of life and ends; one that did not end has crashed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next = -math.inf

    def begin(self, now: float) -> Blind:
        """Note that a run begins; since when nobody has watched, as far as is known (0: unknown)."""
        before: Any = self._store.value(KEY, {})
        known = isinstance(before, dict)
        since = float(before.get("at", 0.0)) if known else 0.0
        crashed = known and before.get("clean") is False
        self._store.set_value(KEY, {"clean": False, "at": now})
        return Blind(since, crashed)

    def beat(self, now: float, mono: float) -> None:
        """Give a sign of life now and then, by the wall clock's `now` and the monotonic `mono`."""
        if mono < self._next:
            return
        self._next = mono + BEAT
        self._set(clean=False, now=now)

    def end(self, now: float) -> None:
        """The run ends in good order."""
        self._set(clean=True, now=now)

    def _set(self, *, clean: bool, now: float) -> None:
        try:
            self._store.set_value(KEY, {"clean": clean, "at": now})
        except StorageError as error:
            log.warning("the sign of life of the bots cannot be stored: %s", error)
