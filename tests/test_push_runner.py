"""The supervision of push sources, and how polling fills in for them."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from core.clock import Clock
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.errors import CancelledError, RateLimitedError, SourceError
from core.feed.budget import BudgetRegistry
from core.feed.live_feed import LiveFeed
from core.feed.messages import InstrumentUnknown, SourceLost
from core.feed.push_runner import PushRunner, _watchdog
from core.model import FeedStatus, Instrument, Quote, SourceStatus
from core.sources.push_base import Received
from tests.patience import PATIENCE
from tests.scripted import AAPL, ASELS, BTC, THYAO, WEDNESDAY, ScriptedSource, Sink, WaitingClock, quote


class ScriptedPush:
    """A push source whose words the test puts in."""

    provider = "pushy"
    min_spacing = 3.0
    simulated = False
    heartbeats = True

    def __init__(self, clock: Clock, name: str = "push") -> None:
        self.name = name
        self.clock = clock
        self.refusals: list[Exception] = []
        self.connected_at: list[float] = []
        self.calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.subscribed: set[str] = set()
        self.inbox: queue.SimpleQueue[Received | Exception] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self.connected = False
        self.chatty: Callable[[str], bool] = lambda key: False
        """For whom a price comes with every look."""
        self.beats = True

    def connect(self) -> None:
        self.connected_at.append(self.clock.monotonic())
        if self.refusals:
            raise self.refusals.pop(0)
        self.connected = True
        self.subscribed = set()

    def subscribe(self, added: Sequence[Instrument], removed: Sequence[Instrument]) -> None:
        self.calls.append((tuple(i.symbol for i in added), tuple(i.symbol for i in removed)))
        self.subscribed |= {i.key for i in added}
        self.subscribed -= {i.key for i in removed}

    def receive(self, timeout: float) -> Received:
        if self.cancelled.is_set():
            raise CancelledError("cancelled")
        try:
            got = self.inbox.get(timeout=0.004)
        except queue.Empty:
            now = self.clock.time()
            told = [key for key in sorted(self.subscribed) if self.chatty(key)]
            return Received(
                heard=self.beats or bool(told), quotes=tuple(self.quote(key, now) for key in told)
            )
        if isinstance(got, Exception):
            raise got
        return got

    def quote(self, key: str, now: float) -> Quote:
        return quote(Instrument.from_key(key), 100.0, stamp=now, source=self.name, previous_close=99.0)

    def disconnect(self) -> None:
        self.connected = False

    def cancel(self) -> None:
        self.cancelled.set()

    def tell(self, *keys: str) -> None:
        now = self.clock.time()
        self.inbox.put(Received(quotes=tuple(self.quote(key, now) for key in keys), heard=True))

    def drop(self) -> None:
        self.inbox.put(SourceError("dropped"))


class Station:
    """A feed with one push source and two polled ones."""

    def __init__(self, **options: Any) -> None:
        self.clock = WaitingClock(WEDNESDAY)
        self.sink = Sink()
        self.budgets = BudgetRegistry(self.clock)
        websocket = options.pop("websocket", {})
        self.config = Config(
            real_time=RealTimeConfig(**{"poll_interval_sec": 3.0, "stale_after_sec": 10.0} | options),
            websocket=WebSocketConfig(**websocket),
        )
        self.push = ScriptedPush(self.clock)
        self.polled: dict[str, ScriptedSource] = {}
        self.feed = LiveFeed(
            self.sink, self.clock, self.budgets, self._create, lambda config: ("one", "batch"),
            lambda exchange: 1, lambda name, config, clock: self.push, lambda config: ("push",),
        )  # fmt: skip

    def _create(self, name: str, config: Config, clock: Clock) -> ScriptedSource:
        simulated = name == "simulation"
        made = self.polled[name] = ScriptedSource(
            name, batch_size=1 if name == "one" else 50, min_spacing=0.0 if simulated else 3.0,
            simulated=simulated, clock=self.clock,
        )  # fmt: skip
        return made

    def start(self, *instruments: Instrument) -> None:
        self.feed.start(self.config, instruments or (ASELS, THYAO))

    @property
    def status(self) -> FeedStatus:
        return self.sink.of(FeedStatus)[-1]

    @property
    def source(self) -> SourceStatus:
        return self.status.sources[0]

    def until(self, condition: Callable[[], Any], step: float = 0.5) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "in vain"
            self.clock.advance(step)
            time.sleep(0.004)

    def asked(self, name: str) -> list[tuple[str, ...]]:
        return self.polled[name].fetches


@pytest.fixture
def station() -> Iterator[Station]:
    made = Station()
    yield made
    made.feed.close()


def test_a_push_source_tells_all_and_polling_rests(station):
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "ok")
    assert station.status.active == "push" and station.status.connected
    assert station.source.push and station.source.connected_since and station.source.reconnects == 0
    station.until(lambda: station.source.rate)
    before = {name: len(station.asked(name)) for name in ("one", "batch")}
    end = station.clock.monotonic() + 60.0
    station.until(lambda: station.clock.monotonic() > end)
    for name, count in before.items():
        assert len(station.asked(name)) <= count + 1
    assert {s.state for s in station.status.sources[1:]} == {"idle"}
    assert "simulation" in station.polled and not station.asked("simulation")


def test_the_daily_closes_are_asked_for_at_leisure_meanwhile(station):
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: any(source.dailies for source in station.polled.values()), step=2.0)


def test_other_sources_are_asked_now_and_then_to_check_the_first(station):
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "ok")
    count = len(station.asked("batch"))
    end = station.clock.monotonic() + 700.0
    station.until(lambda: station.clock.monotonic() > end, step=2.0)
    assert count < len(station.asked("batch")) <= count + 4


def test_only_the_silent_symbol_is_polled(station):
    station.push.chatty = lambda key: key != THYAO.key
    station.start(ASELS, THYAO, AAPL)
    station.until(lambda: station.source.state == "ok")
    counts = {name: len(station.asked(name)) for name in ("one", "batch")}
    station.until(lambda: len(station.asked("one")) > counts["one"] + 4)
    assert set(station.asked("one")[counts["one"] + 1 :]) == {("THYAO",)}
    assert set(station.asked("batch")[counts["batch"] + 1 :]) <= {("THYAO",), ("ASELS", "THYAO", "AAPL")}


def test_what_is_on_the_screen_is_asked_for_first_but_nobody_waits_for_ever(station):
    station.feed.prefer(frozenset({THYAO.key}))
    station.push.chatty = lambda key: False
    station.start(ASELS, AAPL, BTC, THYAO)
    station.until(lambda: len(station.asked("one")) > 16)
    asked = [symbols[0] for symbols in station.asked("one")]
    assert 0.4 <= asked.count("THYAO") / len(asked) <= 0.7
    assert set(asked) == {"ASELS", "AAPL", "BTC", "THYAO"}


def test_a_broken_connection_is_told_polled_for_and_made_again(station):
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "ok")
    station.push.chatty = lambda key: False
    station.push.refusals = [SourceError("still down")]
    asked = len(station.asked("one"))
    station.push.drop()
    station.until(lambda: station.sink.of(SourceLost) == [SourceLost("push")], step=0.0)
    station.until(lambda: station.source.state == "failing", step=0.0)
    assert station.source.last_error and station.source.next_try and not station.source.connected_since
    station.until(lambda: len(station.asked("one")) > asked + 1)
    station.push.chatty = lambda key: True
    station.until(lambda: station.source.state == "ok")
    assert station.source.reconnects == 1 and station.push.subscribed == {ASELS.key, THYAO.key}
    times = station.push.connected_at
    assert times[1] - times[0] >= 5.0 and 7.5 <= times[2] - times[1] < 14.0
    assert station.sink.of(SourceLost) == [SourceLost("push")]


def test_symbols_come_and_go_on_the_same_connection(station):
    station.start(ASELS, THYAO)
    station.until(lambda: station.push.calls, step=0.0)
    station.feed.watch((THYAO, AAPL))
    station.until(lambda: len(station.push.calls) == 2, step=0.0)
    assert station.push.calls == [(("ASELS", "THYAO"), ()), (("AAPL",), ("ASELS",))]
    station.feed.watch(())
    station.until(lambda: not station.push.connected)
    station.until(lambda: station.source.state == "idle")
    station.feed.watch((AAPL,))
    station.until(lambda: station.push.subscribed == {AAPL.key})


def test_the_limit_is_for_what_is_polled_not_for_what_is_pushed():
    station = Station(max_live_symbols=2)
    try:
        station.start(ASELS, THYAO, AAPL)
        station.until(lambda: len(station.push.subscribed) == 3, step=0.0)
        station.until(lambda: station.asked("batch"))
        station.push.tell(*(instrument.key for instrument in (ASELS, THYAO, AAPL)))
        station.until(lambda: {q.key for q in station.sink.quotes if q.source == "push"} >= {AAPL.key})
        station.push.drop()
        station.until(lambda: station.sink.of(SourceLost))
        asked = len(station.asked("batch"))
        station.until(lambda: len(station.asked("batch")) > asked + 2)
        names = {name for each in ("one", "batch") for names in station.asked(each) for name in names}
        assert names == {"ASELS", "THYAO"}
        station.feed.watch((AAPL, BTC, ASELS))
        station.until(lambda: station.push.subscribed == {AAPL.key, BTC.key, ASELS.key})
        station.until(lambda: ("BTC",) in station.asked("one"))
    finally:
        station.feed.close()


def test_what_the_push_source_does_not_know_is_said_where_nobody_else_is_asked():
    station = Station(max_live_symbols=1)
    try:
        station.start(ASELS, THYAO)
        station.until(lambda: station.push.subscribed, step=0.0)
        station.push.inbox.put(Received(unknown=(ASELS.key, THYAO.key), heard=True))
        station.until(lambda: station.sink.of(InstrumentUnknown))
        assert station.sink.of(InstrumentUnknown) == [InstrumentUnknown(THYAO.key)]
    finally:
        station.feed.close()


def test_silence_ends_a_connection_and_heartbeats_keep_it(station):
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "ok")
    station.push.chatty = lambda key: False
    end = station.clock.monotonic() + 100.0
    station.until(lambda: station.clock.monotonic() > end, step=1.0)
    assert len(station.push.connected_at) == 1
    station.push.beats = False
    began = station.clock.monotonic()
    station.until(lambda: len(station.push.connected_at) == 2)
    steps = 3.0  # the last heartbeat came a step or so before; more on a busy machine
    assert 30.0 + 5.0 - steps <= station.clock.monotonic() - began < 45.0


def test_a_connection_without_any_price_is_failing_but_kept():
    station = Station(live_data_source="push-only", allow_simulation=False)
    station.feed._auto_order = lambda config: ()
    station.config = Config(real_time=RealTimeConfig(stale_after_sec=10.0, poll_interval_sec=3.0))
    station.start()
    station.until(lambda: station.source.state == "failing")
    assert "tells no prices" in station.source.last_error and station.push.connected
    station.until(lambda: station.status.state == "simulated")
    station.push.tell(ASELS.key)
    station.until(lambda: station.status.state == "running")
    station.feed.close()


def test_a_storm_of_broken_connections_cannot_hammer_the_provider(station):
    station.push.refusals = [SourceError("no")] * 12
    station.start()
    station.until(lambda: len(station.push.connected_at) == 12, step=1.0)
    gaps = [b - a for a, b in pairwise(station.push.connected_at)]
    assert min(gaps) >= 5.0
    assert all(gap >= 60.0 for gap in gaps[5:])
    assert all(gap <= 40.0 for gap in gaps[:5])
    station.push.chatty = lambda key: True
    station.until(lambda: station.source.state == "ok", step=2.0)


def test_connections_that_break_at_once_count_as_failures(station):
    station.push.chatty = lambda key: True
    station.start()
    for count in range(1, 4):
        station.until(lambda: station.source.state == "ok", step=1.0)
        station.push.drop()
        station.until(lambda count=count: station.source.failures == count, step=0.0)
    station.until(lambda: station.source.state == "ok", step=1.0)
    end = station.clock.monotonic() + 62.0
    station.until(lambda: station.clock.monotonic() > end, step=1.0)
    station.until(lambda: station.source.failures == 0)
    station.push.drop()
    station.until(lambda: station.source.failures == 1, step=0.0)


def test_a_refusal_means_minutes(station):
    station.push.refusals = [RateLimitedError("slow down", 37.0), RateLimitedError("slow down", 400.0),
                             RateLimitedError("slow down")]  # fmt: skip
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "blocked", step=0.0)
    station.until(lambda: station.source.state == "ok", step=5.0)
    gaps = [b - a for a, b in pairwise(station.push.connected_at)]
    assert gaps[0] >= 120.0 and gaps[1] >= 400.0 and gaps[2] >= 120.0


def test_what_the_push_source_does_not_know_others_are_asked_for(station):
    for name in ("one", "batch"):
        station._create(name, station.config, station.clock)
    station.start(ASELS, THYAO)
    station.until(lambda: station.push.subscribed, step=0.0)
    station.push.chatty = lambda key: key == ASELS.key
    station.push.inbox.put(Received(unknown=(THYAO.key,), heard=True))
    asked = len(station.asked("one"))
    station.until(lambda: station.asked("one")[asked:].count(("THYAO",)) > 1)
    assert station.sink.of(InstrumentUnknown) == []


def test_an_unknown_symbol_is_tried_again_after_a_while(station):
    station.push.chatty = lambda key: key == ASELS.key
    station.start(ASELS, THYAO)
    station.until(lambda: station.push.calls, step=0.0)
    station.push.inbox.put(Received(unknown=(THYAO.key,), heard=True))
    station.until(lambda: len(station.push.calls) == 2, step=20.0)
    assert station.push.calls[1] == (("THYAO",), ())


@pytest.mark.allow_log("the source push broke")
def test_a_bug_is_survived(station):
    station.push.chatty = lambda key: True
    station.push.refusals = [ValueError("bug"), ValueError("bug")]
    station.start()
    station.until(lambda: station.source.state == "ok")
    assert len(station.push.connected_at) == 3


def test_an_aborted_call_is_a_failure_unless_it_is_time_to_end(station):
    station.push.refusals = [CancelledError("late")]
    station.push.chatty = lambda key: True
    station.start()
    station.until(lambda: station.source.state == "ok")
    assert len(station.push.connected_at) == 2


def test_twenty_starts_and_stops_leak_nothing_and_keep_the_spacing(station):
    times: list[float] = []
    for _ in range(20):
        station.push = ScriptedPush(station.clock)
        station.start()
        station.clock.advance(0.4)
        time.sleep(0.004)
        station.feed.stop()
        station.feed.tick()
        times += station.push.connected_at
    station.feed.close()
    times += station.push.connected_at
    assert all(b - a >= 3.0 for a, b in pairwise(sorted(set(times))))
    assert not [t for t in threading.enumerate() if t.name.startswith("feed-")]


def test_a_source_that_cannot_be_made_leaves_nothing_behind(station):
    def refuse(name: str, config: Config, clock: Clock) -> Any:
        raise SourceError("no package")

    station.feed._create_source = refuse
    station.push.connected = True
    with pytest.raises(SourceError, match="no package"):
        station.start()
    assert not station.feed.running and not station.push.connected


@pytest.mark.parametrize(
    ("heartbeat", "timeout", "seconds"),
    [(30_000, 60_000, 30.0), (0, 60_000, 60.0), (0, 0, 30.0), (90_000, 20_000, 20.0), (10, 10, 1.0)],
)
def test_the_watchdog_is_the_shorter_of_the_two_times(heartbeat, timeout, seconds):
    assert _watchdog(WebSocketConfig(heartbeat_interval_ms=heartbeat, timeout_ms=timeout)) == seconds


@pytest.mark.parametrize(("first_ms", "attempts"), [(5000, 2), (20_000, 1), (3500, 0)])
def test_the_first_delay_is_the_one_that_was_set_then_it_doubles_then_it_is_probing(first_ms, attempts):
    station = Station(websocket={"reconnect_delay_ms": first_ms, "reconnect_attempts": attempts})
    station.push.refusals = [SourceError("no")] * 20
    station.start()
    station.until(lambda: len(station.push.connected_at) == attempts + 3)
    gaps = [b - a for a, b in pairwise(station.push.connected_at)]
    first = first_ms / 1000
    if attempts:
        assert first <= gaps[0] <= first + 1.0
    for number, gap in enumerate(gaps[1:attempts], start=1):
        expected = min(30.0, first * 2**number)
        assert 0.75 * expected <= gap <= 1.25 * expected + 1.0
    assert all(60.0 <= gap <= 77.0 for gap in gaps[attempts:])
    station.feed.close()


@pytest.mark.parametrize("attempts", [0, 2])
def test_the_delays(attempts):
    clock = WaitingClock(WEDNESDAY)
    config = WebSocketConfig(reconnect_attempts=attempts, reconnect_delay_ms=2000)
    runner = PushRunner(
        ScriptedPush(clock), (), BudgetRegistry(clock).of("x"), None, clock, config, grace=10.0,
        jitter=random.Random(1),
    )  # type: ignore[arg-type]  # fmt: skip
    delays = []
    for count in range(1, 5):
        runner._failures = count
        delays.append(runner._delay())
    assert all(2.0 <= delay <= 5.0 for delay in delays[:attempts])
    assert all(60.0 <= delay <= 75.0 for delay in delays[attempts:])
