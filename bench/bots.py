"""What strategies would have earned on recorded daily prices, against buying and holding; and their speed.

The bots are the live ones (`core.bots.backtest`), the prices those of `bench.recorded`. The table tells what
it cannot tell: it is in-sample, its companies are known survivors, and a past result promises nothing.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any, NamedTuple

from bench.figures import Figure, percentile
from bench.recorded import daily_bars
from core.bars.sessions import DAY
from core.bots.backtest import BacktestResult, buy_and_hold, run_backtest
from core.bots.host import StrategyHost
from core.bots.registry import find_strategy, strategy_names
from core.bots.strategy import View
from core.config import BotConfig
from core.model import Bar

WARM_UP = 201
"""Bars before anybody may trade: what the strategy with the longest memory needs."""
CASH = 100_000.0
STOP_PCT = 3.0
BACKTEST_GOAL = 10_000
"""Prices per second through a bot, strategy included."""
DECIDE_GOAL = 2.0
"""Milliseconds per decision on a finished bar."""
NOTES = (
    "Each bot trades one share with all its cash ($100,000 at the start), on daily bars, long only, with the "
    "strategy's default figures and the program's default costs: fee 0.1 % and slippage 0.05 % per fill. The "
    "stop loss is the program's default, or none.",
    "A decision at a day's end is filled at the next open. Inside a day the path is assumed, not recorded: "
    "while something is held, the extreme that is bad for it comes first. `threshold` trades inside the day "
    "and rests on that assumption most.",
    "All prices are adjusted for splits and dividends. Both sides begin after the same 201 days and sell "
    "what they hold at the last close. Drawdowns are of daily closes. Cash earns nothing; no tax is counted.",
    "IN-SAMPLE: the rules and their figures are common ones and were not fitted to these results; only the 7 "
    "bars of rsi_pullback's index were chosen here, by how often it trades. But all of this was known long "
    "ago. SURVIVORS: the companies are famous because they did well, which flatters the holder.",
    "A past result promises nothing.",
)


class Row(NamedTuple):
    """One strategy on one share."""

    strategy: str
    key: str
    result: BacktestResult
    hold: BacktestResult


def run() -> list[Figure]:
    """Backtest every strategy on every share, with and without the default stop loss; print the table."""
    bars = daily_bars()
    began = time.perf_counter()
    rows = [row for stop in (STOP_PCT, 0.0) for row in _rows(bars, stop)]
    prices = sum(row.result.prices for row in rows)
    speed = prices / (time.perf_counter() - began)
    _print(rows, bars)
    return [*_results(rows), *_speed(bars, speed)]


def _rows(bars: Mapping[str, Sequence[Bar]], stop: float) -> list[Row]:
    rows = []
    for key, series in bars.items():
        if len(series) <= WARM_UP:
            continue
        start = series[WARM_UP].start
        hold = buy_and_hold(_config("threshold", key, 0.0), {key: series}, DAY, start=start)
        for name in strategy_names():
            result = run_backtest(_config(name, key, stop), {key: series}, DAY, start=start)
            rows.append(Row(name, key, result, hold))
    return sorted(rows, key=lambda row: strategy_names().index(row.strategy))


def _config(name: str, key: str, stop: float) -> BotConfig:
    strategy = find_strategy(name)
    params: dict[str, Any] = {"timeframe_sec": DAY} if "timeframe_sec" in strategy.defaults else {}
    return BotConfig(
        id="bench", name="Bench", symbols=(key,), strategy=name, params=params, cash=CASH, size=1e12,
        stop_loss_pct=stop,
    )  # fmt: skip


def _print(rows: Sequence[Row], bars: Mapping[str, Sequence[Bar]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Strategies on recorded daily prices, after fees and slippage, against buy and hold")
    for column in ("strategy", "stop", "share", "from", "to"):
        table.add_column(column)
    for column in ("result", "hold", "drawdown", "hold's", "trades", "won", "fees", "in market"):
        table.add_column(column, justify="right")
    for number, row in enumerate(rows):
        table.add_row(*_cells(row), end_section=_ends(rows, number))
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    short = [key.partition(":")[2] for key, series in bars.items() if len(series) <= WARM_UP]
    for note in (*NOTES, f"Left out, because there are too few days: {', '.join(short) or 'none'}."):
        console.print(f"- {note}")


def _ends(rows: Sequence[Row], number: int) -> bool:
    after = rows[number + 1 : number + 2]
    return not after or after[0].strategy != rows[number].strategy


def _cells(row: Row) -> tuple[str, ...]:
    result, hold, figures = row.result, row.hold, row.result.statistics
    stop = row.result.config.stop_loss_pct
    return (
        row.strategy, f"{stop:g} %" if stop else "none", row.key.partition(":")[2],
        _date(result.equity[0][0]), _date(result.equity[-1][0]), f"{result.return_pct:+,.1f} %",
        f"{hold.return_pct:+,.1f} %", f"{result.max_drawdown_pct:.0f} %", f"{hold.max_drawdown_pct:.0f} %",
        str(figures.trades), "" if figures.win_rate is None else f"{figures.win_rate * 100:.0f} %",
        f"${result.fees:,.0f}", f"{result.exposure * 100:.0f} %",
    )  # fmt: skip


def _date(stamp: float) -> str:
    return datetime.fromtimestamp(stamp, UTC).date().isoformat()


def _results(rows: Sequence[Row]) -> list[Figure]:
    """Each strategy's growth per year, the plain mean of all shares, beside the holder's."""
    figures = []
    for name in strategy_names():
        for stop in (STOP_PCT, 0.0):
            mine = [row for row in rows if row.strategy == name and row.result.config.stop_loss_pct == stop]
            trades = sum(row.result.statistics.trades for row in mine)
            fall = max(row.result.max_drawdown_pct for row in mine)
            label = f"{stop:g} % stop" if stop else "no stop"
            figures.append(Figure(
                f"{name}, {label}", fmean(_yearly(row.result) for row in mine), "%/year",
                naive=fmean(_yearly(row.hold) for row in mine),
                note=f"naive way: buy and hold; mean of {len(mine)} shares, {trades} trades, worst drawdown "
                f"{fall:.0f} %; in-sample, survivors",
            ))  # fmt: skip
    return figures


def _yearly(result: BacktestResult) -> float:
    years = (result.equity[-1][0] - result.equity[0][0]) / (365.25 * DAY)
    return (math.pow(1.0 + result.return_pct / 100.0, 1.0 / years) - 1.0) * 100.0


def _speed(bars: Mapping[str, Sequence[Bar]], prices_per_second: float) -> list[Figure]:
    figures = [Figure("backtest", prices_per_second, "prices/s", BACKTEST_GOAL, higher=True)]
    for name in ("ema_cross", "rsi_pullback"):
        times = _decisions(name, bars["NASDAQ:AAPL"])
        count, worst = find_strategy(name).lookback({}), percentile(times, 0.99)
        note = f"{count} bars, with the host's checks; p99 {worst:.2g} ms"
        figures.append(Figure(f"{name}, one decision", median(times), "ms", DECIDE_GOAL, note=note))
    return figures


def _decisions(name: str, series: Sequence[Bar], rounds: int = 500) -> list[float]:
    """Milliseconds of each of `rounds` decisions on bars that follow each other."""
    strategy, host = find_strategy(name), StrategyHost()
    count, memory, times = strategy.lookback({}), {}, []  # type: int, dict[str, Any], list[float]
    for end in range(count, count + rounds):
        seen = tuple(series[end - count : end])
        view = View(key=seen[-1].key, price=seen[-1].close, at=seen[-1].start, position=None, bars=seen)
        began = time.perf_counter()
        host.decide(strategy, view, {"timeframe_sec": DAY}, memory, 1.0)
        times.append((time.perf_counter() - began) * 1000.0)
    return times
