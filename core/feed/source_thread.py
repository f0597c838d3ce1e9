"""What every thread that serves one source does: it lives until it is stopped, rests after failures, and says
how the source fares."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from core.clock import Clock
from core.errors import CancelledError
from core.feed.board import FeedBoard
from core.feed.budget import RequestBudget
from core.i18n import tr
from core.model import Instrument, Quote, SourceStatus
from core.sources.base import PolledSource
from core.sources.push_base import PushSource

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds between two looks when there is nothing to ask for."""
LONGEST_PAUSE = 3600.0
"""Seconds; a provider that asks for a longer rest is tried again after this all the same."""
MOST_BUGS = 100
OLD_NEWS = 3600.0
"""Seconds; a price further behind tells that a market is closed, not how late the source is."""


class SourceThread(threading.Thread):
    """Serves one source until it is stopped; a subclass says what one `_turn` is, and how it `_ends`."""

    def __init__(
        self, name: str, source: PolledSource | PushSource, instruments: Sequence[Instrument],
        budget: RequestBudget, board: FeedBoard, clock: Clock, jitter: random.Random,
    ) -> None:  # fmt: skip
        super().__init__(name=name, daemon=True)
        self._source_name = source.name
        self._cancel = source.cancel
        self._budget = budget
        self._board = board
        self._clock = clock
        self._jitter = jitter
        self._stop_event = threading.Event()
        self._wanted = tuple(instruments)
        self._bugs: set[str] = set()
        self._failures = 0
        self._lag: float | None = None

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """From any thread: want these from now on."""
        self._wanted = tuple(instruments)

    def stop(self) -> None:
        """Ask the thread to end; returns at once, the thread follows within 2 s."""
        self._stop_event.set()
        self._cancel()

    def run(self) -> None:
        """Serve the source until stopped."""
        try:
            while not self._stop_event.is_set():
                self._turn()
        except CancelledError:
            pass
        finally:
            self._end()

    def _turn(self) -> None:
        """One piece of work, and the rest after it. Raises `CancelledError` when it is time to end."""
        raise NotImplementedError

    def _end(self) -> None:
        """Let the source go."""
        raise NotImplementedError

    def _delay(self) -> float:
        """Seconds to rest after the latest of `_failures` failures in a row."""
        raise NotImplementedError

    def _more(self) -> dict[str, Any]:
        """What else there is to say in the source's status."""
        return {}

    def _failed(self, error: str, *, state: str = "failing", pause: float | None = None) -> None:
        self._failures += 1
        if pause is None:
            pause = self._delay()
        log.info("%s failed (%d in a row): %s; next try in %.1f s",
                 self._source_name, self._failures, error, pause)  # fmt: skip
        self._report(state, error=error, next_try=self._clock.time() + pause)
        self._pause(pause)

    def _broke(self, bug: Exception) -> None:
        """Our bug, or a library's: its traceback goes into the log once, and the source is tried again."""
        text = f"{type(bug).__name__}: {bug}"
        log.log(logging.WARNING if text in self._bugs else logging.ERROR, "the source %s broke: %s",
                self._source_name, text, exc_info=None if text in self._bugs else bug)  # fmt: skip
        if len(self._bugs) < MOST_BUGS:
            self._bugs.add(text)
        self._failed(tr("engine.source_broke", source=self._source_name, error=text))

    def _note_lag(self, quotes: Iterable[Quote]) -> None:
        """The lag is that of the newest price, as others may just trade seldom."""
        newest = max((quote.stamp + quote.span for quote in quotes), default=None)
        lag = self._lag if newest is None else max(0.0, self._clock.time() - newest)
        self._lag = lag if lag is not None and lag < OLD_NEWS else None

    def _report(
        self, state: str, *, error: str = "", next_try: float | None = None, rate: float | None = None
    ) -> None:
        self._board.report(SourceStatus(
            name=self._source_name, state=state, last_error=error, next_try=next_try,
            lag=None if self._lag is None else round(self._lag, 1), requests=self._budget.used(),
            budget=self._budget.per_minute(), failures=self._failures, rate=rate, **self._more(),
        ))  # fmt: skip

    def _pause(self, seconds: float) -> None:
        if self._clock.wait(self._stop_event, seconds):
            raise CancelledError("the feed stops")
