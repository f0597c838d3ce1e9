"""The feed of a replay: a thread that hands recorded batches to the engine at the recorded pace or faster.

The engine takes each record at the recorded time, on a clock that stands still in between, and the thread
waits until a portion has been worked off before it hands over the next. So nothing that the engine decides
depends on the speed or on the computer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from core.config import Config
from core.errors import InputError, StorageError
from core.feed.messages import FeedSink
from core.i18n import tr
from core.model import FeedStatus, Instrument, Notice, Quote, SourceStatus
from core.replay.book import SOURCE
from core.replay.clock import ReplayClock
from core.replay.format import (
    DailyRecord,
    FrameRecord,
    LostRecord,
    MarkRecord,
    QuoteRecord,
    Record,
    StatusRecord,
)
from core.replay.reader import Recording, choose_recording
from core.replay.stored import PREFIX, StoredDay
from core.storage.base import Store

if TYPE_CHECKING:
    from core.engine.engine import Engine

log = logging.getLogger(__name__)

JOIN_SECONDS = 2.0
LONGEST_SILENCE = 5.0
"""Recorded seconds; a longer stretch without any record (the recorder was off) is passed over."""
PORTION = 0.02
"""Real seconds whose records are handed over at once."""
MOST_AT_ONCE = 500
"""Records in a portion; a batch that the engine once took at once is never parted."""


class _Sink(FeedSink, Protocol):
    def put(self, message: object) -> None: ...


class ReplayPortion(msgspec.Struct, frozen=True):
    """Records for the engine, in their order. `first` begins a replay and `last` ends it, with `error` if it
    did not end well."""

    runner: ReplayRunner
    records: tuple[Record, ...]
    first: bool = False
    last: bool = False
    error: str = ""


class ReplayRunner(threading.Thread):
    """Reads one recording and puts its records into the sink."""

    def __init__(
        self, recording: Recording | StoredDay, speed: float, sink: _Sink, clock: ReplayClock
    ) -> None:
        super().__init__(name="feed-replay", daemon=True)
        self._recording = recording
        self._speed = speed
        self._sink = sink
        self._clock = clock.base
        self._stop_event = threading.Event()
        self._taken = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether what it still has handed over is to be ignored."""
        return self._stop_event.is_set()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stop_event.set()
        self._taken.set()

    def done(self) -> None:
        """The engine has worked off a portion."""
        self._taken.set()

    def run(self) -> None:
        """Hand over everything, then say that it is over."""
        error = ""
        try:
            self._play()
        except (InputError, StorageError) as problem:
            error = str(problem)
        except Exception as bug:
            log.exception("the replay broke")
            error = tr("engine.internal", error=f"{type(bug).__name__}: {bug}")
        self._hand_over((), last=True, error=error)

    def _play(self) -> None:
        portion: list[Record] = []
        first = True
        begun = self._clock.monotonic()
        passed, before = 0.0, None
        for batch in batches(self._recording.records()):
            at = batch[0].at
            if before is not None:
                step = at - before
                passed += step if 0.0 <= step <= LONGEST_SILENCE else 0.0
            before = at
            ahead = passed / self._speed - (self._clock.monotonic() - begun)
            if portion and (ahead > PORTION or len(portion) >= MOST_AT_ONCE):
                self._hand_over(tuple(portion), first=first)
                first, portion = False, []
                ahead = passed / self._speed - (self._clock.monotonic() - begun)
            if self.stopped or (ahead > PORTION and self._clock.wait(self._stop_event, ahead)):
                return
            portion += batch
        if first and not portion:
            raise InputError(tr("replay.empty", file=self._recording.path.name))
        self._hand_over(tuple(portion), first=first)

    def _hand_over(
        self, records: tuple[Record, ...], *, first: bool = False, last: bool = False, error: str = ""
    ) -> None:
        """Wait until the engine has taken them, or the replay is stopped."""
        self._taken.clear()
        if not self.stopped:
            self._sink.put(ReplayPortion(self, records, first, last, error))
            self._taken.wait()


def batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """The quotes that the engine took at once, together; everything else alone. Raw frames are left out."""
    batch: list[Record] = []
    for record in records:
        if isinstance(record, FrameRecord):
            continue
        joins = (
            bool(batch) and isinstance(record, QuoteRecord) and isinstance(batch[0], QuoteRecord)
            and (record.at, record.mono) == (batch[0].at, batch[0].mono)
        )  # fmt: skip
        if batch and not joins:
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch


def play(
    records: Sequence[Record], engine: Engine, clock: ReplayClock, on_quote: Callable[[Quote], None]
) -> None:
    """Let the engine do with `records` what it did when they were live."""
    for batch in batches(iter(records)):
        record = batch[0]
        clock.hold(record.at, record.mono)
        if isinstance(record, QuoteRecord):
            engine.begin_batch()
            for each in batch:
                assert isinstance(each, QuoteRecord)
                on_quote(each.quote)
        elif isinstance(record, DailyRecord):
            engine.on_daily(record.daily)
        elif isinstance(record, LostRecord):
            engine.on_source_lost(record.lost.source)
        elif isinstance(record, StatusRecord) and record.status.state == "stopped":
            engine.expire_prices()
        engine.end_replayed(look=isinstance(record, MarkRecord))


class ReplayFeed:
    """Stands in for the live feed while `live_data_source` is "replay". Used from the engine's thread."""

    def __init__(
        self, sink: _Sink, clock: ReplayClock, folder: Path | None, open_store: Callable[[Config], Store]
    ) -> None:
        """`folder` holds the recordings of this data directory, `open_store` opens a database with bars."""
        self._sink = sink
        self._clock = clock
        self._folder = folder
        self._open_store = open_store
        self._runner: ReplayRunner | None = None
        self._ending: list[ReplayRunner] = []
        self._speed = 1
        self._exchange = ""

    @property
    def running(self) -> bool:
        """Whether the replay was started and not stopped since."""
        return self._runner is not None

    def start(self, config: Config, instruments: Sequence[Instrument]) -> None:
        """Play the chosen recording from its beginning; does nothing if it runs. Raises `InputError`."""
        if self.running:
            return
        recording = self._recording(config)
        self._speed, self._exchange = config.real_time.replay_speed, config.exchange
        self._runner = ReplayRunner(recording, self._speed, self._sink, self._clock)
        self._tell("connecting")
        self._runner.start()

    def take(self, portion: ReplayPortion, engine: Engine, on_quote: Callable[[Quote], None]) -> None:
        """Carry out a portion, unless it comes from a replay that was stopped."""
        runner = portion.runner
        if runner is not self._runner or runner.stopped:
            return
        try:
            if portion.first:
                engine.start_over()
                self._tell("running")
            play(portion.records, engine, self._clock, on_quote)
            if portion.last:
                self._end(portion, engine)
        finally:
            runner.done()

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """A recording holds what it holds."""

    def tick(self) -> None:
        """Forget threads that have ended."""
        self._ending = [runner for runner in self._ending if runner.is_alive()]

    def stop(self) -> None:
        """End the replay; returns at once. Idempotent."""
        if self.running:
            self.halt()
            self._sink.put(FeedStatus(state="stopped", updated=self._clock.time()))

    def halt(self) -> None:
        """As `stop`, without telling."""
        if self._runner is not None:
            self._runner.stop()
            self._ending.append(self._runner)
            self._runner = None
            self._clock.release()

    def forget_closes(self) -> None:
        """There are none to forget."""

    def close(self) -> None:
        """Stop and wait for the threads, `JOIN_SECONDS` at most in all."""
        self.stop()
        deadline = time.monotonic() + JOIN_SECONDS
        for runner in self._ending:
            runner.join(max(0.0, deadline - time.monotonic()))
        self.tick()

    def _recording(self, config: Config) -> Recording | StoredDay:
        file = config.real_time.replay_file
        if not file.startswith(PREFIX):
            return Recording(choose_recording(file, self._folder))
        live = msgspec.structs.replace(config.real_time, live_data_source="auto")
        real = msgspec.structs.replace(config, real_time=live)
        return StoredDay(file, config, lambda: self._open_store(real))

    def _end(self, portion: ReplayPortion, engine: Engine) -> None:
        if portion.error:
            engine.bus.publish(Notice("warning", "engine.text", {"text": portion.error}))
        else:
            engine.bus.publish(Notice("info", "replay.ended", {"signals": engine.signals_out.count}))
        engine.publish_portfolio()
        self._tell("offline")

    def _tell(self, state: str) -> None:
        source = "ok" if state == "running" else "connecting" if state == "connecting" else "idle"
        self._sink.put(FeedStatus(
            state=state, active=SOURCE, sources=(SourceStatus(name=SOURCE, state=source),),
            updated=self._clock.time(), replay_speed=self._speed, exchange=self._exchange,
        ))  # fmt: skip
