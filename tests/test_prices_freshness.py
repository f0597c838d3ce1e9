"""What gets through the price book, and what each price is worth as time goes by."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.engine.prices import PriceBook
from core.market_calendar import MarketCalendar
from core.model import Freshness, FreshnessChange, Instrument, Quote, Tick
from tests.scripted import AAPL, ASELS, BTC, THYAO, WEDNESDAY, at, quote

STALE_AFTER = 60.0
LIVE, DELAYED, STALE, CLOSED, SIMULATED = Freshness


class Desk:
    """A price book with a clock that the test moves."""

    def __init__(self, now: float = WEDNESDAY, *, trade_simulation: bool = False) -> None:
        self.clock = FakeClock(now)
        self.book = PriceBook(MarketCalendar(), self.clock, STALE_AFTER, trade_simulation=trade_simulation)

    def see(
        self, price: float = 100.0, *, age: float = 0.0, on: Instrument = ASELS, **fields: Any
    ) -> Tick | None:
        """Vet a quote that arrives now with a stamp `age` seconds back."""
        self.book.read_clocks()
        now = self.clock.time()
        values: dict[str, Any] = {"stamp": now - age, "received": now} | fields
        return self.book.vet(quote(on, price, **values))

    def seen(self, *args: Any, **fields: Any) -> Tick:
        """As `see`, for a quote that must get through."""
        tick = self.see(*args, **fields)
        assert tick is not None
        return tick

    def wait(self, seconds: float) -> list[FreshnessChange]:
        """Let time pass on both clocks and look, as the engine does, once a second."""
        changes = []
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1.0
            changes += self.book.age()
        return changes

    def worth(self, on: Instrument = ASELS) -> Freshness:
        """What the shown price is worth now."""
        return next(tick.freshness for tick in self.book.ticks() if tick.key == on.key)


# --- bad data -------------------------------------------------------------------------------------------


@pytest.mark.allow_log("refused a quote")
@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, 0.0, -0.0, -12.5])
def test_an_impossible_price_is_refused_and_counted(price):
    desk = Desk()
    assert desk.see(price) is None
    assert desk.see(price) is None
    assert desk.book.rejected == {"price": 2}
    assert desk.book.ticks() == []


@pytest.mark.allow_log("refused a quote")
@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf, 0.0, -5.0, 60.0, 1e300])
def test_an_impossible_stamp_is_refused(stamp):
    desk = Desk()
    assert desk.see(stamp=stamp) is None
    assert sum(desk.book.rejected.values()) == 1


def test_a_kind_of_bad_data_is_logged_once(caplog):
    desk = Desk()
    for _ in range(50):
        desk.see(-1.0)
        desk.see(stamp=0.0)
    assert len(caplog.records) == 2


@pytest.mark.allow_log("refused a quote")
def test_a_stamp_from_the_future_is_refused_beyond_a_tolerance():
    desk = Desk()
    assert desk.seen(age=-59.0).freshness is LIVE
    assert desk.see(101.0, age=-61.0) is None
    assert desk.book.rejected == {"stamp (future)": 1}
    desk.wait(STALE_AFTER + 1)
    assert desk.worth() is STALE, "a stamp ahead of time does not prolong the price's life"


@pytest.mark.allow_log("refused a quote")
def test_stamps_that_keep_coming_from_the_future_accuse_this_computers_clock_until_one_fits():
    desk = Desk()
    for _ in range(2):
        desk.see(age=-3600.0)
    assert not desk.book.clock_suspect
    desk.see(age=-3600.0)
    assert desk.book.clock_suspect
    desk.seen()
    assert not desk.book.clock_suspect


@pytest.mark.allow_log("refused a quote")
def test_bars_out_of_order_are_refused():
    desk = Desk()
    desk.seen(100.0)
    assert desk.see(99.0, age=30.0) is None
    assert desk.book.rejected == {"out of order": 1}
    assert desk.book.ticks()[0].price == 100.0


def test_unusable_side_figures_are_left_out_and_the_price_stands():
    bad = {"open": math.nan, "high": math.inf, "low": -1.0, "volume": math.nan}
    seen = Desk().seen(**bad, previous_close=math.nan, declared_delay=math.nan)
    assert (seen.open, seen.high, seen.low, seen.volume, seen.previous_close) == (None,) * 5
    assert seen.price == 100.0 and seen.change_pct == 0.0
    kept = Desk().seen(open=1.0, high=2.0, low=0.5, volume=0.0)
    assert (kept.open, kept.high, kept.low, kept.volume) == (1.0, 2.0, 0.5, 0.0)


any_float = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.allow_log("refused a quote")
@given(
    price=any_float, stamp=any_float | st.floats(WEDNESDAY - 4000, WEDNESDAY + 200),
    close=st.none() | any_float, delay=st.none() | any_float, side=st.none() | any_float,
    span=st.sampled_from([0.0, 60.0]),
)  # fmt: skip
def test_whatever_a_provider_says_only_sane_ticks_come_out(price, stamp, close, delay, side, span):
    desk = Desk()
    tick = desk.see(
        price, stamp=stamp, previous_close=close, declared_delay=delay, open=side, high=side, low=side,
        volume=side, span=span,
    )  # fmt: skip
    if tick is None:
        return
    assert 0 < tick.price < math.inf and tick.price == price
    assert WEDNESDAY - 500 * 86400 < tick.stamp <= WEDNESDAY + 60
    assert all(x is None or 0 <= x < math.inf for x in (tick.open, tick.high, tick.low, tick.volume))
    assert tick.delay is None or 0 <= tick.delay < math.inf
    if tick.freshness is LIVE:
        assert tick.stamp + span >= WEDNESDAY - STALE_AFTER


# --- live, delayed, stale -------------------------------------------------------------------------------


def test_a_price_of_this_second_is_live_and_dies_without_a_successor():
    desk = Desk()
    assert desk.seen().freshness is LIVE
    assert desk.wait(STALE_AFTER - 1) == []
    changes = desk.wait(1)
    assert [(c.key, c.freshness, c.since) for c in changes] == [(ASELS.key, STALE, WEDNESDAY)]
    assert desk.wait(300) == [], "said once"


def test_an_older_stamp_shortens_the_life_of_a_live_price():
    desk = Desk()
    assert desk.seen(age=50.0).delay == 50.0
    desk.wait(9)
    assert desk.worth() is LIVE
    desk.wait(2)
    assert desk.worth() is STALE


def test_a_bar_is_good_until_its_end_but_never_beyond_now():
    desk = Desk()
    assert desk.seen(age=45.0, span=60.0).delay == 0.0
    desk.wait(STALE_AFTER)
    assert desk.worth() is STALE


def test_a_stamp_that_stands_still_goes_stale_though_quotes_keep_coming():
    desk = Desk()
    desk.seen(stamp=WEDNESDAY)
    for second in range(1, 70):
        desk.wait(1)
        desk.see(100.0 + second % 2, stamp=WEDNESDAY)
    assert desk.worth() is STALE


def test_one_live_symbol_does_not_hide_a_dead_one():
    desk = Desk()
    desk.seen(on=THYAO)
    for _ in range(70):
        desk.wait(1)
        desk.seen()
    assert (desk.worth(ASELS), desk.worth(THYAO)) == (LIVE, STALE)


def test_a_price_that_is_old_when_it_comes_is_stale_at_once():
    assert Desk().seen(age=61.0).freshness is STALE


def test_a_declared_delay_is_told_and_tolerated():
    desk = Desk()
    seen = desk.seen(age=905.0, declared_delay=900.0)
    assert (seen.freshness, seen.delay) == (DELAYED, 905.0)
    assert Desk().seen(age=20.0, declared_delay=900.0).delay == 900.0, "trust neither figure alone"
    assert Desk().seen(age=961.0, declared_delay=900.0).freshness is STALE
    desk.wait(54)
    assert desk.worth() is DELAYED
    desk.wait(2)
    assert desk.worth() is STALE, "its stamp is now later than declared and allowed"


def test_an_absurd_declared_delay_is_not_believed():
    assert Desk().seen(age=7200.0, declared_delay=1e9).freshness is STALE


def test_a_delayed_price_whose_stamp_stands_still_is_not_kept_alive_by_flickering():
    desk = Desk()
    desk.seen(age=10.0, declared_delay=900.0)
    stamp = WEDNESDAY - 10.0
    for second in range(1, 70):
        desk.wait(1)
        desk.see(100.0 + second % 2, stamp=stamp, declared_delay=900.0)
    assert desk.worth() is STALE


def test_a_feed_that_is_late_without_saying_so_is_delayed_once_its_stamps_have_moved_on():
    desk = Desk()
    found = []
    for _ in range(4):
        found.append(desk.seen(age=600.0).freshness)
        desk.wait(5)
    assert found == [STALE, STALE, DELAYED, DELAYED]
    stamp = desk.clock.time() - 605.0
    for second in range(70):
        desk.see(50.0 + second % 2, stamp=stamp)
        desk.wait(1)
    assert desk.worth() is STALE


def test_a_price_older_than_any_delay_is_stale_however_it_moves():
    desk = Desk()
    for _ in range(5):
        seen = desk.seen(age=1300.0)
        desk.wait(5)
    assert seen.freshness is STALE


def test_nothing_new_is_not_published_but_a_price_thought_dead_comes_back():
    desk = Desk()
    desk.seen()
    assert desk.see() is None
    desk.book.expire_all()
    again = desk.seen(stamp=WEDNESDAY)
    assert again.freshness is LIVE
    desk.wait(STALE_AFTER)
    assert desk.see(stamp=WEDNESDAY) is None, "now it is really dead"


def test_when_the_feed_stops_nothing_is_live_any_more():
    desk = Desk()
    desk.seen()
    desk.seen(on=THYAO, declared_delay=900.0)
    assert {change.freshness for change in desk.book.expire_all()} == {STALE}
    assert desk.book.expire_all() == []
    assert {tick.freshness for tick in desk.book.ticks()} == {STALE}


# --- clocks ---------------------------------------------------------------------------------------------


def test_a_wall_clock_set_ahead_makes_prices_stale():
    desk = Desk()
    desk.seen()
    desk.clock.set_time(desk.clock.time() + 600)
    assert [c.freshness for c in desk.book.age()] == [STALE]


def test_a_wall_clock_set_back_cannot_keep_a_price_alive():
    desk = Desk()
    desk.seen()
    desk.clock.set_time(desk.clock.time() - 3000)
    desk.wait(STALE_AFTER)
    assert desk.worth() is STALE


def test_a_laptop_that_slept_wakes_to_stale_prices():
    desk = Desk()
    desk.seen()
    desk.clock.set_time(desk.clock.time() + 3600)  # the monotonic clock stood still
    assert [c.freshness for c in desk.book.age()] == [STALE]


def test_a_clock_set_back_over_the_opening_is_noticed_within_a_second():
    desk = Desk(at("2026-11-18 18:30"))
    assert desk.seen().freshness is CLOSED
    desk.clock.set_time(at("2026-11-18 17:00"))
    assert [c.freshness for c in desk.book.age()] == [STALE]


def test_a_quote_that_waited_in_the_queue_is_judged_by_the_time_of_its_batch():
    desk = Desk()
    late = quote(stamp=WEDNESDAY)
    desk.clock.advance(STALE_AFTER + 1)
    desk.book.read_clocks()
    seen = desk.book.vet(late)
    assert seen is not None and seen.freshness is STALE


# --- opening and closing --------------------------------------------------------------------------------


def test_at_the_close_a_good_price_becomes_the_closing_one_and_a_dead_one_stays_dead():
    desk = Desk(at("2026-11-18 17:58"))
    desk.seen(on=THYAO)
    desk.wait(119)
    desk.seen()
    assert desk.wait(1)[0].freshness is CLOSED
    assert desk.wait(1000) == []
    assert (desk.worth(ASELS), desk.worth(THYAO)) == (CLOSED, STALE)
    desk.see(on=THYAO, stamp=at("2026-11-18 17:58"))
    assert desk.worth(THYAO) is CLOSED, "the provider stands by it after the close"


def test_a_sleep_over_the_close_does_not_make_a_closing_price_of_an_old_one():
    desk = Desk(at("2026-11-18 14:00"))
    desk.seen()
    desk.clock.set_time(at("2026-11-18 20:00"))
    desk.book.age()
    assert desk.worth() is STALE


def test_after_the_close_a_price_is_closed_not_stale_with_its_declared_delay():
    seen = Desk(at("2026-11-18 19:00")).seen(age=3600.0, declared_delay=900.0)
    assert (seen.freshness, seen.delay) == (CLOSED, 900.0)


def test_at_the_opening_yesterdays_price_is_stale_until_a_new_one_comes():
    desk = Desk(at("2026-11-19 09:59:59"))
    desk.seen(age=16 * 3600.0)
    assert desk.worth() is CLOSED
    assert [c.freshness for c in desk.wait(1)] == [STALE]
    assert desk.seen(101.0).freshness is LIVE


def test_a_half_day_closes_at_half_past_twelve():
    desk = Desk(at("2026-10-28 12:29:59"))
    assert desk.seen().freshness is LIVE
    assert [c.freshness for c in desk.wait(1)] == [CLOSED]
    assert desk.seen(101.0).freshness is CLOSED


def test_a_weekend_a_holiday_and_an_added_closure_are_closed():
    assert Desk(at("2026-11-21 12:00")).seen().freshness is CLOSED
    assert Desk(at("2026-10-29 12:00")).seen().freshness is CLOSED
    desk = Desk()
    desk.seen()
    desk.book.set_calendar(MarketCalendar(["BIST:2026-11-18"]))
    desk.wait(1)
    assert desk.seen(101.0).freshness is CLOSED


def test_exchanges_keep_their_own_hours():
    desk = Desk(at("2026-11-21 12:00"))
    assert desk.seen(on=BTC).freshness is LIVE
    assert desk.seen(on=AAPL).freshness is CLOSED


# --- several sources ------------------------------------------------------------------------------------


def test_the_later_provider_time_wins_whoever_tells_it():
    desk = Desk()
    desk.seen(100.0, source="alpha")
    assert desk.see(90.0, age=900.0, source="beta", declared_delay=900.0) is None
    desk.wait(5)
    assert desk.seen(101.0, source="beta").source == "beta"
    assert desk.book.rejected == {}, "an older price from elsewhere is no fault"


def test_an_older_price_of_the_session_still_tells_the_previous_close():
    desk = Desk()
    first = desk.seen(102.0, source="tvdatafeed")
    assert first.basis == "session_open"
    learnt = desk.seen(101.0, age=5.0, source="yfinance", previous_close=100.0)
    assert (learnt.price, learnt.basis, learnt.source) == (102.0, "previous_close", "tvdatafeed")
    assert learnt.change_pct == pytest.approx(2.0)
    assert desk.see(101.0, age=5.0, source="yfinance", previous_close=100.0) is None


def test_an_older_sessions_price_tells_no_previous_close_for_this_one():
    desk = Desk()
    desk.seen(102.0, source="tvdatafeed")
    assert desk.see(101.0, age=86_400.0, source="yfinance", previous_close=90.0) is None
    assert desk.seen(103.0, source="tvdatafeed", stamp=desk.clock.time() + 1).basis == "session_open"


def test_a_delayed_source_takes_over_from_a_dead_one_without_going_back_in_time():
    desk = Desk()
    desk.seen(100.0, source="alpha")
    stamps = []
    for _ in range(20):
        desk.wait(60)
        seen = desk.see(95.0, age=900.0, source="beta", declared_delay=900.0)
        if seen is not None:
            stamps.append(seen.stamp)
    assert stamps and stamps[0] > WEDNESDAY and stamps == sorted(stamps)
    assert desk.worth() is DELAYED
    desk.seen(102.0, source="alpha")
    assert desk.worth() is LIVE


def test_of_two_equal_stamps_the_first_source_stays():
    desk = Desk()
    desk.seen(100.0, source="alpha")
    assert desk.see(101.0, source="beta") is None


@pytest.mark.allow_log("out of order")
def test_of_two_equal_stamps_of_one_source_another_price_is_taken_and_the_same_one_is_not():
    desk = Desk()
    first = desk.seen(100.0)
    assert desk.see(100.0) is None
    second = desk.seen(101.0)
    assert (second.price, second.stamp) == (101.0, first.stamp)
    assert desk.see(102.0, stamp=first.stamp - 1.0) is None, "older, though of the same source"


@given(
    age=st.sampled_from((-59.0, 0.0, 0.5, 59.0, 60.0, 61.0, 905.0, 961.0, 1300.0)),
    span=st.sampled_from((0.0, 60.0)),
    declared=st.sampled_from((None, 0.0, -1.0, 900.0, 1e9, math.nan)),
    now=st.sampled_from((WEDNESDAY, at("2026-11-18 20:00"))),
    simulated=st.booleans(),
)
def test_the_usual_price_is_judged_like_all_others(age, span, declared, now, simulated):
    desk = Desk(now, trade_simulation=simulated)
    for price in (100.0, 101.0, 102.0):  # the second and third of the same moment
        desk.see(price, age=age, span=span, declared_delay=declared, simulated=simulated)
    state = desk.book.states[ASELS.key]
    found = (state.freshness, state.delay, state.expires, state.expires_mono)
    told = quote(
        ASELS, 102.0, stamp=now - age, received=now, span=span, declared_delay=declared, simulated=simulated
    )
    desk.book._judge(state, told, state.effective, advances=False)
    assert found == (state.freshness, state.delay, state.expires, state.expires_mono)


# --- simulation -----------------------------------------------------------------------------------------


def fake(desk: Desk, price: float = 500.0, **fields: Any) -> Tick | None:
    """A quote of the simulation."""
    return desk.see(price, source="simulation", simulated=True, **fields)


def test_fallback_simulation_never_overrides_a_live_delayed_or_closed_price():
    for now, delay in ((WEDNESDAY, None), (WEDNESDAY, 900.0), (at("2026-11-18 20:00"), None)):
        desk = Desk(now)
        desk.seen(declared_delay=delay)
        desk.clock.advance(30)
        assert fake(desk) is None
        assert desk.book.ticks()[0].price == 100.0


def test_it_follows_a_dead_price_and_a_real_one_ends_it():
    desk = Desk()
    desk.seen(100.0, previous_close=98.0)
    desk.clock.advance(STALE_AFTER)
    seen = fake(desk, 500.0, previous_close=400.0)
    assert seen is not None
    assert (seen.freshness, seen.simulated, seen.change_pct, seen.previous_close) == (
        SIMULATED,
        True,
        25.0,
        400.0,
    )
    desk.wait(5)
    assert fake(desk, 501.0) is not None
    real = desk.seen(101.0)
    assert (real.freshness, real.simulated, real.previous_close) == (LIVE, False, 98.0)
    assert real.change_pct == pytest.approx(100 * (101 / 98 - 1))
    assert desk.book.state(ASELS.key).gap == 65.0
    assert fake(desk) is None


def test_even_an_old_real_price_ends_a_simulated_one_but_knows_that_it_is_behind():
    desk = Desk()
    desk.seen(100.0)
    desk.clock.advance(STALE_AFTER)
    fake(desk)
    real = desk.seen(99.0, age=900.0, source="beta", declared_delay=900.0)
    state = desk.book.state(ASELS.key)
    assert real.freshness is DELAYED and state.effective < state.newest
    desk.wait(900)
    desk.seen(99.5, age=100.0, source="beta", declared_delay=900.0)
    assert state.effective >= state.newest


def test_a_made_up_previous_close_never_touches_real_figures():
    desk = Desk()
    fake(desk, 500.0, previous_close=400.0)
    real = desk.seen(101.0)
    assert (real.previous_close, real.basis, real.change_pct) == (None, "session_open", 0.0)


def test_a_simulated_price_without_a_close_counts_from_its_own_first():
    desk = Desk()
    first, second = fake(desk, 500.0), fake(desk, 505.0)
    assert first is not None and second is not None
    assert (first.basis, first.change_pct, second.change_pct) == ("session_open", 0.0, pytest.approx(1.0))
    assert second.previous_close is None


def test_a_simulated_price_goes_stale_too():
    desk = Desk(at("2026-11-21 12:00"))
    fake(desk)
    assert desk.worth() is SIMULATED
    assert [c.freshness for c in desk.wait(STALE_AFTER)] == [STALE]


@pytest.mark.allow_log("refused a quote")
def test_the_chosen_simulator_trades_whatever_the_hour_and_admits_no_real_price():
    desk = Desk(at("2026-11-21 12:00"), trade_simulation=True)
    seen = fake(desk, 500.0, previous_close=400.0)
    assert seen is not None and (seen.freshness, seen.previous_close) == (SIMULATED, 400.0)
    assert desk.see(100.0) is None
    assert [c.freshness for c in desk.wait(STALE_AFTER)] == [STALE]


# --- change, session, gap -------------------------------------------------------------------------------


def test_change_is_against_the_previous_close():
    seen = Desk().seen(44.0, previous_close=40.0)
    assert (seen.change_pct, seen.basis, seen.previous_close) == (pytest.approx(10.0), "previous_close", 40.0)


def test_without_a_close_it_is_against_the_first_price_of_the_session_and_the_row_says_so():
    desk = Desk()
    assert desk.seen(100.0).basis == "session_open"
    desk.wait(1)
    assert desk.seen(102.0).change_pct == pytest.approx(2.0)
    assert Desk().seen(102.0, open=100.0).change_pct == pytest.approx(2.0)
    assert Desk().seen(102.0, open=100.0, span=60.0).change_pct == 0.0, (
        "a minute bar's open is not the session's"
    )


@pytest.mark.allow_log("refused a quote")
def test_a_close_from_daily_bars_fills_in_unless_a_quote_told_one():
    desk = Desk()
    desk.seen(100.0)
    for bad in (math.nan, 0.0, -1.0, math.inf):
        desk.book.offer_previous_close(ASELS.key, bad)
    desk.book.offer_previous_close(ASELS.key, 80.0)
    desk.wait(1)
    assert desk.seen(100.0).change_pct == pytest.approx(25.0)
    desk.book.offer_previous_close(ASELS.key, 50.0)
    desk.wait(1)
    assert desk.seen(100.0).previous_close == 80.0
    desk.wait(1)
    assert desk.seen(100.0, previous_close=90.0).previous_close == 90.0


def test_a_new_session_forgets_yesterdays_close_and_first_price():
    desk = Desk()
    desk.seen(100.0, previous_close=90.0)
    desk.clock.set_time(at("2026-11-19 10:05"))
    seen = desk.seen(110.0)
    assert (seen.previous_close, seen.basis, seen.change_pct) == (None, "session_open", 0.0)
    desk.book.offer_previous_close(ASELS.key, 100.0)
    desk.wait(1)
    assert desk.seen(110.0).change_pct == pytest.approx(10.0)


def test_a_price_from_before_the_opening_belongs_to_no_current_session():
    desk = Desk(at("2026-11-19 10:05"))
    seen = desk.seen(100.0, age=900.0, declared_delay=900.0, previous_close=95.0)
    assert seen.freshness is DELAYED
    assert desk.book.state(ASELS.key).session == -1.0
    desk.wait(1)
    desk.seen(101.0)
    assert desk.book.state(ASELS.key).session == at("2026-11-19 10:00")


def test_a_gap_is_marked_once_and_only_within_a_session():
    desk = Desk()
    state = desk.book.state(ASELS.key)
    desk.seen()
    assert state.gap == 0.0
    desk.wait(300)
    desk.seen()
    assert state.gap == 300.0
    desk.wait(1)
    desk.seen()
    assert state.gap == 0.0
    desk.clock.set_time(at("2026-11-19 10:05"))
    desk.seen()
    assert state.gap == 0.0


def test_forgotten_instruments_begin_anew():
    desk = Desk()
    desk.seen()
    desk.seen(on=THYAO)
    desk.book.keep_only([THYAO.key])
    assert [tick.key for tick in desk.book.ticks()] == [THYAO.key]


@pytest.mark.allow_log("refused a quote")
@given(st.data())
def test_no_sequence_of_events_makes_anything_look_live_that_is_not(data):
    """Whatever comes in whatever order: a live price was stamped within `stale_after` of now."""
    desk = Desk(at("2026-11-18 17:50"))
    truth: dict[float, tuple[float, float]] = {}
    price = 100.0
    for _ in range(data.draw(st.integers(1, 25))):
        what = data.draw(
            st.sampled_from(["quote", "quote", "quote", "wait", "ahead", "back", "stop", "fake"])
        )
        seconds = data.draw(st.floats(0.0, 200.0))
        if what == "quote":
            price += 1.0
            source = data.draw(st.sampled_from(["alpha", "beta"]))
            delay = data.draw(st.sampled_from([None, 0.0, 30.0, 900.0]))
            age = data.draw(st.floats(-100.0, 1000.0))
            span = data.draw(st.sampled_from([0.0, 60.0]))
            made = desk.see(price, age=age, source=source, declared_delay=delay, span=span)
            if made is not None:
                truth[price] = (min(made.stamp + span, made.received), desk.clock.monotonic())
        elif what == "wait":
            desk.wait(seconds)
        elif what == "ahead":
            desk.clock.set_time(desk.clock.time() + seconds)
            desk.book.age()
        elif what == "back":
            desk.clock.set_time(desk.clock.time() - seconds)
            desk.book.age()
        elif what == "stop":
            desk.book.expire_all()
        else:
            fake(desk)
        for shown in desk.book.ticks():
            if shown.freshness in (LIVE, DELAYED):
                good_until, arrived = truth[shown.price]
                assert not shown.simulated
                assert desk.clock.monotonic() - arrived <= STALE_AFTER
                if shown.freshness is LIVE:
                    assert desk.clock.time() - good_until <= STALE_AFTER
            if shown.freshness is SIMULATED:
                assert shown.simulated


def test_a_quote_is_a_plain_value():
    assert isinstance(quote(), Quote)
