"""The engine: what happens to a quote and to a command, in which order. It has no thread of its own.

A quote is vetted into a tick, the tick is held against the signal rule, values the portfolio and is shown to
the bots, then it is published. Signals of one batch are stored in one transaction before they are published,
and so are the bots' steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.bars.keeper import BarKeeper
from core.clock import Clock
from core.commands import InstrumentsChanged
from core.config import Config
from core.engine.clock_watch import ClockWatch
from core.engine.crosscheck import CrossCheck
from core.engine.days import ExchangeDays
from core.engine.doubts import Doubts
from core.engine.noise import make_filter
from core.engine.outbox import Outbox
from core.engine.parts import RemoteDeskFactory, bar_store, make_book, make_desk
from core.engine.portfolio import Portfolio
from core.engine.signals import SignalRule, daily_volatility
from core.engine.signals_out import SignalsOut
from core.engine.worlds import StoreFactory, counts_simulated, noise_of, replays, trades_simulation, world_of
from core.errors import StorageError
from core.events import EventBus
from core.exchanges import EXCHANGES
from core.market_calendar import MarketCalendar, MarketState
from core.model import Bar, Instrument, Quote, Signal, Tick
from core.notifications.routes import Routes
from core.replay.clock import real_clock
from core.sources.base import DailyCloses
from core.storage.base import Store

if TYPE_CHECKING:
    from core.bots.desk import BotDesk
    from core.cluster.remote_desk import RemoteDesk

log = logging.getLogger(__name__)

DAY = 86_400.0
AGE_EVERY = 1.0
"""Seconds between two looks for prices that have gone stale."""


class Engine:
    """Owns prices, signals and portfolio. Every method belongs to one thread, the engine's."""

    def __init__(
        self, config: Config, open_store: StoreFactory, clock: Clock, bus: EventBus,
        routes: Routes | None = None, remote: RemoteDeskFactory | None = None,
    ) -> None:  # fmt: skip
        """Opens the store; `routes` tell which notifications are accepted into its outbox, without it none.
        `remote` makes the desk of bots that run in workers, where the configuration wants that.

        Raises `StorageError`, or `InputError` for closures that are none.
        """
        self.config = config
        self.clock = clock
        self.bus = bus
        self._open_store = open_store
        self._switch(config)
        simulated = counts_simulated(config)
        real_time = config.real_time
        self._real_clock = real_clock(clock)
        self.on_look: Callable[[float, float], None] | None = None
        """Called with the time by which each look for aged prices was made."""
        self.on_wake: Callable[[], None] = lambda: None
        """Called from any thread when `end_batch` should be called soon."""
        self._calendar = MarketCalendar(config.extra_closures)
        self.prices = make_book(config, self._calendar, clock)
        self.cross = CrossCheck(real_time.cross_check_pct, self._calendar)
        self.rule = SignalRule(
            real_time.signal_threshold_pct, real_time.signal_cooldown_sec, trade_simulation=simulated
        )
        self.rule.noise = make_filter(*noise_of(config))
        self.days = ExchangeDays(self.prices)
        self._clocks = ClockWatch(clock, bus)
        self.portfolio = Portfolio(self.days.start, trade_simulation=simulated)
        self._doubts = Doubts(bus, self.portfolio, lambda: self.bots)
        self.instruments: tuple[Instrument, ...] = ()
        self._next_age = 0.0
        self._next_portfolio = 0.0
        self._routes = routes
        self._remote = remote
        self.store = open_store(config)
        self.outbox = Outbox(self.store, self._real_clock, bus, routes)
        self.signals_out = SignalsOut(self.store, bus)
        self.bars = BarKeeper(
            bar_store(config, self.store), self._calendar, self._real_clock, bus, simulated=simulated,
            round_the_clock=trades_simulation(config), keep_days=config.storage.keep_minute_bars_days,
        )  # fmt: skip
        try:
            self._load()
            self.bots = self._make_desk()
        except BaseException:
            self.store.close()
            raise
        self._botted = self.bots.by_key
        # Bound here, for to bind them costs as much as what they do with most ticks.
        self._steps = (self.check_signal, self.update_portfolio)

    # --- the way of a quote -------------------------------------------------------------------------

    def begin_batch(self) -> None:
        """Take the time by which the quotes that follow are judged."""
        self.prices.read_clocks()

    def on_quote(self, quote: Quote) -> None:
        """Take a quote all the way."""
        check_signal, update_portfolio = self._steps
        self.process(quote, check_signal, update_portfolio)

    def process(
        self, quote: Quote, check_signal: Callable[[Tick], object], update_pnl: Callable[[Tick], object]
    ) -> None:
        """The order of work for one quote, in this one place; the worker passes steps of its own."""
        conflict = self.cross.hear(quote)
        if conflict is not None:
            self._doubts.tell_conflict(conflict)
        tick = self.prices.vet(quote)
        if tick is None:
            return
        check_signal(tick)
        update_pnl(tick)
        if tick.key in self._botted:
            self.bots.on_tick(quote, tick, self.prices.states[tick.key])
        if quote.span:
            self.bars.add_told(quote, tick)
        else:
            self.bars.add(tick)
        self.bus.publish(tick)

    def check_signal(self, tick: Tick) -> Signal | None:
        """Hold `tick` against the signal rule; a signal is stored and published at the end of the batch."""
        if not self._signals_on or tick.key in self.cross.held:
            return None
        state = self.prices.states[tick.key]
        if state.effective < state.newest:
            return None  # An older price than one that was already seen is shown, but moves nothing.
        signal = self.rule.check(tick, state.session, state.gap)
        if signal is not None:
            self.signals_out.waiting.append(signal)
        return signal

    def update_portfolio(self, tick: Tick) -> None:
        """Value the positions in this instrument."""
        if self._portfolio_on:
            self.portfolio.on_tick(tick)

    def end_batch(self) -> None:
        """Store and publish the signals, look for stale prices once a second, publish the portfolio."""
        quiet = not self.signals_out.waiting
        if self.signals_out.waiting:
            self.signals_out.publish()
        now = self._real_clock.monotonic()
        if now >= self._next_age:
            self._next_age = now + AGE_EVERY
            if not replays(self.config):
                self._clocks.look()
                self._every_second()
                self.bars.prune()
                self.outbox.look(quiet=quiet)
                if self.on_look is not None:
                    self.on_look(*self.prices.judged_at)
        if self._botted:
            self.bots.end_batch(now)
        self.bars.end_batch(now)
        self.outbox.flush()
        if self.portfolio.dirty and now >= self._next_portfolio:
            self._next_portfolio = now + self.config.real_time.update_interval_ms / 1000.0
            self.publish_portfolio()

    def end_replayed(self, *, look: bool) -> None:
        """As `end_batch`, but the recording says when to `look` for stale prices, not the clock."""
        if self.signals_out.waiting:
            self.signals_out.publish()
        if look:
            self._every_second()
        if self._botted:
            self.bots.end_batch(self._real_clock.monotonic())

    def start_over(self) -> None:
        """A replay begins: nothing is known yet."""
        self.signals_out.publish()
        self.signals_out.count = 0
        self.prices.keep_only(())
        self._drop_conflicts()
        self.rule.forget()
        self.bars.start_over(bar_store(self.config, self.store))
        self.bots.start_over()

    def publish_portfolio(self) -> None:
        """Tell what the positions are worth now."""
        self.bus.publish(self.portfolio.snapshot(self.clock.time()))

    def next_wake(self) -> float:
        """Seconds until `end_batch` has something to do even if nothing arrives."""
        now = self._real_clock.monotonic()
        due = min(self._next_age, self.bars.next_due())
        if self._botted:
            due = min(due, self.bots.next_due())
        if self.portfolio.dirty:
            due = min(due, self._next_portfolio)
        return max(0.0, due - now)

    def on_daily(self, daily: DailyCloses) -> None:
        """Take the finished sessions' closes: the previous close, and how volatile the instrument is."""
        if not daily.closes:
            return
        day = self._calendar.state(daily.key.partition(":")[0], self.clock.time()).session_day
        close = daily.before(day) if daily.days else daily.closes[-1]
        if close is not None:
            self.prices.offer_previous_close(daily.key, close)
            if daily.source and daily.days:
                conflict = self.cross.hear_close(daily.key, daily.source, close, self.clock.time())
                if conflict is not None:
                    self._doubts.tell_conflict(conflict)
        volatility = daily_volatility(daily.closes)
        self.rule.set_volatility(daily.key, volatility)
        self.bots.on_volatility(daily.key, volatility)

    def on_history(self, key: str, seconds: int, bars: Sequence[Bar]) -> None:
        """A provider's bars of the past have come."""
        self.bars.on_history(key, seconds, bars)
        self.bots.on_history(key)

    # --- state --------------------------------------------------------------------------------------

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Watch exactly these instruments; prices of the others are forgotten."""
        self.instruments = tuple(dict.fromkeys(instruments))
        self.forget_unpriced()
        self.bus.publish(InstrumentsChanged(self.instruments))

    def forget_unpriced(self) -> None:
        """Forget the prices of instruments that need none any more."""
        wanted = [instrument.key for instrument in self.priced()]
        self.prices.keep_only(wanted)
        self.cross.keep_only(wanted)

    def priced(self) -> tuple[Instrument, ...]:
        """The instruments that need a price, most needed first: those that bots trade, then those that are
        held, then those watched."""
        held = [Instrument.from_key(key) for key in (*self.bots.keys(), *self.portfolio.keys)]
        return tuple(dict.fromkeys((*held, *self.instruments)))

    @property
    def preferred(self) -> frozenset[str]:
        """The instruments whose prices must not be late: those of bots, and those that are held."""
        return frozenset((*self.bots.keys(), *self.portfolio.keys))

    def apply(self, config: Config) -> None:
        """Work by another configuration; a change between real and simulated prices changes the database.

        Raises `StorageError` or `InputError` and then has changed nothing.
        """
        old = self.config
        simulated = counts_simulated(config)
        another_world = world_of(config) != world_of(old)
        calendar = MarketCalendar(config.extra_closures)
        store = self._open_store(config) if another_world else self.store
        self.config = config
        self._switch(config)
        if self._routes is not None:
            self._routes.configure(config)
        self.prices.stale_after = config.real_time.stale_after_sec
        if config.real_time.cross_check_pct != old.real_time.cross_check_pct:
            self._drop_conflicts()
        if config.extra_closures != old.extra_closures:
            self._calendar = calendar
            self.prices.set_calendar(calendar)
            self.cross.calendar = calendar
            self.bars.set_calendar(calendar)
            self.bots.set_calendar(calendar)
        self.bars.keep_days = config.storage.keep_minute_bars_days
        self.rule.configure(
            config.real_time.signal_threshold_pct, config.real_time.signal_cooldown_sec,
            trade_simulation=simulated,
        )  # fmt: skip
        if noise_of(config) != noise_of(old):
            self.rule.noise = make_filter(*noise_of(config))
        if another_world:
            self._change_world(store, config)
        else:
            self.bots.apply(config)

    def age_prices(self) -> None:
        """Judge all prices by the clocks of now, and tell which have aged."""
        self._doubts.tell_aged(self.prices.age())

    def expire_prices(self) -> None:
        """The feed stopped: nothing that was received is live any more."""
        self._doubts.tell_aged(self.prices.expire_all())

    def on_source_lost(self, source: str) -> None:
        """A push connection broke: what it told is not live until somebody tells it again."""
        self._doubts.tell_aged(self.prices.expire_from(source))

    def refresh_ledger(self) -> None:
        """Read the open positions and today's trades from the store into the portfolio, valued as before."""
        self.days.fill(self.portfolio, self.store)
        if self._portfolio_on:
            for tick in self.prices.ticks():
                self.portfolio.on_tick(tick)

    def market(self, exchange: str, now: float) -> MarketState:
        """The exchange's session at the Unix time `now`. From any thread."""
        return self._calendar.state(exchange, now)

    def close(self) -> None:
        """Write what is waiting and close the store. Idempotent."""
        try:
            self.signals_out.close()
            self.bots.close()
            self.outbox.close()
            self.bars.close()
        finally:
            self.store.close()

    def _switch(self, config: Config) -> None:
        self._signals_on = config.real_time.enable_signal_triggers
        self._portfolio_on = config.real_time.enable_portfolio_tracking

    def _load(self) -> None:
        self.refresh_ledger()
        if replays(self.config):
            return  # the same recording must give the same signals, whatever the last replay gave
        recent = self.store.signals(self.clock.time() - 7 * DAY, limit=5000)
        self.rule.restore(recent, {code: self.prices.session_open(code) for code in EXCHANGES})

    def _change_world(self, store: Store, config: Config) -> None:
        """Real, simulated and replayed trading share nothing: no database, no prices, no references."""
        self.signals_out.close()
        self.bots.close()
        self.outbox.close()
        self.bars.flush()
        self.store.close()
        self.store = store
        self.outbox = Outbox(store, self._real_clock, self.bus, self._routes)
        self.signals_out.change_store(store)
        self.portfolio.trade_simulation = counts_simulated(config)
        self._drop_conflicts()
        self.prices = self.days.prices = make_book(config, self._calendar, self.clock)
        self._clocks.start_over()
        self.rule.forget()
        self.portfolio.set_positions(())
        self.bars.change_world(
            bar_store(config, self.store), simulated=counts_simulated(config),
            round_the_clock=trades_simulation(config),
        )  # fmt: skip
        self._load()
        self.bots = self._make_desk()
        self._botted = self.bots.by_key

    def _make_desk(self) -> BotDesk | RemoteDesk:
        """The bots of this world, with their stops armed; only true prices go to workers."""
        from core.bots.surroundings import Surroundings

        config = self.config
        around = Surroundings(
            store=self.store, clock=self.clock, real_clock=self._real_clock, bus=self.bus,
            calendar=self._calendar, bars=self.bars, holds=self.cross.holds,
            signal_memory=self.rule.dump, age=self.age_prices, simulated=counts_simulated(config),
            round_the_clock=trades_simulation(config), patient=replays(config),
        )  # fmt: skip
        return make_desk(config, around, self._remote, self._wake)

    def _wake(self) -> None:
        self.on_wake()

    def _every_second(self) -> None:
        self.age_prices()
        for conflict in self.cross.expire(self.clock.time()):
            self._doubts.tell_conflict(conflict)
        self.signals_out.retry()
        self._clocks.suspect(self.prices.clock_suspect)
        self._begin_days()
        self.bots.every_second()

    def _drop_conflicts(self) -> None:
        """Begin to compare anew; nothing is held."""
        self._doubts.tell_dropped(self.cross.start_over(self.config.real_time.cross_check_pct))

    def _begin_days(self) -> None:
        """When a session has opened somewhere, what was realised before is no longer today's."""
        if not self.days.begun():
            return
        try:
            self.refresh_ledger()
        except StorageError as error:
            log.warning("the day's trades cannot be read yet: %s", error)
