"""The engine step by step: signals stored before they are told, new days, jumping clocks, two worlds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from core.clock import FakeClock
from core.commands import InstrumentsChanged
from core.config import Config, RealTimeConfig, StorageConfig
from core.engine import journal as journal_module
from core.engine.engine import Engine
from core.engine.journal import SignalJournal
from core.engine.worlds import trades_simulation
from core.errors import InputError, StorageError
from core.events import EventBus
from core.model import (
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
from tests.scripted import AAPL, ASELS, THYAO, WEDNESDAY, Events, FailingStore, at, quote


def config(**real_time: Any) -> Config:
    return Config(real_time=RealTimeConfig(**{"live_data_source": "tvdatafeed"} | real_time))


def position(on: Instrument = ASELS, **fields: Any) -> Position:
    values: dict[str, Any] = {
        "quantity": Decimal(10), "entry_price": Decimal(90), "opened_at": WEDNESDAY - 90_000,
    } | fields  # fmt: skip
    return Position(symbol=on.symbol, exchange=on.exchange, **values)


class Bench:
    """An engine over memory stores, one per world, and everything that it publishes."""

    def __init__(self, now: float = WEDNESDAY, *positions: Position, **real_time: Any) -> None:
        self.clock = FakeClock(now)
        self.bus = EventBus()
        self.stores: list[FailingStore] = []
        self.prepare: Callable[[FailingStore], None] = lambda store: None
        self.first = FailingStore()
        self.first.add_positions(positions)
        self.spare: list[FailingStore] = [self.first]
        self.events = Events(
            self.bus, Tick, Signal, PortfolioSnapshot, Notice, FreshnessChange, InstrumentsChanged
        )
        self.engine = Engine(config(**real_time), self.open, self.clock, self.bus)

    def open(self, _: Config) -> FailingStore:
        store = self.spare.pop() if self.spare else FailingStore()
        self.prepare(store)
        self.stores.append(store)
        return store

    def see(self, price: float = 100.0, on: Instrument = ASELS, **fields: Any) -> None:
        """One quote of this moment, in a batch of its own."""
        now = self.clock.time()
        values: dict[str, Any] = {"stamp": now, "received": now, "previous_close": 100.0} | fields
        self.engine.begin_batch()
        self.engine.on_quote(quote(on, price, **values))
        self.engine.end_batch()

    def wait(self, seconds: float) -> None:
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            self.engine.end_batch()
            seconds -= 1.0

    def notices(self) -> list[str]:
        return [notice.key for notice in self.events.of(Notice)]

    def portfolio(self) -> PortfolioSnapshot:
        self.engine.publish_portfolio()
        return self.events.of(PortfolioSnapshot)[-1]


# --- the way of a quote ---------------------------------------------------------------------------------


def test_a_quote_becomes_a_tick_a_signal_and_a_portfolio():
    bench = Bench(WEDNESDAY, position())
    bench.see(103.0)
    assert [e.price for e in bench.events.of(Tick)] == [103.0]
    (signal,) = bench.events.of(Signal)
    assert (signal.price, signal.reference_price) == (103.0, 100.0)
    assert bench.first.signals()[0].price == 103.0
    assert bench.events.of(PortfolioSnapshot)[-1].totals[0].open_pnl == 130.0


def test_the_signals_of_a_batch_are_one_transaction_before_they_are_told():
    bench = Bench()
    told: list[int] = []
    bench.bus.subscribe(Signal, lambda signal: told.append(len(bench.first.signals())))
    bench.engine.begin_batch()
    for on in (ASELS, THYAO):
        bench.engine.on_quote(quote(on, 103.0, previous_close=100.0))
    assert bench.events.of(Signal) == []
    bench.engine.end_batch()
    assert bench.first.batches == [2] and told == [2, 2]


def test_a_refused_quote_goes_no_further():
    bench = Bench()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.engine.prices.log.warning", lambda *a: None)
        bench.see(math.nan)
    assert bench.events.of(Tick) == []


def test_signals_and_tracking_can_be_switched_off():
    bench = Bench(WEDNESDAY, position(), enable_signal_triggers=False, enable_portfolio_tracking=False)
    bench.see(103.0)
    assert bench.events.of(Signal) == [] and bench.portfolio().rows[0].price is None
    bench.engine.apply(config())
    bench.clock.advance(1)
    bench.see(103.0)
    assert len(bench.events.of(Signal)) == 1 and bench.portfolio().rows[0].price == 103.0


def test_an_older_price_that_ends_a_simulated_one_gives_no_signal():
    bench = Bench()
    bench.see(100.0)
    bench.wait(61)
    bench.see(500.0, simulated=True, source="simulation")
    late = bench.clock.time() - 900.0
    bench.see(90.0, stamp=late, source="beta", declared_delay=900.0)
    assert bench.events.of(Tick)[-1].price == 90.0
    assert bench.events.of(Signal) == []


def test_the_portfolio_is_told_at_most_once_per_interval():
    bench = Bench(WEDNESDAY, position(), update_interval_ms=500)
    bench.see(101.0)
    count = len(bench.events.of(PortfolioSnapshot))
    bench.see(101.5, stamp=WEDNESDAY)
    assert len(bench.events.of(PortfolioSnapshot)) == count
    assert 0 < bench.engine.next_wake() <= 0.5
    bench.clock.advance(0.5)
    assert bench.engine.next_wake() == 0.0
    bench.engine.end_batch()
    assert bench.events.of(PortfolioSnapshot)[-1].rows[0].price == 101.5
    assert 0 < bench.engine.next_wake() <= 1.0


def test_prices_age_once_a_second_and_positions_with_them():
    bench = Bench(WEDNESDAY, position())
    bench.see(101.0)
    bench.wait(61)
    assert [c.freshness for c in bench.events.of(FreshnessChange)] == [Freshness.STALE]
    assert bench.portfolio().totals[0].stale_positions == 1
    bench.see(102.0)
    bench.engine.expire_prices()
    assert bench.portfolio().totals[0].stale_positions == 1


def test_fallback_simulation_values_nothing_and_signals_nothing():
    bench = Bench(WEDNESDAY, position())
    bench.see(101.0)
    bench.clock.advance(61)
    bench.see(500.0, simulated=True, source="simulation")
    assert bench.events.of(Tick)[-1].freshness is Freshness.SIMULATED
    assert bench.events.of(Signal) == []
    snapshot = bench.portfolio()
    assert snapshot.rows[0].price == 101.0 and snapshot.totals[0].stale_positions == 1


def test_one_failing_subscriber_does_not_stop_the_others(caplog):
    bench = Bench()
    seen: list[Tick] = []

    def fail(_: Tick) -> None:
        raise ValueError("my own fault")

    unsubscribe = bench.bus.subscribe(Tick, fail)
    bench.bus.subscribe(Tick, seen.append)
    bench.see(100.0)
    assert len(seen) == 1 and "a subscriber of Tick failed" in caplog.text
    unsubscribe()
    unsubscribe()
    caplog.clear()
    bench.clock.advance(1)
    bench.see(101.0)
    assert len(seen) == 2 and caplog.text == ""


# --- daily closes ---------------------------------------------------------------------------------------


def test_daily_closes_give_the_previous_close_of_the_session_and_the_volatility():
    bench = Bench()
    days = tuple(date(2026, 11, day) for day in (10, 11, 12, 13, 16, 17, 18))
    bench.engine.on_daily(DailyCloses(ASELS.key, (100.0, 101.0, 100.0, 101.0, 100.0, 50.0, 999.0), days))
    bench.see(51.0, previous_close=None)
    tick = bench.events.of(Tick)[-1]
    assert tick.previous_close == 50.0 and tick.change_pct == pytest.approx(2.0)
    (signal,) = bench.events.of(Signal)
    assert signal.confidence < 0.1, "for one as wild as that"


def test_daily_closes_without_dates_end_with_the_previous_one():
    bench = Bench()
    bench.engine.on_daily(DailyCloses(ASELS.key, (80.0, 90.0)))
    bench.engine.on_daily(DailyCloses(THYAO.key, ()))
    bench.engine.on_daily(DailyCloses(AAPL.key, (80.0,), (date(2026, 12, 1),)))
    bench.see(90.0, previous_close=None)
    assert bench.events.of(Tick)[-1].previous_close == 90.0


# --- what is watched ------------------------------------------------------------------------------------


def test_what_is_held_needs_a_price_first_and_unwatched_prices_are_forgotten():
    bench = Bench(WEDNESDAY, position(THYAO))
    bench.engine.watch((ASELS, AAPL, ASELS))
    assert bench.engine.instruments == (ASELS, AAPL)
    assert bench.events.of(InstrumentsChanged) == [InstrumentsChanged((ASELS, AAPL))]
    assert bench.engine.priced() == (THYAO, ASELS, AAPL)
    for on in (ASELS, THYAO):
        bench.see(on=on)
    bench.engine.watch((AAPL,))
    assert [tick.key for tick in bench.engine.prices.ticks()] == [THYAO.key]


# --- a store that fails ---------------------------------------------------------------------------------


@pytest.mark.allow_log("could not be stored")
def test_signals_that_cannot_be_stored_are_told_and_stored_later():
    bench = Bench()
    bench.first.broken = True
    bench.see(103.0)
    assert len(bench.events.of(Signal)) == 1
    bench.see(103.0, THYAO)
    assert bench.notices() == ["engine.not_stored"], "said once"
    bench.first.broken = False
    bench.wait(1)
    assert bench.notices() == ["engine.not_stored", "engine.stored_again"]
    assert {signal.key for signal in bench.first.signals()} == {ASELS.key, THYAO.key}


@pytest.mark.allow_log("could not be stored", "never stored")
def test_what_could_never_be_stored_is_admitted():
    bench = Bench()
    bench.first.broken = True
    bench.see(103.0)
    bench.engine.close()
    assert bench.first.closed


def test_too_many_unwritten_signals_are_dropped_oldest_first(caplog, monkeypatch):
    monkeypatch.setattr(journal_module, "MAX_KEPT", 3)
    store = FailingStore()
    store.broken = True
    journal = SignalJournal(store)
    journal._waiting = type(journal._waiting)(maxlen=3)
    bench = Bench()
    for number in range(5):
        bench.see(103.0 * 1.03**number)
        bench.clock.advance(10)
    signals = bench.events.of(Signal)
    assert journal.add(signals[:2]) == "the disk is full"
    assert journal.add(signals[2:]) == "the disk is full"
    assert "2 signals were never stored" in caplog.text
    store.broken = False
    assert journal.flush() == "" == journal.flush()
    assert [s.price for s in store.signals()][::-1] == [s.price for s in signals[2:]]


def test_an_engine_that_cannot_load_closes_its_store():
    store = FailingStore()
    store.broken = True
    with pytest.raises(StorageError):
        Engine(config(), lambda _: store, FakeClock(WEDNESDAY), EventBus())
    assert store.closed


# --- restart and days -----------------------------------------------------------------------------------


def test_a_restart_within_the_session_does_not_alert_anew():
    bench = Bench()
    bench.see(103.0)
    again = Engine(config(), lambda _: bench.first, bench.clock, bench.bus)
    bench.clock.advance(60)
    again.begin_batch()
    again.on_quote(quote(ASELS, 103.5, stamp=bench.clock.time(), previous_close=100.0))
    again.end_batch()
    assert len(bench.events.of(Signal)) == 1


def test_what_was_realised_counts_until_the_next_session_opens():
    bench = Bench(at("2026-11-18 17:00"), position(id=1), position(id=2))
    bench.first.close_position(1, Decimal(100), bench.clock.time())
    bench.engine.refresh_ledger()
    assert bench.portfolio().totals[0].realised_today == 100.0
    bench.clock.set_time(at("2026-11-19 09:59"))
    bench.wait(1)
    assert bench.portfolio().totals[0].realised_today == 100.0
    bench.wait(120)
    assert bench.portfolio().totals[0].realised_today == 0.0


def test_a_position_of_the_early_morning_counts_as_todays():
    bench = Bench(at("2026-11-18 14:00"), position(opened_at=at("2026-11-18 08:00")))
    bench.see(95.0, previous_close=50.0)
    assert bench.portfolio().rows[0].daily_pnl == 50.0
    assert bench.engine.days.start("BIST") == at("2026-11-18 00:00")


@pytest.mark.allow_log("cannot be read yet")
def test_a_day_that_begins_while_the_store_fails_begins_later():
    bench = Bench(at("2026-11-18 09:59:58"), position(id=1), position(id=2))
    bench.first.close_position(1, Decimal(100), at("2026-11-17 15:00"))
    bench.engine.refresh_ledger()
    bench.first.broken = True
    bench.wait(4)
    assert bench.portfolio().totals[0].realised_today == 100.0
    bench.first.broken = False
    bench.wait(2)
    assert bench.portfolio().totals[0].realised_today == 0.0


# --- clocks ---------------------------------------------------------------------------------------------


@pytest.mark.allow_log("refused a quote")
def test_prices_from_the_future_accuse_the_clock_once():
    bench = Bench()
    for _ in range(5):
        bench.see(stamp=bench.clock.time() + 3600)
    bench.wait(3)
    assert bench.notices() == ["engine.clock_wrong"]
    bench.see()
    bench.wait(1)
    for _ in range(5):
        bench.see(stamp=bench.clock.time() + 3600)
    bench.wait(1)
    assert bench.notices() == ["engine.clock_wrong"] * 2


def test_a_sleep_and_a_clock_set_back_are_told():
    bench = Bench()
    bench.wait(2)
    assert bench.notices() == []
    bench.clock.set_time(bench.clock.time() + 600)
    bench.wait(1)
    bench.clock.set_time(bench.clock.time() - 600)
    bench.wait(2)
    bench.clock.advance(90)
    bench.wait(1)
    told = [(n.key, n.params) for n in bench.events.of(Notice)]
    assert told == [
        ("engine.slept", {"minutes": 10}), ("engine.clock_set_back", {}), ("engine.slept", {"minutes": 2}),
    ]  # fmt: skip


# --- two worlds -----------------------------------------------------------------------------------------


def test_a_change_to_the_simulator_changes_the_store_and_forgets_all_prices():
    bench = Bench(WEDNESDAY, position())
    bench.see(103.0)
    bench.engine.apply(config(live_data_source="simulation"))
    assert trades_simulation(bench.engine.config)
    assert len(bench.stores) == 2 and bench.first.closed
    assert bench.engine.prices.ticks() == [] and bench.portfolio().rows == ()
    bench.see(500.0, simulated=True, previous_close=400.0, source="simulation")
    assert bench.stores[1].signals()[0].simulated
    bench.engine.apply(config())
    assert len(bench.stores) == 3 and not trades_simulation(bench.engine.config)


def test_other_settings_keep_store_and_prices():
    bench = Bench()
    bench.see(101.0)
    bench.engine.apply(config(stale_after_sec=10.0, signal_threshold_pct=1.0))
    assert len(bench.stores) == 1
    bench.clock.advance(1)
    bench.see(101.0)
    assert len(bench.events.of(Signal)) == 1
    bench.wait(11)
    assert bench.events.of(FreshnessChange)[-1].freshness is Freshness.STALE
    bench.engine.apply(replace(config(), extra_closures=("BIST:2026-11-18",)))
    bench.wait(1)
    bench.see(102.0)
    assert bench.events.of(Tick)[-1].freshness is Freshness.CLOSED


def test_another_database_is_another_world_too():
    bench = Bench()
    bench.engine.apply(replace(config(), storage=StorageConfig(url="sqlite:///elsewhere.db")))
    assert len(bench.stores) == 2


@pytest.mark.parametrize("fault", ["store", "closure"])
def test_a_change_that_fails_changes_nothing(fault):
    bench = Bench(WEDNESDAY, position())
    before = bench.engine.config

    def refuse(store: FailingStore) -> None:
        raise StorageError("no disk")

    bench.prepare = refuse
    wanted = config(live_data_source="simulation")
    with pytest.raises(StorageError if fault == "store" else InputError):
        bench.engine.apply(wanted if fault == "store" else replace(wanted, extra_closures=("nonsense",)))
    assert bench.engine.config is before and bench.engine.store is bench.first and not bench.first.closed
    bench.see(103.0)
    bench.see(500.0, on=THYAO, simulated=True, previous_close=400.0)
    assert [signal.key for signal in bench.first.signals()] == [ASELS.key]


@pytest.mark.allow_log("could not be stored", "never stored")
def test_unwritten_signals_of_one_world_never_reach_the_other():
    bench = Bench()
    bench.first.broken = True
    bench.see(103.0)
    bench.engine.apply(config(live_data_source="simulation"))
    bench.see(500.0, simulated=True, previous_close=400.0)
    assert [signal.simulated for signal in bench.stores[1].signals()] == [True]
