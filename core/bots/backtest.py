"""Lets a bot trade on recorded bars: the very bot, broker, risk rules and strategy that trade live.

Each bar becomes a path of prices (`core.bots.bar_path`), and the bot gets one after the other. A decision on
a finished bar is carried out at the next bar's open; stops and targets at the first price of the path that
reaches them, gaps included; fees and slippage are the bot's. The strategy sees finished bars only. A bot that
has reached a limit of the day is started again at the next session. What comes out is marked as simulated.

What a backtest cannot know: which extreme of a bar came first (taken against the bot), how much could have
been traded, and what would have been chosen without having seen these prices before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from core.bots.bar_path import RecordedSessions, bar_length, by_start, path_after_open
from core.bots.bot import Bot
from core.bots.cycles import Cycles, local_host, shape_of
from core.bots.model import BotFill, BotStatus, BotTrade
from core.bots.params import check_params
from core.bots.setting import Shape, World
from core.bots.statistics import BotStatistics, fall_of, summarise
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, Strategy, View
from core.clock import FakeClock, SystemClock
from core.config import BotConfig
from core.errors import InputError, StrategyError
from core.i18n import tr
from core.model import Bar, Freshness, Quote, Tick

SOURCE = "recorded"


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. `equity` is (Unix time, cash and positions at the last price) at each bar's end.

    What is held at the end is sold at the last price, for fees and slippage. `return_pct` and
    `max_drawdown_pct` are of `equity`, `exposure` is the share of bars at whose end something was held.
    """

    config: BotConfig
    trades: tuple[BotTrade, ...]
    fills: tuple[BotFill, ...]
    statistics: BotStatistics
    equity: tuple[tuple[float, float], ...]
    return_pct: float
    max_drawdown_pct: float
    exposure: float
    fees: float
    bars: int
    prices: int


class BuyAndHold(BaseStrategy):
    """Buys at the first chance and never sells: what every strategy must be compared with."""

    name = "buy_and_hold"

    def __init__(self, seconds: int) -> None:
        """It wakes at bars of `seconds`."""
        self._seconds = seconds

    def bar_seconds(self, params: Mapping[str, object]) -> int:
        """See `Strategy.bar_seconds`."""
        return self._seconds

    def lookback(self, params: Mapping[str, object]) -> int:
        """See `Strategy.lookback`."""
        return 1

    def decide(self, view: View, params: Mapping[str, object], memory: dict[str, object]) -> Decision:
        """See `Strategy.decide`."""
        return Decision(action=Action.BUY) if view.position is None else HOLD


def run_backtest(
    config: BotConfig, bars: Mapping[str, Sequence[Bar]], seconds: int, *, start: float = -math.inf,
    step_pct: float = 0.25, threshold_pct: float = 2.0, strategy: Strategy | None = None,
) -> BacktestResult:  # fmt: skip
    """Let `config`'s bot trade on `bars`, `seconds` long, per instrument ("BIST:ASELS"), oldest first.

    Until the Unix time `start` it only watches, so that its strategy has its history by then. `strategy`
    stands in for the one that is configured; `threshold_pct` is the signal rule's. Raises `InputError` for a
    configuration that cannot run and `StrategyError` if the strategy fails.
    """
    return _Backtest(config, bars, seconds, threshold_pct, strategy).run(start, step_pct)


def buy_and_hold(
    config: BotConfig, bars: Mapping[str, Sequence[Bar]], seconds: int, *, start: float = -math.inf
) -> BacktestResult:
    """The same money, fees and slippage, put into the bot's instruments at `start` and left there."""
    held = msgspec.structs.replace(
        config, direction="long", size=config.cash / len(config.symbols), quantity=0.0,
        max_open_positions=len(config.symbols), stop_loss_pct=0.0, take_profit_pct=0.0,
        trailing_stop_pct=0.0, trailing_stop_atr=0.0, max_daily_loss=0.0, daily_target=0.0, params={},
    )  # fmt: skip
    return run_backtest(held, bars, seconds, start=start, step_pct=100.0, strategy=BuyAndHold(seconds))


class _Backtest:
    def __init__(
        self, config: BotConfig, bars: Mapping[str, Sequence[Bar]], seconds: int, threshold_pct: float,
        strategy: Strategy | None,
    ) -> None:  # fmt: skip
        self._seconds = seconds
        self._sessions = RecordedSessions(bars, seconds)
        world = World(sessions=self._sessions, threshold_pct=threshold_pct, trade_simulation=True)
        found, shape = shape_of(config) if strategy is None else (strategy, _shape(strategy, config))
        if shape.error:
            raise InputError(shape.error)
        self._bot = Bot(config, shape, world)
        missing = [key for key in self._bot.keys if not bars.get(key)]
        if missing or not self._bot.keys:
            raise InputError(tr("strategies.no_bars", names=", ".join(missing)))
        self._bars = {key: tuple(bars[key]) for key in self._bot.keys}
        self._main = self._bot.keys[0].partition(":")[0]
        self._cycles = Cycles(FakeClock(), SystemClock(), local_host, patient=True)
        self._cycles.employ(self._bot, found)
        self._last: dict[str, float] = {}
        self._closes: dict[str, tuple[float, float]] = {}
        self._prices = 0

    def run(self, start: float, step_pct: float) -> BacktestResult:
        bot = self._bot
        equity: list[tuple[float, float]] = []
        session, held, end = -math.inf, 0, start
        try:
            for moment, group in by_start(self._bars):
                opened = self._opened(self._main, moment)
                if moment >= start and (not equity or opened > session) and bot.mode is BotStatus.STOPPED:
                    bot.start()
                session = opened
                end = self._pass(moment, group, step_pct)
                if moment >= start:
                    equity.append((end, bot.equity))
                    held += bool(bot.trader.account.positions)
        finally:
            self._cycles.close()
        bot.stop(end, flatten=True)
        return self._result(equity, end, held)

    def _pass(self, moment: float, group: Sequence[Bar], step_pct: float) -> float:
        """Let the bars that begin at `moment` pass; when they end."""
        for bar in group:
            self._show(bar.key, bar.open, moment)
        length = bar_length(group[0].key.partition(":")[0], self._seconds)
        for at, key, price in self._paths(moment, group, length, step_pct):
            self._show(key, price, at)
        return moment + length

    def _paths(
        self, moment: float, group: Sequence[Bar], length: float, step_pct: float
    ) -> list[tuple[float, str, float]]:
        """The prices after the opens of all bars of the moment, in the order of time."""
        positions = self._bot.trader.account.positions
        merged = []
        for bar in group:
            position = positions.get(bar.key)
            path = list(path_after_open(bar, float(position.quantity) if position else 0.0, step_pct))
            gap = length / (len(path) + 1)
            merged += [(moment + gap * (number + 1), bar.key, price) for number, price in enumerate(path)]
        return merged if len(group) == 1 else sorted(merged)

    def _show(self, key: str, price: float, at: float) -> None:
        """Give the bot one price, and let its strategy answer if it wants to be asked."""
        bot, opened = self._bot, self._opened(key.partition(":")[0], at)
        spot, tick = bot.spots[key], self._tick(key, price, at, opened)
        quote = Quote(key=key, price=price, stamp=at, received=at, source=SOURCE, simulated=True)
        self._prices += 1
        if bot.on_price(spot, tick, quote, at, opened, 0.0):
            self._cycles.want(bot, spot)
            if bot.mode is BotStatus.ERROR:
                raise StrategyError(bot.last_error or "")

    def _tick(self, key: str, price: float, at: float, opened: float) -> Tick:
        """The price beside the last one of the session before."""
        known = self._closes.get(key)
        if known is None or known[0] != opened:
            known = self._closes[key] = (opened, self._last.get(key, price))
        self._last[key] = price
        close = known[1]
        return Tick(
            key=key, price=price, change_pct=(price / close - 1.0) * 100.0, stamp=at, received=at,
            source=SOURCE, simulated=True, freshness=Freshness.SIMULATED, delay=0.0, basis="previous_close",
            previous_close=close, open=None, high=None, low=None, volume=None,
        )  # fmt: skip

    def _opened(self, exchange: str, moment: float) -> float:
        session = self._sessions.at(exchange, moment)
        return moment if session is None else session[0]

    def _result(self, equity: list[tuple[float, float]], end: float, held: int) -> BacktestResult:
        bot, config = self._bot, self._bot.config
        change = bot.take_change(end)
        final = bot.equity
        if equity:
            equity[-1] = (end, final)
        return BacktestResult(
            config=config, trades=change.trades, fills=change.fills,
            statistics=summarise(change.trades, Decimal(str(config.cash))), equity=tuple(equity),
            return_pct=(final / config.cash - 1.0) * 100.0,
            max_drawdown_pct=fall_of(config.cash, [value for _, value in equity]),
            exposure=held / len(equity) if equity else 0.0,
            fees=float(sum((fill.fee for fill in change.fills), Decimal(0))),
            bars=sum(map(len, self._bars.values())), prices=self._prices,
        )  # fmt: skip


def _shape(strategy: Strategy, config: BotConfig) -> Shape:
    problems = check_params(strategy, config.params)
    if problems:
        return Shape(error=str(problems[0]))
    return Shape(strategy.wake, strategy.bar_seconds(config.params), strategy.lookback(config.params))
