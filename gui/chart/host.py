"""The chart's dock: light until the first symbol is opened, because pyqtgraph costs 0.2 s and 25 MB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QStackedWidget, QWidget

from core.bots.model import BotPosition, BotState, BotTrade
from core.clock import Clock
from core.commands import BarsLoaded, BarUpdated
from core.model import ClosedTrade, Position, Signal
from gui.models.tick_model import TickModel
from gui.widgets.empty_state import EmptyState

if TYPE_CHECKING:
    from gui.chart.annotations import BotTraces
    from gui.chart.chart_panel import ChartPanel

MOST_SIGNALS = 2000
MOST_BOT_TRADES = 5000


class ChartHost(QStackedWidget):
    """An empty state, or the chart in its place. Remembers what the chart will want to know.

    `watch_wanted(key, seconds)` and `unwatch_wanted(key, seconds)` tell which bars are looked at,
    `bot_history_wanted` that somebody looks at a chart for the first time, whose bots have a past.
    """

    watch_wanted = pyqtSignal(str, int)
    unwatch_wanted = pyqtSignal(str, int)
    close_wanted = pyqtSignal()
    bot_history_wanted = pyqtSignal()

    def __init__(self, prices: TickModel, clock: Clock, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._prices, self._clock = prices, clock
        self._positions: Sequence[Position] = ()
        self._trades: Sequence[ClosedTrade] = ()
        self._signals: list[Signal] = []
        self._bots: dict[str, tuple[str, tuple[BotPosition, ...]]] = {}
        self._bot_trades: list[BotTrade] = []
        self._view: dict[str, Any] = {}
        self.panel: ChartPanel | None = None
        self.addWidget(EmptyState("chart", "chart.empty_title", "chart.empty_text", parent=self))

    @property
    def key(self) -> str:
        """The instrument on show, "" for none."""
        return "" if self.panel is None else self.panel.key

    def show_symbol(self, key: str) -> None:
        """Show the chart of the instrument `key`."""
        panel = self.panel or self._make()
        self.setCurrentWidget(panel)
        self.setFocusProxy(panel)
        panel.show_symbol(key)

    def close_chart(self) -> None:
        """Stop looking at any bars."""
        if self.panel is not None:
            self.panel.forget()
            self.setCurrentIndex(0)

    def view_state(self) -> dict[str, Any]:
        """The instrument, the time frame and what is switched off, as plain JSON values."""
        return self._view if self.panel is None else self.panel.view_state()

    def restore_view_state(self, state: dict[str, Any]) -> None:
        """Take over the time frame and the switches of a `view_state`; nonsense is passed over."""
        self._view = {name: value for name, value in state.items() if name != "key"}
        if self.panel is not None:
            self.panel.restore_view_state(state)

    def watch_again(self) -> None:
        """Ask for the bars once more, of an engine that was started anew."""
        if self.panel is not None:
            self.panel.watch()

    def set_bars(self, event: BarsLoaded) -> None:
        """See `ChartPanel`."""
        if self.panel is not None:
            self.panel.set_bars(event)

    def update_bar(self, event: BarUpdated) -> None:
        """See `ChartPanel`."""
        if self.panel is not None:
            self.panel.update_bar(event)

    def refresh_price(self) -> None:
        """A price may have changed."""
        if self.panel is not None and self.panel.isVisible():
            self.panel.refresh_price()

    def set_positions(self, positions: Sequence[Position]) -> None:
        """All open positions."""
        self._positions = positions
        if self.panel is not None:
            self.panel.set_positions(positions)

    def set_trades(self, trades: Sequence[ClosedTrade]) -> None:
        """The latest closed trades."""
        self._trades = trades
        if self.panel is not None:
            self.panel.set_trades(trades)

    def set_signals(self, signals: Sequence[Signal]) -> None:
        """All known signals."""
        self._signals = list(signals)[-MOST_SIGNALS:]
        if self.panel is not None:
            self.panel.set_signals(self._signals)

    def add_signal(self, signal: Signal) -> None:
        """One more signal."""
        self._signals.append(signal)
        del self._signals[:-MOST_SIGNALS]
        if self.panel is not None and signal.key == self.key:
            self.panel.set_signals(self._signals)

    def update_bots(self, states: Iterable[BotState]) -> None:
        """Newer states of bots; most tell of prices only, and then nothing is drawn anew."""
        changed = False
        for state in states:
            shown = (state.name, state.positions)
            if self._bots.get(state.bot_id, ("", ()))[1] != state.positions:
                changed = True
            self._bots[state.bot_id] = shown
        if changed and self.panel is not None:
            self.panel.set_bots(self._traces())

    def set_bots(self, states: Iterable[BotState]) -> None:
        """Exactly these bots are there from now on."""
        self._bots = {}
        self.update_bots(states)
        if self.panel is not None:
            self.panel.set_bots(self._traces())

    def set_bot_trades(self, trades: Iterable[BotTrade]) -> None:
        """The finished trades of all bots, newest first."""
        self._bot_trades = list(trades)[:MOST_BOT_TRADES]
        if self.panel is not None:
            self.panel.set_bots(self._traces())

    def add_bot_trade(self, trade: BotTrade) -> None:
        """One more."""
        self.set_bot_trades([trade, *self._bot_trades])

    def _traces(self) -> BotTraces:
        from gui.chart.annotations import BotTraces

        held = tuple((name, each) for name, positions in self._bots.values() for each in positions)
        names = {bot_id: name for bot_id, (name, _) in self._bots.items()}
        return BotTraces(held, tuple(self._bot_trades), names)

    def _make(self) -> ChartPanel:
        from gui.chart.chart_panel import ChartPanel

        panel = self.panel = ChartPanel(self._prices, self._clock, self)
        panel.watch_wanted.connect(self.watch_wanted)
        panel.unwatch_wanted.connect(self.unwatch_wanted)
        panel.close_wanted.connect(self.close_wanted)
        panel.restore_view_state(self._view)
        panel.set_positions(self._positions)
        panel.set_trades(self._trades)
        panel.set_signals(self._signals)
        panel.set_bots(self._traces())
        self.addWidget(panel)
        self.bot_history_wanted.emit()
        return panel
