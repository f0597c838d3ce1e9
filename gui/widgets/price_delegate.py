"""Paints one row of the price list, in a few tens of microseconds.

Narrow lists have rows of two lines (symbol and price; state and change), wide ones a single line in columns.
A row's texts are made once per change and kept in the row.
"""

from __future__ import annotations

from PyQt5.QtCore import QModelIndex, QObject, QPoint, QPointF, QRect, QSize, Qt
from PyQt5.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPixmap
from PyQt5.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui import theme
from gui.formatting import arrow_of, change_text, direction, price_text
from gui.models.tick_model import TickModel
from gui.models.tick_row import OLD_STATES, RowState, TickRow
from gui.models.tick_text import state_text
from gui.widgets.freshness_badge import MARK_PX, ROLES, mark

WIDE_FROM = 460
FADE_SECONDS = 0.6
PAD = 10
_FADE_STEPS = 6
_FADE_ALPHA = 78
_NARROW_HEIGHT, _WIDE_HEIGHT = 40, 27
_TINTS = {1: "up", 0: "text", -1: "down"}
_HATCH_PX = 6


class _Cells:
    """A row's texts with their widths, ready to be drawn."""

    __slots__ = (
        "arrow",
        "change",
        "change_tint",
        "change_width",
        "price",
        "price_width",
        "state",
        "state_text",
    )

    def __init__(self, state: RowState, text: str) -> None:
        self.state = state
        self.state_text = text
        self.price = self.change = self.arrow = ""
        self.price_width = self.change_width = 0.0
        self.change_tint = "text"


class PriceLayout:
    """Where the parts of a row stand in a list of this width (all in pixels from the row's top left)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.wide = width >= WIDE_FROM
        self.height = _WIDE_HEIGHT if self.wide else _NARROW_HEIGHT
        right = width - PAD
        if self.wide:
            self.symbol_y = self.price_y = self.state_y = self.change_y = 18
            self.symbol_x = PAD
            self.price_right = PAD + 250
            self.change_right = self.price_right + 100
            self.state_x = self.change_right + 24
            self.state_right = right
            self.flash = QRect(self.price_right - 92, 3, 98, self.height - 7)
        else:
            self.symbol_y = self.price_y = 17
            self.state_y = self.change_y = 33
            self.symbol_x = self.state_x = PAD
            self.price_right = self.change_right = right
            self.state_right = right - 72
            self.flash = QRect(right - 92, 3, 96, 18)


class PriceDelegate(QStyledItemDelegate):
    """Draws the rows of a `TickModel`."""

    def __init__(self, model: TickModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._now = 0.0
        self.layout_for(300)
        self.rethemed()

    def layout_for(self, width: int) -> bool:
        """Arrange rows for a list of this width; True if their height changed."""
        old = getattr(self, "layout", None)
        self.layout = PriceLayout(width)
        self._model.touch_all()
        return old is None or old.height != self.layout.height

    def rethemed(self) -> None:
        """Take over the theme's present fonts and colours."""
        self._bold = theme.ui_font(bold=True)
        self._plain = theme.ui_font()
        self._small = theme.ui_font(theme.SMALL_PX)
        self._bold_metrics = QFontMetricsF(self._bold)
        self._plain_metrics = QFontMetricsF(self._plain)
        self._small_metrics = QFontMetricsF(self._small)
        self._arrow_width = max(self._plain_metrics.horizontalAdvance(arrow) for arrow in "↑↓→") + 4
        colors = self._colors = theme.colors()
        self._fades = {
            up: [(colors.up if up else colors.down).with_alpha(_fade_alpha(n)) for n in range(_FADE_STEPS)]
            for up in (True, False)
        }
        self._hatch = QBrush(_hatch_tile(colors.hatch))
        self._model.touch_all()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """See Qt."""
        return QSize(80, self.layout.height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """See Qt."""
        row = self._model.row_at(index.row())
        self.start_frame()
        selected = bool(option.state & QStyle.State_Selected)
        self.paint_row(painter, option.rect, row, 0.0, selected, bool(option.state & QStyle.State_MouseOver))

    # Many rows in one go

    def start_frame(self) -> None:
        """Read the clock once for all rows that are painted next."""
        self._now = self._model.clock.time()

    def paint_row(
        self, painter: QPainter, rect: QRect, row: TickRow, flash_age: float, selected: bool, hovered: bool
    ) -> None:
        """Draw `row` into `rect`; `flash_age` is in seconds since its price changed (0 or less: no flash)."""
        layout, colors = self.layout, self._colors
        cells = self._cells(row)
        left, top = rect.left(), rect.top()
        if selected or hovered:
            painter.fillRect(rect, colors.selection if selected else colors.hover)
        if cells.state in OLD_STATES:
            painter.setBrushOrigin(QPoint(left, top))
            painter.fillRect(rect, self._hatch)
        if selected:
            painter.fillRect(left, top, 3, layout.height - 1, colors.accent)
        painter.fillRect(left, top + layout.height - 1, layout.width, 1, colors.line)
        if 0.0 < flash_age < FADE_SECONDS:
            step = int(flash_age / FADE_SECONDS * _FADE_STEPS)
            painter.fillRect(layout.flash.translated(left, top), self._fades[row.flash_up][step])
        self._paint_texts(painter, left, top, row, cells)

    def _paint_texts(self, painter: QPainter, left: int, top: int, row: TickRow, cells: _Cells) -> None:
        layout, colors = self.layout, self._colors
        old = cells.state in OLD_STATES
        made_up = cells.state is RowState.SIMULATED
        main = colors.stale if old else colors.text
        painter.setFont(self._bold)
        painter.setPen(main)
        painter.drawText(QPointF(left + layout.symbol_x, top + layout.symbol_y), row.symbol)
        if cells.price:
            if made_up:
                painter.setPen(colors.simulated)
            painter.drawText(
                QPointF(left + layout.price_right - cells.price_width, top + layout.price_y), cells.price
            )
            self._paint_change(painter, left, top, cells, old)
        else:
            self._paint_skeleton(painter, left, top)
        painter.setFont(self._small)
        if self._model.several_exchanges:
            painter.setPen(colors.secondary)
            after = layout.symbol_x + self._bold_metrics.horizontalAdvance(row.symbol) + 6
            painter.drawText(QPointF(left + after, top + layout.symbol_y), row.exchange)
        x, y = left + layout.state_x, top + layout.state_y
        painter.drawPixmap(x, y - MARK_PX + 1, mark(cells.state, painter.device().devicePixelRatioF()))
        painter.setPen(getattr(colors, ROLES[cells.state]))
        painter.drawText(QPointF(x + MARK_PX + 5, y), cells.state_text)

    def _paint_change(self, painter: QPainter, left: int, top: int, cells: _Cells, old: bool) -> None:
        layout, colors = self.layout, self._colors
        painter.setFont(self._plain)
        painter.setPen(colors.stale if old else getattr(colors, cells.change_tint))
        x, y = left + layout.change_right - cells.change_width, top + layout.change_y
        painter.drawText(QPointF(x, y), cells.change)
        painter.drawText(QPointF(x - self._arrow_width, y), cells.arrow)

    def _paint_skeleton(self, painter: QPainter, left: int, top: int) -> None:
        """Grey bars where price and change will stand."""
        layout, color = self.layout, self._colors.line
        painter.fillRect(left + layout.price_right - 52, top + layout.price_y - 9, 52, 8, color)
        painter.fillRect(left + layout.change_right - 40, top + layout.change_y - 9, 40, 8, color)

    def prepare(self, row: TickRow) -> None:
        """Make the texts of a `dirty` row anew; the whole row must be painted after this."""
        row.cells = self._make_cells(row)
        row.dirty = False

    def _cells(self, row: TickRow) -> _Cells:
        """The row's texts. A row stays dirty here, for perhaps only a part of it is being painted."""
        cells = row.cells
        if row.dirty or not isinstance(cells, _Cells):
            row.cells = cells = self._make_cells(row)
        return cells

    def _make_cells(self, row: TickRow) -> _Cells:
        state = row.state(self._model.link)
        cells = _Cells(state, state_text(row, state, self._now))
        room: float = self.layout.state_right - self.layout.state_x - MARK_PX - 5
        if row.price is not None:
            cells.price = price_text(row.key, row.price)
            cells.price_width = self._bold_metrics.horizontalAdvance(cells.price)
            cells.change = change_text(row.change)
            cells.change_width = self._plain_metrics.horizontalAdvance(cells.change)
            cells.change_tint = _TINTS[direction(row.change)]
            cells.arrow = arrow_of(row.change)
            if not self.layout.wide:
                room = self.layout.width - 2 * PAD - MARK_PX - 9 - cells.change_width - self._arrow_width
        if self._small_metrics.horizontalAdvance(cells.state_text) > room:
            cells.state_text = self._small_metrics.elidedText(cells.state_text, Qt.ElideRight, room)
        return cells

    def state_changed(self, row: TickRow) -> bool:
        """Whether the row's state line would read otherwise by now ("4 min" has become "5 min")."""
        cells = row.cells
        if row.dirty or not isinstance(cells, _Cells):
            return True
        if cells.state not in OLD_STATES:
            return False
        return self._make_cells(row).state_text != cells.state_text


def _fade_alpha(step: int) -> int:
    return round(_FADE_ALPHA * (1 - step / _FADE_STEPS))


def _hatch_tile(color: QColor) -> QPixmap:
    tile = QPixmap(_HATCH_PX, _HATCH_PX)
    tile.fill(Qt.transparent)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(color)
    for shift in (-_HATCH_PX, 0, _HATCH_PX):
        painter.drawLine(shift, _HATCH_PX, shift + _HATCH_PX, 0)
    painter.end()
    return tile
