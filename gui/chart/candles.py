"""How bars are painted: closed ones from a picture that is kept, the last one apart.

A tick changes only the last bar, so only its rectangle is painted anew (by `LiveItem`) over what
`ClosedItem` has in its picture. The picture is made when the same stretch is painted a second time: while
the chart is being moved, painting straight to the screen is cheaper.
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
ARROW = 5.0
MARK_ROOM = 20.0
"""Pixels above or below a bar that its arrows may take."""
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


class LiveItem(pg.GraphicsObject):  # type: ignore[misc]
    """The last bar of one pane with the ends of its lines."""

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self._pane = pane
        self._rect = QRectF()

    def boundingRect(self) -> QRectF:
        """See Qt."""
        return self._rect

    def refresh(self) -> None:
        """The last bar changed: paint where it was and where it is."""
        rect = self._pane.live_rect()
        if rect != self._rect:
            self.prepareGeometryChange()
            self._rect = rect
        self.update()

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """See Qt."""
        painter.setClipRect(self._pane.rect(), Qt.IntersectClip)
        self._pane.paint_live(painter)


def draw_candles(
    painter: QPainter, groups: Groups, x: Column, y: Map, width: float, mark: QColor | None = None
) -> None:
    """Wicks and bodies; those whose price is no live one are hatched in the colour `mark` of their state."""
    rising = groups.close >= groups.open
    high, low = y(groups.high).round(), y(groups.low).round()
    opened, closed = y(groups.open).round(), y(groups.close).round()
    top, height = np.minimum(opened, closed), np.maximum(np.abs(opened - closed), 1.0)
    middle: Column = np.floor(x)
    body = body_width(width)
    left = middle - body // 2
    colors = theme.colors()
    for chosen, own in ((rising, colors.up), (~rising, colors.down)):
        if not chosen.any():
            continue
        color = own if mark is None else mark
        painter.setPen(QPen(color, 1))
        xs = middle[chosen]
        painter.drawLines(_lines(xs, high[chosen], xs, low[chosen]))
        if body >= 3:
            _draw_bodies(painter, color, left[chosen], top[chosen], body, height[chosen], mark is not None)
        else:
            painter.drawLines(_lines(xs, top[chosen], xs, top[chosen] + height[chosen]))


def _draw_bodies(
    painter: QPainter, color: QColor, left: Column, top: Column, body: float, height: Column, hollow: bool
) -> None:
    if hollow:
        painter.setPen(QPen(color, 1))
        painter.setBrush(QBrush(theme.colors().ground))
        rects = [QRectF(x, y, body - 1, h) for x, y, h in _rows(left, top, height)]
        painter.drawRects(rects)
        painter.setBrush(QBrush(color, Qt.BDiagPattern))
        painter.drawRects(rects)
    else:
        painter.setPen(Qt.NoPen)
        painter.setBrush(QBrush(color))
        painter.drawRects([QRectF(x, y, body, h) for x, y, h in _rows(left, top, height)])
    painter.setBrush(Qt.NoBrush)


def draw_volume(painter: QPainter, groups: Groups, x: Column, y: Map, width: float, floor: float) -> None:
    """Bars of volume that stand on `floor`; a bar without volume has none."""
    known = np.isfinite(groups.volume)
    rising = groups.close >= groups.open
    body = body_width(width)
    left = np.floor(x) - body // 2
    top = y(np.where(known, groups.volume, 0.0))
    colors = theme.colors()
    painter.setPen(Qt.NoPen)
    for chosen, color in ((known & rising, colors.up), (known & ~rising, colors.down)):
        if chosen.any():
            painter.setBrush(QBrush(color.mixed(colors.ground, 0.45)))
            rows = _rows(left[chosen], top[chosen], np.maximum(floor - top[chosen], 1.0))
            painter.drawRects([QRectF(x_, y_, body, h) for x_, y_, h in rows])
    painter.setBrush(Qt.NoBrush)


def draw_line(painter: QPainter, values: Column, x: Column, y: Map, color: QColor) -> None:
    """A smooth line through the known `values`."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return
    points = QPolygonF(
        [QPointF(a, b) for a, b in zip(x[known].tolist(), y(values[known]).tolist(), strict=True)]
    )
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(QPen(color, 1.3))
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
