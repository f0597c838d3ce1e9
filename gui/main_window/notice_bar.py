"""The strip above everything that says one sentence when something needs the user's attention."""

from __future__ import annotations

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from core.i18n import tr
from gui import theme

INFO_MS = 6000
_ROLE = {"info": "accent", "warning": "warning", "error": "down"}
_MARK = {"info": "\N{CIRCLED INFORMATION SOURCE}", "warning": "\N{WARNING SIGN}", "error": "\N{WARNING SIGN}"}


class NoticeBar(QFrame):
    """Shows the latest notice; an "info" leaves by itself, the others stay until they are dismissed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("noticeBar")
        self._level = "info"
        self._mark = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self._close = QToolButton()
        self._close.setText("✕")
        self._close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 6, 4)
        layout.addWidget(self._mark)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        theme.theme_signals().changed.connect(self._paint)
        self.hide()

    def say(self, level: str, sentence: str) -> None:
        """Show `sentence`; `level` is "info", "warning" or "error"."""
        if self._level == "error" and level == "info" and not self.isHidden():
            return
        self._level = level
        self._mark.setText(_MARK[level])
        self._text.setText(sentence)
        self._close.setToolTip(tr("window.dismiss"))
        self._close.setAccessibleName(tr("window.dismiss"))
        self._paint()
        self.show()
        if level == "info":
            self._timer.start(INFO_MS)
        else:
            self._timer.stop()

    @property
    def sentence(self) -> str:
        """What is shown, "" while nothing is."""
        return "" if self.isHidden() else self._text.text()

    def _paint(self) -> None:
        colours = theme.colors()
        edge = getattr(colours, _ROLE[self._level])
        self.setStyleSheet(
            f"#noticeBar {{ background: {colours.panel}; border: none; border-left: 4px solid {edge}; "
            f"border-bottom: 1px solid {colours.line}; }}"
        )
        self._mark.setStyleSheet(f"color: {edge}; font-size: 15px;")
