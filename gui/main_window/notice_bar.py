"""The strip above everything that says one sentence when something needs the user's attention."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, Qt, QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from core.i18n import tr
from gui import theme
from gui.icons import icon

INFO_MS = 6000
MOST_WAITING = 50
LONGEST = 400
_WEIGHT = {"info": 0, "warning": 1, "error": 2}
_ROLE = {"info": "accent", "warning": "warning", "error": "down"}
_MARK = {"info": "\N{CIRCLED INFORMATION SOURCE}", "warning": "\N{WARNING SIGN}", "error": "\N{WARNING SIGN}"}


class NoticeBar(QFrame):
    """Shows the gravest notice, of these the latest; dismissing it shows the next.

    An "info" leaves by itself and never hides another; the others stay until they are dismissed.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("noticeBar")
        self._level = "info"
        self._waiting: list[tuple[str, str]] = []
        self._mark = QLabel()
        self._text = QLabel()
        self._text.setTextFormat(Qt.PlainText)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self._more = QLabel()
        self._more.setProperty("role", "secondary")
        self._close = QToolButton()
        self._close.setIcon(icon("close"))
        self._close.clicked.connect(self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 6, 4)
        layout.addWidget(self._mark)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._more)
        layout.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_next)
        theme.theme_signals().changed.connect(self._paint)
        self._retranslate()
        self.hide()

    def say(self, level: str, sentence: str) -> None:
        """Show `sentence`; `level` is "info", "warning" or "error"."""
        sentence = _cut(sentence)
        if level == "info":
            if not self._waiting:
                self._show("info", sentence)
            return
        if (level, sentence) in self._waiting:
            self._waiting.remove((level, sentence))
        self._waiting = [*self._waiting, (level, sentence)][-MOST_WAITING:]
        self._show_next()

    def dismiss(self) -> None:
        """The user has read it."""
        if self._waiting and self._level != "info":
            self._waiting.remove(self._gravest())
        self._show_next()

    def withdraw(self, sentence: str) -> None:
        """What was said holds no more."""
        kept = [notice for notice in self._waiting if notice[1] != _cut(sentence)]
        if len(kept) < len(self._waiting):
            self._waiting = kept
            self._show_next()

    def _gravest(self) -> tuple[str, str]:
        return max(reversed(self._waiting), key=lambda notice: _WEIGHT[notice[0]])

    def _show_next(self) -> None:
        if self._waiting:
            self._show(*self._gravest())
        else:
            self._timer.stop()
            self.hide()

    def _show(self, level: str, sentence: str) -> None:
        self._level = level
        self._mark.setText(_MARK[level])
        self._text.setText(sentence)
        more = len(self._waiting) - 1
        self._more.setText(tr("window.more_notices", count=more) if more > 0 else "")
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

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._close.setToolTip(tr("window.dismiss"))
        self._close.setAccessibleName(tr("window.dismiss"))

    def _paint(self) -> None:
        colours = theme.colors()
        edge = getattr(colours, _ROLE[self._level])
        self.setStyleSheet(
            f"#noticeBar {{ background: {colours.panel}; border: none; border-left: 4px solid {edge}; "
            f"border-bottom: 1px solid {colours.line}; }}"
        )
        self._mark.setStyleSheet(f"color: {edge}; font-size: 15px;")


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST else sentence[:LONGEST] + "…"
