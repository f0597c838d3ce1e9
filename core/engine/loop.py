"""The engine's loop: takes quotes and commands from the inbox until it is stopped.

It runs in whatever thread calls `run`: a plain one in the terminal, the `WebSocketWorker` in the desktop.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from core.clock import Clock
from core.commands import ApplyConfig, Command, CommandResult, SetInstruments, StartFeed, StopFeed
from core.config import Config
from core.engine.engine import Engine, StoreFactory
from core.engine.inbox import Inbox
from core.engine.ledger import Ledger
from core.errors import SwingHunterError, UserError, WorldError
from core.events import EventBus
from core.feed.budget import PROCESS_BUDGETS, BudgetRegistry
from core.feed.live_feed import LiveFeed, SourceFactory
from core.feed.messages import InstrumentUnknown
from core.model import FeedStatus, Instrument, Notice, Quote
from core.sources.base import DailyCloses
from core.sources.registry import auto_order, create_source

log = logging.getLogger(__name__)

LONGEST_WAIT = 1.0


class EngineLoop:
    """Ties inbox, engine, ledger and feed together.

    `post` and `stop` may be called from any thread, everything else happens in the thread that calls `run`.
    """

    def __init__(
        self, config: Config, open_store: StoreFactory, clock: Clock, *, bus: EventBus | None = None,
        budgets: BudgetRegistry = PROCESS_BUDGETS, create_source: SourceFactory = create_source,
    ) -> None:  # fmt: skip
        self.bus = bus or EventBus()
        self.inbox = Inbox()
        self._config = config
        self._open_store = open_store
        self._clock = clock
        self._budgets = budgets
        self._create_source = create_source
        self._stop_event = threading.Event()
        self._engine: Engine | None = None
        self._feed: LiveFeed | None = None
        self._ledger: Ledger | None = None
        self._bugs: set[object] = set()

    @property
    def engine(self) -> Engine:
        """The engine; only there between `open` and `close`."""
        assert self._engine is not None, "the loop is not open"
        return self._engine

    def post(self, command: Command) -> int:
        """Queue a command; the result is its id, which the `CommandResult` will bear."""
        self.inbox.put(command)
        return command.id

    def stop(self) -> None:
        """Ask the loop to end; returns at once. Idempotent."""
        self._stop_event.set()
        self.inbox.wake()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop_event.is_set()

    def run(self) -> None:
        """Open, work until stopped, close."""
        self.open()
        try:
            while not self.stopping:
                self.step(self.engine.on_quote)
        finally:
            self.close()

    def rearm(self) -> None:
        """Take back a `stop`, so that a loop that has ended can be opened and run again."""
        self._stop_event.clear()

    def open(self) -> None:
        """Open the store and load the state. Raises `StorageError` when the store cannot be opened."""
        self._engine = Engine(self._config, self._open_store, self._clock, self.bus)
        self._ledger = Ledger(self._engine)
        self._feed = LiveFeed(
            self.inbox, self._clock, self._budgets, self._create_source, auto_order,
            self._engine.prices.session_open,
        )  # fmt: skip
        self._ledger.publish_all()

    def step(self, on_quote: Callable[[Quote], None]) -> None:
        """Wait for something to do, do it all, then end the batch."""
        messages, quotes = self.inbox.take(min(LONGEST_WAIT, self.engine.next_wake()))
        self.process(messages, quotes, on_quote)

    def process(self, messages: list[Any], quotes: list[Quote], on_quote: Callable[[Quote], None]) -> None:
        """Carry out `messages`, then `quotes`, then what is due. What fails is told and isolated."""
        engine, feed = self.engine, self._feed
        assert feed is not None
        world = engine.store
        for message in messages:
            self._guarded(self._handle, message)
        if feed.running and engine.store is world:
            engine.begin_batch()
            for quote in quotes:
                try:
                    on_quote(quote)
                except Exception as bug:  # noqa: BLE001 - told and logged; one bad quote stops no other
                    self._tell_bug(bug, f"a quote of {quote.key}")
        self._guarded(lambda _: engine.end_batch(), None)
        feed.tick()

    def close(self) -> None:
        """The feed first, then what the engine still has to write, then the store. Idempotent."""
        if self._engine is None:
            return
        try:
            if self._feed is not None:
                self._feed.close()
            self._drain()
        finally:
            engine, self._engine = self._engine, None
            engine.close()

    def _drain(self) -> None:
        """Carry out the commands that were posted before the end: nothing that was asked for is lost."""
        messages, _ = self.inbox.take(0)
        for message in messages:
            if self._ledger is not None and self._ledger.handles(message):
                self._command(message)

    def _guarded(self, work: Callable[[Any], None], message: Any) -> None:
        try:
            work(message)
        except Exception as bug:  # noqa: BLE001 - told and logged; the loop goes on
            self._tell_bug(bug, type(message).__name__)

    def _tell_bug(self, bug: Exception, what: str) -> None:
        """Log the traceback of a bug and tell the user, once per kind: it may come with every tick."""
        frame = bug.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = (type(bug), None if frame is None else (frame.tb_frame.f_code, frame.tb_lineno))
        if place not in self._bugs:
            self._bugs.add(place)
            log.error("%s failed", what, exc_info=bug)
            error = f"{type(bug).__name__}: {bug}"
            self.bus.publish(Notice("error", "engine.internal", {"error": error}))

    def _handle(self, message: Any) -> None:
        if isinstance(message, Command):
            self._command(message)
        elif isinstance(message, FeedStatus):
            self.bus.publish(message)
            if message.state == "stopped":
                self.engine.expire_prices()
        elif isinstance(message, DailyCloses):
            self.engine.on_daily(message)
        elif isinstance(message, InstrumentUnknown):
            self.bus.publish(message)
            self.bus.publish(Notice("warning", "engine.unknown_symbol", {"key": message.key}))

    def _command(self, command: Command) -> None:
        error = ""
        try:
            self._execute(command)
        except (UserError, WorldError) as problem:
            error = str(problem)
            log.warning("%s was not carried out: %s", type(command).__name__, problem)
        except Exception as bug:
            error = f"{type(bug).__name__}: {bug}"
            log.exception("%s failed", type(command).__name__)
            self.bus.publish(Notice("error", "engine.internal", {"error": error}))
        self.bus.publish(CommandResult(command_id=command.id, error=error))

    def _execute(self, command: Command) -> None:
        assert self._feed is not None
        assert self._ledger is not None
        if self._ledger.handles(command):
            self._ledger.execute(command)
            self._feed.watch(self.engine.priced())
        elif isinstance(command, SetInstruments):
            self._watch(command.instruments)
            self._feed.watch(self.engine.priced())
        elif isinstance(command, StartFeed):
            self._feed.start(self.engine.config, self.engine.priced())
        elif isinstance(command, StopFeed):
            self._feed.stop()
        elif isinstance(command, ApplyConfig):
            self._apply(command.config)
        else:
            raise SwingHunterError(f"no handler for {type(command).__name__}")

    def _watch(self, instruments: tuple[Instrument, ...]) -> None:
        if instruments != self.engine.instruments:
            self.engine.watch(instruments)

    def _apply(self, config: Config) -> None:
        engine, feed = self.engine, self._feed
        assert feed is not None
        old, world = engine.config, engine.store
        engine.apply(config)
        self._config = config
        feed_changed = (old.real_time, old.websocket) != (config.real_time, config.websocket)
        another_world = engine.store is not world
        was_running = feed.running
        if feed_changed or another_world:
            feed.halt()
        if another_world:
            self.inbox.drop_quotes()
            feed.forget_closes()
            assert self._ledger is not None
            self._ledger.publish_all()
        if was_running:
            feed.start(config, engine.priced())
