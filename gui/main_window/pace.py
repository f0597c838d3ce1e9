"""Work that comes in bursts, done a few milliseconds at a time so that the window stays awake."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, QTimer

SLICE = 0.008
"""Seconds of work at most before painting, the mouse and the timers get their turn."""


class Pace(QObject):
    """Hands items to `take`, in order: at once while there is time in this turn of the event loop, or later.

    Belongs to the GUI thread.
    """

    def __init__(
        self, take: Callable[[Any], None], parent: QObject | None = None, *,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._take = take
        self._now = now
        self._waiting: deque[Any] = deque()
        self._spent = 0.0
        self._turn = QTimer(self)
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._next_turn)

    def put(self, item: Any) -> None:
        """Take `item` in its turn."""
        self._waiting.append(item)
        self._turn.start()
        self._work()

    def flush(self) -> None:
        """Do all that waits now."""
        while self._waiting:
            self._take(self._waiting.popleft())

    def _next_turn(self) -> None:
        self._spent = 0.0
        self._work()
        if not self._waiting:
            self._turn.stop()

    def _work(self) -> None:
        while self._waiting and self._spent < SLICE:
            began = self._now()
            try:
                self._take(self._waiting.popleft())
            finally:
                self._spent += self._now() - began
