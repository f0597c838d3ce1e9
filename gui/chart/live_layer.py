"""What changes all the time in the chart - the last bar, the line of the last price, the crosshair - over a
picture of all the rest.

Painting a scene costs ten times as much as copying a rectangle, so the scene is painted only after it has
changed. The first tick after that takes a picture of it, and what follows copies from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QPainter, QPaintEvent, QPixmap, QRegion
from PyQt5.QtWidgets import QWidget

from gui.chart.overlays import Crosshair, PriceLine
from gui.chart.pane import Pane


class LiveLayer:
    """Belongs to a view; `render(picture)` paints the view's scene without the live part."""

    def __init__(
        self, viewport: QWidget, panes: Iterable[Pane], line: PriceLine, crosshair: Crosshair,
        render: Callable[[QPixmap], None],
    ) -> None:  # fmt: skip
        self._viewport = viewport
        self._panes = tuple(panes)
        self._line = line
        self._crosshair = crosshair
        self._render = render
        self._picture: QPixmap | None = None
        self._stale = True
        """The scene has changed and was not painted since."""
        self._placed = QRegion()

    @property
    def has_picture(self) -> bool:
        """Whether the next tick is a copy."""
        return self._picture is not None

    def forget(self) -> None:
        """The scene has changed."""
        self._picture, self._stale = None, True
        self._viewport.update()

    def refresh(self) -> None:
        """The last bar or its price changed: paint where they were and where they are."""
        if self._picture is None and not self._stale:
            self._picture = self._take_picture()
        before, self._placed = self._placed, self._region()
        self._viewport.update(before.united(self._placed))

    def repaint(self) -> None:
        """The crosshair has moved: paint all, but not the scene."""
        self._viewport.update()

    def paint(self, event: QPaintEvent) -> bool:
        """Copy from the picture and paint the live part; False if the scene has to be painted first."""
        picture = self._picture
        if picture is None or picture.devicePixelRatio() != self._viewport.devicePixelRatioF():
            self._picture, self._stale = None, False
            return False
        painter = QPainter(self._viewport)
        ratio = picture.devicePixelRatio()
        for rect in event.region().rects():
            source = QRectF(rect.x() * ratio, rect.y() * ratio, rect.width() * ratio, rect.height() * ratio)
            painter.drawPixmap(QRectF(rect), picture, source)
        painter.setClipRegion(event.region())
        self.draw(painter)
        painter.end()
        return True

    def draw(self, painter: QPainter) -> None:
        """Paint the live part over the scene."""
        for pane in self._panes:
            if pane.box.isVisible():
                painter.save()
                painter.translate(pane.place.topLeft() + pane.snap)
                painter.setClipRect(pane.rect(), Qt.IntersectClip)
                pane.paint_live(painter)
                painter.restore()
        for overlay in (self._line, self._crosshair):
            if overlay.isVisible():
                overlay.paint(painter)

    def _region(self) -> QRegion:
        """A strip through all panes where the last bar is, and the line of its price."""
        pane = self._panes[0]
        if not pane.state.count:
            return QRegion()
        left, right = (edge + pane.place.left() for edge in pane.live_span())
        region = _aligned(QRectF(left, 0.0, right - left, self._viewport.height()))
        if self._line.isVisible():
            for rect in self._line.rects():
                region = region.united(_aligned(rect))
        return region

    def _take_picture(self) -> QPixmap:
        ratio = self._viewport.devicePixelRatioF()
        size = self._viewport.size() * ratio
        picture = QPixmap(math.ceil(size.width()), math.ceil(size.height()))
        picture.setDevicePixelRatio(ratio)
        self._render(picture)
        return picture


def _aligned(rect: QRectF) -> QRegion:
    return QRegion(rect.toAlignedRect())
