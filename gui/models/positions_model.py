"""The open positions as rows of `PositionPnl`, kept up to date in place."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from PyQt5.QtCore import QObject

from core.exchanges import exchange_of
from core.i18n import format_percent, tr
from core.model import Freshness, PortfolioSnapshot, PositionPnl
from core.price_rules import format_price
from gui.formatting import duration
from gui.models import positions_tips as tips
from gui.models.cells import NOTHING, change_cell, percent_cell, quantity_text
from gui.models.positions_figures import pnl_at_stop, stop_distance_pct, stop_is_hit
from gui.models.rows import Cell, Column, RowModel

RESORT_SECONDS = 1.0
MONEY_COLUMNS = ("pnl", "day", "risk")
_STATES = {
    Freshness.LIVE: ("●", "up"),
    Freshness.DELAYED: ("◷", "warning"),
    Freshness.STALE: ("▨", "stale"),
    Freshness.CLOSED: ("○", "secondary"),
    Freshness.SIMULATED: ("◇", "simulated"),
}
_RANK = {state: rank for rank, state in enumerate(_STATES)}


class PositionsModel(RowModel):
    """One line per position. Sorted by a live figure, lines change places at most once a second."""

    def __init__(self, now: Callable[[], float] = time.time, parent: QObject | None = None) -> None:
        self._now = now
        self._several_exchanges = False
        self._currencies: frozenset[str] = frozenset()
        self._sorted_at = float("-inf")
        super().__init__(self._make_columns(), lambda row: row.position.id, parent)

    def set_snapshot(self, snapshot: PortfolioSnapshot) -> None:
        """Show the positions of `snapshot`."""
        exchanges = {row.position.exchange for row in snapshot.rows}
        currencies = frozenset(exchange_of(code).currency for code in exchanges)
        several = len(exchanges) > 1
        if (several, currencies) != (self._several_exchanges, self._currencies):
            self._several_exchanges, self._currencies = several, currencies
            self.refresh()
        resort = self._sort_column >= 0 and abs(snapshot.updated - self._sorted_at) >= RESORT_SECONDS
        if resort:
            self._sorted_at = snapshot.updated
        self.set_rows(snapshot.rows, resort=resort or self._sort_column < 0)

    def title(self, column: int) -> str:
        """A money column bears the currency where all positions share one."""
        title = super().title(column)
        if self.columns[column].name in MONEY_COLUMNS and len(self._currencies) == 1:
            return f"{title} {next(iter(self._currencies))}"
        return title

    def _make_columns(self) -> list[Column]:
        def figure(
            name: str,
            cell: Callable[[Any], Cell],
            order: Callable[[Any], Any],
            sample: str,
            tip: Callable[[Any], str] | None = None,
            hidden: bool = False,
        ) -> Column:
            return Column(
                name, f"positions.{name}", cell, order, sample, figures=True, tip=tip, hidden=hidden
            )

        def key(row: PositionPnl) -> str:
            return row.position.key

        state = partial(Column, "state", "positions.state", self._state, _state_order, "▨ 12 min")
        return [
            Column("symbol", "positions.symbol", self._symbol, key, "ASELSX", tip=self._symbol_tip),
            figure("quantity", _quantity, lambda r: r.position.quantity, "1,000", tips.quantity_tip),
            figure("entry", _entry, lambda r: r.position.entry_price, "123.45"),
            figure("price", _price, lambda r: r.price, "123.45", self._state_tip),
            figure("pnl", self._pnl, lambda r: r.open_pnl, "↑ +1,234.50", tips.pnl_tip),
            figure("pnl_pct", _pnl_pct, lambda r: r.open_pnl_pct, "+12.34%", tips.pnl_tip),
            figure("day", self._day, lambda r: r.daily_pnl, "↑ +123.45", tips.day_tip),
            figure("stop", _stop, _stop_order, "12.34  −4.9%", tips.stop_tip),
            state(timed=True, tip=self._state_tip),
            figure("target", _target, lambda r: r.position.target, "123.45", tips.target_tip),
            figure(
                "risk", self._risk, lambda r: pnl_at_stop(r.position), "↓ −1,234.50",
                lambda _row: tr("positions.risk_tip"), hidden=True,
            ),
        ]  # fmt: skip

    def _unit(self, row: PositionPnl) -> str:
        return exchange_of(row.position.exchange).currency if len(self._currencies) > 1 else ""

    def _symbol(self, row: PositionPnl) -> Cell:
        return Cell(row.position.symbol, second=row.position.exchange if self._several_exchanges else "")

    def _symbol_tip(self, row: PositionPnl) -> str:
        return tips.symbol_tip(row, self._now())

    def _pnl(self, row: PositionPnl) -> Cell:
        return change_cell(row.open_pnl, unit=self._unit(row), hatch=_hatch(row))

    def _day(self, row: PositionPnl) -> Cell:
        return change_cell(row.daily_pnl, unit=self._unit(row), hatch=_hatch(row))

    def _risk(self, row: PositionPnl) -> Cell:
        return change_cell(pnl_at_stop(row.position), unit=self._unit(row))

    def _state(self, row: PositionPnl) -> Cell:
        if row.freshness is None or row.price is None:
            return Cell(tr("positions.no_price"), "secondary")
        glyph, tint = _STATES[row.freshness]
        name = f"positions.{row.freshness.value}"
        if row.stamp is not None and row.freshness in (Freshness.STALE, Freshness.DELAYED):
            word = tr(f"{name}_short", age=duration(self._now() - row.stamp))
        else:
            word = tr(name)
        return Cell(f"{glyph} {word}", tint, hatch=_hatch(row))

    def _state_tip(self, row: PositionPnl) -> str:
        return tips.state_tip(row, self._now())


def _quantity(row: PositionPnl) -> Cell:
    return Cell(quantity_text(row.position.quantity), "warning" if row.position.quantity < 0 else "text")


def _entry(row: PositionPnl) -> Cell:
    return Cell(format_price(row.position.key, float(row.position.entry_price)))


def _price(row: PositionPnl) -> Cell:
    if row.price is None:
        return Cell("…", "secondary")
    hatch = _hatch(row)
    return Cell(format_price(row.position.key, row.price), hatch or "text", hatch=hatch)


def _pnl_pct(row: PositionPnl) -> Cell:
    return percent_cell(row.open_pnl_pct, hatch=_hatch(row))


def _stop(row: PositionPnl) -> Cell:
    if row.position.stop is None:
        return Cell(NOTHING, "warning")
    text = format_price(row.position.key, float(row.position.stop))
    if stop_is_hit(row):
        return Cell(text, "down", second=tr("positions.stop_hit"))
    distance = stop_distance_pct(row)
    return Cell(text, second="" if distance is None else format_percent(distance, 1))


def _target(row: PositionPnl) -> Cell:
    if row.position.target is None:
        return Cell(NOTHING, "secondary")
    return Cell(format_price(row.position.key, float(row.position.target)))


def _stop_order(row: PositionPnl) -> float | None:
    distance = stop_distance_pct(row)
    if distance is None:
        return None
    return -abs(distance) if stop_is_hit(row) else abs(distance)


def _state_order(row: PositionPnl) -> tuple[int, float]:
    rank = len(_RANK) if row.freshness is None else _RANK[row.freshness]
    return rank, -(row.stamp or 0.0)


def _hatch(row: PositionPnl) -> str:
    return row.freshness.value if row.freshness in (Freshness.STALE, Freshness.SIMULATED) else ""
