"""Paints a row of the Symbols tab: the symbol, its exchange, and whose it is or what is wrong with it."""

from __future__ import annotations

from PyQt5.QtCore import QModelIndex, QObject, QPointF, QSize, Qt
from PyQt5.QtGui import QFontMetricsF, QPainter
from PyQt5.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui import theme
from gui.models.symbols_model import ABOUT_ROLE, INSTRUMENT_ROLE, TINT_ROLE

_HEIGHT = 28
_BASELINE = 18
_PAD = 6
_EXCHANGE_X = 78
_ABOUT_X = 136
_GAP = 8


class SymbolDelegate(QStyledItemDelegate):
    """One line per instrument, in three columns that give way to a long symbol."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bold = theme.ui_font(bold=True)
        self._small = theme.ui_font(theme.SMALL_PX)
        self._bold_metrics = QFontMetricsF(self._bold)
        self._small_metrics = QFontMetricsF(self._small)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """See Qt."""
        return QSize(120, _HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """See Qt."""
        item = index.data(INSTRUMENT_ROLE)
        colors, rect = theme.colors(), option.rect
        selected = bool(option.state & QStyle.State_Selected)
        if selected or option.state & QStyle.State_MouseOver:
            painter.fillRect(rect, colors.selection if selected else colors.hover)
        if option.state & QStyle.State_HasFocus:
            painter.fillRect(rect.left(), rect.top(), 2, rect.height(), colors.accent)
        y = rect.top() + _BASELINE
        painter.setFont(self._bold)
        painter.setPen(colors.text)
        painter.drawText(QPointF(rect.left() + _PAD, y), item.symbol)
        x = max(_EXCHANGE_X, _PAD + self._bold_metrics.horizontalAdvance(item.symbol) + _GAP)
        painter.setFont(self._small)
        painter.setPen(colors.secondary)
        painter.drawText(QPointF(rect.left() + x, y), item.exchange)
        x = max(_ABOUT_X, x + self._small_metrics.horizontalAdvance(item.exchange) + _GAP)
        about = self._small_metrics.elidedText(index.data(ABOUT_ROLE), Qt.ElideRight, rect.width() - x - _PAD)
        painter.setPen(getattr(colors, index.data(TINT_ROLE)))
        painter.drawText(QPointF(rect.left() + x, y), about)
