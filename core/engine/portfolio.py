"""Positions valued at live prices. Figures here are floats for the screen; the ledger itself is exact.

P&L = (price - entry) x quantity; P&L % is of the entry value. A position's daily P&L counts from the previous
close, or from its entry if it was opened today; the day's figure adds what was realised today. "Today" is the
day of the exchange's current session, or of its last one until the next opens. A price from the fallback
simulation never values a position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.exchanges import exchange_of
from core.model import (
    ClosedTrade,
    CurrencyTotal,
    Freshness,
    PortfolioSnapshot,
    Position,
    PositionPnl,
    Tick,
)

_FRESH = (Freshness.LIVE, Freshness.DELAYED, Freshness.CLOSED, Freshness.SIMULATED)


class _Holding:
    """All positions in one instrument, summed so that a tick costs the same however many they are."""

    __slots__ = ("cost", "currency", "freshness", "previous_close", "price", "quantity", "stamp")

    def __init__(self, exchange: str) -> None:
        self.currency = exchange_of(exchange).currency
        self.quantity = 0.0
        self.cost = 0.0
        self.price: float | None = None
        self.stamp: float | None = None
        self.previous_close: float | None = None
        self.freshness: Freshness | None = None


class Portfolio:
    """Open positions and their live value. Belongs to the engine's thread."""

    def __init__(self, day_start: Callable[[str], float], *, trade_simulation: bool) -> None:
        """`day_start` tells when an exchange's day began, in Unix seconds."""
        self._day_start = day_start
        self.trade_simulation = trade_simulation
        self._holdings: dict[str, _Holding] = {}
        self._positions: tuple[Position, ...] = ()
        self._realised: dict[str, float] = {}
        self.dirty = True
        self.open_pnl: dict[str, float] = {}
        """The running open P&L per currency, brought up to date at every tick."""

    def set_positions(self, positions: Iterable[Position]) -> None:
        """Replace all positions; last prices are kept."""
        old = self._holdings
        self._positions = tuple(positions)
        self._holdings = {}
        for position in self._positions:
            holding = self._holdings.get(position.key)
            if holding is None:
                holding = self._holdings[position.key] = _Holding(position.exchange)
            holding.quantity += float(position.quantity)
            holding.cost += float(position.quantity * position.entry_price)
        for key, holding in self._holdings.items():
            before = old.get(key)
            if before is not None:
                holding.price, holding.freshness, holding.stamp = before.price, before.freshness, before.stamp
                holding.previous_close = before.previous_close
        self._recount()
        self.dirty = True

    def set_realised_today(self, trades: Iterable[ClosedTrade]) -> None:
        """Tell which trades were closed today; their P&L is part of the day's figure."""
        self._realised = {}
        for trade in trades:
            currency = exchange_of(trade.exchange).currency
            self._realised[currency] = self._realised.get(currency, 0.0) + float(trade.realised_pnl)
        self.dirty = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The instruments in which there are positions, oldest position first."""
        return tuple(self._holdings)

    def on_tick(self, tick: Tick) -> None:
        """Value the holdings in this instrument at its new price."""
        key = tick.key
        if key not in self._holdings:
            return  # The usual case.
        holding = self._holdings[key]
        if tick.simulated and not self.trade_simulation:
            # Somebody makes up prices because the real one has died.
            self.on_freshness(key, Freshness.STALE)
            return
        price = tick.price
        before = holding.price
        holding.price = price
        holding.stamp = tick.stamp
        holding.freshness = tick.freshness
        if tick.previous_close is not None:
            holding.previous_close = tick.previous_close
        if before is None:
            added = price * holding.quantity - holding.cost
            self.open_pnl[holding.currency] = self.open_pnl.get(holding.currency, 0.0) + added
        else:
            self.open_pnl[holding.currency] += (price - before) * holding.quantity
        self.dirty = True

    def on_freshness(self, key: str, freshness: Freshness) -> None:
        """The price of `key` has aged."""
        holding = self._holdings.get(key)
        if holding is not None and holding.price is not None and holding.freshness is not freshness:
            holding.freshness = freshness
            self.dirty = True

    def snapshot(self, now: float) -> PortfolioSnapshot:
        """Everything valued anew from the positions, so that no rounding adds up."""
        rows = tuple(self._value(position) for position in self._positions)
        self._recount()
        self.dirty = False
        currencies = dict.fromkeys(exchange_of(p.exchange).currency for p in self._positions)
        currencies.update(dict.fromkeys(self._realised))
        totals = tuple(self._total(currency, rows) for currency in currencies)
        return PortfolioSnapshot(rows=rows, totals=totals, updated=now)

    def _value(self, position: Position) -> PositionPnl:
        holding = self._holdings[position.key]
        price = holding.price
        if price is None:
            return PositionPnl(
                position=position, price=None, value=None, open_pnl=None, open_pnl_pct=None, daily_pnl=None,
                daily_pnl_pct=None, freshness=None,
            )  # fmt: skip
        quantity, entry = float(position.quantity), float(position.entry_price)
        pnl = (price - entry) * quantity
        base = self._day_base(position, holding)
        daily = (price - base) * quantity
        return PositionPnl(
            position=position, price=price, value=price * quantity, open_pnl=pnl,
            open_pnl_pct=_percent(pnl, entry * quantity), daily_pnl=daily,
            daily_pnl_pct=_percent(daily, base * quantity), freshness=holding.freshness, stamp=holding.stamp,
        )  # fmt: skip

    def _day_base(self, position: Position, holding: _Holding) -> float:
        opened_today = position.opened_at >= self._day_start(position.exchange)
        if opened_today or holding.previous_close is None:
            return float(position.entry_price)
        return holding.previous_close

    def _total(self, currency: str, rows: tuple[PositionPnl, ...]) -> CurrencyTotal:
        mine = [row for row in rows if exchange_of(row.position.exchange).currency == currency]
        value = sum(row.value or 0.0 for row in mine)
        pnl = sum(row.open_pnl or 0.0 for row in mine)
        cost = sum(abs((row.value or 0.0) - (row.open_pnl or 0.0)) for row in mine)
        realised = self._realised.get(currency, 0.0)
        moved = sum(row.daily_pnl or 0.0 for row in mine)
        base = sum(abs((row.value or 0.0) - (row.daily_pnl or 0.0)) for row in mine)
        return CurrencyTotal(
            currency=currency, total_value=value, open_pnl=pnl, open_pnl_pct=_percent(pnl, cost),
            daily_pnl=moved + realised, daily_pnl_pct=_percent(moved + realised, base),
            realised_today=realised, positions=len(mine),
            stale_positions=sum(row.freshness not in _FRESH for row in mine),
        )  # fmt: skip

    def _recount(self) -> None:
        self.open_pnl = {}
        for holding in self._holdings.values():
            if holding.price is not None:
                pnl = holding.price * holding.quantity - holding.cost
                self.open_pnl[holding.currency] = self.open_pnl.get(holding.currency, 0.0) + pnl


def _percent(part: float, whole: float) -> float:
    return part / abs(whole) * 100.0 if whole else 0.0
