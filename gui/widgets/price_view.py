"""The list that shows a `TickModel`: Qt's own list view for keys, selection and accessibility, with a paint
event of ours that draws only the visible rows that changed."""

from __future__ import annotations

import time

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtGui import QPainter, QPaintEvent, QResizeEvent
from PyQt5.QtWidgets import QWidget

from gui import theme
from gui.models.tick_model import KEY_ROLE, TickModel
from gui.models.tick_row import TickRow
from gui.widgets.price_delegate import FADE_SECONDS, PriceDelegate
from gui.widgets.row_list import RowList

FADE_MS = 66


class PriceView(RowList):
    """Rows of prices."""

    key_role = KEY_ROLE
    laid_out = pyqtSignal()
    """The rows have another arrangement, because the list's width changed."""

    def __init__(self, model: TickModel, parent: QWidget | None = None) -> None:
        super().__init__(model, parent)
        self.delegate = PriceDelegate(model, self)
        self.flash = True
        self._faded = 0.0
        self.setItemDelegate(self.delegate)

    # Repainting

    @property
    def row_height(self) -> int:
        """See `RowList`."""
        return self.delegate.layout.height

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
            self.paint_empty(painter)
            return
        region = event.region()
        current = self.current_row()
        now = time.monotonic()
        delegate, rows = self.delegate, self._rows
        delegate.start_frame()
        for number in self.visible_rows():
            rect = self.row_rect(number)
            if region.intersects(rect):
                row = rows.row_at(number)
                age = max(1e-6, now - row.flash_from) if row.flash_from else 0.0
                delegate.paint_row(painter, rect, row, age, number == current, number == self._hovered)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """See Qt."""
        super().resizeEvent(event)
        if event.size().width() == self.delegate.layout.width:
            return
        if self.delegate.layout_for(event.size().width()):
            self.scheduleDelayedItemsLayout()
        self.laid_out.emit()
