"""One chart with its header: it asks for bars, shows them live, and says what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QEvent, QPoint, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QFontMetrics, QHideEvent, QKeyEvent, QPainter, QPixmap, QResizeEvent, QShowEvent
from PyQt5.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget

from core.clock import Clock
from core.commands import BarsLoaded, BarUpdated
from core.i18n import tr
from core.model import ClosedTrade, Instrument, Position, Signal
from gui import theme
from gui.chart.annotations import (
    BotTraces,
    bot_levels,
    bot_markers,
    position_levels,
    position_markers,
    signal_markers,
    trade_markers,
)
from gui.chart.chart_header import FRAMES, ChartHeader
from gui.chart.chart_view import ChartView
from gui.chart.overlays import Level
from gui.chart.readout import as_html, as_text, bar_parts
from gui.chart.scale import bar_time
from gui.chart.series import BarSeries
from gui.formatting import arrow_of, change_text, direction, price_text
from gui.models.tick_model import TickModel
from gui.models.tick_row import RowState, TickRow
from gui.models.tick_text import state_text
from gui.widgets.freshness_badge import ROLES
from gui.widgets.panel_tools import tell

READOUT_MS = 100
PATIENCE_MS = 20_000
"""For so long an empty chart says that it is loading; then, that there is nothing yet."""
FIRST_FRAME = 300
GOOD = frozenset((RowState.LIVE, RowState.DELAYED, RowState.CLOSED))
"""States in which the last bar may look like a real one of its time."""
_DIRECTION_ROLES = {1: "up", 0: "secondary", -1: "down"}


class ChartPanel(QWidget):
    """The chart of one instrument; `prices` knows what its last price is worth.

    `watch_wanted(key, seconds)` and `unwatch_wanted(key, seconds)` say which bars are looked at; the answers
    come in by `set_bars` and `update_bar`. `close_wanted` is Esc or the button.
    """

    watch_wanted = pyqtSignal(str, int)
    unwatch_wanted = pyqtSignal(str, int)
    close_wanted = pyqtSignal()

    def __init__(self, prices: TickModel, clock: Clock, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._prices, self._clock = prices, clock
        self.key = ""
        self.seconds = FIRST_FRAME
        self._positions: Sequence[Position] = ()
        self._trades: Sequence[ClosedTrade] = ()
        self._signals: list[Signal] = []
        self._bots = BotTraces()
        self._pointed = -1
        self._switched = {"ema": True, "rsi": True, "volume": True}
        self._state = RowState.EMPTY
        self.header = ChartHeader(self)
        self.view = ChartView(self)
        self.readout = QLabel(self.view)
        self.message = QLabel(self.view)
        self.band = QLabel(self)
        self._lay_out()
        self._patience = self._timer(PATIENCE_MS, self._say_message, once=True)
        self._readout_due = self._timer(READOUT_MS, self._show_readout, once=True)
        self._second = self._timer(1000, self.refresh_price)
        self._connect()

    def _lay_out(self) -> None:
        self.readout.setTextFormat(Qt.RichText)
        self.readout.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.readout.move(8, 4)
        self.readout.setFont(theme.ui_font(theme.SMALL_PX))
        self.message.setAlignment(Qt.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setProperty("role", "note")
        self.message.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.band.setProperty("role", "simulated")
        self.band.setAlignment(Qt.AlignCenter)
        self.band.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.header, self.band):
            column.addWidget(widget)
        column.addWidget(self.view, 1)
        self.setFocusProxy(self.view)

    def _connect(self) -> None:
        self.header.frame_chosen.connect(self.set_frame)
        self.header.switched.connect(self._switch)
        self.header.export_clicked.connect(self.export)
        self.header.close_clicked.connect(self.close_wanted)
        self.view.pointed.connect(self._on_pointed)
        theme.theme_signals().changed.connect(self._rethemed)

    def _timer(self, milliseconds: int, call: Callable[[], None], *, once: bool = False) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(milliseconds)
        timer.setSingleShot(once)
        timer.timeout.connect(call)
        return timer

    # What is shown

    def show_symbol(self, key: str) -> None:
        """Show the instrument `key`."""
        if key != self.key:
            self._turn_to(key, self.seconds)

    def set_frame(self, seconds: int) -> None:
        """Show bars of `seconds`, one of `FRAMES`."""
        if seconds != self.seconds and self.key:
            self._turn_to(self.key, seconds)
        self.seconds = seconds

    def view_state(self) -> dict[str, Any]:
        """The instrument, the time frame and what is switched off, as plain JSON values."""
        off = [name for name, on in self._switched.items() if not on]
        return {"key": self.key, "frame": self.seconds, "off": off}

    def restore_view_state(self, state: dict[str, Any]) -> None:
        """Take over the time frame and the switches of a `view_state`; nonsense is passed over."""
        frame, off = state.get("frame"), state.get("off")
        if isinstance(frame, int) and frame in FRAMES:
            self.set_frame(frame)
        for name, button in self.header.switches.items():
            button.setChecked(not (isinstance(off, list) and name in off))

    def watch(self) -> None:
        """Ask for the bars, for the first time or again, because the engine was started anew."""
        if self.key:
            self.watch_wanted.emit(self.key, self.seconds)

    def unwatch(self) -> None:
        """Say that nobody looks any more."""
        if self.key:
            self.unwatch_wanted.emit(self.key, self.seconds)

    def forget(self) -> None:
        """Stop showing anything."""
        self.unwatch()
        self.key = ""
        self._patience.stop()
        self.view.set_series(None)

    def _turn_to(self, key: str, seconds: int) -> None:
        self.unwatch()
        self.key, self.seconds = key, seconds
        self._pointed = -1
        self.view.crosshair.hide()
        self.header.set_symbol(key)
        self.header.set_frame(seconds)
        self.view.set_series(None)
        self._annotate()
        self._patience.start()
        self._say_message()
        self.refresh_price()
        self._show_readout()
        self.watch()

    # What the engine says

    def set_bars(self, event: BarsLoaded) -> None:
        """All known bars; those of another chart are ignored."""
        if (event.key, event.seconds) != (self.key, self.seconds):
            return
        self.view.set_series(BarSeries(event.key, event.seconds, event.bars))
        self._bars_changed()

    def update_bar(self, event: BarUpdated) -> None:
        """The last bar grew, or a new one began."""
        if (event.key, event.seconds) != (self.key, self.seconds):
            return
        if self.view.series is None:
            self.view.set_series(BarSeries(event.key, event.seconds))
        first = not self.view.state.count
        self.view.update_bar(event.bar)
        if first:
            self.view.set_series(self.view.series)
            self._bars_changed()
        elif not self._readout_due.isActive():
            self._readout_due.start()

    def set_positions(self, positions: Sequence[Position]) -> None:
        """All open positions."""
        self._positions = positions
        self._annotate()

    def set_trades(self, trades: Sequence[ClosedTrade]) -> None:
        """The latest closed trades."""
        self._trades = trades
        self._annotate()

    def set_bots(self, bots: BotTraces) -> None:
        """What bots hold and have traded."""
        self._bots = bots
        self._annotate()

    def set_signals(self, signals: Sequence[Signal]) -> None:
        """All known signals, in any order."""
        self._signals = list(signals)
        self._annotate()

    def refresh_price(self) -> None:
        """Say anew what the last price is and what it is worth."""
        if not self.key:
            return
        row = self._prices.row_of(self.key) or TickRow(Instrument.from_key(self.key), 0)
        state = self._state = row.state(self._prices.link)
        moved = direction(row.change)
        role = _DIRECTION_ROLES[moved] if state in GOOD else ROLES[state]
        if row.price is None:
            self.header.set_price("", "", role, state_text(row, state, self._clock.time()), ROLES[state])
        else:
            change = f"{arrow_of(row.change)} {change_text(row.change)}"
            said = state_text(row, state, self._clock.time())
            self.header.set_price(price_text(self.key, row.price), change, role, said, ROLES[state])
        self.view.set_last(self._last_role(role), None if state in GOOD else ROLES[state])
        self.band.setVisible(state is RowState.SIMULATED)
        self._show_levels(row)

    def _last_role(self, role: str) -> str:
        """The colour of the last price's line: the state's if that is no live one, else the bar's own."""
        series = self.view.series
        if self._state not in GOOD or series is None or not len(series):
            return role
        return "up" if series.value("close", -1) >= series.value("open", -1) else "down"

    # Inside

    def _bars_changed(self) -> None:
        if self.view.state.count:
            self._patience.stop()
        self._say_message()
        self.refresh_price()
        self._show_readout()

    def _say_message(self) -> None:
        self.message.setVisible(not self.view.state.count)
        waiting = self._patience.isActive()
        self.message.setText(tr("chart.loading" if waiting else "chart.nothing"))

    def _annotate(self) -> None:
        markers = [
            *signal_markers(self._signals, self.key), *position_markers(self._positions, self.key),
            *trade_markers(self._trades, self.key), *bot_markers(self._bots, self.key),
        ]  # fmt: skip
        self.view.set_markers(sorted(markers, key=lambda marker: marker.stamp))
        self.refresh_price()

    def _show_levels(self, row: TickRow) -> None:
        levels = [*position_levels(self._positions, self.key), *bot_levels(self._bots, self.key)]
        if row.tick is not None and row.tick.previous_close is not None:
            levels.append(Level(row.tick.previous_close, "secondary", tr("chart.previous_close")))
        self.view.set_levels(levels)

    def _switch(self, name: str, on: bool) -> None:
        self._switched[name] = on
        self.view.set_shown(name, on)
        self._show_readout()

    def _on_pointed(self, bar: int) -> None:
        self._pointed = bar
        self._show_readout()

    def _show_readout(self) -> None:
        series = self.view.series
        if series is None or not len(series):
            self.readout.hide()
            return
        bar = self._pointed if 0 <= self._pointed < len(series) else len(series) - 1
        parts = bar_parts(series, bar, ema=self._switched["ema"], rsi=self._switched["rsi"])
        markers = self.view.markers_at(bar) if self._pointed >= 0 else []
        self.readout.setText(as_html(parts, markers))
        self.readout.setAccessibleName(as_text(parts))
        self.readout.setVisible(True)
        self.readout.setMaximumWidth(max(50, round(self.view.price.rect().width()) - 12))
        self.readout.adjustSize()

    # Export

    def export(self) -> None:
        """Write the chart to a PNG file that the user chooses."""
        day = bar_time(self.view.series, -1) if self.view.state.count and self.view.series else ""
        name = "_".join(filter(None, (Instrument.from_key(self.key).symbol, FRAMES[self.seconds], day)))
        name = name.replace(" ", "-").replace(":", "") + ".png"
        chosen, _ = QFileDialog.getSaveFileName(
            self, tr("chart.export_title"), name, tr("chart.export_filter")
        )
        if chosen:
            path = Path(chosen)
            self.save_picture(path if path.suffix else path.with_suffix(".png"))

    def save_picture(self, path: Path) -> bool:
        """Write the chart with a line that names it to `path`; says so if that cannot be done."""
        if self.picture().save(str(path), "PNG"):
            return True
        tell(self, tr("chart.export_failed", name=path.name), level="warning")
        return False

    def picture(self) -> QPixmap:
        """The chart under a line with symbol, time frame, state and the present time."""
        body = self.view.grab()
        ratio = body.devicePixelRatio()
        font = theme.ui_font(bold=True)
        height = QFontMetrics(font).height() + 14
        whole = QPixmap(body.width(), body.height() + round(height * ratio))
        whole.setDevicePixelRatio(ratio)
        whole.fill(theme.colors().ground)
        painter = QPainter(whole)
        painter.setFont(font)
        painter.setPen(theme.colors().text)
        painter.drawText(10, height - 10, self.caption())
        painter.drawPixmap(QPoint(0, height), body)
        painter.end()
        return whole

    def caption(self) -> str:
        """What a picture of the chart must say: instrument, time frame, price, and what that is worth."""
        row = self._prices.row_of(self.key)
        parts = [self.key.replace(":", " · "), tr(f"chart.frame_{FRAMES[self.seconds]}")]
        if row is not None and row.price is not None:
            parts += [price_text(self.key, row.price), change_text(row.change)]
            parts.append(state_text(row, row.state(self._prices.link), self._clock.time()))
        return "   ".join(parts)

    # Keys, language, theme

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move, + and - zoom, 1 to 5 choose the bars, Home and End go to the ends, Esc closes."""
        view, bars = self.view, self.view.state.high - self.view.state.low
        actions: dict[int, Callable[[], object]] = {
            Qt.Key_Left: lambda: view.pan(-bars / 10), Qt.Key_Right: lambda: view.pan(bars / 10),
            Qt.Key_Up: lambda: view.zoom(0.8), Qt.Key_Down: lambda: view.zoom(1.25),
            Qt.Key_Plus: lambda: view.zoom(0.8), Qt.Key_Equal: lambda: view.zoom(0.8),
            Qt.Key_Minus: lambda: view.zoom(1.25), Qt.Key_Home: view.go_to_start, Qt.Key_End: view.go_to_end,
            Qt.Key_Escape: self.close_wanted.emit,
        }  # fmt: skip
        frames = dict(zip(range(Qt.Key_1, Qt.Key_6), FRAMES, strict=True))
        key = event.key()
        if event.modifiers() & (Qt.ControlModifier | Qt.AltModifier | Qt.MetaModifier):
            super().keyPressEvent(event)
        elif key in frames:
            self.set_frame(frames[key])
        elif key in actions:
            actions[key]()
        else:
            super().keyPressEvent(event)

    def retranslate(self) -> None:
        """Say everything again in the present language."""
        self.band.setText(tr("chart.band"))
        self.view.setAccessibleName(tr("chart.name"))
        self.view.restyle()
        self._say_message()
        self._annotate()
        self._show_readout()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()

    def _rethemed(self) -> None:
        self.view.restyle()
        self.refresh_price()
        self._show_readout()

    def showEvent(self, event: QShowEvent) -> None:
        """Prices age only where they can be seen."""
        super().showEvent(event)
        self.retranslate()
        self._second.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """See Qt."""
        self._second.stop()
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the message in the middle."""
        super().resizeEvent(event)
        self.message.setGeometry(self.view.rect().adjusted(20, 20, -20, -20))
        self._show_readout()
