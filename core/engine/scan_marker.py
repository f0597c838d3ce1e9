"""Remembers in the store whether the scan was on, so that a crash does not leave bots without prices."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from core.commands import ScanInterrupted
from core.engine.worlds import replays
from core.errors import StorageError

if TYPE_CHECKING:
    from core.engine.engine import Engine
    from core.storage.base import Store

log = logging.getLogger(__name__)

KEY = "feed.scan"


class ScanMarker:
    """Belongs to the engine's thread. What the store says outlives a crash; an end in good order, like the
    user who stops the scan, takes it back."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._running = False
        self._on = False
        self._interrupted = False

    def look(self, engine: Engine, *, running: bool) -> None:
        """After each batch: note whether the feed runs; the first look tells of a scan that was cut off."""
        if engine.store is self._store and running is self._running:
            return
        self._running = running
        scanning = running and not replays(engine.config)
        if engine.store is not self._store:
            self._open(engine, scanning)
        if scanning:
            self._interrupted = False
        if scanning is not self._on and not self._interrupted:
            self._write(engine.store, scanning)

    def close(self, store: Store, *, in_order: bool) -> None:
        """The store is about to be closed, `in_order` unless the engine failed."""
        if in_order and self._on and store is self._store:
            self._write(store, False)
        self._store = None

    def _open(self, engine: Engine, scanning: bool) -> None:
        self._store = engine.store
        self._on = self._interrupted = False
        if replays(engine.config):
            return
        try:
            self._on = engine.store.value(_key(engine.store), False) is True
        except StorageError as error:
            log.warning("whether the scan was on cannot be read: %s", error)
        if self._on and not scanning and engine.bots.keys():
            self._interrupted = True
            engine.bus.publish(ScanInterrupted())

    def _write(self, store: Store, on: bool) -> None:
        self._on = on
        try:
            store.set_value(_key(store), on)
        except StorageError as error:
            log.warning("whether the scan is on cannot be stored: %s", error)


def _key(store: Store) -> str:
    """In a database that several computers share each has a mark of its own."""
    return f"{KEY}:{socket.gethostname()}" if store.shared else KEY
