"""The window's end of the worker: starts and stops it, and hands its events to whoever wants them.

Prices come by frame: at the end of a batch the worker says once that something waits, and the mailbox holds
only the newest of each instrument, so the window's cost does not grow with the number of ticks.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from core.commands import (
    AcceptMessage,
    ClosePosition,
    Command,
    CommandResult,
    DeletePosition,
    EditPosition,
    History,
    ImportPositions,
    OpenPosition,
    RecordDeliveries,
    StartBot,
    StopAllBots,
    StopBot,
)
from gui.main_window.pace import Pace
from gui.workers.mailbox import Frame
from gui.workers.websocket_worker import WebSocketWorker

log = logging.getLogger(__name__)

WISHES = (
    OpenPosition, ImportPositions, EditPosition, ClosePosition, DeletePosition, StartBot, StopBot,
    StopAllBots,
)  # fmt: skip
"""What the user has entered or asked of bots: it waits for an engine that is down, and is never dropped
silently."""


class EngineLink(QObject):
    """Owns the worker on the window's side. Belongs to the GUI thread."""

    frame = pyqtSignal(object)
    """A `Frame` with the newest ticks."""
    command_failed = pyqtSignal(object, str)
    """A `Command` was not carried out: why, in one sentence."""
    signal_triggered = pyqtSignal(dict)
    """A signal's payload; those of a storm a few milliseconds' worth at a time."""
    engine_ended = pyqtSignal()
    """The engine stopped working though nobody closed it; `ensure_running` tries again."""

    def __init__(self, worker: WebSocketWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = worker
        self._closed = False
        self._posted: dict[int, Command] = {}
        self._handlers: dict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)
        self._signals = Pace(self.signal_triggered.emit, self)
        worker.signal_triggered.connect(self._signals.put)
        worker.frame_waiting.connect(self._take_frame)
        worker.core_event.connect(self.tell)
        worker.finished.connect(self._on_finished)
        self.on(CommandResult, self._on_result)

    def on(self, event_type: type[Any], handler: Callable[[Any], None]) -> None:
        """Call `handler` with each event of this type."""
        self._handlers[event_type].append(handler)

    def ensure_running(self) -> None:
        """Start the engine's thread unless it runs or everything was closed."""
        if not self._closed and not self.worker.isRunning():
            self.worker.start()

    def post(self, command: Command) -> None:
        """Ask the engine for something. What was entered brings an engine back that is down."""
        if not isinstance(command, RecordDeliveries | AcceptMessage):  # those that fail are in the log
            self._posted[command.id] = command
        self.worker.post(command)
        if isinstance(command, WISHES):
            self.ensure_running()

    def tell(self, event: object) -> None:
        """Hand `event` to its handlers, as if it had come from the engine."""
        if isinstance(event, History):
            self._signals.flush()  # it tells of them, too: they must not come after it
        for handler in self._handlers[type(event)]:
            try:
                handler(event)
            except Exception:
                log.exception("the window could not show a %s", type(event).__name__)

    def close(self) -> None:
        """End the worker. What it was told before is carried out, or logged where it could not be.

        Idempotent.
        """
        if self._closed:
            return
        self._closed = True
        self._signals.flush()
        was_running = self.worker.isRunning()
        self.worker.stop()
        if not was_running:
            for command in self._posted.values():
                if isinstance(command, WISHES):
                    log.error("not carried out, as the engine was down: %r", command)
        self._posted.clear()

    def _take_frame(self) -> None:
        frame: Frame = self.worker.take_frame()
        if frame.ticks or frame.aged or frame.bots:
            self.frame.emit(frame)

    def _on_result(self, result: CommandResult) -> None:
        command = self._posted.pop(result.command_id, None)
        if result.error and command is not None:
            self.command_failed.emit(command, result.error)

    def _on_finished(self) -> None:
        if not self._closed:
            self.engine_ended.emit()
