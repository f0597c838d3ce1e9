"""The signal rule of the product: a BUY or a SELL each time a price moves by the threshold.

Per instrument there is a reference price, the previous close first and then the price of the last signal. A
price `threshold` percent or more above it is a BUY, as much below it a SELL, and becomes the new reference.
At most one signal per instrument in `cooldown` seconds; a suppressed one leaves the reference where it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from core.engine.noise import NoiseFilter
from core.model import Freshness, Side, Signal, Tick

MIN_CLOSES = 6
"""Fewer daily closes than this tell too little of an instrument's volatility."""
_LIVE, _DELAYED, _STALE = Freshness.LIVE, Freshness.DELAYED, Freshness.STALE
_CLOSED = Freshness.CLOSED
_ROUNDING = 1e-9
"""Slack in percent, so that a price at exactly the threshold is not lost to binary fractions."""


def daily_volatility(closes: Sequence[float]) -> float | None:
    """The sample standard deviation of the daily log returns of `closes`, in percent; None if too few.

    Closes that cannot be prices are left out.
    """
    usable = [close for close in closes if 0.0 < close < math.inf]
    if len(usable) < MIN_CLOSES:
        return None
    returns = [math.log(b / a) * 100.0 for a, b in pairwise(usable)]
    mean = sum(returns) / len(returns)
    return math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))


def confidence(move_pct: float, volatility_pct: float) -> float:
    """How unusual a move is for this instrument, in [0, 1]: erf(|move| / (volatility * sqrt 2)).

    That is the chance that a normally distributed daily move with this standard deviation is smaller: 0.68
    at one standard deviation, 0.95 at two. It rises with the move and falls with the volatility. While an
    instrument's daily volatility is not known, `SignalRule` takes half the threshold for it.
    """
    if volatility_pct <= 0.0:
        return 1.0 if move_pct else 0.0
    return math.erf(abs(move_pct) / (volatility_pct * math.sqrt(2.0)))


class _Watch:
    """One instrument's reference and the prices at which it signals."""

    __slots__ = (
        "basis_close", "buy_at", "fired_at", "reference", "sell_at", "session", "signalled", "volatility",
    )  # fmt: skip

    def __init__(self) -> None:
        self.reference = 0.0
        self.buy_at = math.inf
        self.sell_at = -math.inf
        self.session = math.nan
        self.basis_close: float | None = None
        self.signalled = False
        self.fired_at = -math.inf
        self.volatility: float | None = None


class SignalRule:
    """Applies the rule to ticks. Belongs to the engine's thread."""

    def __init__(self, threshold_pct: float, cooldown: float, *, trade_simulation: bool) -> None:
        self._watches: dict[str, _Watch] = {}
        self.noise: NoiseFilter | None = None
        """What stands between the prices and the rule, if anything."""
        self.configure(threshold_pct, cooldown, trade_simulation=trade_simulation)

    def configure(self, threshold_pct: float, cooldown: float, *, trade_simulation: bool) -> None:
        """Work by other figures from now on; references stay."""
        self._threshold = threshold_pct
        self._cooldown = cooldown
        self._trade_simulation = trade_simulation
        self._up = 1.0 + (threshold_pct - _ROUNDING) / 100.0
        self._down = 1.0 - (threshold_pct - _ROUNDING) / 100.0
        for watch in self._watches.values():
            if watch.reference:
                self._refer(watch, watch.reference)

    def restore(self, signals: Iterable[Signal], session_of: dict[str, float]) -> None:
        """Take the references from stored signals (newest first) of the current sessions, so that a restart
        does not alert anew. `session_of` names each exchange's session by its opening time."""
        for signal in signals:
            session = session_of.get(signal.exchange)
            if session is None or signal.timestamp < session or signal.key in self._watches:
                continue
            watch = self._watches[signal.key] = _Watch()
            watch.session = session
            watch.signalled = True
            watch.fired_at = signal.timestamp
            self._refer(watch, signal.price)

    def set_volatility(self, key: str, volatility_pct: float | None) -> None:
        """Tell the instrument's recent daily volatility in percent."""
        self._watch(key).volatility = volatility_pct

    def dump(self, key: str) -> list[Any] | None:
        """All that is remembered of an instrument, in JSON's types, for `load`; None if there is nothing."""
        watch = self._watches.get(key)
        if watch is None:
            return None
        known = [watch.session, watch.fired_at]
        session, fired = (value if math.isfinite(value) else None for value in known)
        return [
            watch.reference, session, watch.basis_close, watch.signalled, fired, watch.volatility,
            None if self.noise is None else self.noise.dump(key),
        ]  # fmt: skip

    def load(self, key: str, data: list[Any] | None) -> None:
        """Go on with what `dump` told, perhaps of another rule; None forgets the instrument."""
        if data is None:
            self._watches.pop(key, None)
            return
        reference, session, basis_close, signalled, fired, volatility, noise = data
        watch = self._watches[key] = _Watch()
        watch.session = math.nan if session is None else session
        watch.basis_close, watch.signalled, watch.volatility = basis_close, signalled, volatility
        watch.fired_at = -math.inf if fired is None else fired
        if reference:
            self._refer(watch, reference)
        if self.noise is not None and noise is not None:
            self.noise.load(key, noise)

    def forget(self) -> None:
        """Drop all references (the prices will come from another world, e.g. the simulator)."""
        self._watches.clear()
        if self.noise is not None:
            self.noise.forget()

    def check(self, tick: Tick, session: float, gap: float = 0.0) -> Signal | None:
        """The signal that `tick` gives, if any. `session` names the price's session (negative: one that is
        over), `gap` is in seconds. Ticks that may not signal leave no trace."""
        watch: _Watch | None
        try:
            watch = self._watches[tick.key]
        except KeyError:
            watch = None
        if (
            watch is not None and watch.sell_at < tick.price < watch.buy_at and session == watch.session
            and self.noise is None and (watch.signalled or tick.previous_close == watch.basis_close)
        ):  # fmt: skip
            return None  # The usual case, told apart first: nothing below would change anything.
        freshness = tick.freshness
        if tick.simulated:
            # A replayed price bears its age at the recorded time.
            if not self._trade_simulation or freshness is _STALE or freshness is _CLOSED:
                return None
        elif freshness is not _LIVE and freshness is not _DELAYED:
            return None
        if session < 0.0:
            return None
        if watch is None:
            watch = self._watch(tick.key)
        if session != watch.session or (not watch.signalled and tick.previous_close != watch.basis_close):
            self._start_session(watch, tick, session)
        price = tick.price
        if self.noise is not None:
            price = self.noise.see(tick.key, price, session, watch.reference, tick.stamp)
        if watch.sell_at < price < watch.buy_at:
            return None
        # A clock that was set back must not prolong the pause, so it has a beginning too.
        if watch.fired_at <= tick.received < watch.fired_at + self._cooldown:
            return None
        return self._fire(watch, tick, price, gap)

    def _watch(self, key: str) -> _Watch:
        return self._watches.setdefault(key, _Watch())

    def _start_session(self, watch: _Watch, tick: Tick, session: float) -> None:
        watch.session = session
        watch.signalled = False
        watch.basis_close = tick.previous_close
        base = tick.previous_close
        if base is None:
            base = tick.price / (1.0 + tick.change_pct / 100.0)
        self._refer(watch, base)

    def _refer(self, watch: _Watch, price: float) -> None:
        watch.reference = price
        watch.buy_at = price * self._up
        watch.sell_at = price * self._down

    def _fire(self, watch: _Watch, tick: Tick, price: float, gap: float) -> Signal:
        reference = watch.reference
        move = (price / reference - 1.0) * 100.0
        volatility = watch.volatility if watch.volatility is not None else self._threshold / 2.0
        watch.signalled = True
        watch.fired_at = tick.received
        self._refer(watch, price)
        return Signal(
            key=tick.key, side=Side.BUY if move > 0 else Side.SELL, price=price,
            confidence=round(confidence(move, volatility), 4), timestamp=tick.received, source=tick.source,
            simulated=tick.simulated, reference_price=reference, change_pct=round(move, 4), gap=round(gap, 1),
        )  # fmt: skip
