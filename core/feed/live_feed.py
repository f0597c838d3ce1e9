"""The live feed: one thread per source, side by side; the engine keeps the better price of each instrument.

In `auto` a push source tells all prices, and every polled source runs beside it within its own provider's
budget: for instruments of which the push source has told nothing lately, and for the first `max_live_symbols`
at most, as each one more makes all that are asked for older. So a source that fails is
covered by the next at once and comes back by itself. The simulation joins in only when all real ones have
been silent for `stale_after_sec`, and rests again as soon as one answers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from core.clock import Clock
from core.config import Config
from core.feed.board import FeedBoard
from core.feed.budget import BudgetRegistry, RequestBudget
from core.feed.closes import CloseMemory, SessionKey
from core.feed.history_runner import HistoryService, history_sources
from core.feed.hours import MarketOf
from core.feed.messages import FeedSink
from core.feed.push_runner import PushRunner
from core.feed.runner import SourceRunner
from core.model import FeedStatus, Instrument
from core.sources.base import PolledSource
from core.sources.push_base import PushSource

SourceFactory = Callable[[str, Config, Clock], PolledSource]
PushFactory = Callable[[str, Config, Clock], PushSource]
Runner = SourceRunner | PushRunner
JOIN_SECONDS = 2.0


class LiveFeed:
    """Starts and stops the sources' threads. Used from one thread (the engine's)."""

    def __init__(
        self, sink: FeedSink, clock: Clock, budgets: BudgetRegistry, create_source: SourceFactory,
        auto_order: Callable[[Config], Sequence[str]], session_of: SessionKey,
        create_push: PushFactory | None = None,
        push_order: Callable[[Config], Sequence[str]] = lambda config: (),
        market_of: MarketOf = lambda exchange: None,
    ) -> None:  # fmt: skip
        """`push_order` names the push sources that a configuration wants, made by `create_push`. `market_of`
        tells an exchange's hours; it and `session_of` are called from the sources' threads."""
        self._sink = sink
        self._clock = clock
        self._budgets = budgets
        self._create_source = create_source
        self._auto_order = auto_order
        self._create_push = create_push
        self._push_order = push_order
        self._market_of = market_of
        self._closes = CloseMemory(session_of)
        self.history = HistoryService(sink.put, clock, budgets, create_source)
        """Asks for bars of the past while the feed runs."""
        self._board: FeedBoard | None = None
        self._runners: list[Runner] = []
        self._preferred: frozenset[str] = frozenset()
        self._watched: tuple[Instrument, ...] = ()
        self._most = 0
        self._pushes = False
        self._next_look = 0.0
        self._ending: list[Runner] = []

    @property
    def running(self) -> bool:
        """Whether the feed was started and not stopped since."""
        return self._board is not None

    def start(self, config: Config, instruments: Sequence[Instrument]) -> None:
        """Start; does nothing if it runs. At most `max_live_symbols` instruments are polled."""
        if self.running:
            return
        pushed = tuple(self._push_order(config)) if self._create_push is not None else ()
        names = self._source_names(config, pushed)
        real = [*pushed, *(name for name in names if name != "simulation")]
        board = FeedBoard(
            self._sink, self._clock, real, self._closes,
            grace=-1.0 if not real else config.real_time.stale_after_sec, chosen_simulation=not real,
            push_sources=pushed, market_of=self._market_of,
        )  # fmt: skip
        self._most = config.real_time.max_live_symbols
        self._pushes = bool(pushed)
        self._watched = self._reachable(instruments)
        board.keep_only((i.key for i in self._watched), (i.key for i in self._polled))
        self._runners = self._make_runners(pushed, names, config, board)
        board.preferred = self._preferred
        self._board = board
        board.publish()
        for runner in self._runners:
            runner.start()
        self.history.start(history_sources(config, self._auto_order(config)), config)

    def prefer(self, keys: frozenset[str]) -> None:
        """Where prices must be asked for, ask for these first."""
        self._preferred = keys
        if self._board is not None:
            self._board.preferred = keys

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Ask for these instruments from now on, new ones first; the threads go on."""
        watched = self._reachable(instruments)
        if self._board is not None and watched != self._watched:
            self._watched = watched
            self._board.keep_only((i.key for i in watched), (i.key for i in self._polled))
            for runner in self._runners:
                runner.watch(watched if isinstance(runner, PushRunner) else self._polled)

    def tick(self) -> None:
        """After each batch: once a second refresh the budget's figures, forget threads that have ended."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 1.0
        self._ending = [runner for runner in self._ending if runner.is_alive()]
        if self._board is not None:
            self._board.publish()
            self.history.tick()

    def stop(self) -> None:
        """Stop polling; returns at once, late answers are ignored. Idempotent."""
        if self._board is not None:
            self.halt()
            self._sink.put(FeedStatus(state="stopped", updated=self._clock.time()))

    def forget_closes(self) -> None:
        """The engine has forgotten all prices: ask for previous closes anew."""
        self._closes.keep_only(())

    def close(self) -> None:
        """Stop and wait for the threads, `JOIN_SECONDS` at most in all."""
        self.stop()
        deadline = time.monotonic() + JOIN_SECONDS
        for runner in self._ending:
            if runner.ident is not None:
                runner.join(max(0.0, deadline - time.monotonic()))
        self._ending = [runner for runner in self._ending if runner.is_alive()]
        self.history.join(deadline)

    def halt(self) -> None:
        """As `stop`, without telling: the feed is about to go on by another configuration."""
        if self._board is not None:
            self._board.stop()
            self._board = None
        self.history.halt()
        for runner in self._runners:
            runner.stop()
        self._ending += self._runners
        self._runners = []

    def _source_names(self, config: Config, pushed: Sequence[str]) -> list[str]:
        """The sources to poll."""
        chosen = config.real_time.live_data_source
        names: list[str] = list(self._auto_order(config)) if chosen == "auto" else [chosen]
        names = [name for name in names if name not in pushed]
        if config.real_time.allow_simulation and "simulation" not in names:
            names.append("simulation")
        return names

    def _reachable(self, instruments: Sequence[Instrument]) -> tuple[Instrument, ...]:
        """Those that get prices: all where any source pushes, else as many as may be polled."""
        self._closes.keep_only(instrument.key for instrument in instruments)
        return tuple(instruments) if self._pushes else tuple(instruments)[: self._most]

    @property
    def _polled(self) -> tuple[Instrument, ...]:
        """As many as may be polled."""
        return self._watched[: self._most]

    def _make_runners(
        self, pushed: Sequence[str], names: Sequence[str], config: Config, board: FeedBoard
    ) -> list[Runner]:
        """One per source, all or none; those that push come first."""
        pushing: list[PushSource] = []
        polled: list[PolledSource] = []
        try:
            if self._create_push is not None:
                for name in pushed:
                    pushing.append(self._create_push(name, config, self._clock))
            for name in names:
                polled.append(self._create_source(name, config, self._clock))
        except BaseException:
            for pushes in pushing:
                pushes.disconnect()
            for asked in polled:
                asked.close()
            raise
        runners: list[Runner] = [self._push_runner(source, config, board) for source in pushing]
        return runners + [self._runner(source, config, board) for source in polled]

    def _budget(self, source: PolledSource | PushSource, config: Config, board: FeedBoard) -> RequestBudget:
        budget = self._budgets.of(source.provider)
        if source.min_spacing > 0:
            spacing = max(config.real_time.poll_interval_sec, source.min_spacing)
            # Where a provider is both polled and pushes, the stricter of the two counts.
            shared = board.knows_provider(source.provider)
            budget.set_spacing(max(spacing, budget.spacing) if shared else spacing)
        board.add_source(source.name, budget)
        return budget

    def _push_runner(self, source: PushSource, config: Config, board: FeedBoard) -> PushRunner:
        return PushRunner(
            source, self._watched, self._budget(source, config, board), board, self._clock, config.websocket,
            grace=config.real_time.stale_after_sec, jitter=random.Random(),
        )  # fmt: skip

    def _runner(self, source: PolledSource, config: Config, board: FeedBoard) -> SourceRunner:
        return SourceRunner(
            source, self._polled, self._budget(source, config, board), board, self._clock,
            interval=config.real_time.update_interval_ms / 1000, jitter=random.Random(),
        )  # fmt: skip
