"""Vetting quotes into ticks, and telling what each price is worth as time goes by.

A price ages on two clocks at once, the computer's wall clock and its monotonic one, and the worse of the two
counts: so neither a clock that is set back nor a sleep that the monotonic clock misses can keep it fresh.

Of two prices the one with the later provider's time stands, whoever told it; so a delayed source never moves
an instrument back in time. A made-up price (the fallback simulation) may only follow a real one that has
died, and a real price always ends it.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable

import msgspec

from core.clock import Clock
from core.engine.price_state import PriceState, Window, tick_of
from core.market_calendar import MarketCalendar
from core.model import Freshness, FreshnessChange, Quote, Tick

log = logging.getLogger(__name__)

FUTURE_TOLERANCE = 60.0
"""Seconds by which a stamp may be ahead of this computer's clock, which may itself be a little slow."""
OLDEST = 400 * 86_400.0
"""A stamp further back than this is an accident (a bar of 1970), not a price."""
MAX_UNDECLARED_DELAY = 1200.0
"""A stamp further behind than this is no delayed feed but an old price."""
MAX_DECLARED_DELAY = 3600.0
"""More than this is not believed of a provider: nothing may look merely delayed for hours."""
WARN_AFTER_FUTURES = 3
"""So many stamps from the future in a row: rather our clock is wrong than theirs."""
_INFINITE = math.inf
_LIVE, _DELAYED, _STALE = Freshness.LIVE, Freshness.DELAYED, Freshness.STALE
_CLOSED, _SIMULATED = Freshness.CLOSED, Freshness.SIMULATED
"""Looking a member up in its enum costs more than all of the judging."""


class PriceBook:
    """The last vetted price of every instrument. Belongs to the engine's thread, but for `session_open`."""

    def __init__(
        self, calendar: MarketCalendar, clock: Clock, stale_after: float, *, trade_simulation: bool = False
    ) -> None:
        self._calendar = calendar
        self._clock = clock
        self.stale_after = stale_after
        self.trade_simulation = trade_simulation
        self._windows: dict[str, Window] = {}
        self.states: dict[str, PriceState] = {}
        """What is known of each instrument that was ever asked about."""
        self.rejected: Counter[str] = Counter()
        self._futures = 0
        self.clock_suspect = False
        """Whether prices keep arriving from the future, so that this computer's clock must be wrong."""
        self.read_clocks()

    def read_clocks(self) -> None:
        """Take the time by which the quotes of the next batch are judged."""
        self._now = self._clock.time()
        self._mono = self._clock.monotonic()

    @property
    def judged_at(self) -> tuple[float, float]:
        """The wall and the monotonic time by which quotes are judged at present."""
        return self._now, self._mono

    def state(self, key: str) -> PriceState:
        """The state of `key`, made when it is first asked for."""
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = PriceState(key, self._window(key.partition(":")[0]))
        return state

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget all instruments but these."""
        wanted = set(keys)
        self.states = {key: state for key, state in self.states.items() if key in wanted}

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """Judge sessions by another calendar from now on."""
        self._calendar = calendar
        for window in self._windows.values():
            window.valid_until = -_INFINITE

    def ticks(self) -> list[Tick]:
        """The last tick of each instrument that has one, with what it is worth by now."""
        return [
            state.last
            if state.last.freshness is state.freshness
            else msgspec.structs.replace(state.last, freshness=state.freshness)
            for state in self.states.values()
            if state.last is not None
        ]

    def session_open(self, exchange: str) -> float:
        """When the current or last session of `exchange` opened; it names the session. From any thread."""
        return self._calendar.state(exchange, self._clock.time()).session_open

    def offer_previous_close(self, key: str, close: float) -> None:
        """Take the current session's previous close from daily bars, unless a quote has told it."""
        if not (0.0 < close < _INFINITE):
            self._reject("previous close", key)
            return
        state = self.state(key)
        session = self.session_open(key.partition(":")[0])
        if state.previous_close is None or state.previous_session != session:
            state.previous_close = close
            state.previous_session = session

    # --- a quote comes ------------------------------------------------------------------------------

    def vet(self, quote: Quote) -> Tick | None:
        """The tick that `quote` amounts to; None if it must not get through or says nothing new."""
        received = quote.received
        if not (0.0 < quote.price < _INFINITE):
            self._reject("price", quote.key)
            return None
        stamp = quote.stamp
        if not (received - OLDEST <= stamp <= received + FUTURE_TOLERANCE):
            self._reject_stamp(quote)
            return None
        try:
            state = self.states[quote.key]
        except KeyError:
            state = self.state(quote.key)
        if self._now >= state.window.valid_until:
            self._refresh(state.window, quote.key.partition(":")[0])
        if quote.simulated is not self.trade_simulation:
            if quote.simulated:
                return self._vet_made_up(state, quote)
            self._reject("real price among simulated ones", quote.key)
            return None
        good_until = stamp + quote.span
        effective = good_until if good_until < received else received
        last = state.last
        if (
            effective > state.effective
            # Another price of the same moment, told apart without a call as providers' clocks are coarse.
            or (
                effective == state.effective and last is not None and quote.price != last.price
                and quote.source == state.source and last.simulated is quote.simulated
            )
            or self._is_welcome(state, quote, effective)
        ):  # fmt: skip
            return self._accept(state, quote, effective)
        return self._learn_close(state, quote, effective)

    @staticmethod
    def _learn_close(state: PriceState, quote: Quote, effective: float) -> Tick | None:
        """An older price of the session may still tell the previous close: the last tick, now with it."""
        last, close = state.last, quote.previous_close
        if last is None or last.simulated or state.previous_close is not None or close is None:
            return None
        session = state.window.open if effective >= state.window.open else -1.0
        if session != state.session or not 0.0 < close < _INFINITE:
            return None
        state.previous_close, state.previous_session, state.basis = close, session, "previous_close"
        state.last = msgspec.structs.replace(
            last, change_pct=(last.price / close - 1.0) * 100.0, basis="previous_close", previous_close=close,
            freshness=state.freshness,
        )  # fmt: skip
        return state.last

    def _is_welcome(self, state: PriceState, quote: Quote, effective: float) -> bool:
        """Whether a price that is no newer by its provider's time may replace the last one all the same."""
        last = state.last
        if last is None or last.simulated is not quote.simulated:
            state.newest = max(state.newest, state.effective)
            return True
        if quote.source != state.source:
            return False
        if effective < state.effective:
            self._reject("out of order", quote.key)
            return False
        if quote.price != last.price:
            return True
        # The same price again, but the provider stands by it: it may have been thought dead too early.
        return state.freshness is Freshness.STALE and (
            not state.window.is_open or self._now - effective < self._declared(quote) + self.stale_after
        )

    def _accept(self, state: PriceState, quote: Quote, effective: float) -> Tick:
        received, mono, longest = quote.received, self._mono, self.stale_after
        # A made-up price before it has left its own expiry behind.
        last = state.last
        advances = effective > state.effective or (last is not None and last.simulated)
        if quote.source != state.source:
            state.source = quote.source
            state.advanced = 0
        elif advances:
            state.advanced += 1
        state.gap = 0.0
        window = state.window
        opened = window.open
        session = opened if effective >= opened else -1.0
        close = quote.previous_close
        same_session = session == state.session
        if not same_session or (close is not None and close != state.previous_close):
            state.enter_session(session, close)
        if same_session and (mono - state.arrived_mono > longest or received - state.arrived > longest):
            state.gap = max(mono - state.arrived_mono, received - state.arrived)
        now = self._now
        lag = now - effective if now > effective else 0.0
        if window.is_open and lag < longest and not quote.declared_delay and not quote.simulated:
            # The usual case, as `_judge` would judge it.
            state.freshness = _LIVE
            state.delay = lag
            left = longest - lag
            state.expires = now + left
            state.expires_mono = mono + left
        else:
            self._judge(state, quote, effective, advances)
        state.effective = effective
        state.arrived = received
        state.arrived_mono = mono
        if self._futures:
            self._futures = 0
            self.clock_suspect = False
        base = state.previous_close
        if base is not None:
            state.basis = "previous_close"
        else:
            base = self._session_base(state, quote)
        tick = state.last = tick_of(quote, base, state)
        return tick

    @staticmethod
    def _session_base(state: PriceState, quote: Quote) -> float:
        """What the change is measured against without a previous close: the first price of the session."""
        state.basis = "session_open"
        if state.first_price is None:
            opened = quote.open
            # A bar's open is the session's only if the "bar" is the whole session (span 0).
            usable = opened is not None and 0.0 < opened < _INFINITE and quote.span == 0.0
            state.first_price = opened if usable and opened is not None else quote.price
        return state.first_price

    @staticmethod
    def _declared(quote: Quote) -> float:
        declared = quote.declared_delay
        return declared if declared is not None and 0.0 < declared <= MAX_DECLARED_DELAY else 0.0

    def _judge(self, state: PriceState, quote: Quote, effective: float, advances: bool) -> None:
        """Set the price's freshness, its delay, and when it goes stale."""
        now = self._now
        left = self.stale_after
        lag = now - effective if now > effective else 0.0
        declared = self._declared(quote) if quote.declared_delay else 0.0
        if quote.simulated:
            state.freshness = _SIMULATED
            state.delay = None
        elif not state.window.is_open:
            state.freshness = _CLOSED
            state.delay = declared or None
        elif lag >= declared + left:
            # Stamps that move on, only late, are those of a delayed feed that does not say so.
            late = lag <= MAX_UNDECLARED_DELAY and state.advanced >= 2
            state.freshness = _DELAYED if late else _STALE
            state.delay = lag
        elif declared:
            state.freshness = _DELAYED
            state.delay = max(declared, lag)
            left = min(left, declared + left - lag)
        else:
            state.freshness = _LIVE
            state.delay = lag
            left -= lag
        if state.freshness is _DELAYED and not advances:
            # The stamp stands still, so the price lives no longer than it would have.
            if now >= state.expires or self._mono >= state.expires_mono:
                state.freshness = _STALE
            return
        state.expires = now + left
        state.expires_mono = self._mono + left

    def _vet_made_up(self, state: PriceState, quote: Quote) -> Tick | None:
        """A price of the fallback simulation: shown where nothing else is, and kept apart from real ones."""
        last = state.last
        if last is None or not last.simulated:
            if last is not None and not self._has_died(state):
                return None
            state.made_up_base = None
        close = quote.previous_close
        if close is not None and 0.0 < close < _INFINITE:
            base, state.basis = close, "previous_close"
        else:
            base, state.basis = state.made_up_base or quote.price, "session_open"
        state.made_up_base = base
        state.freshness = Freshness.SIMULATED
        state.delay = None
        state.expires = self._now + self.stale_after
        state.expires_mono = self._mono + self.stale_after
        tick = state.last = msgspec.structs.replace(
            tick_of(quote, base, state), previous_close=base if state.basis == "previous_close" else None
        )
        return tick

    def _has_died(self, state: PriceState) -> bool:
        if state.freshness is Freshness.CLOSED:
            return False
        return (
            state.freshness is Freshness.STALE
            or self._now >= state.expires
            or self._mono >= state.expires_mono
        )

    # --- no quote comes -----------------------------------------------------------------------------

    def age(self) -> list[FreshnessChange]:
        """Once a second: which prices have gone stale, or changed with the opening or closing of a market."""
        self.read_clocks()
        for exchange, window in self._windows.items():
            self._refresh(window, exchange)
        changes = []
        for state in self.states.values():
            if state.last is not None:
                freshness = self._aged(state)
                if freshness is not state.freshness:
                    changes.append(self._change(state, state.last, freshness))
        return changes

    def _aged(self, state: PriceState) -> Freshness:
        freshness, window = state.freshness, state.window
        if freshness is Freshness.STALE:
            return freshness
        if freshness is Freshness.CLOSED:
            return Freshness.STALE if window.is_open else freshness
        dead_for = max(self._now - state.expires, self._mono - state.expires_mono)
        if window.is_open or freshness is Freshness.SIMULATED:
            return Freshness.STALE if dead_for >= 0.0 else freshness
        # The market has just closed: a price that was good until then is its last one.
        return Freshness.CLOSED if dead_for <= self._now - window.close else Freshness.STALE

    def _change(self, state: PriceState, last: Tick, freshness: Freshness) -> FreshnessChange:
        state.freshness = freshness
        since = state.window.close if freshness is Freshness.CLOSED else last.received
        return FreshnessChange(state.key, freshness, since, state.delay)

    def expire_all(self) -> list[FreshnessChange]:
        """The feed has stopped: nothing is live from this moment on."""
        return [
            self._change(state, state.last, Freshness.STALE)
            for state in self.states.values()
            if state.last is not None and state.freshness not in (Freshness.STALE, Freshness.CLOSED)
        ]

    def expire_from(self, source: str) -> list[FreshnessChange]:
        """The connection to `source` broke: its live and delayed prices go stale."""
        return [
            self._change(state, state.last, Freshness.STALE)
            for state in self.states.values()
            if state.last is not None
            and state.last.source == source
            and state.freshness in (Freshness.LIVE, Freshness.DELAYED)
        ]

    def _window(self, exchange: str) -> Window:
        window = self._windows.get(exchange)
        if window is None:
            window = self._windows[exchange] = Window()
        return window

    def _refresh(self, window: Window, exchange: str) -> None:
        state = self._calendar.state(exchange, self._now)
        window.is_open = state.is_open
        window.open = state.session_open
        window.close = state.session_close
        next_change = state.closes_at if state.is_open else state.opens_at
        window.valid_until = state.session_close if next_change is None else next_change

    # --- bad data -----------------------------------------------------------------------------------

    def _reject_stamp(self, quote: Quote) -> None:
        if quote.stamp > quote.received:
            self._futures += 1
            if self._futures >= WARN_AFTER_FUTURES:
                self.clock_suspect = True
            self._reject("stamp (future)", quote.key)
        else:
            self._reject("stamp", quote.key)

    def _reject(self, kind: str, key: str) -> None:
        """Count what does not get through, and log the first of each kind."""
        self.rejected[kind] += 1
        if self.rejected[kind] == 1:
            log.warning("refused a quote of %s: bad %s (further ones are only counted)", key, kind)
