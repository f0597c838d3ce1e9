"""Lets a channel's thread have something done by the GUI thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, Qt, pyqtSignal, pyqtSlot

from core.errors import ChannelFaultError, DeliveryError, SwingHunterError
from core.i18n import tr

log = logging.getLogger(__name__)


class _Job:
    """Work that is either begun by the GUI thread or given up by the one that waits, never both."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._claim = threading.Lock()
        self._done = threading.Event()
        self._error: Exception | None = None
        self._value: Any = None

    def run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._value = self._work()
        except SwingHunterError as error:
            self._error = error
        except Exception as error:  # it is raised again where it is waited for
            log.exception("a notification could not be shown")
            self._error = ChannelFaultError(tr("notify.channel_fault", name=type(error).__name__))
        finally:
            self._done.set()

    def give_up(self) -> None:
        """Keep it from running, if it does not run yet."""
        if self._claim.acquire(blocking=False):
            self._error = DeliveryError(tr("notify.gui_busy"))
            self._done.set()

    def result(self, timeout: float) -> Any:
        if not self._done.wait(timeout):
            self.give_up()
            if not self._done.wait(timeout):  # it runs already, so it ends soon
                raise DeliveryError(tr("notify.gui_busy"))
        if self._error is not None:
            raise self._error
        return self._value


class GuiCaller(QObject):
    """Runs work in the thread that made this object."""

    _asked = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = threading.get_ident()
        self._jobs: set[_Job] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        self._asked.connect(self._run, Qt.QueuedConnection)  # type: ignore[call-arg]  # the stubs lack it

    def call(self, work: Callable[[], Any], timeout: float) -> Any:
        """The result of `work`, done in the GUI thread within `timeout` seconds; raises what it raises.

        Raises `DeliveryError` if the GUI thread does not get to it; then it is not done at all.
        """
        if threading.get_ident() == self._home:
            return work()
        job = _Job(work)
        with self._lock:
            if self._cancelled:
                raise DeliveryError(tr("notify.closed"))
            self._jobs.add(job)
            self._asked.emit(job)
        try:
            return job.result(timeout)
        finally:
            with self._lock:
                self._jobs.discard(job)

    def cancel(self) -> None:
        """From any thread: give up what was not begun, and all later calls. Idempotent."""
        with self._lock:
            self._cancelled = True
            for job in self._jobs:
                job.give_up()

    @pyqtSlot(object)
    def _run(self, job: _Job) -> None:
        job.run()
