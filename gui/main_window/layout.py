"""The docks: their default places, and remembering where the user put them.

The layout is stored under one key with a number for its structure; a layout of another structure, or a
damaged one, is ignored, so an update can lose no more than the arrangement.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

from PyQt5.QtCore import QByteArray, QSettings, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QCloseEvent
from PyQt5.QtWidgets import QDockWidget, QMainWindow, QSizePolicy, QTabBar, QTabWidget, QVBoxLayout, QWidget

from core.i18n import tr
from gui.main_window.signs import words_of

log = logging.getLogger(__name__)

STRUCTURE = 4
"""Raise it when docks are added, removed or renamed."""
LEFT_WIDTH = 320
RIGHT_WIDTH = 300
CHART_SHARES = (0.5, 0.3)
"""Of the window's height, for the chart and for what is below it; bars and tabs take the rest."""
NAMES = (
    "chart", "live_prices", "symbols", "positions", "trades", "signals", "notifications", "feed", "log",
    "bots", "bot_trades",
)  # fmt: skip
"""The docks in the order in which Tab goes through them and tabs stand side by side."""
MONEY_TABS = ("trades", "bot_trades")
"""The docks that stand behind the positions, as tabs."""
LAYOUT_FILE = "window.ini"
COMMANDING = ("bots",)
"""Docks with buttons that must be within reach at any moment: no toast may cover them."""


class _NoTitleBar(QWidget):
    """Takes no room; a plain empty widget would ask for minus one pixel."""

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(0, 0)

    def minimumSizeHint(self) -> QSize:
        """See Qt."""
        return QSize(0, 0)


class _NoHeight(QWidget):
    """Stands between the zones at the sides and takes the width that they leave, so that they keep theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(0)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)


class Dock(QDockWidget):
    """A dock that tells when the user closes it."""

    closed = pyqtSignal()

    def closeEvent(self, event: QCloseEvent) -> None:
        """See Qt."""
        super().closeEvent(event)
        self.closed.emit()


class Docks:
    """Makes docks, puts them into their places, stores and restores them.

    The docks are there before their panels, which are made inside of them: under a style sheet, Qt styles a
    widget anew, with all that it holds, whenever it gets another parent.
    """

    def __init__(self, window: QMainWindow, data_dir: Path | None) -> None:
        self._window = window
        self._file = None if data_dir is None else data_dir / LAYOUT_FILE
        self._docks: dict[str, Dock] = {}
        self._chart_open = self._merged = False
        window.setDockNestingEnabled(True)
        window.setCentralWidget(_NoHeight())
        window.setAnimated(False)
        self._locked = True
        window.setTabPosition(Qt.AllDockWidgetAreas, QTabWidget.North)
        for name in NAMES:
            self._make(name)

    def _make(self, name: str) -> None:
        """A dock for the panel `name`; its title is the sentence `window.NAME`."""
        dock = Dock(words_of(tr(f"window.{name}")), self._window)
        dock.setObjectName(f"dock_{name}")
        dock.setProperty("keepFree", name in COMMANDING)
        dock.topLevelChanged.connect(lambda _floating: self._set_title_bar(dock))
        self._docks[name] = dock
        self._set_title_bar(dock)

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

    def __getitem__(self, name: str) -> Dock:
        return self._docks[name]

    def arrange(self) -> None:
        """The default places: the market on the left, money in the middle, what happened below, bots right.

        The chart is above both, and hidden until it is opened.
        """
        window = self._window
        for dock in self._docks.values():
            dock.setFloating(False)
            dock.show()
        window.addDockWidget(Qt.LeftDockWidgetArea, self["live_prices"])
        window.addDockWidget(Qt.BottomDockWidgetArea, self["chart"])
        window.splitDockWidget(self["chart"], self["positions"], Qt.Vertical)
        window.splitDockWidget(self["positions"], self["signals"], Qt.Vertical)
        window.addDockWidget(Qt.RightDockWidgetArea, self["bots"])
        window.tabifyDockWidget(self["live_prices"], self["symbols"])
        window.tabifyDockWidget(self["positions"], self["trades"])
        window.tabifyDockWidget(self["trades"], self["bot_trades"])
        window.tabifyDockWidget(self["signals"], self["notifications"])
        window.tabifyDockWidget(self["notifications"], self["feed"])
        window.tabifyDockWidget(self["feed"], self["log"])
        for name in ("live_prices", "positions", "signals"):
            self[name].raise_()
        middle = max(window.width() - LEFT_WIDTH - RIGHT_WIDTH, LEFT_WIDTH)
        window.resizeDocks(
            [self["live_prices"], self["positions"], self["bots"]], [LEFT_WIDTH, middle, RIGHT_WIDTH],
            Qt.Horizontal,
        )  # fmt: skip
        window.resizeDocks([self["positions"], self["signals"]], [100, 100], Qt.Vertical)
        self["chart"].hide()
        self._merged = False
        if self._chart_open:
            self._chart_open = False
            self.open_chart()

    def open_chart(self) -> None:
        """Show the chart. Three rows would be too low, so what is below it becomes one row of tabs."""
        chart = self["chart"]
        if not self._chart_open or chart.isHidden():
            self._chart_open = True
            chart.show()
            self._merge()
        chart.raise_()

    def close_chart(self) -> None:
        """Hide the chart and give its room back."""
        if self._chart_open:
            self._chart_open = False
            self["chart"].hide()
            self._split()

    def _merge(self) -> None:
        """Put the tabs of the signals after those of the positions, unless the user has moved them."""
        window, positions, signals = self._window, self["positions"], self["signals"]
        lower = [signals, *window.tabifiedDockWidgets(signals)]
        places = {window.dockWidgetArea(dock) for dock in (self["chart"], positions, signals)}
        if len(places) == 1 and not signals.isFloating() and positions not in lower:
            upper = [positions, *self._in_order(window.tabifiedDockWidgets(positions))]
            last: QDockWidget = upper[-1]
            for dock in self._in_order(lower):
                window.tabifyDockWidget(last, dock)
                last = dock
            self._merged = True
        heights = [round(window.height() * share) for share in CHART_SHARES]
        window.resizeDocks([self["chart"], positions], heights, Qt.Vertical)
        positions.raise_()
        for tabs in window.findChildren(QTabBar, "", Qt.FindDirectChildrenOnly):
            tabs.setElideMode(Qt.ElideNone)

    def _in_order(self, docks: Iterable[QDockWidget]) -> list[QDockWidget]:
        """`docks` as they were added."""
        wanted = set(docks)
        return [dock for dock in self._docks.values() if dock in wanted]

    def _split(self) -> None:
        """Undo `_merge`."""
        window, positions, signals = self._window, self["positions"], self["signals"]
        if not self._merged:
            return
        self._merged = False
        widths = [self["live_prices"].width(), positions.width(), self["bots"].width()]
        tabs = window.tabifiedDockWidgets(positions)
        upper = [self[name] for name in MONEY_TABS if self[name] in tabs]
        lower = [dock for dock in self._in_order(tabs) if dock not in upper]
        if signals not in lower:
            return
        for dock in (positions, *tabs):
            window.removeDockWidget(dock)
        window.addDockWidget(Qt.BottomDockWidgetArea, positions)
        window.splitDockWidget(positions, signals, Qt.Vertical)
        for first, docks in ((positions, upper), (signals, [dock for dock in lower if dock is not signals])):
            for last, dock in pairwise([first, *docks]):
                window.tabifyDockWidget(last, dock)
        for dock in (positions, *tabs):
            dock.show()
        for dock in (positions, signals):
            dock.raise_()
        window.resizeDocks([self["live_prices"], positions, self["bots"]], widths, Qt.Horizontal)
        window.resizeDocks([positions, signals], [100, 100], Qt.Vertical)

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
        self._chart_open = not self["chart"].isHidden()
        together = self["signals"] in self._window.tabifiedDockWidgets(self["positions"])
        self._merged = self._chart_open and together

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
            dock.setWindowTitle(words_of(title(f"window.{name}")))
            dock.widget().setWindowTitle(title(f"window.{name}"))


def top_column(window: QMainWindow, *widgets: QWidget) -> QVBoxLayout:
    """The column above the docks, with `widgets` in it."""
    column = QWidget(window)
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for widget in widgets:
        layout.addWidget(widget)
    window.setMenuWidget(column)
    return layout
