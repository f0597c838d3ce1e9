"""What a bot's finished trades amount to: how often it wins, what it earns, how deep it fell.

Sums are made of exact `Decimal`s in the order of time and become floats only at the end, for the screen. The
trades must share one currency; in which order they are given does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal

import msgspec

from core.bots.model import BotDay, BotTrade
from core.exchanges import exchange_of

_ZERO = Decimal(0)
_EXACT = Context(prec=100)
"""More digits than any sum of money has, so that no sum is rounded."""


class BotStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a number of finished trades, in the money of their exchange, net of fees.

    `wins` earned something and `losses` cost something; a trade that came out even is neither. `win_rate` is
    `wins` of `trades`, 0 to 1. `average_loss` is negative or 0; both averages are 0 where there is nothing to
    average. `profit_factor` is what was won for each unit that was lost, None without a loss. Drawdowns are
    falls of the equity from its highest value before, at the ends of trades: `max_drawdown` in money,
    `max_drawdown_pct` in percent of that highest value, each the greatest of its own. `curve` is
    (Unix time, equity): the start at the first trade's opening, then one point per moment in which trades
    ended; empty without trades.
    """

    trades: int
    wins: int
    losses: int
    win_rate: float | None
    net_pnl: float
    fees: float
    average_win: float
    average_loss: float
    profit_factor: float | None
    max_drawdown: float
    max_drawdown_pct: float
    curve: tuple[tuple[float, float], ...]


def summarise(trades: Sequence[BotTrade], start_cash: Decimal) -> BotStatistics:
    """The statistics of `trades` by a bot that began with `start_cash`."""
    won = [trade.pnl for trade in trades if trade.pnl > 0]
    lost = [trade.pnl for trade in trades if trade.pnl < 0]
    equity = _equity(trades, start_cash)
    fall, fall_pct = _drawdown(start_cash, (value for _, value in equity))
    begin = [(min(trade.opened_at for trade in trades), float(start_cash))] if trades else []
    return BotStatistics(
        trades=len(trades), wins=len(won), losses=len(lost),
        win_rate=len(won) / len(trades) if trades else None,
        net_pnl=float(_sum(trade.pnl for trade in trades)), fees=float(_sum(trade.fees for trade in trades)),
        average_win=_mean(won), average_loss=_mean(lost),
        profit_factor=float(_sum(won) / -_sum(lost)) if lost else None,
        max_drawdown=float(fall), max_drawdown_pct=float(fall_pct),
        curve=(*begin, *((at, float(value)) for at, value in equity)),
    )  # fmt: skip


def by_day(trades: Iterable[BotTrade]) -> tuple[BotDay, ...]:
    """Per bot and day (local to the trade's exchange) what was earned, newest first."""
    groups: defaultdict[tuple[str, str], list[BotTrade]] = defaultdict(list)
    for trade in trades:
        zone = exchange_of(trade.key.partition(":")[0]).zone
        day = datetime.fromtimestamp(trade.closed_at, UTC).astimezone(zone).date().isoformat()
        groups[day, trade.bot_id].append(trade)
    return tuple(
        BotDay(
            bot_id=bot_id, day=day, pnl=_sum(each.pnl for each in group),
            fees=_sum(each.fees for each in group),
            trades=len(group), wins=sum(each.pnl > 0 for each in group),
        )
        for (day, bot_id), group in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    )  # fmt: skip


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for value in values:
        total = _EXACT.add(total, value)
    return total


def _mean(values: Sequence[Decimal]) -> float:
    return float(_sum(values) / len(values)) if values else 0.0


def _equity(trades: Iterable[BotTrade], start: Decimal) -> list[tuple[float, Decimal]]:
    """The equity after each moment in which trades ended; trades of the same moment are one step."""
    steps: defaultdict[float, Decimal] = defaultdict(Decimal)
    for trade in trades:
        steps[trade.closed_at] = _EXACT.add(steps[trade.closed_at], trade.pnl)
    equity, curve = start, []
    for at in sorted(steps):
        equity = _EXACT.add(equity, steps[at])
        curve.append((at, equity))
    return curve


def _drawdown(start: Decimal, values: Iterable[Decimal]) -> tuple[Decimal, Decimal]:
    """The greatest fall from the highest value so far, in money and in percent of it (0 of nothing)."""
    peak, fall, fall_pct = start, _ZERO, _ZERO
    for value in values:
        peak = max(peak, value)
        down = peak - value
        fall = max(fall, down)
        if peak > 0:
            fall_pct = max(fall_pct, 100 * down / peak)
    return fall, fall_pct


def fall_of(start: float, values: Iterable[float]) -> float:
    """The greatest fall of an equity from its highest value before, in percent of that; 0 without any."""
    peak, fall = start, 0.0
    for value in values:
        peak = max(peak, value)
        if peak > 0:
            fall = max(fall, (peak - value) / peak * 100.0)
    return fall
