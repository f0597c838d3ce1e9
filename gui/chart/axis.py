"""The axes: prices in the instrument's decimals, times on the exchange's clock with the gaps left out."""

from __future__ import annotations

from collections.abc import Callable

import pyqtgraph as pg
from PyQt5.QtGui import QFontMetricsF

from gui import theme

PRICE_ROOM = 28.0
"""Pixels of height per label of a price."""
HEIGHT = 22
TEXT_GAP = 6
EDGE = 9.0
"""No price is labelled closer to the pane's edge than this, where it would be cut."""


class _Axis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    def __init__(self, orientation: str) -> None:
        super().__init__(orientation, maxTickLength=0)
        self.setStyle(tickLength=0, hideOverlappingLabels=True, autoExpandTextSpace=False)
        self.enableAutoSIPrefix(False)
        self.setZValue(1)
        self.restyle()

    def restyle(self) -> None:
        """Take the theme's colours and font."""
        self.setTickFont(theme.ui_font(theme.SMALL_PX))
        self.setTextPen(theme.colors().secondary)
        self.setPen(theme.colors().line)

    def repaint(self) -> None:
        """Have the labels made anew."""
        self.picture = None
        self.update()


class ValueAxis(_Axis):
    """Prices, volumes or percentages on the right. `ticks` and `label` tell where and how."""

    def __init__(
        self, ticks: Callable[[float, float, float], list[float]], label: Callable[[float], str]
    ) -> None:
        self._ticks, self._label = ticks, label
        super().__init__("right")
        self.setStyle(tickTextOffset=TEXT_GAP)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """See pyqtgraph."""
        per_pixel = (high - low) / max(size, 1.0)
        edge = EDGE * per_pixel
        values = self._ticks(low, high, size / PRICE_ROOM)
        return [(1.0, [value for value in values if low + edge <= value <= high - edge])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """See pyqtgraph."""
        return [self._label(value) for value in values]

    def width_for(self, text: str) -> float:
        """The width at which `text` fits."""
        return QFontMetricsF(theme.ui_font(theme.SMALL_PX)).horizontalAdvance(text) + 2 * TEXT_GAP + 4


class TimeAxis(_Axis):
    """Times below. `ticks` gives (bar, label) of what is in sight."""

    def __init__(self, ticks: Callable[[], list[tuple[int, str]]]) -> None:
        self._ticks = ticks
        self._labels: dict[float, str] = {}
        super().__init__("bottom")
        self.setHeight(HEIGHT)
        self.setStyle(tickTextOffset=4)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """See pyqtgraph."""
        self._labels = {float(bar): text for bar, text in self._ticks()}
        return [(1.0, list(self._labels))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """See pyqtgraph."""
        return [self._labels[value] for value in values]
