"""The filters before the signal rule: one bad print fires nothing, a move that stands fires soon."""

from __future__ import annotations

import json
import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.config import Config, RealTimeConfig
from core.engine.engine import Engine
from core.engine.noise import AdaptiveKalman, NoiseFilter, RunningMedian, make_filter
from core.engine.signals import SignalRule
from core.events import EventBus
from core.model import Side, Signal, Tick
from core.storage.memory_store import MemoryStore
from tests.loopback.recorded import recorded_days
from tests.scripted import ASELS, WEDNESDAY, Events, quote, tick

FILTERS = ("median", "kalman")
WINDOWS = (3, 5, 7, 9, 11, 13, 15)
THRESHOLD = 2.0


def closes() -> list[float]:
    """The recorded closes of a quiet day."""
    *_, day = sorted(recorded_days())
    return [bar.close for bar in recorded_days()[day]]


def run(prices: list[float], kind: str, window: int, base: float | None = None) -> list[tuple[int, Signal]]:
    """The rule's signals with the number of the price at which each came."""
    rule = SignalRule(THRESHOLD, 0.0, trade_simulation=False)
    rule.noise = make_filter(kind, window)
    close = base if base is not None else prices[0]
    found = []
    for number, price in enumerate(prices):
        now = WEDNESDAY + number
        signal = rule.check(tick(price=price, previous_close=close, stamp=now, received=now), WEDNESDAY)
        if signal is not None:
            found.append((number, signal))
    return found


def test_without_a_filter_a_single_bad_print_fires_twice():
    prices = closes()
    prices[100] *= 1.05
    assert [signal.side for _, signal in run(prices, "none", 5)] == [Side.BUY, Side.SELL]


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("factor", [1.021, 0.97, 1.5, 0.1, 10.0])
def test_a_single_bad_print_in_recorded_prices_fires_nothing(kind, window, factor):
    for place in (0, 1, 50, 200, 389):
        prices = closes()
        prices[place] *= factor
        assert run(prices, kind, window, base=closes()[0]) == []


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("window", WINDOWS)
def test_bad_prints_far_enough_apart_fire_nothing(kind, window):
    prices = closes()
    for place in range(10, 390, 2 * window):
        prices[place] *= 1.2 if place % 4 else 0.8
    assert run(prices, kind, window, base=closes()[0]) == []


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("move", [1.025, 1.04, 0.97, 0.8])
def test_a_move_that_stands_fires_within_n_prices(kind, window, move):
    for place in (0, 20, 300):
        prices = [price * move if n >= place else price for n, price in enumerate(closes())]
        fired = run(prices, kind, window, base=closes()[0])
        assert fired
        number, signal = fired[0]
        assert place <= number < place + window
        assert signal.side is (Side.BUY if move > 1 else Side.SELL)
        assert signal.price == pytest.approx(prices[number], rel=0.01)
        assert len(fired) <= 2 or move == 0.8


@pytest.mark.parametrize("kind", FILTERS)
def test_a_bad_print_on_top_of_a_move_does_not_become_the_reference(kind):
    prices = [100.0] * 20 + [103.0, 103.0, 160.0] + [103.0] * 20
    fired = run(prices, kind, 3)
    assert [signal.side for _, signal in fired] == [Side.BUY]
    assert fired[0][1].price == pytest.approx(103.0, abs=0.5)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40), st.sampled_from(WINDOWS))
def test_the_median_is_the_median(prices, window):
    made = RunningMedian(window, prices[0])
    seen = [prices[0]] * window
    for price in prices:
        seen = [*seen[1:], price]
        assert made.see(price) == median(seen)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60), st.sampled_from(WINDOWS))
def test_the_kalman_level_stays_within_what_it_saw(prices, window):
    made = AdaptiveKalman(window, prices[0])
    low = high = prices[0]
    for price in prices:
        low, high = min(low, price), max(high, price)
        level = made.see(price)
        assert math.isfinite(level)
        assert low * (1 - 1e-9) - 1e-6 <= level <= high * (1 + 1e-9) + 1e-6


@given(
    st.lists(st.floats(-0.002, 0.002), min_size=30, max_size=60), st.sampled_from(WINDOWS),
    st.floats(0.05, 20.0).filter(lambda factor: abs(factor - 1) > 0.03), st.integers(0, 29),
    st.sampled_from(FILTERS),
)  # fmt: skip
def test_one_bad_print_in_quiet_noise_never_fires(noise, window, factor, place, kind):
    prices = [100.0 * (1 + shift) for shift in noise]
    prices[place] *= factor
    assert run(prices, kind, window, base=100.0) == []


@given(
    st.lists(st.floats(-0.002, 0.002), min_size=50, max_size=50), st.sampled_from(WINDOWS),
    st.sampled_from([1.03, 0.97, 1.1, 0.9, 2.0]), st.integers(0, 30), st.sampled_from(FILTERS),
)  # fmt: skip
def test_a_move_in_quiet_noise_fires_within_n(noise, window, factor, place, kind):
    prices = [100.0 * (1 + shift) * (factor if n >= place else 1.0) for n, shift in enumerate(noise)]
    fired = run(prices, kind, window, base=100.0)
    assert fired
    assert place <= fired[0][0] < place + window


def test_a_new_session_starts_at_its_own_reference():
    made = NoiseFilter("median", 3)
    assert made.see("BIST:ASELS", 100.0, 1.0, 100.0) == 100.0
    assert made.see("BIST:ASELS", 120.0, 2.0, 119.0) == 119.0
    assert make_filter("none", 5) is None


@pytest.mark.parametrize("kind", FILTERS)
def test_the_engine_shows_the_bad_print_but_does_not_signal_and_follows_the_settings(kind):
    bus, clock = EventBus(), FakeClock(WEDNESDAY)
    events = Events(bus, Tick, Signal)
    settings = Config(real_time=RealTimeConfig(noise_filter=kind, noise_window=3))
    engine = Engine(settings, lambda _: MemoryStore(), clock, bus)

    def tell(price: float) -> None:
        clock.advance(6)
        engine.begin_batch()
        engine.on_quote(quote(ASELS, price, stamp=clock.time(), previous_close=100.0))
        engine.end_batch()

    for price in (100.0, 105.0, 100.1):
        tell(price)
    assert [each.price for each in events.of(Tick)] == [100.0, 105.0, 100.1]
    assert events.of(Signal) == []
    engine.apply(Config())
    assert engine.rule.noise is None
    tell(105.0)
    assert len(events.of(Signal)) == 1
    engine.rule.noise = make_filter(kind, 3)
    engine.rule.forget()
    engine.close()


# --- polled bars ----------------------------------------------------------------------------------------

MINUTE = 60.0
POLL = 5.0


class PolledBars:
    """An engine that is told the last minute's bar at every poll, as a polled source does."""

    def __init__(self, kind: str, window: int) -> None:
        self._clock = FakeClock(WEDNESDAY)
        bus = EventBus()
        self._events = Events(bus, Tick, Signal)
        settings = Config(real_time=RealTimeConfig(noise_filter=kind, noise_window=window))
        self._engine = Engine(settings, lambda _: MemoryStore(), self._clock, bus)

    def poll(self, price: float, minute: int) -> bool:
        """Whether a signal has come of it that the bar of `minute` closes at `price` so far."""
        before = len(self.signals)
        self._clock.advance(POLL)
        stamp = WEDNESDAY + minute * MINUTE
        self._engine.begin_batch()
        self._engine.on_quote(quote(
            ASELS, price, stamp=stamp, span=MINUTE, received=self._clock.time(), previous_close=100.0,
        ))  # fmt: skip
        self._engine.end_batch()
        return len(self.signals) > before

    @property
    def signals(self) -> list[Signal]:
        return self._events.of(Signal)

    @property
    def ticks(self) -> list[Tick]:
        return self._events.of(Tick)

    def close(self) -> None:
        self._engine.close()


@pytest.fixture
def polled():
    made: list[PolledBars] = []

    def make(kind: str, window: int = 5) -> PolledBars:
        made.append(PolledBars(kind, window))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("times", [1, 3, 11, 12])
@pytest.mark.parametrize("print_", [110.0, 90.0])
def test_one_bad_print_fires_nothing_however_often_it_is_polled(polled, kind, times, print_):
    bars = polled(kind)
    for minute in range(6):
        for poll in range(12):
            bad = minute == 2 and poll >= 12 - times
            bars.poll(print_ if bad else 100.0 + poll / 100, minute)
    assert bars.signals == []
    assert print_ in {tick.price for tick in bars.ticks}, "it is shown all the same"


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_move_in_polled_bars_fires_within_n_prints(polled, kind, window):
    bars = polled(kind, window)
    for poll in range(12):
        bars.poll(100.0 + poll / 100, 0)
    fired = [bars.poll(103.0 + number / 100, 1 + number // 12) for number in range(window)]
    assert any(fired)
    assert [signal.side for signal in bars.signals] == [Side.BUY]


@pytest.mark.parametrize("kind", FILTERS)
def test_a_move_to_one_price_fires_within_n_bars(polled, kind):
    """Each minute's bar is a print of its own, though its price is the same."""
    bars = polled(kind)
    bars.poll(100.0, 0)
    fired = {minute for minute in range(1, 8) for _ in range(12) if bars.poll(103.0, minute)}
    assert fired and min(fired) <= 5


@pytest.mark.parametrize("kind", FILTERS)
def test_what_was_polled_before_a_restart_counts_once_after_it_too(kind):
    old, new = (SignalRule(THRESHOLD, 0.0, trade_simulation=False) for _ in range(2))
    for rule in (old, new):
        rule.noise = make_filter(kind, 5)
    for price in (100.0, 110.0):
        assert old.check(tick(price=price, previous_close=100.0), WEDNESDAY) is None
    new.load(ASELS.key, json.loads(json.dumps(old.dump(ASELS.key))))
    for _ in range(6):
        assert new.check(tick(price=110.0, previous_close=100.0), WEDNESDAY) is None


def test_a_filter_that_was_stored_without_its_last_print_goes_on():
    old, new = NoiseFilter("median", 3), NoiseFilter("median", 3)
    for stamp, price in enumerate((100.0, 101.0, 102.0)):
        old.see(ASELS.key, price, 1.0, 100.0, stamp)
    new.load(ASELS.key, old.dump(ASELS.key)[:2])
    assert new.see(ASELS.key, 102.0, 1.0, 100.0, 2.0) == 102.0
