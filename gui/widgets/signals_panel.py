"""The signals in a table: newest on top, filtered, exported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from PyQt5.QtCore import QEvent, QTimer
from PyQt5.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from core.errors import SwingHunterError
from core.i18n import tr
from core.model import Side, Signal
from core.signal_text import reason
from gui.icons import icon
from gui.models.signals_model import SignalFilter, SignalsModel
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.panel_tools import ActionBar, PanelAction, ask_save_name, fill_combo, tell
from gui.widgets.table_tools import TableView

SIDES = (None, Side.BUY, Side.SELL)
SEARCH_WIDTH = 180
GATHER_MS = 50


class SignalsPanel(QWidget):
    """Every signal that came, up to 5000; the file gets what the filter shows, in the shown order."""

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self.model = SignalsModel(now, self)
        self.table = TableView(self.model, "signals")
        self._waiting: list[Signal] = []
        self._gather = QTimer(self)
        self._gather.setSingleShot(True)
        self._gather.timeout.connect(self.flush)
        self._make_filters()
        self._lay_out()
        self.retranslate()
        self._refresh_state()

    def _make_filters(self) -> None:
        self.search = QLineEdit(self)
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(SEARCH_WIDTH)
        self.search.addAction(icon("search", "secondary"), QLineEdit.LeadingPosition)
        self.side = QComboBox(self)
        self.day = QComboBox(self)
        self.count = QLabel(self)
        self.count.setProperty("role", "secondary")
        self.search.textChanged.connect(self._apply_filter)
        self.side.currentIndexChanged.connect(self._apply_filter)
        self.day.currentIndexChanged.connect(self._apply_filter)

    def _lay_out(self) -> None:
        self.export_action = PanelAction(self, "export", "signals_view.export", self.export)
        bar = ActionBar((self.export_action,), self)
        for place, widget in enumerate((self.search, self.side, self.day)):
            bar.row.insertWidget(place, widget)
        bar.row.addWidget(self.count)
        self.empty = EmptyState("signal", "signals_view.empty_title", "signals_view.empty_text")
        self.empty.pressed.connect(self.clear_filter)
        self._stack = TableOrEmpty(self.table, self.empty, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self._stack, 1)
        self.setFocusProxy(self.table)

    # What the window tells

    def set_signals(self, signals: Iterable[Signal]) -> None:
        """Show these signals and no others."""
        self._waiting.clear()
        self.model.set_signals(signals)
        self._refresh_state()

    def add_signals(self, signals: Sequence[Signal]) -> None:
        """Add signals, oldest first. The first is shown at once, the rest of a storm in one go: a change of
        the table costs as much as many lines, and sorting 5000 of them for each signal would stutter."""
        self._waiting.extend(signals)
        if self._gather.isActive():
            return
        if self.model.in_given_order:
            self.flush()
        self._gather.start(0 if self.model.in_given_order else GATHER_MS)

    def flush(self) -> None:
        """Show the signals that were gathered."""
        if self._waiting:
            fresh, self._waiting = self._waiting, []
            self.model.add_signals(fresh)
            self._refresh_state()

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
        shown, count = self.model.rowCount(), self.model.count_all()
        name = "shown_all" if shown == count else "shown_some"
        self.count.setText(tr(f"signals_view.{name}", shown=shown, count=count))
        self.export_action.setEnabled(shown > 0)
        if count and not shown:
            self.empty.set_keys(
                "signals_view.filtered_title", "signals_view.filtered_text", "signals_view.filtered_button"
            )
        elif not count:
            self.empty.set_keys("signals_view.empty_title", "signals_view.empty_text")
        self._stack.show_table(shown > 0)

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("signals_view.table_name"))
        self.search.setPlaceholderText(tr("signals_view.search"))
        self.search.setAccessibleName(tr("signals_view.search"))
        self.search.setToolTip(tr("signals_view.search_tip"))
        fill_combo(self.side, "signals_view.side_filter", ("side_all", "side_buy", "side_sell"))
        fill_combo(self.day, "signals_view.day_filter", ("day_all", "day_today"))
        self._refresh_state()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
