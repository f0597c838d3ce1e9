"""The docks: their default places, and remembering where the user put them.

The layout is stored under one key with a number for its structure; a layout of another structure, or a
damaged one, is ignored, so an update can lose no more than the arrangement.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QByteArray, QSettings, QSize, Qt
from PyQt5.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from core.i18n import tr
from gui.main_window.signs import shown

log = logging.getLogger(__name__)

STRUCTURE = 1
"""Raise it when docks are added, removed or renamed."""
LEFT_WIDTH = 340
LAYOUT_FILE = "window.ini"


class _NoTitleBar(QWidget):
    """Takes no room; a plain empty widget would ask for minus one pixel."""

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(0, 0)

    def minimumSizeHint(self) -> QSize:
        """See Qt."""
        return QSize(0, 0)


class Docks:
    """Makes docks, puts them into their places, stores and restores them."""

    def __init__(self, window: QMainWindow, data_dir: Path | None) -> None:
        self._window = window
        self._file = None if data_dir is None else data_dir / LAYOUT_FILE
        self._docks: dict[str, QDockWidget] = {}
        window.setDockNestingEnabled(True)
        window.setAnimated(False)
        self._locked = True
        window.setTabPosition(Qt.AllDockWidgetAreas, QTabWidget.North)

    def add(self, name: str, widget: QWidget) -> QDockWidget:
        """A dock for `widget`; its title is the sentence `window.NAME`."""
        dock = QDockWidget(shown(tr(f"window.{name}")), self._window)
        dock.setObjectName(f"dock_{name}")
        dock.setWidget(widget)
        dock.topLevelChanged.connect(lambda _floating: self._set_title_bar(dock))
        self._docks[name] = dock
        self._set_title_bar(dock)
        return dock

    def set_locked(self, locked: bool) -> None:
        """Locked, docks have no title bars to drag them by, which leaves more room; their tabs name them."""
        self._locked = locked
        for dock in self._docks.values():
            self._set_title_bar(dock)

    def _set_title_bar(self, dock: QDockWidget) -> None:
        bare = self._locked and not dock.isFloating()
        if bare == (dock.titleBarWidget() is not None):
            return
        old = dock.titleBarWidget()
        dock.setTitleBarWidget(_NoTitleBar() if bare else None)  # type: ignore[arg-type]  # the stubs know no None
        if old is not None:
            old.deleteLater()

    def __getitem__(self, name: str) -> QDockWidget:
        return self._docks[name]

    def arrange(self) -> None:
        """The default places: the market on the left, money in the middle, what happened below."""
        window = self._window
        for dock in self._docks.values():
            dock.setFloating(False)
            dock.show()
        window.addDockWidget(Qt.LeftDockWidgetArea, self["live_prices"])
        window.addDockWidget(Qt.RightDockWidgetArea, self["positions"])
        window.splitDockWidget(self["positions"], self["signals"], Qt.Vertical)
        window.tabifyDockWidget(self["live_prices"], self["symbols"])
        window.tabifyDockWidget(self["positions"], self["trades"])
        window.tabifyDockWidget(self["signals"], self["notifications"])
        window.tabifyDockWidget(self["notifications"], self["log"])
        for name in ("live_prices", "positions", "signals"):
            self[name].raise_()
        width = max(window.width(), LEFT_WIDTH * 2)
        window.resizeDocks(
            [self["live_prices"], self["positions"]], [LEFT_WIDTH, width - LEFT_WIDTH], Qt.Horizontal
        )
        window.resizeDocks([self["positions"], self["signals"]], [100, 100], Qt.Vertical)

    def restore(self) -> None:
        """Put everything where it was when the program ended, or into the default places."""
        self.arrange()
        if self._file is None or not self._file.exists():
            return
        geometry, state = self._stored("geometry"), self._stored("state")
        if geometry is not None:
            self._window.restoreGeometry(geometry)
        if state is not None and not self._window.restoreState(state, STRUCTURE):
            log.info("the stored window layout is damaged or of another version; the default one is used")
            self.arrange()

    def _stored(self, name: str) -> QByteArray | None:
        """What was remembered under `name`, None if there is nothing usable."""
        try:
            value = QSettings(str(self._file), QSettings.IniFormat).value(name)
        except (TypeError, ValueError) as error:  # PyQt cannot make sense of what the file holds
            log.info("the stored window layout cannot be read: %s", error)
            return None
        return value if isinstance(value, QByteArray) else None

    def save(self) -> None:
        """Remember the present places."""
        if self._file is None:
            return
        settings = QSettings(str(self._file), QSettings.IniFormat)
        settings.setValue("geometry", self._window.saveGeometry())
        settings.setValue("state", self._window.saveState(STRUCTURE))
        settings.sync()
        if settings.status() != QSettings.NoError:
            log.warning("the window layout could not be stored in %s", self._file.name)

    def retranslate(self, title: Callable[[str], str]) -> None:
        """Name the docks in the language in use."""
        for name, dock in self._docks.items():
            dock.setWindowTitle(shown(title(f"window.{name}")))
            dock.widget().setWindowTitle(title(f"window.{name}"))
