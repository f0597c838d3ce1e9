"""Requests for bars of the past, open until a source has told them or nobody wants them any more.

A request that fails goes to another source, or to the same one after a growing pause; the engine hears of a
failure once all sources have failed, and of the next ones no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec

from core.clock import Clock
from core.model import Bar, Instrument

FIRST_PAUSE = 30.0
LONGEST_PAUSE = 900.0
UNKNOWN_PAUSE = 1800.0
"""Seconds after which a source that does not know the instrument is asked again."""


class BarHistory(msgspec.Struct, frozen=True):
    """Finished bars of the past, as a provider tells them."""

    key: str
    seconds: int
    bars: tuple[Bar, ...]
    source: str


class HistoryFailed(msgspec.Struct, frozen=True):
    """No source could tell the history; `error` is the last one's sentence. They are asked again."""

    key: str
    seconds: int
    error: str


class HistoryJob:
    """One series that is wanted. `pauses` says, by source, when it may be asked again (monotonic time)."""

    def __init__(self, instrument: Instrument, seconds: int, count: int) -> None:
        self.instrument = instrument
        self.seconds = seconds
        self.count = count
        self.taken = False
        self.told = False
        self.failures = 0
        self.pauses: dict[str, float] = {}


class HistoryDesk:
    """The requests that are open. Thread-safe; it outlives a stop and start of the feed."""

    def __init__(self, put: Callable[[BarHistory | HistoryFailed], None], clock: Clock) -> None:
        self._put = put
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, int], HistoryJob] = {}
        self._wanted: dict[tuple[str, int], tuple[Instrument, int]] = {}
        self._sources: frozenset[str] = frozenset()
        self._rests: dict[str, float] = {}

    def begin(self, sources: Iterable[str]) -> None:
        """The feed starts with these sources: what is wanted is asked for at once, and anew, as bars may have
        been missed while it rested."""
        with self._lock:
            self._sources = frozenset(sources)
            self._jobs = {
                (key, seconds): HistoryJob(instrument, seconds, count)
                for (key, seconds), (instrument, count) in self._wanted.items()
            }

    def ask(self, instrument: Instrument, seconds: int, count: int) -> None:
        """Want the last `count` bars of `seconds`, now and whenever the feed starts, until `drop`; an open
        request for fewer of them becomes one for so many."""
        place = (instrument.key, seconds)
        with self._lock:
            _, before = self._wanted.get(place, (instrument, 0))
            self._wanted[place] = (instrument, max(count, before))
            job = self._jobs.get(place)
            if job is None or (job.taken and job.count < count):
                self._jobs[place] = HistoryJob(instrument, seconds, count)
            else:
                job.count = max(count, job.count)

    def drop(self, key: str, seconds: int) -> None:
        """Nobody wants them any more."""
        with self._lock:
            self._jobs.pop((key, seconds), None)
            self._wanted.pop((key, seconds), None)

    def cannot(self, source: str) -> None:
        """`source` tells no history at all."""
        with self._lock:
            self._sources -= {source}

    def rest(self, source: str, seconds: float) -> None:
        """Do not ask `source` for anything for so long."""
        with self._lock:
            self._rests[source] = self._clock.monotonic() + seconds

    def has_work(self, source: str) -> bool:
        """Whether `take` would give something."""
        with self._lock:
            return self._next(source) is not None

    def take(self, source: str) -> HistoryJob | None:
        """The next request for `source`, which has to end it by `done`, `failed` or `undo`."""
        with self._lock:
            job = self._next(source)
            if job is not None:
                job.taken = True
            return job

    def done(self, job: HistoryJob, source: str, bars: Sequence[Bar]) -> None:
        """`source` has told the bars."""
        with self._lock:
            if self._forget(job):
                self._put(BarHistory(job.instrument.key, job.seconds, tuple(bars), source))

    def failed(self, job: HistoryJob, source: str, error: str, *, unknown: bool = False) -> None:
        """`source` could not tell them, or does not know the instrument."""
        with self._lock:
            job.taken = False
            job.failures += 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(job.failures - 1, 20))
            job.pauses[source] = self._clock.monotonic() + (UNKNOWN_PAUSE if unknown else pause)
            wanted = self._jobs.get((job.instrument.key, job.seconds)) is job
            if wanted and not job.told and job.pauses.keys() >= self._sources:
                job.told = True
                self._put(HistoryFailed(job.instrument.key, job.seconds, error))

    def undo(self, job: HistoryJob) -> None:
        """The request was cut off because the feed stops."""
        with self._lock:
            job.taken = False

    def _next(self, source: str) -> HistoryJob | None:
        now = self._clock.monotonic()
        if not self._jobs or source not in self._sources or self._rests.get(source, now) > now:
            return None
        free = (job for job in self._jobs.values() if not job.taken and job.pauses.get(source, now) <= now)
        return next(free, None)

    def _forget(self, job: HistoryJob) -> bool:
        """Take `job` off the list; False if it is not there any more."""
        place = (job.instrument.key, job.seconds)
        if self._jobs.get(place) is not job:
            return False
        del self._jobs[place]
        return True
