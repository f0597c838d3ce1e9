"""A backtest is the live bot on recorded bars: no look-ahead, pessimistic, exact to the cent."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.recorded import daily_bars
from core.bots.backtest import BacktestResult, buy_and_hold, run_backtest
from core.bots.bar_path import RecordedSessions, bar_length, path_after_open
from core.bots.statistics import fall_of
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, View, Wake
from core.config import BotConfig
from core.errors import InputError, StrategyError
from core.model import Bar
from tests.test_strategies import naive_ema_trades

DAY = 86_400
KEY = "NASDAQ:AAPL"
CENT = Decimal("0.01")
NEW_YORK = ZoneInfo("America/New_York")


def day(number: int) -> float:
    """The opening of the session of a day of January 2010 or later, every day being one."""
    return datetime(2010, 1, 1, 9, 30, tzinfo=NEW_YORK).timestamp() + DAY * (number - 1)


def bar(number: int, open_: float, high: float, low: float, close: float, key: str = KEY) -> Bar:
    """The daily bar of a day."""
    return Bar(key, day(number), open_, high, low, close)


def config(**fields: Any) -> BotConfig:
    """A bot without fees, slippage and stops that puts all it has into one instrument."""
    values: dict[str, Any] = {
        "id": "b", "name": "B", "symbols": (KEY,), "cash": 10_000.0, "size": 1e9, "fee_pct": 0.0,
        "slippage_pct": 0.0, "stop_loss_pct": 0.0,
    } | fields  # fmt: skip
    return BotConfig(**values)


class Planned(BaseStrategy):
    """Does at the end of each day what the test has planned for it."""

    name = "planned"

    def __init__(self, *plan: Action, seconds: int = DAY) -> None:
        self._plan = plan
        self._seconds = seconds
        self.seen: list[View] = []

    def bar_seconds(self, params: Any) -> int:
        """See `Strategy.bar_seconds`."""
        return self._seconds

    def lookback(self, params: Any) -> int:
        """See `Strategy.lookback`."""
        return 100

    def decide(self, view: View, params: Any, memory: dict[str, Any]) -> Decision:
        """See `Strategy.decide`."""
        self.seen.append(view)
        number = len(view.bars) - 1
        return Decision(action=self._plan[number]) if 0 <= number < len(self._plan) else HOLD


def run(bars: Sequence[Bar], *plan: Action, seconds: int = DAY, **fields: Any) -> BacktestResult:
    """The backtest of a plan on one instrument."""
    strategy = Planned(*plan, seconds=seconds)
    return run_backtest(config(**fields), {KEY: bars}, seconds, strategy=strategy)


FLAT = [bar(number, 100.0, 100.0, 100.0, 100.0) for number in range(1, 6)]

# ---------------------------------------------------------------- fills


def test_a_decision_on_a_finished_bar_is_filled_at_the_next_open() -> None:
    bars = [bar(1, 90, 95, 85, 92), bar(2, 97, 110, 96, 105), bar(3, 111, 112, 109, 110), *FLAT[3:]]
    result = run(bars, Action.BUY, Action.EXIT)
    (trade,) = result.trades
    assert (trade.entry_price, trade.opened_at) == (97, day(2))
    assert (trade.exit_price, trade.closed_at) == (111, day(3))
    assert trade.quantity == 103
    assert trade.pnl == 103 * 14
    assert result.return_pct == pytest.approx(14.42)
    assert trade.simulated, "nobody may take it for a real one"


def test_the_strategy_sees_finished_bars_and_the_price_of_the_moment_only() -> None:
    bars = [bar(1, 90, 95, 85, 92), bar(2, 97, 110, 96, 105), bar(3, 111, 112, 109, 110)]
    strategy = Planned()
    run_backtest(config(), {KEY: bars}, DAY, strategy=strategy)
    assert [(view.at, view.price, view.bars) for view in strategy.seen] == [
        (day(2), 97, tuple(bars[:1])), (day(3), 111, tuple(bars[:2])),
    ]  # fmt: skip


def test_fees_and_slippage_are_those_of_the_bot() -> None:
    result = run(FLAT, Action.BUY, Action.EXIT, fee_pct=0.1, fee_min=3.0, slippage_pct=0.05, size=5_000.0)
    (trade,) = result.trades
    assert (trade.entry_price, trade.exit_price) == (Decimal("100.05"), Decimal("99.95"))
    assert trade.fees == Decimal("9.80"), "0.1 percent of 49 x 100.05 and of 49 x 99.95"
    assert result.fees == 9.8
    assert trade.pnl == Decimal("-4.90") - trade.fees


def test_a_stop_goes_before_a_target_within_one_bar() -> None:
    bars = [*FLAT[:2], bar(3, 100, 120, 80, 119), FLAT[3]]
    (trade,) = run(bars, Action.BUY, stop_loss_pct=5.0, take_profit_pct=5.0).trades
    assert trade.reason == "stop"
    assert Decimal("94.7") < trade.exit_price <= 95, "at the first price of the path, not at the day's low"
    (trade,) = run(bars, Action.SELL, direction="short", stop_loss_pct=5.0, take_profit_pct=5.0).trades
    assert trade.reason == "stop"
    assert 105 <= trade.exit_price < Decimal("105.3")


def test_a_gap_fills_a_stop_at_the_open() -> None:
    bars = [*FLAT[:2], bar(3, 70, 75, 65, 72), FLAT[3]]
    (trade,) = run(bars, Action.BUY, stop_loss_pct=5.0).trades
    assert (trade.exit_price, trade.closed_at, trade.reason) == (70, day(3), "stop")


def test_what_is_held_at_the_end_is_sold_at_the_last_price() -> None:
    result = run([*FLAT[:2], bar(3, 100, 111, 99, 110)], Action.BUY)
    assert [each.reason for each in result.trades] == ["flatten"]
    assert result.equity[-1] == (day(3) + 6.5 * 3600, 11_000.0)
    assert result.exposure == pytest.approx(2 / 3)


def test_a_limit_of_the_day_rests_the_bot_until_the_next_session() -> None:
    bars = [*FLAT[:1], bar(2, 100, 100, 80, 90), bar(3, 90, 91, 89, 90), bar(4, 90, 90, 90, 90)]
    result = run(bars, Action.BUY, Action.HOLD, Action.BUY, max_daily_loss=500.0)
    assert [(trade.reason, trade.closed_at < day(3)) for trade in result.trades] == [
        ("daily_loss", True), ("flatten", False),
    ]  # fmt: skip
    assert result.trades[1].opened_at == day(4)


def test_before_the_start_it_only_watches() -> None:
    bars = FLAT[:4]
    strategy = Planned(Action.BUY, Action.BUY, Action.HOLD)
    result = run_backtest(config(), {KEY: bars}, DAY, start=day(3), strategy=strategy)
    assert [view.at for view in strategy.seen] == [day(3), day(4)]
    assert len(strategy.seen[0].bars) == 2, "it knows what was before"
    assert result.trades[0].opened_at == day(3)
    assert [at for at, _ in result.equity] == [day(3) + 23_400, day(4) + 23_400]


def test_several_instruments_share_the_cash_and_the_limit_of_positions() -> None:
    other = "NYSE:IBM"
    bars = {KEY: FLAT, other: [Bar(other, each.start, 50.0, 50.0, 50.0, 50.0) for each in FLAT]}
    strategy = Planned(Action.BUY)
    both = config(symbols=(KEY, other), size=6_000.0, max_open_positions=2)
    result = run_backtest(both, bars, DAY, strategy=strategy)
    assert {trade.key: trade.quantity for trade in result.trades} == {KEY: 60, other: 80}
    one = config(symbols=(KEY, other), size=6_000.0)
    assert [trade.key for trade in run_backtest(one, bars, DAY, strategy=strategy).trades] == [KEY]


# ---------------------------------------------------------------- what cannot run


def test_a_configuration_that_cannot_run_is_one_sentence() -> None:
    for fields, expected in (
        ({"strategy": "emacross"}, "Did you mean “ema_cross”"),
        ({"strategy": "ema_cross", "params": {"fast": 0}}, "params.fast: found 0"),
        ({"symbols": ("NYSE:IBM",)}, "no recorded bars of NYSE:IBM"),
    ):
        with pytest.raises(InputError, match=expected):
            run_backtest(config(**fields), {KEY: FLAT}, DAY)
    with pytest.raises(InputError, match=r"params\.x"):
        run_backtest(config(params={"x": 1}), {KEY: FLAT}, DAY, strategy=Planned())


def test_a_strategy_that_fails_ends_the_backtest_with_its_sentence() -> None:
    class Broken(Planned):
        def decide(self, view: View, params: Any, memory: dict[str, Any]) -> Decision:
            raise RuntimeError("no idea")

    with pytest.raises(StrategyError, match=r"test_bot_backtest\.py, line \d+: RuntimeError: no idea"):
        run_backtest(config(), {KEY: FLAT}, DAY, strategy=Broken())


# ---------------------------------------------------------------- recorded prices


def test_buy_and_hold_is_computed_as_by_hand() -> None:
    bars = daily_bars()["NYSE:IBM"][:400]
    start = bars[201].start
    holder = config(symbols=("NYSE:IBM",), fee_pct=0.1, slippage_pct=0.05)
    result = buy_and_hold(holder, {"NYSE:IBM": bars}, DAY, start=start)
    entry = (Decimal(str(bars[201].open)) * Decimal("1.0005")).quantize(CENT, ROUND_CEILING)
    exit_ = (Decimal(str(bars[-1].close)) * Decimal("0.9995")).quantize(CENT, ROUND_FLOOR)
    (trade,) = result.trades
    assert (trade.entry_price, trade.exit_price, trade.opened_at) == (entry, exit_, start)
    fees = sum((trade.quantity * price / 1000).quantize(CENT, ROUND_HALF_UP) for price in (entry, exit_))
    assert trade.fees == fees
    assert (trade.quantity + 1) * entry > 10_000 - fees
    gain = trade.quantity * (exit_ - entry) - fees
    assert result.return_pct == pytest.approx(float(gain) / 100.0)
    values = [10_000.0, *(value for _, value in result.equity)]
    assert result.max_drawdown_pct == pytest.approx(
        max((max(values[: n + 1]) - value) / max(values[: n + 1]) * 100 for n, value in enumerate(values))
    )
    assert result.exposure == 1.0


def test_ema_cross_fills_at_the_opens_after_the_crossings_that_were_computed_by_hand() -> None:
    bars = daily_bars()["NASDAQ:AAPL"][-700:]
    result = run_backtest(
        config(strategy="ema_cross", params={"timeframe_sec": DAY}, size=5_000.0), {KEY: bars}, DAY
    )
    fills = [(fill.side, fill.filled_at, float(fill.price)) for fill in result.fills]
    expected = [
        (action.value.upper(), bars[number + 1].start, round(bars[number + 1].open, 2))
        for number, action in naive_ema_trades(bars, 12, 26)
        if number + 1 < len(bars)
    ]
    for (side, at, price), (wanted_side, wanted_at, wanted) in zip(fills, expected, strict=False):
        assert (side, at) == (wanted_side, wanted_at)
        assert abs(price - wanted) <= 0.0101, "rounded to the cent against the trader"
    assert len(fills) - len(expected) in (0, 1), "the last position is sold at the end"
    assert len(expected) >= 14


def minutes() -> list[Bar]:
    """The recorded one-minute bars, as of SPY."""
    path = Path(__file__).parent / "data" / "intraday_1min.csv"
    with path.open(encoding="ascii") as lines:
        rows = list(csv.DictReader(lines))
    bars = []
    for row in rows:
        fields = {name.strip().lower(): value for name, value in row.items()}
        stamp = fields.get("timestamp") or fields.get("date") or ""
        local = datetime.fromisoformat(stamp).replace(tzinfo=NEW_YORK)
        prices = (float(fields[name]) for name in ("open", "high", "low", "close"))
        bars.append(Bar("NYSE:SPY", local.timestamp(), *prices))
    return bars


def test_minutes_become_the_bars_that_the_strategy_wants_and_give_the_same_twice() -> None:
    bars = {"NYSE:SPY": minutes()}
    trader = config(
        symbols=("NYSE:SPY",), strategy="ema_cross", params={"timeframe_sec": 300, "fast": 3, "slow": 8},
        direction="both", fee_pct=0.01, trailing_stop_pct=0.2,
    )  # fmt: skip
    first, second = run_backtest(trader, bars, 60), run_backtest(trader, bars, 60)
    assert first == second
    assert len(first.trades) >= 5
    assert {trade.opened_at % 300 for trade in first.trades} == {0.0}, "decided when five minutes were over"
    cash = Decimal(10_000) + sum(trade.pnl for trade in first.trades)
    assert first.equity[-1][1] == float(cash)
    assert first.fees == float(sum(trade.fees for trade in first.trades))


RETURNS = st.lists(
    st.tuples(st.floats(-0.08, 0.08), st.floats(-0.05, 0.05), st.floats(0, 0.04), st.floats(0, 0.04)),
    min_size=3, max_size=40,
)  # fmt: skip
PLAN = st.lists(st.sampled_from(tuple(Action)), max_size=40)


def market(returns: Sequence[tuple[float, float, float, float]]) -> list[Bar]:
    """Daily bars of gaps, moves and shadows."""
    close, bars = 100.0, []
    for number, (gap, move, above, below) in enumerate(returns):
        open_ = round(close * (1 + gap), 2)
        close = round(open_ * (1 + move), 2)
        high, low = round(max(open_, close) * (1 + above), 2), round(min(open_, close) * (1 - below), 2)
        bars.append(bar(number + 1, open_, high, low, close))
    return bars


@settings(max_examples=60)
@given(RETURNS, PLAN, st.integers(2, 40), st.sampled_from(("long", "short", "both")))
def test_no_trade_ever_changes_by_what_comes_later(
    returns: list[Any], plan: list[Action], cut: int, direction: str
) -> None:
    bars = market(returns)
    rules: dict[str, Any] = {"direction": direction, "stop_loss_pct": 4.0, "trailing_stop_pct": 6.0}
    whole, part = run(bars, *plan, **rules), run(bars[:cut], *plan, **rules)
    over = [fill for fill in part.fills if fill.order_id not in last_orders(part)]
    assert over == list(whole.fills[: len(over)])
    assert part.equity[:-1] == whole.equity[: len(part.equity) - 1]


def last_orders(result: BacktestResult) -> set[str]:
    """The orders that ended the backtest rather than a position."""
    return {fill.order_id for fill in result.fills if fill.filled_at == result.equity[-1][0]}


@settings(max_examples=60)
@given(RETURNS, PLAN, st.sampled_from(("long", "short", "both")), st.sampled_from((0.0, 0.5, 2.0)))
def test_no_fill_is_ever_better_than_the_market_and_the_money_adds_up(
    returns: list[Any], plan: list[Action], direction: str, stop: float
) -> None:
    bars = {each.start: each for each in market(returns)}
    result = run(
        list(bars.values()), *plan, direction=direction, stop_loss_pct=stop, fee_pct=0.2, fee_min=1.0
    )
    for fill in result.fills:
        of_day = bars[max(start for start in bars if start <= fill.filled_at)]
        low, high = Decimal(repr(of_day.low)), Decimal(repr(of_day.high))
        assert fill.price >= low - CENT
        assert fill.price <= high + CENT
    cash = Decimal(10_000) + sum((trade.pnl for trade in result.trades), Decimal(0))
    assert result.equity[-1][1] == float(cash)
    assert result.statistics.net_pnl == float(cash - 10_000)
    assert result.fees == pytest.approx(result.statistics.fees)
    assert result.max_drawdown_pct == fall_of(10_000.0, [value for _, value in result.equity])


# ---------------------------------------------------------------- the path

PRICES = st.floats(50.0, 100.0)


@given(st.tuples(PRICES, PRICES), PRICES, PRICES, st.integers(-1, 1), st.floats(0.2, 5.0))
def test_a_path_visits_all_of_its_bar_in_small_steps(
    ends: tuple[float, float], first: float, last: float, held: int, step: float
) -> None:
    low, high = min(*ends, first, last), max(*ends, first, last)
    told = Bar(KEY, day(1), first, high, low, last)
    path = [first, *path_after_open(told, held, step)]
    assert (min(path), max(path), path[-1]) == (low, high, last)
    assert all(abs(y / x - 1) * 100 <= step + 1e-5 for x, y in pairwise(path))
    bad, good = (low, high) if held > 0 else (high, low)
    if held and bad != first:
        assert path.index(bad) <= path.index(good, 1)


def test_the_days_on_which_there_are_bars_are_the_sessions() -> None:
    sessions = RecordedSessions({KEY: FLAT[:2] + FLAT[3:4], "NYSE:SPY": minutes()}, DAY)
    assert sessions.at("NASDAQ", day(1)) == (day(1), day(1) + 23_400)
    assert sessions.at("NASDAQ", day(1) + 23_400) is None
    assert sessions.at("NASDAQ", day(3)) is None
    assert sessions.at("NASDAQ", day(1) - 1) is None
    assert sessions.at("BIST", day(1)) is None
    assert sessions.stretch("NASDAQ", day(4) + 5, DAY) == (day(4), day(4) + 23_400)
    assert bar_length("CRYPTO", DAY) == DAY
    assert bar_length("BIST", 60) == 60
    own = RecordedSessions({"NYSE:SPY": minutes()}, 60)
    first = minutes()[0].start
    assert own.at("NYSE", first + 600) == (first, first + 391 * 60)


def test_a_strategy_that_wakes_at_every_price_is_asked_at_every_price() -> None:
    class Every(Planned):
        wake = Wake.TICK

    strategy = Every()
    result = run_backtest(config(), {KEY: FLAT[:3]}, DAY, strategy=strategy, step_pct=1.0)
    assert len(strategy.seen) == result.prices
