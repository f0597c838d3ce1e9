"""The thread that polls one source: round-robin, within the budget, backing off while it fails."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from core.clock import Clock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.feed.backoff import RATE_LIMIT_PAUSE, delay_after
from core.feed.board import FeedBoard
from core.feed.budget import RequestBudget
from core.feed.source_thread import IDLE, LONGEST_PAUSE, SourceThread
from core.i18n import tr
from core.model import Instrument, Quote
from core.sources.base import AnchoredSource, DailyCloses, PolledSource

log = logging.getLogger(__name__)

BAD_ANSWERS = 3
"""So many unusable answers in a row count as a failure of the whole source."""
LEISURE = 6
"""Every so many requests one may ask for daily closes that are not urgent (they tell the volatility)."""
DAILY_AT_REST = 30.0
"""Seconds between two requests for daily closes while all prices are pushed."""
CROSS_CHECK_EVERY = 300.0
"""Seconds after which all prices are asked for although they are pushed, where one request gets them all:
sources check each other."""


class SourceRunner(SourceThread):
    """Polls one source for the instruments until it is stopped."""

    def __init__(
        self, source: PolledSource, instruments: Sequence[Instrument], budget: RequestBudget,
        board: FeedBoard, clock: Clock, *, interval: float, jitter: random.Random,
    ) -> None:  # fmt: skip
        super().__init__(f"feed-{source.name}", source, instruments, budget, board, clock, jitter)
        self._source = source
        self._interval = interval
        self._watched: tuple[Instrument, ...] = ()
        self._queue: deque[Instrument] = deque()
        self._unknown: frozenset[str] = frozenset()
        self._priced: set[str] = set()
        self._requests = 0
        self._answered = False
        self._told_bad: set[str] = set()
        self._bad = 0
        self._next_daily = self._next_check = clock.monotonic() + DAILY_AT_REST

    def _end(self) -> None:
        self._source.close()

    def _turn(self) -> None:
        """One request, and the rest after it if it failed. Raises `CancelledError` when it is time to end."""
        if self._source.simulated and not self._board.simulation_wanted():
            self._report("idle")
            self._pause(IDLE)
            return
        self._anchor()
        batch = self._next_batch()
        resting = None if batch else self._daily_at_rest()
        if not batch and resting is None:
            works = self._answered and not self._board.has_push
            self._report("ok" if works else "idle", rate=self._rate() if works else None)
            self._pause(IDLE)
            return
        try:
            self._requests += 1
            daily = resting or self._daily_due(batch[0])
            if daily is not None:
                batch = batch or [daily]
                self._fetch_daily(daily)
            else:
                self._move_behind(batch)
                self._fetch_prices(batch)
        except CancelledError:
            if self._stop_event.is_set():
                raise
            self._failed(tr("engine.source_slow", source=self._source.name))
        except UnknownSymbolError as error:
            self._board.mark_unknown(error.key, self._source.name)
            self._succeeded()
        except RateLimitedError as error:
            pause = error.retry_after if error.retry_after is not None else RATE_LIMIT_PAUSE
            pause = min(max(pause, self._budget.spacing), LONGEST_PAUSE)
            self._failed(str(error), state="blocked", pause=pause)
        except BadDataError as error:
            self._bad_answer(batch, error)
        except SourceError as error:
            self._failed(str(error))
        except Exception as bug:  # noqa: BLE001 - logged; what is wrong with one answer may be right in the next
            self._broke(bug)

    def _anchor(self) -> None:
        """Let made-up prices go on from the last real ones."""
        if self._source.simulated and isinstance(self._source, AnchoredSource):
            for quote in self._board.take_real_quotes():
                self._source.anchor(quote.key, quote.price, quote.previous_close)

    def _next_batch(self) -> list[Instrument]:
        """The next `batch_size` instruments in turn, without those that the source does not know, that were
        pushed lately or whose market is closed."""
        unknown = self._board.unknown_to(self._source.name)
        if self._wanted is not self._watched or unknown != self._unknown:
            self._line_up(unknown)
        size = self._source.batch_size
        if self._source.simulated:
            return list(islice(self._queue, size))
        awake = self._board.awake(self._source.name, self._queue)
        if not self._board.has_push:
            return awake[:size]
        silent = self._board.unpushed(awake)
        if not silent and size > 1 and self._clock.monotonic() >= self._next_check:
            silent = awake
        if len(silent) == len(awake):
            self._next_check = self._clock.monotonic() + CROSS_CHECK_EVERY
        return self._most_wanted(silent)[:size]

    def _most_wanted(self, silent: list[Instrument]) -> list[Instrument]:
        """What is held or on the screen first, at every other request, so that nobody waits for ever."""
        preferred = self._board.preferred
        if self._requests % 2:
            return silent
        return sorted(silent, key=lambda instrument: instrument.key not in preferred)

    def _move_behind(self, batch: Sequence[Instrument]) -> None:
        """It is the others' turn next."""
        if batch[0] == self._queue[0] and batch[-1] == self._queue[len(batch) - 1]:
            self._queue.rotate(-len(batch))
            return
        asked = set(batch)
        self._queue = deque([*(i for i in self._queue if i not in asked), *batch])

    def _daily_at_rest(self) -> Instrument | None:
        """For whom to ask daily closes while there are no prices to ask for: at once where a price lacks its
        previous close, the others (which tell the volatility) at leisure."""
        now, name = self._clock.monotonic(), self._source.name
        if self._source.simulated:
            return None
        bare = (i for i in self._queue if i.key in self._priced and self._board.close_is_urgent(i, name))
        urgent = None if self._board.has_push else next(bare, None)
        if urgent is not None or now < self._next_daily:
            return urgent
        self._next_daily = now + DAILY_AT_REST
        return next((i for i in self._queue if self._board.wants_daily(i)), None)

    def _line_up(self, unknown: frozenset[str]) -> None:
        """Put new instruments first, leave out those that are not wanted or not known."""
        self._watched, self._unknown = self._wanted, unknown
        wanted = {instrument for instrument in self._watched if instrument.key not in unknown}
        waiting = set(self._queue)
        new = [i for i in self._watched if i in wanted and i not in waiting]
        self._queue = deque(new + [i for i in self._queue if i in wanted])
        self._priced &= {instrument.key for instrument in wanted}

    def _daily_due(self, instrument: Instrument) -> Instrument | None:
        """For whom to ask daily closes now instead of prices: at once if a price lacks its previous close and
        nobody else can tell it, else at leisure, once per session."""
        if self._source.simulated:
            return None
        name = self._source.name
        if instrument.key in self._priced and self._board.close_is_urgent(instrument, name):
            return instrument
        if self._requests % LEISURE:
            return None
        return next((i for i in self._queue if i.key in self._priced and self._board.wants_daily(i)), None)

    def _gate(self) -> None:
        self._budget.wait_for_slot(self._stop_event)

    def _fetch_daily(self, instrument: Instrument) -> None:
        self._board.begin_daily(instrument)
        try:
            daily = self._source.daily_closes(instrument, self._gate)
        except UnknownSymbolError:
            daily = DailyCloses(instrument.key, ())  # but its price was known, so go on asking for that
        except BadDataError:
            self._board.end_daily(instrument)
            raise
        except CancelledError:
            if self._stop_event.is_set():
                self._board.undo_daily(instrument)
            raise
        self._board.end_daily(instrument)
        self._board.deliver_daily(msgspec.structs.replace(daily, source=self._source.name))
        self._succeeded()

    def _fetch_prices(self, batch: Sequence[Instrument]) -> None:
        quotes = self._source.fetch(batch, self._gate)
        unknown = self._unknown_in(batch, quotes)
        for key in unknown:
            self._board.mark_unknown(key, self._source.name)
        if not quotes and not unknown:
            raise BadDataError(tr("engine.source_empty", source=self._source.name))
        self._priced.update(quote.key for quote in quotes)
        self._board.deliver(self._source.name, quotes)
        self._succeeded(quotes)
        if self._source.min_spacing == 0:
            self._pause(self._interval)

    def _unknown_in(self, batch: Sequence[Instrument], quotes: Sequence[Quote]) -> set[str]:
        """What the source itself says it does not know; silence about an instrument proves nothing."""
        unknown = self._source.unknown_keys()
        if not unknown:
            return set()
        asked = {instrument.key for instrument in batch}
        answered = {quote.key for quote in quotes}
        return set(unknown) & asked - answered

    def _bad_answer(self, batch: Sequence[Instrument], error: BadDataError) -> None:
        """One instrument's bad answer does not condemn the source, a row of them does."""
        self._bad += 1
        key = batch[0].key
        level = logging.DEBUG if key in self._told_bad else logging.WARNING
        self._told_bad.add(key)
        log.log(level, "%s: unusable answer for %s: %s", self._source.name, key, error)
        if self._bad >= BAD_ANSWERS or self._source.batch_size > 1:
            self._failed(str(error))
        elif self._source.min_spacing == 0:
            self._pause(self._interval)

    def _succeeded(self, quotes: Sequence[Quote] = ()) -> None:
        """Back to normal."""
        self._failures = self._bad = 0
        self._answered = True
        if self._since is None:
            self._begun()
        self._note(quotes)
        self._report("ok", rate=self._rate())

    def _delay(self) -> float:
        return max(delay_after(self._failures, self._jitter), self._budget.next_free())
