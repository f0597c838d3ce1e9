"""The simulated market: deterministic, believable, and marked as what it is."""

from __future__ import annotations

import math
import statistics
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.config import BIST30
from core.model import Instrument, Quote
from core.sources.simulation import BASES, BIST_TICKS, SimulationSource, bist_step

BIST = [Instrument("BIST", symbol) for symbol in BIST30]
US = [Instrument("NASDAQ", "AAPL"), Instrument("NYSE", "ZZZZ"), Instrument("CRYPTO", "BTC")]
NOON = datetime(2026, 11, 18, 12, tzinfo=ZoneInfo("Europe/Istanbul")).timestamp()


def closed_gate() -> None:
    raise AssertionError("no request leaves the machine")


def walk(
    source: SimulationSource, clock: FakeClock, seconds: int, instruments: list[Instrument]
) -> list[Quote]:
    quotes = []
    for _ in range(seconds):
        quotes += source.fetch(instruments, closed_gate)
        clock.advance(1)
    return quotes


def test_the_same_seed_and_clock_give_the_same_prices() -> None:
    runs = []
    for seed in (7, 7, 8):
        clock = FakeClock(NOON)
        source = SimulationSource(seed, clock)
        runs.append([quote.price for quote in walk(source, clock, 20, BIST + US)])
    assert runs[0] == runs[1] != runs[2]


def test_a_price_does_not_depend_on_who_else_is_asked_for() -> None:
    one, many = (SimulationSource(7, FakeClock(NOON)) for _ in range(2))
    (alone,) = one.fetch(BIST[4:5], closed_gate)
    assert alone == many.fetch(BIST, closed_gate)[4]


def test_without_a_seed_every_market_is_another() -> None:
    prices = {tuple(q.price for q in SimulationSource().fetch(BIST, closed_gate)) for _ in range(3)}
    assert len(prices) == 3


def test_quotes_are_marked_and_complete() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(7, clock)
    for quote in walk(source, clock, 30, BIST + US):
        assert quote.simulated and quote.source == "simulation"
        assert quote.stamp == quote.received <= clock.time()
        assert quote.previous_close is not None and quote.low is not None and quote.high is not None
        assert 0 < quote.low <= quote.price <= quote.high
        assert quote.volume is not None and quote.volume >= 0


def test_a_minute_of_demo_shows_signals_but_no_madness() -> None:
    moved = 0
    for seed in range(5):
        clock = FakeClock(NOON)
        quotes = walk(SimulationSource(seed, clock), clock, 60, BIST)
        changes: dict[str, float] = {}
        for quote in quotes:
            change = quote.price / quote.previous_close - 1  # type: ignore[operator]
            changes[quote.key] = max(changes.get(quote.key, 0.0), abs(change))
        moved += sum(change >= 0.02 for change in changes.values())
        assert max(changes.values()) < 0.15
    assert 5 <= moved <= 100


def test_in_the_long_run_it_stays_near_its_base_with_fat_tails() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(3, clock, speed=600.0)
    prices = []
    for _ in range(6000):
        prices.append(source.fetch(US[:1], closed_gate)[0].price)
        clock.advance(1)
    base = BASES["NASDAQ:AAPL"]
    assert base * 0.7 < min(prices) < max(prices) < base * 1.4
    steps = [math.log(b / a) for a, b in pairwise(prices)]
    spread = statistics.pstdev(steps)
    kurtosis = statistics.fmean((step / spread) ** 4 for step in steps)
    assert kurtosis > 4.0


def test_bist_prices_lie_on_the_exchanges_steps() -> None:
    clock = FakeClock(NOON)
    for quote in walk(SimulationSource(7, clock), clock, 20, BIST):
        step = bist_step(quote.price)
        assert quote.price / step == pytest.approx(round(quote.price / step), abs=1e-6)


@given(st.floats(0.01, 1e6))
def test_steps_grow_with_the_price(price: float) -> None:
    assert bist_step(price) <= bist_step(price * 2)
    assert bist_step(price) in {step for _, step in BIST_TICKS}


@pytest.mark.parametrize(
    ("price", "step"), [(19.99, 0.01), (20, 0.02), (249.9, 0.1), (2499, 1.0), (2500, 2.5)]
)
def test_steps_at_their_borders(price: float, step: float) -> None:
    assert bist_step(price) == step


def test_an_anchor_is_where_it_goes_on() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(7, clock)
    source.fetch(BIST[:1], closed_gate)
    source.anchor("BIST:AEFES", 123.4, 120.0)
    (quote,) = source.fetch(BIST[:1], closed_gate)
    assert (quote.price, quote.previous_close) == (123.4, 120.0)
    source.anchor("BIST:AEFES", 50.0)
    (quote,) = source.fetch(BIST[:1], closed_gate)
    assert quote.price == quote.previous_close == 50.0


def test_a_new_day_begins_at_the_last_price() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(7, clock)
    walk(source, clock, 5, BIST[:1])
    clock.advance(24 * 3600)
    (quote,) = source.fetch(BIST[:1], closed_gate)
    assert quote.previous_close == quote.open == quote.high == quote.low == quote.price
    assert quote.volume == 0


def test_a_sleeping_computer_or_a_clock_set_back_is_no_crash() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(7, clock)
    (before,) = source.fetch(BIST[:1], closed_gate)
    clock.advance(3600 * 5)
    (after,) = source.fetch(BIST[:1], closed_gate)
    assert abs(after.price / before.price - 1) < 0.10
    clock.set_time(NOON)
    (back,) = source.fetch(BIST[:1], closed_gate)
    assert back.price == after.price


def test_daily_closes_lead_to_the_previous_close() -> None:
    clock = FakeClock(NOON)
    source = SimulationSource(7, clock)
    daily = source.daily_closes(BIST[0], closed_gate)
    (quote,) = source.fetch(BIST[:1], closed_gate)
    assert daily.closes[-1] == quote.previous_close
    assert len(daily.closes) == len(daily.days) == 20
    assert daily.days[-1].isoformat() == "2026-11-17"
    assert daily == SimulationSource(7, clock).daily_closes(BIST[0], closed_gate)
    source.cancel()
    source.close()


def test_the_past_is_a_walk_to_the_level_of_now_the_same_for_a_seed() -> None:
    source = SimulationSource(7, FakeClock(NOON + 30))
    bars = source.history(BIST[0], 60, 500, closed_gate)
    assert bars == SimulationSource(7, FakeClock(NOON + 30)).history(BIST[0], 60, 500, closed_gate)
    assert [bar.start for bar in bars] == [NOON - 60 * n for n in range(500, 0, -1)]
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert all(one.close == two.open for one, two in pairwise(bars))
    assert bars[-1].close == BASES[BIST[0].key]
    assert source.history(Instrument("NYSE", "ZZZZ"), 60, 10, closed_gate) == []
    assert source.history(BIST[0], 300, 10, closed_gate) == []
