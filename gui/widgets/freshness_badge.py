"""The small mark beside the word that tells what a price is worth: a shape of its own for each state.

Shapes, not only colours, part the states: a full dot is live, a clock delayed, a crossed ring lost.
"""

from __future__ import annotations

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QPainter, QPen, QPixmap

from gui import theme
from gui.models.tick_row import RowState

MARK_PX = 10
ROLES = {
    RowState.LIVE: "up",
    RowState.DELAYED: "warning",
    RowState.UNTIMED: "secondary",
    RowState.CLOSED: "secondary",
    RowState.SIMULATED: "simulated",
    RowState.STALE: "stale",
    RowState.LOST: "stale",
    RowState.WAITING: "secondary",
    RowState.EMPTY: "secondary",
    RowState.UNKNOWN: "warning",
    RowState.DISPUTED: "warning",
}
"""The colour role of each state's mark and words."""

_marks: dict[tuple[str, str, float], QPixmap] = {}


def mark(state: RowState, ratio: float) -> QPixmap:
    """The mark of `state` in the present colours, `MARK_PX` square; `ratio` is the screen's pixel ratio."""
    wanted = (theme.colors().name, state.value, ratio)
    pixmap = _marks.get(wanted)
    if pixmap is None:
        pixmap = _marks[wanted] = _draw(state, ratio)
    return pixmap


def _draw(state: RowState, ratio: float) -> QPixmap:
    side = round(MARK_PX * ratio)
    pixmap = QPixmap(side, side)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.Antialiasing)
    color = getattr(theme.colors(), ROLES[state])
    painter.setPen(QPen(color, 1.3))
    _SHAPES.get(state, _ring)(painter)
    painter.end()
    return pixmap


def _full(painter: QPainter) -> None:
    painter.setBrush(painter.pen().color())
    painter.setPen(Qt.NoPen)
    painter.drawEllipse(QPointF(5, 5), 3.6, 3.6)


def _ring(painter: QPainter) -> None:
    painter.drawEllipse(QPointF(5, 5), 3.4, 3.4)


def _clock(painter: QPainter) -> None:
    painter.drawEllipse(QPointF(5, 5), 4, 4)
    painter.drawPolyline(QPointF(5, 2.6), QPointF(5, 5.2), QPointF(6.9, 5.9))


def _hatched(painter: QPainter) -> None:
    painter.drawRect(QRectF(1.2, 1.2, 7.6, 7.6))
    painter.drawLine(QPointF(1.5, 6), QPointF(6, 1.5))
    painter.drawLine(QPointF(4, 8.5), QPointF(8.5, 4))


def _crossed(painter: QPainter) -> None:
    _ring(painter)
    painter.drawLine(QPointF(1.6, 8.4), QPointF(8.4, 1.6))


def _half(painter: QPainter) -> None:
    _ring(painter)
    painter.setBrush(painter.pen().color())
    painter.drawChord(QRectF(1.6, 1.6, 6.8, 6.8), 90 * 16, 180 * 16)


def _diamond(painter: QPainter) -> None:
    painter.setBrush(painter.pen().color())
    painter.drawPolygon(QPointF(5, 1), QPointF(9, 5), QPointF(5, 9), QPointF(1, 5))


def _warning(painter: QPainter) -> None:
    painter.drawPolygon(QPointF(5, 1), QPointF(9.2, 8.8), QPointF(0.8, 8.8))
    painter.drawLine(QPointF(5, 4), QPointF(5, 6.2))
    painter.drawPoint(QPointF(5, 7.5))


def _dots(painter: QPainter) -> None:
    painter.setBrush(painter.pen().color())
    painter.setPen(Qt.NoPen)
    for x in (2, 5, 8):
        painter.drawEllipse(QPointF(x, 5), 0.9, 0.9)


_SHAPES = {
    RowState.LIVE: _full,
    RowState.DELAYED: _clock,
    RowState.CLOSED: _half,
    RowState.SIMULATED: _diamond,
    RowState.STALE: _hatched,
    RowState.LOST: _crossed,
    RowState.WAITING: _dots,
    RowState.UNKNOWN: _warning,
    RowState.DISPUTED: _warning,
}
