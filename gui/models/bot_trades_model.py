"""The bots' finished trades, and what each bot earned on each day, as rows of tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from PyQt5.QtCore import QObject

from core.bots.model import BotDay, BotTrade
from core.exchanges import exchange_of
from core.i18n import format_percent, tr
from core.price_rules import format_price
from gui.formatting import duration, exact_time
from gui.models.cells import change_cell, date_text, local_time, percent_cell, quantity_text, short_time
from gui.models.rows import Cell, Column, RowModel

REASONS = ("signal", "stop", "trailing_stop", "target", "daily_loss", "daily_target", "flatten")


class TradeFilter(msgspec.Struct, frozen=True):
    """Which trades are wanted: of one bot ("" for all), with `text` in the symbol, closed at or after the
    Unix time `since`, and with a gain (1), a loss (-1) or any outcome (0).

    With `today_at`, a Unix time, those of that day at their exchange.
    """

    bot_id: str = ""
    text: str = ""
    since: float = 0.0
    today_at: float = 0.0
    outcome: int = 0

    def accepts(self, trade: BotTrade) -> bool:
        """Whether `trade` is wanted."""
        return (
            (not self.bot_id or trade.bot_id == self.bot_id)
            and self.text.casefold() in trade.key.casefold()
            and trade.closed_at >= self.since
            and (not self.today_at or self._is_today(trade))
            and (not self.outcome or trade.pnl * self.outcome > 0)
        )

    def _is_today(self, trade: BotTrade) -> bool:
        exchange = trade.key.partition(":")[0]
        day = local_time(self.today_at, exchange).date()
        return local_time(trade.closed_at, exchange).date() == day


def currency_of_trade(trade: BotTrade) -> str:
    """The sign of the currency in which a trade was made."""
    return exchange_of(trade.key.partition(":")[0]).currency


def pnl_pct(trade: BotTrade) -> float | None:
    """The net P&L in percent of what was put in."""
    cost = abs(trade.entry_price * trade.quantity)
    return float(trade.pnl / cost * 100) if cost else None


class BotTradesModel(RowModel):
    """One line per finished trade, newest first. `names` are the bots' names by id."""

    def __init__(self, parent: QObject | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.names: dict[str, str] = {}
        self._several_exchanges = False
        super().__init__(self._make_columns(), lambda trade: trade.trade_id, parent)

    def set_names(self, names: Mapping[str, str]) -> None:
        """Call the bots by these names."""
        if names != self.names:
            self.names = dict(names)
            self.refresh()

    def set_trades(self, trades: Sequence[BotTrade]) -> None:
        """Show these trades; their exchanges are named where there are several."""
        several = len({trade.key.partition(":")[0] for trade in trades}) > 1
        renamed, self._several_exchanges = several is not self._several_exchanges, several
        self.set_rows(sorted(trades, key=lambda trade: (trade.closed_at, trade.trade_id), reverse=True))
        if renamed:
            self.refresh()

    def _make_columns(self) -> list[Column]:
        def figure(name: str, cell: Callable[[BotTrade], Cell], order: Callable[[BotTrade], object],
                   sample: str) -> Column:  # fmt: skip
            return Column(name, f"positions.{name}", cell, order, sample, figures=True)

        return [
            Column("closed_at", "positions.closed_at", self._closed, lambda t: t.closed_at, "11-21 14:30",
                   timed=True),
            Column("bot", "bot_trades.bot", self._bot, lambda t: self._name_of(t).casefold(), "Trend BIST"),
            Column("symbol", "positions.symbol", self._symbol, lambda t: t.key, "GARAN"),
            figure("realised", _pnl, lambda t: t.pnl, "↑ +12,345.60 ₺"),
            figure("realised_pct", lambda t: percent_cell(pnl_pct(t)), pnl_pct, "+12.34%"),
            Column("reason", "bot_trades.reason", _reason, lambda t: t.reason, "daily loss limit"),
            Column("side", "positions.side", _side, lambda t: t.quantity > 0, "Short"),
            figure("quantity", lambda t: Cell(quantity_text(abs(t.quantity))), lambda t: abs(t.quantity),
                   "10,000"),
            figure("entry", lambda t: _price(t, t.entry_price), lambda t: t.entry_price, "1,234.50"),
            figure("exit", lambda t: _price(t, t.exit_price), lambda t: t.exit_price, "1,234.50"),
            figure("held", self._held, lambda t: t.closed_at - t.opened_at, "123 days"),
        ]  # fmt: skip

    def _name_of(self, trade: BotTrade) -> str:
        return self.names.get(trade.bot_id, trade.bot_id)

    def _symbol(self, trade: BotTrade) -> Cell:
        exchange, _, symbol = trade.key.partition(":")
        return Cell(symbol, second=exchange if self._several_exchanges else "")

    def _bot(self, trade: BotTrade) -> Cell:
        return Cell(self._name_of(trade), tip=trade.bot_id)

    def _closed(self, trade: BotTrade) -> Cell:
        exchange, now = trade.key.partition(":")[0], self._now()
        return Cell(
            short_time(trade.closed_at, exchange, now), tip=exact_time(trade.closed_at, exchange, now)
        )

    def _held(self, trade: BotTrade) -> Cell:
        opened = exact_time(trade.opened_at, trade.key.partition(":")[0], self._now())
        return Cell(duration(trade.closed_at - trade.opened_at), tip=tr("positions.opened_tip", time=opened))


def _side(trade: BotTrade) -> Cell:
    return Cell(tr("positions.long" if trade.quantity > 0 else "positions.short"))


def _price(trade: BotTrade, value: Decimal) -> Cell:
    return Cell(format_price(trade.key, float(value)))


def _pnl(trade: BotTrade) -> Cell:
    tip = tr("bot_trades.fees_tip", fees=format_price(trade.key, float(trade.fees), currency=True))
    return change_cell(
        trade.pnl, unit=currency_of_trade(trade), tip=tip, hatch="simulated" if trade.simulated else ""
    )


def _reason(trade: BotTrade) -> Cell:
    return Cell(tr(f"strategies.exit_{trade.reason}") if trade.reason in REASONS else trade.reason)


def _share(day: BotDay) -> float:
    """How many of the day's trades were won, 0 to 1."""
    return day.wins / day.trades if day.trades else 0.0


class BotDaysModel(RowModel):
    """One line per bot and day, newest first. `currencies` are the bots' by id."""

    def __init__(self, parent: QObject | None = None) -> None:
        self.names: dict[str, str] = {}
        self.currencies: dict[str, str] = {}
        super().__init__(self._make_columns(), lambda day: (day.bot_id, day.day), parent)

    def set_days(
        self, days: Sequence[BotDay], names: Mapping[str, str], currencies: Mapping[str, str]
    ) -> None:
        """Show these days."""
        self.names, self.currencies = dict(names), dict(currencies)
        self.set_rows(days)
        self.refresh()

    def _make_columns(self) -> list[Column]:
        def name(day: BotDay) -> str:
            return self.names.get(day.bot_id, day.bot_id)

        return [
            Column("day", "bot_trades.day", lambda d: Cell(date_text(datetime.fromisoformat(d.day))),
                   lambda d: d.day, "2026-11-25"),
            Column("pnl", "positions.realised",
                   lambda d: change_cell(d.pnl, unit=self.currencies.get(d.bot_id, "")), lambda d: d.pnl,
                   "↑ +12,345.60 ₺", figures=True),
            Column("bot", "bot_trades.bot", lambda d: Cell(name(d)), lambda d: name(d).casefold(), "Trend"),
            Column("trades", "bot_trades.trades", lambda d: Cell(str(d.trades)), lambda d: d.trades, "1,000",
                   figures=True),
            Column("won", "bot_trades.win_rate",
                   lambda d: Cell(format_percent(100.0 * _share(d), 0, sign=False)), _share, "100%",
                   figures=True),
        ]  # fmt: skip
