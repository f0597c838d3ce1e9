"""The chart itself: three panes, their axes, the mouse, and the last price.

It belongs to the GUI thread. A change of the last bar repaints that bar, the line of the last price and
nothing else, unless the bar leaves the scale or a new one begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg
from PyQt5.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, pyqtSignal
from PyQt5.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PyQt5.QtWidgets import QWidget

from core.model import Bar
from gui import theme
from gui.chart.axis import TimeAxis
from gui.chart.live_layer import LiveLayer
from gui.chart.overlays import TAG_HEIGHT, Crosshair, Level, PriceLine, place_apart
from gui.chart.pane import Pane, PricePane, RsiPane, VolumePane
from gui.chart.scale import bar_time
from gui.chart.series import BarSeries, Change
from gui.chart.view_state import FIRST_BARS, Marker, ViewState

WHEEL = 1.0 / 1200.0
STRETCH = {"price": 68, "volume": 12, "rsi": 15}
GAP = 1


class ChartView(pg.GraphicsLayoutWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """Shows a `BarSeries`. `pointed(bar)` tells over which bar the mouse is, -1 for none."""

    pointed = pyqtSignal(int)
    moved = pyqtSignal()
    """Another stretch of bars is in sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = ViewState()
        self.price = PricePane(self.state)
        self.volume = VolumePane(self.state)
        self.rsi = RsiPane(self.state)
        self.panes: dict[str, Pane] = {"price": self.price, "volume": self.volume, "rsi": self.rsi}
        self._wanted = {"price": True, "volume": True, "rsi": True}
        self.time_axis = TimeAxis(self.state.time_ticks)
        self._markers: tuple[Marker, ...] = ()
        self._drag: tuple[float, float] | None = None
        self._last_role = "up"
        self._axis_width = 0.0
        self._only_scene = False
        self._refitting = True  # until all parts are there
        self._arrange()
        self.last_line = PriceLine(self.price, Level(0.0, "up", ""))
        self.level_lines: list[PriceLine] = []
        self.crosshair = Crosshair()
        self.live = LiveLayer(
            self.viewport(), self.panes.values(), self.last_line, self.crosshair, self._render_scene
        )
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.StrongFocus)
        self.setMinimumHeight(160)
        self._refitting = False
        self.restyle()

    def _arrange(self) -> None:
        layout = self.ci.layout
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        for row, pane in enumerate(self.panes.values()):
            self.ci.addItem(pane.box, row, 0)
            self.ci.addItem(pane.axis, row, 1)
            pane.box.sigResized.connect(self._resized)
        self.time_axis.linkToView(self.price.box)
        self.ci.addItem(self.time_axis, len(self.panes), 0)
        self._show_panes()

    # What is shown

    @property
    def series(self) -> BarSeries | None:
        """The bars."""
        return self.state.series

    def set_series(self, series: BarSeries | None) -> None:
        """Show other bars: the newest of them, or, of the same instrument, the time that was in sight."""
        state, old = self.state, self.state.series
        same = (
            old is not None and series is not None and len(old) > 0 and len(series) > 0
            and (old.key, old.seconds) == (series.key, series.seconds)
        )  # fmt: skip
        behind = state.count - state.high
        state.series = series
        if same and series is not None and not (behind <= 1):
            state.show(len(series) - behind - (state.high - state.low), state.high - state.low)
        else:
            state.show_newest(None if same else FIRST_BARS)
        self._place_markers()
        self._show_panes()
        self.refit()

    def update_bar(self, bar: Bar) -> Change:
        """Take over a change of the last bar, the cheap way if it is no more than that."""
        state = self.state
        if state.series is None:
            return Change.IGNORED
        followed = state.follows
        change = state.series.update(bar)
        if change is Change.BEGAN and followed:
            state.show(state.low + 1, state.high - state.low)
        if change is Change.GREW and not self._leaves_scale(bar):
            self._refresh_last()
        elif change is not Change.IGNORED:
            self._place_markers()
            self.refit()
        return change

    def set_last(self, role: str, mark: str | None) -> None:
        """The last price's colour by role, and that of a last bar that is no live one."""
        self._last_role = role
        self.state.mark = mark
        self._refresh_last()

    def set_levels(self, levels: Sequence[Level]) -> None:
        """Draw these lines and no others."""
        if [line.level for line in self.level_lines] == list(levels):
            return
        for line in self.level_lines:
            line.scene().removeItem(line)
        self.level_lines = [PriceLine(self.price, level, self.ci, faint=True) for level in levels]
        self.state.levels = tuple(level.price for level in levels)
        self.refit()

    def set_markers(self, markers: Sequence[Marker]) -> None:
        """Draw these arrows and no others."""
        self._markers = tuple(markers)
        self._place_markers()
        self.refit()

    def set_shown(self, name: str, shown: bool) -> None:
        """Show or hide "ema", or the pane "volume" or "rsi"."""
        if name == "ema":
            self.state.ema = shown
            self.state.touched += 1
        else:
            self._wanted[name] = shown
            self._show_panes()
        self.refit()

    def markers_at(self, bar: int) -> list[Marker]:
        """The arrows of one bar."""
        return self.state.markers.get(bar, [])

    # Moving

    def pan(self, bars: float) -> None:
        """Move by so many bars, to the future if positive."""
        self.state.show(self.state.low + bars, self.state.high - self.state.low)
        self.refit()

    def zoom(self, factor: float, around: float | None = None) -> None:
        """Show `factor` as many bars; without `around` the newest bar in sight stays where it is."""
        right = min(self.state.high, self.state.count - 1.0)
        self.state.zoom(factor, right if around is None else around)
        self.refit()

    def go_to_start(self) -> None:
        """Show the oldest bars."""
        self.state.show(-1.0, self.state.high - self.state.low)
        self.refit()

    def go_to_end(self) -> None:
        """Show the newest bars."""
        self.state.show_newest()
        self.refit()

    def refit(self) -> None:
        """Scale the panes to what is in sight and have all of it painted."""
        if self._refitting:
            return
        self._refitting = True
        for pane in self.panes.values():
            pane.measure()
        self.state.width = max(1.0, self.price.rect().width())
        for pane in self.panes.values():
            if pane.box.isVisible():
                pane.fit()
        if self._set_axis_width():
            self._refitting = False
            self.refit()  # there is another width for the bars now
            return
        for pane in self.panes.values():
            if pane.box.isVisible():
                pane.closed.update()
                pane.axis.repaint()
        self.time_axis.repaint()
        self.live.forget()
        self._refresh_last()
        self._refitting = False
        self.moved.emit()

    # Inside

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        if self._only_scene:
            super().paintEvent(event)
        elif not self.live.paint(event):
            super().paintEvent(event)
            painter = QPainter(self.viewport())
            painter.setClipRegion(event.region())
            self.live.draw(painter)
            painter.end()

    def _render_scene(self, picture: QPixmap) -> None:
        """Not by `QGraphicsView.render`, which scales by a hair and blurs."""
        self._only_scene = True
        self.viewport().render(picture, QPoint(), QRegion(), QWidget.IgnoreMask)
        self._only_scene = False

    def _leaves_scale(self, bar: Bar) -> bool:
        """Whether the bar is in sight but not within the scales."""
        state = self.state
        if state.high < state.count - 1 or state.low > state.count:
            return False
        out = bar.high > self.price.top or bar.low < self.price.bottom
        return out or (bar.volume is not None and self._wanted["volume"] and bar.volume > self.volume.top)

    def _refresh_last(self) -> None:
        state = self.state
        if state.series is None or not state.count:
            for line in (self.last_line, *self.level_lines):
                line.hide()
            self.live.forget()
            return
        self.last_line.set_level(Level(state.series.value("close", -1), self._last_role, ""))
        if place_apart(self.last_line, self.level_lines):
            self.live.forget()
        self.live.refresh()

    def _place_markers(self) -> None:
        placed: dict[int, list[Marker]] = {}
        series = self.state.series
        if series is not None and len(series):
            for marker in self._markers:
                bar = series.index_at(marker.stamp)
                if bar >= 0:
                    placed.setdefault(bar, []).append(marker)
        if placed != self.state.markers:
            self.state.markers = placed
            self.state.touched += 1

    def _show_panes(self) -> None:
        series = self.state.series
        has_volume = series is None or not len(series) or series.has_volume()
        layout = self.ci.layout
        for row, (name, pane) in enumerate(self.panes.items()):
            shown = self._wanted[name] and (name != "volume" or has_volume)
            pane.box.setVisible(shown)
            pane.axis.setVisible(shown)
            layout.setRowStretchFactor(row, STRETCH[name] if shown else 0)
            layout.setRowMinimumHeight(row, 34 if shown else 0)
            layout.setRowMaximumHeight(row, 16_777_215.0 if shown else 0.0)
        layout.activate()

    def _set_axis_width(self) -> bool:
        """Make room for the longest price; True if that changed the layout."""
        prices = [self.price.top, self.price.bottom, *self.state.levels]
        texts = [self.price.label(price) for price in prices]
        width = max(self.price.axis.width_for(max(texts, key=len)), 48.0)
        if self._axis_width == width:
            return False
        self._axis_width = width
        for pane in self.panes.values():
            pane.axis.setWidth(width)
        self.ci.layout.activate()
        return True

    def _resized(self, *_: object) -> None:
        for pane in self.panes.values():
            pane.closed.relaid()
        self.refit()

    # Language and theme

    def restyle(self) -> None:
        """Take the theme's colours and the language's words."""
        self.setBackground(theme.colors().ground)
        for pane in self.panes.values():
            pane.axis.restyle()
            pane.axis.repaint()
            pane.closed.forget()
        self.time_axis.restyle()
        self.time_axis.repaint()
        self.state.touched += 1
        self.refit()

    # The mouse

    def pane_at(self, position: QPointF) -> Pane | None:
        """The pane at a place in the view."""
        for pane in self.panes.values():
            if pane.box.isVisible() and pane.box.sceneBoundingRect().contains(position):
                return pane
        return None

    def bar_at(self, x: float) -> float:
        """The bar, with its fraction, at a place in the view."""
        return self.state.low + (x - self.price.place.left()) / self.state.spacing

    def point_at(self, position: QPointF) -> None:
        """Put the crosshair on the bar nearest to `position`."""
        pane, series = self.pane_at(position), self.state.series
        if pane is None or series is None or not len(series):
            self._unpoint()
            return
        bar = min(max(0, math.floor(self.bar_at(position.x()) + 0.5)), len(series) - 1)
        box = pane.box.sceneBoundingRect()
        lines = QRectF(box)
        for other in self.panes.values():
            if other.box.isVisible():
                lines = lines.united(other.box.sceneBoundingRect())
        x = box.left() + math.floor((bar - self.state.low) * self.state.spacing)
        axis = pane.axis.sceneBoundingRect()
        value_box = QRectF(axis.left() + 1, position.y() - TAG_HEIGHT / 2, axis.width() - 2, TAG_HEIGHT)
        text = pane.label(pane.value_at(position.y() - box.top()))
        at = QPointF(min(max(x, lines.left()), lines.right()), position.y())
        self.crosshair.point(self.sceneRect(), lines, at, (value_box, text), bar_time(series, bar))
        self.live.repaint()
        self.pointed.emit(bar)

    def _unpoint(self) -> None:
        if self.crosshair.isVisible():
            self.crosshair.hide()
            self.live.repaint()
            self.pointed.emit(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the chart."""
        self.setFocus(Qt.MouseFocusReason)
        if event.button() == Qt.LeftButton:
            self._drag = (event.localPos().x(), self.state.low)
            self.viewport().setCursor(Qt.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the chart, or point at a bar."""
        if self._drag is not None and event.buttons() & Qt.LeftButton:
            start, low = self._drag
            moved = (start - event.localPos().x()) / self.state.spacing
            self.state.show(low + moved, self.state.high - self.state.low)
            self.refit()
        self.point_at(event.localPos())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go of the chart."""
        self._drag = None
        self.viewport().unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go back to the newest bars."""
        self.state.show_newest(FIRST_BARS)
        self.refit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the mouse; sideways, or with Shift, move."""
        delta = event.angleDelta()
        bars = self.state.high - self.state.low
        if abs(delta.x()) > abs(delta.y()) or event.modifiers() & Qt.ShiftModifier:
            self.pan(-(delta.x() or delta.y()) * WHEEL * bars)
        else:
            self.zoom(math.exp(-delta.y() * WHEEL), self.bar_at(event.position().x()))
        self.point_at(event.position())
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """The mouse is gone."""
        self._unpoint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave the keys to the panel."""
        event.ignore()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """See Qt."""
        super().resizeEvent(event)
        if hasattr(self, "crosshair"):  # pyqtgraph calls this while it is being made
            self.refit()
