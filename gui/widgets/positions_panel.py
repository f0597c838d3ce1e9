"""The open positions: each one's profit and loss moving live, the totals, and what one can do with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QEvent, QPoint, Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent, QKeySequence
from PyQt5.QtWidgets import QDialog, QFileDialog, QMenu, QVBoxLayout, QWidget

from core.i18n import format_number, format_percent, tr
from core.model import CurrencyTotal, Freshness, PortfolioSnapshot, Position, PositionPnl
from gui.models.cells import arrow_of, tint_of
from gui.models.positions_model import PositionsModel
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.panel_tools import ActionBar, PanelAction, TotalsBar, tell
from gui.widgets.table_tools import TableView

Part = tuple[str, str, str, str]


class PositionsPanel(QWidget):
    """The table of open positions with its dialogs.

    The wishes go out as signals; nothing changes here until a new snapshot comes in. `close_requested`
    carries the position's id, the Decimal price and the Decimal quantity (positive; None for all of it).
    Ctrl+N works in here by itself; the window's menu offers it everywhere else.
    """

    open_requested = pyqtSignal(object)
    edit_requested = pyqtSignal(object)
    close_requested = pyqtSignal(int, object, object)
    delete_requested = pyqtSignal(int)
    import_requested = pyqtSignal(tuple)

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self._now = now
        self._snapshot = PortfolioSnapshot(rows=(), totals=(), updated=0.0)
        self._default_exchange = "BIST"
        self._simulation_chosen = False
        self.model = PositionsModel(now, self)
        self._make_actions()
        self._stack = TableOrEmpty(self)
        self.table = TableView(self.model, "positions", self._stack)
        self.empty = EmptyState(
            "position", "positions.empty_title", "positions.empty_text", "positions.empty_button", self._stack
        )
        self.totals = TotalsBar(self)
        self._lay_out()
        self._connect()
        self.retranslate()
        self._enable_actions()

    def _make_actions(self) -> None:
        self.new_action = PanelAction(self, "add", "positions.new", self.new_position, "Ctrl+N")
        self.edit_action = PanelAction(self, "edit", "positions.edit", self.edit_position, "Return")
        self.close_action = PanelAction(self, "check", "positions.close", self.close_position)
        self.delete_action = PanelAction(self, "delete", "positions.delete", self.delete_position, "Del")
        self.import_action = PanelAction(self, "import", "positions.import", self.choose_import)
        actions = (
            self.new_action,
            self.edit_action,
            self.close_action,
            self.delete_action,
            self.import_action,
        )
        self.bar = ActionBar(actions, self)

    def _lay_out(self) -> None:
        self._stack.fill(self.table, self.empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addWidget(self._stack, 1)
        column.addWidget(self.totals)

    def _connect(self) -> None:
        self.setFocusProxy(self.table)
        self.empty.pressed.connect(self.new_position)
        self.table.activated_row.connect(lambda _: self.edit_position())
        self.table.delete_pressed.connect(self.delete_position)
        self.table.selectionModel().currentRowChanged.connect(self._enable_actions)
        self.model.rowsRemoved.connect(self._enable_actions)
        self.table.setContextMenuPolicy(Qt.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._show_menu)

    # What the window tells

    def set_snapshot(self, snapshot: PortfolioSnapshot) -> None:
        """Show this valuation; cheap enough for 30 a second."""
        self._snapshot = snapshot
        self.model.set_snapshot(snapshot)
        self._stack.show_table(bool(snapshot.rows))
        self.totals.set_lines(total_lines(snapshot))

    def set_default_exchange(self, code: str) -> None:
        """The exchange that a new position is proposed on."""
        self._default_exchange = code

    def set_simulation_chosen(self, chosen: bool) -> None:
        """Whether the user chose the simulator, so that its prices may be proposed for closing."""
        self._simulation_chosen = chosen

    # What the user wants

    def new_position(self) -> QDialog:
        """Ask for a new position."""
        from gui.dialogs.position_dialog import PositionDialog

        dialog = PositionDialog(self, default_exchange=self._default_exchange, now=self._now)
        dialog.accepted.connect(lambda: self.open_requested.emit(dialog.position()))
        return _show(dialog)

    def edit_position(self) -> QDialog | None:
        """Ask for changes of the selected position."""
        from gui.dialogs.position_dialog import PositionDialog

        row = self._selected()
        if row is None:
            return None
        dialog = PositionDialog(self, position=row.position, now=self._now)
        dialog.accepted.connect(lambda: self._edited(row.position, dialog.position()))
        return _show(dialog)

    def _edited(self, before: Position, after: Position) -> None:
        if after != before:
            self.edit_requested.emit(after)

    def close_position(self) -> QDialog | None:
        """Ask at which price the selected position was closed."""
        from gui.dialogs.close_position import ClosePositionDialog

        row = self._selected()
        if row is None:
            return None
        dialog = ClosePositionDialog(row, self, simulation_chosen=self._simulation_chosen)
        number = row.position.id
        dialog.accepted.connect(
            lambda: self.close_requested.emit(number, dialog.price(), dialog.quantity_or_all())
        )
        return _show(dialog)

    def delete_position(self) -> QDialog | None:
        """Ask whether the selected position was entered by mistake."""
        from gui.dialogs.delete_position import DeletePositionDialog

        row = self._selected()
        if row is None:
            return None
        dialog = DeletePositionDialog(row.position, self)
        dialog.accepted.connect(lambda: self.delete_requested.emit(row.position.id))
        dialog.close_instead.connect(self.close_position)
        return _show(dialog)

    def choose_import(self) -> None:
        """Ask for a CSV file and show what is in it."""
        name, _ = QFileDialog.getOpenFileName(
            self, tr("positions.import_choose"), "", tr("positions.import_filter")
        )
        if name:
            self.preview_import(Path(name))

    def preview_import(self, path: Path) -> QDialog:
        """Show which lines of the CSV file can be entered, before anything is."""
        from core.csv_io import read_positions
        from core.errors import SwingHunterError
        from gui.dialogs.import_positions import ImportPositionsDialog

        try:
            result = read_positions(path, self._default_exchange, now=self._now())
        except (SwingHunterError, OSError) as error:
            return tell(self, tr("positions.import_failed", error=error), level="warning")
        held = [row.position for row in self._snapshot.rows]
        dialog = ImportPositionsDialog(path.name, result, held, self)
        dialog.accepted.connect(lambda: self.import_requested.emit(dialog.positions()))
        return _show(dialog)

    # The rest

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("positions.table_name"))
        self.totals.setAccessibleName(tr("positions.totals_name"))
        self.totals.set_lines(total_lines(self._snapshot))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+N, unless the window's menu took it already."""
        if event.matches(QKeySequence.New):
            self.new_position()
        else:
            super().keyPressEvent(event)

    def _selected(self) -> PositionPnl | None:
        row = self.table.selected_row()
        return row if isinstance(row, PositionPnl) else None

    def _enable_actions(self) -> None:
        chosen = self._selected() is not None
        for action in (self.edit_action, self.close_action, self.delete_action):
            action.setEnabled(chosen)

    def _show_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        if self._selected() is not None:
            menu.addActions([self.edit_action, self.close_action, self.delete_action])
            menu.addSeparator()
        menu.addActions([self.new_action, self.import_action])
        menu.popup(self.table.viewport().mapToGlobal(where))


def _show(dialog: QDialog) -> QDialog:
    dialog.setAttribute(Qt.WA_DeleteOnClose)
    dialog.open()
    return dialog


def total_lines(snapshot: PortfolioSnapshot) -> list[list[Part]]:
    """The totals, a line for each currency, with what they must not be trusted for."""
    lines = [_currency_line(total) for total in snapshot.totals]
    warnings = _warnings(snapshot)
    if warnings and lines:
        lines[-1] += warnings
    return lines


def _currency_line(total: CurrencyTotal) -> list[Part]:
    unit = f"\N{NO-BREAK SPACE}{total.currency}"

    def change(name: str, value: float, pct: float | None) -> Part:
        text = f"{arrow_of(value)} {format_number(value, sign=True)}{unit}"
        note = f"({format_percent(pct)})" if pct is not None else ""
        return tr(f"positions.{name}"), text, tint_of(value), note

    line: list[Part] = [
        change("total_day", total.daily_pnl, total.daily_pnl_pct),
        change("total_open", total.open_pnl, total.open_pnl_pct),
    ]
    if total.realised_today:
        line.append(change("total_realised_today", total.realised_today, None))
    line.append((tr("positions.total_value"), format_number(total.total_value) + unit, "text", ""))
    return line


def _warnings(snapshot: PortfolioSnapshot) -> list[Part]:
    rows = snapshot.rows
    stale = sum(total.stale_positions for total in snapshot.totals)
    missing = sum(row.price is None for row in rows)
    result: list[Part] = []
    if stale:
        result.append(("", tr("positions.total_stale", stale=stale, count=len(rows)), "warning", ""))
    if missing:
        result.append(("", tr("positions.total_unpriced", missing=missing, count=len(rows)), "warning", ""))
    if any(row.freshness is Freshness.SIMULATED for row in rows):
        result.append(("", tr("positions.total_simulated"), "simulated", ""))
    return result
