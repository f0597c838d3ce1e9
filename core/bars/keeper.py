"""All about bars for the engine: ticks in, stored bars and events out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence

from core.bars.aggregate import Aggregator
from core.bars.book import MOST_BARS, BarBook, Hole, known_length
from core.bars.derive import MINUTE, merge, start_of, union
from core.bars.history import usable
from core.bars.pruner import Pruner
from core.bars.requests import HistoryRequests, Holes
from core.bars.sessions import Sessions
from core.bars.writer import BarWriter
from core.clock import Clock
from core.errors import InputError, StorageError
from core.events import EventBus
from core.exchanges import EXCHANGES
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import Bar, Instrument, Notice
from core.storage.base import Store

log = logging.getLogger(__name__)

SHOW_EVERY = 0.1
"""Seconds between two updates of a watched series."""
MOST_LOOKED_AT = 3000
"""So many minutes are read at most for one who does not watch."""
TOLD_LENGTHS = (60, 300, 900, 3600, 86_400)
"""The bars that providers tell; others are made of minutes."""
PRUNE_EVERY = 6 * 3600.0
PRUNE_FIRST = 60.0
PRUNE_LATEST = 3600.0
"""Seconds for which a step of pruning waits at most for a quiet moment."""

AskHistory = Callable[[Instrument, int, int], None]
DropHistory = Callable[[str, int], None]


class BarKeeper:
    """Owns the bars of one world (real or simulated). Belongs to the engine's thread."""

    def __init__(
        self, store: Store, calendar: MarketCalendar, clock: Clock, bus: EventBus, *, simulated: bool,
        round_the_clock: bool, keep_days: int,
    ) -> None:  # fmt: skip
        """`simulated` tells which ticks count; `round_the_clock` is for a market that never closes."""
        self._clock = clock
        self._bus = bus
        self.keep_days = keep_days
        self.ask_history: AskHistory = lambda instrument, seconds, count: None
        """Called with an instrument, a bar's seconds and how many bars are wanted of a provider."""
        self.drop_history: DropHistory = lambda key, seconds: None
        """Called with a key and a bar's seconds when nobody looks at them any more."""
        self._for_bots: set[tuple[str, int]] = set()
        self._set_up(store, calendar, simulated=simulated, round_the_clock=round_the_clock)

    def _set_up(
        self, store: Store, calendar: MarketCalendar, *, simulated: bool, round_the_clock: bool
    ) -> None:
        self._store = store
        self._calendar = calendar
        self._world = (simulated, round_the_clock)
        self._sessions = Sessions(calendar, round_the_clock=round_the_clock)
        self._aggregator = Aggregator(self._sessions, self._last_stored, simulated=simulated)
        self.add = self._aggregator.add
        self.add_told = self._aggregator.add_told
        self._writer = BarWriter(store)
        self._book = BarBook(self._sessions, self._known)
        self._pruner = Pruner(store, self._sessions)
        self._next_show = 0.0
        self._requests = HistoryRequests(self._ask_provider, self._clock)
        self._holes = Holes()
        self._next_prune = self._clock.monotonic() + PRUNE_FIRST

    def change_world(self, store: Store, *, simulated: bool, round_the_clock: bool) -> None:
        """Go on in another store; what is watched is loaded anew. Call `flush` while the old one is open."""
        watched = self._book.watched()
        self._writer.abandon()
        self._set_up(store, self._calendar, simulated=simulated, round_the_clock=round_the_clock)
        self._open_all(watched)

    def start_over(self, store: Store) -> None:
        """A replay begins anew, in an empty store."""
        self.change_world(store, simulated=self._world[0], round_the_clock=self._world[1])

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """Judge sessions by another calendar from now on."""
        self.flush()
        self._calendar = calendar
        self.change_world(self._store, simulated=self._world[0], round_the_clock=self._world[1])

    # --- who looks ----------------------------------------------------------------------------------

    def watch(self, key: str, seconds: int) -> None:
        """Publish a series from now on, and ask for its history. Raises `InputError` or `StorageError`."""
        if key.partition(":")[0] not in EXCHANGES or not known_length(seconds):
            raise InputError(tr("bars.no_such_series", key=key, seconds=seconds))
        self._take()
        self._bus.publish(self._book.open(key, seconds))
        told = self._told_length(seconds)
        self._requests.ask(key, told, MOST_BARS)
        if told != MINUTE:
            # The provider's bars are finished ones: the bar that grows is made of minutes, since its begin.
            grows = self._aggregator.current(key) is not None
            now = None if grows else self._clock.time()
            self._want_minutes(self._book.hole(key, self._holes.told(key), now))

    def unwatch(self, key: str, seconds: int) -> None:
        """Do not publish it any more."""
        self._book.shut(key, seconds)
        watched = {length for name, length in self._book.watched() if name == key}
        for told in {MINUTE, seconds} - ({MINUTE, *watched} if watched else set()):
            if (key, told) not in self._for_bots:
                self._requests.drop(key, told)
                self.drop_history(key, told)

    def known(self, key: str, seconds: int, most: int) -> list[Bar]:
        """The newest bars of a series that are known, `most` at most, the last one perhaps still growing;
        made of `MOST_LOOKED_AT` minutes at most. Raises `StorageError`."""
        self._take()
        minutes = self._known(key, MINUTE, min(most * max(1, seconds // MINUTE), MOST_LOOKED_AT))
        told = [] if seconds == MINUTE else self._known(key, seconds, most)
        return merge(told, minutes, seconds, self._sessions)[-most:]

    def request(self, key: str, seconds: int, *, patient: bool = True) -> None:
        """Ask a provider for what came before the bars that are known; if `patient`, not too often."""
        told = self._told_length(seconds)
        self._for_bots.add((key, told))
        act = self._requests.want if patient else self._requests.ask
        act(key, told, MOST_BARS)

    def on_history(self, key: str, seconds: int, bars: Sequence[Bar]) -> None:
        """A provider's bars have come."""
        good = usable(bars, key, seconds, self._sessions, self._clock.time())
        if len(good) < len(bars):
            log.info("%d of %d bars of %s are of no use", len(bars) - len(good), len(bars), key)
        self._take()
        told = good[-1].start + seconds if good else -math.inf
        if self._world[0]:
            good = self._before_ours(key, good)
        if good:
            self._add_history(key, seconds, good)
        self._requests.told(key, seconds)
        if seconds == MINUTE:
            self._want_minutes(self._holes.judge(key, told, lambda after: self._book.hole(key, after)))

    # --- as time goes by ----------------------------------------------------------------------------

    def end_batch(self, now: float) -> None:
        """At the monotonic time `now`, after some ticks: publish and write what is due."""
        if now >= self._next_show and self._aggregator.waiting and self._book.watched():
            self._next_show = now + SHOW_EVERY
            self._take()
            for update in self._book.updates():
                self._bus.publish(update)
        if now >= self._writer.next_write:
            self.flush()
        if now >= self._requests.next_due:
            self._requests.carry_out()

    def next_due(self) -> float:
        """When `end_batch` has something to do, by the monotonic clock."""
        if not self._aggregator.waiting:
            return self._writer.next_write if self._writer.waiting_any else math.inf
        return min(self._writer.next_write, self._next_show if self._book.watched() else math.inf)

    def flush(self) -> None:
        """Write everything now; a failure is told once, and so is its end."""
        self._take()
        if not self._writer.waiting_any:
            return
        before = self._writer.error
        error = self._writer.write(self._clock.monotonic())
        if error and error != before:
            self._bus.publish(Notice("error", "bars.not_stored", {"error": error}))
        elif before and not error:
            self._bus.publish(Notice("info", "bars.stored_again"))

    def prune(self) -> None:
        """Once a second: forget some of what is too old, when there is nothing better to do."""
        now = self._clock.monotonic()
        late = now >= self._next_prune + PRUNE_LATEST
        if now < self._next_prune or (self._aggregator.waiting and not late):
            return
        try:
            more = self._pruner.step(self._clock.time(), self.keep_days)
        except StorageError as error:
            log.warning("old bars cannot be removed yet: %s", error)
            more = False
        self._next_prune = now + (0.0 if more else PRUNE_EVERY)

    def close(self) -> None:
        """Write what is waiting, for the last time."""
        self.flush()
        self._writer.abandon()

    # --- inside -------------------------------------------------------------------------------------

    def _take(self) -> None:
        """Hand what the ticks have changed to those who keep it."""
        changed = self._aggregator.take_changed()
        if changed:
            self._writer.put(changed, MINUTE)
            for hole in self._book.add_minutes(changed):
                self._ask_for(hole)

    def _add_history(self, key: str, seconds: int, good: list[Bar]) -> None:
        if seconds == MINUTE:
            self._aggregator.finish(key, good[-1].start)
        self._writer.put(good, seconds)
        for loaded in self._book.add_history(key, seconds, good):
            self._bus.publish(loaded)

    def _told_length(self, seconds: int) -> int:
        """The length of the bars of which a series is made, among those that a provider tells here."""
        return seconds if seconds in TOLD_LENGTHS and not self._world[0] else MINUTE

    def _ask_for(self, hole: Hole) -> None:
        """Want what is missing, in minutes, and in the bars of watched series that it is as long as."""
        self._want_minutes(hole)
        for key, seconds in self._book.watched():
            told = self._told_length(seconds)
            if key == hole.key and MINUTE < told <= hole.end - hole.begin:
                self._requests.want(key, told, MOST_BARS)

    def _want_minutes(self, hole: Hole | None) -> None:
        """Want the minutes of a hole's session: no more requests than for the hole, and each other series
        finds them. A made-up past comes before our own bars, so it fills no holes."""
        if hole is None or self._world[0]:
            return
        session = self._sessions.at(hole.key.partition(":")[0], hole.end - 1)
        opened, closed = session if session is not None else (hole.begin, hole.end)
        length = closed - opened + max(0.0, opened - hole.begin)
        self._requests.want(hole.key, MINUTE, min(MOST_BARS, math.ceil(length / MINUTE)))

    def _ask_provider(self, key: str, seconds: int, count: int) -> None:
        self.ask_history(Instrument.from_key(key), seconds, count)

    def _open_all(self, watched: Iterable[tuple[str, int]]) -> None:
        for key, seconds in watched:
            try:
                self.watch(key, seconds)
            except StorageError as error:
                log.warning("the bars of %s cannot be read: %s", key, error)

    def _before_ours(self, key: str, made_up: list[Bar]) -> list[Bar]:
        """Of a made-up past only what comes before our own bars, on their level."""
        stored = self._store.oldest_bars(key, MINUTE, math.inf, 1)
        ours = [*stored, *self._writer.waiting(key, MINUTE)]
        if not ours or not made_up:
            return made_up
        first = min(ours, key=start_of)
        before = [bar for bar in made_up if bar.start < first.start]
        factor = first.open / before[-1].close if before else 1.0
        decimals = 2 if first.open >= 1.0 else 6

        def fitted(price: float) -> float:
            return max(round(price * factor, decimals), 10.0**-decimals)

        return [
            Bar(key, b.start, fitted(b.open), fitted(b.high), fitted(b.low), fitted(b.close), b.volume)
            for b in before
        ]

    def _known(self, key: str, seconds: int, limit: int) -> list[Bar]:
        return union(self._store.bars(key, seconds, limit=limit), self._writer.waiting(key, seconds))

    def _last_stored(self, key: str) -> Bar | None:
        try:
            return next(reversed(self._known(key, MINUTE, 1)), None)
        except StorageError as error:
            log.warning("the last bar of %s cannot be read: %s", key, error)
            return None
