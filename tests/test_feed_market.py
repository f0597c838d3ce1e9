"""The feed and the market's hours: no requests for what is closed, and the truth about old prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.clock import Clock
from core.config import Config
from core.feed_text import feed_sentence, source_lines
from core.market_calendar import MarketCalendar
from core.model import FeedStatus, Instrument, Quote
from tests.scripted import AAPL, ASELS, BTC, THYAO, ScriptedSource, at, quote
from tests.test_push_runner import Station

EVENING = at("2026-11-18 20:00")
MORNING = at("2026-11-19 10:00")


class Market(Station):
    """A feed that knows the calendar, at a time that the test says."""

    def __init__(self, now: float, *, push: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.calendar = MarketCalendar()
        self.feed._market_of = lambda exchange: self.calendar.state(exchange, self.clock.time())
        if not push:
            self.feed._push_order = lambda config: ()
        self.set_time(now)
        self.stamps: dict[str, float] = {}
        """When each was last traded; the others have a price of this second."""
        self.late: dict[str, float] = {}
        """By how many seconds a source is behind."""

    def set_time(self, now: float) -> None:
        """Let it be `now`."""
        self.clock.advance(now - self.clock.time())

    def _create(self, name: str, config: Config, clock: Clock) -> ScriptedSource:
        made = super()._create(name, config, clock)
        if not made.simulated:
            made.answer = lambda asked: [self.price(i, name) for i in asked]
        return made

    def price(self, instrument: Instrument, source: str) -> Quote:
        """What `source` answers."""
        now = self.clock.time()
        stamp = self.stamps.get(instrument.key, now - self.late.get(source, 0.0))
        return quote(instrument, stamp=stamp, source=source, received=now, previous_close=99.0)

    def run_for(self, seconds: float, step: float = 1.0) -> None:
        """Let so much time pass."""
        end = self.clock.monotonic() + seconds
        self.until(lambda: self.clock.monotonic() >= end, step)

    def requests(self) -> int:
        """How often prices were asked for."""
        return sum(len(source.fetches) for source in self.polled.values())


@pytest.fixture
def closed() -> Iterator[Market]:
    made = Market(EVENING)
    close = at("2026-11-18 18:00")
    made.stamps = {ASELS.key: close, THYAO.key: close}
    yield made
    made.feed.close()


def test_after_the_close_each_is_asked_for_once_and_then_no_more(closed):
    closed.start(ASELS, THYAO)
    closed.run_for(30.0, 0.5)
    asked = closed.requests()
    both = (*closed.asked("batch"), *closed.asked("one"))
    assert {symbol for batch in both for symbol in batch} == {"ASELS", "THYAO"}
    closed.run_for(1800.0, 5.0)
    assert closed.requests() == asked, "the closing price is known"
    assert closed.status.state == "running" and closed.status.active


def test_where_the_last_trade_was_early_each_source_is_asked_once(closed):
    closed.stamps = {ASELS.key: at("2026-11-18 15:00")}
    closed.start(ASELS)
    closed.run_for(120.0, 0.5)
    assert closed.asked("batch") == closed.asked("one") == [("ASELS",)]


def test_what_trades_elsewhere_is_still_asked_for(closed):
    closed.start(ASELS, BTC)
    closed.run_for(30.0, 0.5)
    asked = len(closed.asked("one"))
    closed.run_for(60.0)
    assert set(closed.asked("one")[asked + 1 :]) == {("BTC",)}


def test_the_daily_closes_are_still_asked_for_while_prices_rest(closed):
    closed.start(ASELS, THYAO)
    closed.run_for(400.0, 2.0)
    assert {symbol for source in closed.polled.values() for symbol in source.dailies} == {"ASELS", "THYAO"}


def test_the_opening_is_asked_for_at_once(closed):
    closed.set_time(MORNING - 120.0)
    closed.start(ASELS, THYAO)
    closed.run_for(110.0)
    asked = closed.requests()
    closed.run_for(9.0, 0.5)
    assert closed.requests() == asked
    closed.stamps.clear()
    began = closed.clock.time()
    closed.until(lambda: closed.requests() > asked, step=0.25)
    assert closed.clock.time() - began < 4.0


def test_the_closing_price_is_asked_for_once_more_when_it_is_final():
    """The auction comes after the close, and a delayed source tells it later still."""
    market = Market(at("2026-11-18 17:58"))
    market.start(ASELS)
    market.run_for(30.0)
    market.stamps = {ASELS.key: at("2026-11-18 18:00")}
    market.set_time(at("2026-11-18 18:05"))
    asked = market.requests()
    market.run_for(60.0)
    assert market.requests() > asked, "the auction is not over"
    market.set_time(at("2026-11-18 18:40"))
    market.run_for(30.0)
    asked = market.requests()
    market.run_for(600.0, 2.0)
    assert market.requests() == asked
    market.feed.close()


def test_a_new_instrument_of_a_closed_market_gets_its_price(closed):
    closed.start(ASELS)
    closed.run_for(60.0)
    closed.feed.watch((ASELS, THYAO))
    closed.run_for(20.0)
    assert ("THYAO",) in closed.asked("one") or ("THYAO",) in closed.asked("batch")


def test_push_prices_of_the_close_spare_the_requests_of_the_night():
    market = Market(EVENING, push=True)
    market.start(ASELS, THYAO)
    market.until(lambda: market.push.subscribed, step=0.0)
    market.push.tell(ASELS.key, THYAO.key)
    market.run_for(60.0)
    asked = market.requests()
    market.run_for(1800.0, 5.0)
    assert market.requests() == asked
    market.feed.close()


# --- old prices -------------------------------------------------------------------------------------


def test_a_provider_that_tells_only_old_prices_is_said_to_do_so():
    market = Market(at("2026-11-18 14:00"))
    market.stamps = dict.fromkeys((ASELS.key, THYAO.key), at("2026-11-18 12:00"))
    market.start(ASELS, THYAO)
    market.until(lambda: market.status.state == "old")
    status = market.status
    assert status.connected, "it answers; what each price is worth is said of each"
    assert "2 h" in feed_sentence(status, market.clock.time()) and "old" in feed_sentence(status, 0.0)
    assert any("only old prices" in line for line in source_lines(status))
    market.stamps.clear()
    market.until(lambda: market.status.state == "running")
    market.feed.close()


def test_of_two_sources_the_one_with_fresh_prices_is_the_active_one():
    market = Market(at("2026-11-18 14:00"))
    market.late = {"one": 7200.0}
    market.start(ASELS, THYAO)
    market.until(lambda: {s.state for s in market.status.sources[:2]} == {"old", "ok"})
    assert market.status.active == "batch" and market.status.state == "running"
    sentence = feed_sentence(market.status, market.clock.time())
    assert "batch" in sentence and "one" not in sentence.split("(")[0]
    market.feed.close()


def test_a_closed_market_is_no_fault_of_the_source(closed):
    closed.start(ASELS, THYAO)
    closed.run_for(60.0)
    assert closed.status.state == "running" and {s.state for s in closed.status.sources[:2]} == {"ok"}


def test_a_late_feed_whose_prices_move_on_is_working():
    """15 minutes late without saying so: nothing is old about it as long as it advances."""
    market = Market(at("2026-11-18 14:00"))
    market.late = {"one": 900.0, "batch": 900.0}
    market.start(ASELS, THYAO)
    market.run_for(90.0)
    assert market.status.state == "running"
    market.feed.close()


def test_a_push_connection_that_tells_nothing_new_is_said_to_do_so():
    market = Market(at("2026-11-18 14:00"), push=True)
    market.feed._auto_order = lambda config: ()
    market.push.chatty = lambda key: True
    market.start(ASELS, AAPL)
    market.until(lambda: market.status.state == "running")
    market.push.chatty = lambda key: False
    market.until(lambda: market.status.state == "old", step=1.0)
    market.push.chatty = lambda key: True
    market.until(lambda: market.status.state == "running")
    market.feed.close()


def test_a_stream_without_heartbeats_may_be_silent_while_its_markets_are_closed():
    market = Market(EVENING, push=True)
    market.feed._auto_order = lambda config: ()
    market.push.heartbeats = market.push.beats = False
    market.start(ASELS, THYAO)
    market.run_for(300.0)
    assert len(market.push.connected_at) == 1 and market.status.sources[0].state == "ok"
    assert market.status.state == "running", "nothing is simulated because a market is closed"
    market.set_time(MORNING - 2.0)
    market.run_for(200.0)
    assert len(market.push.connected_at) > 1, "once it is open, silence is a fault"
    market.feed.close()


def test_a_stream_without_heartbeats_may_pause_longer_than_one_with():
    for heartbeats, connections in ((True, 2), (False, 1)):
        market = Market(at("2026-11-18 14:00"), push=True, stale_after_sec=60.0)
        market.push.heartbeats, market.push.beats = heartbeats, False
        market.start(ASELS)
        market.until(lambda market=market: market.push.connected_at, step=0.0)
        market.run_for(45.0)
        assert len(market.push.connected_at) == connections
        market.feed.close()


def test_nothing_is_old_before_anything_came():
    market = Market(at("2026-11-18 14:00"), push=True)
    market.feed._auto_order = lambda config: ()
    market.start(ASELS)
    market.until(lambda: market.sink.of(FeedStatus), step=0.0)
    assert market.status.state == "connecting"
    market.feed.close()
