"""What a chart lacks and a provider has: what was before the start, holes, and how often we ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from core.bars.keeper import BarKeeper
from core.bars.requests import ASK_AGAIN, TRIES
from core.clock import FakeClock
from core.commands import BarsLoaded, BarUpdated, StartFeed, WatchBars
from core.events import EventBus
from core.market_calendar import MarketCalendar
from core.model import Bar, Instrument
from core.storage.memory_store import MemoryStore
from tests.scripted import ASELS, WEDNESDAY, Events, at, tick
from tests.test_bars_engine import Rig
from tests.test_feed_live import until

KEY = ASELS.key
DAY = 86_400
OPEN, CLOSE = at("2026-11-18 10:00"), at("2026-11-18 18:00")


def minute(start: float, close: float = 50.0, volume: float = 1.0) -> Bar:
    return Bar(KEY, start, close, close, close, close, volume)


def minutes(begin: float, end: float) -> list[Bar]:
    return [minute(begin + 60 * n) for n in range(round((end - begin) / 60))]


class Desk:
    """The bars of one world, and what they ask a provider for."""

    def __init__(self, now: float = WEDNESDAY, *, simulated: bool = False) -> None:
        self.clock = FakeClock(now)
        self.bus = EventBus()
        self.events = Events(self.bus, BarsLoaded, BarUpdated)
        self.store = MemoryStore()
        self.asked: list[tuple[int, int]] = []
        self.dropped: list[int] = []
        self.bars = BarKeeper(
            self.store, MarketCalendar(), self.clock, self.bus, simulated=simulated,
            round_the_clock=simulated, keep_days=90,
        )  # fmt: skip
        self.bars.ask_history = self._ask
        self.bars.drop_history = lambda key, seconds: self.dropped.append(seconds)

    def _ask(self, instrument: Instrument, seconds: int, count: int) -> None:
        assert instrument == ASELS
        self.asked.append((seconds, count))

    def lengths(self) -> list[int]:
        """The lengths of bars that were asked for since the last call."""
        asked, self.asked = self.asked, []
        return [seconds for seconds, _ in asked]

    def wait(self, seconds: float) -> None:
        """A quiet time."""
        self.clock.advance(seconds)
        self.bars.end_batch(self.clock.monotonic())

    def trade(self, price: float = 50.0, after: float = 0.0) -> None:
        """A price of this moment."""
        self.clock.advance(after)
        now = self.clock.time()
        self.bars.add(tick(ASELS, price, stamp=now, received=now))
        self.bars.end_batch(self.clock.monotonic())

    def tell(self, bars: Sequence[Bar], seconds: int = 60) -> None:
        """The provider's answer."""
        self.bars.on_history(KEY, seconds, bars)

    def shown(self, seconds: int) -> list[Bar]:
        """The bars on the screen."""
        bars: dict[float, Bar] = {}
        for event in self.events.all:
            if event.seconds == seconds and isinstance(event, BarsLoaded):
                bars = {bar.start: bar for bar in event.bars}
            elif event.seconds == seconds:
                bars[event.bar.start] = event.bar
        return [bars[start] for start in sorted(bars)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- the bar that grows ---------------------------------------------------------------------------------


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.loop.close()


@pytest.mark.parametrize("seconds", [3600, DAY])
def test_the_running_bar_holds_what_was_before_the_start(rig: Rig, seconds: int) -> None:
    past = minutes(OPEN, WEDNESDAY - 3600) if seconds == DAY else []
    past += [minute(WEDNESDAY, 45.0), minute(WEDNESDAY + 60, 60.0), minute(WEDNESDAY + 120, 40.0)]
    before = minute(OPEN - DAY, 44.0)
    rig.tell = lambda length: past if length == 60 else [before] if length == DAY else []
    rig.clock.advance(180)
    rig.do(StartFeed(), WatchBars(key=KEY, seconds=seconds))
    rig.see(50.0)

    def last() -> Bar:
        rig.step(0.01)
        return ([b for event in rig.events.of(BarsLoaded) for b in event.bars[-1:]] or [before])[-1]

    until(lambda: last().low == 40.0)
    bar = last()
    first = past[0]
    assert (bar.start, bar.open) == (OPEN if seconds == DAY else WEDNESDAY, first.open)
    assert (bar.high, bar.low, bar.close) == (60.0, 40.0, 50.0)
    assert bar.volume == len(past)


def test_the_running_day_is_asked_for_in_minutes_of_its_session_once(desk: Desk) -> None:
    desk.bars.watch(KEY, DAY)
    desk.trade()
    assert desk.asked == [(DAY, 5000), (60, 480)]
    desk.lengths()
    desk.tell([minute(OPEN - DAY)], DAY)
    desk.tell(minutes(OPEN, WEDNESDAY))
    for seconds in (3600, 900, 300, DAY):
        desk.bars.watch(KEY, seconds)
        assert desk.lengths() == [seconds], "its minutes are known"
    desk.wait(ASK_AGAIN)
    assert desk.lengths() == []


def test_who_changes_the_time_frame_does_not_ask_for_the_minutes_anew(desk: Desk) -> None:
    desk.bars.watch(KEY, DAY)
    assert desk.lengths() == [DAY, 60]
    desk.bars.unwatch(KEY, DAY)
    assert sorted(desk.dropped) == [60, DAY]
    desk.bars.watch(KEY, 300)
    assert desk.lengths() == [300, 60], "nobody has told them"
    desk.tell([])
    desk.bars.unwatch(KEY, 300)
    desk.bars.watch(KEY, 900)
    assert desk.lengths() == [900], "asked for a moment ago"
    desk.wait(ASK_AGAIN)
    assert desk.lengths() == [60]
    desk.dropped.clear()
    desk.bars.watch(KEY, 60)
    desk.bars.unwatch(KEY, 900)
    assert desk.dropped == [900], "the minutes are still looked at"


def test_prices_that_come_late_are_no_reason_to_ask(desk: Desk) -> None:
    desk.bars.watch(KEY, DAY)
    desk.tell(minutes(OPEN, WEDNESDAY - 900))
    desk.clock.advance(ASK_AGAIN)
    desk.bars.add(tick(ASELS, stamp=WEDNESDAY - 900, received=WEDNESDAY + ASK_AGAIN))
    desk.lengths()
    desk.bars.watch(KEY, 3600)
    assert desk.lengths() == [3600]


def test_minutes_that_the_providers_bars_cover_are_not_asked_for() -> None:
    desk = Desk(CLOSE + 60)
    desk.store.add_bars([minute(OPEN)], DAY)
    desk.bars.watch(KEY, DAY)
    assert desk.lengths() == [DAY]
    desk.bars.watch(KEY, 60)
    assert desk.lengths() == [60]


def test_after_the_close_the_finished_bar_stands(desk: Desk) -> None:
    desk.bars.watch(KEY, DAY)
    desk.trade(70.0)
    desk.tell(minutes(OPEN, WEDNESDAY))
    assert [(b.open, b.high, b.close) for b in desk.shown(DAY)] == [(50.0, 70.0, 70.0)]
    desk.wait(CLOSE - WEDNESDAY)
    assert [(b.open, b.high, b.close) for b in desk.shown(DAY)] == [(50.0, 70.0, 70.0)]
    desk.tell([minute(OPEN, 69.0)], DAY)
    assert [b.close for b in desk.shown(DAY)] == [69.0]


# --- holes ----------------------------------------------------------------------------------------------


def watching(desk: Desk) -> Desk:
    """All is known until now, and the minutes have just been asked for."""
    desk.bars.watch(KEY, 60)
    desk.tell(minutes(OPEN, WEDNESDAY))
    desk.trade()
    assert desk.lengths() == [60]
    return desk


def test_a_hole_that_comes_soon_after_a_request_is_asked_for_later(desk: Desk) -> None:
    watching(desk)
    desk.trade(after=180)
    desk.trade(after=60)
    assert desk.lengths() == [], "at leisure"
    desk.wait(ASK_AGAIN - 241)
    assert desk.lengths() == []
    desk.wait(1)
    assert desk.lengths() == [60]
    desk.tell(minutes(OPEN, WEDNESDAY + 240))
    assert [b.start for b in desk.shown(60)] == [b.start for b in minutes(OPEN, WEDNESDAY + 300)]
    desk.wait(10 * ASK_AGAIN)
    assert desk.lengths() == [], "nothing is missing any more"


def test_the_hole_between_a_late_history_and_the_first_price_is_filled(desk: Desk) -> None:
    desk.trade()
    desk.bars.watch(KEY, 60)
    desk.tell(minutes(OPEN, WEDNESDAY - 900))
    asked = desk.lengths()
    for passed in range(300, 1500, 300):
        for _ in range(5):
            desk.trade(after=60)
        if new := desk.lengths():
            asked += new
            desk.tell(minutes(OPEN, WEDNESDAY + passed - 900))
    assert asked == [60] * 4, "until it is filled"
    assert [b.start for b in desk.shown(60)] == [b.start for b in minutes(OPEN, WEDNESDAY + 1260)]


def test_a_minute_without_a_trade_is_asked_for_once_if_the_provider_tells_what_came_after(desk: Desk) -> None:
    watching(desk)
    desk.trade(after=180)
    desk.wait(ASK_AGAIN)
    assert desk.lengths() == [60]
    desk.tell([minute(OPEN), minute(WEDNESDAY + 180)])
    desk.wait(10 * ASK_AGAIN)
    assert desk.lengths() == []


def test_a_hole_that_nobody_can_fill_is_given_up(desk: Desk) -> None:
    desk.trade()
    desk.bars.watch(KEY, 60)
    asked = 0
    for _ in range(5 * TRIES):
        if desk.lengths():
            asked += 1
            desk.tell([])
        desk.wait(ASK_AGAIN)
    assert asked == TRIES
    desk.trade(after=120)
    desk.wait(ASK_AGAIN)
    assert desk.lengths() == [60], "this is another one"


def test_nothing_is_asked_for_twice_while_an_answer_is_due(desk: Desk) -> None:
    desk.trade()
    desk.bars.watch(KEY, 60)
    assert desk.lengths() == [60]
    for _ in range(5):
        desk.trade(after=ASK_AGAIN)
    assert desk.lengths() == []


def test_a_hole_as_long_as_a_bar_is_asked_for_in_such_bars_too(desk: Desk) -> None:
    watching(desk)
    desk.bars.watch(KEY, 900)
    desk.tell([minute(OPEN)], 900)
    assert desk.lengths() == [900]
    desk.trade(after=600)
    assert desk.lengths() == [60]
    desk.tell(minutes(OPEN, WEDNESDAY + 600))
    desk.trade(after=1000)
    assert sorted(desk.lengths()) == [60, 900]


@pytest.mark.parametrize(("known", "missing"), [(WEDNESDAY, True), (CLOSE, False), (CLOSE - DAY, True)])
def test_what_was_missed_of_the_session_before_is_asked_for_in_the_morning(
    known: float, missing: bool
) -> None:
    desk = Desk(OPEN + DAY - 600)  # the computer slept
    desk.store.add_bars(minutes(known - known % DAY + OPEN % DAY, known))
    desk.bars.watch(KEY, 60)
    desk.tell([])
    assert desk.lengths() == [60]
    desk.trade(after=600)
    assert desk.asked == ([(60, (OPEN + DAY - known) // 60)] if missing else [])


def test_what_a_bot_asked_for_stays_wanted_when_the_chart_is_closed(desk: Desk) -> None:
    desk.bars.request(KEY, 60)
    desk.bars.watch(KEY, DAY)
    desk.bars.unwatch(KEY, DAY)
    assert desk.dropped == [DAY]


def test_a_made_up_market_has_no_past_to_ask_for_again() -> None:
    desk = Desk(simulated=True)
    desk.bars.watch(KEY, DAY)
    assert desk.lengths() == [60]
    desk.tell([])
    for _ in range(5):
        now = desk.clock.time()
        desk.bars.add(tick(ASELS, stamp=now, received=now, simulated=True))
        desk.wait(ASK_AGAIN)
    assert desk.lengths() == []
