"""Counts in a thread of its own how often a threshold would have fired."""

from __future__ import annotations

import logging
import threading
import time

from msgspec.structs import replace
from PyQt5.QtCore import QObject, QThread, pyqtSignal

from core.config import Config
from core.config_file import resolve_instruments
from core.engine.worlds import StoreFactory
from core.errors import SwingHunterError
from core.replay.stored import count_signals

log = logging.getLogger(__name__)

MONTH = 31 * 86_400.0


class PreviewWorker(QThread):
    """One count over the last 31 days by the settings in `config`, on the bars of the real database."""

    counted = pyqtSignal(object)
    """A `ThresholdCount`; does not come after `cancel`."""
    failed = pyqtSignal(str)
    """Why it could not be counted, in one sentence."""

    def __init__(self, config: Config, open_store: StoreFactory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._config = config
        self._open_store = open_store
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody wants the answer any more; the thread ends soon."""
        self._cancelled.set()

    def run(self) -> None:
        """See `QThread.run`."""
        config = self._config
        real = replace(config, real_time=replace(config.real_time, live_data_source="auto"))
        try:
            store = self._open_store(real)
            try:
                now = time.time()
                count = count_signals(
                    store, resolve_instruments(config), config, now - MONTH, now, self._cancelled.is_set
                )
            finally:
                store.close()
        except SwingHunterError as error:
            self._tell_failure(str(error))
        except Exception as bug:
            log.exception("the threshold's preview failed")
            self._tell_failure(f"{type(bug).__name__}: {bug}")
        else:
            if count is not None and not self._cancelled.is_set():
                self.counted.emit(count)

    def _tell_failure(self, sentence: str) -> None:
        if not self._cancelled.is_set():
            self.failed.emit(sentence)
