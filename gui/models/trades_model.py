"""The closed trades as rows of `ClosedTrade`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PyQt5.QtCore import QObject

from core.exchanges import exchange_of
from core.i18n import tr
from core.model import ClosedTrade
from core.price_rules import format_price
from gui.formatting import duration, exact_time
from gui.models.cells import change_cell, percent_cell, quantity_text, short_time
from gui.models.rows import Cell, Column, RowModel


def realised_pct(trade: ClosedTrade) -> float | None:
    """The realised P&L in percent of what was put in."""
    cost = abs(trade.entry_price * trade.quantity)
    return float(trade.realised_pnl / cost * 100) if cost else None


class TradesModel(RowModel):
    """One line per closed trade, newest first."""

    def __init__(self, parent: QObject | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._several_exchanges = False
        self._currencies: frozenset[str] = frozenset()
        super().__init__(self._make_columns(), _name, parent)

    def set_trades(self, trades: Sequence[ClosedTrade]) -> None:
        """Show these trades."""
        self._several_exchanges = len({trade.exchange for trade in trades}) > 1
        currencies = frozenset(exchange_of(trade.exchange).currency for trade in trades)
        changed = currencies != self._currencies
        self._currencies = currencies
        self.set_rows(sorted(trades, key=lambda trade: (trade.closed_at, trade.id), reverse=True))
        if changed:
            self.refresh()

    def title(self, column: int) -> str:
        """The realised column bears the currency where all trades share one."""
        title = super().title(column)
        if self.columns[column].name == "realised" and len(self._currencies) == 1:
            return f"{title} {next(iter(self._currencies))}"
        return title

    def _make_columns(self) -> list[Column]:
        def figure(name: str, cell: Callable[[ClosedTrade], Cell], order: Callable[[ClosedTrade], object],
                   sample: str) -> Column:  # fmt: skip
            return Column(name, f"positions.{name}", cell, order, sample, figures=True)

        return [
            Column(
                "closed_at",
                "positions.closed_at",
                self._closed,
                lambda t: t.closed_at,
                "11-21 14:30",
                timed=True,
            ),
            Column(
                "symbol", "positions.symbol", self._symbol, lambda t: (t.symbol, t.exchange), "ASELS  NASDAQ"
            ),
            Column("side", "positions.side", _side, lambda t: t.quantity > 0, "Short"),
            figure(
                "quantity",
                lambda t: Cell(quantity_text(abs(t.quantity))),
                lambda t: abs(t.quantity),
                "10,000",
            ),
            figure("entry", lambda t: _price(t, float(t.entry_price)), lambda t: t.entry_price, "1,234.50"),
            figure("exit", lambda t: _price(t, float(t.exit_price)), lambda t: t.exit_price, "1,234.50"),
            figure("realised", self._realised, lambda t: t.realised_pnl, "↑ +12,345.60"),
            figure("realised_pct", lambda t: percent_cell(realised_pct(t)), realised_pct, "+12.34%"),
            figure("held", self._held, lambda t: t.closed_at - t.opened_at, "123 days"),
        ]

    def _closed(self, trade: ClosedTrade) -> Cell:
        now = self._now()
        exact = exact_time(trade.closed_at, trade.exchange, now)
        return Cell(short_time(trade.closed_at, trade.exchange, now), tip=exact)

    def _symbol(self, trade: ClosedTrade) -> Cell:
        return Cell(trade.symbol, second=trade.exchange if self._several_exchanges else "")

    def _realised(self, trade: ClosedTrade) -> Cell:
        several = len(self._currencies) > 1
        return change_cell(trade.realised_pnl, unit=exchange_of(trade.exchange).currency if several else "")

    def _held(self, trade: ClosedTrade) -> Cell:
        opened = exact_time(trade.opened_at, trade.exchange, self._now())
        return Cell(duration(trade.closed_at - trade.opened_at), tip=tr("positions.opened_tip", time=opened))


def _name(trade: ClosedTrade) -> object:
    return trade.id or (trade.position_id, trade.closed_at, trade.quantity)


def _price(trade: ClosedTrade, value: float) -> Cell:
    return Cell(format_price(f"{trade.exchange}:{trade.symbol}", value))


def _side(trade: ClosedTrade) -> Cell:
    return Cell(tr("positions.long" if trade.quantity > 0 else "positions.short"))
