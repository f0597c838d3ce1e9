"""The thread that polls one source: round-robin, within the budget, backing off while it fails."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence

from core.clock import Clock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.feed.backoff import RATE_LIMIT_PAUSE, delay_after
from core.feed.board import FeedBoard
from core.feed.budget import RequestBudget
from core.feed.messages import FeedSink
from core.model import Instrument, Quote, SourceStatus
from core.sources.base import PolledSource

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds between two looks when there is nothing to ask for."""
BAD_ANSWERS = 3
"""So many unusable answers in a row count as a failure of the whole source."""


class SourceRunner(threading.Thread):
    """Polls one source for the instruments until it is stopped."""

    def __init__(
        self, source: PolledSource, instruments: Sequence[Instrument], budget: RequestBudget,
        board: FeedBoard, sink: FeedSink, clock: Clock, *, interval: float, jitter: random.Random,
    ) -> None:  # fmt: skip
        super().__init__(name=f"feed-{source.name}", daemon=True)
        self._source = source
        self._budget = budget
        self._board = board
        self._sink = sink
        self._clock = clock
        self._interval = interval
        self._jitter = jitter
        self._stop_event = threading.Event()
        self._instruments = tuple(instruments)
        self._turn = 0
        self._priced: set[str] = set()
        self._failures = 0
        self._bad = 0
        self._status = SourceStatus(name=source.name, state="connecting")

    def stop(self) -> None:
        """Ask the thread to end; returns at once, the thread follows within 2 s."""
        self._stop_event.set()
        self._source.cancel()

    def run(self) -> None:
        """Poll until stopped."""
        try:
            while not self._stop_event.is_set():
                self._one_turn()
        except CancelledError:
            pass
        except Exception:
            log.exception("the source %s broke", self._source.name)
            self._report("failing", error="internal error, see the log")
        finally:
            self._source.close()

    def _one_turn(self) -> None:
        if self._source.simulated and not self._may_simulate():
            self._report("idle")
            self._pause(IDLE)
            return
        batch = self._next_batch()
        if not batch:
            self._pause(IDLE)
            return
        try:
            if self._wants_close(batch[0]):
                self._fetch_close(batch[0])
            else:
                self._fetch_prices(batch)
        except CancelledError:
            if self._stop_event.is_set():
                raise
            self._failed("the request took too long")
        except UnknownSymbolError as error:
            self._board.mark_unknown(error.key, self._source.name)
            self._succeeded()
        except RateLimitedError as error:
            pause = error.retry_after if error.retry_after is not None else RATE_LIMIT_PAUSE
            self._failed(str(error), state="blocked", pause=max(pause, self._budget.spacing))
        except BadDataError as error:
            self._bad_answer(batch, error)
        except SourceError as error:
            self._failed(str(error))

    def _may_simulate(self) -> bool:
        return self._board.simulation_wanted()

    def _next_batch(self) -> list[Instrument]:
        """The next `batch_size` instruments in turn, without those that the source does not know."""
        known = [i for i in self._instruments if not self._board.is_unknown(i.key, self._source.name)]
        if not known:
            return []
        size = min(self._source.batch_size, len(known))
        start = self._turn % len(known)
        batch = (known + known)[start : start + size]
        self._turn = (start + size) % len(known)
        return batch

    def _wants_close(self, instrument: Instrument) -> bool:
        """Whether to ask for the previous close now: only after a price, and if nobody else can tell it."""
        return (
            not self._source.simulated
            and self._source.batch_size == 1
            and instrument.key in self._priced
            and self._board.needs_close(instrument)
            and not self._board.others_ok(self._source.name)
        )

    def _gate(self) -> None:
        self._budget.wait_for_slot(self._stop_event)

    def _fetch_close(self, instrument: Instrument) -> None:
        self._board.note_close(instrument)
        daily = self._source.daily_closes(instrument, self._gate)
        if not self._stop_event.is_set() and daily.closes:
            self._sink.put(daily)
        self._succeeded()

    def _fetch_prices(self, batch: Sequence[Instrument]) -> None:
        quotes = self._source.fetch(batch, self._gate)
        for key in self._unknown_in(batch, quotes):
            self._board.mark_unknown(key, self._source.name)
        self._priced.update(quote.key for quote in quotes)
        self._board.deliver(self._source.name, quotes)
        self._succeeded(quotes)
        if self._source.min_spacing == 0:
            self._pause(self._interval)

    def _unknown_in(self, batch: Sequence[Instrument], quotes: Sequence[Quote]) -> set[str]:
        """What the source itself says it does not know; silence about an instrument proves nothing."""
        asked = {instrument.key for instrument in batch}
        answered = {quote.key for quote in quotes}
        return set(self._source.unknown_keys()) & asked - answered

    def _bad_answer(self, batch: Sequence[Instrument], error: BadDataError) -> None:
        """One instrument's bad answer does not condemn the source, a row of them does."""
        self._bad += 1
        log.warning("%s: unusable answer for %s: %s", self._source.name, batch[0].key, error)
        if self._bad >= BAD_ANSWERS or self._source.batch_size > 1:
            self._failed(str(error))

    def _succeeded(self, quotes: Sequence[Quote] = ()) -> None:
        self._failures = self._bad = 0
        lag = max((self._clock.time() - q.stamp - q.span for q in quotes), default=None)
        self._report("ok", lag=None if lag is None else max(0.0, lag))

    def _failed(self, error: str, *, state: str = "failing", pause: float | None = None) -> None:
        self._failures += 1
        if pause is None:
            pause = max(delay_after(self._failures, self._jitter), self._budget.next_free())
        log.info("%s failed (%d in a row): %s; next try in %.1f s",
                 self._source.name, self._failures, error, pause)  # fmt: skip
        self._report(state, error=error, next_try=self._clock.time() + pause)
        self._pause(pause)

    def _report(
        self, state: str, *, error: str = "", next_try: float | None = None, lag: float | None = None
    ) -> None:
        self._status = SourceStatus(
            name=self._source.name, state=state, last_error=error, next_try=next_try,
            lag=self._status.lag if lag is None else round(lag, 1),
            requests=self._budget.used(), failures=self._failures,
        )  # fmt: skip
        self._board.report(self._status)

    def _pause(self, seconds: float) -> None:
        if self._clock.wait(self._stop_event, seconds):
            raise CancelledError("the feed stops")
