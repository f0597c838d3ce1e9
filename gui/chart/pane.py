"""The panes of a chart: price, volume and RSI, one above the other over the same bars."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QPainter, QPen

from core.i18n import format_number, tr
from core.price_rules import decimals_of
from gui import theme
from gui.chart.axis import PRICE_ROOM, ValueAxis
from gui.chart.candles import (
    ARROW,
    ClosedItem,
    draw_arrow,
    draw_candles,
    draw_line,
    draw_volume,
)
from gui.chart.groups import Groups, take
from gui.chart.live import LiveBar, draw_candle, draw_stretch, draw_volume_bar
from gui.chart.scale import price_ticks
from gui.chart.series import RSI_PERIOD, Column
from gui.chart.view_state import Marker, ViewState

PAD = 0.08
TOP_ROOM = 26.0
"""Pixels at the top of the price pane that the readout needs."""
RSI_BANDS = (30.0, 70.0)


class Pane:
    """A box of pixels with a scale of values; `box` and `axis` go into the layout."""

    caption = ""

    def __init__(self, state: ViewState) -> None:
        self.state = state
        self.bottom, self.top = 0.0, 1.0
        self._rect = self.place = self.axis_place = QRectF()
        self.snap = QPointF()
        """From the pane's corner in the scene to the nearest whole pixel, where it is painted."""
        self.box = pg.ViewBox(enableMenu=False, defaultPadding=0)
        self.box.setMouseEnabled(False, False)
        self.axis = ValueAxis(self.ticks, self.label)
        self.axis.linkToView(self.box)
        self.closed = ClosedItem(self)
        self.closed.setParentItem(self.box)

    # Geometry

    def rect(self) -> QRectF:
        """The pane in its own pixels."""
        return self._rect

    def measure(self) -> None:
        """Note where the layout has put the pane; `place` and `axis_place` are in the scene's pixels."""
        size = self.box.rect()
        self._rect = QRectF(0.0, 0.0, math.floor(size.width()), math.floor(size.height()))
        self.place, self.axis_place = self.box.sceneBoundingRect(), self.axis.sceneBoundingRect()
        corner = self.place.topLeft()
        self.snap = QPointF(round(corner.x()), round(corner.y())) - corner

    def x_of(self, bars: Column) -> Column:
        """Pixels from the left of the middles of `bars`."""
        return (bars - self.state.low) * self.state.spacing

    def y_of(self, values: Column) -> Column:
        """Pixels from the top of `values`; of one number, too."""
        return (self.top - values) / (self.top - self.bottom) * self.rect().height()

    def value_at(self, y: float) -> float:
        """The value at a height in pixels."""
        return self.top - y / max(1.0, self.rect().height()) * (self.top - self.bottom)

    def fit(self) -> bool:
        """Scale to what is in sight; True if the scale changed."""
        limits = self.limits()
        if limits != (self.bottom, self.top):
            self.bottom, self.top = limits
            self.box.setRange(
                xRange=(self.state.low, self.state.high), yRange=limits, padding=0, disableAutoRange=True
            )
            return True
        self.box.setRange(xRange=(self.state.low, self.state.high), padding=0, disableAutoRange=True)
        return False

    def view_key(self) -> object:
        """Equal as long as the closed bars look the same."""
        state, rect = self.state, self.rect()
        version = (id(state.series), state.series.version) if state.series is not None else (0, 0)
        return (
            *version, state.low, state.high, self.bottom, self.top, rect.width(), rect.height(),
            state.touched, theme.colors().name,
        )  # fmt: skip

    # What a kind of pane says

    def limits(self) -> tuple[float, float]:
        """The lowest and the highest value in sight, with some air."""
        raise NotImplementedError

    def ticks(self, low: float, high: float, room: float) -> list[float]:
        """The values that are labelled."""
        raise NotImplementedError

    def label(self, value: float) -> str:
        """A value on the axis."""
        raise NotImplementedError

    def draw(self, painter: QPainter, groups: Groups) -> None:
        """Paint closed bars."""
        raise NotImplementedError

    def draw_live(self, painter: QPainter, bar: LiveBar) -> None:
        """Paint the last bar."""
        raise NotImplementedError

    # Painting

    def groups(self) -> Groups:
        """All groups in sight."""
        assert self.state.series is not None
        return take(self.state.series, self.state.low - 1, self.state.high + 1, self.state.size)

    def paint_closed(self, painter: QPainter) -> None:
        """The grid and every bar but the last."""
        self._draw_grid(painter)
        if not self.state.count:
            return
        groups = self.groups()
        newest = (self.state.count - 1) // self.state.size * self.state.size
        if len(groups.x) and groups.x[-1] >= newest:
            groups = groups.part(None, -1)
        if len(groups.x):
            self.draw(painter, groups)

    def paint_live(self, painter: QPainter) -> None:
        """The last bar."""
        if self.state.count:
            self.draw_live(painter, self.state.live_bar())

    def live_span(self) -> tuple[float, float]:
        """The pixels from left to right that the last bar with its lines and arrows may touch."""
        bar = self.state.live_bar()
        half = max(self.state.spacing * bar.size / 2, ARROW) + 3
        left = self.x_of(bar.x if bar.before is None else bar.before)
        return min(left - 2, self.x_of(bar.x) - half), self.x_of(bar.x) + half

    def _stretch(self, painter: QPainter, bar: LiveBar, before: float, value: float, color: QColor) -> None:
        """The end of a line from the candle before to the last one."""
        begin = None if bar.before is None else self.x_of(bar.before)
        draw_stretch(painter, begin, self.y_of(before), self.x_of(bar.x), self.y_of(value), color)

    def _draw_grid(self, painter: QPainter) -> None:
        rect = self.rect()
        colors = theme.colors()
        painter.setPen(QPen(colors.line.mixed(colors.ground, 0.35), 1))
        values = np.array(self.ticks(self.bottom, self.top, rect.height() / PRICE_ROOM))
        lines = [QLineF(0, y, rect.width(), y) for y in self.y_of(values).round().tolist()]
        bars = np.array([bar for bar, _ in self.state.time_ticks()], float)
        lines += [QLineF(x, 0, x, rect.height()) for x in np.floor(self.x_of(bars)).tolist()]
        painter.drawLines(lines)

    def draw_caption(self, painter: QPainter) -> None:
        """The pane's name in its corner."""
        painter.setFont(QFont(theme.ui_font(theme.SMALL_PX)))
        painter.setPen(theme.colors().secondary)
        painter.drawText(self.rect().adjusted(8, 3, 0, 0), int(Qt.AlignLeft | Qt.AlignTop), self.caption)


class PricePane(Pane):
    """Candles, EMA and arrows."""

    def limits(self) -> tuple[float, float]:
        """See `Pane`."""
        if not self.state.count:
            return 0.0, 1.0
        groups = self.groups()
        if not len(groups.x):
            return self.bottom, self.top
        low, high = float(groups.low.min()), float(groups.high.max())
        if self.state.ema and np.isfinite(groups.ema).any():
            low, high = min(low, float(np.nanmin(groups.ema))), max(high, float(np.nanmax(groups.ema)))
        span = max(high - low, abs(high) * 1e-4, 1e-8)
        near = [value for value in self.state.levels if low - span / 2 <= value <= high + span / 2]
        low, high = min([low, *near]), max([high, *near])
        span = max(high - low, span)
        room = max(1.0, self.rect().height())
        top_pad = max(PAD, min(0.3, TOP_ROOM / room))
        scale = span / (1.0 - PAD - top_pad)
        return low - scale * PAD, high + scale * top_pad

    def decimals(self) -> int:
        """How many the instrument's prices have."""
        series = self.state.series
        return 2 if series is None or not len(series) else decimals_of(series.key, series.value("close", -1))

    def ticks(self, low: float, high: float, room: float) -> list[float]:
        """See `Pane`."""
        return price_ticks(low, high, room, self.decimals()) if self.state.count else []

    def label(self, value: float) -> str:
        """See `Pane`."""
        return format_number(value, self.decimals())

    def draw(self, painter: QPainter, groups: Groups) -> None:
        """See `Pane`."""
        x = self.x_of(groups.x)
        draw_candles(painter, groups, x, self.y_of, self.state.spacing * groups.size)
        if self.state.ema:
            draw_line(painter, groups.ema, x, self.y_of, theme.colors().warning)
        if self.state.markers:
            low, high = self.y_of(groups.low).tolist(), self.y_of(groups.high).tolist()
            self._draw_markers(painter, groups.size, groups.x.tolist(), low, high)

    def draw_live(self, painter: QPainter, bar: LiveBar) -> None:
        """See `Pane`."""
        state, colors = self.state, theme.colors()
        heights = (self.y_of(bar.open), self.y_of(bar.high), self.y_of(bar.low), self.y_of(bar.close))
        own = colors.up if bar.close >= bar.open else colors.down
        color = own if state.mark is None else getattr(colors, state.mark)
        hollow = state.mark is not None
        draw_candle(painter, self.x_of(bar.x), heights, state.spacing * bar.size, color, hollow=hollow)
        if state.ema:
            self._stretch(painter, bar, bar.ema_before, bar.ema, colors.warning)
        if state.markers:
            self._draw_markers(painter, bar.size, [bar.x], [heights[2]], [heights[1]])

    def _draw_markers(
        self, painter: QPainter, size: int, bars: list[float], low: list[float], high: list[float]
    ) -> None:
        """Arrows under (bought) and over (sold) the bars; the latest of each kind and side per candle."""
        places = {int(bar) // size: number for number, bar in enumerate(bars)}
        found: dict[tuple[int, bool, bool], Marker] = {}
        for bar, markers in self.state.markers.items():
            number = places.get(bar // size)
            if number is not None:
                found.update(((number, marker.buys, marker.trade), marker) for marker in markers)
        colors = theme.colors()
        for number, buys, trade in found:
            beside = 10.0 if not trade and (number, buys, True) in found else 0.0
            tip = low[number] + 4 + beside if buys else high[number] - 4 - beside
            color = colors.up if buys else colors.down
            draw_arrow(painter, self.x_of(bars[number]), tip, up=buys, color=color, filled=trade)


class VolumePane(Pane):
    """How much was traded in each bar."""

    def limits(self) -> tuple[float, float]:
        """See `Pane`."""
        volume = self.groups().volume if self.state.count else np.empty(0)
        known = volume[np.isfinite(volume)]
        return 0.0, (float(known.max()) or 1.0) * 1.25 if len(known) else 1.0

    def ticks(self, low: float, high: float, room: float) -> list[float]:
        """See `Pane`."""
        return [value for value in price_ticks(low, high, max(1.0, min(room, 2.0)), 0) if value > 0]

    def label(self, value: float) -> str:
        """See `Pane`."""
        return short_number(value)

    def draw(self, painter: QPainter, groups: Groups) -> None:
        """See `Pane`."""
        width = self.state.spacing * groups.size
        draw_volume(painter, groups, self.x_of(groups.x), self.y_of, width, self.rect().height())
        self.draw_caption(painter)

    def draw_live(self, painter: QPainter, bar: LiveBar) -> None:
        """See `Pane`."""
        width, floor = self.state.spacing * bar.size, self.rect().height()
        rising = bar.close >= bar.open
        draw_volume_bar(painter, self.x_of(bar.x), self.y_of(bar.volume), width, floor, rising=rising)


class RsiPane(Pane):
    """Wilder's relative strength index with its bands."""

    caption = f"RSI {RSI_PERIOD}"

    def limits(self) -> tuple[float, float]:
        """See `Pane`."""
        return 0.0, 100.0

    def ticks(self, low: float, high: float, room: float) -> list[float]:
        """See `Pane`."""
        return [RSI_BANDS[0], 50.0, RSI_BANDS[1]] if room >= 3.0 else list(RSI_BANDS)

    def label(self, value: float) -> str:
        """See `Pane`."""
        return f"{value:.0f}"

    def draw(self, painter: QPainter, groups: Groups) -> None:
        """See `Pane`."""
        top, bottom = (self.y_of(band) for band in reversed(RSI_BANDS))
        band = theme.colors().simulated.with_alpha(20)
        painter.fillRect(QRectF(0, top, self.rect().width(), bottom - top), band)
        self.draw_caption(painter)
        draw_line(painter, groups.rsi, self.x_of(groups.x), self.y_of, theme.colors().accent_text)

    def draw_live(self, painter: QPainter, bar: LiveBar) -> None:
        """See `Pane`."""
        self._stretch(painter, bar, bar.rsi_before, bar.rsi, theme.colors().accent_text)


def short_number(value: float) -> str:
    """1,234,567 as "1.23M", in the language's format."""
    for limit, unit in zip((1e9, 1e6, 1e3), tr("chart.units").split(), strict=True):
        if abs(value) >= limit:
            scaled = value / limit
            return format_number(scaled, 0 if scaled >= 100 else 1 if scaled >= 10 else 2) + unit
    return format_number(value, 0)
