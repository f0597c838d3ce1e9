"""The status server beside the desktop, while `server.enabled` says so.

Everything about it happens in threads of its own: its packages alone take a second to import. The window only
hears what there is to say.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, pyqtSignal

from core.config import Config, ServerConfig
from core.errors import SwingHunterError
from core.i18n import tr
from gui.workers.websocket_worker import WebSocketWorker

if TYPE_CHECKING:
    from server.bus import StatusBus
    from server.run import ServerThread

log = logging.getLogger(__name__)

STOP_SECONDS = 2.5
Settings = tuple[ServerConfig, str]


class ServerHost(QObject):
    """Starts, restarts and stops the server as the settings say. `said` bears a level and a sentence."""

    said = pyqtSignal(str, str)

    def __init__(
        self, worker: WebSocketWorker, data_dir: Path, parent: QObject | None = None, *, shares: bool = True
    ) -> None:
        """`shares`: what runs here is for other machines too (the demo is not)."""
        super().__init__(parent)
        self._shares = shares
        self._worker = worker
        self._data_dir = data_dir
        self._wanted: Settings | None = None
        self._lock = threading.Lock()
        """Held while the server is started or stopped, by one thread at a time."""
        self._closed = threading.Event()
        self._running: ServerThread | None = None
        self._current: Settings | None = None
        self._threads: list[threading.Thread] = []

    def apply(self, config: Config) -> None:
        """Work by this configuration from now on; returns at once."""
        wanted = (config.server, config.storage.url) if config.server.enabled else None
        if wanted == self._wanted or self._closed.is_set():
            return
        self._wanted = wanted
        thread = threading.Thread(target=self._follow, name="status-server-start", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def stop(self) -> None:
        """End the server for good, within a bounded time. Idempotent."""
        self._closed.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        if self._lock.acquire(timeout=STOP_SECONDS):
            try:
                self._end()
            finally:
                self._lock.release()

    # --- in a thread of its own -----------------------------------------------------------------------

    def _follow(self) -> None:
        """Bring about what is wanted now; a later wish may have made this one void."""
        with self._lock:
            wanted = self._wanted
            if wanted == self._current or self._closed.is_set():
                return
            self._current = wanted
            self._end()
            if wanted is not None:
                self._guarded(lambda: self._begin(*wanted))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except SwingHunterError as problem:
            self._tell("error", str(problem))
        except Exception as bug:
            log.exception("the status server did not start")
            self.said.emit("error", tr("engine.internal", error=f"{type(bug).__name__}: {bug}"))

    def _begin(self, config: ServerConfig, storage_url: str) -> None:
        from server.setup import Users, prepare

        bus = self._bus(config)
        prepared = prepare(config, bus, Users(storage_url, self._data_dir))
        if self._closed.is_set():
            prepared.thread.stop()
            return
        self._running = prepared.thread
        prepared.thread.on_broken = lambda: self._tell("error", tr("server.broke"))
        prepared.thread.start()
        log.info("the status server listens at %s", prepared.url)
        for remark in prepared.remarks:
            self._tell("warning", remark)

    def _bus(self, config: ServerConfig) -> StatusBus:
        """To all engines where there is a way to them, else to that of this window."""
        if config.redis_url and self._shares:
            from server.redis_bus import RedisBus

            return RedisBus(config.redis_url)
        from server.bus import InProcessBus

        worker = self._worker
        return InProcessBus(worker.bus, worker.post, lambda: worker.alive_at)

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_SECONDS)

    def _tell(self, level: str, sentence: str) -> None:
        log.warning("%s", sentence)
        self.said.emit(level, sentence)
