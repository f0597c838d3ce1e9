"""The window's end of the worker: starts and stops it, and hands its events to whoever wants them.

Prices come by frame: the worker says once that something waits, a timer empties the mailbox a little
later, so the window's cost does not grow with the number of ticks.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, QTimer, pyqtSignal

from core.commands import Command, CommandResult
from gui.workers.mailbox import Frame
from gui.workers.websocket_worker import WebSocketWorker

log = logging.getLogger(__name__)

FRAME_MS = 8
"""Milliseconds in which prices gather; the ticker has a frame of its own and paints less often than this."""


class EngineLink(QObject):
    """Owns the worker on the window's side. Belongs to the GUI thread."""

    frame = pyqtSignal(object)
    """A `Frame` with the newest ticks."""
    command_failed = pyqtSignal(str)
    """A command was not carried out: why, in one sentence."""

    def __init__(self, worker: WebSocketWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = worker
        self._handlers: dict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._take_frame)
        worker.frame_waiting.connect(self._on_frame_waiting)
        worker.core_event.connect(self._on_event)
        self.on(CommandResult, self._on_result)

    def on(self, event_type: type[Any], handler: Callable[[Any], None]) -> None:
        """Call `handler` with each event of this type."""
        self._handlers[event_type].append(handler)

    def ensure_running(self) -> None:
        """Start the engine's thread unless it runs."""
        if not self.worker.isRunning() and not self.worker.isFinished():
            self.worker.start()

    def post(self, command: Command) -> None:
        """Ask the engine for something."""
        self.worker.post(command)

    def close(self) -> None:
        """End the worker and let its last events through. Idempotent."""
        self.worker.stop()
        self._timer.stop()

    def _on_frame_waiting(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _take_frame(self) -> None:
        frame: Frame = self.worker.take_frame()
        if frame.ticks or frame.aged:
            self.frame.emit(frame)

    def _on_event(self, event: object) -> None:
        for handler in self._handlers[type(event)]:
            try:
                handler(event)
            except Exception:
                log.exception("the window could not show a %s", type(event).__name__)

    def _on_result(self, result: CommandResult) -> None:
        if result.error:
            self.command_failed.emit(result.error)
