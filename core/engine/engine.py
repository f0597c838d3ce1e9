"""The engine: what happens to a quote and to a command, in which order. It has no thread of its own.

A quote is vetted into a tick, the tick is held against the signal rule and values the portfolio, then it is
published. Signals of one batch are stored in one transaction before they are published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from core.clock import Clock
from core.commands import InstrumentsChanged
from core.config import Config
from core.engine.journal import SignalJournal
from core.engine.portfolio import Portfolio
from core.engine.prices import PriceBook
from core.engine.signals import SignalRule, daily_volatility
from core.events import EventBus
from core.exchanges import EXCHANGES
from core.market_calendar import MarketCalendar
from core.model import Instrument, Notice, Quote, Signal, Tick
from core.sources.base import DailyCloses
from core.storage.base import Store

log = logging.getLogger(__name__)

DAY = 86_400.0
AGE_EVERY = 1.0
"""Seconds between two looks for prices that have gone stale."""

StoreFactory = Callable[[Config], Store]


def trades_simulation(config: Config) -> bool:
    """Whether the user chose the simulator, so that its prices count as far as they can."""
    return config.real_time.live_data_source == "simulation"


class Engine:
    """Owns prices, signals and portfolio. Every method belongs to one thread, the engine's."""

    def __init__(self, config: Config, open_store: StoreFactory, clock: Clock, bus: EventBus) -> None:
        self.config = config
        self.clock = clock
        self.bus = bus
        self._open_store = open_store
        simulated = trades_simulation(config)
        real_time = config.real_time
        self.prices = PriceBook(MarketCalendar(config.extra_closures), clock, real_time.stale_after_sec)
        self.rule = SignalRule(
            real_time.signal_threshold_pct, real_time.signal_cooldown_sec, trade_simulation=simulated
        )
        self.portfolio = Portfolio(self.prices.session_open, trade_simulation=simulated)
        self.instruments: tuple[Instrument, ...] = ()
        self._signals: list[Signal] = []
        self._store_error = ""
        self._clock_warned = False
        self._next_age = 0.0
        self._next_portfolio = 0.0
        self.store = open_store(config)
        self._journal = SignalJournal(self.store)
        self._load()

    # --- the way of a quote -------------------------------------------------------------------------

    def on_quote(self, quote: Quote) -> None:
        """The order of work for one quote."""
        tick = self.prices.vet(quote)
        if tick is not None:
            self.check_signal(tick)
            self.update_portfolio(tick)
            self.bus.publish(tick)

    def check_signal(self, tick: Tick) -> Signal | None:
        """Hold `tick` against the signal rule; a signal is stored and published at the end of the batch."""
        if not self.config.real_time.enable_signal_triggers:
            return None
        state = self.prices.state(tick.key)
        signal = self.rule.check(tick, state.session, state.gap)
        if signal is not None:
            self._signals.append(signal)
        return signal

    def update_portfolio(self, tick: Tick) -> None:
        """Value the positions in this instrument."""
        if self.config.real_time.enable_portfolio_tracking:
            self.portfolio.on_tick(tick)

    def end_batch(self) -> None:
        """Store and publish the signals, look for stale prices once a second, publish the portfolio."""
        if self._signals:
            self._publish_signals()
        now = self.clock.monotonic()
        if now >= self._next_age:
            self._next_age = now + AGE_EVERY
            self._every_second()
        if self.portfolio.dirty and now >= self._next_portfolio:
            self._next_portfolio = now + self.config.real_time.update_interval_ms / 1000.0
            self.bus.publish(self.portfolio.snapshot(self.clock.time()))

    def next_wake(self) -> float:
        """Seconds until `end_batch` has something to do even if nothing arrives."""
        now = self.clock.monotonic()
        due = self._next_age
        if self.portfolio.dirty:
            due = min(due, self._next_portfolio)
        return max(0.0, due - now)

    def on_daily(self, daily: DailyCloses) -> None:
        """Take the finished sessions' closes: the previous close, and how volatile the instrument is."""
        self.prices.set_previous_close(daily.key, daily.closes[-1])
        self.rule.set_volatility(daily.key, daily_volatility(daily.closes))

    # --- state --------------------------------------------------------------------------------------

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Watch exactly these instruments; prices of the others are forgotten."""
        self.instruments = tuple(dict.fromkeys(instruments))
        held = {position.key for position in self.store.positions()}
        self.prices.keep_only({instrument.key for instrument in self.instruments} | held)
        self.bus.publish(InstrumentsChanged(self.instruments))

    def apply(self, config: Config) -> None:
        """Work by another configuration; a change between real and simulated prices changes the database."""
        old, self.config = self.config, config
        real_time = config.real_time
        simulated = trades_simulation(config)
        self.prices.stale_after = real_time.stale_after_sec
        if config.extra_closures != old.extra_closures:
            self.prices.set_calendar(MarketCalendar(config.extra_closures))
        self.rule.configure(
            real_time.signal_threshold_pct, real_time.signal_cooldown_sec, trade_simulation=simulated
        )
        if simulated != trades_simulation(old) or config.storage != old.storage:
            self._change_world(config, simulated)

    def expire_prices(self) -> None:
        """The feed stopped: nothing that was received is live any more."""
        for change in self.prices.expire_all():
            self.portfolio.on_freshness(change.key, change.freshness)
            self.bus.publish(change)

    def refresh_ledger(self) -> None:
        """Read the open positions and today's trades from the store into the portfolio."""
        self.portfolio.set_positions(self.store.positions())
        today = {code: self._local_midnight(code) for code in EXCHANGES}
        trades = self.store.trades(min(today.values()), limit=100_000)
        self.portfolio.set_realised_today(t for t in trades if t.closed_at >= today[t.exchange])

    def close(self) -> None:
        """Write what is waiting and close the store. Idempotent."""
        self._publish_signals()
        self.store.close()

    def _load(self) -> None:
        self.refresh_ledger()
        recent = self.store.signals(self.clock.time() - 7 * DAY, limit=5000)
        self.rule.restore(recent, {code: self.prices.session_open(code) for code in EXCHANGES})

    def _change_world(self, config: Config, simulated: bool) -> None:
        """Real and simulated trading share nothing: another database, no old prices, no old references."""
        store = self._open_store(config)
        self._publish_signals()
        self.store.close()
        self.store = self._journal.store = store
        self.portfolio.trade_simulation = simulated
        self.prices.keep_only(())
        self.rule.forget()
        self.portfolio.set_positions(())
        self._load()

    def _local_midnight(self, exchange: str) -> float:
        local = datetime.fromtimestamp(self.clock.time(), EXCHANGES[exchange].zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def _publish_signals(self) -> None:
        signals, self._signals = self._signals, []
        self._tell_store_error(self._journal.add(signals))
        for signal in signals:
            self.bus.publish(signal)

    def _every_second(self) -> None:
        for change in self.prices.age():
            self.portfolio.on_freshness(change.key, change.freshness)
            self.bus.publish(change)
        if self._store_error:
            self._tell_store_error(self._journal.flush())
        if self.prices.clock_suspect and not self._clock_warned:
            self.bus.publish(Notice("error", "engine.clock_wrong"))
        self._clock_warned = self.prices.clock_suspect

    def _tell_store_error(self, error: str) -> None:
        if error and error != self._store_error:
            self.bus.publish(Notice("error", "engine.not_stored", {"error": error}))
        elif self._store_error and not error:
            self.bus.publish(Notice("info", "engine.stored_again"))
        self._store_error = error
