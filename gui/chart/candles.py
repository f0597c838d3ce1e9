"""How closed bars are painted: from a picture that is kept; the last one is painted apart (`live_layer.py`).

The picture is made when the same stretch is painted a second time: while the chart is being moved, painting
straight to the screen is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QBrush, QColor, QPainter, QPen, QPixmap, QPolygonF
from PyQt5.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from gui import theme
from gui.chart.groups import Groups
from gui.chart.series import Column

if TYPE_CHECKING:
    from gui.chart.pane import Pane

BODY_SHARE = 0.7
LINE_WIDTH = 1.3
ARROW = 5.0
Map = Callable[[Column], Column]


class ClosedItem(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """Grid, closed bars and lines of one pane, in the pane's own pixels."""

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self._pane = pane
        self._kept: QPixmap | None = None
        self._kept_key: object = None
        self._last_key: object = None
        self.setFlag(QGraphicsItem.ItemUsesExtendedStyleOption)

    def boundingRect(self) -> QRectF:
        """See Qt."""
        return self._pane.rect()

    def relaid(self) -> None:
        """The pane has another size."""
        self.prepareGeometryChange()

    def forget(self) -> None:
        """Something beside bars and range has changed, such as the colours."""
        self._kept_key = self._last_key = None
        self.update()

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """See Qt."""
        painter.translate(self._pane.snap)
        painter.setClipRect(self._pane.rect(), Qt.IntersectClip)
        key = self._pane.view_key()
        if key != self._last_key:
            self._last_key = key
            self._kept = None
            self._pane.paint_closed(painter)
            return
        if self._kept is None or key != self._kept_key:
            self._kept, self._kept_key = self._picture(painter.device().devicePixelRatioF()), key
        exposed = QRectF(option.exposedRect.toAlignedRect()).intersected(
            self.boundingRect()
        )  # whole pixels are copied fast
        ratio = self._kept.devicePixelRatio()
        source = QRectF(exposed.topLeft() * ratio, exposed.size() * ratio)
        painter.drawPixmap(exposed, self._kept, source)

    def _picture(self, ratio: float) -> QPixmap:
        size = self._pane.rect().size() * ratio
        picture = QPixmap(math.ceil(size.width()), math.ceil(size.height()))
        picture.setDevicePixelRatio(ratio)
        picture.fill(theme.colors().ground)
        painter = QPainter(picture)
        self._pane.paint_closed(painter)
        painter.end()
        return picture


def draw_candles(painter: QPainter, groups: Groups, x: Column, y: Map, width: float) -> None:
    """Wicks and bodies."""
    rising = groups.close >= groups.open
    high, low = y(groups.high).round(), y(groups.low).round()
    opened, closed = y(groups.open).round(), y(groups.close).round()
    top, height = np.minimum(opened, closed), np.maximum(np.abs(opened - closed), 1.0)
    middle: Column = np.floor(x)
    body = body_width(width)
    left = middle - body // 2
    colors = theme.colors()
    for chosen, color in ((rising, colors.up), (~rising, colors.down)):
        if not chosen.any():
            continue
        painter.setPen(QPen(color, 1))
        xs = middle[chosen]
        painter.drawLines(_lines(xs, high[chosen], xs, low[chosen]))
        if body >= 3:
            painter.setPen(Qt.NoPen)
            painter.setBrush(QBrush(color))
            rows = _rows(left[chosen], top[chosen], height[chosen])
            painter.drawRects([QRectF(x_, y_, body, h) for x_, y_, h in rows])
            painter.setBrush(Qt.NoBrush)
        else:
            painter.drawLines(_lines(xs, top[chosen], xs, top[chosen] + height[chosen]))


def draw_volume(painter: QPainter, groups: Groups, x: Column, y: Map, width: float, floor: float) -> None:
    """Bars of volume that stand on `floor`; a bar without volume has none."""
    known = np.isfinite(groups.volume)
    rising = groups.close >= groups.open
    body = body_width(width)
    left = np.floor(x) - body // 2
    top = y(np.where(known, groups.volume, 0.0))
    painter.setPen(Qt.NoPen)
    for chosen, rises in ((known & rising, True), (known & ~rising, False)):
        if chosen.any():
            painter.setBrush(QBrush(volume_color(rising=rises)))
            rows = _rows(left[chosen], top[chosen], np.maximum(floor - top[chosen], 1.0))
            painter.drawRects([QRectF(x_, y_, body, h) for x_, y_, h in rows])
    painter.setBrush(Qt.NoBrush)


def volume_color(*, rising: bool) -> QColor:
    """What the volume of a bar is painted with."""
    colors = theme.colors()
    return (colors.up if rising else colors.down).mixed(colors.ground, 0.45)


def draw_line(painter: QPainter, values: Column, x: Column, y: Map, color: QColor) -> None:
    """A smooth line through the known `values`."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return
    points = QPolygonF(
        [QPointF(a, b) for a, b in zip(x[known].tolist(), y(values[known]).tolist(), strict=True)]
    )
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(QPen(color, LINE_WIDTH))
    painter.drawPolyline(points)
    painter.setRenderHint(QPainter.Antialiasing, False)


def draw_arrow(painter: QPainter, x: float, tip: float, *, up: bool, color: QColor, filled: bool) -> None:
    """An arrow head whose tip points at (x, tip): a trade's is `filled`, a signal's is not."""
    way = 1.0 if up else -1.0
    base = tip + way * ARROW * 1.6
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(QBrush(color if filled else theme.colors().ground))
    painter.drawPolygon(QPolygonF([QPointF(x, tip), QPointF(x - ARROW, base), QPointF(x + ARROW, base)]))
    painter.setBrush(Qt.NoBrush)
    painter.setRenderHint(QPainter.Antialiasing, False)


def body_width(width: float) -> float:
    """The whole, odd number of pixels that a candle's body takes of `width`, so that its wick is centred."""
    body = max(1, int(width * BODY_SHARE))
    return float(body if body % 2 else max(1, body - 1))


def _lines(x1: Column, y1: Column, x2: Column, y2: Column) -> list[QLineF]:
    return list(map(QLineF, x1.tolist(), y1.tolist(), x2.tolist(), y2.tolist()))


def _rows(*columns: Column) -> zip[tuple[float, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)
