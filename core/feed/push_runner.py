"""The thread that keeps one push source connected: it subscribes, listens, watches over it and reconnects.

The first delay is `reconnect_delay_ms`, then it doubles up to 30 s, spread by a quarter. After
`reconnect_attempts` failed tries in a row the source is only probed now and then, for ever, while the polled
sources do the work. A connection that stood for a minute clears the count. Each connection takes a slot of
the provider's request budget, so that not even a storm of broken connections can hammer it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from core.clock import Clock
from core.config import WebSocketConfig
from core.errors import CancelledError, RateLimitedError, SourceError
from core.feed.backoff import CAP, RATE_LIMIT_PAUSE, delay_after
from core.feed.board import FeedBoard
from core.feed.budget import RequestBudget
from core.feed.source_thread import IDLE, LONGEST_PAUSE, SourceThread
from core.i18n import tr
from core.model import Instrument
from core.sources.push_base import PushSource, Received

LOOK = 0.2
"""Real seconds of listening between two looks at what else is to be done."""
STABLE_AFTER = 60.0
"""Seconds after which a connection counts as good and earlier failures are forgotten."""
PROBE_EVERY = 60.0
"""Seconds between two tries of a source that has failed too often."""
DEFAULT_WATCHDOG = 30.0
RATE_OVER = 10.0
"""Seconds over which prices per second are counted."""


class PushRunner(SourceThread):
    """Keeps one source connected and its prices flowing until it is stopped."""

    def __init__(
        self, source: PushSource, instruments: Sequence[Instrument], budget: RequestBudget,
        board: FeedBoard, clock: Clock, config: WebSocketConfig, *, grace: float, jitter: random.Random,
    ) -> None:  # fmt: skip
        """`grace`: seconds that a connection may go without any price before it counts as failing."""
        super().__init__(
            f"feed-{source.name}-push", source, instruments, budget, board, clock, jitter
        )  # fmt: skip
        self._source = source
        self._config = config
        self._watchdog = _watchdog(config)
        if not source.heartbeats:
            self._watchdog = max(self._watchdog, grace)
        self._grace = grace
        self._subscribed: tuple[Instrument, ...] = ()
        self._denied: frozenset[str] = frozenset()
        self._connections = 0
        self._told = False
        self._next_report = 0.0

    def _turn(self) -> None:
        """One connection from its opening to its end, and the rest after it."""
        if not self._wanted:
            self._report("idle")
            self._pause(IDLE)
            return
        try:
            self._budget.wait_for_slot(self._stop_event)
            self._report("connecting")
            self._source.connect()
            self._opened()
            self._listen()
        except CancelledError:
            if self._stop_event.is_set():
                raise
            self._failed(tr("engine.source_slow", source=self._source.name))
        except RateLimitedError as error:
            pause = error.retry_after if error.retry_after is not None else RATE_LIMIT_PAUSE
            self._failed(str(error), state="blocked", pause=min(max(pause, RATE_LIMIT_PAUSE), LONGEST_PAUSE))
        except SourceError as error:
            self._failed(str(error))
        except Exception as bug:  # noqa: BLE001 - logged; what is wrong with one answer may be right in the next
            self._broke(bug)

    def _end(self) -> None:
        self._source.disconnect()

    def _opened(self) -> None:
        self._connections += 1
        self._begun()
        self._opened_mono = self._heard_mono = self._clock.monotonic()
        self._subscribed = ()
        self._told = False

    def _listen(self) -> None:
        """Until something breaks. Raises `SourceError`, or `CancelledError` when it is time to end."""
        while not self._stop_event.is_set():
            self._keep_subscribed()
            received = self._source.receive(LOOK)
            now = self._clock.monotonic()
            if received.heard:
                self._heard_mono = now
                self._take(received, now)
            elif now - self._heard_mono >= self._watchdog:
                self._bite(now)
            if now - self._opened_mono >= STABLE_AFTER and self._told:
                self._failures = 0
            if now >= self._next_report:
                self._report_connection(now)
            if not self._wanted:
                self._source.disconnect()
                self._since = None
                return
        raise CancelledError("the feed stops")

    def _bite(self, now: float) -> None:
        """It has been silent for too long, unless that is no fault."""
        if self._has_nothing_to_say():
            self._heard_mono = now
            return
        raise SourceError(tr("sources.silent", source=self._source.name))

    def _has_nothing_to_say(self) -> bool:
        """Whether its silence proves nothing: no heartbeats, and no market open."""
        return not self._source.heartbeats and not self._board.any_open(self._wanted)

    def _keep_subscribed(self) -> None:
        """Tell the source what has changed in what we want."""
        denied = self._board.unknown_to(self._source.name)
        if self._wanted is self._subscribed and denied == self._denied:
            return
        before = set(self._subscribed)
        if denied != self._denied:
            # What was not known is asked for again when the denial has aged.
            before -= {i for i in before if i.key in self._denied and i.key not in denied}
        wanted = self._wanted
        wanted_set = set(wanted)
        added = [i for i in wanted if i not in before and i.key not in denied]
        removed = [i for i in self._subscribed if i not in wanted_set]
        self._subscribed, self._denied = wanted, denied
        if added or removed:
            self._source.subscribe(added, removed)

    def _take(self, received: Received, now: float) -> None:
        for key in received.unknown:
            self._board.mark_unknown(key, self._source.name)
        if received.quotes:
            self._note(received.quotes)
            self._board.deliver(self._source.name, received.quotes)
            if not self._told:
                self._told = True
                self._next_report = now

    def _report_connection(self, now: float) -> None:
        self._next_report = now + 1.0
        if self._told or self._has_nothing_to_say():
            self._report("ok", rate=self._rate(RATE_OVER))
        elif now - self._opened_mono >= self._grace:
            self._report("failing", error=tr("sources.no_quotes", source=self._source.name))
        else:
            self._report("connecting")

    def _failed(self, error: str, *, state: str = "failing", pause: float | None = None) -> None:
        self._source.disconnect()
        if self._told:
            self._board.lost(self._source.name)
        self._told = False
        super()._failed(error, state=state, pause=pause)

    def _delay(self) -> float:
        """Seconds until the next try."""
        if self._failures > self._config.reconnect_attempts:
            return max(PROBE_EVERY, self._config.reconnect_delay_ms / 1000) * self._jitter.uniform(1.0, 1.25)
        first = self._config.reconnect_delay_ms / 1000
        if self._failures == 1:
            return first
        later = delay_after(self._failures, self._jitter, base=max(first, 0.5), cap=max(CAP, first))
        return max(first, later)

    def _more(self) -> dict[str, Any]:
        return {"push": True, "reconnects": max(0, self._connections - 1)}


def _watchdog(config: WebSocketConfig) -> float:
    """Seconds without any frame after which a connection is dead: the shorter of the two that are set."""
    times = [ms / 1000 for ms in (config.heartbeat_interval_ms, config.timeout_ms) if ms > 0]
    return max(1.0, min(times, default=DEFAULT_WATCHDOG))
