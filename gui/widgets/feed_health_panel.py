"""How each price source fares: a table, and below it the last 24 hours as a strip per source."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from PyQt5.QtCore import QEvent, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter, QPaintEvent
from PyQt5.QtWidgets import QVBoxLayout, QWidget

from core.engine.feed_diary import DAY, STOPPED, FeedDay
from core.i18n import tr
from core.model import FeedStatus
from gui import theme
from gui.models.feed_model import TINTS, FeedModel
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.table_tools import TableView

LINE_HEIGHT = 16
NAME_WIDTH = 90
HOURS_APART = 3
LAST_MARK = 0.97
"""A mark further to the right would have no room for its text."""


class DayStrip(QWidget):
    """What state each source was in, from 24 hours ago on the left to now on the right."""

    def __init__(self, now: Callable[[], float], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._now = now
        self.day = FeedDay()

    def set_day(self, day: FeedDay) -> None:
        """Show another day."""
        more = len(day.changes) != len(self.day.changes)
        self.day = day
        if more:
            self.updateGeometry()
        self.update()

    def stop(self) -> None:
        """Nothing is heard of any source any more."""
        end = (self._now(), STOPPED)
        days = self.day.changes.items()
        self.set_day(FeedDay({name: past if past[-1][1] == STOPPED else (*past, end) for name, past in days}))

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(200, LINE_HEIGHT * (len(self.day.changes) + 1))

    def minimumSizeHint(self) -> QSize:
        """See Qt."""
        return self.sizeHint()

    def pieces(self, name: str) -> list[tuple[float, float, str]]:
        """The source's states as (from, to, state), in shares of the day."""
        now = self._now()
        changes = self.day.changes.get(name, ())
        ends = [*(when for when, _ in changes[1:]), now][: len(changes)]
        shares = [
            (max(0.0, 1 - (now - began) / DAY), 1 - (now - ended) / DAY, state)
            for (began, state), ended in zip(changes, ends, strict=True)
        ]
        return [piece for piece in shares if piece[1] >= 0.0]

    @staticmethod
    def hours(now: float) -> list[tuple[float, str]]:
        """Where every third hour of this computer's day stands, in shares of the strip, and its name."""
        last = datetime.fromtimestamp(now).replace(minute=0, second=0, microsecond=0)
        last -= timedelta(hours=last.hour % HOURS_APART)
        moments = [last - timedelta(hours=HOURS_APART * step) for step in range(24 // HOURS_APART + 1)]
        shares = [(1.0 - (now - moment.timestamp()) / DAY, f"{moment:%H:%M}") for moment in reversed(moments)]
        return [(share, text) for share, text in shares if 0.0 <= share < LAST_MARK]

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        painter, colors = QPainter(self), theme.colors()
        width = max(1, self.width() - NAME_WIDTH)
        for row, name in enumerate(self.day.changes):
            top = row * LINE_HEIGHT
            painter.setPen(QColor(colors.secondary))
            painter.drawText(QRectF(4, top, NAME_WIDTH - 8, LINE_HEIGHT), Qt.AlignVCenter, name)
            painter.fillRect(QRectF(NAME_WIDTH, top + 4, width, LINE_HEIGHT - 8), QColor(colors.panel))
            for began, ended, state in self.pieces(name):
                color = QColor(getattr(colors, TINTS.get(state, "line")))
                length = max(1.0, (ended - began) * width)
                painter.fillRect(QRectF(NAME_WIDTH + began * width, top + 4, length, LINE_HEIGHT - 8), color)
        self._paint_hours(painter, width)
        painter.end()

    def _paint_hours(self, painter: QPainter, width: int) -> None:
        painter.setPen(QColor(theme.colors().secondary))
        top = LINE_HEIGHT * len(self.day.changes)
        for share, text in self.hours(self._now()):
            left = NAME_WIDTH + width * share
            painter.fillRect(QRectF(left, 0, 1, top), QColor(theme.colors().line))
            painter.drawText(QRectF(left - 30, top, 60, LINE_HEIGHT), Qt.AlignCenter, text)


class FeedHealthPanel(QWidget):
    """The sources' table and their day."""

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self.model = FeedModel(self, now=now)
        self._stack = TableOrEmpty(self)
        self.table = TableView(self.model, "feed", self._stack)
        self.strip = DayStrip(now, self)
        empty = EmptyState("history", "health.empty_title", "health.empty_text", parent=self._stack)
        self._stack.fill(self.table, empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._stack, 1)
        column.addWidget(self.strip)
        self.setFocusProxy(self.table)
        self._stack.show_table(False)
        self.retranslate()

    def set_status(self, status: FeedStatus) -> None:
        """Show how the feed fares now."""
        self.model.set_status(status)
        self._stack.show_table(status.state != STOPPED)
        if status.state == STOPPED:
            self.strip.stop()
        self.strip.update()

    def set_day(self, day: FeedDay) -> None:
        """Show what became of each source through the day."""
        self.strip.set_day(day)

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("health.name"))
        self.strip.setAccessibleName(tr("health.strip"))
        self.strip.setToolTip(tr("health.strip"))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
