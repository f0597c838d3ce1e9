"""The course of the bots' equity over their finished trades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtGui import QPen, QShowEvent
from PyQt5.QtWidgets import QLabel, QVBoxLayout, QWidget

from core.i18n import tr
from gui import theme

HEIGHT = 120
Curve = Sequence[tuple[float, float]]


class EquityCurve(QWidget):
    """A step line of (Unix time, equity) points. pyqtgraph is loaded when it is first seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: Curve = ()
        self._currency = ""
        self._plot: Any = None
        self._line: Any = None
        self.title = QLabel(self)
        self.title.setProperty("role", "secondary")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 4, 8, 4)
        self._column.setSpacing(2)
        self._column.addWidget(self.title)
        self._column.addStretch(1)
        self.setMinimumHeight(HEIGHT)
        theme.theme_signals().changed.connect(self._restyle)
        self.retranslate()

    def set_curve(self, curve: Curve, currency: str) -> None:
        """Show another course, in `currency`."""
        self._curve = curve
        self._currency = currency
        self.retranslate()
        if self.isVisible():
            self._draw()

    def retranslate(self) -> None:
        """Speak the language in use."""
        shown = len(self._curve) > 1
        text = tr("bot_trades.equity", currency=self._currency) if shown else tr("bot_trades.equity_none")
        self.title.setText(text)
        self.setAccessibleName(tr("bot_trades.equity_name"))

    def _make(self) -> None:
        import pyqtgraph as pg

        plot = pg.PlotWidget(self, axisItems={"bottom": pg.DateAxisItem()})
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=True, y=False)
        plot.setFocusPolicy(Qt.NoFocus)
        self._line = plot.plot([], [])
        self._plot = plot
        self._column.insertWidget(1, plot, 10)
        self._restyle()

    def _draw(self) -> None:
        if self._plot is None:
            self._make()
        shown = len(self._curve) > 1
        self._plot.setVisible(shown)
        if shown:
            times, values = zip(*self._curve, strict=True)
            # Between two trades the equity stands still: a step, not a slope.
            steps = [point for pair in pairwise(times) for point in pair]
            levels = [value for value in values[:-1] for _ in (0, 1)]
            self._line.setData([*steps, times[-1]], [*levels, values[-1]])

    def _restyle(self) -> None:
        if self._plot is None:
            return
        colors = theme.colors()
        self._plot.setBackground(colors.ground)
        for name in ("left", "bottom"):
            axis = self._plot.getAxis(name)
            axis.setPen(QPen(colors.line))
            axis.setTextPen(QPen(colors.secondary))
            axis.setStyle(tickFont=theme.ui_font(theme.SMALL_PX))
        self._line.setPen(QPen(colors.accent_text, 0))

    def showEvent(self, event: QShowEvent) -> None:
        """See Qt."""
        super().showEvent(event)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
