"""Two sources check each other, and a disagreement holds the signals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.config import Config, RealTimeConfig
from core.engine.crosscheck import FORGET_AFTER, CrossCheck
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Freshness, FreshnessChange, Signal, SourceConflict
from core.storage.memory_store import MemoryStore
from tests.scripted import ASELS, THYAO, WEDNESDAY, quote


def words(check: CrossCheck, *pairs: tuple[str, float], **fields: Any) -> list[SourceConflict | None]:
    return [check.hear(quote(ASELS, price, source=source, **fields)) for source, price in pairs]


def test_a_gap_between_two_sources_is_a_conflict_until_they_agree():
    check = CrossCheck(3.0)
    assert words(check, ("push", 45.32)) == [None] and not check.holds(ASELS.key)
    (found,) = words(check, ("poll", 41.10))
    assert found == SourceConflict(ASELS.key, ("poll", "push"), (41.10, 45.32), WEDNESDAY)
    assert check.holds(ASELS.key) and check.conflicts() == [found] and not check.holds(THYAO.key)
    assert words(check, ("push", 45.32)) == [None]
    (changed,) = words(check, ("push", 45.40))
    assert changed.prices == (41.10, 45.40) and not changed.over
    (over,) = words(check, ("poll", 45.10))
    assert over.over and not check.holds(ASELS.key) and check.conflicts() == []


def test_one_source_never_contradicts_itself():
    assert words(CrossCheck(3.0), ("push", 45.0), ("push", 30.0)) == [None, None]


def test_the_delay_explains_a_difference():
    check = CrossCheck(3.0)
    words(check, ("push", 45.0))
    assert words(check, ("poll", 40.0), stamp=WEDNESDAY - 900, received=WEDNESDAY) == [None]
    assert words(check, ("poll", 43.0), stamp=WEDNESDAY - 60, received=WEDNESDAY) == [None]
    assert words(check, ("poll", 42.0), stamp=WEDNESDAY - 60, received=WEDNESDAY) != [None]
    bar = quote(ASELS, 45.0, source="bars", stamp=WEDNESDAY - 60, span=60.0, received=WEDNESDAY)
    assert check.hear(bar) is not None


def test_previous_closes_of_one_day_are_compared_split_days_included():
    check = CrossCheck(3.0)
    late = {"stamp": WEDNESDAY - 900, "received": WEDNESDAY}
    words(check, ("push", 22.6), previous_close=45.2)
    (found,) = words(check, ("poll", 22.7), previous_close=22.6, **late)
    assert found.of_closes and found.prices == (22.6, 45.2) and check.holds(ASELS.key)
    assert words(CrossCheck(3.0), ("push", 22.6), previous_close=45.2) == [None]
    other_day = CrossCheck(3.0)
    words(other_day, ("push", 22.6), previous_close=45.2)
    assert words(other_day, ("poll", 45.2), previous_close=44.0, stamp=WEDNESDAY - 86_400) == [None]


def test_simulated_and_impossible_prices_take_no_part_and_zero_turns_it_off():
    check = CrossCheck(3.0)
    words(check, ("push", 45.0))
    assert words(check, ("made up", 30.0), simulated=True) == [None]
    assert words(check, ("poll", -1.0), ("poll", float("nan")), ("poll", float("inf"))) == [None] * 3
    assert words(check, ("poll", 45.0), previous_close=0.0) == [None]
    assert words(CrossCheck(0.0), ("push", 45.0), ("poll", 30.0)) == [None, None]


def test_what_nobody_speaks_of_any_more_ends():
    check = CrossCheck(3.0)
    words(check, ("push", 45.0), ("poll", 30.0))
    assert check.expire(WEDNESDAY + FORGET_AFTER) == []
    (over,) = check.expire(WEDNESDAY + FORGET_AFTER + 1)
    assert over.over and not check.holds(ASELS.key)
    later = WEDNESDAY + 2 * FORGET_AFTER
    assert words(check, ("push", 46.0), stamp=later) == [None]
    words(check, ("poll", 30.0), stamp=later)
    check.keep_only((THYAO.key,))
    assert not check.holds(ASELS.key) and check.expire(later + 1e6) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 1e6), st.floats(0, 1500)), max_size=30))
def test_no_order_of_words_breaks_it(spoken):
    check, held = CrossCheck(3.0), False
    for source, price, back in spoken:
        told = check.hear(quote(ASELS, price, source=source, stamp=WEDNESDAY - back, received=WEDNESDAY))
        if told is not None:
            held = not told.over
        assert check.holds(ASELS.key) is held


class Bench:
    """An engine and what it said."""

    def __init__(self, **real_time: Any) -> None:
        self.clock = FakeClock(WEDNESDAY)
        self.events: list[Any] = []
        bus = EventBus()
        for kind in (SourceConflict, Signal, FreshnessChange):
            bus.subscribe(kind, self.events.append)
        self.config = Config(real_time=RealTimeConfig(live_data_source="tvdatafeed", **real_time))
        self.engine = Engine(self.config, lambda config: MemoryStore(), self.clock, bus)
        self.engine.watch((ASELS, THYAO))

    def tell(self, source: str, price: float, **fields: Any) -> None:
        self.engine.begin_batch()
        now = self.clock.time()
        self.engine.on_quote(quote(ASELS, price, source=source, stamp=now, **fields))
        self.engine.end_batch()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.engine.close()


def test_no_false_sell_while_sources_disagree_and_a_signal_once_they_agree(bench):
    bench.tell("push", 45.0, previous_close=45.0)
    bench.clock.advance(1)
    bench.tell("poll", 45.1, previous_close=45.0)
    bench.clock.advance(1)
    bench.tell("push", 22.5, previous_close=45.0)
    assert bench.of(Signal) == [] and [c.over for c in bench.of(SourceConflict)] == [False]
    bench.clock.advance(1)
    bench.tell("poll", 22.6, previous_close=45.0)
    assert [c.over for c in bench.of(SourceConflict)] == [False, True]
    assert [signal.side for signal in bench.of(Signal)] == ["SELL"]


def test_the_silence_of_one_ends_it_and_so_does_another_tolerance(bench):
    bench.tell("push", 45.0)
    bench.tell("poll", 30.0)
    bench.clock.advance(FORGET_AFTER + 2)
    bench.engine.end_batch()
    assert [c.over for c in bench.of(SourceConflict)] == [False, True]
    bench.tell("push", 45.0)
    bench.tell("poll", 30.0)
    bench.engine.apply(Config(real_time=RealTimeConfig(live_data_source="tvdatafeed", cross_check_pct=0)))
    assert [c.over for c in bench.of(SourceConflict)] == [False, True, False, True]


def test_a_lost_connection_ages_its_prices_alone(bench):
    bench.tell("push", 45.0)
    bench.engine.begin_batch()
    bench.engine.on_quote(quote(THYAO, 300.0, source="poll", stamp=bench.clock.time()))
    bench.engine.on_source_lost("push")
    changes = bench.of(FreshnessChange)
    assert [(c.key, c.freshness) for c in changes] == [(ASELS.key, Freshness.STALE)]
    bench.clock.advance(2)
    bench.tell("push", 45.0)
    assert bench.engine.prices.state(ASELS.key).freshness is Freshness.LIVE
