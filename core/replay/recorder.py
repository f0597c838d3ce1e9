"""Writes down what enters the engine. The engine only queues; a thread of its own encodes and writes.

A file is flushed every `FLUSH_SECONDS`, so that after a kill it is readable up to there. Files are never
appended to: each start, each day and each `LARGEST` bytes begin a new one, `YYYY-MM-DD.jsonl.gz`,
`YYYY-MM-DD-2.jsonl.gz` and so on.
"""

from __future__ import annotations

import gzip
import logging
import queue
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from core.atomic import why
from core.feed.messages import SourceLost
from core.model import FeedStatus, Notice, Quote
from core.replay.format import (
    FORMAT,
    VERSION,
    DailyRecord,
    FrameRecord,
    Header,
    LostRecord,
    MarkRecord,
    QuoteRecord,
    Record,
    StatusRecord,
    encode,
)
from core.sources.base import DailyCloses

log = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Batches; more than this are dropped and counted, as a slow disk must not hold up the engine."""
FLUSH_SECONDS = 1.0
RETRY_SECONDS = 60.0
"""After a failure (a full disk) writing is tried again after so long, in a new file."""
LARGEST = 256_000_000
"""Bytes before packing."""
JOIN_SECONDS = 2.0

Opener = Callable[[Path], IO[bytes]]
Tell = Callable[[Notice], None]


def _open_new(path: Path) -> IO[bytes]:
    return path.open("xb")


class Recorder:
    """Records into `folder` from its first record until `close`. Every method but `close` returns at once.

    `tell` gets at most one `Notice` per trouble, from the recorder's thread.
    """

    def __init__(
        self, folder: Path, tell: Tell, *, packed: bool = True, opener: Opener = _open_new,
        retry: float = RETRY_SECONDS, most_waiting: int = MOST_WAITING,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._tell = tell
        self._packed = packed
        self._opener = opener
        self._retry = retry
        self._queue: queue.Queue[list[Record] | None] = queue.Queue(most_waiting)
        self._closing = threading.Event()
        self.dropped = 0
        self.path: Path | None = None
        self._raw: IO[bytes] | None = None
        self._file: IO[bytes] | gzip.GzipFile | None = None
        self._day = ""
        self._written = 0
        self._resting_until = 0.0
        self._in_trouble = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def quotes(self, at: float, mono: float, quotes: Sequence[Quote]) -> None:
        """A batch of quotes that the engine takes at `at`."""
        self._put([QuoteRecord(at=at, mono=mono, quote=quote) for quote in quotes])

    def message(self, at: float, mono: float, message: FeedStatus | DailyCloses | SourceLost) -> None:
        """What else the feed told the engine at `at`."""
        if isinstance(message, DailyCloses):
            self._put([DailyRecord(at=at, mono=mono, daily=message)])
        elif isinstance(message, SourceLost):
            self._put([LostRecord(at=at, mono=mono, lost=message)])
        else:
            self._put([StatusRecord(at=at, mono=mono, status=message)])

    def mark(self, at: float, mono: float) -> None:
        """The engine looks for aged prices."""
        self._put([MarkRecord(at=at, mono=mono)])

    def frame(self, at: float, mono: float, source: str, data: str) -> None:
        """A raw message of a provider; from any thread."""
        self._put([FrameRecord(at=at, mono=mono, source=source, data=data)])

    def close(self) -> None:
        """Write what waits and close the file, in `JOIN_SECONDS` at most. Idempotent."""
        if not self._closing.is_set():
            self._closing.set()
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                pass  # the writer looks at `_closing` once the queue is empty
        self._thread.join(JOIN_SECONDS)

    def _put(self, records: list[Record]) -> None:
        if self._closing.is_set():
            return
        try:
            self._queue.put_nowait(records)
        except queue.Full:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("the disk is too slow for the recording; a part of it is missing")
                self._tell(Notice("warning", "replay.too_slow"))

    def _run(self) -> None:
        flushed = time.monotonic()
        while True:
            try:
                records = self._queue.get(timeout=FLUSH_SECONDS)
            except queue.Empty:
                records = []
            if records is None or (not records and self._closing.is_set()):
                break
            self._guarded(lambda found=records: self._write(found))  # type: ignore[misc]  # bound at once
            now = time.monotonic()
            if now - flushed >= FLUSH_SECONDS:
                flushed = now
                self._guarded(self._flush)
        self._guarded(self._shut)

    def _guarded(self, work: Callable[[], None]) -> None:
        """A full disk ends the file, not the program; it is said once."""
        try:
            work()
        except OSError as error:
            self._resting_until = time.monotonic() + self._retry
            self._abandon()
            if not self._in_trouble:
                self._in_trouble = True
                log.warning("the recording cannot be written: %s", error)
                self._tell(Notice("warning", "replay.not_written", {"reason": why(error)}))

    def _write(self, records: list[Record]) -> None:
        if not records or time.monotonic() < self._resting_until:
            return
        day = f"{datetime.fromtimestamp(records[0].at):%Y-%m-%d}"
        if self._file is None or day != self._day or self._written >= LARGEST:
            self._begin(day, records[0].at)
        assert self._file is not None
        data = b"".join(map(encode, records))
        self._written += self._file.write(data)

    def _begin(self, day: str, at: float) -> None:
        self._shut()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._day = day
        self._raw = self._open(day)
        self._file = self._raw
        if self._packed:
            self._file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=6)
        self._written = self._file.write(encode(Header(started=at, format=FORMAT, version=VERSION)))
        self._flush()
        if self._in_trouble:
            self._in_trouble = False
            self._tell(Notice("info", "replay.written_again"))

    def _open(self, day: str) -> IO[bytes]:
        suffix = ".jsonl.gz" if self._packed else ".jsonl"
        number = 1
        while True:
            name = day if number == 1 else f"{day}-{number}"
            self.path = self._folder / f"{name}{suffix}"
            try:
                return self._opener(self.path)
            except FileExistsError:
                number += 1

    def _flush(self) -> None:
        if isinstance(self._file, gzip.GzipFile):
            self._file.flush(zlib.Z_SYNC_FLUSH)
        if self._raw is not None:
            self._raw.flush()

    def _shut(self) -> None:
        file, self._file = self._file, None
        raw, self._raw = self._raw, None
        try:
            if file is not None:
                file.close()
        finally:
            if raw is not None:
                raw.close()

    def _abandon(self) -> None:
        """Close what can be closed of a file that could not be written."""
        try:
            self._shut()
        except OSError as error:
            log.info("the recording's file did not close cleanly: %s", error)
