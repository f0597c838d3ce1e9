"""Vetting quotes into ticks, and telling what each price is worth as time goes by.

A price ages on two clocks at once, the computer's wall clock and its monotonic one, and the worse of the two
counts: so neither a clock that is set back nor a sleep that the monotonic clock misses can keep it fresh.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable

from core.clock import Clock
from core.market_calendar import MarketCalendar
from core.model import Freshness, FreshnessChange, Quote, Tick

log = logging.getLogger(__name__)

FUTURE_TOLERANCE = 60.0
"""Seconds by which a stamp may be ahead of this computer's clock, which may itself be a little slow."""
MAX_UNDECLARED_DELAY = 1200.0
"""A stamp further behind than this is no delayed feed but an old price."""
WARN_AFTER_FUTURES = 3
"""So many stamps from the future in a row: rather our clock is wrong than theirs."""


class _Window:
    """An exchange's trading session as of `valid_until`."""

    __slots__ = ("close", "is_open", "open", "valid_until")

    def __init__(self) -> None:
        self.is_open = False
        self.open = 0.0
        self.close = 0.0
        self.valid_until = -math.inf


class PriceState:
    """All that is known of one instrument's price."""

    __slots__ = (
        "advanced", "arrived_mono", "basis", "delay", "effective", "expires", "expires_mono", "freshness",
        "gap", "key", "last", "previous_close", "previous_session", "reference_price", "session", "source",
        "window",
    )  # fmt: skip

    def __init__(self, key: str, window: _Window) -> None:
        self.key = key
        self.window = window
        self.last: Tick | None = None
        self.source = ""
        self.effective = -math.inf
        """Up to when the last accepted price is good, by the provider (Unix seconds)."""
        self.advanced = 0
        self.arrived_mono = 0.0
        self.expires = math.inf
        self.expires_mono = math.inf
        self.freshness = Freshness.STALE
        self.delay: float | None = None
        self.gap = 0.0
        self.session = 0.0
        """When the session of the last price opened; it names the session."""
        self.previous_close: float | None = None
        self.previous_session = -1.0
        """The session for which `previous_close` is the previous one."""
        self.reference_price: float | None = None
        """What the change is measured against when there is no previous close: the session's first price."""
        self.basis = "previous_close"


class PriceBook:
    """The last vetted price of every instrument. Belongs to the engine's thread."""

    def __init__(self, calendar: MarketCalendar, clock: Clock, stale_after: float) -> None:
        self._calendar = calendar
        self._clock = clock
        self.stale_after = stale_after
        self._windows: dict[str, _Window] = {}
        self._states: dict[str, PriceState] = {}
        self.rejected: Counter[str] = Counter()
        self._futures = 0
        self.clock_suspect = False
        """Whether prices keep arriving from the future, so that this computer's clock must be wrong."""

    def state(self, key: str) -> PriceState:
        """The state of `key`, made when it is first asked for."""
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = PriceState(key, self._window(key.partition(":")[0]))
        return state

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget all instruments but these."""
        wanted = set(keys)
        self._states = {key: state for key, state in self._states.items() if key in wanted}

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """Judge sessions by another calendar from now on."""
        self._calendar = calendar
        for window in self._windows.values():
            window.valid_until = -math.inf

    def ticks(self) -> list[Tick]:
        """The last tick of each instrument that has one."""
        return [state.last for state in self._states.values() if state.last is not None]

    def session_open(self, exchange: str) -> float:
        """When the current or last session of `exchange` opened; it names the session."""
        return self._fresh_window(self._window(exchange), exchange, self._clock.time()).open

    def set_previous_close(self, key: str, close: float) -> None:
        """Take a previous close that came apart from the prices, for the current session."""
        if not (0.0 < close < math.inf):
            self._reject("previous close", key)
            return
        state = self.state(key)
        state.previous_close = close
        state.previous_session = self.session_open(key.partition(":")[0])

    def vet(self, quote: Quote) -> Tick | None:
        """The tick that `quote` amounts to; None if it must not get through or says nothing new."""
        price = quote.price
        key = quote.key
        if not (0.0 < price < math.inf):
            return self._reject("price", key)
        now = quote.received
        stamp = quote.stamp
        if not (0.0 < stamp <= now + FUTURE_TOLERANCE):
            return self._from_future(quote)
        state = self._states.get(key)
        if state is None:
            state = self.state(key)
        window = state.window
        if now >= window.valid_until:
            self._fresh_window(window, key.partition(":")[0], now)
        effective = stamp + quote.span
        effective = min(effective, now)
        if state.last is not None and not self._is_newer(state, quote, effective, now):
            return None
        return self._accept(state, quote, effective)

    def _is_newer(self, state: PriceState, quote: Quote, effective: float, now: float) -> bool:
        last = state.last
        assert last is not None
        if last.simulated != quote.simulated:
            # A real price always ends a simulated one; a made-up one may only follow a price that has died.
            return last.simulated or self._has_expired(state, now)
        if effective > state.effective:
            return True
        if quote.source != state.source:
            # An older price from elsewhere is no fault; it is welcome once ours has died.
            return self._has_expired(state, now) and now - effective <= MAX_UNDECLARED_DELAY
        if effective < state.effective:
            self._reject("out of order", quote.key)
            return False
        return quote.price != last.price

    def _has_expired(self, state: PriceState, now: float) -> bool:
        return (
            state.freshness is Freshness.STALE
            or now >= state.expires
            or self._clock.monotonic() >= state.expires_mono
        )

    def _accept(self, state: PriceState, quote: Quote, effective: float) -> Tick:
        now = quote.received
        mono = self._clock.monotonic()
        if quote.source != state.source:
            state.advanced = 0
        elif effective > state.effective:
            state.advanced += 1
        previous = state.last
        same_session = self._enter_session(state, quote, effective)
        state.gap = 0.0
        if previous is not None and same_session:
            silence = max(mono - state.arrived_mono, now - previous.received)
            if silence > self.stale_after:
                state.gap = silence
        self._judge(state, quote, effective, mono)
        base = self._change_base(state, quote)
        tick = Tick(
            quote.key, quote.price, (quote.price / base - 1.0) * 100.0, quote.stamp, now, quote.source,
            quote.simulated, state.freshness, state.delay, state.basis, state.previous_close, quote.open,
            quote.high, quote.low, quote.volume,
        )  # fmt: skip
        state.last = tick
        state.source = quote.source
        state.effective = effective
        state.arrived_mono = mono
        self._futures = 0
        self.clock_suspect = False
        return tick

    def _enter_session(self, state: PriceState, quote: Quote, effective: float) -> bool:
        """Note the session of the price; True if it is that of the price before."""
        window = state.window
        session = window.open if effective >= window.open else -1.0
        same = session == state.session
        if not same:
            state.session = session
            state.reference_price = None
        close = quote.previous_close
        if close is not None and 0.0 < close < math.inf and not (state.last and quote.simulated):
            state.previous_close = close
            state.previous_session = session
        elif session not in (state.previous_session, -1.0):
            state.previous_close = None
        return same

    def _change_base(self, state: PriceState, quote: Quote) -> float:
        if state.previous_close is not None:
            state.basis = "previous_close"
            return state.previous_close
        if state.reference_price is None:
            opened = quote.open
            usable = opened is not None and 0.0 < opened < math.inf and quote.span == 0.0
            state.reference_price = opened if usable and opened is not None else quote.price
        state.basis = "session_open"
        return state.reference_price

    def _judge(self, state: PriceState, quote: Quote, effective: float, mono: float) -> None:
        """Set the price's freshness, its delay, and when it goes stale."""
        now = quote.received
        state.expires = state.expires_mono = math.inf
        state.delay = None
        if quote.simulated:
            state.freshness = Freshness.SIMULATED
            state.expires = now + self.stale_after
            state.expires_mono = mono + self.stale_after
            return
        lag = now - effective
        declared = quote.declared_delay or 0.0
        left = self.stale_after
        if not state.window.is_open:
            state.freshness = Freshness.CLOSED
            state.delay = declared or None
            return
        if lag <= declared + self.stale_after:
            if declared > 0.0:
                state.freshness = Freshness.DELAYED
                state.delay = max(declared, round(lag, 1))
                left = min(left, declared + self.stale_after - lag)
            else:
                state.freshness = Freshness.LIVE
                state.delay = round(lag, 3)
                left -= lag
        elif lag <= MAX_UNDECLARED_DELAY and state.advanced >= 2:
            # Its stamps move on, only late: a delayed feed that does not say so.
            state.freshness = Freshness.DELAYED
            state.delay = round(lag, 1)
        else:
            state.freshness = Freshness.STALE
            state.delay = round(lag, 1)
        state.expires = now + left
        state.expires_mono = mono + left

    def age(self) -> list[FreshnessChange]:
        """Once a second: which prices have gone stale, or changed with the opening or closing of a market."""
        now, mono = self._clock.time(), self._clock.monotonic()
        for exchange, window in self._windows.items():
            if now >= window.valid_until or now < window.open:
                self._fresh_window(window, exchange, now)
        changes = []
        for state in self._states.values():
            last = state.last
            if last is None:
                continue
            freshness = self._aged(state, last, now, mono)
            if freshness is not state.freshness:
                state.freshness = freshness
                changes.append(self._change(state, last, freshness, now))
        return changes

    @staticmethod
    def _aged(state: PriceState, last: Tick, now: float, mono: float) -> Freshness:
        if last.simulated:
            expired = now >= state.expires or mono >= state.expires_mono
            return Freshness.STALE if expired else Freshness.SIMULATED
        if not state.window.is_open:
            return Freshness.CLOSED
        if state.freshness is Freshness.CLOSED or now >= state.expires or mono >= state.expires_mono:
            return Freshness.STALE
        return state.freshness

    @staticmethod
    def _change(state: PriceState, last: Tick, freshness: Freshness, now: float) -> FreshnessChange:
        since = last.received if freshness is Freshness.STALE else now
        return FreshnessChange(state.key, freshness, since, state.delay)

    def expire_all(self) -> list[FreshnessChange]:
        """The feed has stopped or lost its sources: nothing is live from this moment on."""
        changes = []
        for state in self._states.values():
            last = state.last
            if last is not None and state.freshness not in (Freshness.STALE, Freshness.CLOSED):
                state.expires = state.expires_mono = -math.inf
                state.freshness = Freshness.STALE
                changes.append(FreshnessChange(state.key, Freshness.STALE, last.received, state.delay))
        return changes

    def _window(self, exchange: str) -> _Window:
        window = self._windows.get(exchange)
        if window is None:
            window = self._windows[exchange] = _Window()
        return window

    def _fresh_window(self, window: _Window, exchange: str, now: float) -> _Window:
        if window.open <= now < window.valid_until:
            return window
        state = self._calendar.state(exchange, now)
        window.is_open = state.is_open
        window.open = state.session_open
        window.close = state.session_close
        next_change = state.closes_at if state.is_open else state.opens_at
        window.valid_until = min(now + 60.0, math.inf if next_change is None else next_change)
        return window

    def _from_future(self, quote: Quote) -> None:
        self._futures += 1
        if self._futures >= WARN_AFTER_FUTURES:
            self.clock_suspect = True
        self._reject("stamp", quote.key)

    def _reject(self, kind: str, key: str) -> None:
        """Count what does not get through, and log the first of each kind."""
        self.rejected[kind] += 1
        if self.rejected[kind] == 1:
            log.warning("refused a quote of %s: bad %s (further ones are only counted)", key, kind)
