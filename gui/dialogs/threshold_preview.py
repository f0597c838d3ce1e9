"""The line under the signal settings that says how often a threshold would have fired last month."""

from __future__ import annotations

from PyQt5.QtCore import QTimer, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from core.i18n import format_number, tr
from core.replay.stored import ThresholdCount
from gui.widgets.panel_tools import set_role

PAUSE_MS = 400
"""So long after the last keystroke the question is asked anew."""
MOST_SYMBOLS = 3


class ThresholdPreview(QWidget):
    """A button and an answer. Once it was pressed, the answer follows what is typed."""

    requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton(self)
        self.button.setAutoDefault(False)
        self.label = QLabel(self)
        self.label.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button)
        row.addWidget(self.label, 1)
        self._asked = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self.ask)
        self.button.clicked.connect(self.ask)
        self.retranslate()

    def ask(self) -> None:
        """Ask for the answer."""
        self._asked = True
        self._say(tr("replay.preview_busy"))
        self.requested.emit()

    def follow(self, valid: bool) -> None:
        """A setting changed; `valid` tells whether it can be counted by."""
        self.button.setEnabled(valid)
        self._say("")
        self._pause.stop()
        if self._asked and valid:
            self._pause.start()

    def show_count(self, count: ThresholdCount, threshold: float) -> None:
        """The answer for `threshold` percent."""
        if not count.sessions:
            self._say(tr("replay.preview_none"))
            return
        name = "preview_found" if count.total else "preview_zero"
        self._say(tr(
            f"replay.{name}", threshold=format_number(threshold, 0 if threshold % 1 == 0 else 2),
            times=_times(count.total), sessions=_sessions(count.sessions), symbols=_symbols(count),
        ))  # fmt: skip

    def show_failure(self, sentence: str) -> None:
        """Why there is no answer."""
        self._say(tr("replay.preview_failed", error=sentence), "down")

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.button.setText(tr("replay.preview"))
        self.button.setToolTip(tr("replay.preview_tip"))
        self.label.clear()

    def _say(self, text: str, role: str = "secondary") -> None:
        self.label.setText(text)
        set_role(self.label, role)


def _times(count: int) -> str:
    return tr("replay.time_one") if count == 1 else tr("replay.times", count=count)


def _sessions(count: int) -> str:
    return tr("replay.session_one") if count == 1 else tr("replay.sessions", count=count)


def _symbols(count: ThresholdCount) -> str:
    """The symbols that fired most: "ASELS 5, THYAO 4, 3 others"."""
    parts = [f"{symbol} {times}" for symbol, times in count.symbols[:MOST_SYMBOLS]]
    rest = len(count.symbols) - MOST_SYMBOLS
    return ", ".join([*parts, tr("replay.others", count=rest)] if rest > 0 else parts)
