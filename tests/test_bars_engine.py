"""Bars in the engine: commands and events, the store, failures, a kill, the feed's history jobs."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bars.keeper import PRUNE_EVERY, PRUNE_FIRST, PRUNE_LATEST
from core.bars.requests import ASK_AGAIN
from core.bars.writer import MAX_KEPT, BarWriter
from core.clock import Clock
from core.commands import (
    ApplyConfig,
    BarsLoaded,
    BarUpdated,
    CommandResult,
    StartFeed,
    UnwatchBars,
    WatchBars,
)
from core.config import Config, StorageConfig
from core.engine.loop import EngineLoop
from core.errors import RateLimitedError, SourceError, StorageError, UnknownSymbolError
from core.feed.backoff import RATE_LIMIT_PAUSE
from core.feed.history import FIRST_PAUSE, UNKNOWN_PAUSE, BarHistory, HistoryDesk, HistoryFailed
from core.feed.history_runner import HistoryService, history_sources
from core.model import Bar, Instrument, Notice
from core.sources.base import Gate
from core.storage import open_store
from core.storage.memory_store import MemoryStore
from tests.patience import PATIENCE
from tests.scripted import ASELS, THYAO, WEDNESDAY, Events, QuickBudgets, ScriptedSource, WaitingClock, quote
from tests.test_engine_loop import config
from tests.test_feed_live import until

KEY = ASELS.key


class Disk(MemoryStore):
    """Counts how bars are written, and refuses while `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.writes: list[int] = []

    def add_bars(self, bars: Sequence[Bar], seconds: int = 60, *, keep: bool = False) -> None:
        if self.broken:
            raise StorageError("the disk is full")
        self.writes.append(len(bars))
        super().add_bars(bars, seconds, keep=keep)

    def bars(self, key: str, *more: Any, **fields: Any) -> tuple[Bar, ...]:
        if self.broken:
            raise StorageError("the disk is full")
        return super().bars(key, *more, **fields)

    def close(self) -> None:
        """Stays readable for the test."""


class Past(ScriptedSource):
    """A source with a history; `tell` may be an error, or tell by the bars' length."""

    tell: Any = ()

    def history(self, instrument: Instrument, seconds: int, count: int, gate: Gate) -> list[Bar]:
        gate()
        self.fetches.append((instrument.symbol, str(seconds)))
        if isinstance(self.tell, BaseException):
            raise self.tell
        return list(self.tell(seconds) if callable(self.tell) else self.tell)


class Rig:
    """A loop turned by hand."""

    def __init__(self, settings: Config | None = None) -> None:
        self.clock = WaitingClock(WEDNESDAY)
        self.stores: list[Disk] = []
        self.sources: list[Past] = []
        self.tell: Any = ()
        self.loop = EngineLoop(
            settings or config(), self.open, self.clock, budgets=QuickBudgets(self.clock),
            create_source=self.create,
        )  # fmt: skip
        self.events = Events(self.loop.bus, BarsLoaded, BarUpdated, Notice, CommandResult)
        self.loop.open()

    def open(self, settings: Config) -> Disk:
        self.stores.append(Disk())
        return self.stores[-1]

    def create(self, name: str, settings: Config, clock: Clock) -> Past:
        source = Past(name, batch_size=50, simulated=name == "simulation", clock=self.clock)
        source.answer = source.hang
        source.tell = self.tell
        self.sources.append(source)
        return source

    @property
    def store(self) -> Disk:
        return self.stores[-1]

    def step(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        messages, quotes = self.loop.inbox.take(0)
        self.loop.process(messages, quotes, self.loop.engine.on_quote)

    def do(self, *commands: Any) -> str:
        for command in commands:
            self.loop.post(command)
        self.step()
        return str(self.events.of(CommandResult)[-1].error)

    def see(self, price: float, on: Instrument = ASELS, seconds: float = 0.0, **fields: Any) -> None:
        self.clock.advance(seconds)
        now = self.clock.time()
        self.loop.inbox.put_quotes([quote(on, price, **({"stamp": now, "received": now} | fields))])
        self.step()

    def closes(self) -> list[float]:
        return [event.bar.close for event in self.events.of(BarUpdated)]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    made.do(StartFeed())
    yield made
    made.loop.close()


def minute(start: float, close: float = 50.0, key: str = KEY) -> Bar:
    return Bar(key, start, close, close, close, close, 1.0)


# --- who looks ------------------------------------------------------------------------------------------


def test_watching_shows_what_is_known_then_each_change_at_most_ten_times_a_second(rig: Rig) -> None:
    rig.store.add_bars([minute(WEDNESDAY - 60)])
    assert rig.do(WatchBars(key=KEY, seconds=60)) == ""
    (loaded,) = rig.events.of(BarsLoaded)
    assert loaded == BarsLoaded(KEY, 60, (minute(WEDNESDAY - 60),))
    for number in range(100):
        rig.see(100.0 + number, seconds=0.01)
    rig.step(0.2)
    assert 9 <= len(rig.closes()) <= 12
    assert rig.closes()[-1] == 199.0
    assert rig.events.of(BarUpdated)[-1].bar.open == 100.0
    rig.see(1.0, on=THYAO)
    count = len(rig.closes())
    rig.do(UnwatchBars(key=KEY, seconds=60))
    rig.see(5.0, seconds=1.0)
    assert len(rig.closes()) == count


def test_a_bar_is_shown_in_its_last_form(rig: Rig) -> None:
    rig.do(WatchBars(key=KEY, seconds=300))
    rig.see(1.0)
    rig.see(2.0, seconds=0.01)
    rig.see(3.0, seconds=300)
    assert [(e.bar.start - WEDNESDAY, e.bar.close) for e in rig.events.of(BarUpdated)] == [
        (0, 1.0), (0, 2.0), (300, 3.0),
    ]  # fmt: skip


@pytest.mark.allow_log("was not carried out")
@pytest.mark.parametrize(("key", "seconds"), [(KEY, 7), ("MARS:X", 60), ("nothing", 60)])
def test_what_cannot_be_watched_is_said(rig: Rig, key: str, seconds: int) -> None:
    assert key in rig.do(WatchBars(key=key, seconds=seconds))


@pytest.mark.allow_log("was not carried out", "cannot be read", "could not be stored yet")
def test_a_store_that_cannot_be_read_is_told_and_ticks_go_on(rig: Rig) -> None:
    rig.store.broken = True
    assert rig.do(WatchBars(key=KEY, seconds=60)) == "the disk is full"
    rig.see(10.0)
    rig.store.broken = False
    rig.step(60)
    assert [bar.close for bar in rig.store.bars(KEY)] == [10.0]


# --- the store ------------------------------------------------------------------------------------------


def test_nothing_is_written_on_a_ticks_way_and_everything_within_two_seconds(rig: Rig) -> None:
    rig.see(10.0)
    rig.store.writes.clear()
    for _ in range(50):
        rig.see(10.5, seconds=0.1)
    assert 2 <= len(rig.store.writes) <= 4
    rig.step(1.5)
    assert rig.loop.engine.next_wake() <= 1.0
    assert [bar.close for bar in rig.store.bars(KEY)] == [10.5]
    writes = len(rig.store.writes)
    rig.step(10)
    assert len(rig.store.writes) == writes, "nothing new, nothing written"


def test_a_clean_stop_loses_nothing() -> None:
    rig = Rig()
    rig.do(StartFeed())
    rig.see(10.0)
    rig.see(11.0, seconds=0.01)
    rig.loop.close()
    assert [bar.close for bar in rig.store.bars(KEY)] == [11.0]


@pytest.mark.allow_log("could not be stored yet")
def test_a_full_disk_keeps_the_bars_and_says_so_once(rig: Rig) -> None:
    rig.see(10.0)
    rig.store.broken = True
    for _ in range(20):
        rig.see(12.0, seconds=10)
    rig.store.broken = False
    rig.step(31)
    notices = [notice.key for notice in rig.events.of(Notice) if notice.key.startswith("bars.")]
    assert notices == ["bars.not_stored", "bars.stored_again"]
    assert len(rig.store.bars(KEY)) == 4


@pytest.mark.allow_log("never stored", "could not be stored yet")
def test_the_buffer_is_bounded() -> None:
    disk = Disk()
    disk.broken = True
    writer = BarWriter(disk)
    writer.put([minute(60.0 * n) for n in range(MAX_KEPT + 5)], 60)
    assert len(writer.waiting(KEY, 60)) == MAX_KEPT
    assert writer.write(0.0) == "the disk is full"
    writer.abandon()
    assert not writer.waiting_any


def test_another_world_has_its_own_bars(rig: Rig) -> None:
    rig.do(WatchBars(key=KEY, seconds=60))
    rig.see(10.0)
    real = config()
    simulation = config(live_data_source="simulation")
    assert rig.do(ApplyConfig(config=simulation)) == ""
    assert [bar.close for bar in rig.stores[0].bars(KEY)] == [10.0]
    assert rig.events.of(BarsLoaded)[-1].bars == ()
    rig.see(500.0, simulated=True, seconds=1)
    rig.loop.inbox.put(BarHistory(KEY, 60, (minute(WEDNESDAY - 600),), "tvdatafeed"))
    rig.step(5)
    assert [bar.close for bar in rig.store.bars(KEY)] == [500.0]
    rig.do(ApplyConfig(config=replace(real, storage=StorageConfig(keep_minute_bars_days=7))))
    assert rig.loop.engine.bars.keep_days == 7
    stores = len(rig.stores)
    rig.do(ApplyConfig(config=replace(rig.loop.engine.config, extra_closures=("BIST:2026-11-18",))))
    assert len(rig.stores) == stores
    rig.see(10.0, seconds=60)
    rig.step(5)
    assert rig.store.bars(KEY) == ()


def test_a_made_up_past_stands_before_our_own_bars_and_on_their_level() -> None:
    rig = Rig(config(live_data_source="simulation"))
    rig.do(StartFeed())
    rig.see(200.0, simulated=True)
    rig.tell = [minute(WEDNESDAY - 120, 50.0), minute(WEDNESDAY - 60, 100.0), minute(WEDNESDAY, 7.0)]
    rig.do(WatchBars(key=KEY, seconds=300))
    until(lambda: rig.step(3) or len(rig.store.bars(KEY)) == 3)
    assert [bar.close for bar in rig.store.bars(KEY)] == [100.0, 200.0, 200.0]
    rig.loop.close()


# --- what is too old ------------------------------------------------------------------------------------


def test_old_minutes_are_forgotten_but_leave_their_day(rig: Rig) -> None:
    day = 86_400
    old = WEDNESDAY - 91 * day  # a Wednesday too
    crypto = "CRYPTO:BTC"
    rig.store.add_bars([minute(old + 60 * n, 10.0 + n) for n in range(100)] + [minute(WEDNESDAY - 2 * day)])
    rig.store.add_bars([minute(WEDNESDAY - 100 * day + 60 * n, 5.0, crypto) for n in range(3000)])
    rig.store.add_bars([minute(old, 7.0)], 300)
    rig.step(PRUNE_FIRST)
    for _ in range(20):
        rig.step(0.5)
    rig.see(10.0)
    rig.step(1)
    assert [bar.start for bar in rig.store.bars(KEY)] == [WEDNESDAY - 2 * day, rig.clock.time() // 60 * 60]
    assert rig.store.bars(KEY, 300) == rig.store.bars(crypto) == ()
    (kept,) = rig.store.bars(KEY, day)
    assert (kept.open, kept.close, kept.volume) == (10.0, 109.0, 100.0)
    assert sum(bar.volume or 0 for bar in rig.store.bars(crypto, day)) == 3000
    rig.store.add_bars([minute(old)])
    rig.see(10.0, seconds=PRUNE_EVERY - 60)
    rig.step(PRUNE_LATEST + 60)
    assert rig.store.bars(KEY, until=old + 1) == ()


@pytest.mark.allow_log("cannot be removed yet")
def test_a_store_that_cannot_forget_is_asked_later(rig: Rig, monkeypatch: Any) -> None:
    def fail(*_: Any) -> Any:
        raise StorageError("locked")

    monkeypatch.setattr(rig.store, "bar_keys", fail)
    rig.step(PRUNE_FIRST)
    rig.step(1)


# --- history --------------------------------------------------------------------------------------------


def test_history_is_asked_for_merged_and_stored(rig: Rig) -> None:
    rig.tell = [minute(WEDNESDAY - 120, 40.0), minute(WEDNESDAY - 60, 41.0), minute(WEDNESDAY + 600, 1.0)]
    rig.store.add_bars([minute(WEDNESDAY - 60, 99.0)])
    rig.see(50.0)
    rig.do(WatchBars(key=KEY, seconds=60))

    def arrived() -> bool:
        rig.step(0.01)
        return len(rig.events.of(BarsLoaded)) == 2

    until(arrived)
    assert [bar.close for bar in rig.events.of(BarsLoaded)[-1].bars] == [40.0, 41.0, 50.0]
    rig.step(2)
    assert [bar.close for bar in rig.store.bars(KEY)] == [40.0, 41.0, 50.0]
    asked = sum("60" in source.fetches[-1:][0] for source in rig.sources if source.fetches)
    assert asked == 1
    rig.see(51.0, seconds=ASK_AGAIN)  # minutes are missing now
    until(lambda: rig.step(0.01) or len(rig.events.of(BarsLoaded)) == 3)
    rig.see(52.0, seconds=120)
    rig.step(0.5)
    assert len(rig.events.of(BarsLoaded)) == 3, "asked again at leisure only"


@pytest.mark.allow_log("no history")
def test_a_history_that_cannot_be_told_is_said_once(rig: Rig) -> None:
    rig.tell = SourceError("the line is dead")
    rig.do(WatchBars(key=KEY, seconds=86_400))

    def told() -> list[Notice]:
        rig.step(0.01)
        return [n for n in rig.events.of(Notice) if n.key == "bars.no_history"]

    until(told)
    assert told()[0].params == {"key": KEY, "error": "the line is dead"}


def test_who_is_asked_for_history() -> None:
    assert history_sources(config(live_data_source="auto"), ("tvdatafeed", "yfinance")) == (
        "tvdatafeed", "yfinance",
    )  # fmt: skip
    assert history_sources(config(live_data_source="yfinance"), ()) == ("yfinance",)
    assert history_sources(config(live_data_source="replay"), ()) == ()
    assert history_sources(config(live_data_source="tradingview"), ()) == ("tvdatafeed",)


class Service:
    """The history threads with a source of the test's."""

    def __init__(self, *tells: Any) -> None:
        self.clock = WaitingClock(WEDNESDAY)
        self.messages: list[Any] = []
        self.tells = dict(zip(("one", "two"), tells, strict=False))
        self.asked: list[str] = []
        self.service = HistoryService(self.messages.append, self.clock, QuickBudgets(self.clock), self.create)
        self.service.start(tuple(self.tells), Config())

    def create(self, name: str, settings: Config, clock: Clock) -> ScriptedSource:
        self.asked.append(name)
        tell = self.tells[name]
        source = ScriptedSource(name) if tell is None else Past(name)
        source.tell = tell  # type: ignore[attr-defined]
        return source

    def turn(self, seconds: float = 0.0) -> list[Any]:
        """Let the threads do what they can."""
        self.clock.advance(seconds)
        self.service.tick()
        until(
            lambda: self.clock.advance(0.1) or not any(r.is_alive() for r in self.service._runners.values())
        )
        return self.messages

    def end(self) -> None:
        self.service.halt()
        self.service.join(time.monotonic() + PATIENCE)


@pytest.mark.parametrize(
    "fault", [UnknownSymbolError(KEY), SourceError("dead"), RateLimitedError("no", 500.0), None]
)
def test_another_source_takes_over_what_one_cannot_tell(fault: Any) -> None:
    bars = [minute(WEDNESDAY - 600)]
    made = Service(fault, bars)
    made.service.ask(ASELS, 60, 10)
    made.turn()
    assert made.turn() == [BarHistory(KEY, 60, tuple(bars), "two")]
    assert made.service.expects(made.messages[0])
    made.end()


@pytest.mark.parametrize(("fault", "pause"), [(UnknownSymbolError(KEY), UNKNOWN_PAUSE),
                                              (SourceError("dead"), FIRST_PAUSE),
                                              (RateLimitedError("no", 500.0), 500.0),
                                              (RateLimitedError("no"), RATE_LIMIT_PAUSE)])  # fmt: skip
def test_a_failure_is_told_once_and_retried_after_a_pause(fault: Any, pause: float) -> None:
    made = Service(fault)
    made.service.ask(ASELS, 60, 10)
    assert [type(message) for message in made.turn()] == [HistoryFailed]
    made.turn(pause / 2 - 2)
    assert len(made.asked) == 1
    made.tells["one"] = [minute(WEDNESDAY - 600)]
    made.turn(pause / 2 + 2)
    assert [type(message) for message in made.messages] == [HistoryFailed, BarHistory]
    made.end()


@pytest.mark.allow_log("asking for history failed")
def test_a_bug_in_a_source_is_told_and_ends_nothing() -> None:
    made = Service(ZeroDivisionError("oh"))
    made.service.ask(ASELS, 60, 10)
    assert "ZeroDivisionError" in made.turn()[0].error
    made.end()


def test_a_request_for_more_bars_takes_the_place_of_one_for_fewer() -> None:
    said: list[Any] = []
    desk = HistoryDesk(said.append, WaitingClock(WEDNESDAY))
    desk.begin(("one",))
    desk.ask(ASELS, 60, 480)
    desk.ask(ASELS, 60, 5000)
    desk.ask(ASELS, 60, 480)
    first = desk.take("one")
    assert first is not None
    assert first.count == 5000
    desk.done(first, "one", [])
    desk.ask(ASELS, 60, 480)
    taken = desk.take("one")
    desk.ask(ASELS, 60, 9000)  # the other one is under way
    again = desk.take("one")
    assert taken is not None
    assert again is not None
    assert (taken.count, again.count) == (480, 9000)
    desk.done(taken, "one", [])
    desk.done(again, "one", [])
    assert len(said) == 2
    desk.begin(("one",))
    assert (job := desk.take("one")) is not None
    assert job.count == 9000, "whoever starts again asks for all that is wanted"


def test_a_request_that_the_stop_cuts_off_is_asked_anew_at_the_next_start() -> None:
    made = Service([minute(WEDNESDAY - 600)])
    made.service.halt()
    made.service.ask(ASELS, 60, 10)
    made.service.ask(THYAO, 60, 10)
    made.service.desk.drop(THYAO.key, 60)
    assert made.asked == []
    made.service.start(("one",), Config())
    made.turn()
    made.service.start(("one",), Config())  # bars may have been missed meanwhile
    made.turn()
    assert len(made.messages) == 2
    made.end()


def test_the_desk_forgets_what_nobody_wants_any_more() -> None:
    said: list[Any] = []
    desk = HistoryDesk(said.append, WaitingClock(WEDNESDAY))
    desk.begin(("one",))
    desk.ask(ASELS, 60, 10)
    job = desk.take("one")
    assert job is not None
    assert desk.take("one") is None
    desk.undo(job)
    assert desk.take("one") is job
    desk.drop(KEY, 60)
    desk.done(job, "one", [])
    desk.failed(job, "one", "dead")
    assert said == []


# --- the end of a process -------------------------------------------------------------------------------

KILLED = """
import sys, time
from pathlib import Path
from core.clock import FakeClock
from core.config import Config
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Quote
from core.storage import open_store
clock = FakeClock(time.time())
engine = Engine(Config(), lambda _: open_store("", Path(sys.argv[1])), clock, EventBus())
number = 0
while True:
    engine.begin_batch()
    for _ in range(20):
        number += 1
        now = clock.time()
        engine.on_quote(Quote(key="CRYPTO:BTC", price=float(number), stamp=now, received=now, source="x"))
    engine.end_batch()
    print(number, now, flush=True)
    clock.advance(0.01)  # whatever holds the process up, the engine wakes on time
"""


def test_a_killed_process_loses_two_seconds_at_most(data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen: list[tuple[float, float]] = []
    first = None
    for line in process.stdout:
        number, moment = map(float, line.split())
        seen.append((number, moment))
        first = first or moment
        if moment - first > 4.0:
            break
    os.kill(process.pid, signals.SIGKILL)
    process.wait(PATIENCE)
    process.stdout.close()
    store = open_store("", data_dir)
    last = store.bars("CRYPTO:BTC")[-1]
    store.close()
    lost = [moment for number, moment in seen if number > last.close]
    assert not lost or seen[-1][1] - lost[0] <= 2.0
    assert last.start == seen[-1][1] // 60 * 60 or lost
