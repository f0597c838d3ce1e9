"""The open positions as rows of `PositionPnl`, kept up to date in place."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject

from core.exchanges import exchange_of
from core.i18n import format_number, format_percent, tr
from core.model import Freshness, PortfolioSnapshot, Position, PositionPnl
from core.price_rules import format_price
from gui.formatting import duration, exact_time
from gui.models.cells import (
    NOTHING,
    change_cell,
    percent_cell,
    quantity_text,
)
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


def stop_distance_pct(row: PositionPnl) -> float | None:
    """How far the stop is from the price, in percent of the price (negative below it)."""
    if row.position.stop is None or not row.price:
        return None
    return (float(row.position.stop) - row.price) / row.price * 100


def stop_is_hit(row: PositionPnl) -> bool:
    """Whether the last price has reached the stop: from above if long, from below if short."""
    stop = row.position.stop
    if stop is None or row.price is None:
        return False
    return row.price <= float(stop) if row.position.quantity > 0 else row.price >= float(stop)


def pnl_at_stop(position: Position) -> float | None:
    """The P&L if the position is closed exactly at its stop."""
    if position.stop is None:
        return None
    return float((position.stop - position.entry_price) * position.quantity)


def is_stale(row: PositionPnl) -> bool:
    """Whether the price is one that must not be taken for the present one."""
    return row.freshness is Freshness.STALE


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
            name: str, cell: Callable[[Any], Cell], order: Callable[[Any], Any], sample: str
        ) -> Column:
            return Column(name, f"positions.{name}", cell, order, sample, figures=True)

        return [
            Column("symbol", "positions.symbol", self._symbol, lambda r: r.position.key, "ASELSX"),
            figure("quantity", self._quantity, lambda r: r.position.quantity, "1,000"),
            figure("entry", self._entry, lambda r: r.position.entry_price, "123.45"),
            figure("price", self._price, lambda r: r.price, "123.45"),
            figure("pnl", self._pnl, lambda r: r.open_pnl, "↑ +1,234.50"),
            figure("pnl_pct", self._pnl_pct, lambda r: r.open_pnl_pct, "+12.34%"),
            figure("day", self._day, lambda r: r.daily_pnl, "↑ +123.45"),
            figure("stop", self._stop, _stop_order, "12.34  −4.9%"),
            Column("state", "positions.state", self._state, self._state_order, "▨ 12 min", timed=True),
            figure("target", self._target, lambda r: r.position.target, "123.45"),
            Column(
                "risk",
                "positions.risk",
                self._risk,
                lambda r: pnl_at_stop(r.position),
                "↓ −1,234.50",
                figures=True,
                hidden=True,
            ),
        ]

    def _unit(self, row: PositionPnl) -> str:
        return exchange_of(row.position.exchange).currency if len(self._currencies) > 1 else ""

    def _symbol(self, row: PositionPnl) -> Cell:
        position = row.position
        mark = position.exchange if self._several_exchanges else ""
        opened = tr(
            "positions.opened_tip", time=exact_time(position.opened_at, position.exchange, self._now())
        )
        tip = "\n".join(filter(None, (position.key, opened, position.note)))
        return Cell(position.symbol, second=mark, tip=tip)

    def _quantity(self, row: PositionPnl) -> Cell:
        short = row.position.quantity < 0
        tip = tr("positions.short_tip") if short else ""
        return Cell(quantity_text(row.position.quantity), "warning" if short else "text", tip=tip)

    def _entry(self, row: PositionPnl) -> Cell:
        return Cell(format_price(row.position.key, float(row.position.entry_price)))

    def _price(self, row: PositionPnl) -> Cell:
        if row.price is None:
            return Cell("…", "secondary", tip=tr("positions.no_price_tip"))
        tint = _hatch(row) or "text"
        tip = self._state(row).tip
        return Cell(format_price(row.position.key, row.price), tint, hatch=_hatch(row), tip=tip)

    def _pnl(self, row: PositionPnl) -> Cell:
        value = None if row.value is None else format_price(row.position.key, row.value, currency=True)
        tip = tr("positions.value_tip", value=value) if value else ""
        return change_cell(row.open_pnl, unit=self._unit(row), tip=_with_mark(row, tip), hatch=_hatch(row))

    def _pnl_pct(self, row: PositionPnl) -> Cell:
        return percent_cell(row.open_pnl_pct, tip=_with_mark(row, ""), hatch=_hatch(row))

    def _day(self, row: PositionPnl) -> Cell:
        tip = format_percent(row.daily_pnl_pct) if row.daily_pnl_pct is not None else ""
        return change_cell(row.daily_pnl, unit=self._unit(row), tip=_with_mark(row, tip), hatch=_hatch(row))

    def _stop(self, row: PositionPnl) -> Cell:
        position = row.position
        if position.stop is None:
            return Cell(NOTHING, "warning", tip=tr("positions.no_stop_tip"))
        text = format_price(position.key, float(position.stop))
        if stop_is_hit(row):
            return Cell(text, "down", second=tr("positions.stop_hit"), tip=tr("positions.stop_hit_tip"))
        distance = stop_distance_pct(row)
        second = "" if distance is None else format_percent(distance, 1)
        return Cell(text, second=second, tip=self._stop_tip(row, second))

    def _stop_tip(self, row: PositionPnl, distance: str) -> str:
        lines = [tr("positions.stop_tip", distance=distance)] if distance else []
        unit = exchange_of(row.position.exchange).currency
        risk = format_number(pnl_at_stop(row.position) or 0.0, sign=True)
        return "\n".join([*lines, tr("positions.risk_amount_tip", pnl=f"{risk}\N{NO-BREAK SPACE}{unit}")])

    def _risk(self, row: PositionPnl) -> Cell:
        risk = pnl_at_stop(row.position)
        return change_cell(risk, unit=self._unit(row), tip=tr("positions.risk_tip"))

    def _target(self, row: PositionPnl) -> Cell:
        position = row.position
        if position.target is None:
            return Cell(NOTHING, "secondary")
        tip = ""
        if row.price:
            away = (float(position.target) - row.price) / row.price * 100
            tip = tr("positions.target_tip", distance=format_percent(away, 1))
        return Cell(format_price(position.key, float(position.target)), tip=tip)

    def _state(self, row: PositionPnl) -> Cell:
        if row.freshness is None or row.price is None:
            return Cell(tr("positions.no_price"), "secondary", tip=tr("positions.no_price_tip"))
        glyph, tint = _STATES[row.freshness]
        age = duration(self._now() - row.stamp) if row.stamp is not None else ""
        aged = bool(age) and row.freshness in (Freshness.STALE, Freshness.DELAYED)
        word = age if aged else tr(f"positions.{row.freshness.value}")
        tip = tr(f"positions.{row.freshness.value}_tip")
        if aged:
            tip = tr(f"positions.{row.freshness.value}_age", age=age) + ". " + tip
        if row.stamp is not None:
            tip += "\n" + tr(
                "positions.price_of", time=exact_time(row.stamp, row.position.exchange, self._now())
            )
        return Cell(f"{glyph} {word}", tint, hatch=_hatch(row), tip=tip)

    def _state_order(self, row: PositionPnl) -> tuple[int, float]:
        rank = len(_RANK) if row.freshness is None else _RANK[row.freshness]
        return rank, -(row.stamp or 0.0)


def _stop_order(row: PositionPnl) -> float | None:
    distance = stop_distance_pct(row)
    if distance is None:
        return None
    return -abs(distance) if stop_is_hit(row) else abs(distance)


def _hatch(row: PositionPnl) -> str:
    return row.freshness.value if row.freshness in (Freshness.STALE, Freshness.SIMULATED) else ""


def _with_mark(row: PositionPnl, tip: str) -> str:
    if row.freshness is Freshness.SIMULATED:
        return "\n".join(filter(None, (tip, tr("positions.simulated_tip"))))
    return tip
