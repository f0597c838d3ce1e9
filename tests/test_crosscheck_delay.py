"""Cross-checking a source whose prices come late: against what the other said at that time."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.engine.crosscheck import FORGET_AFTER, CrossCheck
from core.engine.recent import KEPT_SECONDS, RecentPrices
from core.model import Signal, SourceConflict
from core.sources.base import DailyCloses
from tests.scripted import ASELS, BTC, WEDNESDAY, at, quote
from tests.test_crosscheck import Bench, bench  # noqa: F401 - a fixture

LATE = 900.0
OPENED = at("2026-11-18 10:00")


class Talk:
    """A fast source and one that is late, speaking one after the other."""

    def __init__(self, start: float = WEDNESDAY - 3600.0) -> None:
        self.check = CrossCheck(3.0)
        self.now = start
        self.said: list[SourceConflict] = []

    def _hear(self, price: float, source: str, stamp: float, **fields: Any) -> SourceConflict | None:
        told = self.check.hear(quote(ASELS, price, source=source, stamp=stamp, received=self.now, **fields))
        if told is not None:
            self.said.append(told)
        return told

    def fast(self, *prices: float, apart: float = 30.0, **fields: Any) -> None:
        """The fast source trades at these prices, `apart` seconds between two."""
        for price in prices:
            self.now += apart
            self._hear(price, "push", self.now, **fields)

    def late(self, price: float, *, late: float = LATE, **fields: Any) -> SourceConflict | None:
        """The late source tells a price of `late` seconds ago."""
        return self._hear(price, "poll", self.now - late, **fields)

    @property
    def held(self) -> bool:
        return self.check.holds(ASELS.key)


def test_a_late_price_is_held_against_what_the_other_said_then():
    talk = Talk()
    talk.fast(*(45.0,) * 40)
    talk.fast(*(50.0,) * 20)
    assert talk.late(45.1) is None and not talk.held
    found = talk.late(41.1)
    assert found is not None and found.sources == ("poll", "push") and found.prices == (41.1, 45.0)
    assert found.ago == LATE and talk.held
    talk.fast(50.0, 50.1)
    assert talk.held, "a newer price of the fast source answers nothing about then"
    over = talk.late(45.2)
    assert over is not None and over.over and not talk.held


def test_a_fall_that_the_late_source_cannot_know_yet_is_no_disagreement():
    talk = Talk()
    talk.fast(*(45.0,) * 60)
    talk.late(45.0)
    talk.fast(*(36.0,) * 4)
    talk.late(45.0)
    assert talk.said == []
    talk.fast(*(36.0,) * 60)
    talk.late(36.1)
    assert talk.said == []


def test_a_jump_between_two_looks_is_bracketed_by_what_was_before_and_after():
    talk = Talk()
    talk.fast(*(45.0,) * 40, 40.0, 45.0, *(45.0,) * 30)
    talk.late(40.2)
    assert talk.said == []


def test_of_a_time_that_the_other_did_not_see_nothing_is_said():
    talk = Talk()
    talk.fast(*(45.0,) * 10)
    assert talk.late(30.0) is None
    talk.fast(45.0, apart=3 * FORGET_AFTER)
    talk.fast(*(45.0,) * 20)
    assert talk.late(30.0) is None and not talk.held


def test_a_price_stands_until_the_next_one_where_trades_are_rare():
    talk = Talk()
    talk.fast(45.0, 45.1, 45.2, 45.1, 45.0, apart=400.0)
    assert talk.late(45.1, late=1100.0) is None
    assert talk.late(30.0, late=1100.0) is not None


def test_a_declared_delay_explains_an_old_price_under_a_new_stamp():
    """Some providers stamp what they delay with the present: then all of the delay is allowed for."""
    talk = Talk()
    talk.fast(*(45.0,) * 50, *(50.0,) * 4)
    assert talk.late(45.0, late=2.0, declared_delay=LATE) is None
    assert talk.late(45.0, late=2.0) is not None, "whoever admits no delay has no excuse"
    other = Talk()
    other.fast(*(45.0,) * 50, *(50.0,) * 4)
    assert other.late(41.0, late=2.0, declared_delay=LATE) is not None
    short = Talk()
    short.fast(50.0, 50.0)
    assert short.late(41.0, late=2.0, declared_delay=LATE) is None, "nobody knows what was 15 minutes ago"


def test_two_late_sources_check_each_other():
    talk = Talk()
    talk._hear(45.0, "poll", talk.now - LATE, declared_delay=LATE)
    found = talk._hear(40.0, "push", talk.now - LATE - 10, declared_delay=LATE)
    assert found is not None and found.prices == (45.0, 40.0)


def test_a_third_source_that_agrees_does_not_end_the_others_disagreement():
    talk = Talk()
    talk.fast(45.0)
    talk._hear(45.0, "atlas", talk.now)
    found = talk._hear(40.0, "poll", talk.now)
    assert found is not None
    talk.fast(45.0, 45.0, apart=1.0)
    assert talk.held
    talk._hear(45.1, "atlas", talk.now)
    assert talk.held


# --- split days -------------------------------------------------------------------------------------


def test_a_split_that_one_source_has_taken_into_account_holds_from_the_first_trade():
    """The late source's last word is yesterday's close; the fast one says another."""
    talk = Talk(at("2026-11-17 17:59"))
    talk._hear(22.6, "poll", talk.now)  # as adjusted as its close of the day will be
    talk.now = OPENED + 1.0
    told = talk._hear(22.7, "push", OPENED + 1.0, previous_close=45.2)
    assert told is not None and told.of_closes and told.prices == (22.6, 45.2) and talk.held
    talk.now = OPENED + LATE + 2.0
    assert talk.late(22.7, previous_close=22.6) is None and talk.held, "now it names the close itself"
    talk.fast(22.7, previous_close=22.6, apart=1.0)
    assert not talk.held


def test_a_close_that_was_told_before_the_opening_is_judged_with_the_first_trade():
    talk = Talk(at("2026-11-17 17:59"))
    talk._hear(22.6, "poll", talk.now)
    talk._hear(45.2, "push", talk.now - 3000.0, previous_close=45.2)
    assert talk.said == []
    talk.now = OPENED + 1.0
    assert talk._hear(22.7, "push", OPENED + 1.0, previous_close=45.2) is not None


def test_an_ordinary_morning_is_no_split():
    talk = Talk(at("2026-11-17 17:59"))
    talk._hear(45.0, "poll", talk.now)
    talk.now = OPENED + 1.0
    assert talk._hear(48.0, "push", OPENED + 1.0, previous_close=45.2) is None
    midday = Talk(at("2026-11-17 13:00"))
    midday._hear(40.0, "poll", midday.now)
    midday.now = OPENED + 1.0
    assert midday._hear(48.0, "push", OPENED + 1.0, previous_close=45.2) is None
    assert not midday.held, "the price of yesterday noon was no close"


def test_the_closes_of_daily_bars_take_part():
    talk = Talk(OPENED)
    assert talk.check.hear_close(ASELS.key, "bars", 22.6, talk.now) is None
    talk.fast(22.7, previous_close=45.2)
    assert talk.held and talk.said[-1].of_closes and talk.said[-1].sources == ("bars", "push")
    talk.fast(22.7, previous_close=45.2)
    assert len(talk.said) == 1
    talk.fast(22.8, previous_close=22.6)
    assert not talk.held and talk.said[-1].over


def test_daily_bars_that_come_after_the_price_are_heard_too():
    talk = Talk(OPENED)
    talk.fast(22.7, previous_close=45.2)
    told = talk.check.hear_close(ASELS.key, "bars", 22.6, talk.now)
    assert told is not None and talk.held
    over = talk.check.hear_close(ASELS.key, "bars", 45.2, talk.now)
    assert over is not None and over.over and not talk.held
    assert talk.check.hear_close(ASELS.key, "push", 10.0, talk.now) is None, "nobody contradicts himself"
    assert talk.check.hear_close(ASELS.key, "bars", float("nan"), talk.now) is None


def test_a_market_that_never_closes_has_no_close_to_quarrel_about():
    """One provider takes midnight, another the price of 24 hours ago."""
    check = CrossCheck(3.0)
    check.hear(quote(BTC, 90_000.0, source="push", previous_close=88_000.0))
    assert check.hear(quote(BTC, 90_010.0, source="poll", previous_close=80_000.0)) is None
    check.hear_close(BTC.key, "bars", 80_000.0, WEDNESDAY)
    assert not check.holds(BTC.key)
    assert check.hear(quote(BTC, 80_000.0, source="poll", previous_close=80_000.0)) is not None


def test_yesterdays_quarrel_about_closes_does_not_hold_todays_signals():
    talk = Talk(at("2026-11-17 17:00"))
    talk.check.hear_close(ASELS.key, "bars", 40.0, talk.now)
    talk.fast(45.0, previous_close=45.2)
    assert talk.held
    talk.now = OPENED
    assert [c.over for c in talk.check.expire(talk.now)] == [True]
    talk.fast(45.0, previous_close=45.0)
    assert not talk.held


def test_on_a_split_day_the_daily_bars_alone_prevent_a_false_sell(bench: Bench):  # noqa: F811
    days = (date(2026, 11, 16), date(2026, 11, 17))
    bench.engine.on_daily(DailyCloses(ASELS.key, (22.0, 22.6), days, source="tvdatafeed"))
    bench.tell("push", 22.7, previous_close=45.2)
    assert bench.of(Signal) == [] and [c.of_closes for c in bench.of(SourceConflict)] == [True]
    bench.clock.advance(1)
    bench.tell("push", 22.8, previous_close=22.6)
    assert [c.over for c in bench.of(SourceConflict)] == [False, True] and bench.of(Signal) == []
    bench.clock.advance(1)
    bench.tell("push", 23.2, previous_close=22.6)
    assert [signal.side for signal in bench.of(Signal)] == ["BUY"]


def test_a_late_source_that_denies_a_price_holds_the_next_signals(bench: Bench):  # noqa: F811
    for _ in range(60):
        bench.clock.advance(20)
        bench.tell("push", 45.0, previous_close=45.0)
    now = bench.clock.time()
    bench.engine.on_quote(quote(ASELS, 41.1, source="poll", stamp=now - LATE, received=now))
    bench.clock.advance(1)
    bench.tell("push", 41.2, previous_close=45.0)
    assert bench.of(Signal) == []
    assert [(c.prices, c.ago) for c in bench.of(SourceConflict)] == [((41.1, 45.0), LATE)]


# --- the short memory -------------------------------------------------------------------------------


def test_the_memory_is_bounded_and_knows_the_last_half_hour():
    recent = RecentPrices()
    for second in range(0, 4 * 3600, 5):
        recent.add(WEDNESDAY + second, 100.0 + second / 3600.0)
    end = WEDNESDAY + 4 * 3600
    assert recent.size() <= 2 * KEPT_SECONDS / 60.0
    low, high = recent.between(end - 1000, end - 900)
    assert 103.6 < low < 103.75 and 103.7 < high < 103.8
    assert recent.between(end - 3 * KEPT_SECONDS, end - 2.9 * KEPT_SECONDS) is None


@given(
    st.lists(st.tuples(st.floats(0.0, 200.0), st.floats(1.0, 1e5)), min_size=1, max_size=60),
    st.floats(0.0, 3000.0), st.floats(0.0, 300.0),
)  # fmt: skip
def test_what_was_said_within_a_time_lies_within_its_range(said, begin, width):
    recent, now, told = RecentPrices(), WEDNESDAY, []
    for step, price in said:
        now += step
        told.append((now, price))
        recent.add(now, price)
    first, last = WEDNESDAY + begin, WEDNESDAY + begin + width
    found = recent.between(first, last)
    if found is not None:
        assert all(found[0] <= price <= found[1] for at_, price in told if first <= at_ <= last)
        assert found[0] >= min(p for _, p in told) and found[1] <= max(p for _, p in told)


def test_what_comes_out_of_order_or_from_nowhere_changes_nothing():
    recent = RecentPrices()
    recent.add(WEDNESDAY, 100.0)
    recent.add(WEDNESDAY - 600.0, 50.0)
    recent.add(float("nan"), 50.0)
    assert recent.between(WEDNESDAY, WEDNESDAY) == (100.0, 100.0)
