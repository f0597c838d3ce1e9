"""Menus and keys: every main action can be reached without a mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QMenu, QMenuBar, QWidget

from core.i18n import tr

if TYPE_CHECKING:
    from gui.main_window.main_window import MainWindow

ZONES = ("live_prices", "positions", "signals", "notifications", "bots")
PANELS = ("symbols", "trades", "bot_trades", "feed", "log")


class Actions(QObject):
    """The window's actions, by the name of their sentence."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.menu_bar = QMenuBar()
        self._named: dict[str, QAction] = {}
        self._menus: dict[str, QMenu] = {}
        file = self._menu("menu_file")
        self._add(file, "start_scan", "F5", self._toggle_scan)
        self._add(file, "new_position", "Ctrl+N", window.desk.positions.new_position)
        self._add(file, "new_bot", "Ctrl+B", window.bots.new)
        self._add(file, "stop_all_bots", "", window.bots.stop_all)
        self._add(file, "settings", "Ctrl+,", window.settings.open)
        file.addSeparator()
        self._add(file, "quit", "Ctrl+Q", window.close)
        view = self._menu("menu_view")
        for number, name in enumerate(ZONES, start=1):
            self._add(view, name, f"Ctrl+{number}", self._zone(name))
        self._add(view, "chart", "Ctrl+G", window.open_chart)
        for name in PANELS:
            self._add(view, name, "", self._zone(name))
        view.addSeparator()
        self._add(view, "filter", "Ctrl+F", self._filter)
        view.addSeparator()
        self._add(view, "move_panels", "", lambda: window.docks.set_locked(not unlock.isChecked()))
        unlock = self._named["move_panels"]
        unlock.setCheckable(True)
        self._add(view, "reset_layout", "", window.docks.arrange)
        self._add(self._menu("menu_help"), "about", "F1", self._about)

    def retranslate(self) -> None:
        """Speak the language in use."""
        for name, menu in self._menus.items():
            menu.setTitle(tr(f"window.{name}"))
        for name, action in self._named.items():
            action.setText(tr(f"window.action_{name}"))

    def _menu(self, name: str) -> QMenu:
        menu = self._menus[name] = self.menu_bar.addMenu("")
        return menu

    def _add(self, menu: QMenu, name: str, key: str, call: Callable[[], object]) -> None:
        action = QAction(self._window)
        if key:
            action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _checked=False: call())
        menu.addAction(action)
        self._window.addAction(action)
        self._named[name] = action

    def _toggle_scan(self) -> None:
        self._window.control_bar.scan_button.click()

    def _filter(self) -> None:
        self._zone("live_prices")()
        self._window.desk.ticker.focus_filter()

    def _zone(self, name: str) -> Callable[[], None]:
        def go() -> None:
            dock = self._window.docks[name]
            dock.show()
            dock.raise_()
            _focus_in(dock.widget())

        return go

    def _about(self) -> None:
        from gui.dialogs.about import AboutDialog

        dialog = AboutDialog(self._window)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.open()


def _focus_in(panel: QWidget) -> None:
    """Give the keyboard to the panel's main part, or to the first part that is there to take it."""
    parts = [panel.focusProxy(), *panel.findChildren(QWidget)]
    for part in parts:
        if part is not None and part.isVisible() and part.isEnabled() and part.focusPolicy() & Qt.TabFocus:
            part.setFocus(Qt.ShortcutFocusReason)
            return
