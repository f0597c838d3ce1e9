"""The last bar, in plain numbers: what a tick changes is painted without columns, which cost more than they
carry here. It looks like what `candles.py` paints of closed bars, to the pixel.
"""

from __future__ import annotations

import math

import msgspec
from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from gui import theme
from gui.chart.candles import LINE_WIDTH, body_width, volume_color
from gui.chart.groups import Groups


class LiveBar(msgspec.Struct, frozen=True):
    """The last drawn candle. `x` is its middle in bars, `size` how many bars it joins; `before` is the middle
    of the candle to its left, where its lines begin, None if it is the first. Unknown figures are NaN."""

    size: int
    x: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    ema: float
    rsi: float
    before: float | None
    ema_before: float
    rsi_before: float


def live_bar(groups: Groups) -> LiveBar:
    """The last of `groups`, with the one before it if that is there."""
    columns = (
        groups.x, groups.open, groups.high, groups.low, groups.close, groups.volume, groups.ema, groups.rsi,
    )  # fmt: skip
    x, opened, high, low, close, volume, ema, rsi = (float(column[-1]) for column in columns)
    before: float | None = None
    ema_before = rsi_before = math.nan
    if len(groups.x) > 1:
        before, ema_before, rsi_before = float(groups.x[-2]), float(groups.ema[-2]), float(groups.rsi[-2])
    return LiveBar(groups.size, x, opened, high, low, close, volume, ema, rsi, before, ema_before, rsi_before)


def draw_candle(
    painter: QPainter, x: float, heights: tuple[float, float, float, float], width: float,
    color: QColor, *, hollow: bool,
) -> None:  # fmt: skip
    """A wick and a body; `heights` are the pixels of open, high, low and close. A `hollow` one is hatched."""
    opened, high, low, closed = (float(round(y)) for y in heights)
    middle, body = math.floor(x), body_width(width)
    top, height = min(opened, closed), max(abs(opened - closed), 1.0)
    painter.setPen(QPen(color, 1))
    painter.drawLine(QLineF(middle, high, middle, low))
    if body < 3:
        painter.drawLine(QLineF(middle, top, middle, top + height))
        return
    left = middle - body // 2
    if hollow:
        painter.setBrush(QBrush(theme.colors().ground))
        painter.drawRect(QRectF(left, top, body - 1, height))
        painter.setBrush(QBrush(color, Qt.BDiagPattern))
        painter.drawRect(QRectF(left, top, body - 1, height))
    else:
        painter.setPen(Qt.NoPen)
        painter.setBrush(QBrush(color))
        painter.drawRect(QRectF(left, top, body, height))
    painter.setBrush(Qt.NoBrush)


def draw_volume_bar(
    painter: QPainter, x: float, top: float, width: float, floor: float, *, rising: bool
) -> None:
    """A bar of volume that stands on `floor`; nothing where the volume is not known (`top` is NaN)."""
    if math.isfinite(top):
        body = body_width(width)
        left = math.floor(x) - body // 2
        painter.setPen(Qt.NoPen)
        painter.setBrush(QBrush(volume_color(rising=rising)))
        painter.drawRect(QRectF(left, top, body, max(floor - top, 1.0)))
        painter.setBrush(Qt.NoBrush)


def draw_stretch(painter: QPainter, x1: float | None, y1: float, x2: float, y2: float, color: QColor) -> None:
    """The end of a smooth line; nothing unless both ends are known."""
    if x1 is not None and math.isfinite(y1) and math.isfinite(y2):
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(QPen(color, LINE_WIDTH))
        painter.drawPolyline(QPolygonF([QPointF(x1, y1), QPointF(x2, y2)]))
        painter.setRenderHint(QPainter.Antialiasing, False)
