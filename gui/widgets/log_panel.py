"""The program's own log, its last 1000 lines, as they are written."""

from __future__ import annotations

import logging
from collections import deque
from typing import NamedTuple

from PyQt5.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt5.QtGui import QFontDatabase, QTextCharFormat, QTextCursor
from PyQt5.QtWidgets import QApplication, QComboBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from core.i18n import tr
from core.secrets import RedactingFilter
from gui import theme
from gui.widgets.panel_tools import ActionBar, PanelAction, fill_combo

MAX_LINES = 1000
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_FORMAT = "%(asctime)s  %(levelname)-7s  %(name)s: %(message)s"


class Entry(NamedTuple):
    """One record as text, with its level."""

    level: int
    text: str


class _Bridge(QObject):
    arrived = pyqtSignal()


class LogTap(logging.Handler):
    """Gathers records of any thread; one queued Qt signal announces however many came."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.bridge = _Bridge()
        self._fresh: deque[Entry] = deque(maxlen=MAX_LINES)
        self._announced = False
        self.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        self.addFilter(RedactingFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`; called under the handler's lock."""
        try:
            self._fresh.append(Entry(record.levelno, self.format(record)))
            if not self._announced:
                self._announced = True
                self.bridge.arrived.emit()
        except RuntimeError:  # the window is gone
            logging.getLogger().removeHandler(self)

    def take(self) -> list[Entry]:
        """The entries since the last call."""
        self.acquire()
        try:
            self._announced = False
            fresh = list(self._fresh)
            self._fresh.clear()
            return fresh
        finally:
            self.release()


class LogPanel(QWidget):
    """Shows what the program writes to its log from now on; call `detach` before throwing it away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: deque[Entry] = deque(maxlen=MAX_LINES)
        self._tap = LogTap()
        self._tap.bridge.arrived.connect(self._take, Qt.QueuedConnection)  # type: ignore[call-arg]
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setLineWrapMode(QPlainTextEdit.NoWrap)
        self.text.setUndoRedoEnabled(False)
        self.text.setFrameShape(QPlainTextEdit.NoFrame)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.FixedFont))
        self.level = QComboBox(self)
        self.hint = QLabel(self)
        self.hint.setProperty("role", "secondary")
        self.copy_action = PanelAction(self, "copy", "deliveries.log_copy", self.copy_all)
        self.clear_action = PanelAction(self, "clear", "deliveries.log_clear", self.clear)
        self._lay_out()
        self.retranslate()
        self.level.setCurrentIndex(LEVELS.index(logging.INFO))
        self.level.currentIndexChanged.connect(self._render)
        theme.theme_signals().changed.connect(self._render)
        tap = self._tap
        self.destroyed.connect(lambda: logging.getLogger().removeHandler(tap))
        logging.getLogger().addHandler(self._tap)

    def _lay_out(self) -> None:
        bar = ActionBar((self.copy_action, self.clear_action), self)
        bar.row.insertWidget(0, self.level)
        bar.row.addWidget(self.hint)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self.text, 1)
        self.setFocusProxy(self.text)

    def detach(self) -> None:
        """Listen no more; idempotent."""
        logging.getLogger().removeHandler(self._tap)

    def copy_all(self) -> None:
        """Put the shown lines on the clipboard."""
        QApplication.clipboard().setText(self.text.toPlainText())

    def clear(self) -> None:
        """Forget the lines (the file keeps them)."""
        self._entries.clear()
        self.text.clear()

    def _take(self) -> None:
        fresh = self._tap.take()
        self._entries.extend(fresh)
        self._append(fresh)

    def _append(self, entries: list[Entry]) -> None:
        least = LEVELS[max(0, self.level.currentIndex())]
        shown = [entry for entry in entries if entry.level >= least]
        if not shown:
            return
        bar = self.text.verticalScrollBar()
        follows = bar.value() >= bar.maximum()
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.End)
        cursor.beginEditBlock()
        for entry in shown:
            if not cursor.atStart():
                cursor.insertBlock()
            cursor.insertText(entry.text, _format_of(entry.level))
        cursor.endEditBlock()
        if follows:
            bar.setValue(bar.maximum())

    def _render(self) -> None:
        self.text.clear()
        self._append(list(self._entries))

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.text.setAccessibleName(tr("deliveries.log_name"))
        fill_combo(self.level, "deliveries.log_level", ("log_debug", "log_info", "log_warning", "log_error"))
        self.hint.setText(tr("deliveries.log_hint", count=MAX_LINES))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()


def _format_of(level: int) -> QTextCharFormat:
    colours = theme.colors()
    colour = (
        colours.down
        if level >= logging.ERROR
        else colours.warning
        if level >= logging.WARNING
        else colours.text
    )
    result = QTextCharFormat()
    result.setForeground(colours.secondary if level < logging.INFO else colour)
    return result
