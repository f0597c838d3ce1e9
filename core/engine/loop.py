"""The engine's loop: takes quotes and commands from the inbox until it is stopped.

It runs in whatever thread calls `run`: a plain one in the terminal, the `WebSocketWorker` in the desktop.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.bots.elsewhere import AnswerLater, BotsMoved
from core.clock import Clock
from core.commands import (
    ApplyConfig,
    Command,
    CommandResult,
    LookAt,
    RequestSnapshot,
    SetInstruments,
    StartBot,
    StartFeed,
    StopFeed,
    UnwatchBars,
    WatchBars,
)
from core.config import Config
from core.engine.bugs import BugTeller
from core.engine.cluster import ClusterTie
from core.engine.feed_diary import FeedDiary
from core.engine.inbox import EarlierQuotes, Inbox
from core.engine.intake import Intake
from core.engine.recording import Recording
from core.engine.unguarded import Unguarded
from core.engine.worlds import StoreFactory, feed_settings, replays, world_of
from core.errors import SwingHunterError, UserError, WorldError
from core.events import EventBus
from core.feed.budget import PROCESS_BUDGETS, BudgetRegistry
from core.feed.history import BarHistory, HistoryFailed
from core.feed.messages import InstrumentUnknown, SourceLost
from core.model import FeedStatus, Instrument, Notice, Quote
from core.notifications.routes import Routes
from core.replay.clock import real_clock, replay_clock
from core.replay.player import ReplayFeed, ReplayPortion
from core.sources import registry
from core.sources.base import DailyCloses
from core.sources.registry import auto_order, create_source, push_order

if TYPE_CHECKING:
    from core.engine.engine import Engine
    from core.engine.ledger import Ledger
    from core.feed.live_feed import LiveFeed, PushFactory, SourceFactory

log = logging.getLogger(__name__)

LONGEST_WAIT = 1.0


class EngineLoop:
    """Ties inbox, engine, ledger and feed together.

    `post` and `stop` may be called from any thread, everything else happens in the thread that calls `run`.
    """

    def __init__(
        self, config: Config, open_store: StoreFactory, clock: Clock, *, bus: EventBus | None = None,
        budgets: BudgetRegistry = PROCESS_BUDGETS, create_source: SourceFactory = create_source,
        create_push: PushFactory | None = None, recordings: Path | None = None, routes: Routes | None = None,
        data_dir: Path | None = None,
    ) -> None:  # fmt: skip
        """Push sources come from `create_push`; without one they are the registry's, unless `create_source`
        is not the registry's either: then there are none. `recordings` is the folder of the recordings,
        without which nothing is recorded; `routes` are as in `Engine`. Without `data_dir`, in which the
        engine's name is, nothing is told to or heard from other machines."""
        self.bus = bus or EventBus()
        self.inbox = Inbox()
        self._config = config
        self._open_store = open_store
        self._clock = real_clock(clock)
        self._engine_clock = replay_clock(clock)
        self._routes = routes
        self._cluster = ClusterTie(
            data_dir, self.bus, self.inbox.put, routes, lambda: self._clock.monotonic() - self.alive_at
        )
        self._recording = Recording(recordings, self._clock, self._engine_clock, self.inbox.put)
        self._budgets = budgets
        self._create_source = create_source
        own_sources = create_source is not registry.create_source
        push = create_push or (None if own_sources else registry.create_push)
        self._create_push = None if push is None else self._recording.tapped(push)
        self._stop_event = threading.Event()
        self._on_screen: frozenset[str] = frozenset()
        self._engine: Engine | None = None
        self._feed: LiveFeed | ReplayFeed | None = None
        self._live: LiveFeed | None = None
        self._replay = ReplayFeed(self.inbox, self._engine_clock, recordings, open_store)
        self._ledger: Ledger | None = None
        self._unguarded = Unguarded(self._clock)
        self._diary = FeedDiary(self._clock, self.bus)
        self._bugs = BugTeller(self.bus)
        self._intake = Intake(self._recording, self._bugs)
        self.alive_at = float("-inf")
        """When the loop last did something (`clock.monotonic`), at least every second; for any thread."""

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
        from core.engine.engine import Engine  # here, in its own thread: no window waits for that
        from core.engine.ledger import Ledger
        from core.feed.live_feed import LiveFeed

        self._cluster.follow(self._config)
        try:
            self._engine = Engine(
                self._config, self._open_store, self._engine_clock, self.bus, self._routes, self._cluster.desk
            )
        except BaseException:
            self._cluster.leave()
            raise
        self._ledger = Ledger(self._engine)
        self._live = LiveFeed(
            self.inbox, self._clock, self._budgets, self._create_source, auto_order,
            self._session_of, self._create_push, push_order,
            lambda exchange: self.engine.market(exchange, self._clock.time()),
        )  # fmt: skip
        self._engine.bars.ask_history = self._live.history.ask
        self._engine.bars.drop_history = self._live.history.desk.drop
        self._engine.on_wake = self.inbox.wake
        self._engine.bots.ask_for_history()
        self._feed = self._replay if replays(self._config) else self._live
        self._follow_recording()
        self._diary.open(self.engine.store)
        self._publish_all()

    def _publish_all(self) -> None:
        """Everything that a newcomer needs to know."""
        assert self._ledger is not None
        self._ledger.publish_all()
        self.engine.bots.publish_all()

    def _session_of(self, exchange: str) -> float:
        """From any thread; the price book is another one after a replay."""
        return self.engine.prices.session_open(exchange)

    def step(self, on_quote: Callable[[Quote], None]) -> None:
        """Wait for something to do, do it all, then end the batch."""
        messages, quotes = self.inbox.take(min(LONGEST_WAIT, self.engine.next_wake()))
        self.process(messages, quotes, on_quote)

    def process(self, messages: list[Any], quotes: list[Quote], on_quote: Callable[[Quote], None]) -> None:
        """Carry out `messages`, then `quotes`, then what is due. What fails is told and isolated."""
        engine, feed = self.engine, self._feed
        assert feed is not None
        self._intake.begin(engine.store, on_quote)
        for message in messages:
            self._guarded(self._handle, message)
        self._intake.batch(engine, feed, quotes)
        self._guarded(lambda _: engine.end_batch(), None)
        feed.tick()
        self._diary.look(engine.store)
        self._unguarded.look(engine, running=feed.running)
        self.alive_at = self._clock.monotonic()

    def close(self) -> None:
        """The feed first, then what the engine still has to write, then the store. Idempotent."""
        if self._engine is None:
            return
        try:
            self._replay.close()
            if self._live is not None:
                self._live.close()
            self._drain()
            self._diary.close(self._engine.store)
            self._unguarded.close(self._engine.store, in_order=self.stopping)
        finally:
            engine, self._engine = self._engine, None
            try:
                engine.close()
            finally:
                self._cluster.leave()
                self._recording.end()

    def _drain(self) -> None:
        """Carry out the commands that were posted before the end: nothing that was asked for is lost."""
        messages, _ = self.inbox.take(0)
        for message in messages:
            if self._ledger is None:
                return
            if self._ledger.handles(message) or self.engine.bots.handles(message):
                self._command(message)

    def _guarded(self, work: Callable[[Any], None], message: Any) -> None:
        try:
            work(message)
        except Exception as bug:  # noqa: BLE001 - told and logged; the loop goes on
            self._bugs.tell(bug, type(message).__name__)

    def _handle(self, message: Any) -> None:
        if isinstance(message, Command):
            self._command(message)
        elif isinstance(message, FeedStatus):
            self._on_feed_status(message)
        elif isinstance(message, DailyCloses):
            self._recording.message(message)
            self.engine.on_daily(message)
        elif isinstance(message, ReplayPortion):
            self._replay.take(message, self.engine, self._intake.one)
        elif isinstance(message, EarlierQuotes):
            self._on_earlier(message.quotes)
        elif isinstance(message, SourceLost):
            self._recording.message(message)
            self.engine.on_source_lost(message.source)
        elif isinstance(message, BarHistory | HistoryFailed):
            self._on_history(message)
        elif isinstance(message, BotsMoved):
            self._on_moved(message)
        elif isinstance(message, Notice | InstrumentUnknown):
            self.bus.publish(message)
            if isinstance(message, InstrumentUnknown):
                self.bus.publish(Notice("warning", "engine.unknown_symbol", {"key": message.key}))

    def _on_feed_status(self, status: FeedStatus) -> None:
        self._recording.message(status)
        self._diary.note(status)
        self.bus.publish(status)
        if status.state == "stopped":
            self.engine.expire_prices()
            if not self.stopping:
                self._unguarded.tell(self.engine)

    def _command(self, command: Command) -> None:
        error = ""
        try:
            self._execute(command)
        except AnswerLater:
            return
        except (UserError, WorldError) as problem:
            error = str(problem)
            log.warning("%s was not carried out: %s", type(command).__name__, problem)
        except Exception as bug:
            error = f"{type(bug).__name__}: {bug}"
            log.exception("%s failed", type(command).__name__)
            self.bus.publish(Notice("error", "engine.internal", {"error": error}))
        self.bus.publish(CommandResult(command_id=command.id, error=error))

    def _on_earlier(self, quotes: list[Quote]) -> None:
        """What a connection told before it broke, as a batch of its own."""
        assert self._feed is not None
        self._intake.batch(self.engine, self._feed, quotes)
        self.engine.end_batch()

    def _on_moved(self, moved: BotsMoved) -> None:
        """Bots that run in workers have made steps."""
        bots = self.engine.bots
        from core.bots.desk import BotDesk  # here, for it takes time before the first paint

        if not isinstance(bots, BotDesk):
            before = bots.keys()
            bots.on_moved(moved)
            for command_id, error in moved.results:
                self.bus.publish(CommandResult(command_id=command_id, error=error))
            if bots.keys() != before and self._feed is not None:
                self._feed.watch(self.engine.priced())

    def _prefer(self) -> None:
        """Ask first for what is held and for what is on the screen."""
        assert self._live is not None
        self._live.prefer(self._on_screen.union(self.engine.preferred))

    def _execute(self, command: Command) -> None:
        assert self._feed is not None and self._ledger is not None
        if self._ledger.handles(command):
            self._ledger.execute(command)
            if isinstance(command, RequestSnapshot):
                self.engine.bots.publish_all()
                self._diary.publish()
            self._feed.watch(self.engine.priced())
            self._prefer()
        elif self.engine.bots.handles(command):
            self.engine.bots.execute(command)
            if isinstance(command, StartBot) and not self._feed.running:
                self.bus.publish(Notice("warning", "bots.started_without_feed"))
            self._feed.watch(self.engine.priced())
        elif isinstance(command, LookAt):
            self._on_screen = command.keys
            self._prefer()
        elif isinstance(command, SetInstruments):
            self._watch(command.instruments)
            self._feed.watch(self.engine.priced())
        elif isinstance(command, StartFeed):
            self._prefer()
            self._feed.start(self.engine.config, self.engine.priced())
        elif isinstance(command, WatchBars):
            self.engine.bars.watch(command.key, command.seconds)
        elif isinstance(command, UnwatchBars):
            self.engine.bars.unwatch(command.key, command.seconds)
        elif isinstance(command, StopFeed):
            self._feed.stop()
        elif isinstance(command, ApplyConfig):
            self._apply(command.config)
        else:
            raise SwingHunterError(f"no handler for {type(command).__name__}")

    def _on_history(self, message: BarHistory | HistoryFailed) -> None:
        assert self._live is not None
        if not self._live.history.expects(message):
            return
        if isinstance(message, BarHistory):
            self.engine.on_history(message.key, message.seconds, message.bars)
        else:
            fields = {"key": message.key, "error": message.error}
            self.bus.publish(Notice("warning", "bars.no_history", fields))

    def _watch(self, instruments: tuple[Instrument, ...]) -> None:
        if instruments != self.engine.instruments:
            self.engine.watch(instruments)

    def _apply(self, config: Config) -> None:
        engine, feed = self.engine, self._feed
        assert feed is not None
        old, world = engine.config, engine.store
        if replays(old) and not replays(config):
            self._engine_clock.release()  # what is read now belongs to the present
        self._cluster.follow(config)
        if world_of(old) != world_of(config):
            self._diary.write(world)
            self._unguarded.close(world, in_order=True)
        engine.apply(config)
        self._config = config
        if config.bots != old.bots:
            engine.forget_unpriced()
            feed.watch(engine.priced())
            self._prefer()
        feed_changed = feed_settings(old) != feed_settings(config)
        another_world = engine.store is not world
        was_running = feed.running
        if feed_changed or another_world:
            feed.halt()
        if another_world:
            self.inbox.drop_quotes()
            feed.forget_closes()
            self._diary.open(engine.store)
            self._publish_all()
        self._feed = self._replay if replays(config) else self._live
        self._follow_recording()
        if was_running:
            self._start_again(config)

    def _start_again(self, config: Config) -> None:
        assert self._feed is not None
        try:
            self._feed.start(config, self.engine.priced())
        except BaseException:
            self.inbox.put(FeedStatus(state="stopped", updated=self._clock.time()))
            raise

    def _follow_recording(self) -> None:
        self._recording.follow(self._config)
        self.engine.on_look = None if self._recording.recorder is None else self._mark

    def _mark(self, at: float, mono: float) -> None:
        recorder = self._recording.recorder
        if recorder is not None and self._feed is not None and self._feed.running:
            recorder.mark(at, mono)
