"""The closed trades and what they brought."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QVBoxLayout, QWidget

from core.errors import SwingHunterError
from core.exchanges import exchange_of
from core.i18n import format_number, tr
from core.model import ClosedTrade
from gui.models.cells import arrow_of, tint_of
from gui.models.trades_model import TradesModel
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.panel_tools import ActionBar, PanelAction, TotalsBar, ask_save_name, tell
from gui.widgets.table_tools import TableView


class TradesPanel(QWidget):
    """Closed trades, newest first, with the realised P&L per currency; exports what is shown."""

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self.model = TradesModel(self, now=now)
        self._stack = TableOrEmpty(self)
        self.table = TableView(self.model, "trades", self._stack)
        self.totals = TotalsBar(self)
        self.export_action = PanelAction(self, "export", "positions.export", self.export)
        empty = EmptyState(
            "history", "positions.trades_empty_title", "positions.trades_empty_text", parent=self._stack
        )
        self._stack.fill(self.table, empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(ActionBar((self.export_action,), self))
        column.addWidget(self._stack, 1)
        column.addWidget(self.totals)
        self.setFocusProxy(self.table)
        self.set_trades(())
        self.retranslate()

    def set_trades(self, trades: Sequence[ClosedTrade]) -> None:
        """Show these trades."""
        self.model.set_trades(trades)
        self._stack.show_table(bool(trades))
        self.export_action.setEnabled(bool(trades))
        self.totals.set_lines([[*_total(unit, part)] for unit, part in _by_currency(trades).items()])

    def export(self) -> None:
        """Write the shown trades to a CSV file that the user chooses."""
        from core.csv_io import write_trades

        path = ask_save_name(self, "trades.csv")
        if path is None:
            return
        try:
            write_trades(path, self.model.rows())
        except (SwingHunterError, OSError) as error:
            tell(self, tr("positions.export_failed", error=error), level="warning")
        else:
            tell(self, tr("positions.export_done", count=self.model.rowCount(), name=path.name))

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("positions.trades_name"))
        self.totals.setAccessibleName(tr("positions.totals_name"))
        self.set_trades(self.model.all_rows())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()


def _by_currency(trades: Sequence[ClosedTrade]) -> dict[str, list[ClosedTrade]]:
    result: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        result.setdefault(exchange_of(trade.exchange).currency, []).append(trade)
    return result


def _total(unit: str, trades: Sequence[ClosedTrade]) -> list[tuple[str, str, str, str]]:
    pnl = sum((trade.realised_pnl for trade in trades), Decimal(0))
    won = sum(trade.realised_pnl > 0 for trade in trades)
    text = f"{arrow_of(pnl)} {format_number(float(pnl), sign=True)}\N{NO-BREAK SPACE}{unit}"
    name = "positions.total_trades_one" if len(trades) == 1 else "positions.total_trades"
    count = tr(name, count=len(trades), won=won)
    return [(tr("positions.total_realised"), text, tint_of(pnl), ""), (count, "", "text", "")]
