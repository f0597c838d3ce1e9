"""The control panel at the top: one primary button, the exchange's clock, the feed, the request budget."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt, pyqtBoundSignal, pyqtSignal
from PyQt5.QtGui import QIcon, QPaintEvent
from PyQt5.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QToolButton,
    QWidget,
)

from core.feed_text import feed_sentence, source_lines
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import FeedStatus
from gui import theme
from gui.icons import icon
from gui.main_window.market_clock import clock_line
from gui.main_window.signs import words_of

_STATE_ROLE = {
    "running": "up", "old": "warning", "simulated": "simulated", "connecting": "warning", "offline": "down",
}  # fmt: skip


class ElidedLabel(QLabel):
    """A label that gives way: it cuts its text with an ellipsis and says it whole in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)

    def set_whole(self, text: str) -> None:
        """Show as much of `text` as fits."""
        if text != self._whole:
            self._whole = text
            self._elide()

    def resizeEvent(self, event: object) -> None:
        """See Qt."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.ElideRight, self.width()))


class ScanButton(QPushButton):
    """Paints an icon in the place of its text's sign, which not every computer has a font for."""

    def __init__(self) -> None:
        super().__init__()
        self.setIconSize(QSize(14, 14))
        self._painted_icon = QIcon()

    def set_scanning(self, scanning: bool) -> None:
        """Say that a click stops the scan, or starts it."""
        self._painted_icon = icon("stop") if scanning else icon("play", "on_accent")
        self.setText(tr("window.stop_scan" if scanning else "window.start_scan"))
        self.setAccessibleName(words_of(self.text()))
        self.setProperty("role", "" if scanning else "primary")
        self.style().unpolish(self)
        self.style().polish(self)

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = words_of(self.text())
        option.icon = self._painted_icon
        option.iconSize = self.iconSize()
        QStylePainter(self).drawControl(QStyle.CE_PushButton, option)


class ControlBar(QWidget):
    """Emits what the user asks for; shows what it is told."""

    start_clicked = pyqtSignal()
    stop_clicked = pyqtSignal()
    settings_clicked = pyqtSignal()
    theme_clicked = pyqtSignal()
    language_clicked = pyqtSignal()

    def __init__(self, exchange: str, calendar: MarketCalendar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "panel")
        self.setAttribute(Qt.WA_StyledBackground)
        self._exchange = exchange
        self._calendar = calendar
        self._scanning = False
        self._status = FeedStatus(state="stopped")
        self.scan_button = ScanButton()
        self.scan_button.setMinimumHeight(30)
        self.scan_button.clicked.connect(self._toggle)
        self._clock = QLabel()
        self._dot = QLabel("●")
        self._feed = ElidedLabel()
        self._budget = QLabel()
        self._budget.setProperty("role", "secondary")
        self._settings = self._tool("settings", self.settings_clicked)
        self._theme = self._tool("theme", self.theme_clicked)
        self._language = self._tool("", self.language_clicked)
        self._lay_out()
        theme.theme_signals().changed.connect(self._repaint)

    def set_market(self, exchange: str, calendar: MarketCalendar) -> None:
        """Show the clock of `exchange`."""
        self._exchange, self._calendar = exchange, calendar

    def set_scanning(self, scanning: bool) -> None:
        """Say whether the button starts or stops."""
        self._scanning = scanning
        self.scan_button.set_scanning(scanning)
        self.scan_button.setToolTip(tr("window.start_tip"))

    def set_feed_status(self, status: FeedStatus) -> None:
        """Show another state of the feed."""
        self._status = status
        self._repaint()

    def refresh(self, now: float) -> None:
        """Once a second: the clock, and the seconds until the next try."""
        self._clock.setText(clock_line(self._calendar, self._exchange, now))
        self._feed.set_whole(feed_sentence(self._status, now))
        self._feed.setToolTip("\n".join([feed_sentence(self._status, now), *source_lines(self._status)]))
        status = self._status
        self._budget.setText(tr("feed.requests", used=status.used, budget=status.budget))
        self._budget.setVisible(status.budget > 0)

    def feed_text(self) -> str:
        """The whole sentence about the feed."""
        return self._feed._whole

    def load_icons(self) -> None:
        """Icons cost more than the whole window, so they come after the first paint."""
        self._settings.setIcon(icon("settings"))
        self._theme.setIcon(icon("theme"))

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.set_scanning(self._scanning)
        self._budget.setToolTip(tr("feed.requests_tip"))
        self._language.setText(tr("window.language_short"))
        for button, key in (
            (self._settings, "window.settings_tip"),
            (self._theme, "window.theme_tip"),
            (self._language, "window.language_tip"),
        ):
            button.setToolTip(tr(key))
            button.setAccessibleName(tr(key))

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(10)
        layout.addWidget(self.scan_button)
        layout.addWidget(self._clock)
        layout.addWidget(_line())
        layout.addWidget(self._dot)
        layout.addWidget(self._feed, 1)
        layout.addWidget(self._budget)
        layout.addWidget(_line())
        for button in (self._settings, self._theme, self._language):
            layout.addWidget(button)

    def _tool(self, name: str, signal: pyqtBoundSignal) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"{name or 'language'}Button")
        button.setIconSize(QSize(18, 18))
        button.setAutoRaise(True)
        button.clicked.connect(signal)
        return button

    def _toggle(self) -> None:
        (self.stop_clicked if self._scanning else self.start_clicked).emit()

    def _repaint(self) -> None:
        role = _STATE_ROLE.get(self._status.state, "secondary")
        if self._status.active in ("simulation", "replay"):
            role = "simulated"
        self._dot.setStyleSheet(f"color: {getattr(theme.colors(), role)};")


def _line() -> QWidget:
    line = QWidget()
    line.setFixedSize(1, 20)
    line.setObjectName("barLine")
    line.setAttribute(Qt.WA_StyledBackground)
    return line
