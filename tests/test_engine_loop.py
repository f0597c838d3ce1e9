"""The engine's loop, driven step by step: commands, the feed's messages, failures, the order of the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from core.clock import Clock, SystemClock
from core.commands import (
    ApplyConfig,
    ClosePosition,
    Command,
    CommandResult,
    DeletePosition,
    EditPosition,
    History,
    ImportPositions,
    InstrumentsChanged,
    OpenPosition,
    PositionsChanged,
    RecordDeliveries,
    RequestSnapshot,
    SetInstruments,
    StartFeed,
    StopFeed,
    TradesChanged,
)
from core.config import Config, RealTimeConfig, StorageConfig
from core.engine.loop import EngineLoop
from core.errors import StorageError
from core.feed.messages import InstrumentUnknown, SourceLost
from core.model import (
    Delivery,
    FeedStatus,
    Freshness,
    FreshnessChange,
    Instrument,
    Notice,
    PortfolioSnapshot,
    Position,
    Signal,
    Tick,
)
from core.sources.base import DailyCloses
from tests.patience import PATIENCE
from tests.scripted import (
    AAPL,
    ASELS,
    THYAO,
    WEDNESDAY,
    Events,
    FailingStore,
    QuickBudgets,
    ScriptedSource,
    WaitingClock,
    quote,
)
from tests.test_feed_live import until

ALL = (
    Tick, Signal, PortfolioSnapshot, Notice, FreshnessChange, InstrumentsChanged, CommandResult,
    PositionsChanged, TradesChanged, History, FeedStatus, InstrumentUnknown,
)  # fmt: skip


def config(**real_time: Any) -> Config:
    values: dict[str, Any] = {"live_data_source": "tvdatafeed", "allow_simulation": False} | real_time
    return Config(real_time=RealTimeConfig(**values))


def position(on: Instrument = ASELS, **fields: Any) -> Position:
    values: dict[str, Any] = {
        "quantity": Decimal(10), "entry_price": Decimal(90), "opened_at": WEDNESDAY - 90_000,
    } | fields  # fmt: skip
    return Position(symbol=on.symbol, exchange=on.exchange, **values)


class Rig:
    """A loop that the test turns by hand; its sources answer only when they are let."""

    def __init__(self, settings: Config | None = None, store: FailingStore | None = None) -> None:
        self.clock = WaitingClock(WEDNESDAY)
        self.store = store or FailingStore()
        self.stores: list[FailingStore] = []
        self.sources: list[ScriptedSource] = []
        self.answering = False
        self.loop = EngineLoop(
            settings or config(), self.open, self.clock, budgets=QuickBudgets(self.clock),
            create_source=self.create,
        )  # fmt: skip
        self.events = Events(self.loop.bus, *ALL)
        self.loop.open()

    def open(self, settings: Config) -> FailingStore:
        store = FailingStore() if self.stores else self.store
        self.stores.append(store)
        return store

    def create(self, name: str, settings: Config, clock: Clock) -> ScriptedSource:
        simulated = name == "simulation"
        source = ScriptedSource(
            name, batch_size=50, min_spacing=0.0 if simulated else 3.0, simulated=simulated, clock=self.clock
        )
        if not self.answering:
            source.answer = source.hang
        self.sources.append(source)
        return source

    def step(self) -> None:
        """One turn without waiting."""
        messages, quotes = self.loop.inbox.take(0)
        self.loop.process(messages, quotes, self.loop.engine.on_quote)

    def do(self, *commands: Command) -> list[str]:
        """Carry out commands; their errors."""
        ids = [self.loop.post(command) for command in commands]
        self.step()
        results = {result.command_id: result.error for result in self.events.of(CommandResult)}
        return [results[command_id] for command_id in ids]

    def see(self, price: float = 100.0, on: Instrument = ASELS, **fields: Any) -> None:
        now = self.clock.time()
        values: dict[str, Any] = {"stamp": now, "received": now, "previous_close": 100.0} | fields
        self.loop.inbox.put_quotes([quote(on, price, **values)])
        self.step()

    def last(self, kind: type[Any]) -> Any:
        return self.events.of(kind)[-1]

    def step_until(self, condition: Callable[[], Any], seconds: float = 0.0) -> None:
        """Turn until something has happened, each time after `seconds`."""

        def look() -> Any:
            self.clock.advance(seconds)
            self.step()
            return condition()

        until(look)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.loop.close()


# --- the ledger -----------------------------------------------------------------------------------------


def test_a_newcomer_is_told_everything(rig):
    rig.do(OpenPosition(position=position()), SetInstruments(instruments=(ASELS,)), StartFeed())
    rig.see(103.0)
    rig.clock.advance(61)
    rig.step()
    rig.events.all.clear()
    assert rig.do(RequestSnapshot()) == [""]
    assert rig.last(PositionsChanged).positions[0].symbol == "ASELS"
    assert rig.last(TradesChanged).trades == ()
    assert rig.last(PortfolioSnapshot).rows[0].price == 103.0
    assert [signal.price for signal in rig.last(History).signals] == [103.0]
    assert rig.last(Tick).freshness is Freshness.STALE, "worth what it is worth by now"


def test_positions_are_entered_changed_closed_and_deleted(rig):
    assert rig.do(OpenPosition(position=position())) == [""]
    assert rig.do(ImportPositions(positions=(position(THYAO), position(AAPL)))) == [""]
    first, second, third = rig.last(PositionsChanged).positions
    assert (first.symbol, second.symbol, third.symbol) == ("ASELS", "THYAO", "AAPL")
    assert rig.do(EditPosition(position=replace(first, quantity=Decimal(20)))) == [""]
    assert rig.last(PositionsChanged).positions[0].quantity == 20
    assert rig.do(ClosePosition(position_id=first.id, price=Decimal(100), quantity=Decimal(5))) == [""]
    assert rig.last(TradesChanged).trades[0].realised_pnl == 50
    assert rig.last(PortfolioSnapshot).totals[0].realised_today == 50.0
    assert rig.do(DeletePosition(position_id=third.id)) == [""]
    assert [p.symbol for p in rig.last(PositionsChanged).positions] == ["ASELS", "THYAO"]
    assert rig.last(PortfolioSnapshot).totals[0].positions == 2


@pytest.mark.allow_log("was not carried out")
def test_what_cannot_be_done_is_said_in_one_sentence_and_changes_nothing(rig):
    rig.do(OpenPosition(position=position()))
    changes = len(rig.events.of(PositionsChanged))
    errors = rig.do(
        DeletePosition(position_id=99), ClosePosition(position_id=99, price=Decimal(1)),
        EditPosition(position=position(id=99)), ImportPositions(positions=(position(quantity=Decimal(0)),)),
    )  # fmt: skip
    assert all(errors) and len(set(errors)) <= 3
    assert len(rig.events.of(PositionsChanged)) == changes
    rig.store.broken = True
    assert rig.do(OpenPosition(position=position())) == ["the disk is full"]


def test_a_new_position_is_valued_at_the_last_price_and_shown_as_old_as_it_is(rig):
    rig.do(SetInstruments(instruments=(ASELS,)), StartFeed())
    rig.see(100.0)
    rig.clock.advance(61)
    rig.step()
    rig.do(OpenPosition(position=position()))
    row = rig.last(PortfolioSnapshot).rows[0]
    assert (row.open_pnl, row.freshness) == (100.0, Freshness.STALE)


def test_deliveries_are_recorded(rig):
    delivery = Delivery(message_id="1", channel="toast", status="delivered", title="BUY ASELS", created=1.0)
    assert rig.do(RecordDeliveries(deliveries=(delivery,))) == [""]
    assert rig.store.deliveries()[0].title == "BUY ASELS"


@pytest.mark.allow_log("failed")
def test_an_unexpected_failure_of_a_command_is_told_and_the_loop_goes_on(rig):
    def explode(_: Any) -> None:
        raise ZeroDivisionError("oops")

    rig.store.add_positions = explode
    assert rig.do(OpenPosition(position=position())) == ["ZeroDivisionError: oops"]
    assert rig.last(Notice).key == "engine.internal"
    assert rig.do(RequestSnapshot()) == [""]


@pytest.mark.allow_log("failed")
def test_a_command_that_nobody_handles_is_a_bug_that_is_told(rig):
    class Dance(Command, frozen=True, kw_only=True):
        """Nobody can."""

    assert "no handler for Dance" in rig.do(Dance())[0]


# --- the feed -------------------------------------------------------------------------------------------


def test_the_feed_starts_watches_and_stops(rig):
    rig.answering = True
    rig.do(SetInstruments(instruments=(ASELS, THYAO)), StartFeed())
    assert rig.last(InstrumentsChanged).instruments == (ASELS, THYAO)
    rig.step_until(lambda: {t.key for t in rig.events.of(Tick)} == {ASELS.key, THYAO.key})
    rig.step_until(lambda: rig.last(FeedStatus).state == "running")
    rig.do(StopFeed())
    rig.step()
    assert rig.last(FeedStatus).state == "stopped"
    assert {c.freshness for c in rig.events.of(FreshnessChange)} == {Freshness.STALE}
    ticks = len(rig.events.of(Tick))
    rig.see(101.0)
    assert len(rig.events.of(Tick)) == ticks, "what comes after the stop is dropped"


def test_the_same_instruments_again_change_nothing(rig):
    rig.do(SetInstruments(instruments=(ASELS,)), SetInstruments(instruments=(ASELS,)))
    assert len(rig.events.of(InstrumentsChanged)) == 1


def test_a_held_instrument_is_asked_for_as_soon_as_it_is_held(rig):
    rig.answering = True
    rig.do(SetInstruments(instruments=(ASELS,)), StartFeed())
    rig.step_until(lambda: rig.events.of(Tick))
    rig.do(OpenPosition(position=position(THYAO)))
    rig.step_until(lambda: any(t.key == THYAO.key for t in rig.events.of(Tick)), 0.1)
    assert len(rig.sources) == 1, "without a restart"


def test_daily_closes_and_unknown_symbols_come_through(rig):
    rig.do(StartFeed())
    rig.loop.inbox.put(DailyCloses(ASELS.key, (80.0,)))
    rig.loop.inbox.put(InstrumentUnknown("BIST:NEVER"))
    rig.see(100.0, previous_close=None)
    assert rig.last(Tick).change_pct == pytest.approx(25.0)
    assert rig.last(InstrumentUnknown).key == "BIST:NEVER"
    notice = rig.last(Notice)
    assert (notice.level, notice.key, notice.params) == (
        "warning",
        "engine.unknown_symbol",
        {"key": "BIST:NEVER"},
    )


@pytest.mark.allow_log("failed")
def test_a_bug_in_the_way_of_a_quote_is_told_once_and_stops_nothing(rig):
    rig.do(StartFeed())

    def explode(_: Any) -> None:
        raise RuntimeError("oops")

    for _ in range(5):
        rig.loop.process([], [quote(), quote(THYAO)], explode)
    assert [n.key for n in rig.events.of(Notice)] == ["engine.internal"]
    rig.see(100.0)
    assert rig.events.of(Tick)


def test_a_bug_in_a_message_or_at_the_end_of_a_batch_stops_nothing(rig, caplog):
    rig.do(StartFeed())

    def explode(*_: Any) -> None:
        raise RuntimeError("oops")

    rig.loop.engine.on_daily = explode
    rig.loop.engine.portfolio.on_freshness = explode
    rig.loop.inbox.put(DailyCloses(ASELS.key, (1.0,)))
    rig.see(100.0)
    rig.loop.inbox.put("gibberish that nobody knows")
    rig.step()
    rig.clock.advance(61)
    rig.step()
    assert [n.params for n in rig.events.of(Notice) if n.key == "engine.internal"] == [
        {"error": "RuntimeError: oops"}
    ]
    assert rig.events.of(Tick) and len(caplog.records) == 1


# --- another configuration ------------------------------------------------------------------------------


def test_a_new_interval_restarts_the_feed_and_a_new_theme_does_not(rig):
    rig.do(StartFeed())
    assert rig.do(ApplyConfig(config=replace(config(), theme="dark"))) == [""]
    assert len(rig.sources) == 1
    assert rig.do(ApplyConfig(config=config(poll_interval_sec=30.0))) == [""]
    assert len(rig.sources) == 2
    until(rig.sources[0].closed.is_set)
    assert all(status.state != "stopped" for status in rig.events.of(FeedStatus))


def test_a_resting_feed_stays_at_rest(rig):
    rig.do(ApplyConfig(config=config(poll_interval_sec=30.0)))
    assert rig.sources == []


def test_real_and_simulated_worlds_share_nothing(rig):
    rig.do(OpenPosition(position=position()), SetInstruments(instruments=(ASELS,)), StartFeed())
    rig.see(103.0)
    assert len(rig.store.signals()) == 1
    rig.answering = True
    late = quote(ASELS, 150.0, stamp=rig.clock.time(), previous_close=100.0)
    rig.loop.post(ApplyConfig(config=config(live_data_source="simulation")))
    rig.loop.inbox.put_quotes([late])
    rig.step()
    assert rig.store.closed and len(rig.stores) == 2
    assert rig.last(PositionsChanged).positions == () and rig.last(History).signals == ()
    rig.step_until(lambda: rig.last(Tick).simulated)
    assert 150.0 not in [tick.price for tick in rig.events.of(Tick)]
    assert rig.last(FeedStatus).state in ("connecting", "running")
    rig.answering = False
    rig.do(ApplyConfig(config=config()))
    rig.see(140.0)
    assert rig.last(Tick).price == 140.0 and rig.last(Tick).previous_close == 100.0
    assert rig.stores[1].closed and len(rig.stores) == 3
    assert [signal.simulated for signal in rig.stores[2].signals()] == [False]


@pytest.mark.allow_log("was not carried out")
def test_a_world_that_cannot_be_entered_is_not_left(rig):
    rig.do(SetInstruments(instruments=(ASELS,)), StartFeed())

    def refuse(_: Config) -> Any:
        raise StorageError("no disk")

    rig.loop.engine._open_store = refuse
    assert rig.do(ApplyConfig(config=config(live_data_source="simulation"))) == ["no disk"]
    assert len(rig.sources) == 1 and not rig.sources[0].closed.is_set()
    rig.see(103.0)
    assert len(rig.store.signals()) == 1


def test_another_database_is_read_at_once(rig):
    rig.do(OpenPosition(position=position()))
    rig.do(ApplyConfig(config=replace(config(), storage=StorageConfig(url="sqlite:///other.db"))))
    assert rig.last(PositionsChanged).positions == ()


# --- beginning and end ----------------------------------------------------------------------------------


def test_commands_posted_before_the_end_are_carried_out(rig):
    rig.do(StartFeed())
    rig.loop.post(OpenPosition(position=position()))
    rig.loop.post(SetInstruments(instruments=(AAPL,)))
    rig.loop.close()
    assert rig.last(CommandResult).error == "" and len(rig.last(PositionsChanged).positions) == 1
    assert rig.store.closed and rig.sources[0].closed.is_set()
    rig.loop.close()


def test_an_engine_is_only_there_while_the_loop_is_open(rig):
    rig.loop.close()
    with pytest.raises(AssertionError, match="not open"):
        _ = rig.loop.engine


def test_it_may_be_opened_again_with_the_last_configuration(rig):
    rig.do(ApplyConfig(config=config(stale_after_sec=17.0)))
    rig.loop.stop()
    assert rig.loop.stopping
    rig.loop.close()
    rig.loop.rearm()
    assert not rig.loop.stopping
    rig.loop.open()
    assert rig.loop.engine.config.real_time.stale_after_sec == 17.0


def test_a_store_that_cannot_be_opened_is_told_by_open():
    def refuse(_: Config) -> Any:
        raise StorageError("no disk")

    loop = EngineLoop(config(), refuse, SystemClock())
    with pytest.raises(StorageError):
        loop.open()
    loop.close()


def test_running_in_a_thread_ends_on_stop():
    store = FailingStore()
    loop = EngineLoop(
        config(live_data_source="simulation"),
        lambda _: store,
        SystemClock(),
        budgets=QuickBudgets(SystemClock()),
    )
    ticks: list[Tick] = []
    loop.bus.subscribe(Tick, ticks.append)
    thread = threading.Thread(target=loop.run)
    thread.start()
    loop.post(SetInstruments(instruments=(ASELS,)))
    loop.post(StartFeed())
    until(lambda: ticks)
    loop.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive() and store.closed


# --- a connection breaks --------------------------------------------------------------------------------


def test_what_a_connection_told_before_it_broke_is_not_live_after_it(rig):
    rig.do(SetInstruments(instruments=(ASELS, THYAO)), StartFeed())
    rig.events.all.clear()
    for number, instrument in enumerate((ASELS, THYAO, ASELS)):
        rig.loop.inbox.put_quotes([quote(instrument, 100.0 + number, stamp=rig.clock.time() + number / 10)])
    rig.loop.inbox.put(SourceLost("alpha"))
    rig.step()
    told = [event for event in rig.events.all if isinstance(event, Tick | FreshnessChange)]
    assert [type(event) for event in told] == [Tick, Tick, Tick, FreshnessChange, FreshnessChange]
    assert {tick.freshness for tick in rig.loop.engine.prices.ticks()} == {Freshness.STALE}
    rig.clock.advance(1)
    rig.see(103.0)
    assert rig.last(Tick).freshness is Freshness.LIVE, "the next connection's first price"


def test_a_price_of_the_next_connection_is_live_though_it_comes_in_the_same_turn(rig):
    rig.do(SetInstruments(instruments=(ASELS,)), StartFeed())
    now = rig.clock.time()
    rig.loop.inbox.put_quotes([quote(stamp=now)])
    rig.loop.inbox.put(SourceLost("alpha"))
    rig.loop.inbox.put_quotes([quote(price=101.0, stamp=now + 0.5)])
    rig.step()
    (last,) = rig.loop.engine.prices.ticks()
    assert (last.price, last.freshness) == (101.0, Freshness.LIVE)


def test_quotes_of_a_feed_that_was_stopped_are_not_taken_for_a_broken_connection_either(rig):
    rig.do(SetInstruments(instruments=(ASELS,)), StartFeed())
    rig.events.all.clear()
    rig.loop.post(StopFeed())
    rig.loop.inbox.put_quotes([quote(stamp=rig.clock.time())])
    rig.loop.inbox.put(SourceLost("alpha"))
    rig.step()
    assert rig.events.of(Tick) == []
