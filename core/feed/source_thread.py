"""What every thread that serves one source does: it lives until it is stopped, rests after failures, and says
how the source fares."""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
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
RATE_OVER = 60.0
"""Seconds over which prices per second are counted."""


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
        self._since: float | None = None
        """Unix time since when it works without a break."""
        self._since_mono = 0.0
        self._counts: deque[tuple[float, int]] = deque()

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

    def _begun(self) -> None:
        """From now on it works."""
        self._since, self._since_mono = self._clock.time(), self._clock.monotonic()

    def _delay(self) -> float:
        """Seconds to rest after the latest of `_failures` failures in a row."""
        raise NotImplementedError

    def _more(self) -> dict[str, Any]:
        """What else there is to say in the source's status."""
        return {}

    def _failed(self, error: str, *, state: str = "failing", pause: float | None = None) -> None:
        self._failures += 1
        self._since = self._lag = None
        self._counts.clear()
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

    def _note(self, quotes: Sequence[Quote]) -> None:
        """Count prices that came. The lag is that of the newest, as others may just trade seldom."""
        if quotes:
            self._counts.append((self._clock.monotonic(), len(quotes)))
        newest = max((quote.stamp + quote.span for quote in quotes), default=None)
        lag = self._lag if newest is None else max(0.0, self._clock.time() - newest)
        self._lag = lag if lag is not None and lag < OLD_NEWS else None

    def _rate(self, over: float = RATE_OVER) -> float | None:
        """Prices per second lately, None while it does not work."""
        if self._since is None:
            return None
        now = self._clock.monotonic()
        while self._counts and self._counts[0][0] <= now - over:
            self._counts.popleft()
        span = min(over, max(1.0, now - self._since_mono))
        return round(sum(count for _, count in self._counts) / span, 1)

    def _report(
        self, state: str, *, error: str = "", next_try: float | None = None, rate: float | None = None
    ) -> None:
        self._board.report(SourceStatus(
            name=self._source_name, state=state, last_error=error, next_try=next_try,
            lag=None if self._lag is None else round(self._lag, 1), requests=self._budget.used(),
            budget=self._budget.per_minute(), failures=self._failures, rate=rate,
            connected_since=self._since, **self._more(),
        ))  # fmt: skip

    def _pause(self, seconds: float) -> None:
        if self._clock.wait(self._stop_event, seconds):
            raise CancelledError("the feed stops")
