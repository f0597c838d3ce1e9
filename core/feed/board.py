"""What the feed's threads know in common: whom to ask for what, and how each source fares. Thread-safe."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence

import msgspec

from core.clock import Clock
from core.feed.budget import RequestBudget
from core.feed.closes import CloseMemory
from core.feed.hours import FeedHours, MarketOf
from core.feed.messages import FeedSink, InstrumentUnknown, SourceLost
from core.model import FeedStatus, Instrument, Quote, SourceStatus
from core.sources.base import DailyCloses

BELIEVED_FOR = 1800.0
"""Seconds after which a source that did not know an instrument is asked again: it may have been a hiccup."""


class FeedBoard:
    """The shared state of one run of the feed, from start to stop.

    The sink is filled under the board's lock, so that nothing arrives there once `stop` has returned.
    """

    def __init__(
        self,
        sink: FeedSink,
        clock: Clock,
        real_sources: Sequence[str],
        closes: CloseMemory,
        grace: float,
        *,
        chosen_simulation: bool,
        push_sources: Sequence[str] = (),
        market_of: MarketOf = lambda exchange: None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._real = tuple(real_sources)
        self._closes = closes
        self._grace = grace
        self._chosen_simulation = chosen_simulation
        self._push = frozenset(push_sources)
        self._pushed: dict[str, float] = {}
        self._push_silence = max(grace, 0.0)
        self._hours = FeedHours(market_of, clock, grace)
        self._lock = threading.Lock()
        self._statuses: dict[str, SourceStatus] = {}
        self._budgets: dict[str, RequestBudget] = {}
        self._unknown: dict[str, dict[str, float]] = {}
        self._said: set[str] = set()
        self._polled: frozenset[str] | None = None
        """The instruments that polled sources may be asked for; None for all."""
        self._last_real = clock.monotonic()
        self._real_quotes: dict[str, Quote] = {}
        self._stopped = False
        self.preferred: frozenset[str] = frozenset()
        """Whom to ask for first: what is held and what is on the screen. Replaced whole, never changed."""
        self._last_status: FeedStatus | None = None

    def add_source(self, name: str, budget: RequestBudget) -> None:
        """Show `name` among the sources from the start."""
        with self._lock:
            push = name in self._push
            self._statuses[name] = SourceStatus(name=name, state="connecting", push=push)
            self._budgets[budget.provider] = budget

    def knows_provider(self, provider: str) -> bool:
        """Whether a source of `provider` was added already."""
        with self._lock:
            return provider in self._budgets

    def stop(self) -> None:
        """Let nothing more through: a thread that is still in a request comes too late."""
        with self._lock:
            self._stopped = True

    def deliver(self, source: str, quotes: Sequence[Quote]) -> None:
        """Hand quotes to the engine, and note who has a previous close and a real price."""
        with self._lock:
            if self._stopped or not quotes:
                return
            if source in self._real:
                self._last_real = self._clock.monotonic()
                self._hours.note(source, quotes)
                self._closes.tell(quote.key for quote in quotes if quote.previous_close is not None)
                self._real_quotes.update((quote.key, quote) for quote in quotes)
            if source in self._push:
                self._pushed.update(dict.fromkeys((quote.key for quote in quotes), self._last_real))
            self._sink.put_quotes(quotes)

    def lost(self, source: str) -> None:
        """A push connection broke: until it tells prices again, others are asked for them."""
        with self._lock:
            if not self._stopped:
                self._pushed.clear()
                self._sink.put(SourceLost(source))

    def unpushed(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Those of which no push source has told a price lately, so that somebody must ask for one."""
        with self._lock:
            oldest = self._clock.monotonic() - self._push_silence
            return [i for i in instruments if self._pushed.get(i.key, -math.inf) < oldest]

    def awake(self, source: str, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Those that may have another price: not the ones of a closed market whose closing price is known."""
        with self._lock:
            return self._hours.awake(source, instruments)

    def any_open(self, instruments: Iterable[Instrument]) -> bool:
        """Whether a market of these is open, so that prices are to be expected."""
        with self._lock:
            return self._hours.any_open({instrument.exchange for instrument in instruments})

    @property
    def has_push(self) -> bool:
        """Whether any source pushes."""
        return bool(self._push)

    def deliver_daily(self, daily: DailyCloses) -> None:
        """Hand daily closes to the engine."""
        with self._lock:
            if not self._stopped and daily.closes:
                self._closes.tell((daily.key,))
                self._sink.put(daily)

    def report(self, status: SourceStatus) -> None:
        """Note how a source fares and tell the engine if that changes the picture."""
        with self._lock:
            self._statuses[status.name] = status
        self.publish()

    def publish(self) -> None:
        """Tell the engine how the feed fares, if that has changed."""
        with self._lock:
            if self._stopped:
                return
            status = self._status()
            if status == self._last_status:
                return
            self._last_status = status
            self._sink.put(msgspec.structs.replace(status, updated=self._clock.time()))

    def mark_unknown(self, key: str, source: str) -> None:
        """Note that `source` does not know `key`; the engine hears of it, once, when no source does."""
        with self._lock:
            if self._stopped:
                return
            deniers = self._unknown.setdefault(key, {})
            deniers[source] = self._clock.monotonic()
            if key not in self._said and deniers.keys() >= self._judges(key):
                self._said.add(key)
                self._sink.put(InstrumentUnknown(key))

    def take_real_quotes(self) -> list[Quote]:
        """The last real quote of each instrument that had one since the last call."""
        with self._lock:
            quotes = list(self._real_quotes.values())
            self._real_quotes.clear()
        return quotes

    def unknown_to(self, source: str) -> frozenset[str]:
        """The instruments of which `source` said lately that it does not know them."""
        with self._lock:
            if not self._unknown:
                return frozenset()
            lately = self._clock.monotonic() - BELIEVED_FOR
            return frozenset(k for k, denied in self._unknown.items() if denied.get(source, lately) > lately)

    def keep_only(self, keys: Iterable[str], polled: Iterable[str]) -> None:
        """Forget what was said of instruments that are not watched any more; of the others only `polled` may
        be asked for."""
        wanted = set(keys)
        with self._lock:
            self._polled = frozenset(polled)
            self._unknown = {key: deniers for key, deniers in self._unknown.items() if key in wanted}
            self._hours.keep_only(wanted)
            self._pushed = {key: last for key, last in self._pushed.items() if key in wanted}
            self._said &= wanted

    def close_is_urgent(self, instrument: Instrument, source: str) -> bool:
        """Whether only `source` can tell the instrument's previous close, and has not done so."""
        if self._closes.is_told(instrument) or not self._closes.may_ask(instrument):
            return False
        with self._lock:
            return not self._others_ok(source) or self._denied_elsewhere(instrument.key, source)

    def wants_daily(self, instrument: Instrument) -> bool:
        """Whether nobody has asked for the instrument's daily closes in this session."""
        return self._closes.may_ask(instrument)

    def begin_daily(self, instrument: Instrument) -> None:
        """Somebody asks for the daily closes now, so that nobody else does."""
        self._closes.begin(instrument)

    def undo_daily(self, instrument: Instrument) -> None:
        """The request was cut off because the feed stops."""
        self._closes.undo(instrument)

    def end_daily(self, instrument: Instrument) -> None:
        """The provider has said what it knows of the daily closes."""
        self._closes.done(instrument)

    def simulation_wanted(self) -> bool:
        """Whether every real source has been failing for longer than the grace time."""
        with self._lock:
            if self._any_real_ok():
                return False
            return self._clock.monotonic() - self._last_real > self._grace

    def _others_ok(self, source: str) -> bool:
        """Whether another real source works, or has not yet had its first answer."""
        return any(
            status.state in ("ok", "connecting") and status.name in self._real and status.name != source
            for status in self._statuses.values()
        )

    def _denied_elsewhere(self, key: str, source: str) -> bool:
        """Whether every other real source does not know `key`."""
        return self._unknown.get(key, {}).keys() >= self._judges(key) - {source}

    def _judges(self, key: str) -> set[str]:
        """The real sources whose word on an instrument counts: one that cannot be asked has none."""
        if self._push and self._polled is not None and key not in self._polled:
            return set(self._push)
        mute = {n for n in self._push if n not in self._statuses or self._statuses[n].state != "ok"}
        return set(self._real) - mute if mute != set(self._real) else mute

    def _any_real_ok(self) -> bool:
        return any(self._statuses[name].state == "ok" for name in self._real if name in self._statuses)

    def _status(self) -> FeedStatus:
        statuses = tuple(map(self._judged, self._statuses.values()))
        working = next((s.name for state in ("ok", "old") for s in statuses if s.state == state), "")
        return FeedStatus(
            state=self._state(working, statuses),
            active=working,
            sources=statuses,
            used=sum(budget.used() for budget in self._budgets.values()),
            budget=sum(budget.per_minute() for budget in self._budgets.values()),
            next_try=min((s.next_try for s in statuses if s.next_try is not None), default=None),
        )

    def _judged(self, status: SourceStatus) -> SourceStatus:
        """A source that works, but tells only old prices of open markets, is "old"."""
        if status.state != "ok" or status.name not in self._real:
            return status
        newest = self._hours.newest_if_old(status.name, push=status.push)
        return status if newest is None else msgspec.structs.replace(status, state="old", newest=newest)

    def _state(self, working: str, statuses: Sequence[SourceStatus]) -> str:
        if working in self._real or (working and self._chosen_simulation):
            return next(s.state for s in statuses if s.name == working).replace("ok", "running")
        if working:
            return "simulated"
        if any(status.state in ("failing", "blocked") for status in statuses):
            connecting = any(s.state == "connecting" for s in statuses if s.name in self._real)
            return "connecting" if connecting else "offline"
        return "connecting"
