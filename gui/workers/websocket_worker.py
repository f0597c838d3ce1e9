"""The worker in whose thread the engine runs, and the bridge from its events to Qt signals.

The core never learns of Qt: the worker subscribes to the bus and emits. What may come thousands of times a
second goes through a mailbox that the window empties once per frame; everything else is one queued signal
with an immutable value.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QThread, pyqtSignal, pyqtSlot

from core.bots.model import BotAlert, BotFill, BotState, BotTrade
from core.clock import Clock, SystemClock
from core.commands import (
    BarsLoaded,
    BarUpdated,
    BotHistory,
    BotsLoaded,
    BotsRemembered,
    Command,
    CommandResult,
    History,
    InstrumentsChanged,
    OutboxDue,
    PositionsChanged,
    ScanInterrupted,
    SetInstruments,
    StartFeed,
    StopFeed,
    TradesChanged,
)
from core.config import Config
from core.config_file import parse_config
from core.engine.feed_diary import FeedDay
from core.engine.loop import LONGEST_WAIT, EngineLoop
from core.engine.worlds import StoreFactory
from core.errors import SwingHunterError
from core.events import EventBus
from core.feed.budget import PROCESS_BUDGETS, BudgetRegistry
from core.feed.messages import InstrumentUnknown
from core.i18n import tr
from core.instruments import parse_instrument
from core.model import (
    FeedStatus,
    FreshnessChange,
    Instrument,
    Notice,
    PortfolioSnapshot,
    Quote,
    Signal,
    SourceConflict,
    Tick,
)
from core.notifications.routes import Routes
from core.replay.clock import real_clock, replay_clock
from core.signal_text import reason
from core.sources.registry import create_source
from core.storage.base import Store
from gui.workers.mailbox import Frame, Mailbox
from gui.workers.price_throttle import PriceThrottle

if TYPE_CHECKING:
    from core.feed.live_feed import SourceFactory

log = logging.getLogger(__name__)

MOST_AT_ONCE = 500
JOIN_MS = 2500
ALIVE_EVERY = 0.5
"""Seconds at least between two signs of life."""
LAST_WORD = 0.25
"""Seconds at most for which the end waits, so that the latest prices come out and not too soon either."""
FORWARDED = (
    Signal, PortfolioSnapshot, FeedStatus, Notice, PositionsChanged, TradesChanged, History, CommandResult,
    InstrumentsChanged, InstrumentUnknown, BarsLoaded, BarUpdated,
    SourceConflict, BotsLoaded, BotTrade, BotFill, BotAlert, BotHistory, OutboxDue, FeedDay,
    ScanInterrupted, BotsRemembered,
)  # fmt: skip
"""Events that reach the window one by one through `core_event`."""


def memory_store(_config: Config) -> Store:
    """A ledger that lives as long as the worker, for one that was given no database."""
    from core.storage.memory_store import MemoryStore

    return MemoryStore()


def _as_config(config: Config | Mapping[str, Any] | None) -> Config:
    if isinstance(config, Config):
        return config
    return parse_config(config) if config else Config()


def _as_instrument(symbol: str | Instrument, exchange: str) -> Instrument:
    return symbol if isinstance(symbol, Instrument) else parse_instrument(symbol, exchange)


class WebSocketWorker(QThread):
    """Runs the engine: `start()` it, or `moveToThread` it and call `run` there.

    `symbols` are "ASELS" (on the configured exchange), "NASDAQ:AAPL" or `Instrument` values; `config` is a
    `Config` or a mapping in the shape of `swing_config.json`. With `autostart` the feed starts at once,
    otherwise with `start_feed`. Every signal is emitted from the engine's thread. One that was stopped may be
    started again. Raises `ConfigError` or `InputError` for what cannot be worked with.
    """

    price_updated = pyqtSignal(str, float, float)
    signal_triggered = pyqtSignal(dict)
    portfolio_updated = pyqtSignal(dict)
    connection_status = pyqtSignal(bool)
    error_occurred = pyqtSignal(str)
    tick_received = pyqtSignal(dict)
    bot_status_updated = pyqtSignal(dict)

    frame_waiting = pyqtSignal()
    """The mailbox stopped being empty: `take_frame` soon."""
    alive = pyqtSignal()
    """The engine's thread works: twice a second or as often as it wakes, with or without prices."""
    core_event = pyqtSignal(object)
    """One of `FORWARDED`."""

    def __init__(
        self,
        symbols: Sequence[str | Instrument],
        config: Config | Mapping[str, Any] | None = None,
        *,
        open_store: StoreFactory = memory_store,
        clock: Clock | None = None,
        autostart: bool = True,
        source_factory: SourceFactory = create_source,
        budgets: BudgetRegistry = PROCESS_BUDGETS,
        recordings: Path | None = None,
        routes: Routes | None = None,
        data_dir: Path | None = None,
    ) -> None:
        super().__init__()
        self._config = _as_config(config)
        self._instruments = tuple(_as_instrument(symbol, self._config.exchange) for symbol in symbols)
        clock = replay_clock(clock or SystemClock())
        self._clock = real_clock(clock)
        self._autostart = autostart
        self._loop = EngineLoop(
            self._config, open_store, clock, create_source=source_factory, budgets=budgets,
            recordings=recordings, routes=routes, data_dir=data_dir,
        )  # fmt: skip
        self._ended: threading.Event | None = None
        """Set when the last `run` that has begun ends."""
        self._thread_id = 0
        self._mailbox = Mailbox(self.frame_waiting.emit)
        self._throttle = PriceThrottle(
            self._config.real_time.update_interval_ms / 1000, self._clock.monotonic, self.price_updated.emit
        )
        self._connected: bool | None = None
        self._next_alive = 0.0
        self._wants_prices = self._wants_ticks = self._wants_bots = False
        self._subscribe()

    # --- from the window's thread -------------------------------------------------------------------

    def post(self, command: Command) -> int:
        """Queue a command for the engine; its id comes back in a `CommandResult`."""
        return self._loop.post(command)

    @property
    def bus(self) -> EventBus:
        """The bus of the engine's events; its subscribers are called in the engine's thread."""
        return self._loop.bus

    @property
    def alive_at(self) -> float:
        """When the engine's thread last did something, by the monotonic clock."""
        return self._loop.alive_at

    def start_feed(self) -> None:
        """Start the live feed; returns at once."""
        self.post(StartFeed())

    def stop_feed(self) -> None:
        """Stop the live feed; returns at once."""
        self.post(StopFeed())

    def take_frame(self) -> Frame:
        """The newest ticks since the last call."""
        return self._mailbox.take()

    def stop(self) -> None:
        """End feed, engine and storage, in this order, and wait for that, 2.5 s at most. Idempotent."""
        self._loop.stop()
        if self._runs_here:
            return
        if self.isRunning():
            ended = self.wait(JOIN_MS)
        else:
            ended = self._ended is None or self._ended.wait(JOIN_MS / 1000)
        if not ended:
            log.error("the engine's thread did not end within %d ms", JOIN_MS)

    def start(self, priority: QThread.Priority = QThread.InheritPriority) -> None:
        """Run in a thread of its own, also after a `stop`; does nothing while it runs."""
        if not self.isRunning():
            self._loop.rearm()
        super().start(priority)

    # --- in the engine's thread ---------------------------------------------------------------------

    @pyqtSlot()
    def run(self) -> None:
        """Work until `stop`; whatever goes wrong is logged and told by `error_occurred`, never raised."""
        ended = self._ended = threading.Event()
        self._thread_id = threading.get_ident()
        try:
            self._loop.open()
            self._work()
        except SwingHunterError as error:
            log.error("the engine cannot work: %s", error)
            self._report_end(str(error))
        except Exception as bug:
            log.exception("the engine broke")
            self._report_end(tr("engine.internal", error=f"{type(bug).__name__}: {bug}"))
        finally:
            self._close()
            self._thread_id = 0
            ended.set()

    def _close(self) -> None:
        try:
            self._loop.close()
        except Exception:
            log.exception("the engine did not close cleanly")
        due = self._throttle.next_due()
        if due is not None:
            self._clock.wait(threading.Event(), min(due, LAST_WORD))
            self._throttle.finish()
        self._set_connected(False)

    @property
    def _runs_here(self) -> bool:
        return self._thread_id == threading.get_ident()

    def _work(self) -> None:
        # Before what waits in the inbox, which may be a later wish.
        first: list[Command] = [SetInstruments(instruments=self._instruments)] if self._instruments else []
        if self._autostart:
            first.append(StartFeed())
        self._loop.process(first, [], self._process_tick)
        while not self._loop.stopping:
            messages, quotes = self._receive_tick()
            self._throttle.interval = self._loop.engine.config.real_time.update_interval_ms / 1000
            self._wants_prices = self.receivers(self.price_updated) > 0
            self._wants_ticks = self.receivers(self.tick_received) > 0
            self._wants_bots = self.receivers(self.bot_status_updated) > 0
            for batch in _batches(quotes):
                self._loop.process(messages, batch, self._process_tick)
                messages = []
                self._mailbox.announce()
            self._throttle.flush()
            self._tell_alive()

    def _tell_alive(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_alive:
            self._next_alive = now + ALIVE_EVERY
            self.alive.emit()

    def _receive_tick(self) -> tuple[list[Any], list[Quote]]:
        """Wait for what the feed and the window have sent."""
        timeout = min(LONGEST_WAIT, self._loop.engine.next_wake())
        due = self._throttle.next_due()
        return self._loop.inbox.take(timeout if due is None else min(timeout, due))

    def _process_tick(self, quote: Quote) -> None:
        """Take one quote all the way, in the engine's order, with the two steps below."""
        self._loop.engine.process(quote, self._check_signal, self._update_portfolio_pnl)

    def _check_signal(self, tick: Tick) -> None:
        """Hold the tick against the signal rule."""
        self._loop.engine.check_signal(tick)

    def _update_portfolio_pnl(self, tick: Tick) -> None:
        """Value the positions at the tick."""
        self._loop.engine.update_portfolio(tick)

    # --- from events to Qt signals ------------------------------------------------------------------

    def _subscribe(self) -> None:
        bus = self._loop.bus
        bus.subscribe(Tick, self._on_tick)
        bus.subscribe(FreshnessChange, self._mailbox.put_aged)
        bus.subscribe(BotState, self._on_bot)
        bus.subscribe(Signal, self._on_signal)
        bus.subscribe(PortfolioSnapshot, self._on_portfolio)
        bus.subscribe(FeedStatus, self._on_feed_status)
        bus.subscribe(Notice, self._on_notice)
        bus.subscribe(InstrumentsChanged, self._on_instruments)
        for event_type in FORWARDED:
            bus.subscribe(event_type, self.core_event.emit)

    def _on_tick(self, tick: Tick) -> None:
        self._mailbox.put_tick(tick)
        if self._wants_prices:
            self._throttle.put(tick)
        if self._wants_ticks:
            self.tick_received.emit(tick.payload())

    def _on_bot(self, state: BotState) -> None:
        self._mailbox.put_bot(state)
        if self._wants_bots:
            self.bot_status_updated.emit(state.payload())

    def _on_signal(self, signal: Signal) -> None:
        self.signal_triggered.emit(signal.payload(reason(signal)))

    def _on_portfolio(self, snapshot: PortfolioSnapshot) -> None:
        if self.receivers(self.portfolio_updated) > 0:
            for payload in snapshot.payloads():
                self.portfolio_updated.emit(payload)

    def _on_feed_status(self, status: FeedStatus) -> None:
        self._set_connected(status.connected)

    def _on_notice(self, notice: Notice) -> None:
        if notice.level != "info":
            self.error_occurred.emit(tr(notice.key, **notice.params))

    def _on_instruments(self, event: InstrumentsChanged) -> None:
        self._instruments = event.instruments
        self._throttle.name_by_symbol([instrument.key for instrument in event.instruments])

    def _set_connected(self, connected: bool) -> None:
        if connected is not self._connected:
            self._connected = connected
            self.connection_status.emit(connected)

    def _report_end(self, sentence: str) -> None:
        self.error_occurred.emit(sentence)
        self.core_event.emit(Notice("error", "engine.text", {"text": sentence}))


def _batches(quotes: list[Quote]) -> Iterator[list[Quote]]:
    """`quotes` in parts, at least one, so that the window need not wait for the end of a flood."""
    for start in range(0, len(quotes) or 1, MOST_AT_ONCE):
        yield quotes[start : start + MOST_AT_ONCE]
