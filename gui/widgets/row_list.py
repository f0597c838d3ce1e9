"""A list of equally high rows that paints itself: Qt's own list view for keys, selection and accessibility,
with a paint event that draws only the visible rows that changed. The parts that all such lists share."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from PyQt5.QtCore import QEvent, QItemSelection, QModelIndex, QRect, Qt, pyqtSignal
from PyQt5.QtGui import QFont, QKeyEvent, QMouseEvent, QPainter
from PyQt5.QtWidgets import QAbstractItemView, QListView, QWidget

from gui import theme

REST_SECONDS = 3.0


class RowList(QListView):
    """Rows named by their `KEY_ROLE`. `opened(key)` on a double click or Enter, `chosen(key)` when a row is
    selected.

    A child class gives the rows' height and paints. The model tells the index of a key by `index_of`.
    """

    opened = pyqtSignal(str)
    chosen = pyqtSignal(str)
    key_role = Qt.UserRole

    def __init__(self, model: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = model
        self.empty_text = ""
        self._hovered = -1
        self._mouse_moved = -REST_SECONDS
        self._kept_key = ""
        self.setModel(model)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SingleSelection)
        self.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setFrameShape(QListView.NoFrame)
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WA_OpaquePaintEvent)
        self.doubleClicked.connect(self._open)
        model.modelAboutToBeReset.connect(self._keep_current)
        model.modelReset.connect(self._restore_current)

    @property
    def row_height(self) -> int:
        """The height of each row in pixels."""
        raise NotImplementedError

    def row_rect(self, number: int) -> QRect:
        """Where row `number` stands in the viewport."""
        height = self.row_height
        return QRect(0, number * height - self.verticalOffset(), self.viewport().width(), height)

    def visible_rows(self) -> range:
        """The numbers of the rows that can be seen, wholly or in part."""
        height = self.row_height
        offset = self.verticalOffset()
        last = (offset + self.viewport().height() - 1) // height
        return range(offset // height, min(last + 1, self._rows.rowCount()))

    def current_row(self) -> int:
        """The number of the selected row, -1 if there is none."""
        return self.currentIndex().row() if self.selectionModel().hasSelection() else -1

    def dataChanged(self, first: QModelIndex, last: QModelIndex, roles: Iterable[int] = ()) -> None:
        """See Qt. All rows are equally high, so none has to be arranged anew, as `QListView` would."""
        self.viewport().update()

    def paint_empty(self, painter: QPainter) -> None:
        """Write `empty_text` where no rows are."""
        painter.setPen(theme.colors().secondary)
        painter.setFont(QFont(theme.ui_font()))
        room = self.viewport().rect().adjusted(16, 16, -16, -16)
        painter.drawText(room, int(Qt.AlignCenter | Qt.TextWordWrap), self.empty_text)

    # Mouse and keys

    @property
    def busy(self) -> bool:
        """Whether the mouse is at work in the list, so that rows must not change places under it."""
        return self.underMouse() and time.monotonic() - self._mouse_moved < REST_SECONDS

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """See Qt."""
        self._mouse_moved = time.monotonic()
        self._hover((event.y() + self.verticalOffset()) // self.row_height)
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """See Qt."""
        self._hover(-1)
        super().leaveEvent(event)

    def _hover(self, number: int) -> None:
        if number != self._hovered:
            self.viewport().update(self.row_rect(self._hovered))
            self._hovered = number
            self.viewport().update(self.row_rect(number))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See Qt."""
        if event.key() in (Qt.Key_Return, Qt.Key_Enter) and self.currentIndex().isValid():
            self._open(self.currentIndex())
            event.accept()
            return
        super().keyPressEvent(event)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """See Qt."""
        super().selectionChanged(selected, deselected)
        indexes = selected.indexes()
        if indexes and not self._kept_key:
            self.chosen.emit(indexes[0].data(self.key_role))

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(self.key_role))

    def _keep_current(self) -> None:
        index = self.currentIndex()
        self._kept_key = index.data(self.key_role) if index.isValid() else ""

    def _restore_current(self) -> None:
        index = self._rows.index_of(self._kept_key)
        if index.isValid():
            self.setCurrentIndex(index)
        self._kept_key = ""
