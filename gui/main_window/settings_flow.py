"""From the settings dialog to the file and to everything that works by it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from PyQt5.QtCore import QCoreApplication, QEvent, QObject, Qt, pyqtSignal
from PyQt5.QtWidgets import QApplication, QWidget

from core.commands import ApplyConfig
from core.config import Config
from core.errors import SwingHunterError
from core.i18n import language, set_language, tr
from core.instruments import parse_instrument
from core.model import Instrument
from core.session import ConfigStore
from gui import theme

log = logging.getLogger(__name__)


class SettingsFlow(QObject):
    """Keeps the configuration in use; a failure to save leaves both the file and the program as they were."""

    applied = pyqtSignal(object)
    """The new `Config`, after it was saved."""
    failed = pyqtSignal(str)
    """Why it could not be saved, in one sentence."""
    test_requested = pyqtSignal(str)
    """A channel's name."""

    def __init__(self, config: Config, store: ConfigStore | None, window: QWidget) -> None:
        super().__init__(window)
        self._config = config
        self._store = store
        self._window = window
        self._meaning: dict[str, Instrument] = {}

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
        dialog.open()

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
