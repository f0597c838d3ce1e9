"""The live feed: one thread per source, side by side; the engine keeps the better price of each instrument.

In `auto` every real source runs within its own provider's budget, so a source that fails is covered by the
next at once and comes back by itself. The simulation joins in only when all real ones have been silent for
`stale_after_sec`, and rests again as soon as one answers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from core.clock import Clock
from core.config import Config
from core.feed.board import FeedBoard, SessionKey
from core.feed.budget import BudgetRegistry
from core.feed.messages import FeedSink
from core.feed.runner import SourceRunner
from core.model import FeedStatus, Instrument
from core.sources.base import PolledSource

SourceFactory = Callable[[str, Config, Clock], PolledSource]
JOIN_SECONDS = 2.0


class LiveFeed:
    """Starts and stops the sources' threads. Used from one thread (the engine's)."""

    def __init__(
        self, sink: FeedSink, clock: Clock, budgets: BudgetRegistry, create_source: SourceFactory,
        auto_order: Callable[[Config], Sequence[str]], session_of: SessionKey,
    ) -> None:  # fmt: skip
        self._sink = sink
        self._clock = clock
        self._budgets = budgets
        self._create_source = create_source
        self._auto_order = auto_order
        self._session_of = session_of
        self._board: FeedBoard | None = None
        self._runners: list[SourceRunner] = []
        self._ending: list[SourceRunner] = []

    @property
    def running(self) -> bool:
        """Whether the feed was started and not stopped since."""
        return self._board is not None

    def start(self, config: Config, instruments: Sequence[Instrument]) -> None:
        """Start polling; does nothing if it runs. At most `max_live_symbols` instruments are asked for."""
        if self.running:
            return
        names = self._source_names(config)
        real = [name for name in names if name != "simulation"]
        self._board = FeedBoard(
            self._sink, self._clock, real, self._session_of,
            grace=-1.0 if not real else config.real_time.stale_after_sec, chosen_simulation=not real,
        )  # fmt: skip
        watched = tuple(instruments)[: config.real_time.max_live_symbols]
        self._runners = [self._runner(name, config, watched, self._board) for name in names]
        self._board.publish()
        for runner in self._runners:
            runner.start()

    def tick(self) -> None:
        """Once a second: refresh what the status says of the budget, forget threads that have ended."""
        self._ending = [runner for runner in self._ending if runner.is_alive()]
        if self._board is not None:
            self._board.publish()

    def stop(self) -> None:
        """Stop polling; returns at once, late answers are ignored. Idempotent."""
        if self._board is not None:
            self._end_runners()
            self._sink.put(FeedStatus(state="stopped"))

    def restart(self, config: Config, instruments: Sequence[Instrument]) -> None:
        """Poll other instruments, or by another configuration, from now on."""
        self._end_runners()
        self.start(config, instruments)

    def close(self) -> None:
        """Stop and wait for the threads, `JOIN_SECONDS` at most in all."""
        self.stop()
        deadline = time.monotonic() + JOIN_SECONDS
        for runner in self._ending:
            if runner.ident is not None:
                runner.join(max(0.0, deadline - time.monotonic()))
        self._ending = [runner for runner in self._ending if runner.is_alive()]

    def _end_runners(self) -> None:
        if self._board is not None:
            self._board.stop()
            self._board = None
        for runner in self._runners:
            runner.stop()
        self._ending += self._runners
        self._runners = []

    def _source_names(self, config: Config) -> list[str]:
        chosen = config.real_time.live_data_source
        names = list(self._auto_order(config)) if chosen == "auto" else [chosen]
        if config.real_time.allow_simulation and "simulation" not in names:
            names.append("simulation")
        return names

    def _runner(
        self, name: str, config: Config, watched: Sequence[Instrument], board: FeedBoard
    ) -> SourceRunner:
        source = self._create_source(name, config, self._clock)
        budget = self._budgets.of(source.provider)
        if source.min_spacing > 0:
            budget.set_spacing(max(config.real_time.poll_interval_sec, source.min_spacing))
        board.add_source(name, budget)
        return SourceRunner(
            source, watched, budget, board, self._sink, self._clock,
            interval=config.real_time.update_interval_ms / 1000, jitter=random.Random(),
        )  # fmt: skip
