"""The tape: what an engine has for its bots' workers, in order, in Redis.

Every entry has a number that only rises, given by the engine: its clock in microseconds, or one more than the
last. A price goes to its instrument's stream, a command to its bot's; whoever merges several streams by
number has the engine's order again. A bot stores the number of the last entry that it took in together with
what came of it, so each entry counts exactly once, whoever works for the bot and however often Redis lost its
memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from core.cluster import scripts
from core.cluster.entries import Entry, Stamped
from core.cluster.link import Names

log = logging.getLogger(__name__)

MOST_KEPT = 2000
"""Entries of one stream that are kept: here until Redis has them, and there."""
MOST_AT_ONCE = 500


_encode = msgspec.msgpack.Encoder().encode  # unlike JSON it has infinity, which prices use
_decode = msgspec.msgpack.Decoder(Stamped).decode


class Item(NamedTuple):
    """An entry at its place, with its time. `before` is the number of its stream's previous one, or 0."""

    number: int
    at: float
    entry: Entry
    before: int = 0


class _Line(NamedTuple):
    stream: str
    number: int
    before: int
    data: bytes


class TapeWriter:
    """Numbers entries and takes them to Redis. `add` may be called from any thread and never waits."""

    def __init__(
        self, names: Names, engine_id: str, *, now: Callable[[], float] = time.time, most: int = MOST_KEPT
    ) -> None:
        self._names = names
        self._engine_id = engine_id
        self._now = now
        self._most = most
        self._lock = threading.Lock()
        self._number = 0
        self._last: dict[str, int] = {}
        self._waiting: deque[tuple[str, int, int, Stamped]] = deque()
        self._kept: dict[str, deque[_Line]] = {}
        self._nonce = f"{now():.6f}"
        self.repeats = 0
        """How often everything that is kept was written anew, for Redis had lost it."""
        self.lost = 0
        """Entries that were dropped because Redis was away for too long."""

    def begin_after(self, number: int) -> int:
        """Give no number up to this one: bots have seen it. What waits gets others, if it must; by how much
        they are higher then. Call it before anything is written."""
        with self._lock:
            shift = max(0, number + 1 - self._waiting[0][1]) if self._waiting else 0
            self._waiting = deque(
                (topic, at + shift, before and before + shift, entry)
                for topic, at, before, entry in self._waiting
            )
            self._last = {topic: at + shift for topic, at in self._last.items()}
            self._number = max(self._number + shift, number)
            return shift

    @property
    def number(self) -> int:
        """A number that is lower than all that are given from now on, and no lower than any given before."""
        with self._lock:
            return max(self._number, round(self._now() * 1e6) - 1)

    def add(self, topic: str, entry: Entry, at: float) -> int:
        """Put an entry behind all others; `topic` is an instrument's key, `CLOCK` or a bot's `topic_of`."""
        with self._lock:
            number = self._number = max(self._number + 1, round(self._now() * 1e6))
            before = self._last.get(topic, 0)
            self._last[topic] = number
            self._waiting.append((topic, number, before, Stamped(at, entry)))
            if len(self._waiting) > self._most * max(1, len(self._last)):
                self._waiting.popleft()
                self.lost += 1
            return number

    @property
    def waiting(self) -> bool:
        """Whether there is something to be written."""
        return bool(self._waiting)

    def write(self, client: Any) -> int:
        """Take what waits to Redis, all of it again if Redis has lost its memory; how much was written.

        Raises what `faults` names; then it is written by the next call.
        """
        written = 0
        while True:
            with self._lock:
                batch = [self._waiting[i] for i in range(min(len(self._waiting), MOST_AT_ONCE))]
            lines = [
                _Line(self._names.tape(self._engine_id, topic), number, before, _encode(entry))
                for topic, number, before, entry in batch
            ]
            if not self._send(client, lines):
                self._repeat(client)
                continue
            self._keep(lines)
            with self._lock:
                for line in lines:  # some may have been dropped meanwhile, from the same end
                    if self._waiting and self._waiting[0][1] <= line.number:
                        self._waiting.popleft()
            written += len(lines)
            if len(lines) < MOST_AT_ONCE:
                return written

    def _repeat(self, client: Any) -> None:
        self.repeats += 1
        kept = sorted((line for lines in self._kept.values() for line in lines), key=lambda line: line.number)
        for at in range(0, len(kept) or 1, MOST_AT_ONCE):
            self._send(client, kept[at : at + MOST_AT_ONCE], force=True)
        self._send(client, [], claim=True)

    def _send(self, client: Any, lines: Sequence[_Line], *, force: bool = False, claim: bool = False) -> bool:
        """Write `lines`; False if Redis does not know us (any more), unless that is of no account."""
        streams = list(dict.fromkeys(line.stream for line in lines))
        place = {stream: index + 3 for index, stream in enumerate(streams)}
        fields = [
            part for line in lines for part in (place[line.stream], line.number, line.before, line.data)
        ]
        mode = "claim" if claim else "force" if force else ""
        marker, last = self._names.tape_marker(self._engine_id), self._names.tape_last(self._engine_id)
        number = lines[-1].number if lines else ""
        done = client.eval(
            scripts.WRITE,
            2 + len(streams),
            marker,
            last,
            *streams,
            self._nonce,
            mode,
            self._most,
            number,
            *fields,
        )
        return bool(done)

    def _keep(self, lines: Iterable[_Line]) -> None:
        for line in lines:
            self._kept.setdefault(line.stream, deque(maxlen=self._most)).append(line)


def read_tape(
    client: Any, names: Names, engine_id: str, topics: Sequence[str], after: int, most: int = MOST_AT_ONCE
) -> tuple[list[Item], bool, int]:
    """The entries of `topics` behind the number `after`, in order, whether there may be more, and the number
    of the tape's last entry of all at this moment.

    Raises what `faults` names, and `ValueError` for an entry that cannot be read.
    """
    with client.pipeline(transaction=True) as pipeline:  # all streams at the same moment
        for topic in topics:
            pipeline.xrange(names.tape(engine_id, topic), min=f"({after}-0", count=most)
        pipeline.get(names.tape_last(engine_id))
        *streams, last = pipeline.execute()
    horizon = min((_number(rows[-1][0]) for rows in streams if len(rows) == most), default=None)
    items = [
        Item(_number(row_id), stamped.at, stamped.entry, int(fields[b"b"]))
        for rows in streams for row_id, fields in rows
        if horizon is None or _number(row_id) <= horizon
        for stamped in (_read(fields),)
    ]  # fmt: skip
    items.sort(key=lambda item: item.number)
    return items, horizon is not None, int(last or 0)


def last_number(client: Any, names: Names, engine_id: str, topics: Iterable[str]) -> int:
    """The highest number in the streams of `topics`, 0 if there is none."""
    last = 0
    for topic in topics:
        rows = client.xrevrange(names.tape(engine_id, topic), count=1)
        last = max([last, *(_number(row_id) for row_id, _ in rows)])
    return last


def _number(row_id: bytes) -> int:
    return int(row_id.partition(b"-")[0])


def _read(fields: dict[bytes, bytes]) -> Stamped:
    try:
        return _decode(fields[b"d"])
    except (msgspec.DecodeError, KeyError) as error:
        raise ValueError(f"an entry of the tape cannot be read: {error}") from error
