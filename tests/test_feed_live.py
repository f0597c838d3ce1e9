"""The live feed as a whole, with real threads and a clock that only the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from core.clock import Clock
from core.config import Config, RealTimeConfig
from core.errors import SourceError, UnknownSymbolError
from core.feed.board import FeedBoard
from core.feed.budget import BudgetRegistry
from core.feed.closes import CloseMemory
from core.feed.live_feed import LiveFeed
from core.feed.messages import InstrumentUnknown
from core.model import FeedStatus, SourceStatus
from core.sources.base import DailyCloses
from tests.patience import FOREVER, PATIENCE
from tests.scripted import AAPL, ASELS, BTC, THYAO, WEDNESDAY, ScriptedSource, Sink, WaitingClock, quote


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for other threads."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.002)


class Station:
    """A feed over scripted sources, one of each name per start, the newest in `sources`."""

    def __init__(self, **real_time: Any) -> None:
        self.clock = WaitingClock(WEDNESDAY)
        self.sink = Sink()
        self.budgets = BudgetRegistry(self.clock)
        self.config = Config(
            real_time=RealTimeConfig(**{"poll_interval_sec": 3.0, "stale_after_sec": 5.0} | real_time)
        )
        self.sources: dict[str, ScriptedSource] = {}
        self.made: list[ScriptedSource] = []
        self.prepare: Callable[[ScriptedSource], None] = lambda source: None
        self.feed = LiveFeed(
            self.sink,
            self.clock,
            self.budgets,
            self.create,
            lambda config: ("alpha", "beta"),
            lambda exchange: 1,
        )

    def create(self, name: str, config: Config, clock: Clock) -> ScriptedSource:
        simulated = name == "simulation"
        source = ScriptedSource(
            name, batch_size=50 if simulated or name == "beta" else 1, min_spacing=0.0 if simulated else 3.0,
            simulated=simulated, clock=self.clock,
        )  # fmt: skip
        self.prepare(source)
        self.sources[name] = source
        self.made.append(source)
        return source

    def start(self, *instruments: Any) -> None:
        self.feed.start(self.config, instruments or (ASELS, THYAO))

    @property
    def status(self) -> FeedStatus:
        return self.sink.of(FeedStatus)[-1]

    def advance_until(self, condition: Callable[[], Any], step: float = 0.5) -> None:
        """Let time pass until something has happened."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "in vain"
            self.clock.advance(step)
            time.sleep(0.004)


@pytest.fixture
def station() -> Iterator[Station]:
    made = Station()
    yield made
    made.feed.close()


def broken(source: ScriptedSource) -> None:
    def refuse(_: Any) -> Any:
        raise SourceError("refused")

    if not source.simulated:
        source.answer = refuse


def test_sources_run_side_by_side_and_the_status_tells_it(station):
    station.start()
    until(lambda: station.status.state == "running")
    until(lambda: {q.source for q in station.sink.quotes} == {"alpha", "beta"})
    assert station.status.connected
    assert [s.name for s in station.status.sources] == ["alpha", "beta", "simulation"]
    assert station.status.active == "alpha"
    assert station.status.budget == 2 * 20 and station.status.updated == WEDNESDAY
    assert all(not q.simulated for q in station.sink.quotes)


def test_at_most_so_many_symbols_are_asked_for():
    station = Station(max_live_symbols=2)
    station.start(ASELS, THYAO, AAPL, BTC)
    until(lambda: station.sink.quotes)
    station.advance_until(lambda: len(station.sources["alpha"].fetches) > 4)
    assert {name for names in station.sources["beta"].fetches for name in names} == {"ASELS", "THYAO"}
    assert {name for names in station.sources["alpha"].fetches for name in names} == {"ASELS", "THYAO"}
    station.feed.close()


def test_the_fallback_simulation_goes_on_from_the_last_real_prices(station):
    station.start()
    station.advance_until(lambda: station.status.state == "running")
    assert station.sources["simulation"].anchors == {}
    for name in ("alpha", "beta"):
        broken(station.sources[name])
    station.advance_until(lambda: any(q.simulated for q in station.sink.quotes))
    real = {q.key: q.price for q in station.sink.quotes if not q.simulated}
    assert station.sources["simulation"].anchors == real


def test_a_dead_feed_falls_back_to_the_simulation_visibly_and_comes_back_by_itself(station):
    station.prepare = broken
    station.start()
    station.advance_until(lambda: station.status.state == "simulated")
    assert not station.status.connected
    assert station.status.next_try is not None and station.status.next_try > WEDNESDAY
    assert {s.state for s in station.status.sources} == {"failing", "ok"}
    station.advance_until(lambda: any(q.simulated for q in station.sink.quotes))
    alpha = station.sources["alpha"]
    alpha.answer = alpha.prices
    station.advance_until(lambda: station.status.state == "running")
    station.advance_until(lambda: station.status.sources[2].state == "idle")
    count = sum(q.simulated for q in station.sink.quotes)
    fetches = len(alpha.fetches)
    station.advance_until(lambda: len(alpha.fetches) > fetches + 1)  # several looks of the simulation
    assert sum(q.simulated for q in station.sink.quotes) == count


def test_without_permission_there_is_no_simulation():
    station = Station(allow_simulation=False)
    station.prepare = broken
    station.start()
    station.advance_until(lambda: station.clock.time() > WEDNESDAY + 30)
    assert station.status.state == "offline" and station.sink.quotes == []
    assert "simulation" not in station.sources
    station.feed.close()


def test_a_chosen_source_runs_alone_and_the_chosen_simulation_is_a_connection():
    station = Station(live_data_source="beta", allow_simulation=False)
    station.start()
    assert list(station.sources) == ["beta"]
    station.feed.close()
    station = Station(live_data_source="simulation")
    station.start()
    until(lambda: station.status.state == "running")
    assert list(station.sources) == ["simulation"] and station.status.connected
    station.feed.close()


def test_a_symbol_is_unknown_once_all_real_sources_say_so(station):
    def deny(source: ScriptedSource) -> None:
        if source.name == "beta":
            source.unknown = {THYAO.key}
        if source.name == "alpha":

            def refuse(instruments: Any) -> Any:
                if instruments[0] == THYAO:
                    raise UnknownSymbolError(THYAO.key)
                return source.prices(instruments)

            source.answer = refuse

    station.prepare = deny
    station.start()
    station.advance_until(lambda: station.sink.of(InstrumentUnknown))
    station.advance_until(lambda: len(station.sources["alpha"].fetches) > 6)
    assert station.sink.of(InstrumentUnknown) == [InstrumentUnknown(THYAO.key)]
    assert [names[0] for names in station.sources["alpha"].fetches].count("THYAO") == 1


def test_stopping_is_quick_silent_and_frees_the_sources(station):
    station.prepare = lambda source: setattr(source, "answer", source.hang)
    station.start()
    until(lambda: all(s.fetches or s.simulated for s in station.sources.values()))
    station.feed.stop()
    assert station.status.state == "stopped" and not station.feed.running
    until(lambda: all(source.closed.is_set() for source in station.made))
    told = len(station.sink.messages)
    station.feed.tick()
    station.feed.stop()
    assert len(station.sink.messages) == told and station.sink.quotes == []


def test_a_late_answer_does_not_get_through(station):
    release = threading.Event()

    def late(source: ScriptedSource) -> None:
        def answer(instruments: Any) -> Any:
            release.wait(FOREVER)
            return source.prices(instruments)

        source.answer = answer

    station.prepare = late
    station.start()
    until(lambda: station.sources["alpha"].fetches)
    station.feed.stop()  # it waits for no source: this one answers after it
    release.set()
    station.feed.close()
    assert station.sink.quotes == [] and station.status.state == "stopped"


def test_starting_twice_is_starting_once(station):
    station.start()
    station.start()
    assert len(station.made) == 3


def test_twenty_starts_and_stops_leak_nothing_and_keep_the_spacing(station):
    for number in range(20):
        station.start()
        if number == 0:
            until(lambda: station.sources["alpha"].fetches and station.sources["beta"].fetches)
        station.clock.advance(0.4)
        time.sleep(0.005)  # so that some are stopped in mid-request; nothing depends on it
        station.feed.stop()
        station.feed.tick()
    station.feed.close()
    assert all(source.closed.is_set() for source in station.made)
    for name in ("alpha", "beta"):
        asked = sorted(t for source in station.made if source.name == name for t in source.asked_at)
        assert asked and all(b - a >= 3.0 for a, b in pairwise(asked))
    assert not [t for t in threading.enumerate() if t.name.startswith("feed-")]


def test_instruments_change_without_a_restart(station):
    station.start(ASELS)
    until(lambda: station.sink.quotes)
    station.feed.watch((ASELS, THYAO))
    station.advance_until(lambda: any(q.key == THYAO.key for q in station.sink.quotes))
    assert len(station.made) == 3
    station.feed.stop()
    station.feed.watch((AAPL,))
    assert not station.feed.running


def test_halting_is_stopping_without_a_word(station):
    station.start()
    told = len(station.sink.of(FeedStatus))
    station.feed.halt()
    station.feed.halt()
    assert not station.feed.running
    assert all(status.state != "stopped" for status in station.sink.of(FeedStatus)[told:])


def test_a_source_that_cannot_be_made_leaves_nothing_behind(station):
    def refuse(source: ScriptedSource) -> None:
        if source.name == "simulation":
            raise SourceError("no package")

    station.prepare = refuse
    with pytest.raises(SourceError, match="no package"):
        station.start()
    assert not station.feed.running and len(station.made) == 2
    assert all(source.closed.is_set() for source in station.made)


def test_the_status_is_refreshed_once_a_second_and_only_when_it_changes(station):
    station.prepare = lambda source: setattr(source, "answer", source.hang)
    station.start(ASELS)
    until(lambda: station.budgets.of("alpha").used() == station.budgets.of("beta").used() == 1)
    station.feed.tick()
    until(lambda: station.status.used == 2)
    told = len(station.sink.of(FeedStatus))
    station.feed.tick()
    station.clock.advance(0.9)
    station.feed.tick()
    assert len(station.sink.of(FeedStatus)) == told
    station.clock.advance(60.0)
    station.feed.tick()
    assert station.status.used == 0


# --- the board ------------------------------------------------------------------------------------------


def board(*real: str) -> tuple[FeedBoard, Sink]:
    clock, sink = WaitingClock(WEDNESDAY), Sink()
    made = FeedBoard(sink, clock, real, CloseMemory(lambda exchange: 1), grace=60.0, chosen_simulation=False)
    for name in real:
        made.add_source(name, BudgetRegistry(clock).of(name))
    return made, sink


@pytest.mark.parametrize(
    ("alpha", "beta", "state", "active"),
    [
        ("connecting", "connecting", "connecting", ""),
        ("failing", "connecting", "connecting", ""),
        ("failing", "blocked", "offline", ""),
        ("failing", "ok", "running", "beta"),
        ("ok", "ok", "running", "alpha"),
        ("idle", "idle", "connecting", ""),
    ],
)
def test_the_state_is_that_of_the_best_source(alpha, beta, state, active):
    made, sink = board("alpha", "beta")
    made.report(SourceStatus(name="alpha", state=alpha))
    made.report(SourceStatus(name="beta", state=beta))
    made.publish()
    status = sink.of(FeedStatus)[-1]
    assert (status.state, status.active) == (state, active)


def test_the_soonest_next_try_is_told():
    made, sink = board("alpha", "beta")
    made.report(SourceStatus(name="alpha", state="failing", next_try=200.0))
    made.report(SourceStatus(name="beta", state="failing", next_try=100.0))
    assert sink.of(FeedStatus)[-1].next_try == 100.0


def test_a_stopped_board_says_nothing_more():
    made, sink = board("alpha")
    made.stop()
    made.deliver("alpha", [quote()])
    made.deliver_daily(DailyCloses(ASELS.key, (1.0,)))
    made.mark_unknown(ASELS.key, "alpha")
    made.report(SourceStatus(name="alpha", state="ok"))
    assert sink.quotes == [] and sink.messages == []


def test_an_unfinished_denial_is_remembered_per_source():
    made, sink = board("alpha", "beta")
    made.mark_unknown(ASELS.key, "alpha")
    assert made.unknown_to("alpha") == {ASELS.key} and made.unknown_to("beta") == frozenset()
    assert sink.messages == []
    made.mark_unknown(ASELS.key, "beta")
    made.mark_unknown(ASELS.key, "beta")
    assert sink.messages == [InstrumentUnknown(ASELS.key)]


def test_what_was_said_of_an_instrument_is_forgotten_with_it(station):
    station.prepare = lambda source: source.unknown.add(THYAO.key)
    station.config = Config(real_time=RealTimeConfig(live_data_source="beta", allow_simulation=False))
    station.start(ASELS, THYAO)
    until(lambda: station.sink.of(InstrumentUnknown))
    station.feed.watch((ASELS,))
    station.feed.watch((ASELS, THYAO))
    station.advance_until(lambda: len(station.sink.of(InstrumentUnknown)) == 2)
