"""What lies over the panes, in the scene's pixels: lines at prices with their tags, and the crosshair.

The last price's line and the crosshair are no part of a scene: they move all the time (`live_layer.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PyQt5.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from gui import theme
from gui.chart.pane import TOP_ROOM, Pane

TAG_HEIGHT = 18.0


class Level(msgspec.Struct, frozen=True):
    """A price with a line of its own; `role` is a colour's, `label` stands at the line's left, or at its
    right where the readout is."""

    price: float
    role: str
    label: str
    dashed: bool = True


class PriceLine(QGraphicsItem):
    """A line across the price pane and its price in a box on the axis; hidden while that is out of sight."""

    def __init__(
        self, pane: Pane, level: Level, parent: QGraphicsItem | None = None, *, faint: bool = False
    ) -> None:
        super().__init__(parent)
        self._pane = pane
        self._level = level
        self._faint = faint
        self._line = QLineF()
        self._tag = QRectF()
        self.setZValue(10)

    @property
    def level(self) -> Level:
        """What is shown."""
        return self._level

    def set_level(self, level: Level) -> None:
        """Show another price."""
        if level != self._level:
            self._level = level
            self.place()
            self.update()

    def height(self) -> float | None:
        """Where the price is in the scene, None while it is out of sight."""
        box = self._pane.place
        y = round(box.top() + float(self._pane.y_of(self._level.price)))
        return float(y) if box.top() <= y <= box.bottom() and self._pane.state.count else None

    def place(self, tag_at: float | None = None) -> bool:
        """Go where the price is now; the tag's middle may be put elsewhere. True if that changed anything."""
        y = self.height()
        changed = self.isVisible() is (y is None)
        self.setVisible(y is not None)
        if y is None:
            return changed
        box, axis = self._pane.place, self._pane.axis_place
        middle = y if tag_at is None else tag_at
        line = QLineF(box.left(), y, box.right(), y)
        tag = QRectF(axis.left() + 1, middle - TAG_HEIGHT / 2, axis.width() - 2, TAG_HEIGHT)
        if line != self._line or tag != self._tag:
            self.prepareGeometryChange()
            self._line, self._tag = line, tag
            changed = True
        return changed

    def rects(self) -> tuple[QRectF, QRectF]:
        """What is painted of a line without a label: the line and the tag."""
        line = QRectF(self._line.p1(), self._line.p2()).adjusted(0, -1, 0, 1)
        return line, self._tag.adjusted(-1, -1, 1, 1)

    def boundingRect(self) -> QRectF:
        """See Qt."""
        line = QRectF(self._line.p1(), self._line.p2()).adjusted(0, -1, 0, 1)
        left = self._line.x1() if self._level.label else self._tag.left()
        return line.united(self._tag.adjusted(left - self._tag.left(), -1, 1, 1))

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem | None = None, widget: QWidget | None = None
    ) -> None:
        """See Qt."""
        colors = theme.colors()
        color: QColor = getattr(colors, self._level.role)
        style = Qt.DotLine if self._faint else Qt.DashLine if self._level.dashed else Qt.SolidLine
        painter.setPen(QPen(color, 1, style))
        painter.drawLine(self._line)
        font = theme.ui_font(theme.SMALL_PX)
        painter.setFont(font)
        if self._level.label:
            width = QFontMetricsF(font).horizontalAdvance(self._level.label) + 10
            under_readout = self._tag.top() < self._pane.place.top() + TOP_ROOM
            left = self._line.x2() - width - 6 if under_readout else self._line.x1() + 6
            box = QRectF(left, self._tag.top() + 1, width, TAG_HEIGHT - 2)
            painter.fillRect(box, colors.ground)
            painter.setPen(color)
            painter.drawText(box, Qt.AlignCenter, self._level.label)
        draw_tag(painter, self._tag, self._pane.label(self._level.price), color, filled=not self._faint)


def place_apart(main: PriceLine, others: Sequence[PriceLine]) -> bool:
    """Place all lines, with their tags one under the other where they would overlap; `main` stays.

    True if any of the others is elsewhere than before.
    """
    main.place()
    anchor = main.height() if main.isVisible() else None
    heights = {line: line.height() for line in others}
    moved = [line.place() for line, height in heights.items() if height is None]
    seen = sorted((height, number) for number, height in enumerate(heights.values()) if height is not None)
    lines = list(heights)
    above = [one for one in seen if anchor is not None and one[0] < anchor]
    edge = anchor
    for height, number in reversed(above):
        edge = height if edge is None else min(height, edge - TAG_HEIGHT)
        moved.append(lines[number].place(edge))
    edge = anchor
    for height, number in seen[len(above) :]:
        edge = height if edge is None else max(height, edge + TAG_HEIGHT)
        moved.append(lines[number].place(edge))
    return any(moved)


class Crosshair(QGraphicsItem):
    """Two lines through the pane under the mouse, and what they point at on the axes."""

    def __init__(self) -> None:
        super().__init__()
        self._area = QRectF()
        self._at = QPointF()
        self._tags: tuple[tuple[QRectF, str], ...] = ()
        self._lines = QRectF()
        self.hide()

    def boundingRect(self) -> QRectF:
        """See Qt."""
        return self._area

    def point(self, area: QRectF, lines: QRectF, at: QPointF, value: tuple[QRectF, str], time: str) -> None:
        """Cross at `at`: lines within `lines`, the value in its box, the time below, all within `area`."""
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        self._lines, self._at = lines, at
        width = QFontMetricsF(theme.ui_font(theme.SMALL_PX)).horizontalAdvance(time) + 14
        left = min(max(lines.left(), at.x() - width / 2), lines.right() - width)
        self._tags = (value, (QRectF(left, lines.bottom() + 1, width, TAG_HEIGHT), time))
        self.show()
        self.update()

    @property
    def texts(self) -> tuple[str, ...]:
        """What stands on the axes."""
        return tuple(text for _, text in self._tags)

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem | None = None, widget: QWidget | None = None
    ) -> None:
        """See Qt."""
        colors = theme.colors()
        painter.setPen(QPen(colors.secondary, 1, Qt.DashLine))
        painter.drawLine(QLineF(self._lines.left(), self._at.y(), self._lines.right(), self._at.y()))
        painter.drawLine(QLineF(self._at.x(), self._lines.top(), self._at.x(), self._lines.bottom()))
        for box, text in self._tags:
            draw_tag(painter, box, text, colors.secondary, filled=True)


def draw_tag(painter: QPainter, box: QRectF, text: str, color: QColor, *, filled: bool) -> None:
    """A price or a time in a box, on the colour or in it."""
    colors = theme.colors()
    painter.setPen(Qt.NoPen if filled else QPen(color, 1))
    painter.setBrush(color if filled else colors.ground)
    painter.drawRect(box)
    painter.setBrush(Qt.NoBrush)
    painter.setFont(theme.ui_font(theme.SMALL_PX))
    painter.setPen(colors.ground if filled else color)
    painter.drawText(box, Qt.AlignCenter, text)
