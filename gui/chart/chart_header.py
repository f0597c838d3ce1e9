"""The row above a chart: what it shows, what the price is worth, time frames and switches."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, Qt, pyqtSignal
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import (
    QAction,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from core.i18n import tr
from core.model import Instrument
from gui import theme
from gui.icons import icon
from gui.widgets.panel_tools import ICON

FRAMES = {60: "1m", 300: "5m", 900: "15m", 3600: "1h", 86_400: "1d"}
"""The time frames in seconds, with their names in the catalogue."""
SWITCHES = ("ema", "rsi", "volume")
SPACING = 4


class StateLabel(QLabel):
    """A dot with its words; where there is no room for them the dot stands alone, and the tooltip says it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dot = self._words = ""
        self.setTextFormat(Qt.RichText)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)

    @property
    def whole(self) -> str:
        """Dot and words, shown or not."""
        return f"{self._dot} {self._words}" if self._words else ""

    def say(self, color: str, words: str) -> None:
        """Show these words; "" shows nothing."""
        dot = f'<span style="color:{color}">●</span>' if words else ""
        if (dot, words) != (self._dot, self._words):
            self._dot, self._words = dot, words
            self.setToolTip(words)
            self.setAccessibleName(words)
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """See Qt."""
        super().resizeEvent(event)
        self._fit()

    def wanted_width(self) -> int:
        """How many pixels it takes to show the words."""
        return self.fontMetrics().horizontalAdvance(f"● {self._words}") + 2 if self._words else 0

    def _fit(self) -> None:
        text = self.whole if self.wanted_width() <= self.width() else self._dot
        if self.text() != text:
            self.setText(text)


class ChartHeader(QWidget):
    """Emits what the user asks for; shows what it is told.

    The word on what the price is worth comes first: where it would be cut, the switches go into a menu.
    """

    frame_chosen = pyqtSignal(int)
    switched = pyqtSignal(str, bool)
    export_clicked = pyqtSignal()
    close_clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._symbol, self._price, self._state = QLabel(self), QLabel(self), StateLabel(self)
        self._symbol.setProperty("role", "title")
        self._price.setTextFormat(Qt.RichText)
        self.frames: dict[int, QToolButton] = {}
        self.switches: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._lay_out()
        self.retranslate()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 6, 4)
        row.setSpacing(SPACING)
        row.addWidget(self._symbol)
        row.addSpacing(6)
        row.addWidget(self._price)
        row.addSpacing(6)
        row.addWidget(self._state, 1)
        for seconds in FRAMES:
            button = self.frames[seconds] = self._button(checkable=True)
            button.clicked.connect(lambda _checked=False, seconds=seconds: self.frame_chosen.emit(seconds))
            self._group.addButton(button)
            row.addWidget(button)
        row.addWidget(_line(self))
        for name in SWITCHES:
            button = self.switches[name] = self._button(checkable=True)
            button.setChecked(True)
            button.toggled.connect(lambda on, name=name: self.switched.emit(name, on))
            row.addWidget(button)
        row.addWidget(self._make_menu())
        row.addWidget(_line(self))
        self.export_button = self._button("save")
        self.export_button.clicked.connect(self.export_clicked)
        self.close_button = self._button("close")
        self.close_button.clicked.connect(self.close_clicked)
        row.addWidget(self.export_button)
        row.addWidget(self.close_button)

    def _make_menu(self) -> QToolButton:
        """The switches once more, for a chart that is too narrow for them."""
        self.more = self._button("list")
        self.more.setPopupMode(QToolButton.InstantPopup)
        menu = QMenu(self.more)
        self._actions: dict[str, QAction] = {}
        for name, button in self.switches.items():
            action = self._actions[name] = menu.addAction("")
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(button.setChecked)
            button.toggled.connect(action.setChecked)
        self.more.setMenu(menu)
        self.more.hide()
        return self.more

    def _button(self, picture: str = "", *, checkable: bool = False) -> QToolButton:
        button = QToolButton(self)
        button.setAutoRaise(True)
        button.setCheckable(checkable)
        button.setFocusPolicy(Qt.TabFocus)
        if picture:
            button.setIcon(icon(picture))
            button.setIconSize(ICON)
        else:
            button.setProperty("role", "frame")
        return button

    def set_symbol(self, key: str) -> None:
        """Name the instrument."""
        instrument = Instrument.from_key(key)
        self._symbol.setText(instrument.symbol)
        self._symbol.setToolTip(f"{instrument.symbol} · {instrument.exchange}")

    def set_frame(self, seconds: int) -> None:
        """Mark the time frame in use."""
        self.frames[seconds].setChecked(True)

    def set_price(self, price: str, change: str, role: str, state: str, state_role: str) -> None:
        """The last price with its change, and a word on what it is worth."""
        colors = theme.colors()
        color = getattr(colors, role)
        html = f'<b>{price}</b> <span style="color:{color}">{change}</span>' if price else ""
        if self._price.text() != html:
            self._price.setText(html)
        self._state.say(getattr(colors, state_role), state)
        self._fit()

    def _fit(self) -> None:
        """Let the switches make room for the state's words."""
        wanted = self._state.wanted_width()
        switches = sum(button.sizeHint().width() + SPACING for button in self.switches.values())
        narrow = self._width_of_others() + switches + wanted > self.width()
        if self.more.isHidden() is narrow:
            self.more.setVisible(narrow)
            for button in self.switches.values():
                button.setVisible(not narrow)

    def _width_of_others(self) -> int:
        """What all but the state and the switches take."""
        row = self.layout()
        margins = row.contentsMargins()
        taken = margins.left() + margins.right() - SPACING
        changing = {self._state, self.more, *self.switches.values()}
        for number in range(row.count()):
            item = row.itemAt(number)
            if item.widget() in changing:
                taken += SPACING if item.widget() is self._state else 0
            else:
                taken += item.sizeHint().width() + SPACING
        return taken

    def resizeEvent(self, event: QResizeEvent) -> None:
        """See Qt."""
        super().resizeEvent(event)
        self._fit()

    def texts(self) -> tuple[str, str, str]:
        """Symbol, price with change, and state, as rich text."""
        return self._symbol.text(), self._price.text(), self._state.whole

    def retranslate(self) -> None:
        """Speak the language in use."""
        for number, (seconds, button) in enumerate(self.frames.items(), start=1):
            name = FRAMES[seconds]
            button.setText(tr(f"chart.frame_{name}"))
            button.setToolTip(f"{tr(f'chart.frame_{name}_tip')} ({number})")
            button.setAccessibleName(tr(f"chart.frame_{name}_tip"))
        for name, button in self.switches.items():
            button.setText(tr(f"chart.switch_{name}"))
            button.setToolTip(tr(f"chart.switch_{name}_tip"))
            button.setAccessibleName(tr(f"chart.switch_{name}_tip"))
            self._actions[name].setText(tr(f"chart.switch_{name}_tip"))
        for button, key in (
            (self.export_button, "chart.export"), (self.close_button, "chart.close"),
            (self.more, "chart.more"),
        ):  # fmt: skip
            button.setToolTip(tr(key))
            button.setAccessibleName(tr(key))
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()


def _line(parent: QWidget) -> QWidget:
    line = QWidget(parent)
    line.setFixedSize(1, 16)
    line.setObjectName("barLine")
    line.setAttribute(Qt.WA_StyledBackground)
    return line
