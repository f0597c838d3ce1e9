"""What the price book remembers of one exchange and of one instrument."""

from __future__ import annotations

import math

from core.model import Freshness, Quote, Tick

_INFINITE = math.inf


class Window:
    """An exchange's current or last session, as it holds until `valid_until` (Unix seconds)."""

    __slots__ = ("close", "is_open", "open", "valid_until")

    def __init__(self) -> None:
        self.is_open = False
        self.open = 0.0
        self.close = 0.0
        self.valid_until = -math.inf


class PriceState:
    """All that is known of one instrument's price. Made-up prices touch only what follows `first_price`."""

    __slots__ = (
        "advanced", "arrived", "arrived_mono", "basis", "delay", "effective", "expires", "expires_mono",
        "first_price", "freshness", "gap", "key", "last", "made_up_base", "newest", "previous_close",
        "previous_session", "session", "source", "window",
    )  # fmt: skip

    def __init__(self, key: str, window: Window) -> None:
        self.key = key
        self.window = window
        self.source = ""
        self.effective = -math.inf
        """Up to when the last accepted price is good, by the provider (Unix seconds)."""
        self.newest = -math.inf
        """A real price from before this may end a made-up one, but gives no signal."""
        self.advanced = 0
        """How often the source's stamps have moved on since it took over."""
        self.arrived = 0.0
        self.arrived_mono = 0.0
        self.gap = 0.0
        """Seconds of silence before the last price, 0 if it was no gap."""
        self.session = math.nan
        """When the session of the last price opened; it names the session. -1: before the current one."""
        self.previous_close: float | None = None
        self.previous_session = -1.0
        """The session for which `previous_close` is the previous one."""
        self.first_price: float | None = None
        self.made_up_base: float | None = None
        self.last: Tick | None = None
        self.basis = "previous_close"
        self.freshness = Freshness.STALE
        self.delay: float | None = None
        self.expires = math.inf
        self.expires_mono = math.inf

    def enter_session(self, session: float, close: float | None) -> None:
        """Note a price's session and its previous close."""
        if session != self.session:
            self.session = session
            self.first_price = None
        if close is not None and 0.0 < close < _INFINITE:
            self.previous_close = close
            self.previous_session = session
        elif session not in (self.previous_session, -1.0):
            self.previous_close = None


def tick_of(quote: Quote, base: float, state: PriceState) -> Tick:
    """The tick of an accepted quote; its change is against `base`."""
    opened, high, low, volume = quote.open, quote.high, quote.low, quote.volume
    if opened is not None and not 0.0 < opened < _INFINITE:
        opened = None
    if high is not None and not 0.0 < high < _INFINITE:
        high = None
    if low is not None and not 0.0 < low < _INFINITE:
        low = None
    if volume is not None and not 0.0 <= volume < _INFINITE:
        volume = None
    return Tick(
        quote.key, quote.price, (quote.price / base - 1.0) * 100.0, quote.stamp, quote.received, quote.source,
        quote.simulated, state.freshness, state.delay, state.basis, state.previous_close, opened, high, low,
        volume,
    )  # fmt: skip
