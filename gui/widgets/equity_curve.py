"""The course of the bots' equity over their finished trades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PyQt5.QtCore import QEvent, QPointF, QRectF
from PyQt5.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt5.QtWidgets import QWidget

from core.i18n import format_number, tr
from gui import theme
from gui.models.cells import date_text, local_time

HEIGHT = 110
PAD = 8
Curve = Sequence[tuple[float, float]]


class EquityCurve(QWidget):
    """A step line of (Unix time, equity) points, with the highest and the lowest equity beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: Curve = ()
        self._currency = ""
        self._exchange = "BIST"
        self.setMinimumHeight(HEIGHT)
        theme.theme_signals().changed.connect(self.update)
        self.retranslate()

    @property
    def curve(self) -> Curve:
        """What is shown."""
        return self._curve

    def set_curve(self, curve: Curve, currency: str, exchange: str = "BIST") -> None:
        """Show another course, in `currency`; its days are those of `exchange`."""
        self._curve, self._currency, self._exchange = curve, currency, exchange
        self.retranslate()

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.setAccessibleName(tr("bot_trades.equity_name"))
        self.setAccessibleDescription(self._title())
        self.update()

    def _title(self) -> str:
        if len(self._curve) < 2:
            return tr("bot_trades.equity_none")
        return tr("bot_trades.equity", currency=self._currency)

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        painter, colors = QPainter(self), theme.colors()
        painter.fillRect(event.rect(), colors.ground)
        font = theme.ui_font(theme.SMALL_PX)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        painter.setPen(colors.secondary)
        line = metrics.height()
        painter.drawText(QPointF(PAD, PAD + metrics.ascent()), self._title())
        if len(self._curve) < 2:
            return
        values = [value for _, value in self._curve]
        texts = [format_number(value, 0) for value in (max(values), min(values))]
        left = PAD * 2 + max(map(metrics.horizontalAdvance, texts))
        box = QRectF(left, PAD + line + 6, self.width() - left - PAD, self.height() - 2 * line - 2 * PAD - 8)
        for text, y in zip(texts, (box.top(), box.bottom()), strict=True):
            painter.drawText(QPointF(PAD, y + metrics.ascent() / 2 - 1), text)
        self._paint_dates(painter, box, metrics)
        painter.setPen(QPen(colors.line))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(QPen(colors.accent_text, 1.4))
        painter.drawPolyline(self._steps(box))

    def _paint_dates(self, painter: QPainter, box: QRectF, metrics: QFontMetricsF) -> None:
        first, last = (
            date_text(local_time(stamp, self._exchange)) for stamp in (self._curve[0][0], self._curve[-1][0])
        )
        y = box.bottom() + metrics.height() + 1
        painter.drawText(QPointF(box.left(), y), first)
        painter.drawText(QPointF(box.right() - metrics.horizontalAdvance(last), y), last)

    def _steps(self, box: QRectF) -> QPolygonF:
        """The line: between two trades the equity stands still, so it is made of steps, not of slopes.

        Of the trades that fall on one column of pixels only the first, the extremes and the last count.
        """
        times = [stamp for stamp, _ in self._curve]
        values = [value for _, value in self._curve]
        span, low = (times[-1] - times[0]) or 1.0, min(values)
        across, up = box.width() / span, box.height() / ((max(values) - low) or 1.0)
        points = QPolygonF()
        before = values[0]
        for x, column in groupby(self._curve, key=lambda point: round((point[0] - times[0]) * across)):
            inside = [value for _, value in column]
            for value in dict.fromkeys((before, inside[0], min(inside), max(inside), inside[-1])):
                points.append(QPointF(box.left() + x, box.bottom() - (value - low) * up))
            before = inside[-1]
            points.append(QPointF(box.left() + x, box.bottom() - (before - low) * up))
        return points

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
