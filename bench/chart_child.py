"""One measurement of the chart, in a process of its own; prints one line of JSON. Argument: bars."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QLineF, QRectF
from PyQt5.QtGui import QPainter, QPicture
from PyQt5.QtWidgets import QApplication, QGraphicsView, QStyleOptionGraphicsItem, QWidget

from bench.figures import percentile
from core.model import Bar
from gui import theme
from gui.chart.chart_view import ChartView
from gui.chart.series import BarSeries

SIZE = (1000, 460)
UPDATES = 300
FRAMES = 120
KEY = "BIST:ASELS"
FIRST = 1_700_000_000.0 // 60 * 60


def random_bars(count: int) -> list[Bar]:
    """A random walk in minutes, the same each time."""
    rnd = random.Random(7)
    bars, price = [], 100.0
    for number in range(count):
        path = [price]
        for _ in range(6):
            path.append(path[-1] * (1 + rnd.gauss(0, 0.0008)))
        bars.append(
            Bar(KEY, FIRST + 60 * number, price, max(path), min(path), path[-1], rnd.uniform(1e3, 1e5))
        )
        price = path[-1]
    return bars


class NaiveCandles(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """The way of pyqtgraph's own example: one QPicture of all bars, made anew at each change."""

    def __init__(self, bars: list[Bar]) -> None:
        super().__init__()
        self._bars = bars
        self._picture = QPicture()
        self.set_last(bars[-1])

    def set_last(self, bar: Bar) -> None:
        """Change the last bar."""
        self._bars[-1] = bar
        self._picture = QPicture()
        painter = QPainter(self._picture)
        painter.setPen(pg.mkPen("w"))
        for number, each in enumerate(self._bars):
            painter.drawLine(QLineF(number, each.low, number, each.high))
            painter.setBrush(pg.mkBrush("g" if each.close > each.open else "r"))
            painter.drawRect(QRectF(number - 0.35, each.open, 0.7, each.close - each.open))
        painter.end()
        self.informViewBoundsChanged()
        self.update()

    def boundingRect(self) -> QRectF:
        """See Qt."""
        return QRectF(self._picture.boundingRect())

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """See Qt."""
        painter.drawPicture(0, 0, self._picture)


def timed(app: QApplication, steps: int, step: Callable[[int], None]) -> list[float]:
    """Milliseconds of each step with the painting that it causes."""
    taken = []
    for number in range(steps):
        begun = time.perf_counter()
        step(number)
        app.processEvents()
        taken.append((time.perf_counter() - begun) * 1000.0)
    return taken


def settle(app: QApplication, view: QGraphicsView) -> None:
    """Let everything be painted, twice, so that kept pictures are there."""
    for _ in range(4):
        view.viewport().update()
        app.processEvents()
        time.sleep(0.02)


def changed(bar: Bar, number: int) -> Bar:
    """The last bar after one more tick, within its range."""
    close = bar.low + (bar.high - bar.low) * (0.5 + 0.5 * math.sin(number))
    return Bar(bar.key, bar.start, bar.open, bar.high, bar.low, close, bar.volume)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1])
    app = QApplication(sys.argv[:1])
    theme.apply_theme(app, "dark")
    bars = random_bars(count)
    last = bars[-1]
    view = ChartView()
    view.resize(*SIZE)
    view.show()
    view.set_series(BarSeries(KEY, 60, bars))
    settle(app, view)
    updates = timed(app, UPDATES, lambda n: _ignore(view.update_bar(changed(last, n))))
    panned = timed(app, FRAMES, lambda n: view.pan(-3.0 if n < FRAMES // 2 else 3.0))
    zoomed = timed(app, FRAMES, lambda n: view.zoom(1.08 if n < FRAMES // 2 else 1 / 1.08))
    for _ in range(60):
        view.zoom(1.2)
    settle(app, view)
    wide = timed(app, UPDATES, lambda n: _ignore(view.update_bar(changed(last, n))))
    view.hide()
    naive = _naive(app, bars)
    result = {
        "update_ms": float(np.median(updates)), "update_p99_ms": percentile(updates, 0.99),
        "update_wide_ms": float(np.median(wide)), "naive_ms": float(np.median(naive)),
        "pan_fps": 1000.0 / percentile(panned, 0.9), "zoom_fps": 1000.0 / percentile(zoomed, 0.9),
    }  # fmt: skip
    print(json.dumps(result), flush=True)


def _naive(app: QApplication, bars: list[Bar]) -> list[float]:
    plot = pg.PlotWidget()
    plot.resize(*SIZE)
    item = NaiveCandles(list(bars))
    plot.addItem(item)
    plot.show()
    settle(app, plot)
    taken = timed(app, 12, lambda n: item.set_last(changed(bars[-1], n)))
    plot.close()
    return taken


def _ignore(_: object) -> None:
    """A step has no result."""


if __name__ == "__main__":
    main()
