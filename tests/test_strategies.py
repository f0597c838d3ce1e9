"""The built-in strategies on recorded prices, against averages and indices computed here the slow way.

The naive versions below pin how the library begins its averages; `expected` are the trades that follow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.recorded import daily_bars
from core.bots.host import StrategyHost
from core.bots.model import BotPosition
from core.bots.registry import find_strategy, with_defaults
from core.bots.strategies.indicators import ema, rsi
from core.bots.strategy import HOLD, Action, Decision, View
from core.model import Bar, Side, Signal

DAY = 86_400
EMA_PARAMS = {"timeframe_sec": DAY, "fast": 12, "slow": 26}
RSI_PARAMS = {"timeframe_sec": DAY, "trend": 50, "period": 7, "entry_below": 40.0, "exit_above": 65.0}
PARAMS: dict[str, dict[str, Any]] = {"ema_cross": EMA_PARAMS, "rsi_pullback": RSI_PARAMS}


@cache
def recorded(key: str) -> tuple[Bar, ...]:
    """The daily bars of one instrument."""
    return daily_bars()[key]


def position(quantity: int) -> BotPosition:
    """A position of this size."""
    return BotPosition(key="NASDAQ:AAPL", quantity=Decimal(quantity), entry_price=Decimal(10), opened_at=1.0)


def view(bars: Sequence[Bar], held: int = 0) -> View:
    """What a strategy sees just after the last bar."""
    return View(
        key=bars[-1].key if bars else "NASDAQ:AAPL", price=bars[-1].close if bars else 1.0,
        at=bars[-1].start + DAY if bars else 0.0, position=position(held) if held else None, bars=tuple(bars),
    )  # fmt: skip


def walk(
    name: str, bars: Sequence[Bar], params: dict[str, Any], *, short: bool = False
) -> list[tuple[int, Action]]:
    """Each decision that changes something, with its bar's number, by a bot that gets what it wants."""
    strategy, host = find_strategy(name), StrategyHost()
    memory: dict[str, Any] = {}
    lookback = strategy.lookback(params)
    held, result = 0, []
    for end in range(1, len(bars) + 1):
        seen = bars[max(0, end - lookback) : end]
        action = host.decide(strategy, view(seen, held), params, memory, 1.0).action
        after = moved(held, action, short=short)
        if after != held:
            result.append((end - 1, action))
            held = after
    return result


def moved(held: int, action: Action, *, short: bool) -> int:
    """What a bot holds after `action`."""
    if action is Action.EXIT:
        return 0
    if action is Action.BUY:
        return min(held + 1, 1)
    if action is Action.SELL:
        return max(held - 1, -1 if short else 0)
    return held


# ---------------------------------------------------------------- the slow way


def naive_ema(closes: Sequence[float], period: int) -> list[float | None]:
    """The mean of the first `period` closes, then 2 / (period + 1) of each new distance."""
    result: list[float | None] = [None] * (period - 1)
    value = sum(closes[:period]) / period
    if len(closes) >= period:
        result.append(value)
    for close in closes[period:]:
        value += (close - value) * 2.0 / (period + 1)
        result.append(value)
    return result[: len(closes)]


def naive_rsi(closes: Sequence[float], period: int) -> list[float | None]:
    """Wilder, 1978: plain means of the first `period` gains and losses, then smoothed by 1 / period."""
    changes = [b - a for a, b in pairwise(closes)]
    gains, losses = [max(0.0, each) for each in changes], [max(0.0, -each) for each in changes]
    result: list[float | None] = [None] * min(period, len(closes))
    gain, loss = sum(gains[:period]) / period, sum(losses[:period]) / period
    for number in range(period - 1, len(changes)):
        if number >= period:
            gain = (gain * (period - 1) + gains[number]) / period
            loss = (loss * (period - 1) + losses[number]) / period
        result.append(100.0 if loss == 0 else 100.0 * gain / (gain + loss))
    return result


def naive_ema_trades(bars: Sequence[Bar], fast: int, slow: int) -> list[tuple[int, Action]]:
    """Long while the fast average is above, each bar judged by its own last 4 x slow + 1 closes alone."""
    held, result, above_before = 0, [], None
    for end in range(4 * slow + 1, len(bars) + 1):
        closes = [bar.close for bar in bars[end - 4 * slow - 1 : end]]
        pairs = list(zip(naive_ema(closes, fast), naive_ema(closes, slow), strict=True))[-2:]
        above = pairs[1][0] > pairs[1][1]
        if above_before is None:
            above_before = pairs[0][0] > pairs[0][1]
        if above and not above_before and not held:
            held, _ = 1, result.append((end - 1, Action.BUY))
        if not above and held:
            held, _ = 0, result.append((end - 1, Action.SELL))
        above_before = above
    return result


def naive_rsi_trades(
    bars: Sequence[Bar], trend: int, period: int, low: float, high: float
) -> list[tuple[int, Action]]:
    """In at the first rise of a dip above the average, out at the upper level."""
    held, result = 0, []
    for end in range(4 * trend + 1, len(bars) + 1):
        closes = [bar.close for bar in bars[end - 4 * trend - 1 : end]]
        index = naive_rsi(closes, period)
        if held:
            if index[-1] >= high:
                held, _ = 0, result.append((end - 1, Action.EXIT))
            continue
        begin = len(closes) - 2
        while begin > period and index[begin - 1] < low:
            begin -= 1
        rises = [number for number in range(begin + 1, len(closes)) if closes[number] > closes[number - 1]]
        dipped = index[-2] < low and rises == [len(closes) - 1]
        if dipped and closes[-1] > naive_ema(closes, trend)[-1]:
            held, _ = 1, result.append((end - 1, Action.BUY))
    return result


PRICES = st.lists(st.floats(1.0, 1000.0), min_size=0, max_size=60)


@given(PRICES, st.integers(2, 20))
def test_the_library_begins_its_average_with_a_plain_mean(closes: list[float], period: int) -> None:
    assert ema(closes, period) == pytest.approx(naive_ema(closes, period))


@given(PRICES, st.integers(2, 20))
def test_the_library_s_index_is_wilder_s(closes: list[float], period: int) -> None:
    assert rsi(closes, period) == pytest.approx(naive_rsi(closes, period), abs=1e-6)


def test_an_index_without_losses_is_100() -> None:
    assert rsi([5.0] * 20, 14)[-1] == 100.0


@pytest.mark.parametrize("key", ["NASDAQ:AAPL", "NYSE:IBM", "NASDAQ:FB"])
def test_ema_cross_trades_as_computed_by_hand(key: str) -> None:
    bars = recorded(key)[-900:]
    trades = walk("ema_cross", bars, EMA_PARAMS)
    assert trades == naive_ema_trades(bars, 12, 26)
    assert len(trades) >= (2 if key == "NASDAQ:FB" else 20)


@pytest.mark.parametrize("key", ["NASDAQ:MSFT", "NYSE:IBM"])
def test_rsi_pullback_trades_as_computed_by_hand(key: str) -> None:
    bars = recorded(key)[-1500:]
    trades = walk("rsi_pullback", bars, RSI_PARAMS)
    assert trades == naive_rsi_trades(bars, 50, 7, 40.0, 65.0)
    assert len(trades) >= 10


def test_the_defaults_are_those_that_were_tried() -> None:
    for name, params in PARAMS.items():
        assert {**find_strategy(name).defaults, "timeframe_sec": DAY} == params


# ---------------------------------------------------------------- what must always hold

WALK = st.lists(st.floats(-0.05, 0.05), min_size=60, max_size=160)
SMALL: dict[str, dict[str, Any]] = {
    "ema_cross": {"timeframe_sec": DAY, "fast": 3, "slow": 8},
    "rsi_pullback": {"timeframe_sec": DAY, "trend": 10, "period": 3, "entry_below": 45.0, "exit_above": 60.0},
}
NAMES = st.sampled_from(("ema_cross", "rsi_pullback"))


def bars_of(returns: Sequence[float]) -> list[Bar]:
    """Daily bars whose closes move by these shares."""
    close, bars = 100.0, []
    for number, change in enumerate(returns):
        before, close = close, close * (1.0 + change)
        high, low = max(before, close), min(before, close)
        bars.append(Bar("NASDAQ:AAPL", DAY * (number + 1.0), before, high, low, close))
    return bars


@given(NAMES, WALK, st.integers(0, 200), st.booleans())
def test_no_decision_ever_changes_by_what_comes_later(
    name: str, returns: list[float], cut: int, short: bool
) -> None:
    bars = bars_of(returns)
    whole = walk(name, bars, SMALL[name], short=short)
    assert walk(name, bars[:cut], SMALL[name], short=short) == [step for step in whole if step[0] < cut]


@given(NAMES, WALK, st.integers(-1, 1), st.integers(0, 40))
def test_fewer_bars_than_needed_never_decide(name: str, returns: list[float], held: int, count: int) -> None:
    strategy = find_strategy(name)
    bars = bars_of(returns)[: min(count, strategy.lookback(SMALL[name]) - 1)]
    assert strategy.decide(view(bars, held), SMALL[name], {}) == HOLD


@given(NAMES, WALK, st.integers(-1, 1))
def test_only_the_last_bars_count(name: str, returns: list[float], held: int) -> None:
    strategy = find_strategy(name)
    bars = bars_of(returns)
    short = bars[-strategy.lookback(SMALL[name]) :]
    assert strategy.decide(view(bars, held), SMALL[name], {}) == strategy.decide(
        view(short, held), SMALL[name], {}
    )


@given(NAMES, WALK, st.integers(45, 160))
def test_a_restart_with_the_stored_memory_changes_nothing(name: str, returns: list[float], cut: int) -> None:
    strategy = find_strategy(name)
    bars, lookback = bars_of(returns), find_strategy(name).lookback(SMALL[name])
    answers = []
    for restart in (False, True):
        memory: dict[str, Any] = {}
        answer = HOLD
        for end in range(1, min(cut, len(bars)) + 1):
            if restart:
                memory = json.loads(json.dumps(memory))
            seen = bars[max(0, end - lookback) : end]
            answer = strategy.decide(view(seen), SMALL[name], memory)
        answers.append((answer, memory))
    assert answers[0] == answers[1]


@given(NAMES, WALK, st.integers(-1, 1))
def test_a_bar_is_judged_once(name: str, returns: list[float], held: int) -> None:
    strategy = find_strategy(name)
    memory: dict[str, Any] = {}
    bars = bars_of(returns)
    strategy.decide(view(bars, held), SMALL[name], memory)
    assert strategy.decide(view(bars, held), SMALL[name], memory) == HOLD
    assert strategy.decide(view(bars[:-1], held), SMALL[name], memory) == HOLD, "nor an older one after it"


@given(WALK)
def test_crossings_of_averages_alternate(returns: list[float]) -> None:
    strategy, params = find_strategy("ema_cross"), SMALL["ema_cross"]
    lookback = strategy.lookback(params)
    memory: dict[str, Any] = {}
    bars = bars_of(returns)
    actions = []
    for end in range(1, len(bars) + 1):
        seen = bars[max(0, end - lookback) : end]
        actions.append(strategy.decide(view(seen), params, memory).action)
    crossings = [action for action in actions if action is not Action.HOLD]
    assert all(a is not b for a, b in pairwise(crossings)), "none is missed, none is seen twice"


def test_a_crossing_that_was_missed_is_not_traded_late_but_ends_a_position() -> None:
    strategy, params = find_strategy("ema_cross"), SMALL["ema_cross"]
    rising = bars_of([0.01] * 60)
    memory: dict[str, Any] = {}
    strategy.decide(view(bars_of([0.01] * 40 + [-0.01] * 10)), params, memory)
    assert strategy.decide(view(rising), params, memory) == HOLD, "the bot rested while it happened"
    memory.clear()
    assert strategy.decide(view(rising, -1), params, memory).action is Action.EXIT
    assert strategy.decide(view(rising, 1), params, {}) == HOLD


def test_other_parameters_make_it_forget() -> None:
    strategy = find_strategy("ema_cross")
    memory: dict[str, Any] = {}
    bars = bars_of([0.01] * 60)
    strategy.decide(view(bars), SMALL["ema_cross"], memory)
    assert strategy.decide(view(bars, -1), SMALL["ema_cross"], memory) == HOLD
    other = SMALL["ema_cross"] | {"slow": 9}
    assert strategy.decide(view(bars, -1), other, memory).action is Action.EXIT


def test_the_mirror_image_of_a_dip_opens_a_short_position_and_ends_it() -> None:
    bars = recorded("NASDAQ:AAPL")[:500]
    trades = walk("rsi_pullback", bars, RSI_PARAMS, short=True)
    first = next(number for number, action in trades if action is Action.SELL)
    index = naive_rsi([bar.close for bar in bars[first - 200 : first + 1]], 7)
    assert index[-2] > 60.0
    assert bars[first].close < bars[first - 1].close
    ends = [number for number, action in trades if number > first and action is Action.EXIT]
    closes = [bar.close for bar in bars[ends[0] - 200 : ends[0] + 1]]
    assert naive_rsi(closes, 7)[-1] <= 35.0


# ---------------------------------------------------------------- signals


def signal(side: Side, **fields: Any) -> Signal:
    """A signal of the signal rule."""
    values: dict[str, Any] = {
        "key": "NASDAQ:AAPL", "side": side, "price": 10.0, "confidence": 0.8, "timestamp": 100.0,
        "source": "a", "simulated": False, "reference_price": 9.8, "change_pct": 2.04,
    } | fields  # fmt: skip
    return Signal(**values)


def follow(seen: Signal | None, memory: dict[str, Any] | None = None, **params: Any) -> Decision:
    """What `threshold` makes of a signal."""
    strategy = find_strategy("threshold")
    told = View(key="NASDAQ:AAPL", price=10.0, at=100.0, position=None, signal=seen)
    return strategy.decide(told, with_defaults(strategy, params), {} if memory is None else memory)


def test_threshold_follows_each_signal_once() -> None:
    memory: dict[str, Any] = {}
    assert follow(None, memory) == HOLD
    assert follow(signal(Side.BUY), memory) == Decision(action=Action.BUY, reason="signal BUY +2.04%")
    assert follow(signal(Side.BUY), memory) == HOLD
    assert follow(signal(Side.SELL, timestamp=101.0), memory).action is Action.SELL


def test_threshold_passes_over_what_it_should_not_trust() -> None:
    assert follow(signal(Side.BUY), min_confidence=0.81) == HOLD
    assert follow(signal(Side.BUY), min_confidence=0.8).action is Action.BUY
    assert follow(signal(Side.BUY, gap=300.0), max_gap_sec=60.0) == HOLD
    assert follow(signal(Side.BUY, gap=300.0)).action is Action.BUY
