"""The signals in a table: newest on top, filtered, exported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from core.errors import SwingHunterError
from core.i18n import tr
from core.model import Side, Signal
from core.signal_text import reason
from gui.icons import icon
from gui.models.signals_model import SignalFilter, SignalsModel
from gui.widgets.panel_tools import ActionBar, PanelAction, ask_save_name, fill_combo, tell
from gui.widgets.stream_panel import StreamPanel

SIDES = (None, Side.BUY, Side.SELL)
SEARCH_WIDTH = 180
GATHER_MS = 50


class SignalsPanel(StreamPanel):
    """Every signal that came, up to 5000; the file gets what the filter shows, in the shown order.

    `chart_requested(key)` is a double click or Enter on one.
    """

    chart_requested = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        self.model = SignalsModel(now)
        super().__init__(self.model, "signals", "signals_view", "signal", parent)
        self.model.setParent(self)
        self.search = QLineEdit(self)
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(SEARCH_WIDTH)
        self.search.addAction(icon("search", "secondary"), QLineEdit.LeadingPosition)
        self.search.textChanged.connect(self._apply_filter)
        self.table.activated_row.connect(lambda line: self.chart_requested.emit(line.signal.key))
        self.side, self.day = self._combo(), self._combo()
        self._lay_out()
        self.retranslate()
        self._refresh_state()

    def _lay_out(self) -> None:
        self.export_action = PanelAction(self, "export", "signals_view.export", self.export)
        bar = ActionBar((self.export_action,), self)
        for place, widget in enumerate((self.search, self.side, self.day)):
            bar.row.insertWidget(place, widget)
        bar.row.addWidget(self.count)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self._stack, 1)

    # What the window tells

    def set_signals(self, signals: Iterable[Signal]) -> None:
        """Show these signals and no others."""
        self._waiting.clear()
        self.model.set_signals(signals)
        self._refresh_state()

    def add_signals(self, signals: Sequence[Signal]) -> None:
        """Add signals, oldest first; in a sorted table each would mean sorting 5000 lines, so they wait."""
        in_order = self.model.in_given_order
        self._add(signals, 0 if in_order else GATHER_MS, at_once=in_order)

    def _show(self, items: list[Signal]) -> None:
        self.model.add_signals(items)

    # What the user wants

    def clear_filter(self) -> None:
        """Show all signals."""
        self.search.clear()
        self.side.setCurrentIndex(0)
        self.day.setCurrentIndex(0)

    def export(self) -> None:
        """Write the shown signals to a CSV file that the user chooses."""
        from core.csv_io import write_signals

        path = ask_save_name(self, "signals.csv")
        if path is None:
            return
        try:
            write_signals(path, self.model.signals(), reason)
        except (SwingHunterError, OSError) as error:
            tell(self, tr("positions.export_failed", error=error), level="warning")
        else:
            tell(self, tr("positions.export_done", count=self.model.rowCount(), name=path.name))

    def _apply_filter(self) -> None:
        side = SIDES[max(0, self.side.currentIndex())]
        self.model.set_wanted(SignalFilter(self.search.text().strip(), side, self.day.currentIndex() == 1))
        self._refresh_state()

    def _refresh_state(self) -> None:
        super()._refresh_state()
        self.export_action.setEnabled(self.model.rowCount() > 0)

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("signals_view.table_name"))
        self.search.setPlaceholderText(tr("signals_view.search"))
        self.search.setAccessibleName(tr("signals_view.search"))
        self.search.setToolTip(tr("signals_view.search_tip"))
        fill_combo(self.side, "signals_view.side_filter", ("side_all", "side_buy", "side_sell"))
        fill_combo(self.day, "signals_view.day_filter", ("day_all", "day_today"))
        self._refresh_state()
