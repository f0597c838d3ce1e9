"""The threads that ask for bars of the past: one per source, only while there is something to ask for.

They share the providers' budgets with those that ask for prices, which do not wait for them otherwise.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from core.clock import Clock
from core.config import Config
from core.errors import CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.feed.backoff import RATE_LIMIT_PAUSE
from core.feed.budget import BudgetRegistry
from core.feed.history import BarHistory, HistoryDesk, HistoryFailed, HistoryJob
from core.i18n import tr
from core.model import Instrument
from core.sources.base import HistorySource, PolledSource

log = logging.getLogger(__name__)

SIBLINGS = {"tradingview": "tvdatafeed", "yahoo": "yfinance"}
"""Whom to ask for history when only a source that pushes was chosen: the same provider."""
CreateSource = Callable[[str, Config, Clock], PolledSource]


def history_sources(config: Config, auto_order: Sequence[str]) -> tuple[str, ...]:
    """The sources that are asked for history, best first."""
    chosen = config.real_time.live_data_source
    names = auto_order if chosen == "auto" else (chosen,)
    return tuple(dict.fromkeys(SIBLINGS.get(name, name) for name in names if name != "replay"))


class HistoryRunner(threading.Thread):
    """Asks one source for what the desk has for it, then ends."""

    def __init__(
        self, name: str, config: Config, desk: HistoryDesk, budgets: BudgetRegistry, clock: Clock,
        create_source: CreateSource,
    ) -> None:  # fmt: skip
        super().__init__(name=f"history-{name}", daemon=True)
        self.source_name = name
        self._config = config
        self._desk = desk
        self._budgets = budgets
        self._clock = clock
        self._create_source = create_source
        self._stop_event = threading.Event()
        self._source: PolledSource | None = None

    def stop(self) -> None:
        """From any thread: end within 2 s."""
        self._stop_event.set()
        if self._source is not None:
            self._source.cancel()

    def run(self) -> None:
        """Work until nothing is left to ask for now."""
        source = self._source = self._create_source(self.source_name, self._config, self._clock)
        try:
            if not isinstance(source, HistorySource):
                self._desk.cannot(self.source_name)
                return
            while not self._stop_event.is_set() and (job := self._desk.take(self.source_name)) is not None:
                self._work(source, source.provider, source.min_spacing, job)
        finally:
            source.close()

    def _work(self, source: HistorySource, provider: str, spacing: float, job: HistoryJob) -> None:
        name, desk = self.source_name, self._desk
        budget = self._budgets.of(provider)
        if spacing > 0:
            wanted = max(self._config.real_time.poll_interval_sec, spacing)
            budget.set_spacing(max(budget.spacing, wanted))
        try:
            bars = source.history(
                job.instrument, job.seconds, job.count, lambda: budget.wait_for_slot(self._stop_event)
            )
        except CancelledError:
            if self._stop_event.is_set():
                desk.undo(job)
            else:
                desk.failed(job, name, tr("engine.source_slow", source=name))
        except UnknownSymbolError:
            error = tr("bars.unknown", source=name, key=job.instrument.key)
            desk.failed(job, name, error, unknown=True)
        except RateLimitedError as limited:
            desk.failed(job, name, str(limited))
            desk.rest(name, RATE_LIMIT_PAUSE if limited.retry_after is None else limited.retry_after)
        except SourceError as failure:
            log.info("%s: no history of %s (%d s): %s", name, job.instrument.key, job.seconds, failure)
            desk.failed(job, name, str(failure))
        except Exception as bug:
            log.exception("%s: asking for history failed", name)
            error = f"{type(bug).__name__}: {bug}"
            desk.failed(job, name, tr("engine.source_broke", source=name, error=error))
        else:
            if self._stop_event.is_set():
                desk.undo(job)
            else:
                desk.done(job, name, bars)


class HistoryService:
    """Starts and stops the threads. Used from one thread, the engine's."""

    def __init__(
        self, put: Callable[[BarHistory | HistoryFailed], None], clock: Clock, budgets: BudgetRegistry,
        create_source: CreateSource,
    ) -> None:  # fmt: skip
        self.desk = HistoryDesk(put, clock)
        self._clock = clock
        self._budgets = budgets
        self._create_source = create_source
        self._config: Config | None = None
        self._names: tuple[str, ...] = ()
        self._runners: dict[str, HistoryRunner] = {}
        self._ending: list[HistoryRunner] = []

    def start(self, names: Sequence[str], config: Config) -> None:
        """The feed runs: ask these sources from now on."""
        self._names, self._config = tuple(names), config
        self.desk.begin(names)

    def ask(self, instrument: Instrument, seconds: int, count: int) -> None:
        """Want the last `count` bars of `seconds`; they are asked for as soon as the feed runs."""
        self.desk.ask(instrument, seconds, count)
        self.tick()

    def expects(self, message: BarHistory | HistoryFailed) -> bool:
        """Whether `message` is of the sources that are asked now, not of those before a change."""
        return isinstance(message, HistoryFailed) or message.source in self._names

    def tick(self) -> None:
        """From time to time: start whoever has something to ask for and is not at it."""
        if self._config is None:
            return
        self._ending = [runner for runner in self._ending if runner.is_alive()]
        for name in self._names:
            runner = self._runners.get(name)
            if (runner is None or not runner.is_alive()) and self.desk.has_work(name):
                runner = self._runners[name] = HistoryRunner(
                    name, self._config, self.desk, self._budgets, self._clock, self._create_source
                )
                runner.start()

    def halt(self) -> None:
        """The feed stops; what is open stays open. Returns at once."""
        self._config = None
        for runner in self._runners.values():
            runner.stop()
        self._ending += self._runners.values()
        self._runners = {}

    def join(self, deadline: float) -> None:
        """Wait for the threads until `time.monotonic()` is `deadline`."""
        for runner in self._ending:
            runner.join(max(0.0, deadline - time.monotonic()))
        self._ending = [runner for runner in self._ending if runner.is_alive()]
