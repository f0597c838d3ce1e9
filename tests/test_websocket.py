"""The worker from outside: its signals, its throttle, its two ways to run, its end."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QObject, Qt, QThread

from core.clock import Clock, FakeClock, SystemClock
from core.commands import (
    ApplyConfig,
    CommandResult,
    InstrumentsChanged,
    OpenPosition,
    PositionsChanged,
    SetInstruments,
)
from core.config import Config, RealTimeConfig
from core.errors import ConfigError, InputError, SourceError, StorageError
from core.i18n import set_language
from core.model import FeedStatus, Freshness, FreshnessChange, Instrument, Notice, Position, Quote
from core.storage.memory_store import MemoryStore
from gui.workers import websocket_worker
from gui.workers.mailbox import Mailbox
from gui.workers.price_throttle import PriceThrottle
from gui.workers.websocket_worker import WebSocketWorker
from tests.patience import PATIENCE
from tests.scripted import ASELS, BTC, THYAO, FailingStore, QuickBudgets, ScriptedSource, quote, tick

ETH = Instrument("CRYPTO", "ETH")
ENGINE_ENDS = websocket_worker.JOIN_MS / 1000
"""Seconds for which `stop` waits; while a test runs it is longer."""
CONTRACT = {
    "price_updated", "signal_triggered", "portfolio_updated", "connection_status", "error_occurred",
    "tick_received", "bot_status_updated",
}  # fmt: skip
TICK_FIELDS = {
    "symbol", "exchange", "price", "change_pct", "open", "high", "low", "volume", "timestamp", "received_at",
    "source", "simulated", "freshness", "delay_sec",
}  # fmt: skip


def config(**real_time: Any) -> Config:
    values: dict[str, Any] = {
        "live_data_source": "yfinance", "allow_simulation": False, "update_interval_ms": 50,
    } | real_time  # fmt: skip
    return Config(exchange="CRYPTO", real_time=RealTimeConfig(**values))


class Studio:
    """Makes workers over scripted sources and ends them all."""

    def __init__(self) -> None:
        self.sources: list[ScriptedSource] = []
        self.workers: list[WebSocketWorker] = []
        self.prepare: Callable[[ScriptedSource], None] = lambda source: None
        self.budgets = QuickBudgets(SystemClock())

    def create(self, name: str, settings: Config, clock: Clock) -> ScriptedSource:
        simulated = name == "simulation"
        source = ScriptedSource(
            name,
            batch_size=50,
            min_spacing=0.0 if simulated else 3.0,
            simulated=simulated,
            clock=SystemClock(),
        )
        self.prepare(source)
        self.sources.append(source)
        return source

    def worker(self, *symbols: str | Instrument, settings: Any = None, **options: Any) -> WebSocketWorker:
        made = WebSocketWorker(
            symbols or ["BTC"],
            settings or config(),
            source_factory=self.create,
            budgets=self.budgets,
            **options,
        )
        self.workers.append(made)
        return made


@pytest.fixture
def studio(qapp: Any) -> Iterator[Studio]:
    made = Studio()
    yield made
    for worker in made.workers:
        worker.stop()
        worker.deleteLater()
    qapp.processEvents()


def collect(signal: Any) -> list[Any]:
    """What a signal emits, collected in the emitting thread."""
    found: list[Any] = []
    signal.connect(lambda *args: found.append(args[0] if len(args) == 1 else args), Qt.DirectConnection)
    return found


# --- the contract ---------------------------------------------------------------------------------------


def test_it_is_a_thread_with_the_signals_and_steps_of_the_contract(studio):
    worker = studio.worker()
    assert isinstance(worker, QThread)
    assert all(hasattr(worker, name) for name in CONTRACT)
    steps = ("run", "stop", "_receive_tick", "_process_tick", "_check_signal", "_update_portfolio_pnl")
    assert all(callable(getattr(worker, name)) for name in steps)


def test_prices_signals_and_connection_come_out_of_start(qtbot, studio):
    studio.prepare = lambda source: setattr(source, "price", 103.0)
    worker = studio.worker("BTC")
    states = collect(worker.connection_status)
    signals, ticks = collect(worker.signal_triggered), collect(worker.tick_received)
    with qtbot.waitSignals([worker.price_updated, worker.tick_received, worker.signal_triggered]) as got:
        worker.start()
    assert got.all_signals_and_args
    prices = [s.args for s in got.all_signals_and_args if len(s.args) == 3]
    assert prices[0] == ("BTC", 103.0, pytest.approx(3.0))
    assert set(ticks[0]) == TICK_FIELDS
    assert (ticks[0]["freshness"], ticks[0]["simulated"], ticks[0]["source"]) == ("live", False, "yfinance")
    assert datetime.fromisoformat(ticks[0]["timestamp"]).utcoffset() is not None
    assert (signals[0]["type"], signals[0]["reason"]) == ("BUY", "Price rose +3.00%")
    qtbot.waitUntil(lambda: states == [False, True])
    worker.stop()
    assert states == [False, True, False] and worker.isFinished()


def test_slots_run_in_the_receivers_thread(qtbot, studio):
    worker = studio.worker()
    threads: list[int] = []

    class Receiver(QObject):
        """Lives in the test's thread."""

        def take(self, *_: Any) -> None:
            threads.append(threading.get_ident())

    receiver = Receiver()
    worker.price_updated.connect(receiver.take)
    worker.start()
    qtbot.waitUntil(lambda: bool(threads))
    assert set(threads) == {threading.get_ident()}


def test_a_position_is_valued_and_told_by_payload(qtbot, studio):
    store = MemoryStore()
    studio.prepare = lambda source: setattr(source, "price", 101.0)
    worker = studio.worker("BTC", open_store=lambda _: store)
    payloads = collect(worker.portfolio_updated)
    worker.start()
    position = Position(
        symbol="ETH", exchange="CRYPTO", quantity=Decimal(2), entry_price=Decimal(100), opened_at=time.time()
    )
    worker.post(OpenPosition(position=position))
    qtbot.waitUntil(lambda: any(p["symbol"] == "ETH" and p["open_pnl"] == 2.0 for p in payloads))
    assert payloads[-1]["stale_positions"] == 0 and store.positions()[0].symbol == "ETH"


def test_events_and_results_reach_the_window_and_prices_wait_in_the_mailbox(qtbot, studio):
    worker = studio.worker("BTC", "ETH")
    events = collect(worker.core_event)
    with qtbot.waitSignal(worker.frame_waiting):
        worker.start()
    found: dict[str, float] = {}

    def all_there() -> bool:
        found.update((tick.key, tick.price) for tick in worker.take_frame().ticks)
        return len(found) == 2

    qtbot.waitUntil(all_there)
    number = worker.post(SetInstruments(instruments=(BTC,)))
    qtbot.waitUntil(lambda: any(isinstance(e, CommandResult) and e.command_id == number for e in events))
    kinds = {type(event) for event in events}
    assert {PositionsChanged, InstrumentsChanged, FeedStatus, CommandResult} <= kinds


def test_a_symbol_nobody_knows_is_an_error_said_once(qtbot, studio):
    studio.prepare = lambda source: source.unknown.add("CRYPTO:NEVER")
    worker = studio.worker("BTC", "NEVER")
    errors, ticks = collect(worker.error_occurred), collect(worker.tick_received)
    worker.start()
    qtbot.waitUntil(lambda: len(errors) > 0 and len(ticks) > 5)
    assert len(errors) == 1 and errors[0].startswith("CRYPTO:NEVER is not known")


def test_the_reason_is_told_in_turkish_too(qtbot, studio):
    set_language("tr")
    studio.prepare = lambda source: setattr(source, "price", 97.0)
    worker = studio.worker()
    with qtbot.waitSignal(worker.signal_triggered) as got:
        worker.start()
    assert got.args[0]["reason"].startswith("Fiyat düştü")


def test_symbols_and_configuration_may_be_given_in_every_shape(studio):
    mapping = {"exchange": "NASDAQ", "real_time": {"update_interval_ms": 250}}
    worker = studio.worker("aapl", "BIST:ASELS", THYAO, settings=mapping)
    assert worker._instruments == (Instrument("NASDAQ", "AAPL"), ASELS, THYAO)
    assert WebSocketWorker([])._config == Config()
    with pytest.raises(ConfigError, match="update_interval_ms"):
        WebSocketWorker(["BTC"], {"real_time": {"update_interval_ms": -1}})
    with pytest.raises(InputError):
        WebSocketWorker(["şişe"], config())


def test_one_ticker_on_two_exchanges_is_told_apart(qtbot, studio):
    worker = studio.worker("CRYPTO:BTC", "NASDAQ:BTC", "ETH")
    names: set[str] = set()
    worker.price_updated.connect(lambda name, price, change: names.add(name), Qt.DirectConnection)
    worker.start()
    qtbot.waitUntil(lambda: names == {"CRYPTO:BTC", "NASDAQ:BTC", "ETH"})


# --- the two ways to run, and the end -------------------------------------------------------------------


def test_it_works_moved_to_another_thread(qtbot, studio):
    worker = studio.worker()
    states = collect(worker.connection_status)
    thread = QThread()
    worker.moveToThread(thread)
    thread.started.connect(worker.run)
    with qtbot.waitSignal(worker.price_updated):
        thread.start()
    worker.stop()
    assert states == [False, True, False]
    thread.quit()
    assert thread.wait(int(1000 * PATIENCE))


@pytest.mark.parametrize("answer", ["prices", "hang", "refuse"])
def test_it_ends_within_three_seconds_whatever_the_source_does(qtbot, studio, answer):
    def refuse(_: Sequence[Instrument]) -> list[Quote]:
        raise SourceError("refused")

    def prepare(source: ScriptedSource) -> None:
        source.answer = refuse if answer == "refuse" else getattr(source, answer)

    studio.prepare = prepare
    worker = studio.worker()
    worker.start()
    qtbot.waitUntil(lambda: bool(studio.sources and studio.sources[0].fetches))
    assert ENGINE_ENDS < 3.0
    worker.stop()
    assert worker.isFinished() and studio.sources[0].closed.is_set()
    worker.stop()


def test_it_can_be_stopped_before_and_right_after_the_start(qtbot, studio):
    never = studio.worker()
    never.stop()
    assert not never.isRunning()
    for _ in range(5):
        worker = studio.worker()
        worker.start()
        worker.stop()
        assert worker.isFinished()


def test_it_can_be_stopped_from_its_own_thread(qtbot, studio):
    worker = studio.worker()
    worker.price_updated.connect(lambda *_: worker.stop(), Qt.DirectConnection)
    with qtbot.waitSignal(worker.finished):
        worker.start()


def test_it_may_be_started_again_with_what_was_watched_last(qtbot, studio):
    worker = studio.worker()
    names: list[str] = []
    worker.price_updated.connect(lambda name, price, change: names.append(name), Qt.DirectConnection)
    worker.start()
    worker.start()
    qtbot.waitUntil(lambda: "BTC" in names)
    worker.post(SetInstruments(instruments=(ETH,)))
    qtbot.waitUntil(lambda: "ETH" in names)
    worker.stop()
    names.clear()
    worker.start()
    qtbot.waitUntil(lambda: bool(names))
    assert set(names) == {"ETH"}


def test_without_autostart_the_feed_waits_for_start_feed(qtbot, studio):
    worker = studio.worker(autostart=False)
    events = collect(worker.core_event)
    worker.start()
    qtbot.waitUntil(lambda: any(isinstance(e, InstrumentsChanged) for e in events))
    assert studio.sources == []
    with qtbot.waitSignal(worker.price_updated):
        worker.start_feed()


def test_twenty_starts_and_stops_of_the_feed_leak_nothing_and_keep_the_spacing(qtbot, studio):
    worker = studio.worker(autostart=False)
    events = collect(worker.core_event)
    worker.start()
    for _ in range(20):
        worker.start_feed()
        qtbot.wait(5)
        worker.stop_feed()
    qtbot.waitUntil(lambda: sum(isinstance(e, FeedStatus) and e.state == "stopped" for e in events) == 20)
    worker.take_frame()
    worker.start_feed()
    qtbot.waitUntil(lambda: worker.take_frame().ticks != ())
    worker.stop()
    spacing = studio.budgets.of("yfinance").spacing
    asked = sorted(moment for source in studio.sources for moment in source.asked_at)
    assert spacing > 0 and all(b - a >= spacing for a, b in pairwise(asked))
    assert all(source.closed.is_set() for source in studio.sources)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed-")]


def test_stopping_the_feed_says_that_nothing_is_live_and_disconnects(qtbot, studio):
    worker = studio.worker()
    states = collect(worker.connection_status)
    worker.start()
    qtbot.waitUntil(lambda: states == [False, True])
    qtbot.waitUntil(lambda: worker.take_frame().ticks != ())
    worker.stop_feed()
    qtbot.waitUntil(lambda: states == [False, True, False])
    aged: list[FreshnessChange] = []

    def told() -> bool:
        aged.extend(worker.take_frame().aged)
        return bool(aged)

    qtbot.waitUntil(told)
    assert (aged[-1].key, aged[-1].freshness) == (BTC.key, Freshness.STALE)


# --- what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.allow_log("the engine cannot work")
def test_a_store_that_cannot_be_opened_is_one_sentence_and_an_end(qtbot, studio):
    def refuse(_: Config) -> MemoryStore:
        raise StorageError("the data directory is read-only")

    worker = studio.worker(open_store=refuse)
    errors, events = collect(worker.error_occurred), collect(worker.core_event)
    with qtbot.waitSignal(worker.finished):
        worker.start()
    assert errors == ["the data directory is read-only"]
    assert any(isinstance(e, Notice) and e.params == {"text": errors[0]} for e in events)


@pytest.mark.allow_log("the engine broke")
def test_a_bug_ends_the_worker_with_a_sentence_not_the_program(qtbot, studio):
    def explode(_: Config) -> MemoryStore:
        raise ZeroDivisionError("oops")

    worker = studio.worker(open_store=explode)
    errors = collect(worker.error_occurred)
    with qtbot.waitSignal(worker.finished):
        worker.start()
    assert len(errors) == 1 and "ZeroDivisionError: oops" in errors[0]


@pytest.mark.allow_log("did not close cleanly")
def test_a_store_that_cannot_be_closed_does_not_keep_it_from_ending(qtbot, studio):
    class Sticky(MemoryStore):
        """Does not close."""

        def close(self) -> None:
            raise StorageError("stuck")

    worker = studio.worker(open_store=lambda _: Sticky())
    with qtbot.waitSignal(worker.price_updated):
        worker.start()
    worker.stop()
    assert worker.isFinished()


@pytest.mark.allow_log("could not be stored", "never stored")
def test_a_full_disk_is_told_and_the_signal_all_the_same(qtbot, studio):
    store = FailingStore()
    studio.prepare = lambda source: setattr(source, "price", 103.0)
    worker = studio.worker(open_store=lambda _: store, autostart=False)
    errors, events = collect(worker.error_occurred), collect(worker.core_event)
    worker.start()
    qtbot.waitUntil(lambda: any(isinstance(e, InstrumentsChanged) for e in events))
    store.broken = True
    with qtbot.waitSignal(worker.signal_triggered):
        worker.start_feed()
    qtbot.waitUntil(lambda: len(errors) == 1)
    assert "the disk is full" in errors[0]


# --- the throttle ---------------------------------------------------------------------------------------


class ReadClock(SystemClock):
    """Remembers what each thread has read last: by that the engine's has judged what it emits, though the
    machine may hold it up before it does."""

    def __init__(self) -> None:
        self._own = threading.local()

    @property
    def read(self) -> float:
        return float(self._own.moment)

    def monotonic(self) -> float:
        self._own.moment = super().monotonic()
        return self.read


def test_price_updated_keeps_its_interval_and_ends_on_the_latest_price(qtbot, studio):
    """Thirty prices of each symbol per answer, answer after answer; then silence."""
    told: dict[str, float] = {}
    enough = threading.Event()

    def burst(instruments: Sequence[Instrument]) -> list[Quote]:
        now = time.time()
        found = []
        for number in range(0 if enough.is_set() else 30):
            for instrument in instruments:
                told[instrument.symbol] = price = 100.0 + (now * 10 + number) % 1
                stamp = now - 0.04 + number / 1000
                found.append(quote(instrument, price, stamp=stamp, received=now, source="yfinance"))
        return found

    studio.prepare = lambda source: setattr(source, "answer", burst)
    clock = ReadClock()
    worker = studio.worker("BTC", "ETH", settings=config(update_interval_ms=60), clock=clock)
    emitted: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def note(name: str, price: float, change: float) -> None:
        emitted[name].append((clock.read, price))

    worker.price_updated.connect(note, Qt.DirectConnection)
    ticks = collect(worker.tick_received)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.feed.runner.log.warning", lambda *a: None)
        worker.start()
        qtbot.waitUntil(lambda: all(len(emitted[name]) >= 6 for name in ("BTC", "ETH")))
        enough.set()
        qtbot.waitUntil(lambda: all(emitted[name][-1][1] == told[name] for name in told))
    assert len(ticks) > 3 * sum(map(len, emitted.values()))
    for moments in emitted.values():
        assert all(b - a >= 0.06 for (a, _), (b, _) in pairwise(moments))


def test_the_last_price_comes_out_even_if_the_worker_ends(qtbot, studio):
    worker = studio.worker(settings=config(update_interval_ms=200))
    source_price = [100.0]

    def rising(instruments: Sequence[Instrument]) -> list[Quote]:
        source_price[0] += 0.01
        now = time.time()
        return [quote(BTC, source_price[0], stamp=now, source="yfinance")]

    studio.prepare = lambda source: setattr(source, "answer", rising)
    prices, ticks = collect(worker.price_updated), collect(worker.tick_received)
    worker.start()
    qtbot.waitUntil(lambda: len(ticks) >= 3)
    worker.stop()
    assert prices[-1][1] == ticks[-1]["price"]


def test_another_interval_holds_as_soon_as_it_is_applied(qtbot, studio):
    worker = studio.worker(settings=config(update_interval_ms=10_000))
    prices = collect(worker.price_updated)
    worker.start()
    qtbot.waitUntil(lambda: len(prices) == 1)
    worker.post(ApplyConfig(config=config(update_interval_ms=20)))
    qtbot.waitUntil(lambda: len(prices) > 3)


@given(
    st.lists(st.tuples(st.sampled_from([BTC, ETH]), st.floats(0, 0.3), st.booleans()), max_size=60),
    st.floats(0.01, 0.2),
)
def test_the_throttle_keeps_its_promise_for_any_timing(events, interval):
    clock = FakeClock()
    emitted: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def emit(name: str, price: float, change: float) -> None:
        emitted[name].append((clock.monotonic(), price))

    throttle = PriceThrottle(interval, clock.monotonic, emit)
    throttle.name_by_symbol([BTC.key, ETH.key])
    last: dict[str, float] = {}
    for number, (on, pause, flush) in enumerate(events):
        clock.advance(pause)
        last[on.symbol] = 1.0 + number
        throttle.put(tick(on, 1.0 + number))
        if flush:
            throttle.flush()
    while (due := throttle.next_due()) is not None:
        clock.advance(due + 1e-9)
        throttle.flush()
    assert {name: moments[-1][1] for name, moments in emitted.items()} == last
    for moments in emitted.values():
        assert all(b - a >= interval - 1e-9 for (a, _), (b, _) in pairwise(moments))


def test_at_the_end_the_throttle_keeps_nothing_back():
    clock = FakeClock()
    emitted: list[float] = []
    throttle = PriceThrottle(1.0, clock.monotonic, lambda name, price, change: emitted.append(price))
    throttle.put(tick(BTC, 1.0))
    throttle.put(tick(BTC, 2.0))
    throttle.finish()
    throttle.finish()
    assert emitted == [1.0, 2.0] and throttle.next_due() is None


# --- the mailbox ----------------------------------------------------------------------------------------


def test_the_mailbox_keeps_the_latest_and_is_announced_once_until_it_is_taken():
    calls: list[int] = []
    box = Mailbox(lambda: calls.append(1))
    box.announce()
    assert calls == [], "nothing waits"
    for price in (1.0, 2.0, 3.0):
        box.put_tick(tick(BTC, price))
        box.announce()
    box.put_aged(FreshnessChange(ETH.key, Freshness.STALE, 0.0, None))
    box.announce()
    assert len(calls) == 1
    frame = box.take()
    assert [t.price for t in frame.ticks] == [3.0] and len(frame.aged) == 1
    assert box.take().ticks == ()
    box.put_aged(FreshnessChange(BTC.key, Freshness.STALE, 0.0, None))
    box.put_tick(tick(BTC, 4.0))
    box.announce()
    assert len(calls) == 2
    frame = box.take()
    assert frame.aged == () and frame.ticks[0].price == 4.0, "a new price is younger than what aged before it"
    box.put_tick(tick(BTC, 5.0))
    box.put_aged(FreshnessChange(BTC.key, Freshness.STALE, 0.0, None))
    frame = box.take()
    assert len(frame.ticks) == len(frame.aged) == 1


def test_no_price_is_lost_between_two_threads():
    box = Mailbox(lambda: None)
    done = threading.Event()

    def fill() -> None:
        for number in range(20_000):
            box.put_tick(tick(BTC if number % 2 else ETH, 1.0 + number, change_pct=0.0))
        done.set()

    filler = threading.Thread(target=fill)
    filler.start()
    latest: dict[str, float] = {}
    while not done.is_set():
        for taken in box.take().ticks:
            assert taken.price > latest.get(taken.key, 0.0)
            latest[taken.key] = taken.price
    filler.join()
    latest.update((taken.key, taken.price) for taken in box.take().ticks)
    assert latest == {BTC.key: 20_000.0, ETH.key: 19_999.0}
