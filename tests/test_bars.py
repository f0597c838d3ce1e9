"""Ticks to minutes, minutes to longer bars, a provider's bars among ours: by rule and by property."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars.aggregate import Aggregator
from core.bars.book import BarBook, Hole, known_length
from core.bars.derive import MINUTE, derive, merge, union
from core.bars.history import usable
from core.bars.sessions import DAY, Sessions
from core.market_calendar import MarketCalendar
from core.model import Bar, Freshness, Quote, Tick

KEY, CRYPTO, APPLE = "BIST:ASELS", "CRYPTO:BTC", "NASDAQ:AAPL"
CALENDAR = MarketCalendar()
SESSIONS = Sessions(CALENDAR)


def moment(text: str, zone: str = "Europe/Istanbul") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


OPEN = moment("2026-11-18 10:00")  # a Wednesday
CLOSE = moment("2026-11-18 18:00")


def tick(
    stamp: float, price: float = 100.0, key: str = KEY, volume: float | None = None, *,
    simulated: bool = False, source: str = "push", received: float | None = None,
) -> Tick:  # fmt: skip
    return Tick(key, price, 0.0, stamp, stamp if received is None else received, source, simulated,
                Freshness.LIVE, 0.0, "previous_close", 99.0, None, None, None, volume)  # fmt: skip


def told(stamp: float, *figures: float, span: float = 60.0) -> Quote:
    opened, high, low, close, volume = figures
    return Quote(key=KEY, price=close, stamp=stamp, received=stamp + 90, source="tvdatafeed", open=opened,
                 high=high, low=low, volume=volume, span=span)  # fmt: skip


def aggregator(
    *, simulated: bool = False, stored: Bar | None = None, sessions: Sessions = SESSIONS
) -> Aggregator:
    return Aggregator(sessions, lambda key: stored, simulated=simulated)


def minute(start: float, close: float = 100.0, volume: float | None = 1.0, key: str = KEY) -> Bar:
    return Bar(key, start, close - 1, close + 2, close - 2, close, volume)


# --- ticks to minutes -----------------------------------------------------------------------------------


def test_ticks_of_a_minute_are_one_bar() -> None:
    made = aggregator()
    for second, price in ((0, 10.0), (20, 12.0), (30, 9.0), (59.9, 11.0), (60, 20.0)):
        made.add(tick(OPEN + second, price))
    assert made.waiting
    assert made.take_changed() == [Bar(KEY, OPEN, 10, 12, 9, 11), Bar(KEY, OPEN + 60, 20, 20, 20, 20)]
    assert not made.waiting
    assert made.take_changed() == []
    assert made.current(KEY) == Bar(KEY, OPEN + 60, 20, 20, 20, 20)
    assert made.current("BIST:THYAO") is None


def test_a_late_tick_goes_into_its_own_bar_while_that_is_open() -> None:
    made = aggregator()
    made.add(tick(OPEN + 50, 10.0))
    made.add(tick(OPEN + 5, 12.0))
    made.add(tick(OPEN + 61, 11.0))
    made.add(tick(OPEN + 59, 99.0))
    assert [bar.high for bar in made.take_changed()] == [12.0, 11.0]
    assert made.refused["late"] == 1


def test_a_tick_that_comes_before_its_stamp_counts_when_it_came() -> None:
    made = aggregator()
    made.add(tick(OPEN + 61, 10.0, received=OPEN + 59))
    assert made.take_changed()[0].start == OPEN


@pytest.mark.parametrize("when", [OPEN - 0.1, CLOSE, CLOSE + 400, moment("2026-11-21 12:00"),
                                  moment("2026-10-28 12:30"), moment("2026-10-29 12:00")])  # fmt: skip
def test_a_closed_market_makes_no_bars(when: float) -> None:
    made = aggregator()
    made.add(tick(when))
    assert not made.waiting
    assert made.refused["closed"] == 1


def test_half_days_end_early_and_clocks_change_in_new_york_alone() -> None:
    exact = aggregator()
    exact.add(tick(moment("2026-10-28 12:29:59")))
    summer, winter = (moment(f"2026-{day} 09:30", "America/New_York") for day in ("10-30", "11-02"))
    assert (winter - summer) % DAY == 3600
    for begin in (summer, winter):
        exact.add(tick(begin - 1, key=APPLE))
        exact.add(tick(begin + 1, key=APPLE))
    assert {bar.start for bar in exact.take_changed()} == {moment("2026-10-28 12:29"), summer, winter}
    assert exact.refused["closed"] == 2


def test_simulated_prices_never_meet_real_ones() -> None:
    real, made_up = (
        aggregator(),
        aggregator(simulated=True, sessions=Sessions(CALENDAR, round_the_clock=True)),
    )
    for one in (real, made_up):
        one.add(tick(OPEN, 10.0, simulated=True))
        one.add(tick(OPEN + 1, 20.0))
    assert [bar.close for bar in real.take_changed()] == [20.0]
    assert [bar.close for bar in made_up.take_changed()] == [10.0]
    made_up.add(tick(CLOSE + 9_000, 10.0, simulated=True))
    assert made_up.waiting, "the simulated market never closes"


def test_volume_is_the_difference_of_the_days_totals() -> None:
    made = aggregator()
    for second, total in ((1, 100.0), (30, 150.0), (70, 400.0)):
        made.add(tick(OPEN + second, volume=total))
    assert [bar.volume for bar in made.take_changed()] == [150.0, 250.0]


def test_volume_that_belongs_to_no_minute_is_left_out() -> None:
    made = aggregator()
    made.add(tick(OPEN + 3000, volume=5000.0))  # whoever comes later knows nothing of what was before
    made.add(tick(OPEN + 3001, volume=5010.0))
    made.add(tick(OPEN + 3002, volume=9000.0, source="yahoo"))  # another one's total
    made.add(tick(OPEN + 3003, volume=9005.0, source="yahoo"))
    made.add(tick(OPEN + 3004, volume=20.0, source="yahoo"))  # corrected, or begun anew
    made.add(tick(OPEN + 5000, volume=9000.0, source="yahoo"))  # after a long silence
    assert [bar.volume for bar in made.take_changed()] == [15.0, None]


def test_a_providers_own_bar_has_its_own_figures() -> None:
    made = aggregator()
    made.add_told(told(OPEN, 10, 14, 8, 12, 500), tick(OPEN, 12.0))
    made.add_told(told(OPEN, 10, 15, 8, 13, 700), tick(OPEN, 13.0))
    made.add_told(told(OPEN + 60, 99, 1, 50, 14, math.nan), tick(OPEN + 60, 14.0))
    made.add_told(told(OPEN + 120, 1, 1, 1, 1, 1, span=300), tick(OPEN + 120))
    made.add_told(told(CLOSE, 1, 1, 1, 1, 1), tick(CLOSE))
    made.add_told(told(OPEN + 60, 14, 14, 14, 14, 1), tick(OPEN + 60, simulated=True))
    assert made.take_changed() == [Bar(KEY, OPEN, 10, 15, 8, 13, 700), Bar(KEY, OPEN + 60, 14, 14, 14, 14)]


def test_a_bar_of_an_earlier_run_goes_on() -> None:
    stored = Bar(KEY, OPEN, 10, 12, 8, 11, 300.0)
    made = aggregator(stored=stored)
    made.add(tick(OPEN + 59, 13.0, volume=1000))
    made.add(tick(OPEN + 59.5, 12.0, volume=1007))
    made.add(tick(OPEN - 60, 50.0))
    assert made.take_changed() == [Bar(KEY, OPEN, 10, 13, 8, 12, 307.0)]
    late = aggregator(stored=Bar(KEY, OPEN + 120, 10, 12, 8, 11, 300.0))
    late.add(tick(OPEN + 60))
    assert not late.waiting


def test_what_the_provider_has_told_is_not_told_anew() -> None:
    made = aggregator()
    made.add(tick(OPEN + 10, 50.0))
    made.finish(KEY, OPEN)
    made.finish("BIST:THYAO", OPEN)
    made.add(tick(OPEN + 20, 50.0))
    assert made.take_changed() == []
    assert made.current(KEY) is None
    made.add(tick(OPEN + 61, 51.0))
    assert [bar.start for bar in made.take_changed()] == [OPEN + 60]


seconds_of_day = st.floats(-7200, 9 * 3600, allow_nan=False)
walks = st.lists(
    st.tuples(seconds_of_day, st.floats(0.01, 1e6), st.integers(0, 1000), st.booleans()), max_size=60
)


@given(walks, st.sampled_from([KEY, CRYPTO]))
def test_bars_hold_what_their_ticks_held(walk: list[tuple[float, float, int, bool]], key: str) -> None:
    made, total = aggregator(), 0
    expected: dict[float, list[float]] = {}
    newest = -math.inf
    bars: dict[float, Bar] = {}
    for offset, price, traded, look in walk:
        stamp, total = OPEN + offset, total + traded
        made.add(tick(stamp, price, key, float(total), received=OPEN + 9 * 3600))
        session = SESSIONS.at(key.partition(":")[0], stamp)
        start = stamp // 60 * 60
        if session is not None and start >= newest:
            newest = start
            expected.setdefault(start, []).append(price)
        if look:
            bars.update((bar.start, bar) for bar in made.take_changed())
    bars.update((bar.start, bar) for bar in made.take_changed())
    assert bars.keys() == expected.keys()
    for start, prices in expected.items():
        bar = bars[start]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
    assert sum(bar.volume or 0 for bar in bars.values()) <= total


# --- minutes to longer bars -----------------------------------------------------------------------------


def session_minutes(start: float, end: float, key: str = KEY) -> list[Bar]:
    return [minute(start + 60 * n, 100.0 + n % 7, float(n), key) for n in range(round((end - start) / 60))]


def test_longer_bars_begin_at_the_opening() -> None:
    bars = derive(session_minutes(OPEN, CLOSE), 3600, SESSIONS)
    assert [bar.start for bar in bars] == [OPEN + 3600 * n for n in range(8)]
    begin = moment("2026-11-18 09:30", "America/New_York")
    hours = derive(session_minutes(begin, begin + 6.5 * 3600, APPLE), 3600, SESSIONS)
    assert [bar.start - begin for bar in hours] == [3600.0 * n for n in range(7)]
    assert derive([minute(OPEN - 60), minute(CLOSE)], 300, SESSIONS) == []


def test_a_daily_bar_is_a_session_a_half_one_too() -> None:
    half = moment("2026-10-28 10:00")
    minutes = session_minutes(half, moment("2026-10-28 12:30")) + session_minutes(OPEN, CLOSE)
    first, second = derive(minutes, DAY, SESSIONS)
    assert (first.start, second.start) == (half, OPEN)
    assert second.volume == sum(range(480))


@given(
    st.sets(st.integers(0, 3 * 480 - 1), max_size=80),
    st.sampled_from([60, 300, 900, 1800, 3600, 14_400, DAY]), st.sampled_from(["BIST", "CRYPTO"]),
)  # fmt: skip
def test_no_minute_is_lost_or_counted_twice(numbers: set[int], seconds: int, exchange: str) -> None:
    key = f"{exchange}:X"
    minutes = [minute(OPEN + DAY * (n // 480) + 60 * (n % 480), 50.0 + n, 1.0, key) for n in sorted(numbers)]
    bars = derive(minutes, seconds, SESSIONS)
    assert sum(bar.volume or 0 for bar in bars) == len(minutes)
    for bar in bars:
        stretch = SESSIONS.stretch(exchange, bar.start, seconds)
        assert stretch is not None
        assert stretch[0] == bar.start
        inside = [m for m in minutes if stretch[0] <= m.start < stretch[1]]
        assert bar.volume == len(inside)
        assert (bar.high, bar.low) == (max(m.high for m in inside), min(m.low for m in inside))
        assert (bar.open, bar.close) == (inside[0].open, inside[-1].close)


@given(
    st.sets(st.integers(0, 479), max_size=60), st.sets(st.integers(0, 31), max_size=8), st.integers(0, 14),
)  # fmt: skip
def test_a_providers_bars_and_ours_leave_no_gap_and_no_overlap(
    numbers: set[int], quarters: set[int], shift: int
) -> None:
    minutes = [minute(OPEN + 60 * n) for n in sorted(numbers)]
    theirs = [
        minute(start, 500.0, 0.0) for n in sorted(quarters) if (start := OPEN + 900 * n + 60 * shift) < CLOSE
    ]
    bars = merge(theirs, minutes, 900, SESSIONS)
    assert [bar for bar in bars if bar.close == 500.0] == theirs
    assert all(one.start < two.start for one, two in pairwise(bars))
    for one, two in pairwise(bars):
        if one.close == 500.0:
            assert two.start >= min(one.start + 900, CLOSE)
    free = [m for m in minutes if not any(t.start <= m.start < t.start + 900 for t in theirs)]
    assert sum(bar.volume or 0 for bar in bars) == len(free)


def test_of_two_bars_of_one_start_the_second_counts() -> None:
    ours, theirs = [minute(OPEN, 1), minute(OPEN + 60, 1)], [minute(OPEN + 60, 2), minute(OPEN + 120, 2)]
    assert [bar.close for bar in union(ours, theirs)] == [1, 2, 2]
    assert union(ours[:1], theirs) == [ours[0], *theirs]
    assert union([], theirs) == theirs


# --- history --------------------------------------------------------------------------------------------


def test_of_history_only_what_is_finished_and_possible_is_used() -> None:
    now = OPEN + 600
    bad = [Bar(KEY, OPEN, 1, math.inf, 1, 1), Bar(KEY, OPEN, 1, 1, 2, 1), Bar(KEY, OPEN, 1, 1, 1, 1, -1.0)]
    good = minute(OPEN + 60)
    assert usable([*bad, good], KEY, 60, SESSIONS, now) == [good]
    assert (
        usable([minute(OPEN, key="BIST:THYAO"), minute(OPEN - 60), minute(now)], KEY, 60, SESSIONS, now) == []
    )
    assert usable([good, good], KEY, 60, SESSIONS, now) == [good]
    assert usable([minute(now - 240)], KEY, 300, SESSIONS, now) == []


def test_an_hour_that_begins_before_the_opening_is_cut_there() -> None:
    hours = [minute(OPEN - 1800), minute(OPEN + 1800)]
    assert [bar.start for bar in usable(hours, KEY, 3600, SESSIONS, CLOSE)] == [OPEN, OPEN + 1800]


def test_a_daily_bar_is_moved_to_its_opening() -> None:
    midnight_utc = moment("2026-11-18 00:00", "UTC")
    holiday = moment("2026-10-29 00:00", "UTC")
    assert [b.start for b in usable([minute(holiday), minute(midnight_utc)], KEY, DAY, SESSIONS, CLOSE)] == [
        OPEN
    ]
    assert usable([minute(midnight_utc)], KEY, DAY, SESSIONS, CLOSE - 1) == []
    clock_round = Sessions(CALENDAR, round_the_clock=True)
    assert usable([minute(midnight_utc)], KEY, DAY, clock_round, CLOSE + DAY)[0].start == midnight_utc


# --- the book -------------------------------------------------------------------------------------------


def book(*stored: Bar, daily: tuple[Bar, ...] = ()) -> BarBook:
    return BarBook(SESSIONS, lambda key, seconds, limit: {60: stored, DAY: daily}.get(seconds, ())[-limit:])


def test_stored_told_and_live_bars_are_one_row() -> None:
    shelf = book(*session_minutes(OPEN, OPEN + 600))
    first = shelf.open(KEY, 300)
    assert [bar.start for bar in first.bars] == [OPEN, OPEN + 300]
    assert shelf.add_minutes([minute(OPEN + 600, 7.0)]) == []
    assert [update.bar.start for update in shelf.updates()] == [OPEN + 600]
    assert shelf.updates() == []
    (loaded,) = shelf.add_history(KEY, 300, [minute(OPEN - DAY, 40.0), minute(OPEN, 41.0)])
    assert [(bar.start, bar.close) for bar in loaded.bars][:2] == [(OPEN - DAY, 40.0), (OPEN, 41.0)]
    assert [bar.start for bar in loaded.bars][2:] == [OPEN + 300, OPEN + 600]
    assert shelf.add_history("BIST:THYAO", 60, [minute(OPEN)]) == []
    assert shelf.add_history(KEY, 900, [minute(OPEN)]) == []
    shelf.open(KEY, 60)
    both = shelf.add_history(KEY, 60, [minute(OPEN + 660, 8.0)])
    assert [loaded.seconds for loaded in both] == [300, 60]
    assert shelf.watched() == [(KEY, 300), (KEY, 60)]
    shelf.shut(KEY, 300)
    shelf.shut(KEY, 60)
    shelf.shut(KEY, 60)
    assert shelf.watched() == []


def test_each_bar_is_shown_in_its_last_form_before_the_next_begins() -> None:
    shelf = book()
    assert shelf.open(KEY, 300).bars == ()
    shelf.add_minutes([minute(OPEN, 1)])
    assert [u.bar.close for u in shelf.updates()] == [1]
    shelf.add_minutes([minute(OPEN + 240, 2), minute(OPEN + 300, 3), minute(OPEN + 900, 4)])
    assert [(u.bar.start - OPEN, u.bar.close) for u in shelf.updates()] == [(0, 2), (300, 3), (900, 4)]
    shelf.add_minutes([minute(OPEN + 900, 5), minute(OPEN + 60, 9), minute(OPEN, key="BIST:THYAO")])
    assert [(u.bar.start - OPEN, u.bar.close) for u in shelf.updates()] == [(900, 5)]


def test_missing_minutes_are_noticed_those_of_the_night_are_none() -> None:
    shelf = book(minute(CLOSE - 60 - DAY))
    shelf.open(KEY, 60)
    assert shelf.add_minutes([minute(OPEN)]) == []
    assert shelf.add_minutes([minute(OPEN + 60)]) == []
    assert shelf.add_minutes([minute(OPEN + 240)]) == [Hole(KEY, OPEN + 120, OPEN + 240)]


@pytest.mark.parametrize("seconds", [MINUTE, 14_400, DAY])
def test_lengths_that_bars_can_have(seconds: int) -> None:
    assert known_length(seconds)


@pytest.mark.parametrize("seconds", [90, 0, -60, 2 * DAY])
def test_lengths_that_bars_cannot_have(seconds: int) -> None:
    assert not known_length(seconds)
