"""From the settings dialog to the file and to everything that works by it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from PyQt5.QtCore import QCoreApplication, QEvent, QObject, Qt, pyqtSignal
from PyQt5.QtWidgets import QApplication, QWidget

from core.commands import ApplyConfig
from core.config import Config
from core.engine.worlds import StoreFactory
from core.errors import SwingHunterError
from core.i18n import language, set_language, tr
from core.instruments import parse_instrument
from core.model import Instrument
from core.replay.stored import ThresholdCount
from core.session import ConfigStore
from gui import theme
from gui.workers.preview_worker import PreviewWorker

if TYPE_CHECKING:
    from gui.dialogs.settings_dialog import SettingsDialog

PREVIEW_WAIT_MS = 1000
NOTHING = ThresholdCount(0, 0, ())
log = logging.getLogger(__name__)


class SettingsFlow(QObject):
    """Keeps the configuration in use; a failure to save leaves both the file and the program as they were."""

    applied = pyqtSignal(object)
    """The new `Config`, after it was saved."""
    failed = pyqtSignal(str)
    """Why it could not be saved, in one sentence."""
    test_requested = pyqtSignal(str)
    """A channel's name."""

    def __init__(
        self, config: Config, store: ConfigStore | None, window: QWidget,
        open_store: StoreFactory | None = None,
    ) -> None:  # fmt: skip
        """`open_store` opens the database on whose stored prices a threshold can be tried."""
        super().__init__(window)
        self._open_store = open_store
        self._preview: PreviewWorker | None = None
        self._config = config
        self._store = store
        self._window = window
        self._meaning: dict[str, Instrument] = {}

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._config

    def open(self) -> None:
        """Show the dialog; it applies by itself and blocks nobody."""
        from gui.dialogs.settings_dialog import SettingsDialog

        dialog = SettingsDialog(self._config, self._window)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        exchange = self._config.exchange
        self._meaning = {name: parse_instrument(name, exchange) for name in self._config.symbols}
        dialog.config_applied.connect(self._apply_entered)
        dialog.test_requested.connect(self.test_requested)
        self.failed.connect(dialog.show_failure)
        dialog.preview_requested.connect(lambda wanted: self._start_preview(dialog, wanted))
        dialog.finished.connect(lambda _code: self.cancel_preview())
        dialog.open()

    def cancel_preview(self) -> None:
        """Nobody waits for the answer any more; the thread ends within moments. Idempotent."""
        worker, self._preview = self._preview, None
        if worker is not None:
            worker.cancel()

    def end(self) -> None:
        """The window closes: wait for the preview's thread, a second at most."""
        self.cancel_preview()
        for worker in self.findChildren(PreviewWorker):
            worker.wait(PREVIEW_WAIT_MS)

    def _start_preview(self, dialog: SettingsDialog, config: Config) -> None:
        self.cancel_preview()
        if self._open_store is None:
            dialog.preview.show_count(NOTHING, 0.0)
            return
        worker = self._preview = PreviewWorker(config, self._open_store, self)
        threshold = config.real_time.signal_threshold_pct
        worker.counted.connect(lambda count: self._answer(dialog, worker, count, threshold))
        worker.failed.connect(lambda sentence: self._refuse(dialog, worker, sentence))
        worker.finished.connect(worker.deleteLater)
        worker.start()

    def _answer(self, dialog: SettingsDialog, worker: PreviewWorker, count: Any, threshold: float) -> None:
        if worker is self._preview:
            self._preview = None
            dialog.preview.show_count(count, threshold)

    def _refuse(self, dialog: SettingsDialog, worker: PreviewWorker, sentence: str) -> None:
        if worker is self._preview:
            self._preview = None
            dialog.preview.show_failure(sentence)

    def apply(self, config: Config) -> None:
        """Save `config` and let everything work by it."""
        try:
            if self._store is not None:
                self._store.save(config)
        except SwingHunterError as error:
            self.failed.emit(tr("window.not_saved", error=error))
            return
        old, self._config = self._config, config
        if config.language != old.language:
            speak(config.language)
        if config.theme != old.theme:
            theme.apply_theme(_app(), config.theme)
        self.applied.emit(config)

    def _apply_entered(self, config: Config) -> None:
        """Apply what the dialog holds; its "ASELS" stays the one that it was, whatever the exchange is."""
        for name in config.symbols:
            self._meaning.setdefault(name, parse_instrument(name, config.exchange))
        instruments = dict.fromkeys(self._meaning[name] for name in config.symbols)
        names = tuple(_symbol_name(each, config.exchange) for each in instruments)
        self.apply(msgspec.structs.replace(config, symbols=names))

    def toggle_theme(self) -> None:
        """From dark to light or back."""
        self._change(theme="light" if theme.is_dark() else "dark")

    def toggle_language(self) -> None:
        """From Turkish to English or back."""
        self._change(language="en" if language() == "tr" else "tr")

    def save_symbols(self, instruments: Sequence[Instrument]) -> None:
        """Remember what is watched."""
        names = [_symbol_name(instrument, self._config.exchange) for instrument in instruments]
        self._config = msgspec.structs.replace(self._config, symbols=tuple(names))
        if self._store is None:
            return
        try:
            self._store.save_changes({"symbols": names})
        except SwingHunterError as error:
            self.failed.emit(tr("window.not_saved", error=error))

    def push_to(self, link: Any, desk: Any, alerts: Any, old: Config, new: Config) -> None:
        """Tell the engine, the panels and the channels that another configuration holds."""
        if old != new:
            link.post(ApplyConfig(config=new))
            desk.configure(new)
            alerts.apply_config(new)

    def choose_recording(self, path: str) -> None:
        """Replay this file."""
        self._change(real_time=msgspec.structs.replace(self._config.real_time, replay_file=path))

    def _change(self, **fields: Any) -> None:
        self.apply(msgspec.structs.replace(self._config, **fields))


def speak(name: str) -> None:
    """Switch the language and let every widget know."""
    set_language(name)
    for widget in QApplication.allWidgets():
        QCoreApplication.postEvent(widget, QEvent(QEvent.LanguageChange))


def _symbol_name(instrument: Instrument, default_exchange: str) -> str:
    return instrument.symbol if instrument.exchange == default_exchange else instrument.key


def _app() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app
