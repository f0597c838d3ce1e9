"""The list that shows a `TickModel`: Qt's own list view for keys, selection and accessibility, with a paint
event of ours that draws only the visible rows that changed."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PyQt5.QtCore import QEvent, QItemSelection, QModelIndex, QRect, Qt, pyqtSignal
from PyQt5.QtGui import QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QAbstractItemView, QListView, QWidget

from gui import theme
from gui.models.tick_model import KEY_ROLE, TickModel
from gui.models.tick_row import TickRow
from gui.widgets.price_delegate import FADE_SECONDS, PriceDelegate

FADE_MS = 66
REST_SECONDS = 3.0


class PriceView(QListView):
    """Rows of prices. `opened(key)` on a double click or Enter, `chosen(key)` when a row is selected."""

    opened = pyqtSignal(str)
    chosen = pyqtSignal(str)
    laid_out = pyqtSignal()
    """The rows have another arrangement, because the list's width changed."""

    def __init__(self, model: TickModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = model
        self.delegate = PriceDelegate(model, self)
        self.flash = True
        self.empty_text = ""
        self._hovered = -1
        self._faded = 0.0
        self._mouse_moved = -REST_SECONDS
        self._kept_key = ""
        self.setModel(model)
        self.setItemDelegate(self.delegate)
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

    # Repainting

    def row_rect(self, number: int) -> QRect:
        """Where row `number` stands in the viewport."""
        height = self.delegate.layout.height
        return QRect(0, number * height - self.verticalOffset(), self.viewport().width(), height)

    def visible_rows(self) -> range:
        """The numbers of the rows that can be seen, wholly or in part."""
        height = self.delegate.layout.height
        offset = self.verticalOffset()
        last = (offset + self.viewport().height() - 1) // height
        return range(offset // height, min(last + 1, self._rows.rowCount()))

    def refresh(self) -> bool:
        """Have the visible rows that changed painted; True if a flash goes on and wants another frame."""
        now = time.monotonic()
        fading = now - self._faded >= FADE_MS / 1000
        if fading:
            self._faded = now
        self.delegate.start_frame()
        flashing = False
        for number in self.visible_rows():
            row = self._rows.row_at(number)
            if row.dirty:
                self._renew(row, number, now)
            elif row.flash_from and fading:
                self.viewport().update(self.delegate.layout.flash.translated(self.row_rect(number).topLeft()))
                if now - row.flash_from >= FADE_SECONDS:
                    row.flash_from = 0.0
            flashing = flashing or row.flash_from > 0.0
        return flashing

    def _renew(self, row: TickRow, number: int, now: float) -> None:
        self.delegate.prepare(row)
        self.viewport().update(self.row_rect(number))
        before, price = row.shown_price, row.price
        row.shown_price = price
        if self.flash and before is not None and price is not None and price != before:
            row.flash_from, row.flash_up = now, price > before

    def refresh_ages(self) -> None:
        """Have the visible rows painted whose state line reads otherwise by now."""
        self.delegate.start_frame()
        for number in self.visible_rows():
            row = self._rows.row_at(number)
            if self.delegate.state_changed(row):
                self._renew(row, number, time.monotonic())

    def dataChanged(self, first: QModelIndex, last: QModelIndex, roles: Iterable[int] = ()) -> None:
        """See Qt. All rows are equally high, so none has to be arranged anew, as `QListView` would."""
        self.viewport().update()

    def forget_flashes(self) -> None:
        """Take all prices as seen, after they went on unseen."""
        for number in range(self._rows.rowCount()):
            row = self._rows.row_at(number)
            row.shown_price, row.flash_from = row.price, 0.0

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), theme.colors().ground)
        if self._rows.rowCount() == 0:
            self._paint_empty(painter)
            return
        region = event.region()
        current = self.currentIndex().row() if self.selectionModel().hasSelection() else -1
        now = time.monotonic()
        delegate, rows = self.delegate, self._rows
        delegate.start_frame()
        for number in self.visible_rows():
            rect = self.row_rect(number)
            if region.intersects(rect):
                row = rows.row_at(number)
                age = max(1e-6, now - row.flash_from) if row.flash_from else 0.0
                delegate.paint_row(painter, rect, row, age, number == current, number == self._hovered)

    def _paint_empty(self, painter: QPainter) -> None:
        painter.setPen(theme.colors().secondary)
        painter.setFont(QFont(theme.ui_font()))
        room = self.viewport().rect().adjusted(16, 16, -16, -16)
        painter.drawText(room, int(Qt.AlignCenter | Qt.TextWordWrap), self.empty_text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """See Qt."""
        super().resizeEvent(event)
        if event.size().width() == self.delegate.layout.width:
            return
        if self.delegate.layout_for(event.size().width()):
            self.scheduleDelayedItemsLayout()
        self.laid_out.emit()

    # Mouse and keys

    @property
    def busy(self) -> bool:
        """Whether the mouse is at work in the list, so that rows must not change places under it."""
        return self.underMouse() and time.monotonic() - self._mouse_moved < REST_SECONDS

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """See Qt."""
        self._mouse_moved = time.monotonic()
        self._hover((event.y() + self.verticalOffset()) // self.delegate.layout.height)
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
            self.chosen.emit(indexes[0].data(KEY_ROLE))

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(KEY_ROLE))

    def _keep_current(self) -> None:
        index = self.currentIndex()
        self._kept_key = index.data(KEY_ROLE) if index.isValid() else ""

    def _restore_current(self) -> None:
        index = self._rows.index_of(self._kept_key)
        if index.isValid():
            self.setCurrentIndex(index)
        self._kept_key = ""
